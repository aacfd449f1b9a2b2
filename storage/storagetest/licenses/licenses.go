// Package licenses has the suites of licenses: their records, what finds them, status lists, and that a
// change is stored whole or not at all.
package licenses

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
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Licenses tests [license.Store].
func Licenses(t *testing.T, open suite.Open) {
	s := open(t).Licensing()
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
	t.Run("History", func(t *testing.T) { eventsWithSave(t, s) })
	t.Run("Search", func(t *testing.T) { search(t, open) })
}

const (
	typeCode  = credential.TypeCode("11100000000013338W032")
	Authority = party.USCC("11990100MB1234567X") // the store does not read it
)

// Issue makes a request to save a new license that touches every table: its
// first version, every kind of lookup key, a status, an event and a request.
func Issue(t *testing.T, s suite.Licensing) license.SaveRequest {
	t.Helper()
	id := suite.NewID()
	list, index := reserve(t, s)
	return license.SaveRequest{
		Record: license.Record{
			ID: id, Type: typeCode, Authority: Authority, Version: 1, State: license.Active,
			Created: suite.At(0), Updated: suite.At(0),
		},
		Add: &license.VersionRecord{
			License: id, Version: 1, State: license.Active, TypeVersion: 3,
			Origin: credential.OriginAuthority, TrustGrade: credential.GradeA,
			ValidFrom: suite.Day(t, "2026-03-01"), ValidUntil: suite.Day(t, "2031-02-28"),
			StatusList: list, StatusIndex: index, Issued: suite.At(0),
			Body: []byte("sealed body"), Credential: []byte("sealed credential"), HolderKey: []byte("sealed key"),
		},
		Lookups: []license.LookupRow{
			{Kind: license.LookupIdentifier, Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}},
			{Kind: license.LookupVerification, Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}},
			{Kind: license.LookupNumber, Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}, Exclusive: true},
			{Kind: license.LookupHolder, Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}},
			{Kind: license.LookupHolder, Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}},
		},
		Status: []status.Change{{List: list, Index: index, Value: credential.StatusSuspended}},
		Event:  ledger.Event(id, journal.ActionLicenseIssue),
		Request: &license.Request{
			Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}, Fingerprint: suite.NewKey(),
			License: id, Version: 1, State: license.Active, Revision: 7, Created: suite.At(0),
		},
	}
}

// Later makes a request to add a version to the license of an earlier request,
// whose stored revision is given.
func Later(t *testing.T, s suite.Licensing, first license.SaveRequest, revision int64) license.SaveRequest {
	t.Helper()
	r := Issue(t, s)
	id := first.Record.ID
	version := first.Record.Version + 1
	r.Record = first.Record
	r.Record.Revision, r.Record.Version, r.Record.Updated = revision, version, suite.At(60)
	r.Add.License, r.Add.Version = id, version
	r.States = []license.VersionState{{
		Version: version - 1, State: license.Superseded, Ending: []byte("sealed ending"), Suspension: []byte("sealed suspension"),
	}}
	r.Status = append(r.Status, status.Change{
		List: first.Add.StatusList, Index: first.Add.StatusIndex, Value: credential.StatusSuperseded,
	})
	r.Event = ledger.Event(id, journal.ActionLicenseReplace)
	r.Event.Version = version
	r.Request.License, r.Request.Version = id, version
	return r
}

// reserve reserves a random entry of a status list.
func reserve(t *testing.T, s suite.Licensing) (list int64, index int) {
	t.Helper()
	for {
		h := suite.NewHash()
		index := int(h[0]) | int(h[1])<<8
		list, taken, err := s.Reserve(t.Context(), []int{index}, credential.StatusListSize/2, suite.At(0))
		suite.Must(t, "Reserve", err)
		if len(taken) == 1 {
			return list, index
		}
	}
}

// Row returns the keys of a request's first row of a kind.
func Row(r license.SaveRequest, kind license.LookupKind) *license.LookupRow {
	return &r.Lookups[slices.IndexFunc(r.Lookups, func(l license.LookupRow) bool { return l.Kind == kind })]
}

// Save saves a request.
func Save(t *testing.T, s suite.Licensing, r license.SaveRequest) {
	t.Helper()
	suite.Must(t, "Save", s.Save(t.Context(), r))
}

func roundTrip(t *testing.T, s suite.Licensing) {
	r := Issue(t, s)
	Save(t, s, r)
	wantRecord, wantVersion := r.Record, *r.Add
	wantRecord.Revision = 1
	for _, v := range []int{0, 1} {
		rec, version, err := s.Load(t.Context(), r.Record.ID, v)
		suite.Must(t, "Load", err)
		suite.Same(t, fmt.Sprintf("record with version %d", v), rec, wantRecord)
		suite.Same(t, fmt.Sprintf("version %d", v), version, wantVersion)
	}
	h, err := s.ListEvents(t.Context(), ledger.HistoryOf(r.Record.ID), 0, 10)
	suite.Must(t, "History", err)
	if len(h) != 1 {
		t.Fatalf("history has %d events, want 1", len(h))
	}
	r.Event.Seq = h[0].Seq
	suite.Same(t, "event", h[0], r.Event)

	t.Run("Bare", func(t *testing.T) {
		// A draft, say: what is nil or zero comes back so.
		r := Issue(t, s)
		r.Add.ValidUntil, r.Add.ValidFrom = party.Date{}, party.Date{}
		r.Add.Credential, r.Add.HolderKey, r.Add.Ending, r.Add.Suspension = nil, nil, nil, nil
		r.Add.Issued = time.Time{}
		r.Lookups, r.Status, r.Request = nil, nil, nil
		r.Event.Sealed = nil
		Save(t, s, r)
		_, version, err := s.Load(t.Context(), r.Record.ID, 0)
		suite.Must(t, "Load", err)
		suite.Same(t, "version", version, *r.Add)
		h, err := s.ListEvents(t.Context(), ledger.HistoryOf(r.Record.ID), 0, 10)
		suite.Must(t, "History", err)
		if len(h) != 1 || h[0].Sealed != nil {
			t.Errorf("history is %+v, want one event with a nil detail", h)
		}
	})
	t.Run("EmptyAndBig", func(t *testing.T) {
		r := Issue(t, s)
		r.Add.HolderKey, r.Add.Ending, r.Add.Suspension = []byte{}, []byte{}, []byte{}
		r.Add.Body = bytes.Repeat([]byte{0, 0xff, '\'', '%'}, 1<<18) // 1 MiB
		Save(t, s, r)
		_, version, err := s.Load(t.Context(), r.Record.ID, 0)
		suite.Must(t, "Load", err)
		if !bytes.Equal(version.Body, r.Add.Body) {
			t.Error("a body of 1 MiB changed")
		}
		if version.HolderKey == nil || version.Ending == nil || version.Suspension == nil {
			t.Error("empty bytes came back nil")
		}
	})
}

func precision(t *testing.T, s suite.Licensing) {
	r := Issue(t, s)
	r.Record.Created, r.Record.Updated, r.Add.Issued, r.Event.At, r.Request.Created = suite.Finer, suite.Finer, suite.Finer, suite.Finer, suite.Finer
	Save(t, s, r)
	rec, version, err := s.Load(t.Context(), r.Record.ID, 0)
	suite.Must(t, "Load", err)
	suite.Same(t, "Created", rec.Created, suite.Kept)
	suite.Same(t, "Updated", rec.Updated, suite.Kept)
	suite.Same(t, "Issued", version.Issued, suite.Kept)
	h, err := s.ListEvents(t.Context(), ledger.HistoryOf(r.Record.ID), 0, 1)
	suite.Must(t, "History", err)
	suite.Same(t, "At", h[0].At, suite.Kept)
	q, err := s.LoadRequest(t.Context(), r.Request.Keys)
	suite.Must(t, "LoadRequest", err)
	suite.Same(t, "request's Created", q.Created, suite.Kept)
}

func change(t *testing.T, s suite.Licensing) {
	r := Issue(t, s)
	r.Add.Ending, r.Add.Suspension = []byte("first ending"), []byte("first suspension")
	Save(t, s, r)
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
			Event:  ledger.Event(r.Record.ID, journal.ActionLicenseSuspend),
		}
		c.Record.Revision, c.Record.State, c.Record.Updated = int64(i+1), license.Suspended, suite.At(i+1)
		Save(t, s, c)
		rec, version, err := s.Load(t.Context(), r.Record.ID, 1)
		suite.Must(t, "Load", err)
		want := c.Record
		want.Revision = int64(i + 2)
		suite.Same(t, step.name+": record", rec, want)
		wantVersion := *r.Add
		wantVersion.State, wantVersion.Ending, wantVersion.Suspension = license.Suspended, []byte(step.want), []byte(step.wantSuspension)
		suite.Same(t, step.name+": version", version, wantVersion)
	}
}

func nextVersion(t *testing.T, s suite.Licensing) {
	first := Issue(t, s)
	Save(t, s, first)
	second := Later(t, s, first, 1)
	// A license keeps its number, whose keys are stored already, and its holders.
	second.Lookups[2], second.Lookups[3] = first.Lookups[2], first.Lookups[3]
	Save(t, s, second)

	rec, newest, err := s.Load(t.Context(), first.Record.ID, 0)
	suite.Must(t, "Load", err)
	want := second.Record
	want.Revision = 2
	suite.Same(t, "record", rec, want)
	suite.Same(t, "newest version", newest, *second.Add)
	rec, old, err := s.Load(t.Context(), first.Record.ID, 1)
	suite.Must(t, "Load", err)
	suite.Same(t, "record beside the old version", rec, want)
	wantOld := *first.Add
	wantOld.State, wantOld.Ending, wantOld.Suspension = license.Superseded, []byte("sealed ending"), []byte("sealed suspension")
	suite.Same(t, "old version", old, wantOld)

	for version, r := range map[int]license.SaveRequest{1: first, 2: second} {
		for _, kind := range []license.LookupKind{license.LookupIdentifier, license.LookupVerification} {
			l, err := s.Locate(t.Context(), kind, Row(r, kind).Keys)
			suite.Must(t, "Locate", err)
			suite.Same(t, fmt.Sprintf("%s of version %d", kind, version), l, license.Located{License: first.Record.ID, Version: version})
		}
	}
	found, err := s.Search(t.Context(), license.Query{Kind: license.LookupHolder, Keys: first.Lookups[3].Keys, Limit: 10})
	suite.Must(t, "Search", err)
	suite.Same(t, "licenses of the holder of both versions", found, []license.Record{want})

	// An identifier of the license's own moves to its newest version.
	third := Later(t, s, second, 2)
	third.Lookups[0] = second.Lookups[0]
	Save(t, s, third)
	l, err := s.Locate(t.Context(), license.LookupIdentifier, second.Lookups[0].Keys)
	suite.Must(t, "Locate", err)
	suite.Same(t, "an identifier of two versions", l, license.Located{License: first.Record.ID, Version: 3})
}

func missing(t *testing.T, s suite.Licensing) {
	ctx := t.Context()
	r := Issue(t, s)
	Save(t, s, r)
	_, _, err := s.Load(ctx, suite.NewID(), 0)
	suite.Is(t, "Load of an unknown license", err, license.ErrNotFound)
	_, _, err = s.Load(ctx, r.Record.ID, 2)
	suite.Is(t, "Load of an unknown version", err, license.ErrNotFound)
	_, _, err = s.Load(ctx, r.Record.ID, -1)
	suite.Is(t, "Load of version -1", err, license.ErrNotFound)
	_, _, err = s.Load(ctx, "", 0)
	suite.Is(t, "Load of nothing", err, license.ErrNotFound)
	for name, keys := range map[string][]signing.Lookup{"no keys": nil, "unknown keys": {suite.NewKey(), suite.NewKey()}} {
		_, err = s.Locate(ctx, license.LookupIdentifier, keys)
		suite.Is(t, "Locate with "+name, err, license.ErrNotFound)
		_, err = s.LoadRequest(ctx, keys)
		suite.Is(t, "LoadRequest with "+name, err, license.ErrNotFound)
	}
}

func locate(t *testing.T, s suite.Licensing) {
	a, b := Issue(t, s), Issue(t, s)
	Save(t, s, a)
	Save(t, s, b)
	for _, kind := range []license.LookupKind{license.LookupIdentifier, license.LookupVerification} {
		ka, kb := Row(a, kind).Keys, Row(b, kind).Keys
		for _, c := range []struct {
			name string
			keys []signing.Lookup
			want audit.ID
		}{
			{"one key", ka[:1], a.Record.ID},
			{"the value's other key", ka[1:], a.Record.ID},
			{"an unknown key first", []signing.Lookup{suite.NewKey(), kb[1], ka[0]}, b.Record.ID},
			{"the first that is stored", []signing.Lookup{ka[1], kb[0]}, a.Record.ID},
		} {
			l, err := s.Locate(t.Context(), kind, c.keys)
			suite.Must(t, c.name, err)
			suite.Same(t, fmt.Sprintf("%s, %s", kind, c.name), l, license.Located{License: c.want, Version: 1})
		}
	}
	_, err := s.Locate(t.Context(), license.LookupVerification, Row(a, license.LookupIdentifier).Keys)
	suite.Is(t, "Locate by verification with an identifier's key", err, license.ErrNotFound)
	_, err = s.Locate(t.Context(), license.LookupIdentifier, Row(a, license.LookupVerification).Keys)
	suite.Is(t, "Locate by identifier with a verification's key", err, license.ErrNotFound)
}

func loadRequest(t *testing.T, s suite.Licensing) {
	a, b := Issue(t, s), Issue(t, s)
	b.Request.Version, b.Request.State = 1, license.Submitted
	Save(t, s, a)
	Save(t, s, b)
	load := func(keys ...signing.Lookup) license.Request {
		t.Helper()
		q, err := s.LoadRequest(t.Context(), keys)
		suite.Must(t, "LoadRequest", err)
		q.Keys = nil // which of them is the driver's affair
		return q
	}
	wantA, wantB := *a.Request, *b.Request
	wantA.Keys, wantB.Keys = nil, nil
	suite.Same(t, "one key", load(a.Request.Keys[0]), wantA)
	suite.Same(t, "the other key", load(a.Request.Keys[1]), wantA)
	suite.Same(t, "an unknown key first", load(suite.NewKey(), b.Request.Keys[1], a.Request.Keys[0]), wantB)
	suite.Same(t, "the first that is stored", load(a.Request.Keys[0], b.Request.Keys[0]), wantA)
}

func numbers(t *testing.T, s suite.Licensing) {
	withNumber := func(key signing.Lookup, exclusive bool) license.SaveRequest {
		r := Issue(t, s)
		*Row(r, license.LookupNumber) = license.LookupRow{
			Kind: license.LookupNumber, Keys: []signing.Lookup{key}, Exclusive: exclusive,
		}
		return r
	}
	shared, exclusive := suite.NewKey(), suite.NewKey()
	a, b := withNumber(shared, false), withNumber(shared, false)
	Save(t, s, a)
	Save(t, s, b)
	found, err := s.Search(t.Context(), license.Query{Kind: license.LookupNumber, Keys: []signing.Lookup{shared}, Limit: 10})
	suite.Must(t, "Search", err)
	if len(found) != 2 {
		t.Errorf("a shared number leads to %d licenses, want 2", len(found))
	}
	Save(t, s, withNumber(exclusive, true))
	refused(t, s, "an exclusive number again", withNumber(exclusive, true), license.ErrNumberTaken)
	refused(t, s, "an exclusive number, to be shared", withNumber(exclusive, false), license.ErrNumberTaken)
	refused(t, s, "a shared number, to be exclusive", withNumber(shared, true), license.ErrNumberTaken)
	formerNumbers(t, s, withNumber)
}

// formerNumbers gives a license another number: the former one is free, and the
// license is found by it all the same.
func formerNumbers(t *testing.T, s suite.Licensing, withNumber func(signing.Lookup, bool) license.SaveRequest) {
	was, now := suite.NewKey(), suite.NewKey()
	r := withNumber(was, true)
	Save(t, s, r)
	corrected := Later(t, s, r, 1)
	corrected.Lookups = append(corrected.Lookups, license.LookupRow{Kind: license.LookupNumber, Keys: []signing.Lookup{was}, Former: true})
	Row(corrected, license.LookupNumber).Keys = []signing.Lookup{now}
	Save(t, s, corrected)
	refused(t, s, "the number that it has now", withNumber(now, true), license.ErrNumberTaken)
	rightful := withNumber(was, true)
	Save(t, s, rightful)
	refused(t, s, "the former number, once more", withNumber(was, true), license.ErrNumberTaken)
	found, err := s.Search(t.Context(), license.Query{Kind: license.LookupNumber, Keys: []signing.Lookup{was}, Limit: 10})
	suite.Must(t, "Search", err)
	if len(found) != 2 {
		t.Errorf("a former number leads to %d licenses, want 2", len(found))
	}
	back := Later(t, s, corrected, 2)
	Row(back, license.LookupNumber).Keys = []signing.Lookup{was}
	refused(t, s, "back to a former number that another has now", back, license.ErrNumberTaken)
	never := withNumber(now, true)
	Row(never, license.LookupNumber).Exclusive, Row(never, license.LookupNumber).Former = true, true
	Save(t, s, never) // a former number is never exclusive, and meets nobody
}

// precedence tries requests with several things wrong.
func precedence(t *testing.T, s suite.Licensing) {
	stored := Issue(t, s)
	Save(t, s, stored)
	taken := func(r license.SaveRequest) license.SaveRequest {
		r.Lookups[0], r.Lookups[2] = stored.Lookups[0], stored.Lookups[2]
		return r
	}
	known := func(r license.SaveRequest) license.SaveRequest {
		r.Request.Keys = []signing.Lookup{suite.NewKey(), stored.Request.Keys[1]}
		return r
	}
	other := Issue(t, s)
	Save(t, s, other)
	unknown := Issue(t, s)

	refused(t, s, "known request, unknown license, identifier taken",
		known(taken(Later(t, s, unknown, 1))), license.ErrRequestTaken)
	refused(t, s, "known request, stale revision, identifier taken",
		known(taken(Later(t, s, other, 7))), license.ErrRequestTaken)
	refused(t, s, "known request of the license itself",
		known(Later(t, s, stored, 1)), license.ErrRequestTaken)
	refused(t, s, "unknown license, identifier taken", taken(Later(t, s, unknown, 1)), license.ErrNotFound)
	refused(t, s, "stale revision, identifier taken", taken(Later(t, s, other, 7)), license.ErrConflict)
	again := taken(Issue(t, s))
	again.Record.ID, again.Add.License = other.Record.ID, other.Record.ID
	refused(t, s, "new license whose ID is there, identifier taken", again, license.ErrConflict)
}

func endedContext(t *testing.T, s suite.Licensing) {
	r := Issue(t, s)
	before := look(t, s, r)
	ctx := suite.Ended()
	suite.Is(t, "Save", s.Save(ctx, r), context.Canceled)
	suite.Same(t, "what is there", look(t, s, r), before)
	_, _, err := s.Load(ctx, r.Record.ID, 0)
	suite.Is(t, "Load", err, context.Canceled)
	_, err = s.Locate(ctx, license.LookupIdentifier, r.Lookups[0].Keys)
	suite.Is(t, "Locate", err, context.Canceled)
	_, err = s.Search(ctx, license.Query{Limit: 1})
	suite.Is(t, "Search", err, context.Canceled)
	_, err = s.LoadRequest(ctx, r.Request.Keys)
	suite.Is(t, "LoadRequest", err, context.Canceled)
	Save(t, s, r)
}

// eventsWithSave tests that events of changes and others make one history.
func eventsWithSave(t *testing.T, s suite.Licensing) {
	first := Issue(t, s)
	Save(t, s, first)
	read := ledger.Event(first.Record.ID, journal.ActionLicenseRead)
	suite.Must(t, "AppendEvents", s.AppendEvents(t.Context(), read))
	second := Later(t, s, first, 1)
	Save(t, s, second)
	ledger.SameEvents(t, "history", ledger.Listed(t, s, ledger.HistoryOf(first.Record.ID), 2), first.Event, read, second.Event)
}
