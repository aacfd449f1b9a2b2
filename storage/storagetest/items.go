package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/license/catalog"
	"yizheng.internal/signing/journal"
)

// Items tests [catalog.ItemStore].
func Items(t *testing.T, open Open) {
	s := open(t).licensing()
	t.Run("RoundTrip", func(t *testing.T) { itemsRoundTrip(t, s) })
	t.Run("Conflict", func(t *testing.T) { itemsConflict(t, s) })
	t.Run("OneDraftOnePublished", func(t *testing.T) { itemsStates(t, s) })
	t.Run("Race", func(t *testing.T) { itemsRace(t, s) })
	t.Run("Event", func(t *testing.T) { itemsEvent(t, open(t).licensing()) })
	t.Run("List", func(t *testing.T) { itemsList(t, open(t).licensing()) })
	t.Run("Drafts", func(t *testing.T) { itemsDrafts(t, open(t).licensing()) })
	t.Run("Before", func(t *testing.T) { itemsBefore(t, s) })
	t.Run("Use", func(t *testing.T) { itemsUse(t, s) })
	t.Run("Ended", func(t *testing.T) {
		r := draftItem(1)
		is(t, "SaveItems", s.SaveItems(ended(), event("", journal.ActionItemPut), r), context.Canceled)
		_, err := s.LoadItems(ended(), r.Code, 0, 1)
		is(t, "LoadItems", err, context.Canceled)
		_, err = s.ListItems(ended(), catalog.Drafts{All: true}, "", 1)
		is(t, "ListItems", err, context.Canceled)
		_, err = s.UseOfItems(ended(), r.Owner)
		is(t, "UseOfItems", err, context.Canceled)
		sameItems(t, s, "items", r.Code)
	})
}

// draftItem makes a record of an item that isn't stored.
func draftItem(version int) catalog.ItemRecord {
	return catalog.ItemRecord{
		Code: catalog.ItemCode(newText()), Version: version, State: catalog.ItemDraft,
		Owner: newText(), Body: []byte(`{"name":"样例事项"}`), Updated: at(version),
	}
}

func saveItems(t *testing.T, s catalog.ItemStore, rs ...catalog.ItemRecord) error {
	t.Helper()
	return s.SaveItems(t.Context(), event("", journal.ActionItemPut), rs...)
}

// storedItem returns a record as it is after it was saved.
func storedItem(r catalog.ItemRecord) catalog.ItemRecord {
	r.Revision++
	return r
}

func sameItems(t *testing.T, s catalog.ItemStore, what string, code catalog.ItemCode, want ...catalog.ItemRecord) {
	t.Helper()
	got, err := s.LoadItems(t.Context(), code, 0, 100)
	must(t, "LoadItems", err)
	slices.Reverse(got) // they come the newest first
	if len(got)+len(want) > 0 {
		same(t, what, got, want)
	}
}

func itemsRoundTrip(t *testing.T, s catalog.ItemStore) {
	v1 := draftItem(1)
	v1.Updated = finer
	must(t, "SaveItems", saveItems(t, s, v1))
	v1.Updated = kept
	v1 = storedItem(v1)
	sameItems(t, s, "a draft", v1.Code, v1)

	v1.State, v1.Body, v1.Updated, v1.Owner = catalog.ItemPublished, []byte(`{"name":"样例事项二"}`), at(9), newText()
	must(t, "SaveItems", saveItems(t, s, v1))
	v1 = storedItem(v1)
	sameItems(t, s, "published", v1.Code, v1)

	// Versions 10 and 9 in the wrong order: oldest first is by number.
	v10, v9 := draftItem(10), draftItem(9)
	v10.Code, v9.Code, v9.State = v1.Code, v1.Code, catalog.ItemRetired
	must(t, "SaveItems", saveItems(t, s, v10, v9))
	sameItems(t, s, "three versions", v1.Code, v1, storedItem(v9), storedItem(v10))
	sameItems(t, s, "an unknown code", "nothing")
}

func itemsConflict(t *testing.T, s catalog.ItemStore) {
	old := draftItem(1)
	must(t, "SaveItems", saveItems(t, s, old))
	fresh := draftItem(1)
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
		wrong.Revision, wrong.Version, wrong.State = c.revision, c.version, catalog.ItemRetired
		is(t, c.name, saveItems(t, s, fresh, wrong), catalog.ErrConflict)
		is(t, c.name+", first", saveItems(t, s, wrong, fresh), catalog.ErrConflict)
		sameItems(t, s, c.name+": the record beside it", fresh.Code)
		sameItems(t, s, c.name+": the stored record", old.Code, storedItem(old))
	}
}

// itemsStates tests that a code has one draft and one published version at most.
func itemsStates(t *testing.T, s catalog.ItemStore) {
	v1, v2, v3 := draftItem(1), draftItem(2), draftItem(3)
	v2.Code, v3.Code = v1.Code, v1.Code
	must(t, "SaveItems", saveItems(t, s, v1))
	v1 = storedItem(v1)
	is(t, "a second draft", saveItems(t, s, v2), catalog.ErrConflict)

	v1.State = catalog.ItemPublished
	must(t, "publishing one and beginning the next, in one call", saveItems(t, s, v1, v2))
	v1, v2 = storedItem(v1), storedItem(v2)
	second := v2
	second.State = catalog.ItemPublished
	is(t, "a second published version", saveItems(t, s, second), catalog.ErrConflict)
	sameItems(t, s, "after the refusals", v1.Code, v1, v2)

	retired := v1
	retired.State = catalog.ItemRetired
	must(t, "retiring one and publishing the next, in one call", saveItems(t, s, retired, second))
	sameItems(t, s, "after publishing the next version", v1.Code, storedItem(retired), storedItem(second))
	v4 := v3
	v4.Version = 4
	is(t, "two drafts in one call", saveItems(t, s, v3, v4), catalog.ErrConflict)
	sameItems(t, s, "after two drafts", v1.Code, storedItem(retired), storedItem(second))
}

func itemsRace(t *testing.T, s catalog.ItemStore) {
	r := draftItem(1)
	errs := race(Writers, func(i int) error {
		r := r
		r.Body = fmt.Appendf(nil, `{"writer":%d}`, i)
		return saveItems(t, s, r)
	})
	r.Body = fmt.Appendf(nil, `{"writer":%d}`, oneWins(t, "a new item", errs, catalog.ErrConflict))
	r = storedItem(r)
	sameItems(t, s, "the winner's", r.Code, r)
	errs = race(Writers, func(i int) error {
		r := r
		r.Owner = fmt.Sprint(i)
		return saveItems(t, s, r)
	})
	r.Owner = fmt.Sprint(oneWins(t, "a change of an item", errs, catalog.ErrConflict))
	sameItems(t, s, "the winner's change", r.Code, storedItem(r))
	errs = race(Writers, func(i int) error {
		d := draftItem(i + 2)
		d.Code, d.State = r.Code, catalog.ItemPublished
		return saveItems(t, s, d)
	})
	oneWins(t, "a published version", errs, catalog.ErrConflict)
}

// itemsEvent tests that a change's event is saved with it, or not at all.
func itemsEvent(t *testing.T, s licensing) {
	ctx := t.Context()
	e := event("", journal.ActionItemPut)
	e.Version, e.Sealed = 0, nil
	r := draftItem(1)
	must(t, "SaveItems", s.SaveItems(ctx, e, r))
	is(t, "SaveItems again", s.SaveItems(ctx, event("", journal.ActionItemPut), r), catalog.ErrConflict)
	got, err := s.ListEvents(ctx, journal.Stream{Log: journal.Registry}, 0, 10)
	must(t, "Events", err)
	sameEvents(t, "events", got, e)
}

func itemsList(t *testing.T, s catalog.ItemStore) {
	ctx := t.Context()
	none, err := s.ListItems(ctx, catalog.Drafts{All: true}, "", 10)
	must(t, "ListItems", err)
	same(t, "items of an empty database", len(none), 0)
	var want []catalog.ItemRecord
	for i := range 7 {
		v1, v2 := draftItem(1), draftItem(2)
		v1.Code = catalog.ItemCode(fmt.Sprintf("QH-%02d", i))
		v2.Code, v1.State = v1.Code, catalog.ItemRetired
		if i%2 == 0 {
			must(t, "SaveItems", saveItems(t, s, v1))
			want = append(want, storedItem(v1))
		} else {
			must(t, "SaveItems", saveItems(t, s, v2, v1))
			want = append(want, storedItem(v2))
		}
	}
	for _, size := range []int{1, 3, 7, 100} {
		got := paged(t, size, func(last *catalog.ItemRecord) ([]catalog.ItemRecord, error) {
			var after catalog.ItemCode
			if last != nil {
				after = last.Code
			}
			return s.ListItems(ctx, catalog.Drafts{All: true}, after, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err = s.ListItems(ctx, catalog.Drafts{All: true}, "", 0)
	must(t, "ListItems", err)
	same(t, "items up to limit 0", len(none), 0)
}

// itemsDrafts tests which drafts a list has, and what it has in place of the others.
func itemsDrafts(t *testing.T, s catalog.ItemStore) {
	mine, theirs, fresh := draftItem(1), draftItem(1), draftItem(1)
	mine.Code, theirs.Code, fresh.Code = "119900001", "119900002", "119900003"
	past := theirs
	past.State = catalog.ItemRetired
	theirs.Version = 2
	must(t, "SaveItems", saveItems(t, s, mine))
	must(t, "SaveItems", saveItems(t, s, past, theirs))
	must(t, "SaveItems", saveItems(t, s, fresh))
	for _, c := range []struct {
		name string
		d    catalog.Drafts
		want []catalog.ItemRecord
	}{
		{"none", catalog.Drafts{}, []catalog.ItemRecord{past}},
		{"of nobody", catalog.Drafts{Of: "nobody"}, []catalog.ItemRecord{past}},
		{"of one", catalog.Drafts{Of: mine.Owner}, []catalog.ItemRecord{mine, past}},
		{"of another", catalog.Drafts{Of: theirs.Owner}, []catalog.ItemRecord{theirs}},
		{"all", catalog.Drafts{All: true}, []catalog.ItemRecord{mine, theirs, fresh}},
	} {
		var want []catalog.ItemRecord
		for _, r := range c.want {
			want = append(want, storedItem(r))
		}
		for _, size := range []int{1, 10} {
			got := paged(t, size, func(last *catalog.ItemRecord) ([]catalog.ItemRecord, error) {
				var after catalog.ItemCode
				if last != nil {
					after = last.Code
				}
				return s.ListItems(t.Context(), c.d, after, size)
			})
			same(t, fmt.Sprintf("drafts %s, pages of %d", c.name, size), got, want)
		}
	}
}

// itemsBefore tests that versions are read from the newest on, as many as are asked for.
func itemsBefore(t *testing.T, s catalog.ItemStore) {
	first := draftItem(1)
	var all []catalog.ItemRecord
	for v := range 12 {
		r := first
		r.Version, r.State = v+1, catalog.ItemRetired
		must(t, "SaveItems", saveItems(t, s, r))
		all = append(all, storedItem(r))
	}
	slices.Reverse(all)
	for _, c := range []struct{ before, limit, from, to int }{
		{0, 2, 0, 2}, {0, 100, 0, 12}, {12, 1, 1, 2}, {3, 5, 10, 12}, {1, 5, 12, 12}, {1 << 31, 1, 0, 1}, {0, 0, 0, 0},
	} {
		got, err := s.LoadItems(t.Context(), first.Code, c.before, c.limit)
		must(t, "LoadItems", err)
		if want := all[c.from:c.to]; len(got)+len(want) > 0 {
			same(t, fmt.Sprintf("%d versions before %d", c.limit, c.before), got, want)
		}
	}
}

// itemsUse tests that what a participant has is added up: of all its versions, and of
// nobody else's.
func itemsUse(t *testing.T, s catalog.ItemStore) {
	owner := newText()
	use := func(what string, want catalog.Use) {
		t.Helper()
		got, err := s.UseOfItems(t.Context(), owner)
		must(t, "UseOfItems", err)
		same(t, what, got, want)
	}
	use("nothing", catalog.Use{})
	v1, other := draftItem(1), draftItem(1)
	v1.Owner, v1.Body, other.Owner = owner, make([]byte, 1000), newText()
	must(t, "SaveItems", saveItems(t, s, v1))
	must(t, "SaveItems", saveItems(t, s, other))
	use("a draft", catalog.Use{Drafts: 1, Bytes: 1000})
	v1 = storedItem(v1)
	v1.State, v1.Body = catalog.ItemRetired, make([]byte, 70_000)
	v2 := v1
	v2.Version, v2.Revision, v2.State, v2.Body = 2, 0, catalog.ItemDraft, make([]byte, 300)
	must(t, "SaveItems", saveItems(t, s, v1, v2))
	use("two versions", catalog.Use{Drafts: 1, Bytes: 70_300})
	v1, v2 = storedItem(v1), storedItem(v2)
	v2.Owner, v2.State = other.Owner, catalog.ItemPublished
	must(t, "SaveItems", saveItems(t, s, v2))
	use("one that went to another", catalog.Use{Bytes: 70_000})
}
