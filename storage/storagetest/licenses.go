package storagetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Licenses tests [license.Store].
func Licenses(t *testing.T, open Open) {
	s := open(t).licensing()
	t.Run("RoundTrip", func(t *testing.T) { roundTrip(t, s) })
	t.Run("Precision", func(t *testing.T) { precision(t, s) })
	t.Run("Change", func(t *testing.T) { change(t, s) })
	t.Run("NextVersion", func(t *testing.T) { nextVersion(t, s) })
	t.Run("Missing", func(t *testing.T) { missing(t, s) })
	t.Run("Locate", func(t *testing.T) { locate(t, s) })
	t.Run("LoadRequest", func(t *testing.T) { loadRequest(t, s) })
	t.Run("Numbers", func(t *testing.T) { numbers(t, s) })
	t.Run("AllOrNothing", func(t *testing.T) { allOrNothing(t, s) })
	t.Run("Precedence", func(t *testing.T) { precedence(t, s) })
	t.Run("Ended", func(t *testing.T) { endedContext(t, s) })
	t.Run("Race", func(t *testing.T) { races(t, s) })
	t.Run("Search", func(t *testing.T) { search(t, open) })
}

const (
	typeCode  = credential.TypeCode("11100000000013338W032")
	authority = party.USCC("11990100MB1234567X") // the store does not read it
)

// issue makes a request to save a new license that touches every table: its
// first version, every kind of lookup key, a status, an event and a request.
func issue(t *testing.T, s licensing) license.SaveRequest {
	t.Helper()
	id := newID()
	list, index := reserve(t, s)
	return license.SaveRequest{
		Record: license.Record{
			ID: id, Type: typeCode, Authority: authority, Version: 1, State: license.Active,
			Created: at(0), Updated: at(0),
		},
		Add: &license.VersionRecord{
			License: id, Version: 1, State: license.Active, TypeVersion: 3,
			Origin: credential.OriginAuthority, TrustGrade: credential.GradeA,
			ValidFrom: day(t, "2026-03-01"), ValidUntil: day(t, "2031-02-28"),
			StatusList: list, StatusIndex: index, Issued: at(0),
			Body: []byte("sealed body"), Credential: []byte("sealed credential"), HolderKey: []byte("sealed key"),
		},
		Lookups: []license.LookupRow{
			{Kind: license.LookupIdentifier, Keys: []signing.Lookup{newKey(), newKeyOf(2)}},
			{Kind: license.LookupVerification, Keys: []signing.Lookup{newKey(), newKeyOf(2)}},
			{Kind: license.LookupNumber, Keys: []signing.Lookup{newKey(), newKeyOf(2)}, Exclusive: true},
			{Kind: license.LookupHolder, Keys: []signing.Lookup{newKey(), newKeyOf(2)}},
			{Kind: license.LookupHolder, Keys: []signing.Lookup{newKey(), newKeyOf(2)}},
		},
		Status: []status.Change{{List: list, Index: index, Value: credential.StatusSuspended}},
		Event:  event(id, journal.ActionLicenseIssue),
		Request: &license.Request{
			Keys: []signing.Lookup{newKey(), newKeyOf(2)}, Fingerprint: newKey(),
			License: id, Version: 1, State: license.Active, Revision: 7, Created: at(0),
		},
	}
}

// later makes a request to add a version to the license of an earlier request,
// whose stored revision is given.
func later(t *testing.T, s licensing, first license.SaveRequest, revision int64) license.SaveRequest {
	t.Helper()
	r := issue(t, s)
	id := first.Record.ID
	version := first.Record.Version + 1
	r.Record = first.Record
	r.Record.Revision, r.Record.Version, r.Record.Updated = revision, version, at(60)
	r.Add.License, r.Add.Version = id, version
	r.States = []license.VersionState{{
		Version: version - 1, State: license.Superseded, Ending: []byte("sealed ending"), Suspension: []byte("sealed suspension"),
	}}
	r.Status = append(r.Status, status.Change{
		List: first.Add.StatusList, Index: first.Add.StatusIndex, Value: credential.StatusSuperseded,
	})
	r.Event = event(id, journal.ActionLicenseReplace)
	r.Event.Version = version
	r.Request.License, r.Request.Version = id, version
	return r
}

// reserve reserves a random entry of a status list.
func reserve(t *testing.T, s licensing) (list int64, index int) {
	t.Helper()
	for {
		h := newHash()
		index := int(h[0]) | int(h[1])<<8
		list, taken, err := s.Reserve(t.Context(), []int{index}, credential.StatusListSize/2, at(0))
		must(t, "Reserve", err)
		if len(taken) == 1 {
			return list, index
		}
	}
}

func event(id audit.ID, a journal.Action) journal.Event {
	e := journal.Event{Log: journal.License, Form: journal.Present, ID: newText(), At: at(0), Action: a, Actor: journal.Actor{ID: "client-1", Participant: newText()}, RequestID: newText(),
		Subject: string(id), Version: 1, Result: "ok", Sealed: []byte("sealed detail"), Hash: newHash(),
	}
	if id == "" {
		e.Log = journal.Registry
	}
	return e
}

// row returns the keys of a request's first row of a kind.
func row(r license.SaveRequest, kind license.LookupKind) *license.LookupRow {
	return &r.Lookups[slices.IndexFunc(r.Lookups, func(l license.LookupRow) bool { return l.Kind == kind })]
}

func save(t *testing.T, s licensing, r license.SaveRequest) {
	t.Helper()
	must(t, "Save", s.Save(t.Context(), r))
}

func roundTrip(t *testing.T, s licensing) {
	r := issue(t, s)
	save(t, s, r)
	wantRecord, wantVersion := r.Record, *r.Add
	wantRecord.Revision = 1
	for _, v := range []int{0, 1} {
		rec, version, err := s.Load(t.Context(), r.Record.ID, v)
		must(t, "Load", err)
		same(t, fmt.Sprintf("record with version %d", v), rec, wantRecord)
		same(t, fmt.Sprintf("version %d", v), version, wantVersion)
	}
	h, err := s.ListEvents(t.Context(), historyOf(r.Record.ID), 0, 10)
	must(t, "History", err)
	if len(h) != 1 {
		t.Fatalf("history has %d events, want 1", len(h))
	}
	r.Event.Seq = h[0].Seq
	same(t, "event", h[0], r.Event)

	t.Run("Bare", func(t *testing.T) {
		// A draft, say: what is nil or zero comes back so.
		r := issue(t, s)
		r.Add.ValidUntil, r.Add.ValidFrom = party.Date{}, party.Date{}
		r.Add.Credential, r.Add.HolderKey, r.Add.Ending, r.Add.Suspension = nil, nil, nil, nil
		r.Add.Issued = time.Time{}
		r.Lookups, r.Status, r.Request = nil, nil, nil
		r.Event.Sealed = nil
		save(t, s, r)
		_, version, err := s.Load(t.Context(), r.Record.ID, 0)
		must(t, "Load", err)
		same(t, "version", version, *r.Add)
		h, err := s.ListEvents(t.Context(), historyOf(r.Record.ID), 0, 10)
		must(t, "History", err)
		if len(h) != 1 || h[0].Sealed != nil {
			t.Errorf("history is %+v, want one event with a nil detail", h)
		}
	})
	t.Run("EmptyAndBig", func(t *testing.T) {
		r := issue(t, s)
		r.Add.HolderKey, r.Add.Ending, r.Add.Suspension = []byte{}, []byte{}, []byte{}
		r.Add.Body = bytes.Repeat([]byte{0, 0xff, '\'', '%'}, 1<<18) // 1 MiB
		save(t, s, r)
		_, version, err := s.Load(t.Context(), r.Record.ID, 0)
		must(t, "Load", err)
		if !bytes.Equal(version.Body, r.Add.Body) {
			t.Error("a body of 1 MiB changed")
		}
		if version.HolderKey == nil || version.Ending == nil || version.Suspension == nil {
			t.Error("empty bytes came back nil")
		}
	})
}

func precision(t *testing.T, s licensing) {
	r := issue(t, s)
	r.Record.Created, r.Record.Updated, r.Add.Issued, r.Event.At, r.Request.Created = finer, finer, finer, finer, finer
	save(t, s, r)
	rec, version, err := s.Load(t.Context(), r.Record.ID, 0)
	must(t, "Load", err)
	same(t, "Created", rec.Created, kept)
	same(t, "Updated", rec.Updated, kept)
	same(t, "Issued", version.Issued, kept)
	h, err := s.ListEvents(t.Context(), historyOf(r.Record.ID), 0, 1)
	must(t, "History", err)
	same(t, "At", h[0].At, kept)
	q, err := s.LoadRequest(t.Context(), r.Request.Keys)
	must(t, "LoadRequest", err)
	same(t, "request's Created", q.Created, kept)
}

func change(t *testing.T, s licensing) {
	r := issue(t, s)
	r.Add.Ending, r.Add.Suspension = []byte("first ending"), []byte("first suspension")
	save(t, s, r)
	steps := []struct {
		name               string
		ending, suspension []byte
		want               string
		wantSuspension     string
	}{
		{"what is nil leaves the one that is there", nil, nil, "first ending", "first suspension"},
		{"an ending takes its place", []byte("second ending"), nil, "second ending", "first suspension"},
		{"a suspension likewise", nil, []byte("second suspension"), "second ending", "second suspension"},
		{"and both stay", nil, nil, "second ending", "second suspension"},
	}
	for i, step := range steps {
		c := license.SaveRequest{
			Record: r.Record,
			States: []license.VersionState{{Version: 1, State: license.Suspended, Ending: step.ending, Suspension: step.suspension}},
			Event:  event(r.Record.ID, journal.ActionLicenseSuspend),
		}
		c.Record.Revision, c.Record.State, c.Record.Updated = int64(i+1), license.Suspended, at(i+1)
		save(t, s, c)
		rec, version, err := s.Load(t.Context(), r.Record.ID, 1)
		must(t, "Load", err)
		want := c.Record
		want.Revision = int64(i + 2)
		same(t, step.name+": record", rec, want)
		wantVersion := *r.Add
		wantVersion.State, wantVersion.Ending, wantVersion.Suspension = license.Suspended, []byte(step.want), []byte(step.wantSuspension)
		same(t, step.name+": version", version, wantVersion)
	}
}

func nextVersion(t *testing.T, s licensing) {
	first := issue(t, s)
	save(t, s, first)
	second := later(t, s, first, 1)
	// A license keeps its number, whose keys are stored already, and its holders.
	second.Lookups[2], second.Lookups[3] = first.Lookups[2], first.Lookups[3]
	save(t, s, second)

	rec, newest, err := s.Load(t.Context(), first.Record.ID, 0)
	must(t, "Load", err)
	want := second.Record
	want.Revision = 2
	same(t, "record", rec, want)
	same(t, "newest version", newest, *second.Add)
	rec, old, err := s.Load(t.Context(), first.Record.ID, 1)
	must(t, "Load", err)
	same(t, "record beside the old version", rec, want)
	wantOld := *first.Add
	wantOld.State, wantOld.Ending, wantOld.Suspension = license.Superseded, []byte("sealed ending"), []byte("sealed suspension")
	same(t, "old version", old, wantOld)

	for version, r := range map[int]license.SaveRequest{1: first, 2: second} {
		for _, kind := range []license.LookupKind{license.LookupIdentifier, license.LookupVerification} {
			l, err := s.Locate(t.Context(), kind, row(r, kind).Keys)
			must(t, "Locate", err)
			same(t, fmt.Sprintf("%s of version %d", kind, version), l, license.Located{License: first.Record.ID, Version: version})
		}
	}
	found, err := s.Search(t.Context(), license.Query{Kind: license.LookupHolder, Keys: first.Lookups[3].Keys, Limit: 10})
	must(t, "Search", err)
	same(t, "licenses of the holder of both versions", found, []license.Record{want})

	// An identifier of the license's own moves to its newest version.
	third := later(t, s, second, 2)
	third.Lookups[0] = second.Lookups[0]
	save(t, s, third)
	l, err := s.Locate(t.Context(), license.LookupIdentifier, second.Lookups[0].Keys)
	must(t, "Locate", err)
	same(t, "an identifier of two versions", l, license.Located{License: first.Record.ID, Version: 3})
}

func missing(t *testing.T, s licensing) {
	ctx := t.Context()
	r := issue(t, s)
	save(t, s, r)
	_, _, err := s.Load(ctx, newID(), 0)
	is(t, "Load of an unknown license", err, license.ErrNotFound)
	_, _, err = s.Load(ctx, r.Record.ID, 2)
	is(t, "Load of an unknown version", err, license.ErrNotFound)
	_, _, err = s.Load(ctx, r.Record.ID, -1)
	is(t, "Load of version -1", err, license.ErrNotFound)
	_, _, err = s.Load(ctx, "", 0)
	is(t, "Load of nothing", err, license.ErrNotFound)
	for name, keys := range map[string][]signing.Lookup{"no keys": nil, "unknown keys": {newKey(), newKey()}} {
		_, err = s.Locate(ctx, license.LookupIdentifier, keys)
		is(t, "Locate with "+name, err, license.ErrNotFound)
		_, err = s.LoadRequest(ctx, keys)
		is(t, "LoadRequest with "+name, err, license.ErrNotFound)
	}
}

func locate(t *testing.T, s licensing) {
	a, b := issue(t, s), issue(t, s)
	save(t, s, a)
	save(t, s, b)
	for _, kind := range []license.LookupKind{license.LookupIdentifier, license.LookupVerification} {
		ka, kb := row(a, kind).Keys, row(b, kind).Keys
		for _, c := range []struct {
			name string
			keys []signing.Lookup
			want audit.ID
		}{
			{"one key", ka[:1], a.Record.ID},
			{"the value's other key", ka[1:], a.Record.ID},
			{"an unknown key first", []signing.Lookup{newKey(), kb[1], ka[0]}, b.Record.ID},
			{"the first that is stored", []signing.Lookup{ka[1], kb[0]}, a.Record.ID},
		} {
			l, err := s.Locate(t.Context(), kind, c.keys)
			must(t, c.name, err)
			same(t, fmt.Sprintf("%s, %s", kind, c.name), l, license.Located{License: c.want, Version: 1})
		}
	}
	_, err := s.Locate(t.Context(), license.LookupVerification, row(a, license.LookupIdentifier).Keys)
	is(t, "Locate by verification with an identifier's key", err, license.ErrNotFound)
	_, err = s.Locate(t.Context(), license.LookupIdentifier, row(a, license.LookupVerification).Keys)
	is(t, "Locate by identifier with a verification's key", err, license.ErrNotFound)
}

func loadRequest(t *testing.T, s licensing) {
	a, b := issue(t, s), issue(t, s)
	b.Request.Version, b.Request.State = 1, license.Submitted
	save(t, s, a)
	save(t, s, b)
	load := func(keys ...signing.Lookup) license.Request {
		t.Helper()
		q, err := s.LoadRequest(t.Context(), keys)
		must(t, "LoadRequest", err)
		q.Keys = nil // which of them is the driver's affair
		return q
	}
	wantA, wantB := *a.Request, *b.Request
	wantA.Keys, wantB.Keys = nil, nil
	same(t, "one key", load(a.Request.Keys[0]), wantA)
	same(t, "the other key", load(a.Request.Keys[1]), wantA)
	same(t, "an unknown key first", load(newKey(), b.Request.Keys[1], a.Request.Keys[0]), wantB)
	same(t, "the first that is stored", load(a.Request.Keys[0], b.Request.Keys[0]), wantA)
}

func numbers(t *testing.T, s licensing) {
	withNumber := func(key signing.Lookup, exclusive bool) license.SaveRequest {
		r := issue(t, s)
		*row(r, license.LookupNumber) = license.LookupRow{
			Kind: license.LookupNumber, Keys: []signing.Lookup{key}, Exclusive: exclusive,
		}
		return r
	}
	shared, exclusive := newKey(), newKey()
	a, b := withNumber(shared, false), withNumber(shared, false)
	save(t, s, a)
	save(t, s, b)
	found, err := s.Search(t.Context(), license.Query{Kind: license.LookupNumber, Keys: []signing.Lookup{shared}, Limit: 10})
	must(t, "Search", err)
	if len(found) != 2 {
		t.Errorf("a shared number leads to %d licenses, want 2", len(found))
	}
	save(t, s, withNumber(exclusive, true))
	refused(t, s, "an exclusive number again", withNumber(exclusive, true), license.ErrNumberTaken)
	refused(t, s, "an exclusive number, to be shared", withNumber(exclusive, false), license.ErrNumberTaken)
	refused(t, s, "a shared number, to be exclusive", withNumber(shared, true), license.ErrNumberTaken)
	formerNumbers(t, s, withNumber)
}

// formerNumbers gives a license another number: the former one is free, and the
// license is found by it all the same.
func formerNumbers(t *testing.T, s licensing, withNumber func(signing.Lookup, bool) license.SaveRequest) {
	was, now := newKey(), newKey()
	r := withNumber(was, true)
	save(t, s, r)
	corrected := later(t, s, r, 1)
	corrected.Lookups = append(corrected.Lookups, license.LookupRow{Kind: license.LookupNumber, Keys: []signing.Lookup{was}, Former: true})
	row(corrected, license.LookupNumber).Keys = []signing.Lookup{now}
	save(t, s, corrected)
	refused(t, s, "the number that it has now", withNumber(now, true), license.ErrNumberTaken)
	rightful := withNumber(was, true)
	save(t, s, rightful)
	refused(t, s, "the former number, once more", withNumber(was, true), license.ErrNumberTaken)
	found, err := s.Search(t.Context(), license.Query{Kind: license.LookupNumber, Keys: []signing.Lookup{was}, Limit: 10})
	must(t, "Search", err)
	if len(found) != 2 {
		t.Errorf("a former number leads to %d licenses, want 2", len(found))
	}
	back := later(t, s, corrected, 2)
	row(back, license.LookupNumber).Keys = []signing.Lookup{was}
	refused(t, s, "back to a former number that another has now", back, license.ErrNumberTaken)
	never := withNumber(now, true)
	row(never, license.LookupNumber).Exclusive, row(never, license.LookupNumber).Former = true, true
	save(t, s, never) // a former number is never exclusive, and meets nobody
}

// precedence tries requests with several things wrong.
func precedence(t *testing.T, s licensing) {
	stored := issue(t, s)
	save(t, s, stored)
	taken := func(r license.SaveRequest) license.SaveRequest {
		r.Lookups[0], r.Lookups[2] = stored.Lookups[0], stored.Lookups[2]
		return r
	}
	known := func(r license.SaveRequest) license.SaveRequest {
		r.Request.Keys = []signing.Lookup{newKey(), stored.Request.Keys[1]}
		return r
	}
	other := issue(t, s)
	save(t, s, other)
	unknown := issue(t, s)

	refused(t, s, "known request, unknown license, identifier taken",
		known(taken(later(t, s, unknown, 1))), license.ErrRequestTaken)
	refused(t, s, "known request, stale revision, identifier taken",
		known(taken(later(t, s, other, 7))), license.ErrRequestTaken)
	refused(t, s, "known request of the license itself",
		known(later(t, s, stored, 1)), license.ErrRequestTaken)
	refused(t, s, "unknown license, identifier taken", taken(later(t, s, unknown, 1)), license.ErrNotFound)
	refused(t, s, "stale revision, identifier taken", taken(later(t, s, other, 7)), license.ErrConflict)
	again := taken(issue(t, s))
	again.Record.ID, again.Add.License = other.Record.ID, other.Record.ID
	refused(t, s, "new license whose ID is there, identifier taken", again, license.ErrConflict)
}

func endedContext(t *testing.T, s licensing) {
	r := issue(t, s)
	before := look(t, s, r)
	ctx := ended()
	is(t, "Save", s.Save(ctx, r), context.Canceled)
	same(t, "what is there", look(t, s, r), before)
	_, _, err := s.Load(ctx, r.Record.ID, 0)
	is(t, "Load", err, context.Canceled)
	_, err = s.Locate(ctx, license.LookupIdentifier, r.Lookups[0].Keys)
	is(t, "Locate", err, context.Canceled)
	_, err = s.Search(ctx, license.Query{Limit: 1})
	is(t, "Search", err, context.Canceled)
	_, err = s.LoadRequest(ctx, r.Request.Keys)
	is(t, "LoadRequest", err, context.Canceled)
	save(t, s, r)
}
