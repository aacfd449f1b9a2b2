package postgres

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestSweepPlans checks that a sweep reads its blocks of one partition, and of what
// belongs to a row one partition, by an index.
func TestSweepPlans(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), newDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tables := []string{"requests", "grants", "grant_parties", "sessions", "session_parties", "families", "family_parties",
		"access_records", "access_parties", "registers"}
	for _, sql := range fill {
		table, rows := strings.Fields(sql)[2], planned
		switch {
		case table == "use_codes" || table == "use_requests":
			rows = 5 * planned // of these short rows a page has many
		case !slices.Contains(tables, table):
			continue
		}
		if _, err := conn.Exec(t.Context(), sql, rows); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		`INSERT INTO consents SELECT 'consent' || n, 'client', '2026-01-01Z', '2026-01-01Z', repeat('x', 200)::bytea FROM generate_series(1, 10000) n`,
		`INSERT INTO consent_parties SELECT 1, sha256(n::text::bytea), '2026-01-01Z', 'consent' || n FROM generate_series(1, 10000) n`,
		`DELETE FROM sessions WHERE right(id, 1) = '7'`, `DELETE FROM families WHERE right(id, 1) = '7'`, `DELETE FROM grants WHERE right(id, 1) = '7'`,
		`UPDATE use_codes SET first = created WHERE right(grant_id, 1) < '5'`,
		`VACUUM ANALYZE`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	// How many partitions each may read beside those that single rows lead to.
	wants := map[string]map[string]int{
		"requests":        {"requests": 1},
		"use_codes":       {"use_codes": 1, "use_requests": 1, "grants": 1},
		"grants":          {"grants": 1, "use_codes": 1, "use_requests": 1},
		"consents":        {"consents": 1, "consent_parties": 1},
		"grant_parties":   {"grant_parties": 1, "grants": 16},
		"session_parties": {"session_parties": 1, "sessions": 16},
		"family_parties":  {"family_parties": 1, "families": 16},
		"access_parties":  {"access_parties": 1, "access_records": 3}, // months with rows
	}
	for _, s := range sweeps {
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			t.Run(fmt.Sprint(s.table, mode), func(t *testing.T) {
				if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = "+mode+"; BEGIN"); err != nil {
					t.Fatal(err)
				}
				args := []any{"(0,0)", "(2,0)"}
				for range s.kept {
					args = append(args, time.Now().AddDate(9, 0, 0).Format(time.RFC3339))
				}
				plan := explainPlan(t, conn, s.in(3%max(s.parts, 1)), args)
				readsOnly(t, plan, wants[s.table])
				looked, sought := 0.0, 0.0
				plan.walk(func(n node) {
					if table := tableOf(n.Relation); n.Type == "Tid Range Scan" && table == s.table {
						looked += n.Loops * (n.Rows + n.Removed)
					} else if strings.Contains(n.Type, "Index") && wants[s.table][table] > 1 {
						sought += n.Loops
					}
				})
				if looked == 0 {
					t.Error("the blocks aren't read by their places")
				}
				if sought > looked { // a key leads to one partition
					t.Errorf("for %.0f keys %.0f partitions are read", looked, sought)
				}
				if _, err := conn.Exec(t.Context(), "ROLLBACK"); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	if len(wants) != len(sweeps) {
		t.Errorf("%d sweeps, and plans of %v", len(sweeps), slices.Sorted(maps.Keys(wants)))
	}
}
