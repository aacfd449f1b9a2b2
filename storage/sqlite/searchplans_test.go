package sqlite

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/licenses"
)

// searched is how many licenses the searches are made over. Two thirds are one
// department's; of those one in 200 has ended, one in 1,000 is suspended, and ten
// are of a rare type, the oldest ones of all.
const searched = 100_000

const fillSearched = `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 - 1)
	INSERT INTO licenses (id, revision, type, authority, version, state, created, updated)
	SELECT printf('license%07d', i), 1, iif(i < 15 AND i % 3 <> 0, 'rare', 'type' || (i % 10)),
		iif(i % 3 <> 0, 'big', 'small' || (i % 50)), 1,
		iif(i % 1000 = 7, 'suspended', iif(i % 200 = 8, 'ended', 'active')), ?2 + i * 60000000, 0 FROM n`

// maxSteps is how many of its steps SQLite may make for a page of ten: more than
// it takes to read a few hundred entries of an index, and a hundredth of what it
// takes to read them all.
const maxSteps = 10_000

// TestSearchPlans makes every search that a department can make, over 100,000
// licenses: an index leads to the page, nothing is sorted, and what is read and
// left out is little. SQLite plans the same with and without statistics.
func TestSearchPlans(t *testing.T) {
	t.Parallel()
	db := openTest(t, quick)
	first := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	exec := func(sql string, values ...any) {
		t.Helper()
		if err := db.engine.Write(t.Context(), func(c *engine.Conn) error { _, err := c.Exec(sql, values...); return err }); err != nil {
			t.Fatal(err)
		}
	}
	exec(fillSearched, searched, first)
	check := func(t *testing.T) {
		for _, q := range departmentSearches(first) {
			t.Run(q.name, func(t *testing.T) {
				sql, values, err := licenses.SearchQuery(q.query, nil)
				if err != nil {
					t.Fatal(err)
				}
				// Each row's register is looked up by its primary key.
				steps := slices.DeleteFunc(plan(t, db, sql), func(step string) bool {
					return step == "CORRELATED SCALAR SUBQUERY 1" || step == "SEARCH registers USING PRIMARY KEY (kind=? AND id=?)"
				})
				if len(steps) != 1 || !strings.HasPrefix(steps[0], "SEARCH l USING INDEX licenses_by_authority") {
					t.Errorf("the plan is %q", steps)
				}
				rows, work := worked(t, db, sql, values)
				if rows == 0 {
					t.Fatal("no rows: it proves nothing")
				}
				if work > maxSteps || work < rows {
					t.Errorf("%d steps for %d rows", work, rows)
				}
			})
		}
	}
	t.Run("as made", check)
	exec("ANALYZE")
	db.engine.Renew() // connections read the statistics when they begin
	t.Run("analyzed", check)
}

// worked runs a query, and returns how many rows it has and how many of its steps
// SQLite made for them.
func worked(t *testing.T, db *DB, sql string, values []any) (rows, steps int) {
	t.Helper()
	rows, steps, err := db.engine.Work(t.Context(), sql, values)
	if err != nil {
		t.Fatal(err)
	}
	return rows, steps
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
