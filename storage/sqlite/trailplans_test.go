package sqlite

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// TestTrailPlans asks for a page of one account's events among 100,000, of which a third are
// refused tries at that account: no more is read than the page has. SQLite plans the same with
// and without statistics.
func TestTrailPlans(t *testing.T) {
	t.Parallel()
	db := openTest(t, quick)
	begin := time.Date(2031, 5, 1, 0, 0, 0, 0, time.UTC)
	exec := func(sql string, values ...any) {
		t.Helper()
		if err := db.engine.Write(t.Context(), func(c *engine.Conn) error { _, err := c.Exec(sql, values...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	exec(numbered+`INSERT INTO provider_events SELECT i, 'event' || i, ?2 + i * 40000000, iif(i % 3 = 1, 'session.begin', 'login.password'), iif(i % 3 = 1, 'account' || (i % 1000), ''),
		CASE i % 3 WHEN 0 THEN 'account17' WHEN 1 THEN 'session' || i ELSE 'account' || (i % 1000) END, '', iif(i % 3 = 0, 'wrong_password', 'ok'), zeroblob(32), 2 FROM n`, 100_000, begin)
	check := func(t *testing.T) {
		for _, q := range []trail.Query{
			{Limit: 64}, {Tries: true, Limit: 51},
			{Before: journal.Position{At: begin.AddDate(0, 0, 20), Seq: 7}, Limit: 64}, {Tries: true, Before: journal.Position{At: begin.AddDate(0, 0, 20), Seq: 7}, Limit: 51},
		} {
			t.Run(fmt.Sprint("tries=", q.Tries, "/before=", !q.Before.At.IsZero()), func(t *testing.T) {
				q.Account, q.From = "account17", begin
				sql, values := ledger.TrailOf(q)
				rows, work := worked(t, db, sql, values)
				if rows != q.Limit && q.Tries || rows < 20 {
					t.Errorf("%d rows prove nothing", rows)
				}
				steps := plan(t, db, sql)
				if work > 80*rows || slices.Contains(steps, "USE TEMP B-TREE FOR ORDER BY") {
					t.Errorf("%d steps for %d rows: %q", work, rows, steps)
				}
			})
		}
	}
	t.Run("as made", check)
	exec("ANALYZE")
	db.engine.Renew()
	t.Run("analyzed", check)
}
