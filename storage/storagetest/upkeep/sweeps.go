// Package upkeep has the suites of what becomes of a database in the course of time: sweeps, months of
// events and records that are archived and dropped, backups.
package upkeep

import (
	"context"
	"errors"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/grant"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/retention"
	"yizheng.internal/storage/storagetest/grants"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/licenses"
	"yizheng.internal/storage/storagetest/provider"
	"yizheng.internal/storage/storagetest/suite"
)

// Sweeps tests [retention.Sweeper].
func Sweeps(t *testing.T, open suite.Open) {
	t.Run("Requests", func(t *testing.T) { sweepRequests(t, open(t)) })
	t.Run("Many", func(t *testing.T) { sweepMany(t, open(t)) })
	t.Run("UseCodes", func(t *testing.T) { sweepUseCodes(t, open(t)) })
	t.Run("Grants", func(t *testing.T) { sweepGrants(t, open(t)) })
	t.Run("Consents", func(t *testing.T) { sweepConsents(t, open(t)) })
	t.Run("Logins", func(t *testing.T) { sweepLogins(t, open(t)) })
	t.Run("Race", func(t *testing.T) { sweepRace(t, open(t)) })
	t.Run("Ended", func(t *testing.T) {
		d := open(t)
		r := requested(t, d, suite.At(0))
		_, _, err := d.Sweeper.Sweep(suite.Ended(), suite.At(0).Add(retention.Requests+time.Hour))
		suite.Is(t, "Sweep", err, context.Canceled)
		_, err = d.Licenses.LoadRequest(t.Context(), r.Request.Keys)
		suite.Must(t, "LoadRequest", err)
	})
}

// sweep sweeps until nothing is due, and returns how many rows went.
func sweep(t *testing.T, d suite.Database, now time.Time) (gone int) {
	t.Helper()
	for range 10_000 {
		n, done, err := d.Sweeper.Sweep(t.Context(), now)
		suite.Must(t, "Sweep", err)
		if gone += n; done {
			return gone
		}
	}
	t.Fatal("a sweep never ends")
	return 0
}

const tick = time.Microsecond

// requested stores a license that was issued under an idempotency key then.
func requested(t *testing.T, d suite.Database, when time.Time) license.SaveRequest {
	t.Helper()
	r := licenses.Issue(t, d.Licensing())
	r.Request.Created = when
	licenses.Save(t, d.Licensing(), r)
	return r
}

// sweepRequests lets idempotency keys end: one within its time is known, one after
// it isn't, and may be used again.
func sweepRequests(t *testing.T, d suite.Database) {
	now := suite.At(0).Add(1000 * time.Hour)
	over := requested(t, d, now.Add(-retention.Requests-tick))
	kept := requested(t, d, now.Add(-retention.Requests))
	suite.Same(t, "how many are gone", sweep(t, d, now), len(over.Request.Keys))
	_, err := d.Licenses.LoadRequest(t.Context(), over.Request.Keys)
	suite.Is(t, "LoadRequest after its time", err, license.ErrNotFound)
	_, err = d.Licenses.LoadRequest(t.Context(), kept.Request.Keys)
	suite.Must(t, "LoadRequest within its time", err)

	// The same key is a new request's now. The license's number still keeps the same
	// license from being issued twice.
	again := licenses.Issue(t, d.Licensing())
	again.Request.Keys = kept.Request.Keys
	suite.Is(t, "Save with a key within its time", d.Licenses.Save(t.Context(), again), license.ErrRequestTaken)
	again.Request.Keys = over.Request.Keys
	licenses.Row(again, license.LookupNumber).Keys = licenses.Row(over, license.LookupNumber).Keys
	suite.Is(t, "Save of the same number", d.Licenses.Save(t.Context(), again), license.ErrNumberTaken)
	licenses.Row(again, license.LookupNumber).Keys = []signing.Lookup{suite.NewKey()}
	licenses.Save(t, d.Licensing(), again)

	// A table that was looked at is not due at once, but later.
	requested(t, d, now.Add(-retention.Requests-tick))
	suite.Same(t, "how many are gone at once", sweep(t, d, now), 0)
	suite.Same(t, "how many are gone later", sweep(t, d, now.Add(25*time.Hour)), 3*len(over.Request.Keys)) // and the one of before, and the one that was used again
}

// sweepMany sweeps a table that one step doesn't get through, with an interruption.
func sweepMany(t *testing.T, d suite.Database) {
	now := suite.At(0).Add(1000 * time.Hour)
	r := requested(t, d, now.Add(-retention.Requests))
	const each = 1100
	keys := func(when time.Time) []signing.Lookup {
		t.Helper()
		ev := ledger.Event(r.Record.ID, journal.ActionLicenseIssue)
		q := &license.Request{Fingerprint: suite.NewKey(), License: r.Record.ID, Version: 1, State: license.Active, Created: when}
		for range each {
			q.Keys = append(q.Keys, suite.NewKey())
		}
		rec := r.Record
		licenses.Save(t, d.Licensing(), license.SaveRequest{Record: rec, Event: ev, Request: q})
		r.Record.Revision++
		return q.Keys
	}
	r.Record.Revision = 1
	over, kept := keys(now.Add(-retention.Requests-time.Minute)), keys(now)
	ctx, cancel := context.WithCancel(t.Context())
	first, _, err := d.Sweeper.Sweep(ctx, now)
	suite.Must(t, "Sweep", err)
	cancel()
	_, _, err = d.Sweeper.Sweep(ctx, now)
	suite.Is(t, "an interrupted Sweep", err, context.Canceled)
	suite.Same(t, "how many are gone", first+sweep(t, d, now), each)
	for i := range each {
		_, err := d.Licenses.LoadRequest(t.Context(), over[i:i+1])
		suite.Is(t, "LoadRequest of one that is over", err, license.ErrNotFound)
		_, err = d.Licenses.LoadRequest(t.Context(), kept[i:i+1])
		suite.Must(t, "LoadRequest of one that isn't", err)
	}
}

// sweepUseCodes lets use codes end by their grant and by their use.
func sweepUseCodes(t *testing.T, d suite.Database) {
	s, ctx := d.Licensing(), t.Context()
	now := suite.At(0).Add(3000 * time.Hour)
	before := now.Add(-retention.UseCodes)
	grant := func(expires time.Time) grants.Use {
		t.Helper()
		u := grants.Usable(t, s)
		u.Grant.Expires = expires
		suite.Must(t, "SaveGrant", s.SaveGrant(ctx, u.Grant, nil, ledger.Event("", journal.ActionGrantDeliver)))
		u.Grant.Revision++
		return u
	}
	read := func(u grants.Use, when time.Time) access.Reading {
		t.Helper()
		r := u.Reading("r")
		r.Record.At, r.GrantRevision = when, u.Grant.Revision
		suite.Must(t, "SaveUse", s.SaveUse(ctx, r))
		return r
	}
	codes := func(u grants.Use) (numbers []int) {
		t.Helper()
		_, cs, err := s.LoadGrant(ctx, u.Grant.ID)
		suite.Must(t, "LoadGrant", err)
		for _, c := range cs {
			numbers = append(numbers, c.Number)
		}
		return numbers
	}
	ended, endedUsed, live := grant(before.Add(-tick)), grant(before.Add(-tick)), grant(before)
	record := read(endedUsed, before.Add(-time.Hour))
	recurring := grant(now.Add(time.Hour))
	read(recurring, before.Add(-tick))
	renewed := grant(now.Add(time.Hour))
	read(renewed, before.Add(-tick))
	suite.Must(t, "a newer code", grants.SaveGrant(t, s, renewed.Grant, grants.CodeFor(renewed.Grant, renewed.Code.License, 2)))
	lately := grant(now.Add(time.Hour))
	read(lately, before)
	suite.Must(t, "a newer code", grants.SaveGrant(t, s, lately.Grant, grants.CodeFor(lately.Grant, lately.Code.License, 2)))

	sweep(t, d, now)
	suite.Same(t, "codes of an ended grant", codes(ended), nil)
	suite.Same(t, "codes of an ended grant, used", codes(endedUsed), nil)
	_, err := s.LoadUse(ctx, endedUsed.Grant.ID, endedUsed.Code.Hash, "r")
	suite.Is(t, "LoadUse of a code that is gone", err, license.ErrNotFound)
	grants.SameRecords(t, s, "its record stays", record.Record.Party, record.Record)
	suite.Same(t, "codes of a grant that ended then", codes(live), []int{1})
	suite.Same(t, "the newest code of a live grant, used", codes(recurring), []int{1})
	suite.Same(t, "codes of a live grant, the older one used", codes(renewed), []int{2})
	suite.Same(t, "codes of a live grant, the older one used then", codes(lately), []int{1, 2})
	if u := grants.LoadUse(t, s, recurring, "r"); u.Earlier != nil {
		t.Error("a request id whose window is long over is kept")
	}
	if u := grants.LoadUse(t, s, lately, "r"); u.Earlier == nil {
		t.Error("a request id is gone too early")
	}
}

// sweepGrants lets grants go, to the microsecond.
func sweepGrants(t *testing.T, d suite.Database) {
	s, ctx := d.Licensing(), t.Context()
	now := suite.At(0).Add(20_000 * time.Hour)
	for _, c := range []struct {
		name  string
		state grant.State
		over  time.Duration
		gone  bool
	}{
		{"lapsed", grant.Pending, retention.Lapsed + tick, true},
		{"lapsed then", grant.Pending, retention.Lapsed, false},
		{"active, long over", grant.Active, retention.Grants + tick, true},
		{"active, over", grant.Active, retention.Grants, false},
		{"ended", grant.Ended, retention.Grants + tick, true},
		{"ended later", grant.Ended, retention.Grants, false},
		{"live", grant.Active, -time.Hour, false},
	} {
		expires := now.Add(-c.over)
		u := grants.Usable(t, s)
		g := u.Grant
		g.State, g.Expires, g.Mark = c.state, expires, []byte("register")
		suite.Must(t, "SaveGrant", s.SaveGrant(ctx, g, nil, ledger.Event("", journal.ActionGrantDeliver)))
		r := u.Reading("r")
		r.GrantRevision = 3
		r.Record.At = now // its use code is in use
		suite.Must(t, "SaveUse", s.SaveUse(ctx, r))
		party := []signing.Lookup{suite.NewKey()}
		listed := grants.Pending()
		listed.Party, listed.State, listed.Expires = party, c.state, expires
		suite.Must(t, "SaveGrant", grants.SaveGrant(t, s, listed))

		sweep(t, d, now)
		suite.Same(t, c.name+": how many are gone at once again", sweep(t, d, now), 0)
		now = now.Add(25 * time.Hour)
		_, _, err := s.LoadGrant(ctx, g.ID)
		_, uerr := s.LoadUse(ctx, g.ID, u.Code.Hash, "r")
		list, lerr := s.ListGrants(ctx, party, license.Cursor{}, 10)
		suite.Must(t, "ListGrants", lerr)
		if c.gone {
			suite.Is(t, c.name+": LoadGrant", err, license.ErrNotFound)
			suite.Is(t, c.name+": LoadUse", uerr, license.ErrNotFound)
			suite.Same(t, c.name+": listed", len(list), 0)
			// Nothing stays behind: as if it had never been.
			sweep(t, d, now)
			now = now.Add(25 * time.Hour)
			listed.Party = party
			suite.Must(t, c.name+": again", grants.SaveGrant(t, s, listed))
			again, _, err := s.LoadGrant(ctx, listed.ID)
			suite.Must(t, "LoadGrant", err)
			suite.Same(t, c.name+": its register", again.Mark, nil)
		} else {
			suite.Must(t, c.name+": LoadGrant", err)
			suite.Same(t, c.name+": listed", len(list), 1)
		}
		grants.SameRecords(t, s, c.name+": its record", r.Record.Party, r.Record)
	}
}

func sweepConsents(t *testing.T, d suite.Database) {
	s, ctx := d.Provider, t.Context()
	now := suite.At(0).Add(1000 * time.Hour)
	key := suite.NewKey()
	create := func(expires time.Time) consent.Record {
		t.Helper()
		c := provider.NewConsent(key)
		c.Expires = expires
		suite.Must(t, "CreateConsent", s.CreateConsent(ctx, c, nil))
		return c
	}
	over, kept, live := create(now.Add(-retention.Consents-tick)), create(now.Add(-retention.Consents)), create(now.Add(time.Hour))
	// Of what was withdrawn the register stays as long as it could be used.
	withdrawn, still := create(now.Add(-retention.Consents-tick)), create(now.Add(time.Hour))
	suite.Must(t, "DeleteConsents", s.DeleteConsents(ctx, provider.EndedAll(withdrawn.ID, still.ID)))
	suite.Same(t, "how many are gone", sweep(t, d, now), 2)
	marks, err := d.HighWater.Registers(ctx, "consents", "", 10)
	suite.Must(t, "Registers", err)
	suite.Same(t, "their registers", marks, []highwater.Register{{ID: still.ID, Mark: []byte("a register of " + still.ID)}})
	listed, err := s.ListConsents(ctx, []signing.Lookup{key}, time.Time{}, 10)
	suite.Must(t, "ListConsents", err)
	found := map[string]bool{}
	for _, c := range listed {
		found[c.ID] = true
	}
	suite.Same(t, "which are left", found, map[string]bool{kept.ID: true, live.ID: true})
	suite.Must(t, "CreateConsent again", s.CreateConsent(ctx, over, nil))
}

// sweepLogins deletes the lookup keys of sessions and families that were purged,
// so that nothing of them is left.
func sweepLogins(t *testing.T, d suite.Database) {
	s, ctx := d.Provider, t.Context()
	over, live := provider.NewSession(), provider.NewSession()
	over.Expires, live.Expires = suite.At(0), suite.At(9999)
	provider.CreateSession(t, s, over)
	live = provider.CreateSession(t, s, live)
	gone, family := provider.NewFamily(), provider.NewFamily()
	gone.Expires, family.Expires = suite.At(0), suite.At(9999)
	for _, f := range []token.FamilyRecord{gone, family} {
		_, err := s.RedeemCode(ctx, suite.NewHash(), suite.At(9999), f)
		suite.Must(t, "RedeemCode", err)
	}
	provider.Purged(t, s, suite.At(1), 100, 2)
	now := suite.At(0).Add(100 * time.Hour)
	sweep(t, d, now)
	provider.SameSession(t, s, "a live one", live)
	family.Revision = 1
	provider.SameFamily(t, s, "a live one", family)
	listed, err := s.ListFamilies(ctx, family.Party, suite.At(0), 10)
	suite.Must(t, "ListFamilies", err)
	suite.Same(t, "how many are listed", len(listed), 1)
	// What is gone leaves nothing behind that is in the way of the same again.
	provider.CreateSession(t, s, over)
	_, err = s.RedeemCode(ctx, suite.NewHash(), suite.At(9999), gone)
	suite.Must(t, "RedeemCode", err)
}

// sweepRace lets several sweep at once: together they forget all that is over, and
// nothing else.
func sweepRace(t *testing.T, d suite.Database) {
	now := suite.At(0).Add(1000 * time.Hour)
	var over, kept []license.SaveRequest
	for range 20 {
		over = append(over, requested(t, d, now.Add(-retention.Requests-tick)))
		kept = append(kept, requested(t, d, now))
	}
	counts := make([]int, 4)
	for _, err := range suite.Race(len(counts), func(i int) error {
		for {
			n, done, err := d.Sweeper.Sweep(t.Context(), now)
			counts[i] += n
			if done || err != nil {
				return err
			}
		}
	}) {
		suite.Must(t, "a race", err)
	}
	total := sweep(t, d, now)
	for _, n := range counts {
		total += n
	}
	suite.Same(t, "how many are gone", total, 2*len(over))
	for i := range over {
		if _, err := d.Licenses.LoadRequest(t.Context(), over[i].Request.Keys); !errors.Is(err, license.ErrNotFound) {
			t.Errorf("LoadRequest of one that is over: %v", err)
		}
		_, err := d.Licenses.LoadRequest(t.Context(), kept[i].Request.Keys)
		suite.Must(t, "LoadRequest of one that isn't", err)
	}
}
