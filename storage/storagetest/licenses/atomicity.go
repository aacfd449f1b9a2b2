package licenses

import (
	"errors"
	"slices"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// trace is all that a request would leave in a database, as the stores show it.
type trace struct {
	Versions []license.VersionRecord
	Records  []license.Record
	Located  []license.Located
	Found    [][]license.Record
	Requests []license.Request
	Statuses []credential.StatusValue
	Revision map[int64]int64
	History  []journal.Event
}

// look returns what is there of a request.
func look(t *testing.T, s suite.Licensing, r license.SaveRequest) trace {
	t.Helper()
	ctx := t.Context()
	// found ends the test on errors other than that there is nothing.
	found := func(err error) bool {
		if err != nil && !errors.Is(err, license.ErrNotFound) && !errors.Is(err, status.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	}
	tr := trace{Revision: map[int64]int64{}}
	for v := range r.Record.Version + 1 { // 0 is the newest
		if rec, version, err := s.Load(ctx, r.Record.ID, v); found(err) {
			tr.Records, tr.Versions = append(tr.Records, rec), append(tr.Versions, version)
		}
	}
	for _, row := range r.Lookups {
		for _, key := range row.Keys {
			if row.Kind == license.LookupIdentifier || row.Kind == license.LookupVerification {
				if l, err := s.Locate(ctx, row.Kind, []signing.Lookup{key}); found(err) {
					tr.Located = append(tr.Located, l)
				}
			}
			rs, err := s.Search(ctx, license.Query{Kind: row.Kind, Keys: []signing.Lookup{key}, Limit: 100})
			found(err)
			tr.Found = append(tr.Found, rs)
		}
	}
	if r.Request != nil {
		for _, key := range r.Request.Keys {
			if q, err := s.LoadRequest(ctx, []signing.Lookup{key}); found(err) {
				q.Keys = nil
				tr.Requests = append(tr.Requests, q)
			}
		}
	}
	for _, c := range r.Status {
		if v, err := s.LoadStatus(ctx, c.List, c.Index); found(err) {
			tr.Statuses = append(tr.Statuses, v.Value)
		}
		revision, _, err := s.LoadList(ctx, c.List, -1)
		found(err)
		tr.Revision[c.List] = revision
	}
	var err error
	tr.History, err = s.ListEvents(ctx, ledger.HistoryOf(r.Record.ID), 0, 100)
	found(err)
	return tr
}

// refused checks that a request is refused with an error, nil for any, and that
// nothing of it is there.
func refused(t *testing.T, s suite.Licensing, what string, r license.SaveRequest, want error) {
	t.Helper()
	before := look(t, s, r)
	err := s.Save(t.Context(), r)
	if err == nil {
		t.Errorf("%s: saved, want an error", what)
	}
	if want != nil {
		suite.Is(t, what, err, want)
	}
	suite.Same(t, what+": what is there after the refusal", look(t, s, r), before)
}

// allOrNothing tries requests of which everything is right but one thing.
func allOrNothing(t *testing.T, s suite.Licensing) {
	stored := Issue(t, s)
	// First, that look sees every part of a request, or the rest would prove nothing.
	before := look(t, s, stored)
	Save(t, s, stored)
	after := look(t, s, stored)
	for part, differs := range map[string]bool{
		"versions":      len(after.Versions) == len(before.Versions)+2,
		"records":       len(after.Records) == len(before.Records)+2,
		"identifiers":   len(after.Located) == len(before.Located)+4,
		"searches":      len(slices.Concat(after.Found...)) == 10,
		"requests":      len(after.Requests) == len(before.Requests)+2,
		"statuses":      !slices.Equal(after.Statuses, before.Statuses),
		"list revision": after.Revision[stored.Add.StatusList] > before.Revision[stored.Add.StatusList],
		"history":       len(after.History) == len(before.History)+1,
	} {
		if !differs {
			t.Fatalf("a saved request doesn't show in its %s: before %+v, after %+v", part, before, after)
		}
	}

	t.Run("one thing wrong", func(t *testing.T) { oneThingWrong(t, s, stored) })
	t.Run("a version that is there", func(t *testing.T) {
		next := Later(t, s, stored, 1)
		next.Add.Version = 1
		refused(t, s, "version 1 again", next, nil)
	})
	t.Run("a revision that isn't stored", func(t *testing.T) {
		refused(t, s, "too high", Later(t, s, stored, 2), license.ErrConflict)
		again := stored
		again.Request = nil
		refused(t, s, "a new license whose ID is there", again, license.ErrConflict)
		refused(t, s, "an unknown license", Later(t, s, Issue(t, s), 1), license.ErrNotFound)
	})
}

// oneThingWrong spoils requests in one way each, given a license that is stored.
func oneThingWrong(t *testing.T, s suite.Licensing, stored license.SaveRequest) {
	for _, c := range []struct {
		name  string
		want  error // nil: any
		spoil func(r *license.SaveRequest)
	}{
		{"an identifier of another license", license.ErrIdentifierTaken, func(r *license.SaveRequest) {
			r.Lookups[0].Keys[1] = stored.Lookups[0].Keys[0]
		}},
		{"a verification key of another license", license.ErrIdentifierTaken, func(r *license.SaveRequest) {
			r.Lookups[1].Keys[1] = stored.Lookups[1].Keys[1]
		}},
		{"a number of another license", license.ErrNumberTaken, func(r *license.SaveRequest) {
			r.Lookups[2].Keys[1] = stored.Lookups[2].Keys[1]
		}},
		{"a known request key", license.ErrRequestTaken, func(r *license.SaveRequest) {
			r.Request.Keys[1] = stored.Request.Keys[1]
		}},
		{"a status entry that isn't reserved", nil, func(r *license.SaveRequest) {
			r.Status = append(r.Status, status.Change{List: r.Add.StatusList, Index: credential.StatusListSize - 1, Value: 1})
		}},
		{"a list that isn't there", nil, func(r *license.SaveRequest) {
			r.Status = append(r.Status, status.Change{List: 1 << 40, Index: 1, Value: 1})
		}},
		{"a state of a version that isn't there", nil, func(r *license.SaveRequest) {
			r.States = append(r.States, license.VersionState{Version: 9, State: license.Ended})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fresh := Issue(t, s)
			c.spoil(&fresh)
			refused(t, s, "new license", fresh, c.want)

			first := Issue(t, s)
			Save(t, s, first)
			next := Later(t, s, first, 1)
			c.spoil(&next)
			refused(t, s, "new version", next, c.want)
		})
	}
}
