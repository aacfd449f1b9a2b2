package grants

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
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/licenses"
	"yizheng.internal/storage/storagetest/suite"
)

// Uses tests [access.Store].
func Uses(t *testing.T, open suite.Open) {
	s := open(t).Licensing()
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
		u := Usable(t, s)
		r := u.Reading("r")
		suite.Is(t, "SaveUse", s.SaveUse(suite.Ended(), r), context.Canceled)
		_, err := s.LoadUse(suite.Ended(), u.Grant.ID, u.Code.Hash, "r")
		suite.Is(t, "LoadUse", err, context.Canceled)
		_, err = s.AccessRecords(suite.Ended(), r.Record.Party, 0, 1)
		suite.Is(t, "AccessRecords", err, context.Canceled)
		_, err = s.LicenseAccessRecords(suite.Ended(), u.license.Record.ID, 0, 1)
		suite.Is(t, "LicenseAccessRecords", err, context.Canceled)
		SameRecords(t, s, "records", r.Record.Party)
	})
}

// Use is a stored license with an active grant and a use code.
type Use struct {
	license license.SaveRequest
	Grant   grant.Record
	Code    grant.UseCodeRecord
}

// Usable stores a license, and a grant that lets a client read it once.
func Usable(t *testing.T, s suite.Licensing) Use {
	t.Helper()
	r := licenses.Issue(t, s)
	licenses.Save(t, s, r)
	g := Pending()
	suite.Must(t, "SaveGrant", SaveGrant(t, s, g))
	active := Activated(g)
	u := Use{r, active, CodeFor(g, r.Record.ID, 1)}
	suite.Must(t, "SaveGrant", SaveGrant(t, s, active, u.Code))
	u.Grant.Revision, u.license.Record.Revision = 2, 1
	return u
}

// Reading makes an allowed reading by the code, which is unused.
func (u Use) Reading(request string) access.Reading {
	id := u.license.Record.ID
	return access.Reading{
		Record: access.Record{
			ID: suite.NewText(), At: suite.At(100), Grant: u.Grant.ID, License: id, Version: 1, Client: "client-1", Participant: suite.NewText(),
			Item: "QH-1", Basis: grant.BasisConsent, Channel: grant.ChannelOnline, Result: access.ResultOK,
			Disclosure: access.DisclosureImmediate, Body: []byte("sealed access"), Party: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)},
		},
		Event: ledger.Event(id, journal.ActionLicenseRedeem), Code: u.Code.Hash, Request: request,
		GrantRevision: 2, LicenseRevision: 1,
	}
}

// SameRecords compares a party's records but for their numbers, which must
// fall; want is newest first.
func SameRecords(t *testing.T, s access.Store, what string, party []signing.Lookup, want ...access.Record) {
	t.Helper()
	got, err := s.AccessRecords(t.Context(), party, 0, 1000)
	suite.Must(t, "AccessRecords", err)
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
		suite.Same(t, fmt.Sprintf("%s: record %d", what, i), a, w)
	}
}

// LoadUse returns what a store has of a use and of one of its readings.
func LoadUse(t *testing.T, s access.Store, u Use, request string) access.Used {
	t.Helper()
	used, err := s.LoadUse(t.Context(), u.Grant.ID, u.Code.Hash, request)
	suite.Must(t, "LoadUse", err)
	return used
}

func usesRoundTrip(t *testing.T, s suite.Licensing) {
	u := Usable(t, s)
	u.Grant.Party = nil
	want := access.Used{Code: u.Code, Grant: u.Grant, License: u.license.Record, Version: *u.license.Add}
	suite.Same(t, "before the first use", LoadUse(t, s, u, "r"), want)

	r := u.Reading("r")
	suite.Must(t, "SaveUse", s.SaveUse(t.Context(), r))
	want.Code.First = r.Record.At
	suite.Same(t, "after it, with another request", LoadUse(t, s, u, "r2"), want)
	got := LoadUse(t, s, u, "r")
	if got.Earlier == nil {
		t.Fatal("the reading isn't found by its request id")
	}
	earlier := r.Record
	earlier.Seq, earlier.Party = got.Earlier.Seq, nil
	suite.Same(t, "the reading", *got.Earlier, earlier)
	SameRecords(t, s, "records", r.Record.Party, r.Record)
	h, err := s.ListEvents(t.Context(), ledger.HistoryOf(r.Record.License), 0, 10)
	suite.Must(t, "History", err)
	ledger.SameEvents(t, "history", h, u.license.Event, r.Event)

	// A later version of the license: the code leads to its own.
	licenses.Save(t, s, licenses.Later(t, s, u.license, 1))
	got = LoadUse(t, s, u, "r2")
	suite.Same(t, "version", got.Version.Version, 1)
	suite.Same(t, "state", got.Version.State, license.Superseded)
	suite.Same(t, "newest version", got.License.Version, 2)
	suite.Same(t, "revision", got.License.Revision, 2)

	for name, ask := range map[string]func() (access.Used, error){
		"an unknown code": func() (access.Used, error) { return s.LoadUse(t.Context(), u.Grant.ID, suite.NewHash(), "r") },
		"an unknown grant": func() (access.Used, error) {
			return s.LoadUse(t.Context(), grant.ID(suite.NewText()), u.Code.Hash, "r")
		},
	} {
		_, err := ask()
		suite.Is(t, name, err, license.ErrNotFound)
	}
}

func usesPrecision(t *testing.T, s suite.Licensing) {
	u := Usable(t, s)
	r := u.Reading("r")
	r.Record.At, r.Record.Body = suite.Finer, nil
	suite.Must(t, "SaveUse", s.SaveUse(t.Context(), r))
	r.Record.At = suite.Kept
	SameRecords(t, s, "records", r.Record.Party, r.Record)
	suite.Same(t, "first use", LoadUse(t, s, u, "r").Code.First, suite.Kept)
}

// usesAgain tests readings after the first one.
func usesAgain(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	u := Usable(t, s)
	first := u.Reading("r1")
	suite.Must(t, "SaveUse", s.SaveUse(ctx, first))
	second := u.Reading("r2")
	second.Record.At, second.First, second.Record.Party = suite.At(200), first.Record.At, first.Record.Party
	suite.Must(t, "a second reading", s.SaveUse(ctx, second))
	suite.Same(t, "the first use", LoadUse(t, s, u, "r2").Code.First, first.Record.At)

	again := u.Reading("r1")
	again.First = first.Record.At
	suite.Is(t, "a request id that is there", s.SaveUse(ctx, again), license.ErrConflict)
	SameRecords(t, s, "records of the refused one", again.Record.Party)
	SameRecords(t, s, "records", first.Record.Party, second.Record, first.Record)

	// Another code's request ids are its own.
	other := Usable(t, s)
	suite.Must(t, "another code", s.SaveUse(ctx, other.Reading("r1")))
}

// usesRefused tests that a refused reading leaves its record, and nothing else.
func usesRefused(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	u := Usable(t, s)
	no := u.Reading("r")
	no.Record.Result, no.Event.Result = "license_suspended", "license_suspended"
	suite.Must(t, "a refused reading", s.SaveUse(ctx, no))
	got := LoadUse(t, s, u, "r")
	if !got.Code.First.IsZero() || got.Earlier != nil {
		t.Errorf("a refused reading left %+v", got)
	}
	SameRecords(t, s, "records", no.Record.Party, no.Record)
	yes := u.Reading("r")
	suite.Must(t, "an allowed one with the same request id", s.SaveUse(ctx, yes))
	if LoadUse(t, s, u, "r").Earlier == nil {
		t.Error("the allowed reading isn't found")
	}
}

// usesConflict tries readings of which everything is right but one thing.
func usesConflict(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	u := Usable(t, s)
	for _, c := range []struct {
		name  string
		want  error
		spoil func(*access.Reading)
	}{
		{"another first use", license.ErrConflict, func(r *access.Reading) { r.First = suite.At(1) }},
		{"an older grant", license.ErrConflict, func(r *access.Reading) { r.GrantRevision = 1 }},
		{"a grant to come", license.ErrConflict, func(r *access.Reading) { r.GrantRevision = 3 }},
		{"another license", license.ErrConflict, func(r *access.Reading) { r.LicenseRevision = 2 }},
		{"an unknown code", license.ErrNotFound, func(r *access.Reading) { r.Code = suite.NewHash() }},
		{"an unknown grant", license.ErrNotFound, func(r *access.Reading) { r.Record.Grant = grant.ID(suite.NewText()) }},
	} {
		for _, result := range []string{access.ResultOK, "grant_ended"} {
			r := u.Reading("r")
			r.Record.Result = result
			c.spoil(&r)
			suite.Is(t, c.name, s.SaveUse(ctx, r), c.want)
			SameRecords(t, s, c.name, r.Record.Party)
		}
	}
	suite.Same(t, "first use", LoadUse(t, s, u, "r").Code.First, time.Time{})
	h, err := s.ListEvents(ctx, ledger.HistoryOf(u.license.Record.ID), 0, 10)
	suite.Must(t, "History", err)
	suite.Same(t, "events", len(h), 1)
}

// usesRace lets 64 read by one code at once, as the registry does: whoever is
// overtaken looks again. All are recorded, and the window has one beginning.
func usesRace(t *testing.T, s suite.Licensing) {
	const readers = 64
	u := Usable(t, s)
	party := u.Reading("").Record.Party
	conflicts := make([]int, readers)
	errs := suite.Race(readers, func(i int) error {
		for {
			used, err := s.LoadUse(t.Context(), u.Grant.ID, u.Code.Hash, fmt.Sprint(i))
			if err != nil {
				return err
			}
			r := u.Reading(fmt.Sprint(i))
			r.Record.At, r.Record.Party, r.First = suite.At(i), party, used.Code.First
			err = s.SaveUse(t.Context(), r)
			if !errors.Is(err, license.ErrConflict) {
				return err
			}
			conflicts[i]++
		}
	})
	for i, err := range errs {
		suite.Must(t, "a reader", err)
		if conflicts[i] > 1 {
			t.Errorf("reader %d was overtaken %d times, want once at most", i, conflicts[i])
		}
	}
	records, err := s.AccessRecords(t.Context(), party, 0, 2*readers)
	suite.Must(t, "AccessRecords", err)
	if len(records) != readers {
		t.Fatalf("%d records, want %d", len(records), readers)
	}
	first := LoadUse(t, s, u, "").Code.First
	suite.Same(t, "the first use", first, records[readers-1].At)
	h, err := s.ListEvents(t.Context(), ledger.HistoryOf(u.license.Record.ID), 0, 2*readers)
	suite.Must(t, "History", err)
	suite.Same(t, "events", len(h), 1+readers)
}

// usesRaceOfOneRequest lets 64 make the same request at once: one is stored.
func usesRaceOfOneRequest(t *testing.T, s suite.Licensing) {
	for _, used := range []bool{false, true} {
		u := Usable(t, s)
		var first time.Time
		if used {
			r := u.Reading("earlier")
			suite.Must(t, "SaveUse", s.SaveUse(t.Context(), r))
			first = r.Record.At
		}
		rs := make([]access.Reading, 64)
		for i := range rs {
			rs[i] = u.Reading("same")
			rs[i].First = first
		}
		winner := suite.OneWins(t, "one request", suite.Race(len(rs), func(i int) error { return s.SaveUse(t.Context(), rs[i]) }), license.ErrConflict)
		for i := range rs {
			if i == winner {
				SameRecords(t, s, "the winner's", rs[i].Record.Party, rs[i].Record)
			} else {
				SameRecords(t, s, "a loser's", rs[i].Record.Party)
			}
		}
		if e := LoadUse(t, s, u, "same").Earlier; e == nil || e.ID != rs[winner].Record.ID {
			t.Errorf("the request leads to %+v", e)
		}
	}
}

// usesRaceWithEnd lets a grant, or a license, end while it is read: once the end
// is answered no reading is stored that began before it.
func usesRaceWithEnd(t *testing.T, s suite.Licensing) {
	for name, end := range map[string]func(Use) error{
		"the grant": func(u Use) error {
			over := u.Grant
			over.State = grant.Ended
			return s.SaveGrant(t.Context(), over, nil, ledger.Event("", journal.ActionGrantWithdraw))
		},
		"the license": func(u Use) error {
			c := license.SaveRequest{Record: u.license.Record, Event: ledger.Event(u.license.Record.ID, journal.ActionLicenseEnd)}
			c.Record.State = license.Ended
			c.States = []license.VersionState{{Version: 1, State: license.Ended}}
			return s.Save(t.Context(), c)
		},
	} {
		u := Usable(t, s)
		rs := make([]access.Reading, suite.Writers)
		party := []signing.Lookup{suite.NewKey()}
		for i := range rs {
			rs[i] = u.Reading(fmt.Sprint(i))
			rs[i].Record.Result, rs[i].Record.Party = "refused", party // so that First stays as it is
		}
		seen := -1
		errs := suite.Race(1+suite.Writers, func(i int) error {
			if i < suite.Writers {
				return s.SaveUse(t.Context(), rs[i])
			}
			if err := end(u); err != nil {
				return err
			}
			records, err := s.AccessRecords(t.Context(), party, 0, 2*suite.Writers)
			seen = len(records)
			return err
		})
		suite.Must(t, "ending "+name, errs[suite.Writers])
		stored := 0
		for _, err := range errs[:suite.Writers] {
			if err == nil {
				stored++
			} else {
				suite.Is(t, "an overtaken reading", err, license.ErrConflict)
			}
		}
		suite.Same(t, "readings when the end of "+name+" was answered, and in the end", seen, stored)
	}
}

func accessRecords(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	mine, renewed, other := suite.NewKey(), suite.NewKeyOf(2), suite.NewKey()
	var want []access.Record
	first := time.Time{}
	u := Usable(t, s)
	for i := range 9 {
		r := u.Reading(fmt.Sprint(i))
		r.First, r.Record.At = first, suite.At(100-i) // the order is that of saving, not of time
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
		suite.Must(t, "SaveUse", s.SaveUse(ctx, r))
		if i%3 != 2 {
			r.Record.Party = nil
			want = append(want, r.Record)
		}
	}
	slices.Reverse(want)
	for _, size := range []int{1, 2, 6, 100} {
		got := suite.Paged(t, size, func(last *access.Record) ([]access.Record, error) {
			var before int64
			if last != nil {
				before = last.Seq
			}
			return s.AccessRecords(ctx, []signing.Lookup{mine, renewed}, before, size)
		})
		for i := range got {
			got[i].Seq = 0
		}
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
	for name, party := range map[string][]signing.Lookup{"no keys": nil, "an unknown key": {suite.NewKey()}} {
		SameRecords(t, s, "records by "+name, party)
	}
	none, err := s.AccessRecords(ctx, []signing.Lookup{mine}, 0, 0)
	suite.Must(t, "AccessRecords", err)
	suite.Same(t, "records up to limit 0", len(none), 0)
}
