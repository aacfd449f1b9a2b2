package storagetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
)

// Parties tests [identity.Parties].
func Parties(t *testing.T, open Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { partiesRoundTrip(t, s) })
	t.Run("Exists", func(t *testing.T) { partiesExist(t, s) })
	t.Run("Update", func(t *testing.T) { partiesUpdate(t, s) })
	t.Run("Codes", func(t *testing.T) { partiesCodes(t, s) })
	t.Run("Race", func(t *testing.T) { partiesRace(t, s) })
	t.Run("List", func(t *testing.T) { partiesList(t, open(t).Provider) })
	t.Run("Ended", func(t *testing.T) {
		p := newParty()
		is(t, "CreateParty", s.CreateParty(ended(), p), context.Canceled)
		_, err := s.LoadParty(t.Context(), p.ID)
		is(t, "LoadParty after that", err, identity.ErrNotFound)
		_, err = s.LoadParty(ended(), p.ID)
		is(t, "LoadParty", err, context.Canceled)
		_, err = s.FindParty(ended(), p.Codes)
		is(t, "FindParty", err, context.Canceled)
		is(t, "UpdateParty", s.UpdateParty(ended(), p), context.Canceled)
		_, err = s.ListParties(ended(), "", 1)
		is(t, "ListParties", err, context.Canceled)
	})
}

// newParty makes a record of a party that isn't stored, with two codes, each
// under two lookup keys.
func newParty() identity.PartyRecord {
	return identity.PartyRecord{
		ID: newText(), Kind: identity.Person, Body: []byte("sealed party"), Created: at(0), Updated: at(1),
		Codes: []signing.Lookup{newKey(), newKeyOf(2), newKey(), newKeyOf(2)},
	}
}

func createParty(t *testing.T, s identity.Parties, p identity.PartyRecord) identity.PartyRecord {
	t.Helper()
	must(t, "CreateParty", s.CreateParty(t.Context(), p))
	p.Revision = 1
	return p
}

// sameParty compares the stored party, by ID, by each of its codes and by all.
func sameParty(t *testing.T, s identity.Parties, what string, want identity.PartyRecord) {
	t.Helper()
	codes := want.Codes
	want.Codes = nil
	got, err := s.LoadParty(t.Context(), want.ID)
	must(t, what+": LoadParty", err)
	same(t, what, got, want)
	for _, keys := range findable(codes) {
		got, err = s.FindParty(t.Context(), keys)
		must(t, what+": FindParty", err)
		same(t, what+", found by a code", got, want)
	}
}

// findable returns key lists by each of which a record with these keys is found:
// each alone, all, and all behind unknown ones.
func findable(keys []signing.Lookup) [][]signing.Lookup {
	if len(keys) == 0 {
		return nil
	}
	lists := [][]signing.Lookup{keys, append([]signing.Lookup{newKey(), newKeyOf(2)}, keys...)}
	for _, key := range keys {
		lists = append(lists, []signing.Lookup{key}, []signing.Lookup{newKey(), key, newKeyOf(3)})
	}
	return lists
}

func noParty(t *testing.T, s identity.Parties, what string, keys ...signing.Lookup) {
	t.Helper()
	_, err := s.FindParty(t.Context(), keys)
	is(t, what, err, identity.ErrNotFound)
}

func partiesRoundTrip(t *testing.T, s identity.Parties) {
	p := newParty()
	p.Revision, p.Kind, p.Created, p.Updated = 9, identity.Organization, finer, finer
	p.Codes = append(p.Codes, p.Codes[0]) // one twice
	p = createParty(t, s, p)
	p.Created, p.Updated = kept, kept
	sameParty(t, s, "a party", p)
	bare := createParty(t, s, identity.PartyRecord{ID: newText(), Kind: identity.Person, Body: []byte{}})
	sameParty(t, s, "one of whom nothing is known", bare)
	sameParty(t, s, "one without a body", createParty(t, s, identity.PartyRecord{ID: newText()}))

	_, err := s.LoadParty(t.Context(), newText())
	is(t, "an unknown ID", err, identity.ErrNotFound)
	noParty(t, s, "an unknown code", newKey(), newKeyOf(2))
	noParty(t, s, "no code")
	noParty(t, s, "a code under another key", signing.Lookup{Serial: 3, Sum: p.Codes[0].Sum})
}

func partiesExist(t *testing.T, s identity.Parties) {
	p := createParty(t, s, newParty())
	twin := newParty()
	twin.ID = p.ID
	is(t, "an ID again", s.CreateParty(t.Context(), twin), identity.ErrExists)
	noParty(t, s, "FindParty after that", twin.Codes...)
	for i := range p.Codes {
		twin = newParty()
		twin.Codes = append(twin.Codes, p.Codes[i])
		is(t, "a code again", s.CreateParty(t.Context(), twin), identity.ErrExists)
		_, err := s.LoadParty(t.Context(), twin.ID)
		is(t, "LoadParty after that", err, identity.ErrNotFound)
		noParty(t, s, "FindParty after that", twin.Codes[:4]...)
	}
	sameParty(t, s, "the party that is there", p)
}

func partiesUpdate(t *testing.T, s identity.Parties) {
	ctx := t.Context()
	p := createParty(t, s, newParty())
	p.Body, p.Updated = nil, finer
	must(t, "UpdateParty", s.UpdateParty(ctx, p))
	p.Revision, p.Updated = 2, kept
	sameParty(t, s, "an updated party", p)
	for _, revision := range []int64{0, 1, 3} {
		wrong := p
		wrong.Revision, wrong.Body, wrong.Codes = revision, []byte("wrong"), []signing.Lookup{newKey()}
		is(t, fmt.Sprint("UpdateParty of revision ", revision), s.UpdateParty(ctx, wrong), identity.ErrConflict)
		noParty(t, s, "its codes", wrong.Codes...)
	}
	unknown := newParty()
	unknown.Revision = 1
	is(t, "UpdateParty of an unknown one", s.UpdateParty(ctx, unknown), identity.ErrConflict)
	noParty(t, s, "its codes", unknown.Codes...)
	sameParty(t, s, "the party after refusals", p)
}

// partiesCodes changes codes, as when somebody gets another number.
func partiesCodes(t *testing.T, s identity.Parties) {
	ctx := t.Context()
	p, other := createParty(t, s, newParty()), createParty(t, s, newParty())
	former := p.Codes[:2]
	p.Codes = append(slices.Clone(p.Codes[2:]), newKey(), newKeyOf(2))
	must(t, "UpdateParty", s.UpdateParty(ctx, p))
	p.Revision = 2
	sameParty(t, s, "with other codes", p)
	noParty(t, s, "the codes before", former...)

	thief := p
	thief.Codes = append(slices.Clone(p.Codes), newKey(), other.Codes[3])
	is(t, "a code that leads to another", s.UpdateParty(ctx, thief), identity.ErrExists)
	noParty(t, s, "the code beside it", thief.Codes[4])
	sameParty(t, s, "the party after that", p)
	sameParty(t, s, "the other one", other)

	other.Codes = former
	must(t, "codes that are free again", s.UpdateParty(ctx, other))
	other.Revision = 2
	sameParty(t, s, "with codes that were another's", other)
	p.Codes = nil
	must(t, "no codes at all", s.UpdateParty(ctx, p))
	p.Revision = 3
	sameParty(t, s, "without codes", p)
}

func partiesRace(t *testing.T, s identity.Parties) {
	// One code for many new parties, each with codes of its own before or after it.
	ps := make([]identity.PartyRecord, Writers)
	code := []signing.Lookup{newKey(), newKeyOf(2)}
	for i := range ps {
		ps[i] = newParty()
		ps[i].Codes = append(ps[i].Codes, code...)
		if i%2 == 1 {
			slices.Reverse(ps[i].Codes)
		}
	}
	errs := race(Writers, func(i int) error { return s.CreateParty(t.Context(), ps[i]) })
	winner := oneWins(t, "a code", errs, identity.ErrExists)
	p := ps[winner]
	p.Revision = 1
	sameParty(t, s, "the winner", p)
	for i, loser := range ps {
		if i != winner {
			_, err := s.LoadParty(t.Context(), loser.ID)
			is(t, "a loser", err, identity.ErrNotFound)
		}
	}
	errs = race(Writers, func(int) error { return s.UpdateParty(t.Context(), p) })
	oneWins(t, "an update", errs, identity.ErrConflict)

	// Many that are there take the same new code.
	fresh := newKey()
	for i := range ps {
		ps[i] = createParty(t, s, newParty())
		ps[i].Codes = append(ps[i].Codes, fresh)
	}
	errs = race(Writers, func(i int) error { return s.UpdateParty(t.Context(), ps[i]) })
	p = ps[oneWins(t, "a new code", errs, identity.ErrExists)]
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
		got := paged(t, size, func(last *identity.PartyRecord) ([]identity.PartyRecord, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListParties(t.Context(), after, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	none, err := s.ListParties(t.Context(), "", 0)
	must(t, "ListParties", err)
	same(t, "parties up to limit 0", len(none), 0)
}
