package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Grants tests [grant.Store].
func Grants(t *testing.T, open Open) {
	s := open(t).licensing()
	t.Run("RoundTrip", func(t *testing.T) { grantsRoundTrip(t, s) })
	t.Run("Precision", func(t *testing.T) { grantsPrecision(t, s) })
	t.Run("Conflict", func(t *testing.T) { grantsConflict(t, s) })
	t.Run("AllOrNothing", func(t *testing.T) { grantsAllOrNothing(t, open(t).licensing()) })
	t.Run("Race", func(t *testing.T) { grantsRace(t, s) })
	t.Run("List", func(t *testing.T) { grantsList(t, s) })
	t.Run("Ended", func(t *testing.T) {
		g := pending()
		is(t, "SaveGrant", s.SaveGrant(ended(), g, nil, event("", journal.ActionGrantAgree)), context.Canceled)
		_, _, err := s.LoadGrant(ended(), g.ID)
		is(t, "LoadGrant", err, context.Canceled)
		_, err = s.ListGrants(ended(), g.Party, license.Cursor{}, 1)
		is(t, "ListGrants", err, context.Canceled)
		_, _, err = s.LoadGrant(t.Context(), g.ID)
		is(t, "LoadGrant afterwards", err, license.ErrNotFound)
	})
}

// pending makes a record of a grant that isn't stored.
func pending() grant.Record {
	return grant.Record{
		ID: grant.ID(newText()), State: grant.Pending, Client: "client-1", Item: "QH-1",
		Basis: grant.BasisConsent, Recurring: true, Created: at(0), Expires: at(600), Body: []byte("sealed grant"),
		Party: []signing.Lookup{newKey(), newKeyOf(2)},
	}
}

// activated returns a stored pending grant as it shall be when it is delivered.
func activated(g grant.Record) grant.Record {
	code := newHash()
	g.Revision, g.State, g.Expires, g.Body, g.Code = 1, grant.Active, at(3600), []byte("sealed active grant"), code[:]
	return g
}

// codeFor makes a use code of a grant for version 1 of a license.
func codeFor(g grant.Record, id audit.ID, number int) grant.UseCodeRecord {
	return grant.UseCodeRecord{Grant: g.ID, Hash: newHash(), License: id, Version: 1, Number: number, Created: at(number)}
}

func saveGrant(t *testing.T, s grant.Store, g grant.Record, codes ...grant.UseCodeRecord) error {
	t.Helper()
	return s.SaveGrant(t.Context(), g, codes, event("", journal.ActionGrantDeliver))
}

// sameGrant checks what is stored of a grant; want is as it was saved.
func sameGrant(t *testing.T, s grant.Store, what string, want grant.Record, codes ...grant.UseCodeRecord) {
	t.Helper()
	got, gotCodes, err := s.LoadGrant(t.Context(), want.ID)
	must(t, what, err)
	want.Revision++
	want.Party = nil
	same(t, what, got, want)
	slices.SortFunc(codes, func(a, b grant.UseCodeRecord) int {
		return cmp.Or(cmp.Compare(a.License, b.License), cmp.Compare(a.Number, b.Number))
	})
	if len(gotCodes)+len(codes) > 0 {
		same(t, what+": codes", gotCodes, codes)
	}
}

// licensed stores a license and returns its id.
func licensed(t *testing.T, s licensing) audit.ID {
	t.Helper()
	r := issue(t, s)
	save(t, s, r)
	return r.Record.ID
}

func grantsRoundTrip(t *testing.T, s licensing) {
	g := pending()
	must(t, "SaveGrant", saveGrant(t, s, g))
	sameGrant(t, s, "a pending grant", g)

	a, b := licensed(t, s), licensed(t, s)
	active := activated(g)
	codes := []grant.UseCodeRecord{codeFor(g, b, 1), codeFor(g, a, 1)}
	must(t, "activating", saveGrant(t, s, active, codes...))
	sameGrant(t, s, "an active grant", active, codes...)

	again := active
	again.Revision = 2
	codes = append(codes, codeFor(g, a, 10), codeFor(g, a, 9)) // ordered by number, not by text
	must(t, "more codes", saveGrant(t, s, again, codes[2:]...))
	sameGrant(t, s, "with more codes", again, codes...)

	over := again
	over.Revision, over.State, over.Body = 3, grant.Ended, []byte{}
	must(t, "ending", saveGrant(t, s, over))
	sameGrant(t, s, "an ended grant", over, codes...)

	_, _, err := s.LoadGrant(t.Context(), grant.ID(newText()))
	is(t, "LoadGrant of an unknown grant", err, license.ErrNotFound)
	_, _, err = s.LoadGrant(t.Context(), "")
	is(t, "LoadGrant of nothing", err, license.ErrNotFound)

	bare := pending()
	bare.Recurring, bare.Body, bare.Party, bare.Basis = false, nil, nil, grant.BasisDuty
	must(t, "SaveGrant", saveGrant(t, s, bare))
	sameGrant(t, s, "a bare grant", bare)
}

func grantsPrecision(t *testing.T, s licensing) {
	g := pending()
	g.Created, g.Expires = finer, finer
	code := codeFor(g, licensed(t, s), 1)
	code.Created, code.First = finer, finer
	must(t, "SaveGrant", saveGrant(t, s, g, code))
	g.Created, g.Expires, code.Created, code.First = kept, kept, kept, kept
	sameGrant(t, s, "times", g, code)
}

func grantsConflict(t *testing.T, s licensing) {
	old := pending()
	must(t, "SaveGrant", saveGrant(t, s, old))
	again := pending()
	again.ID = old.ID
	is(t, "a new grant whose ID is there", saveGrant(t, s, again), license.ErrConflict)
	for _, revision := range []int64{2, 3} {
		wrong := activated(old)
		wrong.Revision = revision
		is(t, fmt.Sprint("revision ", revision), saveGrant(t, s, wrong), license.ErrConflict)
	}
	is(t, "an unknown grant", saveGrant(t, s, activated(pending())), license.ErrNotFound)
	sameGrant(t, s, "after the refusals", old)
	found, err := s.ListGrants(t.Context(), again.Party, license.Cursor{}, 10)
	must(t, "ListGrants", err)
	same(t, "grants of the refused one's party", len(found), 0)
}

// grantsAllOrNothing tries changes of which everything is right but one thing.
func grantsAllOrNothing(t *testing.T, s licensing) {
	g := pending()
	id := licensed(t, s)
	first := codeFor(g, id, 1)
	must(t, "SaveGrant", saveGrant(t, s, g, first))
	before, err := s.ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 100)
	must(t, "Events", err)
	same(t, "events", len(before), 1)

	sameNumber, sameHash := codeFor(g, id, 1), codeFor(g, id, 2)
	sameHash.Hash = first.Hash
	for name, code := range map[string]grant.UseCodeRecord{"a number that is there": sameNumber, "a hash that is there": sameHash} {
		is(t, name, saveGrant(t, s, activated(g), codeFor(g, id, 7), code), license.ErrConflict)
		sameGrant(t, s, name, g, first)
	}
	after, err := s.ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 100)
	must(t, "Events", err)
	same(t, "events after the refusals", len(after), 1)

	// The same number for another license, or in another grant, is another code.
	other := pending()
	otherCode := codeFor(other, id, 1)
	otherCode.Hash = first.Hash
	must(t, "another grant", saveGrant(t, s, other, otherCode, codeFor(other, licensed(t, s), 1)))
}

func grantsRace(t *testing.T, s licensing) {
	g := pending()
	errs := race(Writers, func(i int) error {
		g := g
		g.Body = fmt.Appendf(nil, "agreed %d", i)
		g.Party = []signing.Lookup{newKey()}
		return saveGrant(t, s, g)
	})
	g.Body = fmt.Appendf(nil, "agreed %d", oneWins(t, "a new grant", errs, license.ErrConflict))
	sameGrant(t, s, "the winner's", g)

	id := licensed(t, s)
	actives := make([]grant.Record, Writers)
	codes := make([]grant.UseCodeRecord, Writers)
	for i := range actives {
		actives[i], codes[i] = activated(g), codeFor(g, id, 1)
	}
	errs = race(Writers, func(i int) error { return saveGrant(t, s, actives[i], codes[i]) })
	winner := oneWins(t, "activating", errs, license.ErrConflict)
	sameGrant(t, s, "the winner's activation", actives[winner], codes[winner])
}

func grantsList(t *testing.T, s licensing) {
	ctx := t.Context()
	mine, renewed, others := newKey(), newKeyOf(2), newKey()
	var want []grant.Record
	for i := range 11 {
		g := pending()
		g.Created = at(i / 3) // several of one moment
		switch {
		case i%5 == 4:
			g.Party = []signing.Lookup{others}
		case i%2 == 0:
			g.Party = []signing.Lookup{mine, renewed}
		default:
			g.Party = []signing.Lookup{renewed}
		}
		must(t, "SaveGrant", saveGrant(t, s, g))
		if i%5 != 4 {
			g.Revision, g.Party = 1, nil
			want = append(want, g)
		}
	}
	slices.SortFunc(want, func(a, b grant.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), bytes.Compare([]byte(a.ID), []byte(b.ID)))
	})
	for _, size := range []int{1, 2, 4, 100} {
		got := paged(t, size, func(last *grant.Record) ([]grant.Record, error) {
			var before license.Cursor
			if last != nil {
				before = license.Cursor{Created: last.Created, ID: audit.ID(last.ID)}
			}
			return s.ListGrants(ctx, []signing.Lookup{mine, renewed}, before, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	for name, party := range map[string][]signing.Lookup{"no keys": nil, "an unknown key": {newKey()}} {
		none, err := s.ListGrants(ctx, party, license.Cursor{}, 10)
		must(t, "ListGrants", err)
		same(t, "grants by "+name, len(none), 0)
	}
	none, err := s.ListGrants(ctx, []signing.Lookup{mine}, license.Cursor{}, 0)
	must(t, "ListGrants", err)
	same(t, "grants up to limit 0", len(none), 0)
}
