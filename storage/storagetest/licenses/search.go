package licenses

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/storage/storagetest/suite"
)

// search tests [license.Store.Search] on a database of its own.
func search(t *testing.T, open suite.Open) {
	s := open(t).Licensing()
	f := newShelf(t, s)
	for _, c := range f.cases() {
		t.Run(c.name, func(t *testing.T) {
			var want []license.Record
			for _, r := range f.all {
				if c.match(r) {
					want = append(want, r)
				}
			}
			if len(want) != c.count {
				t.Fatalf("the test expects %d records, and means to expect %d", len(want), c.count)
			}
			c.query.Limit = 100
			got, err := s.Search(t.Context(), c.query)
			suite.Must(t, "Search", err)
			if len(got)+len(want) > 0 {
				suite.Same(t, "records in order", got, want)
			}
			for size := 1; size <= 5; size += 2 {
				c.query.Limit = size
				got = suite.Paged(t, size, func(last *license.Record) ([]license.Record, error) {
					if c.query.Before = (license.Cursor{}); last != nil {
						c.query.Before = license.Cursor{Created: last.Created, ID: last.ID}
					}
					return s.Search(t.Context(), c.query)
				})
				if len(got)+len(want) > 0 {
					suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
				}
			}
		})
	}
	t.Run("limit 0", func(t *testing.T) {
		got, err := s.Search(t.Context(), license.Query{})
		suite.Must(t, "Search", err)
		suite.Same(t, "records", len(got), 0)
	})
	t.Run("kinds", func(t *testing.T) { searchKinds(t, s) })
	t.Run("days", func(t *testing.T) { searchDays(t, s) })
}

// shelf is a dozen licenses to search, of which several were made at the same
// time. Three quarters have one holder, whose key was rotated; the others another.
type shelf struct {
	all                        []license.Record // in the order of searches
	holder1, rotated1, holder2 signing.Lookup
	ofHolder1                  map[audit.ID]bool
}

func newShelf(t *testing.T, s suite.Licensing) shelf {
	f := shelf{holder1: suite.NewKey(), rotated1: suite.NewKeyOf(2), holder2: suite.NewKey(), ofHolder1: map[audit.ID]bool{}}
	for i := range 12 {
		r := Issue(t, s)
		r.Record.Created = suite.At(i / 4 * 60) // three times, four licenses each
		r.Record.Type = []credential.TypeCode{"T1", "T2"}[i%2]
		r.Record.Authority = []party.USCC{"A1", "A2", "A3"}[i%3]
		if i%5 == 0 {
			r.Record.State, r.Add.State = license.Ended, license.Ended
		}
		if r.Lookups[3].Keys = []signing.Lookup{f.holder1, f.rotated1}; i%4 == 3 {
			r.Lookups[3].Keys = []signing.Lookup{f.holder2}
		}
		f.ofHolder1[r.Record.ID] = i%4 != 3
		Save(t, s, r)
		r.Record.Revision = 1
		f.all = append(f.all, r.Record)
	}
	slices.SortFunc(f.all, func(a, b license.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(string(a.ID), string(b.ID)))
	})
	return f
}

type searchCase struct {
	name  string
	query license.Query
	match func(license.Record) bool
	count int
}

func (f shelf) cases() []searchCase {
	byHolder := func(keys ...signing.Lookup) license.Query {
		return license.Query{Kind: license.LookupHolder, Keys: keys}
	}
	narrow, otherKind := byHolder(f.holder1), byHolder(f.holder1)
	narrow.Type, narrow.State, otherKind.Kind = "T2", license.Active, license.LookupNumber
	every := func(license.Record) bool { return true }
	none := func(license.Record) bool { return false }
	ofHolder1 := func(r license.Record) bool { return f.ofHolder1[r.ID] }
	return []searchCase{
		{"everything", license.Query{}, every, 12},
		{"authority", license.Query{Authority: "A2"}, func(r license.Record) bool { return r.Authority == "A2" }, 4},
		{"type", license.Query{Type: "T2"}, func(r license.Record) bool { return r.Type == "T2" }, 6},
		{"state", license.Query{State: license.Ended}, func(r license.Record) bool { return r.State == license.Ended }, 3},
		{"authority, type and state", license.Query{Authority: "A1", Type: "T1", State: license.Active},
			func(r license.Record) bool { return r.Authority == "A1" && r.Type == "T1" && r.State == license.Active }, 1},
		{"nobody's", license.Query{Authority: "A9"}, none, 0},
		{"a holder", byHolder(f.holder1), ofHolder1, 9},
		{"a holder by two keys", byHolder(f.holder1, f.rotated1), ofHolder1, 9},
		{"two holders", byHolder(f.holder1, f.holder2, suite.NewKey()), every, 12},
		{"a holder's of a type and state", narrow,
			func(r license.Record) bool { return ofHolder1(r) && r.Type == "T2" && r.State == license.Active }, 2},
		{"unknown keys", byHolder(suite.NewKey()), none, 0},
		{"keys of another kind", otherKind, none, 0},
	}
}

// searchKinds finds a license by each kind of key.
func searchKinds(t *testing.T, s suite.Licensing) {
	r := Issue(t, s)
	Save(t, s, r)
	r.Record.Revision = 1
	for _, row := range r.Lookups {
		for _, keys := range [][]signing.Lookup{row.Keys, row.Keys[:1], {suite.NewKey(), row.Keys[1]}} {
			got, err := s.Search(t.Context(), license.Query{Kind: row.Kind, Keys: keys, Limit: 5})
			suite.Must(t, "Search", err)
			suite.Same(t, "found by "+string(row.Kind), got, []license.Record{r.Record})
		}
	}
}

// searchDays finds licenses by their day of creation, which is one of UTC+8:
// 1 May 2027 begins when it is 16 o'clock in UTC.
func searchDays(t *testing.T, s suite.Licensing) {
	midnight := time.Date(2027, 4, 30, 16, 0, 0, 0, time.UTC)
	var ids []audit.ID
	for _, created := range []time.Time{
		midnight.Add(-time.Microsecond), midnight, midnight.Add(24*time.Hour - time.Microsecond), midnight.Add(24 * time.Hour),
	} {
		r := Issue(t, s)
		r.Record.Authority, r.Record.Created = "A4", created
		Save(t, s, r)
		ids = append(ids, r.Record.ID)
	}
	april, may1, may2 := suite.Day(t, "2027-04-30"), suite.Day(t, "2027-05-01"), suite.Day(t, "2027-05-02")
	for _, c := range []struct {
		name     string
		from, to party.Date
		want     []audit.ID // newest first
	}{
		{"one day", may1, may1, []audit.ID{ids[2], ids[1]}},
		{"from a day on", may1, party.Date{}, []audit.ID{ids[3], ids[2], ids[1]}},
		{"up to a day", party.Date{}, may1, []audit.ID{ids[2], ids[1], ids[0]}},
		{"three days", april, may2, []audit.ID{ids[3], ids[2], ids[1], ids[0]}},
		{"no day", may2, april, nil},
	} {
		got, err := s.Search(t.Context(), license.Query{Authority: "A4", From: c.from, To: c.to, Limit: 10})
		suite.Must(t, c.name, err)
		var found []audit.ID
		for _, r := range got {
			found = append(found, r.ID)
		}
		suite.Same(t, c.name, found, c.want)
	}
}
