// Package catalog has the suites of the catalog: entries of all kinds, and delegations.
package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Catalog tests [entry.Store], with each kind of entries.
func Catalog(t *testing.T, open suite.Open) {
	for _, k := range entry.Kinds {
		t.Run(string(k), func(t *testing.T) { catalogOf(t, open, k) })
	}
	t.Run("Apart", func(t *testing.T) { catalogApart(t, open(t).Licensing()) })
	t.Run("NoKind", func(t *testing.T) { catalogOfNoKind(t, open(t).Licensing()) })
}

// OfKind is a store's entries of one kind.
type OfKind struct {
	suite.Licensing
	Kind entry.Kind
}

func catalogOf(t *testing.T, open suite.Open, k entry.Kind) {
	s := OfKind{open(t).Licensing(), k}
	fresh := func(t *testing.T) OfKind { return OfKind{open(t).Licensing(), k} }
	t.Run("RoundTrip", func(t *testing.T) { catalogRoundTrip(t, s) })
	t.Run("Conflict", func(t *testing.T) { catalogConflict(t, s) })
	t.Run("OneDraftOnePublished", func(t *testing.T) { catalogStates(t, s) })
	t.Run("Race", func(t *testing.T) { catalogRace(t, s) })
	t.Run("Event", func(t *testing.T) { catalogEvent(t, fresh(t)) })
	t.Run("List", func(t *testing.T) { catalogList(t, fresh(t)) })
	t.Run("Drafts", func(t *testing.T) { catalogDrafts(t, fresh(t)) })
	t.Run("Before", func(t *testing.T) { catalogBefore(t, s) })
	t.Run("Use", func(t *testing.T) { catalogUse(t, s) })
	t.Run("Ended", func(t *testing.T) {
		r := Draft(1)
		suite.Is(t, "SaveEntries", s.SaveEntries(suite.Ended(), s.Kind, ledger.Event("", journal.ActionItemPut), r), context.Canceled)
		_, err := s.LoadEntries(suite.Ended(), s.Kind, r.Code, 0, 1)
		suite.Is(t, "LoadEntries", err, context.Canceled)
		_, err = s.ListEntries(suite.Ended(), s.Kind, entry.Drafts{All: true}, "", 1)
		suite.Is(t, "ListEntries", err, context.Canceled)
		_, err = s.UseOfEntries(suite.Ended(), s.Kind, r.Owner)
		suite.Is(t, "UseOfEntries", err, context.Canceled)
		sameEntries(t, s, "entries", r.Code)
	})
}

// Draft makes a record of an entry that isn't stored.
func Draft(version int) entry.Record {
	return entry.Record{
		Code: suite.NewText(), Version: version, State: entry.Draft,
		Owner: suite.NewText(), Body: []byte(`{"name":"样例"}`), Updated: suite.At(version),
	}
}

// SaveEntries saves records of the store's kind, with an event.
func SaveEntries(t *testing.T, s OfKind, rs ...entry.Record) error {
	t.Helper()
	return s.SaveEntries(t.Context(), s.Kind, ledger.Event("", journal.ActionItemPut), rs...)
}

// stored returns a record as it is after it was saved.
func stored(r entry.Record) entry.Record {
	r.Revision++
	return r
}

func sameEntries(t *testing.T, s OfKind, what string, code string, want ...entry.Record) {
	t.Helper()
	got, err := s.LoadEntries(t.Context(), s.Kind, code, 0, 100)
	suite.Must(t, "LoadEntries", err)
	slices.Reverse(got) // they come the newest first
	if len(got)+len(want) > 0 {
		suite.Same(t, what, got, want)
	}
}

// catalogApart tests that the kinds don't see each other's entries.
func catalogApart(t *testing.T, s suite.Licensing) {
	r := Draft(1)
	for i, k := range entry.Kinds {
		r.Body = fmt.Appendf(nil, `{"kind":%d}`, i)
		suite.Must(t, "SaveEntries", SaveEntries(t, OfKind{s, k}, r))
	}
	for i, k := range entry.Kinds {
		r.Body = fmt.Appendf(nil, `{"kind":%d}`, i)
		sameEntries(t, OfKind{s, k}, string(k), r.Code, stored(r))
		list, err := s.ListEntries(t.Context(), k, entry.Drafts{All: true}, "", 10)
		suite.Must(t, "ListEntries", err)
		suite.Same(t, "list of "+string(k), list, []entry.Record{stored(r)})
		use, err := s.UseOfEntries(t.Context(), k, r.Owner)
		suite.Must(t, "UseOfEntries", err)
		suite.Same(t, "use of "+string(k), use, entry.Use{Drafts: 1, Bytes: int64(len(r.Body))})
	}
}

// catalogOfNoKind tests that a kind that isn't registered is refused: it names a table.
func catalogOfNoKind(t *testing.T, s suite.Licensing) {
	for _, k := range []entry.Kind{"", "licenses", "service_items; --"} {
		_, loading := s.LoadEntries(t.Context(), k, "a", 0, 1)
		_, listing := s.ListEntries(t.Context(), k, entry.Drafts{}, "", 1)
		_, using := s.UseOfEntries(t.Context(), k, "p")
		for _, err := range []error{loading, listing, using, SaveEntries(t, OfKind{s, k}, Draft(1))} {
			if err == nil || !strings.Contains(err.Error(), "no kind of entries") {
				t.Errorf("kind %q: %v", k, err)
			}
		}
	}
}

func catalogRoundTrip(t *testing.T, s OfKind) {
	v1 := Draft(1)
	v1.Updated = suite.Finer
	suite.Must(t, "SaveEntries", SaveEntries(t, s, v1))
	v1.Updated = suite.Kept
	v1 = stored(v1)
	sameEntries(t, s, "a draft", v1.Code, v1)

	v1.State, v1.Body, v1.Updated, v1.Owner = entry.Published, []byte(`{"name":"样例二"}`), suite.At(9), suite.NewText()
	suite.Must(t, "SaveEntries", SaveEntries(t, s, v1))
	v1 = stored(v1)
	sameEntries(t, s, "published", v1.Code, v1)

	// Versions 10 and 9 in the wrong order: oldest first is by number.
	v10, v9 := Draft(10), Draft(9)
	v10.Code, v9.Code, v9.State = v1.Code, v1.Code, entry.Retired
	suite.Must(t, "SaveEntries", SaveEntries(t, s, v10, v9))
	sameEntries(t, s, "three versions", v1.Code, v1, stored(v9), stored(v10))
	sameEntries(t, s, "an unknown code", "nothing")
}

func catalogConflict(t *testing.T, s OfKind) {
	old := Draft(1)
	suite.Must(t, "SaveEntries", SaveEntries(t, s, old))
	fresh := Draft(1)
	for _, c := range []struct {
		name     string
		revision int64
		version  int
	}{
		{"new, but there", 0, 1},
		{"a revision to come", 2, 1},
		{"an unknown version", 1, 2},
	} {
		wrong := old
		wrong.Revision, wrong.Version, wrong.State = c.revision, c.version, entry.Retired
		suite.Is(t, c.name, SaveEntries(t, s, fresh, wrong), entry.ErrConflict)
		suite.Is(t, c.name+", first", SaveEntries(t, s, wrong, fresh), entry.ErrConflict)
		sameEntries(t, s, c.name+": the record beside it", fresh.Code)
		sameEntries(t, s, c.name+": the stored record", old.Code, stored(old))
	}
}

// catalogStates tests that a code has one draft and one published version at most.
func catalogStates(t *testing.T, s OfKind) {
	v1, v2, v3 := Draft(1), Draft(2), Draft(3)
	v2.Code, v3.Code = v1.Code, v1.Code
	suite.Must(t, "SaveEntries", SaveEntries(t, s, v1))
	v1 = stored(v1)
	suite.Is(t, "a second draft", SaveEntries(t, s, v2), entry.ErrConflict)

	v1.State = entry.Published
	suite.Must(t, "publishing one and beginning the next, in one call", SaveEntries(t, s, v1, v2))
	v1, v2 = stored(v1), stored(v2)
	second := v2
	second.State = entry.Published
	suite.Is(t, "a second published version", SaveEntries(t, s, second), entry.ErrConflict)
	sameEntries(t, s, "after the refusals", v1.Code, v1, v2)

	retired := v1
	retired.State = entry.Retired
	suite.Must(t, "retiring one and publishing the next, in one call", SaveEntries(t, s, retired, second))
	sameEntries(t, s, "after publishing the next version", v1.Code, stored(retired), stored(second))
	v4 := v3
	v4.Version = 4
	suite.Is(t, "two drafts in one call", SaveEntries(t, s, v3, v4), entry.ErrConflict)
	sameEntries(t, s, "after two drafts", v1.Code, stored(retired), stored(second))
}

func catalogRace(t *testing.T, s OfKind) {
	r := Draft(1)
	errs := suite.Race(suite.Writers, func(i int) error {
		r := r
		r.Body = fmt.Appendf(nil, `{"writer":%d}`, i)
		return SaveEntries(t, s, r)
	})
	r.Body = fmt.Appendf(nil, `{"writer":%d}`, suite.OneWins(t, "a new entry", errs, entry.ErrConflict))
	r = stored(r)
	sameEntries(t, s, "the winner's", r.Code, r)
	errs = suite.Race(suite.Writers, func(i int) error {
		r := r
		r.Owner = fmt.Sprint(i)
		return SaveEntries(t, s, r)
	})
	r.Owner = fmt.Sprint(suite.OneWins(t, "a change of an entry", errs, entry.ErrConflict))
	sameEntries(t, s, "the winner's change", r.Code, stored(r))
	errs = suite.Race(suite.Writers, func(i int) error {
		d := Draft(i + 2)
		d.Code, d.State = r.Code, entry.Published
		return SaveEntries(t, s, d)
	})
	suite.OneWins(t, "a published version", errs, entry.ErrConflict)
}

// catalogEvent tests that a change's event is saved with it, or not at all.
func catalogEvent(t *testing.T, s OfKind) {
	ctx := t.Context()
	e := ledger.Event("", journal.ActionItemPut)
	e.Version, e.Sealed = 0, nil
	r := Draft(1)
	suite.Must(t, "SaveEntries", s.SaveEntries(ctx, s.Kind, e, r))
	suite.Is(t, "SaveEntries again", s.SaveEntries(ctx, s.Kind, ledger.Event("", journal.ActionItemPut), r), entry.ErrConflict)
	got, err := s.ListEvents(ctx, journal.Stream{Log: journal.Registry}, 0, 10)
	suite.Must(t, "Events", err)
	ledger.SameEvents(t, "events", got, e)
}

func catalogList(t *testing.T, s OfKind) {
	ctx := t.Context()
	none, err := s.ListEntries(ctx, s.Kind, entry.Drafts{All: true}, "", 10)
	suite.Must(t, "ListEntries", err)
	suite.Same(t, "entries of an empty database", len(none), 0)
	var want []entry.Record
	for i := range 7 {
		v1, v2 := Draft(1), Draft(2)
		v1.Code = fmt.Sprintf("QH-%02d", i)
		v2.Code, v1.State = v1.Code, entry.Retired
		if i%2 == 0 {
			suite.Must(t, "SaveEntries", SaveEntries(t, s, v1))
			want = append(want, stored(v1))
		} else {
			suite.Must(t, "SaveEntries", SaveEntries(t, s, v2, v1))
			want = append(want, stored(v2))
		}
	}
	for _, size := range []int{1, 3, 7, 100} {
		got := suite.Paged(t, size, func(last *entry.Record) ([]entry.Record, error) {
			after := ""
			if last != nil {
				after = last.Code
			}
			return s.ListEntries(ctx, s.Kind, entry.Drafts{All: true}, after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err = s.ListEntries(ctx, s.Kind, entry.Drafts{All: true}, "", 0)
	suite.Must(t, "ListEntries", err)
	suite.Same(t, "entries up to limit 0", len(none), 0)
}

// catalogDrafts tests which drafts a list has, and what it has in place of the others.
func catalogDrafts(t *testing.T, s OfKind) {
	mine, theirs, fresh := Draft(1), Draft(1), Draft(1)
	mine.Code, theirs.Code, fresh.Code = "119900001", "119900002", "119900003"
	past := theirs
	past.State = entry.Retired
	theirs.Version = 2
	suite.Must(t, "SaveEntries", SaveEntries(t, s, mine))
	suite.Must(t, "SaveEntries", SaveEntries(t, s, past, theirs))
	suite.Must(t, "SaveEntries", SaveEntries(t, s, fresh))
	for _, c := range []struct {
		name string
		d    entry.Drafts
		want []entry.Record
	}{
		{"none", entry.Drafts{}, []entry.Record{past}},
		{"of nobody", entry.Drafts{Of: "nobody"}, []entry.Record{past}},
		{"of one", entry.Drafts{Of: mine.Owner}, []entry.Record{mine, past}},
		{"of another", entry.Drafts{Of: theirs.Owner}, []entry.Record{theirs}},
		{"all", entry.Drafts{All: true}, []entry.Record{mine, theirs, fresh}},
	} {
		var want []entry.Record
		for _, r := range c.want {
			want = append(want, stored(r))
		}
		for _, size := range []int{1, 10} {
			got := suite.Paged(t, size, func(last *entry.Record) ([]entry.Record, error) {
				after := ""
				if last != nil {
					after = last.Code
				}
				return s.ListEntries(t.Context(), s.Kind, c.d, after, size)
			})
			suite.Same(t, fmt.Sprintf("drafts %s, pages of %d", c.name, size), got, want)
		}
	}
}

// catalogBefore tests that versions are read from the newest on, as many as are asked for.
func catalogBefore(t *testing.T, s OfKind) {
	first := Draft(1)
	var all []entry.Record
	for v := range 12 {
		r := first
		r.Version, r.State = v+1, entry.Retired
		suite.Must(t, "SaveEntries", SaveEntries(t, s, r))
		all = append(all, stored(r))
	}
	slices.Reverse(all)
	for _, c := range []struct{ before, limit, from, to int }{
		{0, 2, 0, 2}, {0, 100, 0, 12}, {12, 1, 1, 2}, {3, 5, 10, 12}, {1, 5, 12, 12}, {1 << 31, 1, 0, 1}, {0, 0, 0, 0},
	} {
		got, err := s.LoadEntries(t.Context(), s.Kind, first.Code, c.before, c.limit)
		suite.Must(t, "LoadEntries", err)
		if want := all[c.from:c.to]; len(got)+len(want) > 0 {
			suite.Same(t, fmt.Sprintf("%d versions before %d", c.limit, c.before), got, want)
		}
	}
}

// catalogUse tests that what a participant has is added up: of all its versions, and of
// nobody else's.
func catalogUse(t *testing.T, s OfKind) {
	owner := suite.NewText()
	use := func(what string, want entry.Use) {
		t.Helper()
		got, err := s.UseOfEntries(t.Context(), s.Kind, owner)
		suite.Must(t, "UseOfEntries", err)
		suite.Same(t, what, got, want)
	}
	use("nothing", entry.Use{})
	v1, other := Draft(1), Draft(1)
	v1.Owner, v1.Body, other.Owner = owner, make([]byte, 1000), suite.NewText()
	suite.Must(t, "SaveEntries", SaveEntries(t, s, v1))
	suite.Must(t, "SaveEntries", SaveEntries(t, s, other))
	use("a draft", entry.Use{Drafts: 1, Bytes: 1000})
	v1 = stored(v1)
	v1.State, v1.Body = entry.Retired, make([]byte, 70_000)
	v2 := v1
	v2.Version, v2.Revision, v2.State, v2.Body = 2, 0, entry.Draft, make([]byte, 300)
	suite.Must(t, "SaveEntries", SaveEntries(t, s, v1, v2))
	use("two versions", entry.Use{Drafts: 1, Bytes: 70_300})
	v1, v2 = stored(v1), stored(v2)
	v2.Owner, v2.State = other.Owner, entry.Published
	suite.Must(t, "SaveEntries", SaveEntries(t, s, v2))
	use("one that went to another", entry.Use{Bytes: 70_000})
}
