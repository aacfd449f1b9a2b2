package storagetest

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
)

// Sweeps tests [retention.Sweeper].
func Sweeps(t *testing.T, open Open) {
	t.Run("Requests", func(t *testing.T) { sweepRequests(t, open(t)) })
	t.Run("Many", func(t *testing.T) { sweepMany(t, open(t)) })
	t.Run("UseCodes", func(t *testing.T) { sweepUseCodes(t, open(t)) })
	t.Run("Grants", func(t *testing.T) { sweepGrants(t, open(t)) })
	t.Run("Consents", func(t *testing.T) { sweepConsents(t, open(t)) })
	t.Run("Logins", func(t *testing.T) { sweepLogins(t, open(t)) })
	t.Run("Race", func(t *testing.T) { sweepRace(t, open(t)) })
	t.Run("Ended", func(t *testing.T) {
		d := open(t)
		r := requested(t, d, at(0))
		_, _, err := d.Sweeper.Sweep(ended(), at(0).Add(retention.Requests+time.Hour))
		is(t, "Sweep", err, context.Canceled)
		_, err = d.Licenses.LoadRequest(t.Context(), r.Request.Keys)
		must(t, "LoadRequest", err)
	})
}

// sweep sweeps until nothing is due, and returns how many rows went.
func sweep(t *testing.T, d Database, now time.Time) (gone int) {
	t.Helper()
	for range 10_000 {
		n, done, err := d.Sweeper.Sweep(t.Context(), now)
		must(t, "Sweep", err)
		if gone += n; done {
			return gone
		}
	}
	t.Fatal("a sweep never ends")
	return 0
}

const tick = time.Microsecond

// requested stores a license that was issued under an idempotency key then.
func requested(t *testing.T, d Database, when time.Time) license.SaveRequest {
	t.Helper()
	r := issue(t, d.licensing())
	r.Request.Created = when
	save(t, d.licensing(), r)
	return r
}

// sweepRequests lets idempotency keys end: one within its time is known, one after
// it isn't, and may be used again.
func sweepRequests(t *testing.T, d Database) {
	now := at(0).Add(1000 * time.Hour)
	over := requested(t, d, now.Add(-retention.Requests-tick))
	kept := requested(t, d, now.Add(-retention.Requests))
	same(t, "how many are gone", sweep(t, d, now), len(over.Request.Keys))
	_, err := d.Licenses.LoadRequest(t.Context(), over.Request.Keys)
	is(t, "LoadRequest after its time", err, license.ErrNotFound)
	_, err = d.Licenses.LoadRequest(t.Context(), kept.Request.Keys)
	must(t, "LoadRequest within its time", err)

	// The same key is a new request's now. The license's number still keeps the same
	// license from being issued twice.
	again := issue(t, d.licensing())
	again.Request.Keys = kept.Request.Keys
	is(t, "Save with a key within its time", d.Licenses.Save(t.Context(), again), license.ErrRequestTaken)
	again.Request.Keys = over.Request.Keys
	row(again, license.LookupNumber).Keys = row(over, license.LookupNumber).Keys
	is(t, "Save of the same number", d.Licenses.Save(t.Context(), again), license.ErrNumberTaken)
	row(again, license.LookupNumber).Keys = []signing.Lookup{newKey()}
	save(t, d.licensing(), again)

	// A table that was looked at is not due at once, but later.
	requested(t, d, now.Add(-retention.Requests-tick))
	same(t, "how many are gone at once", sweep(t, d, now), 0)
	same(t, "how many are gone later", sweep(t, d, now.Add(25*time.Hour)), 3*len(over.Request.Keys)) // and the one of before, and the one that was used again
}

// sweepMany sweeps a table that one step doesn't get through, with an interruption.
func sweepMany(t *testing.T, d Database) {
	now := at(0).Add(1000 * time.Hour)
	r := requested(t, d, now.Add(-retention.Requests))
	const each = 1100
	keys := func(when time.Time) []signing.Lookup {
		t.Helper()
		ev := event(r.Record.ID, journal.ActionLicenseIssue)
		q := &license.Request{Fingerprint: newKey(), License: r.Record.ID, Version: 1, State: license.Active, Created: when}
		for range each {
			q.Keys = append(q.Keys, newKey())
		}
		rec := r.Record
		save(t, d.licensing(), license.SaveRequest{Record: rec, Event: ev, Request: q})
		r.Record.Revision++
		return q.Keys
	}
	r.Record.Revision = 1
	over, kept := keys(now.Add(-retention.Requests-time.Minute)), keys(now)
	ctx, cancel := context.WithCancel(t.Context())
	first, _, err := d.Sweeper.Sweep(ctx, now)
	must(t, "Sweep", err)
	cancel()
	_, _, err = d.Sweeper.Sweep(ctx, now)
	is(t, "an interrupted Sweep", err, context.Canceled)
	same(t, "how many are gone", first+sweep(t, d, now), each)
	for i := range each {
		_, err := d.Licenses.LoadRequest(t.Context(), over[i:i+1])
		is(t, "LoadRequest of one that is over", err, license.ErrNotFound)
		_, err = d.Licenses.LoadRequest(t.Context(), kept[i:i+1])
		must(t, "LoadRequest of one that isn't", err)
	}
}

// sweepUseCodes lets use codes end by their grant and by their use.
func sweepUseCodes(t *testing.T, d Database) {
	s, ctx := d.licensing(), t.Context()
	now := at(0).Add(3000 * time.Hour)
	before := now.Add(-retention.UseCodes)
	grant := func(expires time.Time) use {
		t.Helper()
		u := usable(t, s)
		u.grant.Expires = expires
		must(t, "SaveGrant", s.SaveGrant(ctx, u.grant, nil, event("", journal.ActionGrantDeliver)))
		u.grant.Revision++
		return u
	}
	read := func(u use, when time.Time) access.Reading {
		t.Helper()
		r := u.reading("r")
		r.Record.At, r.GrantRevision = when, u.grant.Revision
		must(t, "SaveUse", s.SaveUse(ctx, r))
		return r
	}
	codes := func(u use) (numbers []int) {
		t.Helper()
		_, cs, err := s.LoadGrant(ctx, u.grant.ID)
		must(t, "LoadGrant", err)
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
	must(t, "a newer code", saveGrant(t, s, renewed.grant, codeFor(renewed.grant, renewed.code.License, 2)))
	lately := grant(now.Add(time.Hour))
	read(lately, before)
	must(t, "a newer code", saveGrant(t, s, lately.grant, codeFor(lately.grant, lately.code.License, 2)))

	sweep(t, d, now)
	same(t, "codes of an ended grant", codes(ended), nil)
	same(t, "codes of an ended grant, used", codes(endedUsed), nil)
	_, err := s.LoadUse(ctx, endedUsed.grant.ID, endedUsed.code.Hash, "r")
	is(t, "LoadUse of a code that is gone", err, license.ErrNotFound)
	sameRecords(t, s, "its record stays", record.Record.Party, record.Record)
	same(t, "codes of a grant that ended then", codes(live), []int{1})
	same(t, "the newest code of a live grant, used", codes(recurring), []int{1})
	same(t, "codes of a live grant, the older one used", codes(renewed), []int{2})
	same(t, "codes of a live grant, the older one used then", codes(lately), []int{1, 2})
	if u := loadUse(t, s, recurring, "r"); u.Earlier != nil {
		t.Error("a request id whose window is long over is kept")
	}
	if u := loadUse(t, s, lately, "r"); u.Earlier == nil {
		t.Error("a request id is gone too early")
	}
}

// sweepGrants lets grants go, to the microsecond.
func sweepGrants(t *testing.T, d Database) {
	s, ctx := d.licensing(), t.Context()
	now := at(0).Add(20_000 * time.Hour)
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
		u := usable(t, s)
		g := u.grant
		g.State, g.Expires, g.Mark = c.state, expires, []byte("register")
		must(t, "SaveGrant", s.SaveGrant(ctx, g, nil, event("", journal.ActionGrantDeliver)))
		r := u.reading("r")
		r.GrantRevision = 3
		r.Record.At = now // its use code is in use
		must(t, "SaveUse", s.SaveUse(ctx, r))
		party := []signing.Lookup{newKey()}
		listed := pending()
		listed.Party, listed.State, listed.Expires = party, c.state, expires
		must(t, "SaveGrant", saveGrant(t, s, listed))

		sweep(t, d, now)
		same(t, c.name+": how many are gone at once again", sweep(t, d, now), 0)
		now = now.Add(25 * time.Hour)
		_, _, err := s.LoadGrant(ctx, g.ID)
		_, uerr := s.LoadUse(ctx, g.ID, u.code.Hash, "r")
		list, lerr := s.ListGrants(ctx, party, license.Cursor{}, 10)
		must(t, "ListGrants", lerr)
		if c.gone {
			is(t, c.name+": LoadGrant", err, license.ErrNotFound)
			is(t, c.name+": LoadUse", uerr, license.ErrNotFound)
			same(t, c.name+": listed", len(list), 0)
			// Nothing stays behind: as if it had never been.
			sweep(t, d, now)
			now = now.Add(25 * time.Hour)
			listed.Party = party
			must(t, c.name+": again", saveGrant(t, s, listed))
			again, _, err := s.LoadGrant(ctx, listed.ID)
			must(t, "LoadGrant", err)
			same(t, c.name+": its register", again.Mark, nil)
		} else {
			must(t, c.name+": LoadGrant", err)
			same(t, c.name+": listed", len(list), 1)
		}
		sameRecords(t, s, c.name+": its record", r.Record.Party, r.Record)
	}
}

func sweepConsents(t *testing.T, d Database) {
	s, ctx := d.Provider, t.Context()
	now := at(0).Add(1000 * time.Hour)
	key := newKey()
	create := func(expires time.Time) consent.Record {
		t.Helper()
		c := newConsent(key)
		c.Expires = expires
		must(t, "CreateConsent", s.CreateConsent(ctx, c, nil))
		return c
	}
	over, kept, live := create(now.Add(-retention.Consents-tick)), create(now.Add(-retention.Consents)), create(now.Add(time.Hour))
	// Of what was withdrawn the register stays as long as it could be used.
	withdrawn, still := create(now.Add(-retention.Consents-tick)), create(now.Add(time.Hour))
	must(t, "DeleteConsents", s.DeleteConsents(ctx, endedAll(withdrawn.ID, still.ID)))
	same(t, "how many are gone", sweep(t, d, now), 2)
	marks, err := d.HighWater.Registers(ctx, "consents", "", 10)
	must(t, "Registers", err)
	same(t, "their registers", marks, []highwater.Register{{ID: still.ID, Mark: []byte("a register of " + still.ID)}})
	listed, err := s.ListConsents(ctx, []signing.Lookup{key}, time.Time{}, 10)
	must(t, "ListConsents", err)
	found := map[string]bool{}
	for _, c := range listed {
		found[c.ID] = true
	}
	same(t, "which are left", found, map[string]bool{kept.ID: true, live.ID: true})
	must(t, "CreateConsent again", s.CreateConsent(ctx, over, nil))
}

// sweepLogins deletes the lookup keys of sessions and families that were purged,
// so that nothing of them is left.
func sweepLogins(t *testing.T, d Database) {
	s, ctx := d.Provider, t.Context()
	over, live := newSession(), newSession()
	over.Expires, live.Expires = at(0), at(9999)
	createSession(t, s, over)
	live = createSession(t, s, live)
	gone, family := newFamily(), newFamily()
	gone.Expires, family.Expires = at(0), at(9999)
	for _, f := range []token.FamilyRecord{gone, family} {
		_, err := s.RedeemCode(ctx, newHash(), at(9999), f)
		must(t, "RedeemCode", err)
	}
	purged(t, s, at(1), 100, 2)
	now := at(0).Add(100 * time.Hour)
	sweep(t, d, now)
	sameSession(t, s, "a live one", live)
	family.Revision = 1
	sameFamily(t, s, "a live one", family)
	listed, err := s.ListFamilies(ctx, family.Party, at(0), 10)
	must(t, "ListFamilies", err)
	same(t, "how many are listed", len(listed), 1)
	// What is gone leaves nothing behind that is in the way of the same again.
	createSession(t, s, over)
	_, err = s.RedeemCode(ctx, newHash(), at(9999), gone)
	must(t, "RedeemCode", err)
}

// sweepRace lets several sweep at once: together they forget all that is over, and
// nothing else.
func sweepRace(t *testing.T, d Database) {
	now := at(0).Add(1000 * time.Hour)
	var over, kept []license.SaveRequest
	for range 20 {
		over = append(over, requested(t, d, now.Add(-retention.Requests-tick)))
		kept = append(kept, requested(t, d, now))
	}
	counts := make([]int, 4)
	for _, err := range race(len(counts), func(i int) error {
		for {
			n, done, err := d.Sweeper.Sweep(t.Context(), now)
			counts[i] += n
			if done || err != nil {
				return err
			}
		}
	}) {
		must(t, "a race", err)
	}
	total := sweep(t, d, now)
	for _, n := range counts {
		total += n
	}
	same(t, "how many are gone", total, 2*len(over))
	for i := range over {
		if _, err := d.Licenses.LoadRequest(t.Context(), over[i].Request.Keys); !errors.Is(err, license.ErrNotFound) {
			t.Errorf("LoadRequest of one that is over: %v", err)
		}
		_, err := d.Licenses.LoadRequest(t.Context(), kept[i].Request.Keys)
		must(t, "LoadRequest of one that isn't", err)
	}
}
