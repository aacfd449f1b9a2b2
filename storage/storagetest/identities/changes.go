package identities

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Changes tests [registrar.Store].
func Changes(t *testing.T, open suite.Open) {
	db := open(t)
	t.Run("RoundTrip", func(t *testing.T) { changesRoundTrip(t, db) })
	t.Run("Refused", func(t *testing.T) { changesRefused(t, db) })
	t.Run("Race", func(t *testing.T) { changesRace(t, db) })
	t.Run("Merge", func(t *testing.T) { mergeRoundTrip(t, db) })
	t.Run("MergeRefused", func(t *testing.T) { mergeRefused(t, db) })
	t.Run("MergeRace", func(t *testing.T) { mergeRace(t, db) })
}

// newChange stores a person, and returns a change of account and party.
func newChange(t *testing.T, db suite.Database) registrar.Change {
	t.Helper()
	p, a := newParty(), newAccount()
	a.Party = p.ID
	p, a = createParty(t, db.Provider, p), createAccount(t, db.Provider, a)
	p.Body, p.Updated, p.Auth, p.Mark = []byte("another party"), suite.At(7), []byte("another"), []byte("mark")
	p.Codes = []signing.Lookup{p.Codes[0], suite.NewKeyOf(3)}
	a.Disabled, a.Body, a.Updated, a.Auth, a.Mark = true, []byte("another account"), suite.At(7), []byte("another"), []byte("mark")
	a.Logins = []signing.Lookup{a.Logins[1], suite.NewKeyOf(3)}
	return registrar.Change{Renewal: identity.Renewal{Account: a, Party: &p}, Event: ledger.ProviderEvent()}
}

// sameChange compares what a change stored, or left as it was.
func sameChange(t *testing.T, db suite.Database, what string, want registrar.Change, events int) {
	t.Helper()
	sameAccount(t, db.Provider, what, want.Account)
	sameParty(t, db.Provider, what, *want.Party)
	es, err := db.Journal.SearchEvents(t.Context(), journal.Provider, journal.Filter{Subject: want.Event.Subject, Limit: 10})
	suite.Must(t, "SearchEvents", err)
	suite.Same(t, what+": its events", len(es), events)
}

func changesRoundTrip(t *testing.T, db suite.Database) {
	c := newChange(t, db)
	suite.Must(t, "ChangePerson", db.Provider.ChangePerson(t.Context(), c))
	c.Account.Revision, c.Party.Revision = 2, 2
	sameChange(t, db, "a change", c, 1)

	alone := c
	alone.Account.Body, alone.Event, alone.Party = []byte("a third account"), ledger.ProviderEvent(), nil
	suite.Must(t, "ChangePerson of the account", db.Provider.ChangePerson(t.Context(), alone))
	alone.Account.Revision, alone.Party = 3, c.Party
	sameChange(t, db, "a change of the account", alone, 1)
}

// changesRefused has one thing after the other of a change not fit what is stored: nothing of it is
// stored then.
func changesRefused(t *testing.T, db suite.Database) {
	other := newChange(t, db)
	for what, test := range map[string]struct {
		spoil func(*registrar.Change)
		want  error
	}{
		"an account of another revision": {func(c *registrar.Change) { c.Account.Revision = 2 }, identity.ErrConflict},
		"a party of another revision":    {func(c *registrar.Change) { c.Party.Revision = 2 }, identity.ErrConflict},
		"an unknown account":             {func(c *registrar.Change) { c.Account.ID = suite.NewText() }, identity.ErrConflict},
		"an unknown party":               {func(c *registrar.Change) { c.Party.ID = suite.NewText() }, identity.ErrConflict},
		"another's login":                {func(c *registrar.Change) { c.Account.Logins = append(c.Account.Logins, other.Account.Logins[0]) }, identity.ErrExists},
		"another's code":                 {func(c *registrar.Change) { c.Party.Codes = append(c.Party.Codes, other.Party.Codes[0]) }, identity.ErrExists},
	} {
		c := newChange(t, db)
		a, err := db.Provider.LoadAccount(t.Context(), c.Account.ID)
		suite.Must(t, "LoadAccount", err)
		p, err := db.Provider.LoadParty(t.Context(), c.Party.ID)
		suite.Must(t, "LoadParty", err)
		spoiled, party := c, *c.Party
		spoiled.Party = &party
		test.spoil(&spoiled)
		suite.Is(t, what, db.Provider.ChangePerson(t.Context(), spoiled), test.want)
		sameChange(t, db, "after "+what, registrar.Change{Renewal: identity.Renewal{Account: a, Party: &p}, Event: c.Event}, 0)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c := newChange(t, db)
	suite.Is(t, "ChangePerson", db.Provider.ChangePerson(ended, c), context.Canceled)
}

// changesRace has many change the same person at once.
func changesRace(t *testing.T, db suite.Database) {
	all := make([]registrar.Change, suite.Writers)
	first := newChange(t, db)
	for i := range all {
		all[i] = first
		all[i].Account.Body, all[i].Event = fmt.Appendf(nil, "account %d", i), ledger.ProviderEvent()
	}
	errs := suite.Race(suite.Writers, func(i int) error { return db.Provider.ChangePerson(t.Context(), all[i]) })
	won := all[suite.OneWins(t, "a change", errs, identity.ErrConflict)]
	party := *won.Party
	won.Account.Revision, party.Revision, won.Party = 2, 2, &party
	sameChange(t, db, "the winner", won, 1)
}

// newMerge stores two people, and returns a merger: all that led to the second leads to the first.
func newMerge(t *testing.T, db suite.Database) registrar.Merge {
	t.Helper()
	kept, merged := newChange(t, db), newChange(t, db)
	kept.Party.Codes = append(kept.Party.Codes, merged.Party.Codes...)
	kept.Account.Logins = append(kept.Account.Logins, merged.Account.Logins...)
	merged.Party.Codes, merged.Account.Logins = nil, nil
	return registrar.Merge{Kept: kept.Renewal, Merged: merged.Renewal, Events: []journal.Event{kept.Event, merged.Event}}
}

// sameMerge compares what a merger stored of the two, or left as it was, and how many of its events there are.
func sameMerge(t *testing.T, db suite.Database, what string, want registrar.Merge, events int) {
	t.Helper()
	for i, n := range []identity.Renewal{want.Kept, want.Merged} {
		a, err := db.Provider.LoadAccount(t.Context(), n.Account.ID)
		suite.Must(t, "LoadAccount", err)
		p, err := db.Provider.LoadParty(t.Context(), n.Party.ID)
		suite.Must(t, "LoadParty", err)
		n.Account.Logins, n.Party.Codes = nil, nil // they are written, and not read back
		suite.Same(t, what+": the account", a, n.Account)
		suite.Same(t, what+": the party", p, *n.Party)
		es, err := db.Journal.SearchEvents(t.Context(), journal.Provider, journal.Filter{Subject: want.Events[i].Subject, Limit: 10})
		suite.Must(t, "SearchEvents", err)
		suite.Same(t, what+": its events", len(es), events)
	}
}

func mergeRoundTrip(t *testing.T, db suite.Database) {
	m := newMerge(t, db)
	codes, logins := m.Kept.Party.Codes, m.Kept.Account.Logins
	suite.Must(t, "MergePeople", db.Provider.MergePeople(t.Context(), m))
	for _, key := range codes {
		p, err := db.Provider.FindParty(t.Context(), []signing.Lookup{key})
		suite.Must(t, "FindParty", err)
		suite.Same(t, "to whom a code leads", p.ID, m.Kept.Party.ID)
	}
	for _, key := range logins {
		a, err := db.Provider.FindAccount(t.Context(), []signing.Lookup{key})
		suite.Must(t, "FindAccount", err)
		suite.Same(t, "to whom a login leads", a.ID, m.Kept.Account.ID)
	}
	for _, n := range []*identity.Renewal{&m.Kept, &m.Merged} {
		n.Account.Revision, n.Party.Revision = 2, 2
	}
	sameMerge(t, db, "a merger", m, 1)
}

// mergeRefused has one of the four records after the other not fit what is stored: nothing is stored then.
func mergeRefused(t *testing.T, db suite.Database) {
	third := newChange(t, db)
	for what, test := range map[string]struct {
		spoil func(*registrar.Merge)
		want  error
	}{
		"a kept account of another revision":   {func(m *registrar.Merge) { m.Kept.Account.Revision = 2 }, identity.ErrConflict},
		"a kept party of another revision":     {func(m *registrar.Merge) { m.Kept.Party.Revision = 2 }, identity.ErrConflict},
		"a merged account of another revision": {func(m *registrar.Merge) { m.Merged.Account.Revision = 2 }, identity.ErrConflict},
		"a merged party of another revision":   {func(m *registrar.Merge) { m.Merged.Party.Revision = 2 }, identity.ErrConflict},
		"a third one's code":                   {func(m *registrar.Merge) { m.Kept.Party.Codes = append(m.Kept.Party.Codes, third.Party.Codes[0]) }, identity.ErrExists},
		"a third one's login": {func(m *registrar.Merge) {
			m.Kept.Account.Logins = append(m.Kept.Account.Logins, third.Account.Logins[0])
		}, identity.ErrExists},
	} {
		m := newMerge(t, db)
		before := registrar.Merge{Events: m.Events}
		for _, of := range []struct{ to, from *identity.Renewal }{{&before.Kept, &m.Kept}, {&before.Merged, &m.Merged}} {
			a, err := db.Provider.LoadAccount(t.Context(), of.from.Account.ID)
			suite.Must(t, "LoadAccount", err)
			p, err := db.Provider.LoadParty(t.Context(), of.from.Party.ID)
			suite.Must(t, "LoadParty", err)
			*of.to = identity.Renewal{Account: a, Party: &p}
		}
		test.spoil(&m)
		suite.Is(t, what, db.Provider.MergePeople(t.Context(), m), test.want)
		sameMerge(t, db, "after "+what, before, 0)
	}
}

// mergeRace has many merge the same two at once: one does.
func mergeRace(t *testing.T, db suite.Database) {
	all := make([]registrar.Merge, suite.Writers)
	first := newMerge(t, db)
	for i := range all {
		all[i] = first
		all[i].Events = []journal.Event{ledger.ProviderEvent(), ledger.ProviderEvent()}
	}
	errs := suite.Race(suite.Writers, func(i int) error { return db.Provider.MergePeople(t.Context(), all[i]) })
	won := all[suite.OneWins(t, "a merger", errs, identity.ErrConflict)]
	for _, n := range []*identity.Renewal{&won.Kept, &won.Merged} {
		p := *n.Party
		n.Account.Revision, p.Revision, n.Party = 2, 2, &p
	}
	sameMerge(t, db, "the winner", won, 1)
}
