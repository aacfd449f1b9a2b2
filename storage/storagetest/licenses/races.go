package licenses

import (
	"fmt"
	"slices"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// races lets savers race for what only one of them may have.
func races(t *testing.T, s suite.Licensing) {
	contest := func(name string, want error, prepare func(rs []license.SaveRequest)) {
		t.Run(name, func(t *testing.T) { raceForOne(t, s, want, prepare) })
	}
	contest("RequestKey", license.ErrRequestTaken, func(rs []license.SaveRequest) {
		for i := range rs {
			rs[i].Request.Keys = rs[0].Request.Keys
		}
	})
	contest("SecondRequestKey", license.ErrRequestTaken, func(rs []license.SaveRequest) {
		// While lookup keys rotate, some write the old key first and some the new one.
		for i := range rs {
			rs[i].Request.Keys = slices.Clone(rs[0].Request.Keys)
			if i%2 == 1 {
				slices.Reverse(rs[i].Request.Keys)
			}
		}
	})
	contest("Identifier", license.ErrIdentifierTaken, func(rs []license.SaveRequest) {
		for i := range rs {
			Row(rs[i], license.LookupIdentifier).Keys[1] = Row(rs[0], license.LookupIdentifier).Keys[1]
		}
	})
	contest("Verification", license.ErrIdentifierTaken, func(rs []license.SaveRequest) {
		for i := range rs {
			Row(rs[i], license.LookupVerification).Keys[0] = Row(rs[0], license.LookupVerification).Keys[0]
		}
	})
	contest("Number", license.ErrNumberTaken, func(rs []license.SaveRequest) {
		for i := range rs {
			Row(rs[i], license.LookupNumber).Keys = Row(rs[0], license.LookupNumber).Keys
		}
	})
	t.Run("Revision", func(t *testing.T) { raceRevision(t, s) })
	t.Run("SharedNumber", func(t *testing.T) { raceShared(t, s) })
	t.Run("Writers", func(t *testing.T) { parallelWriters(t, s) })
}

// raceForOne lets new licenses be saved at once, of which one can be: the others
// leave nothing.
func raceForOne(t *testing.T, s suite.Licensing, want error, prepare func(rs []license.SaveRequest)) {
	rs := make([]license.SaveRequest, suite.Writers)
	for i := range rs {
		rs[i] = Issue(t, s)
	}
	prepare(rs)
	errs := suite.Race(suite.Writers, func(i int) error { return s.Save(t.Context(), rs[i]) })
	winner := suite.OneWins(t, "saving", errs, want)
	for i, r := range rs {
		_, _, err := s.Load(t.Context(), r.Record.ID, 0)
		h, herr := s.ListEvents(t.Context(), ledger.HistoryOf(r.Record.ID), 0, 10)
		suite.Must(t, "History", herr)
		status, serr := s.LoadStatus(t.Context(), r.Status[0].List, r.Status[0].Index)
		suite.Must(t, "LoadStatus", serr)
		if i == winner {
			suite.Must(t, "the winner's license", err)
			suite.Same(t, "the winner's status", status.Value, credential.StatusSuspended)
			continue
		}
		suite.Is(t, "a loser's license", err, license.ErrNotFound)
		suite.Same(t, "a loser's history", len(h), 0)
		suite.Same(t, "a loser's status", status.Value, credential.StatusValid)
	}
}

func raceRevision(t *testing.T, s suite.Licensing) {
	first := Issue(t, s)
	Save(t, s, first)
	rs := make([]license.SaveRequest, suite.Writers)
	for i := range rs {
		rs[i] = Later(t, s, first, 1)
		rs[i].Add.Body = fmt.Appendf(nil, "body of %d", i)
	}
	errs := suite.Race(suite.Writers, func(i int) error { return s.Save(t.Context(), rs[i]) })
	winner := suite.OneWins(t, "a change of revision 1", errs, license.ErrConflict)
	rec, v, err := s.Load(t.Context(), first.Record.ID, 0)
	suite.Must(t, "Load", err)
	suite.Same(t, "revision", rec.Revision, 2)
	suite.Same(t, "version", v, *rs[winner].Add)
	h, err := s.ListEvents(t.Context(), ledger.HistoryOf(first.Record.ID), 0, 100)
	suite.Must(t, "History", err)
	if len(h) != 2 {
		t.Errorf("history has %d events, want 2", len(h))
	}
}

func raceShared(t *testing.T, s suite.Licensing) {
	number := license.LookupRow{Kind: license.LookupNumber, Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}}
	holder := license.LookupRow{Kind: license.LookupHolder, Keys: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)}}
	rs := make([]license.SaveRequest, suite.Writers)
	for i := range rs {
		rs[i] = Issue(t, s)
		rs[i].Lookups[2], rs[i].Lookups[3] = number, holder
	}
	for _, err := range suite.Race(suite.Writers, func(i int) error { return s.Save(t.Context(), rs[i]) }) {
		suite.Must(t, "Save with a shared number", err)
	}
	for _, row := range []license.LookupRow{number, holder} {
		found, err := s.Search(t.Context(), license.Query{Kind: row.Kind, Keys: row.Keys, Limit: 2 * suite.Writers})
		suite.Must(t, "Search", err)
		suite.Same(t, "licenses found by "+string(row.Kind), len(found), suite.Writers)
	}
}

// parallelWriters lets everyone save licenses of their own, which all arrive.
func parallelWriters(t *testing.T, s suite.Licensing) {
	const each = 5
	rs := make([][]license.SaveRequest, suite.Writers)
	for i := range rs {
		for range each {
			rs[i] = append(rs[i], Issue(t, s))
		}
	}
	errs := suite.Race(suite.Writers, func(i int) error {
		for _, r := range rs[i] {
			if err := s.Save(t.Context(), r); err != nil {
				return err
			}
			// What was answered is there for everyone at once.
			if _, _, err := s.Load(t.Context(), r.Record.ID, 0); err != nil {
				return fmt.Errorf("loading what was saved: %w", err)
			}
			c := license.SaveRequest{Record: r.Record, Event: ledger.Event(r.Record.ID, journal.ActionLicenseSuspend)}
			c.Record.Revision, c.Record.State = 1, license.Suspended
			c.States = []license.VersionState{{Version: 1, State: license.Suspended}}
			if err := s.Save(t.Context(), c); err != nil {
				return err
			}
		}
		return nil
	})
	seen := map[int64]bool{}
	for i, err := range errs {
		suite.Must(t, "a writer", err)
		for _, r := range rs[i] {
			rec, v, err := s.Load(t.Context(), r.Record.ID, 0)
			suite.Must(t, "Load", err)
			suite.Same(t, "revision", rec.Revision, 2)
			suite.Same(t, "state", v.State, license.Suspended)
			h, err := s.ListEvents(t.Context(), ledger.HistoryOf(r.Record.ID), 0, 10)
			suite.Must(t, "History", err)
			if len(h) != 2 || h[0].Seq >= h[1].Seq || seen[h[0].Seq] || seen[h[1].Seq] {
				t.Fatalf("history's events have the wrong numbers: %+v", h)
			}
			seen[h[0].Seq], seen[h[1].Seq] = true, true
		}
	}
}
