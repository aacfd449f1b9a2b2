// Package grants has the suites of grants, their use codes and the records of readings.
package grants

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
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/licenses"
	"yizheng.internal/storage/storagetest/suite"
)

// Grants tests [grant.Store].
func Grants(t *testing.T, open suite.Open) {
	s := open(t).Licensing()
	t.Run("RoundTrip", func(t *testing.T) { grantsRoundTrip(t, s) })
	t.Run("Precision", func(t *testing.T) { grantsPrecision(t, s) })
	t.Run("Conflict", func(t *testing.T) { grantsConflict(t, s) })
	t.Run("AllOrNothing", func(t *testing.T) { grantsAllOrNothing(t, open(t).Licensing()) })
	t.Run("Race", func(t *testing.T) { grantsRace(t, s) })
	t.Run("List", func(t *testing.T) { grantsList(t, s) })
	t.Run("Ended", func(t *testing.T) {
		g := Pending()
		suite.Is(t, "SaveGrant", s.SaveGrant(suite.Ended(), g, nil, ledger.Event("", journal.ActionGrantAgree)), context.Canceled)
		_, _, err := s.LoadGrant(suite.Ended(), g.ID)
		suite.Is(t, "LoadGrant", err, context.Canceled)
		_, err = s.ListGrants(suite.Ended(), g.Party, license.Cursor{}, 1)
		suite.Is(t, "ListGrants", err, context.Canceled)
		_, _, err = s.LoadGrant(t.Context(), g.ID)
		suite.Is(t, "LoadGrant afterwards", err, license.ErrNotFound)
	})
}

// Pending makes a record of a grant that isn't stored.
func Pending() grant.Record {
	return grant.Record{
		ID: grant.ID(suite.NewText()), State: grant.Pending, Client: "client-1", Item: "QH-1",
		Basis: grant.BasisConsent, Recurring: true, Created: suite.At(0), Expires: suite.At(600), Body: []byte("sealed grant"),
		Party: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)},
	}
}

// Activated returns a stored pending grant as it shall be when it is delivered.
func Activated(g grant.Record) grant.Record {
	code := suite.NewHash()
	g.Revision, g.State, g.Expires, g.Body, g.Code = 1, grant.Active, suite.At(3600), []byte("sealed active grant"), code[:]
	return g
}

// CodeFor makes a use code of a grant for version 1 of a license.
func CodeFor(g grant.Record, id audit.ID, number int) grant.UseCodeRecord {
	return grant.UseCodeRecord{Grant: g.ID, Hash: suite.NewHash(), License: id, Version: 1, Number: number, Created: suite.At(number)}
}

// SaveGrant saves a grant with its use codes, and an event.
func SaveGrant(t *testing.T, s grant.Store, g grant.Record, codes ...grant.UseCodeRecord) error {
	t.Helper()
	return s.SaveGrant(t.Context(), g, codes, ledger.Event("", journal.ActionGrantDeliver))
}

// SameGrant checks what is stored of a grant; want is as it was saved.
func SameGrant(t *testing.T, s grant.Store, what string, want grant.Record, codes ...grant.UseCodeRecord) {
	t.Helper()
	got, gotCodes, err := s.LoadGrant(t.Context(), want.ID)
	suite.Must(t, what, err)
	want.Revision++
	want.Party = nil
	suite.Same(t, what, got, want)
	slices.SortFunc(codes, func(a, b grant.UseCodeRecord) int {
		return cmp.Or(cmp.Compare(a.License, b.License), cmp.Compare(a.Number, b.Number))
	})
	if len(gotCodes)+len(codes) > 0 {
		suite.Same(t, what+": codes", gotCodes, codes)
	}
}

// licensed stores a license and returns its id.
func licensed(t *testing.T, s suite.Licensing) audit.ID {
	t.Helper()
	r := licenses.Issue(t, s)
	licenses.Save(t, s, r)
	return r.Record.ID
}

func grantsRoundTrip(t *testing.T, s suite.Licensing) {
	g := Pending()
	suite.Must(t, "SaveGrant", SaveGrant(t, s, g))
	SameGrant(t, s, "a pending grant", g)

	a, b := licensed(t, s), licensed(t, s)
	active := Activated(g)
	codes := []grant.UseCodeRecord{CodeFor(g, b, 1), CodeFor(g, a, 1)}
	suite.Must(t, "activating", SaveGrant(t, s, active, codes...))
	SameGrant(t, s, "an active grant", active, codes...)

	again := active
	again.Revision = 2
	codes = append(codes, CodeFor(g, a, 10), CodeFor(g, a, 9)) // ordered by number, not by text
	suite.Must(t, "more codes", SaveGrant(t, s, again, codes[2:]...))
	SameGrant(t, s, "with more codes", again, codes...)

	over := again
	over.Revision, over.State, over.Body = 3, grant.Ended, []byte{}
	suite.Must(t, "ending", SaveGrant(t, s, over))
	SameGrant(t, s, "an ended grant", over, codes...)

	_, _, err := s.LoadGrant(t.Context(), grant.ID(suite.NewText()))
	suite.Is(t, "LoadGrant of an unknown grant", err, license.ErrNotFound)
	_, _, err = s.LoadGrant(t.Context(), "")
	suite.Is(t, "LoadGrant of nothing", err, license.ErrNotFound)

	bare := Pending()
	bare.Recurring, bare.Body, bare.Party, bare.Basis = false, nil, nil, grant.BasisDuty
	suite.Must(t, "SaveGrant", SaveGrant(t, s, bare))
	SameGrant(t, s, "a bare grant", bare)
}

func grantsPrecision(t *testing.T, s suite.Licensing) {
	g := Pending()
	g.Created, g.Expires = suite.Finer, suite.Finer
	code := CodeFor(g, licensed(t, s), 1)
	code.Created, code.First = suite.Finer, suite.Finer
	suite.Must(t, "SaveGrant", SaveGrant(t, s, g, code))
	g.Created, g.Expires, code.Created, code.First = suite.Kept, suite.Kept, suite.Kept, suite.Kept
	SameGrant(t, s, "times", g, code)
}

func grantsConflict(t *testing.T, s suite.Licensing) {
	old := Pending()
	suite.Must(t, "SaveGrant", SaveGrant(t, s, old))
	again := Pending()
	again.ID = old.ID
	suite.Is(t, "a new grant whose ID is there", SaveGrant(t, s, again), license.ErrConflict)
	for _, revision := range []int64{2, 3} {
		wrong := Activated(old)
		wrong.Revision = revision
		suite.Is(t, fmt.Sprint("revision ", revision), SaveGrant(t, s, wrong), license.ErrConflict)
	}
	suite.Is(t, "an unknown grant", SaveGrant(t, s, Activated(Pending())), license.ErrNotFound)
	SameGrant(t, s, "after the refusals", old)
	found, err := s.ListGrants(t.Context(), again.Party, license.Cursor{}, 10)
	suite.Must(t, "ListGrants", err)
	suite.Same(t, "grants of the refused one's party", len(found), 0)
}

// grantsAllOrNothing tries changes of which everything is right but one thing.
func grantsAllOrNothing(t *testing.T, s suite.Licensing) {
	g := Pending()
	id := licensed(t, s)
	first := CodeFor(g, id, 1)
	suite.Must(t, "SaveGrant", SaveGrant(t, s, g, first))
	before, err := s.ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 100)
	suite.Must(t, "Events", err)
	suite.Same(t, "events", len(before), 1)

	sameNumber, sameHash := CodeFor(g, id, 1), CodeFor(g, id, 2)
	sameHash.Hash = first.Hash
	for name, code := range map[string]grant.UseCodeRecord{"a number that is there": sameNumber, "a hash that is there": sameHash} {
		suite.Is(t, name, SaveGrant(t, s, Activated(g), CodeFor(g, id, 7), code), license.ErrConflict)
		SameGrant(t, s, name, g, first)
	}
	after, err := s.ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 100)
	suite.Must(t, "Events", err)
	suite.Same(t, "events after the refusals", len(after), 1)

	// The same number for another license, or in another grant, is another code.
	other := Pending()
	otherCode := CodeFor(other, id, 1)
	otherCode.Hash = first.Hash
	suite.Must(t, "another grant", SaveGrant(t, s, other, otherCode, CodeFor(other, licensed(t, s), 1)))
}

func grantsRace(t *testing.T, s suite.Licensing) {
	g := Pending()
	errs := suite.Race(suite.Writers, func(i int) error {
		g := g
		g.Body = fmt.Appendf(nil, "agreed %d", i)
		g.Party = []signing.Lookup{suite.NewKey()}
		return SaveGrant(t, s, g)
	})
	g.Body = fmt.Appendf(nil, "agreed %d", suite.OneWins(t, "a new grant", errs, license.ErrConflict))
	SameGrant(t, s, "the winner's", g)

	id := licensed(t, s)
	actives := make([]grant.Record, suite.Writers)
	codes := make([]grant.UseCodeRecord, suite.Writers)
	for i := range actives {
		actives[i], codes[i] = Activated(g), CodeFor(g, id, 1)
	}
	errs = suite.Race(suite.Writers, func(i int) error { return SaveGrant(t, s, actives[i], codes[i]) })
	winner := suite.OneWins(t, "activating", errs, license.ErrConflict)
	SameGrant(t, s, "the winner's activation", actives[winner], codes[winner])
}

func grantsList(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	mine, renewed, others := suite.NewKey(), suite.NewKeyOf(2), suite.NewKey()
	var want []grant.Record
	for i := range 11 {
		g := Pending()
		g.Created = suite.At(i / 3) // several of one moment
		switch {
		case i%5 == 4:
			g.Party = []signing.Lookup{others}
		case i%2 == 0:
			g.Party = []signing.Lookup{mine, renewed}
		default:
			g.Party = []signing.Lookup{renewed}
		}
		suite.Must(t, "SaveGrant", SaveGrant(t, s, g))
		if i%5 != 4 {
			g.Revision, g.Party = 1, nil
			want = append(want, g)
		}
	}
	slices.SortFunc(want, func(a, b grant.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), bytes.Compare([]byte(a.ID), []byte(b.ID)))
	})
	for _, size := range []int{1, 2, 4, 100} {
		got := suite.Paged(t, size, func(last *grant.Record) ([]grant.Record, error) {
			var before license.Cursor
			if last != nil {
				before = license.Cursor{Created: last.Created, ID: audit.ID(last.ID)}
			}
			return s.ListGrants(ctx, []signing.Lookup{mine, renewed}, before, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	for name, party := range map[string][]signing.Lookup{"no keys": nil, "an unknown key": {suite.NewKey()}} {
		none, err := s.ListGrants(ctx, party, license.Cursor{}, 10)
		suite.Must(t, "ListGrants", err)
		suite.Same(t, "grants by "+name, len(none), 0)
	}
	none, err := s.ListGrants(ctx, []signing.Lookup{mine}, license.Cursor{}, 0)
	suite.Must(t, "ListGrants", err)
	suite.Same(t, "grants up to limit 0", len(none), 0)
}
