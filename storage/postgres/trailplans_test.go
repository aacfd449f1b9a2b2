package postgres

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/identity/trail"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/ledger"
)

// TestTrailPlans asks for a page of one account's events among 100,000 in two months, of which a
// third are refused tries at that account: little more is read than the page has,
// and no month that is too new.
func TestTrailPlans(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	conn, err := pgx.Connect(t.Context(), db.engine.Conns.Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	begin := time.Date(2031, 5, 1, 0, 0, 0, 0, time.UTC)
	for month := range 2 {
		if err := db.EnsurePartition(t.Context(), "provider_events", begin.AddDate(0, month, 0)); err != nil {
			t.Fatal(err)
		}
	}
	_, err = conn.Exec(t.Context(), `INSERT INTO provider_events
		SELECT n, 'event' || n, $2::timestamptz + n * interval '40 seconds', CASE WHEN n % 3 = 1 THEN 'session.begin' ELSE 'login.password' END, CASE WHEN n % 3 = 1 THEN 'account' || n % 1000 ELSE '' END,
			CASE n % 3 WHEN 0 THEN 'account17' WHEN 1 THEN 'session' || n ELSE 'account' || n % 1000 END, '', CASE WHEN n % 3 = 0 THEN 'wrong_password' ELSE 'ok' END, sha256('x')
		FROM generate_series(1, $1::integer) n`, 100_000, begin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "VACUUM ANALYZE provider_events"); err != nil {
		t.Fatal(err)
	}
	for _, q := range []trail.Query{
		{Limit: 64}, {Tries: true, Limit: 51},
		{Before: journal.Position{At: begin.AddDate(0, 0, 20), Seq: 7}, Limit: 64}, {Tries: true, Before: journal.Position{At: begin.AddDate(0, 0, 20), Seq: 7}, Limit: 51},
	} {
		t.Run(fmt.Sprint("tries=", q.Tries, "/before=", !q.Before.At.IsZero()), func(t *testing.T) {
			q.Account, q.From = "account17", begin
			sql, args := ledger.TrailOf(q)
			plan := scanPlan(t, conn.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...))
			read := 0.0
			plan.walk(func(n node) {
				if n.Relation == "" || n.Loops == 0 || strings.HasPrefix(n.Type, "Bitmap Index") {
					return
				}
				if read += (n.Rows + n.Removed + n.Rechecked) * n.Loops; strings.HasPrefix(n.Type, "Seq") {
					t.Errorf("%s by a %s", n.Relation, n.Type)
				}
				if !q.Before.At.IsZero() && strings.HasSuffix(n.Relation, "203106") {
					t.Errorf("%s has nothing so old", n.Relation)
				}
			})
			if plan.Rows < 20 || q.Tries && int(plan.Rows) != q.Limit {
				t.Errorf("%.0f rows prove nothing", plan.Rows)
			}
			if read > plan.Rows+10 {
				t.Errorf("%.0f rows were read for %.0f", read, plan.Rows)
			}
		})
	}
}
