package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/ledger"
)

// TestEventPlans looks for one subject's events among 100,000 in each log, with the
// planner's default settings: of licenses' histories, which one license leads to,
// nothing else is read, however long the while; of the others, which have no index by
// subject that every login would fill, little more than what the while has.
func TestEventPlans(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	conn, err := pgx.Connect(t.Context(), db.engine.Conns.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	begin := time.Date(2031, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, table := range []string{"events", "provider_events"} {
		for month := range 2 {
			if err := db.EnsurePartition(t.Context(), table, begin.AddDate(0, month, 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	const rows = 100_000 // one in 40 seconds, for 46 days
	for _, sql := range []string{
		`INSERT INTO history SELECT n, 'event' || n, $2::timestamptz + n * interval '40 seconds', 'license.read', 'c', 'p', '', 'license' || n % 20000, 1, 'ok',
			repeat('x', 90)::bytea, sha256('x') FROM generate_series(1, $1::integer) n`,
		`INSERT INTO events SELECT n, 'event' || n, $2::timestamptz + n * interval '40 seconds', 'license.search', 'c', 'p', '', 0, 'ok', repeat('x', 90)::bytea, sha256('x')
			FROM generate_series(1, $1::integer) n`,
		`INSERT INTO provider_events SELECT n, 'event' || n, $2::timestamptz + n * interval '40 seconds', 'login.password', 'c', 'account' || n % 20000, '', 'ok', sha256('x')
			FROM generate_series(1, $1::integer) n`,
	} {
		if _, err := conn.Exec(t.Context(), sql, rows, begin); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	if _, err := conn.Exec(t.Context(), "VACUUM ANALYZE history, events, provider_events"); err != nil {
		t.Fatal(err)
	}
	long, short := 30*24*time.Hour, 12*time.Hour // of which the one has 65,000 rows, and the other 1,080
	for _, c := range []struct {
		table, subject string
		while          time.Duration
		partitions     int
		most           float64 // rows that are read
	}{
		{"history", "license17", long, 1, 5}, {"history", "license17", short, 1, 5},
		{"provider_events", "account17", short, 1, 8_000}, {"events", "", short, 1, 8_000},
	} {
		for _, newest := range []bool{false, true} {
			t.Run(fmt.Sprint(c.table, "/", c.while, "/newest=", newest), func(t *testing.T) {
				f := journal.Filter{From: begin.Add(24 * time.Hour), Until: begin.Add(24*time.Hour + c.while), Subject: c.subject, Newest: newest, Limit: 500}
				f.After = journal.Position{At: f.From.Add(-time.Second)}
				if newest {
					f.After = journal.Position{At: f.Until.Add(time.Second)}
				}
				column := map[string]string{"history": "license", "provider_events": "object", "events": "''"}[c.table]
				where, args := ledger.EventCondition(f, "client", column)
				plan := scanPlan(t, conn.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) SELECT * FROM "+c.table+" "+where,
					append([]any{pgx.QueryExecModeCacheDescribe}, args...)...))
				readsOnly(t, plan, map[string]int{c.table: c.partitions})
				read := 0.0
				plan.walk(func(n node) {
					if n.Relation != "" && !strings.HasPrefix(n.Type, "Bitmap Index") {
						read += (n.Rows + n.Removed + n.Rechecked) * n.Loops
					}
				})
				if read > c.most || c.subject == "license17" && c.while == long && read == 0 {
					t.Errorf("%.0f rows were read for %.0f", read, plan.Rows)
				}
			})
		}
	}
}
