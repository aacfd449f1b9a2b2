package sqlite

import (
	"fmt"
	"testing"
	"time"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

const (
	numbered     = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) `
	fillHistory  = numbered + `INSERT INTO history SELECT i, 'license' || (i % 20000), 'event' || i, ?2 + i * 40000000, 'license.read', 'c', 'p', '', 1, 'ok', zeroblob(90), zeroblob(32), 2 FROM n`
	fillApart    = numbered + `INSERT INTO events SELECT i, 'event' || i, ?2 + i * 40000000, 'license.search', 'c', 'p', '', 0, 'ok', zeroblob(90), zeroblob(32), 2 FROM n`
	fillProvider = numbered + `INSERT INTO provider_events SELECT i, 'event' || i, ?2 + i * 40000000, 'login.password', 'c', 'account' || (i % 20000), '', 'ok', zeroblob(32), 2 FROM n`
)

// TestEventPlans looks for one subject's events among 100,000 in each log: of
// licenses' histories, which one license leads to, nothing else is read, however long
// the while; of the others, which have no index by subject that every login would fill,
// no more than what the while has. SQLite plans the same with and without statistics.
func TestEventPlans(t *testing.T) {
	t.Parallel()
	db := openTest(t, quick)
	begin := time.Date(2031, 5, 1, 0, 0, 0, 0, time.UTC)
	exec := func(sql string, values ...any) {
		t.Helper()
		if err := db.engine.Write(t.Context(), func(c *engine.Conn) error { _, err := c.Exec(sql, values...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{fillHistory, fillApart, fillProvider} {
		exec(sql, 100_000, begin)
	}
	long, short := 30*24*time.Hour, 12*time.Hour // of which the one has 65,000 rows, and the other 1,080
	check := func(t *testing.T) {
		for _, c := range []struct {
			table, subject string
			while          time.Duration
			most           int // of SQLite's steps
		}{
			{"history", "license17", long, 500}, {"history", "license17", short, 500},
			{"provider_events", "account17", short, 20_000}, {"events", "nothing", short, 20_000},
		} {
			for _, newest := range []bool{false, true} {
				t.Run(fmt.Sprint(c.table, "/", c.while, "/newest=", newest), func(t *testing.T) {
					f := journal.Filter{From: begin.Add(24 * time.Hour), Until: begin.Add(24*time.Hour + c.while), Subject: c.subject, Newest: newest, Limit: 500}
					f.After = journal.Position{At: f.From.Add(-time.Second)}
					if newest {
						f.After = journal.Position{At: f.Until.Add(time.Second)}
					}
					column := map[string]string{"history": "license", "provider_events": "object", "events": "''"}[c.table]
					where, values := ledger.EventCondition(f, "client", column)
					sql := `SELECT seq FROM ` + c.table + ` ` + where
					rows, work := worked(t, db, sql, values)
					if c.table == "history" && c.while == long && rows == 0 {
						t.Fatal("no rows: it proves nothing")
					}
					if work > c.most || work < rows {
						t.Errorf("%d steps for %d rows: %q", work, rows, plan(t, db, sql))
					}
				})
			}
		}
	}
	t.Run("as made", check)
	exec("ANALYZE")
	db.engine.Renew() // connections read the statistics when they begin
	t.Run("analyzed", check)
}
