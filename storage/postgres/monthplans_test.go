package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/storage/postgres/grants"
	"yizheng.internal/storage/postgres/ledger"
	"yizheng.internal/storage/retention"
)

// TestMonthPlans checks that a month is read in one partition, in the order of its
// primary key, and the records of one license by an index of each month.
func TestMonthPlans(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	conn, err := pgx.Connect(t.Context(), db.engine.Conns.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	month := retention.MonthOf(time.Now())
	for m := month - 5; m < month; m++ {
		for _, table := range ledger.Monthly {
			if err := db.EnsurePartition(t.Context(), table, m.Begin()); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, sql := range []string{
		`INSERT INTO events SELECT n, 'event' || n, $1::timestamptz + n * interval '5 minutes', 'type.read', '', '', '', 0, 'ok', 'x', sha256('x') FROM generate_series(1, 40000) n`,
		`INSERT INTO provider_events SELECT n, 'event' || n, $1::timestamptz + n * interval '5 minutes', 'login.password', '', '', '', 'ok', sha256('x') FROM generate_series(1, 40000) n`,
		`INSERT INTO access_records SELECT n, 'access' || n, $1::timestamptz + n * interval '5 minutes', 'grant' || n, 'license' || n % 4000, 1,
			'client', 'participant', 'item', 'consent', 'online', 'ok', 'immediate', repeat('x', 200)::bytea FROM generate_series(1, 40000) n`,
	} {
		if _, err := conn.Exec(t.Context(), sql, (month - 5).Begin()); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{"VACUUM ANALYZE", "SET plan_cache_mode = force_custom_plan"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	m := month - 3
	for _, table := range retention.Tables {
		t.Run(string(table), func(t *testing.T) {
			plan := explainPlan(t, conn, ledger.MonthRows(table), []any{m.Begin().Format(time.RFC3339), m.End().Format(time.RFC3339), 20_000, 500})
			read := map[string]bool{}
			plan.walk(func(n node) {
				if n.Relation == "" || n.Loops == 0 {
					return
				}
				if read[n.Relation] = true; !strings.Contains(n.Type, "Index") {
					t.Errorf("%s by a %s", n.Relation, n.Type)
				}
				if n.Rows > 500 {
					t.Errorf("%.0f rows of %s are read for 500", n.Rows, n.Relation)
				}
			})
			if want := ledger.PartitionOf(string(table), m.Begin()); len(read) != 1 || !read[want] {
				t.Errorf("reads %v, want %s alone", fmt.Sprint(read), want)
			}
		})
	}
	t.Run("LicenseAccessRecords", func(t *testing.T) {
		plan := explainPlan(t, conn, grants.AccessOfLicense, []any{"license77", 1 << 40, 7})
		if plan.Rows != 7 {
			t.Errorf("the plan returned %v rows, want 7: it proves nothing", plan.Rows)
		}
		months := 0
		plan.walk(func(n node) {
			if n.Relation == "" || n.Loops == 0 || n.Relation == ledger.PartitionOf("access_records", month.Begin()) || strings.HasSuffix(n.Relation, "_rest") {
				return // what is empty is read as it comes
			}
			if months++; !strings.Contains(n.Type, "Index") || n.Rows > 10 {
				t.Errorf("%s by a %s, %.0f rows", n.Relation, n.Type, n.Rows)
			}
		})
		if months < 4 {
			t.Errorf("%d months were looked at", months)
		}
	})
}

// TestMonthInUse lets a month stay that somebody reads for long, as a backup does,
// and goes on without holding others up.
func TestMonthInUse(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	m := retention.MonthOf(time.Now()) - 20
	if err := db.EnsurePartition(t.Context(), "events", m.Begin()); err != nil {
		t.Fatal(err)
	}
	err := db.engine.InSnapshot(t.Context(), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(t.Context(), "SELECT count(*) FROM events"); err != nil {
			return err
		}
		began := time.Now()
		if _, done, err := db.DropMonth(t.Context(), retention.Events, m, true, time.Now()); err == nil || done {
			t.Errorf("deleted what is being read: %v, %v", done, err)
		}
		if waited := time.Since(began); waited > 8*time.Second {
			t.Errorf("others waited for %v", waited)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, done, err := db.DropMonth(t.Context(), retention.Events, m, true, time.Now()); err != nil || !done {
		t.Errorf("afterwards: %v, %v", done, err)
	}
}
