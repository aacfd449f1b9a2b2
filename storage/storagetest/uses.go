package storagetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Uses tests [access.Store].
func Uses(t *testing.T, open Open) {
	s := open(t).licensing()
	t.Run("RoundTrip", func(t *testing.T) { usesRoundTrip(t, s) })
	t.Run("Precision", func(t *testing.T) { usesPrecision(t, s) })
	t.Run("Again", func(t *testing.T) { usesAgain(t, s) })
	t.Run("Refused", func(t *testing.T) { usesRefused(t, s) })
	t.Run("Conflict", func(t *testing.T) { usesConflict(t, s) })
	t.Run("Race", func(t *testing.T) { usesRace(t, s) })
	t.Run("RaceOfOneRequest", func(t *testing.T) { usesRaceOfOneRequest(t, s) })
	t.Run("RaceWithAnEnd", func(t *testing.T) { usesRaceWithEnd(t, s) })
	t.Run("Bounds", func(t *testing.T) { usesBounds(t, s) })
	t.Run("RaceForTheLast", func(t *testing.T) { usesRaceForTheLast(t, s) })
	t.Run("RecordsOfALicense", func(t *testing.T) { accessRecordsOfLicense(t, s) })
	t.Run("Records", func(t *testing.T) { accessRecords(t, s) })
	t.Run("Ended", func(t *testing.T) {
		u := usable(t, s)
		r := u.reading("r")
		is(t, "SaveUse", s.SaveUse(ended(), r), context.Canceled)
		_, err := s.LoadUse(ended(), u.grant.ID, u.code.Hash, "r")
		is(t, "LoadUse", err, context.Canceled)
		_, err = s.AccessRecords(ended(), r.Record.Party, 0, 1)
		is(t, "AccessRecords", err, context.Canceled)
		_, err = s.LicenseAccessRecords(ended(), u.license.Record.ID, 0, 1)
		is(t, "LicenseAccessRecords", err, context.Canceled)
		sameRecords(t, s, "records", r.Record.Party)
	})
}

// use is a stored license with an active grant and a use code.
type use struct {
	license license.SaveRequest
	grant   grant.Record
	code    grant.UseCodeRecord
}

func usable(t *testing.T, s licensing) use {
	t.Helper()
	r := issue(t, s)
	save(t, s, r)
	g := pending()
	must(t, "SaveGrant", saveGrant(t, s, g))
	active := activated(g)
	u := use{r, active, codeFor(g, r.Record.ID, 1)}
	must(t, "SaveGrant", saveGrant(t, s, active, u.code))
	u.grant.Revision, u.license.Record.Revision = 2, 1
	return u
}

// reading makes an allowed reading by the code, which is unused.
func (u use) reading(request string) access.Reading {
	id := u.license.Record.ID
	return access.Reading{
		Record: access.Record{
			ID: newText(), At: at(100), Grant: u.grant.ID, License: id, Version: 1, Client: "client-1", Participant: newText(),
			Item: "QH-1", Basis: grant.BasisConsent, Channel: grant.ChannelOnline, Result: access.ResultOK,
			Disclosure: access.DisclosureImmediate, Body: []byte("sealed access"), Party: []signing.Lookup{newKey(), newKeyOf(2)},
		},
		Event: event(id, journal.ActionLicenseRedeem), Code: u.code.Hash, Request: request,
		GrantRevision: 2, LicenseRevision: 1,
	}
}

// sameRecords compares a party's records but for their numbers, which must
// fall; want is newest first.
func sameRecords(t *testing.T, s access.Store, what string, party []signing.Lookup, want ...access.Record) {
	t.Helper()
	got, err := s.AccessRecords(t.Context(), party, 0, 1000)
	must(t, "AccessRecords", err)
	if len(got) != len(want) {
		t.Errorf("%s: %d records, want %d", what, len(got), len(want))
		return
	}
	for i, a := range got {
		if a.Seq <= 0 || i > 0 && a.Seq >= got[i-1].Seq {
			t.Errorf("%s: record %d follows record %d", what, a.Seq, got[i-1].Seq)
		}
		a.Seq = want[i].Seq
		w := want[i]
		w.Party = nil
		same(t, fmt.Sprintf("%s: record %d", what, i), a, w)
	}
}

func loadUse(t *testing.T, s access.Store, u use, request string) access.Used {
	t.Helper()
	used, err := s.LoadUse(t.Context(), u.grant.ID, u.code.Hash, request)
	must(t, "LoadUse", err)
	return used
}

func usesRoundTrip(t *testing.T, s licensing) {
	u := usable(t, s)
	u.grant.Party = nil
	want := access.Used{Code: u.code, Grant: u.grant, License: u.license.Record, Version: *u.license.Add}
	same(t, "before the first use", loadUse(t, s, u, "r"), want)

	r := u.reading("r")
	must(t, "SaveUse", s.SaveUse(t.Context(), r))
	want.Code.First = r.Record.At
	same(t, "after it, with another request", loadUse(t, s, u, "r2"), want)
	got := loadUse(t, s, u, "r")
	if got.Earlier == nil {
		t.Fatal("the reading isn't found by its request id")
	}
	earlier := r.Record
	earlier.Seq, earlier.Party = got.Earlier.Seq, nil
	same(t, "the reading", *got.Earlier, earlier)
	sameRecords(t, s, "records", r.Record.Party, r.Record)
	h, err := s.ListEvents(t.Context(), historyOf(r.Record.License), 0, 10)
	must(t, "History", err)
	sameEvents(t, "history", h, u.license.Event, r.Event)

	// A later version of the license: the code leads to its own.
	save(t, s, later(t, s, u.license, 1))
	got = loadUse(t, s, u, "r2")
	same(t, "version", got.Version.Version, 1)
	same(t, "state", got.Version.State, license.Superseded)
	same(t, "newest version", got.License.Version, 2)
	same(t, "revision", got.License.Revision, 2)

	for name, ask := range map[string]func() (access.Used, error){
		"an unknown code": func() (access.Used, error) { return s.LoadUse(t.Context(), u.grant.ID, newHash(), "r") },
		"an unknown grant": func() (access.Used, error) {
			return s.LoadUse(t.Context(), grant.ID(newText()), u.code.Hash, "r")
		},
	} {
		_, err := ask()
		is(t, name, err, license.ErrNotFound)
	}
}

func usesPrecision(t *testing.T, s licensing) {
	u := usable(t, s)
	r := u.reading("r")
	r.Record.At, r.Record.Body = finer, nil
	must(t, "SaveUse", s.SaveUse(t.Context(), r))
	r.Record.At = kept
	sameRecords(t, s, "records", r.Record.Party, r.Record)
	same(t, "first use", loadUse(t, s, u, "r").Code.First, kept)
}

// usesAgain tests readings after the first one.
func usesAgain(t *testing.T, s licensing) {
	ctx := t.Context()
	u := usable(t, s)
	first := u.reading("r1")
	must(t, "SaveUse", s.SaveUse(ctx, first))
	second := u.reading("r2")
	second.Record.At, second.First, second.Record.Party = at(200), first.Record.At, first.Record.Party
	must(t, "a second reading", s.SaveUse(ctx, second))
	same(t, "the first use", loadUse(t, s, u, "r2").Code.First, first.Record.At)

	again := u.reading("r1")
	again.First = first.Record.At
	is(t, "a request id that is there", s.SaveUse(ctx, again), license.ErrConflict)
	sameRecords(t, s, "records of the refused one", again.Record.Party)
	sameRecords(t, s, "records", first.Record.Party, second.Record, first.Record)

	// Another code's request ids are its own.
	other := usable(t, s)
	must(t, "another code", s.SaveUse(ctx, other.reading("r1")))
}

// usesRefused tests that a refused reading leaves its record, and nothing else.
func usesRefused(t *testing.T, s licensing) {
	ctx := t.Context()
	u := usable(t, s)
	no := u.reading("r")
	no.Record.Result, no.Event.Result = "license_suspended", "license_suspended"
	must(t, "a refused reading", s.SaveUse(ctx, no))
	got := loadUse(t, s, u, "r")
	if !got.Code.First.IsZero() || got.Earlier != nil {
		t.Errorf("a refused reading left %+v", got)
	}
	sameRecords(t, s, "records", no.Record.Party, no.Record)
	yes := u.reading("r")
	must(t, "an allowed one with the same request id", s.SaveUse(ctx, yes))
	if loadUse(t, s, u, "r").Earlier == nil {
		t.Error("the allowed reading isn't found")
	}
}

// usesConflict tries readings of which everything is right but one thing.
func usesConflict(t *testing.T, s licensing) {
	ctx := t.Context()
	u := usable(t, s)
	for _, c := range []struct {
		name  string
		want  error
		spoil func(*access.Reading)
	}{
		{"another first use", license.ErrConflict, func(r *access.Reading) { r.First = at(1) }},
		{"an older grant", license.ErrConflict, func(r *access.Reading) { r.GrantRevision = 1 }},
		{"a grant to come", license.ErrConflict, func(r *access.Reading) { r.GrantRevision = 3 }},
		{"another license", license.ErrConflict, func(r *access.Reading) { r.LicenseRevision = 2 }},
		{"an unknown code", license.ErrNotFound, func(r *access.Reading) { r.Code = newHash() }},
		{"an unknown grant", license.ErrNotFound, func(r *access.Reading) { r.Record.Grant = grant.ID(newText()) }},
	} {
		for _, result := range []string{access.ResultOK, "grant_ended"} {
			r := u.reading("r")
			r.Record.Result = result
			c.spoil(&r)
			is(t, c.name, s.SaveUse(ctx, r), c.want)
			sameRecords(t, s, c.name, r.Record.Party)
		}
	}
	same(t, "first use", loadUse(t, s, u, "r").Code.First, time.Time{})
	h, err := s.ListEvents(ctx, historyOf(u.license.Record.ID), 0, 10)
	must(t, "History", err)
	same(t, "events", len(h), 1)
}

// usesRace lets 64 read by one code at once, as the registry does: whoever is
// overtaken looks again. All are recorded, and the window has one beginning.
func usesRace(t *testing.T, s licensing) {
	const readers = 64
	u := usable(t, s)
	party := u.reading("").Record.Party
	conflicts := make([]int, readers)
	errs := race(readers, func(i int) error {
		for {
			used, err := s.LoadUse(t.Context(), u.grant.ID, u.code.Hash, fmt.Sprint(i))
			if err != nil {
				return err
			}
			r := u.reading(fmt.Sprint(i))
			r.Record.At, r.Record.Party, r.First = at(i), party, used.Code.First
			err = s.SaveUse(t.Context(), r)
			if !errors.Is(err, license.ErrConflict) {
				return err
			}
			conflicts[i]++
		}
	})
	for i, err := range errs {
		must(t, "a reader", err)
		if conflicts[i] > 1 {
			t.Errorf("reader %d was overtaken %d times, want once at most", i, conflicts[i])
		}
	}
	records, err := s.AccessRecords(t.Context(), party, 0, 2*readers)
	must(t, "AccessRecords", err)
	if len(records) != readers {
		t.Fatalf("%d records, want %d", len(records), readers)
	}
	first := loadUse(t, s, u, "").Code.First
	same(t, "the first use", first, records[readers-1].At)
	h, err := s.ListEvents(t.Context(), historyOf(u.license.Record.ID), 0, 2*readers)
	must(t, "History", err)
	same(t, "events", len(h), 1+readers)
}

// usesRaceOfOneRequest lets 64 make the same request at once: one is stored.
func usesRaceOfOneRequest(t *testing.T, s licensing) {
	for _, used := range []bool{false, true} {
		u := usable(t, s)
		var first time.Time
		if used {
			r := u.reading("earlier")
			must(t, "SaveUse", s.SaveUse(t.Context(), r))
			first = r.Record.At
		}
		rs := make([]access.Reading, 64)
		for i := range rs {
			rs[i] = u.reading("same")
			rs[i].First = first
		}
		winner := oneWins(t, "one request", race(len(rs), func(i int) error { return s.SaveUse(t.Context(), rs[i]) }), license.ErrConflict)
		for i := range rs {
			if i == winner {
				sameRecords(t, s, "the winner's", rs[i].Record.Party, rs[i].Record)
			} else {
				sameRecords(t, s, "a loser's", rs[i].Record.Party)
			}
		}
		if e := loadUse(t, s, u, "same").Earlier; e == nil || e.ID != rs[winner].Record.ID {
			t.Errorf("the request leads to %+v", e)
		}
	}
}

// usesRaceWithEnd lets a grant, or a license, end while it is read: once the end
// is answered no reading is stored that began before it.
func usesRaceWithEnd(t *testing.T, s licensing) {
	for name, end := range map[string]func(use) error{
		"the grant": func(u use) error {
			over := u.grant
			over.State = grant.Ended
			return s.SaveGrant(t.Context(), over, nil, event("", journal.ActionGrantWithdraw))
		},
		"the license": func(u use) error {
			c := license.SaveRequest{Record: u.license.Record, Event: event(u.license.Record.ID, journal.ActionLicenseEnd)}
			c.Record.State = license.Ended
			c.States = []license.VersionState{{Version: 1, State: license.Ended}}
			return s.Save(t.Context(), c)
		},
	} {
		u := usable(t, s)
		rs := make([]access.Reading, Writers)
		party := []signing.Lookup{newKey()}
		for i := range rs {
			rs[i] = u.reading(fmt.Sprint(i))
			rs[i].Record.Result, rs[i].Record.Party = "refused", party // so that First stays as it is
		}
		seen := -1
		errs := race(1+Writers, func(i int) error {
			if i < Writers {
				return s.SaveUse(t.Context(), rs[i])
			}
			if err := end(u); err != nil {
				return err
			}
			records, err := s.AccessRecords(t.Context(), party, 0, 2*Writers)
			seen = len(records)
			return err
		})
		must(t, "ending "+name, errs[Writers])
		stored := 0
		for _, err := range errs[:Writers] {
			if err == nil {
				stored++
			} else {
				is(t, "an overtaken reading", err, license.ErrConflict)
			}
		}
		same(t, "readings when the end of "+name+" was answered, and in the end", seen, stored)
	}
}

func accessRecords(t *testing.T, s licensing) {
	ctx := t.Context()
	mine, renewed, other := newKey(), newKeyOf(2), newKey()
	var want []access.Record
	first := time.Time{}
	u := usable(t, s)
	for i := range 9 {
		r := u.reading(fmt.Sprint(i))
		r.First, r.Record.At = first, at(100-i) // the order is that of saving, not of time
		if i == 0 {
			first = r.Record.At
		}
		switch i % 3 {
		case 0:
			r.Record.Party = []signing.Lookup{mine, renewed, other}
		case 1:
			r.Record.Party = []signing.Lookup{renewed, renewed}
		case 2:
			r.Record.Party = []signing.Lookup{other}
		}
		must(t, "SaveUse", s.SaveUse(ctx, r))
		if i%3 != 2 {
			r.Record.Party = nil
			want = append(want, r.Record)
		}
	}
	slices.Reverse(want)
	for _, size := range []int{1, 2, 6, 100} {
		got := paged(t, size, func(last *access.Record) ([]access.Record, error) {
			var before int64
			if last != nil {
				before = last.Seq
			}
			return s.AccessRecords(ctx, []signing.Lookup{mine, renewed}, before, size)
		})
		for i := range got {
			got[i].Seq = 0
		}
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	for name, party := range map[string][]signing.Lookup{"no keys": nil, "an unknown key": {newKey()}} {
		sameRecords(t, s, "records by "+name, party)
	}
	none, err := s.AccessRecords(ctx, []signing.Lookup{mine}, 0, 0)
	must(t, "AccessRecords", err)
	same(t, "records up to limit 0", len(none), 0)
}
