package storagetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// search tests [license.Store.Search] on a database of its own: a dozen
// licenses of which several were made at the same time.
func search(t *testing.T, open Open) {
	s := open(t).Licenses
	party1, party2, both := newKey(), newKey(), newKeyOf(2)
	var all []license.Record
	for i := range 12 {
		r := issue(t, s)
		r.Record.Created = at(i / 4 * 60) // three times, four licenses each
		r.Record.Type = []license.TypeCode{"T1", "T2"}[i%2]
		r.Record.Authority = []party.USCC{"A1", "A2", "A3"}[i%3]
		if i%5 == 0 {
			r.Record.State, r.Add.State = license.Ended, license.Ended
		}
		keys := []signing.Lookup{party1, both}
		if i%4 == 3 {
			keys = []signing.Lookup{party2}
		}
		r.Lookups[3].Keys = keys
		save(t, s, r)
		r.Record.Revision = 1
		all = append(all, r.Record)
	}
	slices.SortFunc(all, func(a, b license.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(string(a.ID), string(b.ID)))
	})
	holders := func(keys ...signing.Lookup) func(license.Record) bool {
		want := map[license.ID]bool{}
		for _, r := range all {
			for _, k := range keys {
				found, err := s.Search(t.Context(), license.Query{Kind: license.LookupHolder, Keys: []signing.Lookup{k}, Limit: 100})
				must(t, "Search", err)
				want[r.ID] = want[r.ID] || slices.ContainsFunc(found, func(f license.Record) bool { return f.ID == r.ID })
			}
		}
		return func(r license.Record) bool { return want[r.ID] }
	}

	for _, c := range []struct {
		name  string
		query license.Query
		match func(license.Record) bool
		count int
	}{
		{"everything", license.Query{}, func(license.Record) bool { return true }, 12},
		{"authority", license.Query{Authority: "A2"}, func(r license.Record) bool { return r.Authority == "A2" }, 4},
		{"type", license.Query{Type: "T2"}, func(r license.Record) bool { return r.Type == "T2" }, 6},
		{"state", license.Query{State: license.Ended}, func(r license.Record) bool { return r.State == license.Ended }, 3},
		{"authority, type and state", license.Query{Authority: "A1", Type: "T1", State: license.Active},
			func(r license.Record) bool { return r.Authority == "A1" && r.Type == "T1" && r.State == license.Active }, 1},
		{"nobody's", license.Query{Authority: "A9"}, func(license.Record) bool { return false }, 0},
		{"a holder", license.Query{Kind: license.LookupHolder, Keys: []signing.Lookup{party1}}, holders(party1), 9},
		{"a holder by two keys", license.Query{Kind: license.LookupHolder, Keys: []signing.Lookup{party1, both}}, holders(party1), 9},
		{"two holders", license.Query{Kind: license.LookupHolder, Keys: []signing.Lookup{party1, party2, newKey()}},
			holders(party1, party2), 12},
		{"a holder's of a type", license.Query{Kind: license.LookupHolder, Keys: []signing.Lookup{party1}, Type: "T2", State: license.Active},
			func(r license.Record) bool {
				return holders(party1)(r) && r.Type == "T2" && r.State == license.Active
			}, 2},
		{"unknown keys", license.Query{Kind: license.LookupHolder, Keys: []signing.Lookup{newKey()}},
			func(license.Record) bool { return false }, 0},
		{"keys of another kind", license.Query{Kind: license.LookupNumber, Keys: []signing.Lookup{party1}},
			func(license.Record) bool { return false }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []license.Record
			for _, r := range all {
				if c.match(r) {
					want = append(want, r)
				}
			}
			if len(want) != c.count {
				t.Fatalf("the test expects %d records, and means to expect %d", len(want), c.count)
			}
			c.query.Limit = 100
			got, err := s.Search(t.Context(), c.query)
			must(t, "Search", err)
			if len(got)+len(want) > 0 {
				same(t, "records in order", got, want)
			}
			for size := 1; size <= 5; size += 2 {
				c.query.Limit = size
				got = paged(t, size, func(last *license.Record) ([]license.Record, error) {
					if c.query.Before = (license.Cursor{}); last != nil {
						c.query.Before = license.Cursor{Created: last.Created, ID: last.ID}
					}
					return s.Search(t.Context(), c.query)
				})
				if len(got)+len(want) > 0 {
					same(t, fmt.Sprintf("pages of %d", size), got, want)
				}
			}
		})
	}
	t.Run("limit 0", func(t *testing.T) {
		got, err := s.Search(t.Context(), license.Query{})
		must(t, "Search", err)
		same(t, "records", len(got), 0)
	})
	t.Run("kinds", func(t *testing.T) { searchKinds(t, s) })
	t.Run("days", func(t *testing.T) { searchDays(t, s) })
}

// searchKinds finds a license by each kind of key.
func searchKinds(t *testing.T, s LicenseStores) {
	r := issue(t, s)
	save(t, s, r)
	r.Record.Revision = 1
	for _, row := range r.Lookups {
		for _, keys := range [][]signing.Lookup{row.Keys, row.Keys[:1], {newKey(), row.Keys[1]}} {
			got, err := s.Search(t.Context(), license.Query{Kind: row.Kind, Keys: keys, Limit: 5})
			must(t, "Search", err)
			same(t, "found by "+string(row.Kind), got, []license.Record{r.Record})
		}
	}
}

// searchDays finds licenses by their day of creation, which is one of UTC+8:
// 1 May 2027 begins when it is 16 o'clock in UTC.
func searchDays(t *testing.T, s LicenseStores) {
	midnight := time.Date(2027, 4, 30, 16, 0, 0, 0, time.UTC)
	var ids []license.ID
	for _, created := range []time.Time{
		midnight.Add(-time.Microsecond), midnight, midnight.Add(24*time.Hour - time.Microsecond), midnight.Add(24 * time.Hour),
	} {
		r := issue(t, s)
		r.Record.Authority, r.Record.Created = "A4", created
		save(t, s, r)
		ids = append(ids, r.Record.ID)
	}
	april, may1, may2 := day(t, "2027-04-30"), day(t, "2027-05-01"), day(t, "2027-05-02")
	for _, c := range []struct {
		name     string
		from, to party.Date
		want     []license.ID // newest first
	}{
		{"one day", may1, may1, []license.ID{ids[2], ids[1]}},
		{"from a day on", may1, party.Date{}, []license.ID{ids[3], ids[2], ids[1]}},
		{"up to a day", party.Date{}, may1, []license.ID{ids[2], ids[1], ids[0]}},
		{"three days", april, may2, []license.ID{ids[3], ids[2], ids[1], ids[0]}},
		{"no day", may2, april, nil},
	} {
		got, err := s.Search(t.Context(), license.Query{Authority: "A4", From: c.from, To: c.to, Limit: 10})
		must(t, c.name, err)
		var found []license.ID
		for _, r := range got {
			found = append(found, r.ID)
		}
		same(t, c.name, found, c.want)
	}
}
