package postgres

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/storage/postgres/licenses"
)

// searched is how many licenses the searches are made over. Two thirds are one
// department's; of those one in 200 has ended, one in 1,000 is suspended, and ten
// are of a rare type, the oldest ones of all.
const searched = 100_000

const fillSearched = `INSERT INTO licenses SELECT 'license' || i, 1,
		CASE WHEN i < 15 AND i % 3 <> 0 THEN 'rare' ELSE 'type' || i % 10 END,
		CASE WHEN i % 3 <> 0 THEN 'big' ELSE 'small' || i % 50 END, 1,
		CASE WHEN i % 1000 = 7 THEN 'suspended' WHEN i % 200 = 8 THEN 'ended' ELSE 'active' END,
		$2::timestamptz + i * interval '1 minute', $2 FROM generate_series(0, $1::integer - 1) i`

// mostRead is how many rows a search for a page of ten may read, of all partitions.
const mostRead = 1000

// TestSearchPlans makes every search that a department can make, over 100,000
// licenses, with the planner's default settings: by indexes alone, and what is
// read and left out is little.
func TestSearchPlans(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), newDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	first := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, err := conn.Exec(t.Context(), fillSearched, searched, first); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "VACUUM ANALYZE licenses"); err != nil {
		t.Fatal(err)
	}
	// Somebody's hundred licenses, the oldest of all: whatever else is asked, these
	// are read, each by its id, and nothing else.
	var oldest []string
	for i := range 100 {
		oldest = append(oldest, fmt.Sprint("license", i))
	}
	for _, q := range append(departmentSearches(first), departmentSearch{"nothing else", license.Query{Limit: 100}}) {
		t.Run("holder/"+q.name, func(t *testing.T) {
			sql, args := licenses.SearchSQL(q.query, oldest)
			plan := scanPlan(t, conn.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+sql,
				append([]any{pgx.QueryExecModeCacheDescribe}, args...)...))
			readsOnly(t, plan, map[string]int{"licenses": 16})
			read := 0.0
			plan.walk(func(n node) {
				if n.Relation != "" {
					read += (n.Rows + n.Removed) * n.Loops
				}
			})
			if read > float64(len(oldest)) || read == 0 {
				t.Errorf("%v rows were read for %d ids", read, len(oldest))
			}
		})
	}
	for _, q := range departmentSearches(first) {
		t.Run(q.name, func(t *testing.T) {
			sql, args := licenses.SearchSQL(q.query, nil)
			plan := scanPlan(t, conn.QueryRow(t.Context(), "EXPLAIN (ANALYZE, FORMAT JSON) "+sql,
				append([]any{pgx.QueryExecModeCacheDescribe}, args...)...))
			readsOnly(t, plan, map[string]int{"licenses": 16})
			read := 0.0
			plan.walk(func(n node) {
				if n.Relation != "" {
					read += (n.Rows + n.Removed) * n.Loops
				}
			})
			if plan.Rows == 0 || read < plan.Rows {
				t.Fatalf("%v rows of %v: it proves nothing", plan.Rows, read)
			}
			if read > mostRead {
				t.Errorf("%v rows were read for %v", read, plan.Rows)
			}
		})
	}
}

type departmentSearch struct {
	name  string
	query license.Query
}

// departmentSearches returns each set of conditions that registry.Service.Search
// can ask for, with and without a cursor.
func departmentSearches(first time.Time) []departmentSearch {
	day := func(t time.Time) party.Date {
		d, err := party.ParseDate(t.Format(time.DateOnly))
		if err != nil {
			panic(err)
		}
		return d
	}
	var all []departmentSearch
	for _, by := range []struct {
		typ   credential.TypeCode
		state license.State
	}{
		{"", ""}, {"", license.Active}, {"", license.Suspended}, {"", license.Ended},
		{"type4", ""}, {"type4", license.Active}, {"type7", license.Suspended}, {"type8", license.Ended},
		{"rare", ""}, {"rare", license.Active}, {"rare", license.Suspended},
	} {
		for _, days := range []bool{false, true} {
			for _, next := range []bool{false, true} {
				q := license.Query{Authority: "big", Type: by.typ, State: by.state, Limit: 10}
				if days {
					q.From, q.To = day(first), day(first.AddDate(0, 0, 20))
				}
				if next {
					q.Before = license.Cursor{Created: first.AddDate(0, 0, 15), ID: "license"}
				}
				all = append(all, departmentSearch{fmt.Sprintf("type=%s,state=%s,days=%t,next=%t", by.typ, by.state, days, next), q})
			}
		}
	}
	return all
}
