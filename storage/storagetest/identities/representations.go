package identities

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Representations tests [representation.Store].
func Representations(t *testing.T, open suite.Open) {
	db := open(t)
	s := db.Provider
	t.Run("RoundTrip", func(t *testing.T) { representationsRoundTrip(t, db) })
	t.Run("Unique", func(t *testing.T) { representationsUnique(t, db) })
	t.Run("Race", func(t *testing.T) { representationsRace(t, db) })
	t.Run("Find", func(t *testing.T) { representationsFind(t, s) })
	t.Run("List", func(t *testing.T) { representationsList(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		r := newRepresentation()
		suite.Is(t, "CreateRepresentation", s.CreateRepresentation(suite.Ended(), r), context.Canceled)
		_, err := s.LoadRepresentation(t.Context(), r.ID)
		suite.Is(t, "LoadRepresentation after that", err, identity.ErrNotFound)
		_, err = s.LoadRepresentation(suite.Ended(), r.ID)
		suite.Is(t, "LoadRepresentation", err, context.Canceled)
		_, err = s.FindRepresentations(suite.Ended(), r.Keys, 1)
		suite.Is(t, "FindRepresentations", err, context.Canceled)
		_, err = s.ListRepresentations(suite.Ended(), "", 1)
		suite.Is(t, "ListRepresentations", err, context.Canceled)
		suite.Is(t, "UpdateRepresentation", s.UpdateRepresentation(suite.Ended(), r), context.Canceled)
	})
}

func newRepresentation() representation.Record {
	return representation.Record{
		ID: suite.NewText(), State: representation.Accepted, Body: []byte(suite.NewText()), Created: suite.At(0), Updated: suite.At(1),
		Unique: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}, Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)},
	}
}

func createRepresentation(t *testing.T, s representation.Store, r representation.Record, es ...journal.Event) representation.Record {
	t.Helper()
	suite.Must(t, "CreateRepresentation", s.CreateRepresentation(t.Context(), r, es...))
	r.Revision = 1
	return r
}

// read returns a record as it is read: without its keys.
func read(r representation.Record) representation.Record {
	r.Keys, r.Unique = nil, nil
	return r
}

// sameRepresentation compares what is stored, and what each of its keys leads to.
func sameRepresentation(t *testing.T, s representation.Store, what string, want representation.Record) {
	t.Helper()
	got, err := s.LoadRepresentation(t.Context(), want.ID)
	suite.Must(t, "LoadRepresentation", err)
	suite.Same(t, what, got, read(want))
	for _, key := range want.Keys {
		found, err := s.FindRepresentations(t.Context(), []signing.Lookup{key}, 10)
		suite.Must(t, "FindRepresentations", err)
		suite.Same(t, what+", found", found, []representation.Record{read(want)})
	}
}

// told returns how many events of a subject are stored.
func told(t *testing.T, db suite.Database, e journal.Event) int {
	t.Helper()
	es, err := db.Journal.SearchEvents(t.Context(), journal.Provider, journal.Filter{Subject: e.Subject, Limit: 10})
	suite.Must(t, "SearchEvents", err)
	return len(es)
}

func representationsRoundTrip(t *testing.T, db suite.Database) {
	ctx, s := t.Context(), db.Provider
	r := newRepresentation()
	r.Created, r.Updated, r.Revision, r.Auth = suite.Finer, suite.Finer, 9, []byte("authenticator")
	e := ledger.ProviderEvent()
	r = createRepresentation(t, s, r, e)
	r.Created, r.Updated = suite.Kept, suite.Kept
	sameRepresentation(t, s, "a representation", r)
	suite.Same(t, "its events", told(t, db, e), 1)

	gone := r.Keys[0]
	r.State, r.Body, r.Updated, r.Auth, r.Mark = representation.Ended, []byte("another"), suite.At(7), []byte("another"), []byte("mark")
	r.Keys, r.Unique = []signing.Lookup{r.Keys[1], suite.NewKeyOf(3)}, nil
	e = ledger.ProviderEvent()
	suite.Must(t, "UpdateRepresentation", s.UpdateRepresentation(ctx, r, e))
	r.Revision = 2
	sameRepresentation(t, s, "an updated one", r)
	suite.Same(t, "its events", told(t, db, e), 1)
	none, err := s.FindRepresentations(ctx, []signing.Lookup{gone}, 10)
	suite.Must(t, "FindRepresentations", err)
	suite.Same(t, "a key that was replaced leads to so many", len(none), 0)
	for _, revision := range []int64{0, 1, 3} {
		wrong, e := r, ledger.ProviderEvent()
		wrong.Revision, wrong.Body = revision, []byte("wrong")
		suite.Is(t, fmt.Sprint("UpdateRepresentation of revision ", revision), s.UpdateRepresentation(ctx, wrong, e), identity.ErrConflict)
		suite.Same(t, "events of what wasn't stored", told(t, db, e), 0)
	}
	suite.Is(t, "UpdateRepresentation of an unknown one", s.UpdateRepresentation(ctx, newRepresentation()), identity.ErrConflict)
	sameRepresentation(t, s, "after refusals", r)
	_, err = s.LoadRepresentation(ctx, suite.NewText())
	suite.Is(t, "an unknown one", err, identity.ErrNotFound)
}

// representationsUnique has others take what is unique: nothing of them is stored.
func representationsUnique(t *testing.T, db suite.Database) {
	ctx, s := t.Context(), db.Provider
	r := createRepresentation(t, s, newRepresentation())
	twin := newRepresentation()
	twin.ID = r.ID
	suite.Is(t, "an ID again", s.CreateRepresentation(ctx, twin), identity.ErrExists)
	for _, key := range r.Unique {
		twin, e := newRepresentation(), ledger.ProviderEvent()
		twin.Unique = append(twin.Unique, key)
		suite.Is(t, "what is unique again", s.CreateRepresentation(ctx, twin, e), identity.ErrExists)
		_, err := s.LoadRepresentation(ctx, twin.ID)
		suite.Is(t, "LoadRepresentation after that", err, identity.ErrNotFound)
		suite.Same(t, "events after that", told(t, db, e), 0)
	}
	other := createRepresentation(t, s, newRepresentation())
	wrong := other
	wrong.Body, wrong.Unique = []byte("wrong"), append(slices.Clone(other.Unique), r.Unique[1])
	suite.Is(t, "UpdateRepresentation to another's", s.UpdateRepresentation(ctx, wrong), identity.ErrExists)
	sameRepresentation(t, s, "the other after refusals", other)
	ended := r
	ended.State, ended.Unique, ended.Mark = representation.Ended, nil, []byte("mark")
	suite.Must(t, "ending", s.UpdateRepresentation(ctx, ended))
	next := newRepresentation()
	next.Unique = r.Unique
	sameRepresentation(t, s, "the next one", createRepresentation(t, s, next))
}

func representationsRace(t *testing.T, db suite.Database) {
	s := db.Provider
	all := make([]representation.Record, suite.Writers)
	key := suite.NewKey()
	for i := range all {
		all[i] = newRepresentation()
		all[i].Unique = append(all[i].Unique, key)
	}
	errs := suite.Race(suite.Writers, func(i int) error { return s.CreateRepresentation(t.Context(), all[i]) })
	r := all[suite.OneWins(t, "what is unique", errs, identity.ErrExists)]
	r.Revision = 1
	sameRepresentation(t, s, "the winner", r)
	r.Mark = []byte("mark")
	errs = suite.Race(suite.Writers, func(int) error { return s.UpdateRepresentation(t.Context(), r) })
	suite.OneWins(t, "an update", errs, identity.ErrConflict)
}

// representationsFind reads in order: those that haven't ended first, of each the newest first, each once.
func representationsFind(t *testing.T, s representation.Store) {
	keys := []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}
	var want []representation.Record
	for i := range 9 {
		r := newRepresentation()
		r.Keys, r.Created = slices.Clone(keys[:1+i%2]), suite.At(i/2)
		if i%3 == 0 {
			r.State = representation.Ended
		}
		want = append(want, read(createRepresentation(t, s, r)))
	}
	createRepresentation(t, s, newRepresentation())
	slices.SortFunc(want, func(a, b representation.Record) int {
		if a.State != b.State {
			return map[representation.State]int{representation.Ended: 1, representation.Accepted: -1}[a.State]
		}
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return -slices.Compare([]byte(a.ID), []byte(b.ID))
	})
	for _, limit := range []int{0, 1, 4, 9, 100} {
		got, err := s.FindRepresentations(t.Context(), keys, limit)
		suite.Must(t, "FindRepresentations", err)
		suite.Same(t, fmt.Sprintf("up to %d", limit), fmt.Sprint(got), fmt.Sprint(want[:min(limit, len(want))]))
	}
	none, err := s.FindRepresentations(t.Context(), nil, 10)
	suite.Must(t, "FindRepresentations", err)
	suite.Same(t, "of no key", len(none), 0)
}

func representationsList(t *testing.T, s representation.Store) {
	var want []representation.Record
	for i := range 7 {
		r := newRepresentation()
		r.ID = fmt.Sprintf("representation-%d", i)
		want = append(want, read(createRepresentation(t, s, r)))
	}
	for size := 1; size < 10; size += 2 {
		got := suite.Paged(t, size, func(last *representation.Record) ([]representation.Record, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListRepresentations(t.Context(), after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListRepresentations(t.Context(), "", 0)
	suite.Must(t, "ListRepresentations", err)
	suite.Same(t, "representations up to limit 0", len(none), 0)
}
