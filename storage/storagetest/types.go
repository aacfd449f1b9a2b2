package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing/journal"
)

// Types tests [catalog.TypeStore].
func Types(t *testing.T, open Open) {
	s := open(t).licensing()
	t.Run("RoundTrip", func(t *testing.T) { typesRoundTrip(t, s) })
	t.Run("Conflict", func(t *testing.T) { typesConflict(t, s) })
	t.Run("OneDraftOnePublished", func(t *testing.T) { typesStates(t, s) })
	t.Run("Race", func(t *testing.T) { typesRace(t, s) })
	t.Run("Event", func(t *testing.T) { typesEvent(t, open(t).licensing()) })
	t.Run("List", func(t *testing.T) { typesList(t, open(t).licensing()) })
	t.Run("Drafts", func(t *testing.T) { typesDrafts(t, open(t).licensing()) })
	t.Run("Before", func(t *testing.T) { typesBefore(t, s) })
	t.Run("Use", func(t *testing.T) { typesUse(t, s) })
	t.Run("Ended", func(t *testing.T) {
		r := draft(1)
		is(t, "SaveTypes", s.SaveTypes(ended(), event("", journal.ActionTypePut), r), context.Canceled)
		_, err := s.LoadTypes(ended(), r.Code, 0, 1)
		is(t, "LoadTypes", err, context.Canceled)
		_, err = s.ListTypes(ended(), catalog.Drafts{All: true}, "", 1)
		is(t, "ListTypes", err, context.Canceled)
		_, err = s.UseOfTypes(ended(), r.Owner)
		is(t, "UseOfTypes", err, context.Canceled)
		sameTypes(t, s, "types", r.Code)
	})
}

// draft makes a record of a type that isn't stored.
func draft(version int) catalog.TypeRecord {
	return catalog.TypeRecord{
		Code: credential.TypeCode(newText()), Version: version, State: catalog.TypeDraft,
		Owner: newText(), Body: []byte(`{"name":"样例"}`), Updated: at(version),
	}
}

// saveTypes saves records with an event of their own.
func saveTypes(t *testing.T, s catalog.TypeStore, rs ...catalog.TypeRecord) error {
	t.Helper()
	return s.SaveTypes(t.Context(), event("", journal.ActionTypePut), rs...)
}

// stored returns a record as it is after it was saved.
func stored(r catalog.TypeRecord) catalog.TypeRecord {
	r.Revision++
	return r
}

func sameTypes(t *testing.T, s catalog.TypeStore, what string, code credential.TypeCode, want ...catalog.TypeRecord) {
	t.Helper()
	got, err := s.LoadTypes(t.Context(), code, 0, 100)
	must(t, "LoadTypes", err)
	slices.Reverse(got) // they come the newest first
	if len(got)+len(want) > 0 {
		same(t, what, got, want)
	}
}

func typesRoundTrip(t *testing.T, s catalog.TypeStore) {
	v1 := draft(1)
	v1.Updated = finer
	must(t, "SaveTypes", saveTypes(t, s, v1))
	v1.Updated = kept
	v1 = stored(v1)
	sameTypes(t, s, "a draft", v1.Code, v1)

	v1.State, v1.Body, v1.Updated, v1.Owner = catalog.TypePublished, []byte(`{"name":"样例二"}`), at(9), newText()
	must(t, "SaveTypes", saveTypes(t, s, v1))
	v1 = stored(v1)
	sameTypes(t, s, "published", v1.Code, v1)

	// Versions 10 and 9 in the wrong order: oldest first is by number.
	v10, v9 := draft(10), draft(9)
	v10.Code, v9.Code, v9.State = v1.Code, v1.Code, catalog.TypeRetired
	must(t, "SaveTypes", saveTypes(t, s, v10, v9))
	sameTypes(t, s, "three versions", v1.Code, v1, stored(v9), stored(v10))
	sameTypes(t, s, "an unknown code", "nothing")
}

func typesConflict(t *testing.T, s catalog.TypeStore) {
	old := draft(1)
	must(t, "SaveTypes", saveTypes(t, s, old))
	fresh := draft(1)
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
		wrong.Revision, wrong.Version, wrong.State = c.revision, c.version, catalog.TypeRetired
		is(t, c.name, saveTypes(t, s, fresh, wrong), catalog.ErrConflict)
		is(t, c.name+", first", saveTypes(t, s, wrong, fresh), catalog.ErrConflict)
		sameTypes(t, s, c.name+": the record beside it", fresh.Code)
		sameTypes(t, s, c.name+": the stored record", old.Code, stored(old))
	}
}

// typesStates tests that a code has one draft and one published version at most.
func typesStates(t *testing.T, s catalog.TypeStore) {
	v1, v2, v3 := draft(1), draft(2), draft(3)
	v2.Code, v3.Code = v1.Code, v1.Code
	must(t, "SaveTypes", saveTypes(t, s, v1))
	v1 = stored(v1)
	is(t, "a second draft", saveTypes(t, s, v2), catalog.ErrConflict)

	v1.State = catalog.TypePublished
	must(t, "publishing one and beginning the next, in one call", saveTypes(t, s, v1, v2))
	v1, v2 = stored(v1), stored(v2)
	second := v2
	second.State = catalog.TypePublished
	is(t, "a second published version", saveTypes(t, s, second), catalog.ErrConflict)
	sameTypes(t, s, "after the refusals", v1.Code, v1, v2)

	retired := v1
	retired.State = catalog.TypeRetired
	must(t, "retiring one and publishing the next, in one call", saveTypes(t, s, retired, second))
	sameTypes(t, s, "after publishing the next version", v1.Code, stored(retired), stored(second))
	is(t, "two drafts in one call", saveTypes(t, s, v3, func() catalog.TypeRecord {
		v4 := v3
		v4.Version = 4
		return v4
	}()), catalog.ErrConflict)
	sameTypes(t, s, "after two drafts", v1.Code, stored(retired), stored(second))
}

func typesRace(t *testing.T, s catalog.TypeStore) {
	r := draft(1)
	errs := race(Writers, func(i int) error {
		r := r
		r.Body = fmt.Appendf(nil, `{"writer":%d}`, i)
		return saveTypes(t, s, r)
	})
	r.Body = fmt.Appendf(nil, `{"writer":%d}`, oneWins(t, "a new type", errs, catalog.ErrConflict))
	r = stored(r)
	sameTypes(t, s, "the winner's", r.Code, r)
	errs = race(Writers, func(i int) error {
		r := r
		r.Owner = fmt.Sprint(i)
		return saveTypes(t, s, r)
	})
	r.Owner = fmt.Sprint(oneWins(t, "a change of a type", errs, catalog.ErrConflict))
	sameTypes(t, s, "the winner's change", r.Code, stored(r))
	errs = race(Writers, func(i int) error {
		d := draft(i + 2)
		d.Code, d.State = r.Code, catalog.TypePublished
		return saveTypes(t, s, d)
	})
	oneWins(t, "a published version", errs, catalog.ErrConflict)
}

// typesEvent tests that a change's event is saved with it, or not at all.
func typesEvent(t *testing.T, s licensing) {
	ctx := t.Context()
	e := event("", journal.ActionTypePut)
	e.Version, e.Sealed = 0, nil
	r := draft(1)
	must(t, "SaveTypes", s.SaveTypes(ctx, e, r))
	is(t, "SaveTypes again", s.SaveTypes(ctx, event("", journal.ActionTypePut), r), catalog.ErrConflict)
	got, err := s.ListEvents(ctx, journal.Stream{Log: journal.Registry}, 0, 10)
	must(t, "Events", err)
	sameEvents(t, "events", got, e)
}

func typesList(t *testing.T, s catalog.TypeStore) {
	ctx := t.Context()
	none, err := s.ListTypes(ctx, catalog.Drafts{All: true}, "", 10)
	must(t, "ListTypes", err)
	same(t, "types of an empty database", len(none), 0)
	var want []catalog.TypeRecord
	for i := range 7 {
		v1, v2 := draft(1), draft(2)
		v1.Code = credential.TypeCode(fmt.Sprintf("11990000%02d", i))
		v2.Code, v1.State = v1.Code, catalog.TypeRetired
		if i%2 == 0 {
			must(t, "SaveTypes", saveTypes(t, s, v1))
			want = append(want, stored(v1))
		} else {
			must(t, "SaveTypes", saveTypes(t, s, v2, v1))
			want = append(want, stored(v2))
		}
	}
	for _, size := range []int{1, 3, 7, 100} {
		got := paged(t, size, func(last *catalog.TypeRecord) ([]catalog.TypeRecord, error) {
			var after credential.TypeCode
			if last != nil {
				after = last.Code
			}
			return s.ListTypes(ctx, catalog.Drafts{All: true}, after, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err = s.ListTypes(ctx, catalog.Drafts{All: true}, "", 0)
	must(t, "ListTypes", err)
	same(t, "types up to limit 0", len(none), 0)
}

// typesDrafts tests which drafts a list has, and what it has in place of the others.
func typesDrafts(t *testing.T, s catalog.TypeStore) {
	mine, theirs, fresh := draft(1), draft(1), draft(1)
	mine.Code, theirs.Code, fresh.Code = "119900001", "119900002", "119900003"
	past := theirs
	past.State = catalog.TypeRetired
	theirs.Version = 2
	must(t, "SaveTypes", saveTypes(t, s, mine))
	must(t, "SaveTypes", saveTypes(t, s, past, theirs))
	must(t, "SaveTypes", saveTypes(t, s, fresh))
	for _, c := range []struct {
		name string
		d    catalog.Drafts
		want []catalog.TypeRecord
	}{
		{"none", catalog.Drafts{}, []catalog.TypeRecord{past}},
		{"of nobody", catalog.Drafts{Of: "nobody"}, []catalog.TypeRecord{past}},
		{"of one", catalog.Drafts{Of: mine.Owner}, []catalog.TypeRecord{mine, past}},
		{"of another", catalog.Drafts{Of: theirs.Owner}, []catalog.TypeRecord{theirs}},
		{"all", catalog.Drafts{All: true}, []catalog.TypeRecord{mine, theirs, fresh}},
	} {
		var want []catalog.TypeRecord
		for _, r := range c.want {
			want = append(want, stored(r))
		}
		for _, size := range []int{1, 10} {
			got := paged(t, size, func(last *catalog.TypeRecord) ([]catalog.TypeRecord, error) {
				var after credential.TypeCode
				if last != nil {
					after = last.Code
				}
				return s.ListTypes(t.Context(), c.d, after, size)
			})
			same(t, fmt.Sprintf("drafts %s, pages of %d", c.name, size), got, want)
		}
	}
}

// typesBefore tests that versions are read from the newest on, as many as are asked for.
func typesBefore(t *testing.T, s catalog.TypeStore) {
	first := draft(1)
	var all []catalog.TypeRecord
	for v := range 12 {
		r := first
		r.Version, r.State = v+1, catalog.TypeRetired
		must(t, "SaveTypes", saveTypes(t, s, r))
		all = append(all, stored(r))
	}
	slices.Reverse(all)
	for _, c := range []struct{ before, limit, from, to int }{
		{0, 2, 0, 2}, {0, 100, 0, 12}, {12, 1, 1, 2}, {3, 5, 10, 12}, {1, 5, 12, 12}, {1 << 31, 1, 0, 1}, {0, 0, 0, 0},
	} {
		got, err := s.LoadTypes(t.Context(), first.Code, c.before, c.limit)
		must(t, "LoadTypes", err)
		if want := all[c.from:c.to]; len(got)+len(want) > 0 {
			same(t, fmt.Sprintf("%d versions before %d", c.limit, c.before), got, want)
		}
	}
}

// typesUse tests that what a participant has is added up: of all its versions, and of
// nobody else's.
func typesUse(t *testing.T, s catalog.TypeStore) {
	owner := newText()
	use := func(what string, want catalog.Use) {
		t.Helper()
		got, err := s.UseOfTypes(t.Context(), owner)
		must(t, "UseOfTypes", err)
		same(t, what, got, want)
	}
	use("nothing", catalog.Use{})
	v1, other := draft(1), draft(1)
	v1.Owner, v1.Body, other.Owner = owner, make([]byte, 1000), newText()
	must(t, "SaveTypes", saveTypes(t, s, v1))
	must(t, "SaveTypes", saveTypes(t, s, other))
	use("a draft", catalog.Use{Drafts: 1, Bytes: 1000})
	v1 = stored(v1)
	v1.State, v1.Body = catalog.TypeRetired, make([]byte, 70_000)
	v2 := v1
	v2.Version, v2.Revision, v2.State, v2.Body = 2, 0, catalog.TypeDraft, make([]byte, 300)
	must(t, "SaveTypes", saveTypes(t, s, v1, v2))
	use("two versions", catalog.Use{Drafts: 1, Bytes: 70_300})
	v1, v2 = stored(v1), stored(v2)
	v2.Owner, v2.State = other.Owner, catalog.TypePublished
	must(t, "SaveTypes", saveTypes(t, s, v2))
	use("one that went to another", catalog.Use{Bytes: 70_000})
}
