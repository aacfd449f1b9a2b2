package licenses

import (
	"context"
	"slices"
	"sync"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// StatusLists tests [status.Store] and [status.MendStore].
func StatusLists(t *testing.T, open suite.Open) {
	t.Run("Reserve", func(t *testing.T) { reserving(t, open(t).Licensing()) })
	t.Run("Values", func(t *testing.T) { statusValues(t, open(t).Licensing()) })
	t.Run("Race", func(t *testing.T) { reserveRace(t, open(t).Licensing()) })
	t.Run("RaceForLists", func(t *testing.T) { listRace(t, open(t).Licensing()) })
	t.Run("RaceForValues", func(t *testing.T) { valueRace(t, open(t).Licensing()) })
	t.Run("Authenticators", func(t *testing.T) { statusAuthenticators(t, open(t).Licensing()) })
	t.Run("Mend", func(t *testing.T) { statusMend(t, open(t).Licensing()) })
	t.Run("OneState", func(t *testing.T) { listOneState(t, open(t).Licensing()) })
	t.Run("Ended", func(t *testing.T) {
		s := open(t).Licensing()
		_, _, err := s.Reserve(suite.Ended(), []int{1}, 10, suite.At(0))
		suite.Is(t, "Reserve", err, context.Canceled)
		_, _, err = s.LoadList(t.Context(), 1, -1)
		suite.Is(t, "LoadList after that", err, status.ErrNotFound)
		_, _, err = s.LoadList(suite.Ended(), 1, -1)
		suite.Is(t, "LoadList", err, context.Canceled)
		_, err = s.LoadStatus(suite.Ended(), 1, 1)
		suite.Is(t, "LoadStatus", err, context.Canceled)
	})
}

// reserving tests [status.Store.Reserve] on an empty database.
func reserving(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	_, _, err := s.LoadList(ctx, 1, -1)
	suite.Is(t, "LoadList of an empty database", err, status.ErrNotFound)
	lists, err := s.StatusLists(ctx)
	suite.Must(t, "StatusLists of an empty database", err)
	suite.Same(t, "lists", len(lists), 0)
	for _, step := range []struct {
		name    string
		indexes []int
		most    int
		list    int64
		taken   []int
	}{
		{"the first list is 1", []int{5, 3, credential.StatusListSize - 1}, 6, 1, []int{3, 5, credential.StatusListSize - 1}},
		{"taken ones aren't taken again", []int{3, 0, 5}, 6, 1, []int{0}},
		{"none is free", []int{0, 3}, 6, 1, nil},
		{"none is wanted", nil, 6, 1, nil},
		{"one index twice", []int{7, 7}, 6, 1, []int{7}},
		{"the list is below most", []int{8, 9}, 6, 1, []int{8, 9}},
		{"the next list has them all free", []int{3, 5}, 6, 2, []int{3, 5}},
		{"and stays", []int{5, 4}, 6, 2, []int{4}},
		{"until it has most", []int{1}, 3, 3, []int{1}},
	} {
		list, taken, err := s.Reserve(ctx, step.indexes, step.most, suite.At(0))
		suite.Must(t, step.name, err)
		slices.Sort(taken)
		if list != step.list || !slices.Equal(taken, step.taken) {
			t.Errorf("%s: got list %d, indexes %v, want list %d, indexes %v", step.name, list, taken, step.list, step.taken)
		}
		for _, i := range taken {
			v, err := s.LoadStatus(ctx, list, i)
			suite.Must(t, "LoadStatus", err)
			suite.Same(t, "a reserved entry", v, status.Entry{Index: i})
		}
	}
	lists, err = s.StatusLists(ctx)
	suite.Must(t, "StatusLists", err)
	suite.Same(t, "lists", lists, []int64{1, 2, 3})
	_, err = s.LoadStatus(ctx, 1, 1)
	suite.Is(t, "LoadStatus of an entry that isn't reserved", err, status.ErrNotFound)
	_, err = s.LoadStatus(ctx, 9, 3)
	suite.Is(t, "LoadStatus of an unknown list", err, status.ErrNotFound)
	_, _, err = s.LoadList(ctx, 4, 0)
	suite.Is(t, "LoadList of an unknown list", err, status.ErrNotFound)
}

// setStatus saves a license that sets entries of a status list.
func setStatus(t *testing.T, s suite.Licensing, changes ...status.Change) error {
	id := suite.NewID()
	return s.Save(t.Context(), license.SaveRequest{
		Record: license.Record{ID: id, Type: typeCode, Authority: Authority, Version: 1, State: license.Active, Created: suite.At(0), Updated: suite.At(0)},
		Add:    &license.VersionRecord{License: id, Version: 1, State: license.Active, Issued: suite.At(0), Body: []byte("sealed")},
		Event:  ledger.Event(id, journal.ActionLicenseIssue),
		Status: changes,
	})
}

func statusValues(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	list, _, err := s.Reserve(ctx, []int{9, 2, 4, 6}, 100, suite.At(0))
	suite.Must(t, "Reserve", err)
	first, entries, err := s.LoadList(ctx, list, -1)
	suite.Must(t, "LoadList", err)
	if first < 0 || len(entries) != 0 {
		t.Fatalf("a new list has revision %d and entries %v", first, entries)
	}
	set := func(index int, v credential.StatusValue) status.Change {
		return status.Change{List: list, Index: index, Value: v}
	}
	entry := func(index int, v credential.StatusValue) status.Entry {
		return status.Entry{Index: index, Value: v}
	}
	revision := first
	for _, step := range []struct {
		name    string
		changes []status.Change
		counted int64
		want    []status.Entry
	}{
		{"one", []status.Change{set(4, credential.StatusSuspended)}, 1,
			[]status.Entry{entry(4, credential.StatusSuspended)}},
		{"the same value is no change", []status.Change{set(4, credential.StatusSuspended)}, 0,
			[]status.Entry{entry(4, credential.StatusSuspended)}},
		{"two, by index", []status.Change{set(9, credential.StatusInvalid), set(2, credential.StatusSuperseded)}, 2,
			[]status.Entry{entry(2, credential.StatusSuperseded), entry(4, credential.StatusSuspended), entry(9, credential.StatusInvalid)}},
		{"back to valid", []status.Change{set(4, credential.StatusValid)}, 1,
			[]status.Entry{entry(2, credential.StatusSuperseded), entry(9, credential.StatusInvalid)}},
		{"valid again is no change", []status.Change{set(4, credential.StatusValid), set(6, credential.StatusValid)}, 0,
			[]status.Entry{entry(2, credential.StatusSuperseded), entry(9, credential.StatusInvalid)}},
	} {
		suite.Must(t, step.name, setStatus(t, s, step.changes...))
		got, entries, err := s.LoadList(ctx, list, revision)
		suite.Must(t, step.name, err)
		suite.Same(t, step.name+": revision", got, revision+step.counted)
		if step.counted > 0 {
			suite.Same(t, step.name+": entries", entries, step.want)
		} else {
			suite.Same(t, step.name+": entries of a revision that was seen", len(entries), 0)
		}
		revision = got
		for _, seen := range []int64{-1, revision - 1, revision + 1} {
			got, entries, err = s.LoadList(ctx, list, seen)
			suite.Must(t, step.name, err)
			suite.Same(t, step.name+": revision", got, revision)
			suite.Same(t, step.name+": entries", entries, step.want)
		}
		for _, c := range step.changes {
			v, err := s.LoadStatus(ctx, list, c.Index)
			suite.Must(t, "LoadStatus", err)
			suite.Same(t, step.name+": value", v.Value, c.Value)
		}
	}
	_, _, err = s.Reserve(ctx, []int{11}, 100, suite.At(0))
	suite.Must(t, "Reserve", err)
	got, _, err := s.LoadList(ctx, list, -1)
	suite.Must(t, "LoadList", err)
	suite.Same(t, "revision after reserving, which changes no value", got, revision)
}

// reserveRace lets everyone reserve the same entries: each goes to one.
func reserveRace(t *testing.T, s suite.Licensing) {
	indexes := make([]int, 64)
	for i := range indexes {
		indexes[i] = 3 * i
	}
	var mu sync.Mutex
	owners := map[int]int{}
	errs := suite.Race(suite.Writers, func(i int) error {
		mine := slices.Clone(indexes)
		slices.Reverse(mine[:i]) // in other orders, which must not deadlock
		list, taken, err := s.Reserve(t.Context(), mine[:len(mine)-i], credential.StatusListSize/2, suite.At(0))
		if list != 1 {
			t.Errorf("reserved in list %d, want 1", list)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, index := range taken {
			owners[index]++
		}
		return err
	})
	for _, err := range errs {
		suite.Must(t, "Reserve", err)
	}
	for _, index := range indexes {
		if owners[index] != 1 {
			t.Errorf("entry %d went to %d callers", index, owners[index])
		}
	}
}

// listRace lets everyone fill small lists: they are numbered without gaps, each
// has most entries before the next one begins, and no entry goes to two.
func listRace(t *testing.T, s suite.Licensing) {
	const most = 10
	var mu sync.Mutex
	type entry struct {
		list  int64
		index int
	}
	owners := map[entry]int{}
	taken := map[int64]int{}
	errs := suite.Race(suite.Writers, func(i int) error {
		for n := range 3 {
			index := i*3 + n
			list, got, err := s.Reserve(t.Context(), []int{index, index + 1000}, most, suite.At(0))
			if err != nil {
				return err
			}
			mu.Lock()
			for _, index := range got {
				owners[entry{list, index}]++
				taken[list]++
			}
			mu.Unlock()
		}
		return nil
	})
	for _, err := range errs {
		suite.Must(t, "Reserve", err)
	}
	for e, n := range owners {
		if n != 1 {
			t.Errorf("entry %+v went to %d callers", e, n)
		}
	}
	lists := int64(len(taken))
	for list := int64(1); list <= lists; list++ {
		if n := taken[list]; n == 0 || list < lists && (n < most || n > most+1) {
			t.Errorf("list %d of %d has %d taken entries, want %d or one more", list, lists, n, most)
		}
	}
}

// valueRace lets everyone change entries of one list: no change is lost.
func valueRace(t *testing.T, s suite.Licensing) {
	indexes := make([]int, suite.Writers)
	for i := range indexes {
		indexes[i] = i * 100
	}
	list, _, err := s.Reserve(t.Context(), indexes, 1000, suite.At(0))
	suite.Must(t, "Reserve", err)
	before, _, err := s.LoadList(t.Context(), list, -1)
	suite.Must(t, "LoadList", err)
	errs := suite.Race(suite.Writers, func(i int) error {
		return setStatus(t, s, status.Change{List: list, Index: indexes[i], Value: credential.StatusInvalid})
	})
	for _, err := range errs {
		suite.Must(t, "Save", err)
	}
	after, entries, err := s.LoadList(t.Context(), list, before)
	suite.Must(t, "LoadList", err)
	suite.Same(t, "revision", after, before+suite.Writers)
	suite.Same(t, "entries", len(entries), suite.Writers)
}

// listOneState loads a list while an entry is set and set back: a revision and
// the entries beside it are of one state, or a list would be signed that never was.
func listOneState(t *testing.T, s suite.Licensing) {
	list, _, err := s.Reserve(t.Context(), []int{1}, 10, suite.At(0))
	suite.Must(t, "Reserve", err)
	first, _, err := s.LoadList(t.Context(), list, -1)
	suite.Must(t, "LoadList", err)
	done := make(chan struct{})
	written := make(chan error, 1)
	go func() {
		for v := credential.StatusValue(1); ; v = 1 - v {
			select {
			case <-done:
				written <- nil
				return
			default:
			}
			if err := setStatus(t, s, status.Change{List: list, Index: 1, Value: v}); err != nil {
				written <- err
				return
			}
		}
	}()
	for range 100 {
		revision, entries, err := s.LoadList(t.Context(), list, -1)
		suite.Must(t, "LoadList", err)
		if int64(len(entries)) != (revision-first)%2 {
			t.Errorf("revision %d, the first being %d, has %d entries", revision, first, len(entries))
			break
		}
	}
	close(done)
	suite.Must(t, "Save", <-written)
}
