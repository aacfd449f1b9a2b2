// Package identities has the suites of people and participants: parties, accounts, changes, sources and
// links.
package identities

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/storage/storagetest/provider"
	"yizheng.internal/storage/storagetest/suite"
)

// Parties tests [identity.Parties].
func Parties(t *testing.T, open suite.Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { partiesRoundTrip(t, s) })
	t.Run("Exists", func(t *testing.T) { partiesExist(t, s) })
	t.Run("Update", func(t *testing.T) { partiesUpdate(t, s) })
	t.Run("Codes", func(t *testing.T) { partiesCodes(t, s) })
	t.Run("Race", func(t *testing.T) { partiesRace(t, s) })
	t.Run("List", func(t *testing.T) { partiesList(t, open(t).Provider) })
	t.Run("Purge", func(t *testing.T) { purgePeople(t, open(t)) })
	t.Run("Ended", func(t *testing.T) {
		p := newParty()
		suite.Is(t, "CreateParty", s.CreateParty(suite.Ended(), p), context.Canceled)
		_, err := s.LoadParty(t.Context(), p.ID)
		suite.Is(t, "LoadParty after that", err, identity.ErrNotFound)
		_, err = s.LoadParty(suite.Ended(), p.ID)
		suite.Is(t, "LoadParty", err, context.Canceled)
		_, err = s.FindParty(suite.Ended(), p.Codes)
		suite.Is(t, "FindParty", err, context.Canceled)
		suite.Is(t, "UpdateParty", s.UpdateParty(suite.Ended(), p), context.Canceled)
		_, err = s.ListParties(suite.Ended(), "", 1)
		suite.Is(t, "ListParties", err, context.Canceled)
	})
}

// newParty makes a record of a party that isn't stored, with two codes, each
// under two lookup keys.
func newParty() identity.PartyRecord {
	return identity.PartyRecord{
		ID: suite.NewText(), Kind: identity.Person, Body: []byte("sealed party"), Created: suite.At(0), Updated: suite.At(1),
		Codes: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2), suite.NewKey(), suite.NewKeyOf(2)},
	}
}

func createParty(t *testing.T, s identity.Parties, p identity.PartyRecord) identity.PartyRecord {
	t.Helper()
	suite.Must(t, "CreateParty", s.CreateParty(t.Context(), p))
	p.Revision = 1
	return p
}

// sameParty compares the stored party, by ID, by each of its codes and by all.
func sameParty(t *testing.T, s identity.Parties, what string, want identity.PartyRecord) {
	t.Helper()
	codes := want.Codes
	want.Codes = nil
	got, err := s.LoadParty(t.Context(), want.ID)
	suite.Must(t, what+": LoadParty", err)
	suite.Same(t, what, got, want)
	for _, keys := range findable(codes) {
		got, err = s.FindParty(t.Context(), keys)
		suite.Must(t, what+": FindParty", err)
		suite.Same(t, what+", found by a code", got, want)
	}
}

// findable returns key lists by each of which a record with these keys is found:
// each alone, all, and all behind unknown ones.
func findable(keys []signing.Lookup) [][]signing.Lookup {
	if len(keys) == 0 {
		return nil
	}
	lists := [][]signing.Lookup{keys, append([]signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}, keys...)}
	for _, key := range keys {
		lists = append(lists, []signing.Lookup{key}, []signing.Lookup{suite.NewKey(), key, suite.NewKeyOf(3)})
	}
	return lists
}

func noParty(t *testing.T, s identity.Parties, what string, keys ...signing.Lookup) {
	t.Helper()
	_, err := s.FindParty(t.Context(), keys)
	suite.Is(t, what, err, identity.ErrNotFound)
}

func partiesRoundTrip(t *testing.T, s identity.Parties) {
	p := newParty()
	p.Revision, p.Kind, p.Created, p.Updated = 9, identity.Organization, suite.Finer, suite.Finer
	p.Codes = append(p.Codes, p.Codes[0]) // one twice
	p = createParty(t, s, p)
	p.Created, p.Updated = suite.Kept, suite.Kept
	sameParty(t, s, "a party", p)
	bare := createParty(t, s, identity.PartyRecord{ID: suite.NewText(), Kind: identity.Person, Body: []byte{}})
	sameParty(t, s, "one of whom nothing is known", bare)
	sameParty(t, s, "one without a body", createParty(t, s, identity.PartyRecord{ID: suite.NewText()}))

	_, err := s.LoadParty(t.Context(), suite.NewText())
	suite.Is(t, "an unknown ID", err, identity.ErrNotFound)
	noParty(t, s, "an unknown code", suite.NewKey(), suite.NewKeyOf(2))
	noParty(t, s, "no code")
	noParty(t, s, "a code under another key", signing.Lookup{Serial: 3, Sum: p.Codes[0].Sum})
}

func partiesExist(t *testing.T, s identity.Parties) {
	p := createParty(t, s, newParty())
	twin := newParty()
	twin.ID = p.ID
	suite.Is(t, "an ID again", s.CreateParty(t.Context(), twin), identity.ErrExists)
	noParty(t, s, "FindParty after that", twin.Codes...)
	for i := range p.Codes {
		twin = newParty()
		twin.Codes = append(twin.Codes, p.Codes[i])
		suite.Is(t, "a code again", s.CreateParty(t.Context(), twin), identity.ErrExists)
		_, err := s.LoadParty(t.Context(), twin.ID)
		suite.Is(t, "LoadParty after that", err, identity.ErrNotFound)
		noParty(t, s, "FindParty after that", twin.Codes[:4]...)
	}
	sameParty(t, s, "the party that is there", p)
}

func partiesUpdate(t *testing.T, s identity.Parties) {
	ctx := t.Context()
	p := createParty(t, s, newParty())
	p.Body, p.Updated = nil, suite.Finer
	suite.Must(t, "UpdateParty", s.UpdateParty(ctx, p))
	p.Revision, p.Updated = 2, suite.Kept
	sameParty(t, s, "an updated party", p)
	for _, revision := range []int64{0, 1, 3} {
		wrong := p
		wrong.Revision, wrong.Body, wrong.Codes = revision, []byte("wrong"), []signing.Lookup{suite.NewKey()}
		suite.Is(t, fmt.Sprint("UpdateParty of revision ", revision), s.UpdateParty(ctx, wrong), identity.ErrConflict)
		noParty(t, s, "its codes", wrong.Codes...)
	}
	unknown := newParty()
	unknown.Revision = 1
	suite.Is(t, "UpdateParty of an unknown one", s.UpdateParty(ctx, unknown), identity.ErrConflict)
	noParty(t, s, "its codes", unknown.Codes...)
	sameParty(t, s, "the party after refusals", p)
}

// partiesCodes changes codes, as when somebody gets another number.
func partiesCodes(t *testing.T, s identity.Parties) {
	ctx := t.Context()
	p, other := createParty(t, s, newParty()), createParty(t, s, newParty())
	former := p.Codes[:2]
	p.Codes = append(slices.Clone(p.Codes[2:]), suite.NewKey(), suite.NewKeyOf(2))
	suite.Must(t, "UpdateParty", s.UpdateParty(ctx, p))
	p.Revision = 2
	sameParty(t, s, "with other codes", p)
	noParty(t, s, "the codes before", former...)

	thief := p
	thief.Codes = append(slices.Clone(p.Codes), suite.NewKey(), other.Codes[3])
	suite.Is(t, "a code that leads to another", s.UpdateParty(ctx, thief), identity.ErrExists)
	noParty(t, s, "the code beside it", thief.Codes[4])
	sameParty(t, s, "the party after that", p)
	sameParty(t, s, "the other one", other)

	other.Codes = former
	suite.Must(t, "codes that are free again", s.UpdateParty(ctx, other))
	other.Revision = 2
	sameParty(t, s, "with codes that were another's", other)
	p.Codes = nil
	suite.Must(t, "no codes at all", s.UpdateParty(ctx, p))
	p.Revision = 3
	sameParty(t, s, "without codes", p)
}

func partiesRace(t *testing.T, s identity.Parties) {
	// One code for many new parties, each with codes of its own before or after it.
	ps := make([]identity.PartyRecord, suite.Writers)
	code := []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}
	for i := range ps {
		ps[i] = newParty()
		ps[i].Codes = append(ps[i].Codes, code...)
		if i%2 == 1 {
			slices.Reverse(ps[i].Codes)
		}
	}
	errs := suite.Race(suite.Writers, func(i int) error { return s.CreateParty(t.Context(), ps[i]) })
	winner := suite.OneWins(t, "a code", errs, identity.ErrExists)
	p := ps[winner]
	p.Revision = 1
	sameParty(t, s, "the winner", p)
	for i, loser := range ps {
		if i != winner {
			_, err := s.LoadParty(t.Context(), loser.ID)
			suite.Is(t, "a loser", err, identity.ErrNotFound)
		}
	}
	errs = suite.Race(suite.Writers, func(int) error { return s.UpdateParty(t.Context(), p) })
	suite.OneWins(t, "an update", errs, identity.ErrConflict)

	// Many that are there take the same new code.
	fresh := suite.NewKey()
	for i := range ps {
		ps[i] = createParty(t, s, newParty())
		ps[i].Codes = append(ps[i].Codes, fresh)
	}
	errs = suite.Race(suite.Writers, func(i int) error { return s.UpdateParty(t.Context(), ps[i]) })
	p = ps[suite.OneWins(t, "a new code", errs, identity.ErrExists)]
	p.Revision = 2
	sameParty(t, s, "the winner", p)
}

func partiesList(t *testing.T, s identity.Parties) {
	var want []identity.PartyRecord
	for i := range 7 {
		p := newParty()
		p.ID = fmt.Sprintf("party-%d", i)
		p = createParty(t, s, p)
		p.Codes = nil
		want = append(want, p)
	}
	for size := 1; size < 10; size += 2 {
		got := suite.Paged(t, size, func(last *identity.PartyRecord) ([]identity.PartyRecord, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListParties(t.Context(), after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListParties(t.Context(), "", 0)
	suite.Must(t, "ListParties", err)
	suite.Same(t, "parties up to limit 0", len(none), 0)
}

// purgePeople deletes the keys of serial 1 that lead to a person: what they led
// to is found by those of serial 2.
func purgePeople(t *testing.T, db suite.Database) {
	ctx, s := t.Context(), db.Provider
	p, a := createParty(t, s, newParty()), createAccount(t, s, newAccount())
	n, f, l := provider.CreateSession(t, s, provider.NewSession()), provider.Redeem(t, s, provider.NewFamily()), createLink(t, s, newLink())
	total := 0
	for range 6 {
		purged, err := db.Licenses.PurgeLookups(ctx, 1, 3)
		suite.Must(t, "PurgeLookups", err)
		if purged > 3 {
			t.Errorf("%d keys were purged, limit 3", purged)
		}
		total += purged
	}
	suite.Same(t, "purged keys", total, 2+2+1+1+1)
	noParty(t, s, "a party by serial 1", p.Codes[0], p.Codes[2])
	noAccount(t, s, "an account by serial 1", a.Logins[0], a.Logins[2])
	p.Codes, a.Logins = []signing.Lookup{p.Codes[1], p.Codes[3]}, []signing.Lookup{a.Logins[1], a.Logins[3]}
	sameParty(t, s, "the party by serial 2", p)
	sameAccount(t, s, "the account by serial 2", a)
	noLink(t, s, "a link by serial 1", l.Keys[0])
	l.Keys = l.Keys[1:]
	sameLink(t, s, "the link by serial 2", l)
	for serial, want := range []int{0, 1} {
		sessions, err := s.ListSessions(ctx, n.Party[serial:serial+1], suite.At(0), 10)
		suite.Must(t, "ListSessions", err)
		suite.Same(t, fmt.Sprint("sessions by serial ", serial+1), len(sessions), want)
		families, err := s.ListFamilies(ctx, f.Party[serial:serial+1], suite.At(0), 10)
		suite.Must(t, "ListFamilies", err)
		suite.Same(t, fmt.Sprint("families by serial ", serial+1), len(families), want)
	}
}
