package identities

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Sources tests [intake.Sources].
func Sources(t *testing.T, open suite.Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { sourcesRoundTrip(t, s) })
	t.Run("Race", func(t *testing.T) { sourcesRace(t, s) })
	t.Run("List", func(t *testing.T) { sourcesList(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		of := newSource()
		suite.Is(t, "CreateSource", s.CreateSource(suite.Ended(), of), context.Canceled)
		_, err := s.LoadSource(t.Context(), of.Name)
		suite.Is(t, "LoadSource after that", err, identity.ErrNotFound)
		_, err = s.LoadSource(suite.Ended(), of.Name)
		suite.Is(t, "LoadSource", err, context.Canceled)
		_, err = s.ListSources(suite.Ended(), "", 1)
		suite.Is(t, "ListSources", err, context.Canceled)
		suite.Is(t, "UpdateSource", s.UpdateSource(suite.Ended(), of), context.Canceled)
	})
}

func newSource() intake.Source {
	return intake.Source{Name: suite.NewText(), DisplayName: "青禾市样例门户", Level: 2, Created: suite.At(0), Updated: suite.At(1)}
}

func createSource(t *testing.T, s intake.Sources, of intake.Source) intake.Source {
	t.Helper()
	suite.Must(t, "CreateSource", s.CreateSource(t.Context(), of))
	of.Revision = 1
	return of
}

func sameSource(t *testing.T, s intake.Sources, what string, want intake.Source) {
	t.Helper()
	got, err := s.LoadSource(t.Context(), want.Name)
	suite.Must(t, "LoadSource", err)
	suite.Same(t, what, got, want)
}

func sourcesRoundTrip(t *testing.T, s intake.Sources) {
	ctx := t.Context()
	of := newSource()
	of.Created, of.Updated, of.Revision, of.Auth = suite.Finer, suite.Finer, 9, []byte("authenticator")
	of = createSource(t, s, of)
	of.Created, of.Updated = suite.Kept, suite.Kept
	sameSource(t, s, "a source", of)
	twin := newSource()
	twin.Name = of.Name
	suite.Is(t, "a name again", s.CreateSource(ctx, twin), identity.ErrExists)
	sameSource(t, s, "the source that is there", of)

	of.DisplayName, of.Level, of.Updated, of.Auth, of.Mark = "another name", 3, suite.At(7), []byte("another"), []byte("mark")
	suite.Must(t, "UpdateSource", s.UpdateSource(ctx, of))
	of.Revision = 2
	sameSource(t, s, "an updated source", of)
	for _, revision := range []int64{0, 1, 3} {
		wrong := of
		wrong.Revision, wrong.DisplayName = revision, "wrong"
		suite.Is(t, fmt.Sprint("UpdateSource of revision ", revision), s.UpdateSource(ctx, wrong), identity.ErrConflict)
	}
	suite.Is(t, "UpdateSource of an unknown one", s.UpdateSource(ctx, newSource()), identity.ErrConflict)
	sameSource(t, s, "the source after refusals", of)
	_, err := s.LoadSource(ctx, suite.NewText())
	suite.Is(t, "an unknown name", err, identity.ErrNotFound)
}

func sourcesRace(t *testing.T, s intake.Sources) {
	all := make([]intake.Source, suite.Writers)
	name := suite.NewText()
	for i := range all {
		all[i] = newSource()
		all[i].Name, all[i].Updated = name, suite.At(i)
	}
	errs := suite.Race(suite.Writers, func(i int) error { return s.CreateSource(t.Context(), all[i]) })
	of := all[suite.OneWins(t, "a name", errs, identity.ErrExists)]
	of.Revision = 1
	sameSource(t, s, "the winner", of)
	errs = suite.Race(suite.Writers, func(int) error { return s.UpdateSource(t.Context(), of) })
	suite.OneWins(t, "an update", errs, identity.ErrConflict)
}

func sourcesList(t *testing.T, s intake.Sources) {
	var want []intake.Source
	for i := range 7 {
		of := newSource()
		of.Name = fmt.Sprintf("source-%d", i)
		want = append(want, createSource(t, s, of))
	}
	for size := 1; size < 10; size += 2 {
		got := suite.Paged(t, size, func(last *intake.Source) ([]intake.Source, error) {
			after := ""
			if last != nil {
				after = last.Name
			}
			return s.ListSources(t.Context(), after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListSources(t.Context(), "", 0)
	suite.Must(t, "ListSources", err)
	suite.Same(t, "sources up to limit 0", len(none), 0)
}

// Links tests [intake.Links].
func Links(t *testing.T, open suite.Open) {
	db := open(t)
	s := db.Provider
	t.Run("RoundTrip", func(t *testing.T) { linksRoundTrip(t, s) })
	t.Run("Arrive", func(t *testing.T) { arrivals(t, db) })
	t.Run("ArriveTwice", func(t *testing.T) { arrivalsRefused(t, db) })
	t.Run("ArriveRace", func(t *testing.T) { arrivalsRace(t, db) })
	t.Run("Update", func(t *testing.T) { linksUpdate(t, s) })
	t.Run("Race", func(t *testing.T) { linksRace(t, s) })
	t.Run("List", func(t *testing.T) { linksList(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		l := newLink()
		suite.Is(t, "Arrive", s.Arrive(suite.Ended(), intake.Arrival{Link: l}), context.Canceled)
		noLink(t, s, "FindLink after that", l.Keys...)
		_, err := s.FindLink(suite.Ended(), l.Keys)
		suite.Is(t, "FindLink", err, context.Canceled)
		_, err = s.ListLinks(suite.Ended(), "", 1)
		suite.Is(t, "ListLinks", err, context.Canceled)
		suite.Is(t, "UpdateLink", s.UpdateLink(suite.Ended(), l, l.Body), context.Canceled)
	})
}

func newLink() intake.LinkRecord {
	return intake.LinkRecord{ID: suite.NewText(), Body: []byte(suite.NewText()), Created: suite.At(0), Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}}
}

func createLink(t *testing.T, s intake.Links, l intake.LinkRecord) intake.LinkRecord {
	t.Helper()
	suite.Must(t, "Arrive", s.Arrive(t.Context(), intake.Arrival{Link: l}))
	return l
}

// sameLink compares the stored link, found by each of its keys.
func sameLink(t *testing.T, s intake.Links, what string, want intake.LinkRecord) {
	t.Helper()
	keys := want.Keys
	want.Keys = nil
	for _, list := range findable(keys) {
		got, err := s.FindLink(t.Context(), list)
		suite.Must(t, what+": FindLink", err)
		suite.Same(t, what, got, want)
	}
}

func noLink(t *testing.T, s intake.Links, what string, keys ...signing.Lookup) {
	t.Helper()
	_, err := s.FindLink(t.Context(), keys)
	suite.Is(t, what, err, identity.ErrNotFound)
}

func linksRoundTrip(t *testing.T, s intake.Links) {
	l := newLink()
	l.Created = suite.Finer
	l = createLink(t, s, l)
	l.Created = suite.Kept
	sameLink(t, s, "a link", l)
	noLink(t, s, "an unknown key", suite.NewKey(), suite.NewKeyOf(2))
	noLink(t, s, "no key")

	twin := newLink()
	twin.ID = l.ID
	suite.Is(t, "an ID again", s.Arrive(t.Context(), intake.Arrival{Link: twin}), identity.ErrExists)
	noLink(t, s, "FindLink after that", twin.Keys...)
	for _, key := range l.Keys {
		twin = newLink()
		twin.Keys = append(twin.Keys, key)
		suite.Is(t, "a key again", s.Arrive(t.Context(), intake.Arrival{Link: twin}), identity.ErrExists)
		noLink(t, s, "FindLink after that", twin.Keys[:2]...)
	}
	sameLink(t, s, "the link that is there", l)
}

func linksUpdate(t *testing.T, s intake.Links) {
	ctx := t.Context()
	l, other := createLink(t, s, newLink()), createLink(t, s, newLink())
	old := l
	l.Body, l.Keys = []byte("another body"), []signing.Lookup{old.Keys[1], suite.NewKeyOf(3)}
	suite.Must(t, "UpdateLink", s.UpdateLink(ctx, l, old.Body))
	sameLink(t, s, "an updated link", l)
	noLink(t, s, "a key that was replaced", old.Keys[0])
	wrong := l
	wrong.Body = []byte("wrong")
	suite.Is(t, "UpdateLink of another body", s.UpdateLink(ctx, wrong, old.Body), identity.ErrConflict)
	suite.Is(t, "UpdateLink of an unknown one", s.UpdateLink(ctx, newLink(), l.Body), identity.ErrConflict)
	wrong.Keys = append([]signing.Lookup{suite.NewKey()}, other.Keys[0])
	suite.Is(t, "UpdateLink to another's key", s.UpdateLink(ctx, wrong, l.Body), identity.ErrExists)
	sameLink(t, s, "the link after refusals", l)
	sameLink(t, s, "the other link", other)
}

func linksRace(t *testing.T, s intake.Links) {
	all := make([]intake.LinkRecord, suite.Writers)
	key := suite.NewKey()
	for i := range all {
		all[i] = newLink()
		all[i].Keys = append(all[i].Keys, key)
	}
	errs := suite.Race(suite.Writers, func(i int) error { return s.Arrive(t.Context(), intake.Arrival{Link: all[i]}) })
	sameLink(t, s, "the winner", all[suite.OneWins(t, "a key", errs, identity.ErrExists)])
}

func linksList(t *testing.T, s intake.Links) {
	var want []intake.LinkRecord
	for i := range 7 {
		l := newLink()
		l.ID = fmt.Sprintf("link-%d", i)
		l = createLink(t, s, l)
		l.Keys = nil
		want = append(want, l)
	}
	for size := 1; size < 10; size += 2 {
		got := suite.Paged(t, size, func(last *intake.LinkRecord) ([]intake.LinkRecord, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListLinks(t.Context(), after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListLinks(t.Context(), "", 0)
	suite.Must(t, "ListLinks", err)
	suite.Same(t, "links up to limit 0", len(none), 0)
}

// NewArrival returns what a row brings in whose person isn't known.
func NewArrival() intake.Arrival {
	p, a := newParty(), newAccount()
	a.Party = p.ID
	return intake.Arrival{Link: newLink(), Made: &identity.Newcomer{Account: a, Party: &p}, Event: ledger.ProviderEvent()}
}

// sameArrival compares all that an arrival stored.
func sameArrival(t *testing.T, db suite.Database, what string, want intake.Arrival) {
	t.Helper()
	sameLink(t, db.Provider, what, want.Link)
	a, p := want.Made.Account, *want.Made.Party
	a.Revision, p.Revision = 1, 1
	sameAccount(t, db.Provider, what, a)
	sameParty(t, db.Provider, what, p)
	suite.Same(t, what+": its events", len(arrived(t, db, want)), 1)
}

// arrived returns the events of an arrival.
func arrived(t *testing.T, db suite.Database, of intake.Arrival) []journal.Event {
	t.Helper()
	es, err := db.Journal.SearchEvents(t.Context(), journal.Provider, journal.Filter{Subject: of.Event.Subject, Limit: 10})
	suite.Must(t, "SearchEvents", err)
	return es
}

func arrivals(t *testing.T, db suite.Database) {
	a := NewArrival()
	suite.Must(t, "Arrive", db.Provider.Arrive(t.Context(), a))
	sameArrival(t, db, "an arrival", a)

	known := NewArrival()
	p := createParty(t, db.Provider, *known.Made.Party)
	known.Made.Party = nil
	suite.Must(t, "Arrive of a party that is there", db.Provider.Arrive(t.Context(), known))
	known.Made.Party = &p
	sameArrival(t, db, "an arrival of a party that is there", known)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	late := NewArrival()
	suite.Is(t, "Arrive", db.Provider.Arrive(ended, late), context.Canceled)
	nothingArrived(t, db, "after that", late)
}

// nothingArrived checks that nothing of an arrival is stored.
func nothingArrived(t *testing.T, db suite.Database, what string, a intake.Arrival) {
	t.Helper()
	noLink(t, db.Provider, what+": a link", a.Link.Keys...)
	noAccount(t, db.Provider, what+": an account", a.Made.Account.Logins...)
	if a.Made.Party != nil {
		noParty(t, db.Provider, what+": a party", a.Made.Party.Codes...)
	}
	suite.Same(t, what+": events", len(arrived(t, db, a)), 0)
}

// arrivalsRefused has one thing after the other of an arrival be there already: nothing of it
// is stored then.
func arrivalsRefused(t *testing.T, db suite.Database) {
	there := NewArrival()
	suite.Must(t, "Arrive", db.Provider.Arrive(t.Context(), there))
	for what, change := range map[string]func(a *intake.Arrival){
		"the link's ID":       func(a *intake.Arrival) { a.Link.ID = there.Link.ID },
		"the party's ID":      func(a *intake.Arrival) { a.Made.Party.ID = there.Made.Party.ID },
		"the account's ID":    func(a *intake.Arrival) { a.Made.Account.ID = there.Made.Account.ID },
		"the account's party": func(a *intake.Arrival) { a.Made.Party, a.Made.Account.Party = nil, there.Made.Party.ID },
	} {
		a := NewArrival()
		change(&a)
		suite.Is(t, what, db.Provider.Arrive(t.Context(), a), identity.ErrExists)
		nothingArrived(t, db, what, a)
	}
	for what, change := range map[string]func(a *intake.Arrival) *[]signing.Lookup{
		"a link's key": func(a *intake.Arrival) *[]signing.Lookup { return &a.Link.Keys },
		"a code":       func(a *intake.Arrival) *[]signing.Lookup { return &a.Made.Party.Codes },
		"a login":      func(a *intake.Arrival) *[]signing.Lookup { return &a.Made.Account.Logins },
	} {
		a := NewArrival()
		before := *change(&a)
		*change(&a) = append(slices.Clone(before), (*change(&there))[0])
		suite.Is(t, what, db.Provider.Arrive(t.Context(), a), identity.ErrExists)
		*change(&a) = before
		nothingArrived(t, db, what, a)
	}
	sameArrival(t, db, "what was there", there)
}

// arrivalsRace has many bring in the same person at once: as a record, by a code.
func arrivalsRace(t *testing.T, db suite.Database) {
	for what, share := range map[string]func(a *intake.Arrival, key signing.Lookup){
		"a record": func(a *intake.Arrival, key signing.Lookup) { a.Link.Keys = append(a.Link.Keys, key) },
		"a code":   func(a *intake.Arrival, key signing.Lookup) { a.Made.Party.Codes = append(a.Made.Party.Codes, key) },
	} {
		all, key := make([]intake.Arrival, suite.Writers), suite.NewKey()
		for i := range all {
			all[i] = NewArrival()
			share(&all[i], key)
		}
		errs := suite.Race(suite.Writers, func(i int) error { return db.Provider.Arrive(t.Context(), all[i]) })
		won := suite.OneWins(t, what, errs, identity.ErrExists)
		sameArrival(t, db, what+": the winner", all[won])
		lost := all[(won+1)%suite.Writers]
		lost.Link.Keys, lost.Made.Party.Codes = slices.DeleteFunc(lost.Link.Keys, equals(key)), slices.DeleteFunc(lost.Made.Party.Codes, equals(key))
		nothingArrived(t, db, what+": a loser", lost)
	}
}

func equals(key signing.Lookup) func(signing.Lookup) bool {
	return func(k signing.Lookup) bool { return k == key }
}
