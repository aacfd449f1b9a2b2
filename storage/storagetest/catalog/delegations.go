package catalog

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Delegations tests [entry.DelegationStore].
func Delegations(t *testing.T, open suite.Open) {
	s := open(t).Licensing()
	t.Run("RoundTrip", func(t *testing.T) { delegationsRoundTrip(t, s) })
	t.Run("Conflict", func(t *testing.T) { delegationsConflict(t, s) })
	t.Run("Event", func(t *testing.T) {
		s := open(t).Licensing()
		e := ledger.Event("", journal.ActionDelegate)
		e.Version, e.Sealed = 0, nil
		d := newDelegation()
		suite.Must(t, "SaveDelegation", s.SaveDelegation(t.Context(), e, d))
		suite.Is(t, "SaveDelegation again", saveDelegation(t, s, d), entry.ErrConflict)
		got, err := s.ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 10)
		suite.Must(t, "Events", err)
		ledger.SameEvents(t, "events", got, e)
	})
	t.Run("List", func(t *testing.T) { delegationsList(t, open(t).Licensing()) })
	t.Run("Ended", func(t *testing.T) {
		d := newDelegation()
		suite.Is(t, "SaveDelegation", s.SaveDelegation(suite.Ended(), ledger.Event("", journal.ActionDelegate), d), context.Canceled)
		_, err := s.LoadDelegation(t.Context(), d.ID)
		suite.Is(t, "LoadDelegation after that", err, entry.ErrNotFound)
		_, err = s.LoadDelegation(suite.Ended(), d.ID)
		suite.Is(t, "LoadDelegation", err, context.Canceled)
		_, err = s.ListDelegations(suite.Ended(), "", 1)
		suite.Is(t, "ListDelegations", err, context.Canceled)
	})
}

// newDelegation makes a record that isn't stored.
func newDelegation() entry.DelegationRecord {
	d := entry.DelegationRecord{Delegation: entry.Delegation{
		Prefix: party.USCC(suite.NewText()[:18]), Participant: suite.NewText(), Document: "样例函〔2026〕1号", By: "cli", Created: suite.At(0), Updated: suite.At(0),
	}, Auth: []byte("auth")}
	d.ID = string(d.Prefix) + "/" + d.Participant
	return d
}

func saveDelegation(t *testing.T, s entry.DelegationStore, d entry.DelegationRecord) error {
	t.Helper()
	return s.SaveDelegation(t.Context(), ledger.Event("", journal.ActionDelegate), d)
}

func sameDelegation(t *testing.T, s entry.DelegationStore, what string, want entry.DelegationRecord) {
	t.Helper()
	got, err := s.LoadDelegation(t.Context(), want.ID)
	suite.Must(t, "LoadDelegation", err)
	suite.Same(t, what, got, want)
}

func delegationsRoundTrip(t *testing.T, s entry.DelegationStore) {
	d := newDelegation()
	d.Created, d.Updated = suite.Finer, suite.Finer
	suite.Must(t, "SaveDelegation", saveDelegation(t, s, d))
	d.Created, d.Updated, d.Revision = suite.Kept, suite.Kept, 1
	sameDelegation(t, s, "a delegation", d)
	d.Document, d.By, d.Updated, d.Ended, d.Auth, d.Mark = "样例函〔2026〕2号", "another", suite.At(9), suite.At(9), []byte("of 2"), []byte("mark of 2")
	suite.Must(t, "SaveDelegation", saveDelegation(t, s, d))
	d.Revision = 2
	sameDelegation(t, s, "one that ended", d)
	d.Ended, d.Updated, d.Auth, d.Mark = newDelegation().Ended, suite.At(10), []byte("of 3"), []byte("mark of 3")
	suite.Must(t, "SaveDelegation", saveDelegation(t, s, d))
	d.Revision = 3
	sameDelegation(t, s, "one that was given again", d)
	_, err := s.LoadDelegation(t.Context(), string(d.Prefix)+"/another")
	suite.Is(t, "LoadDelegation of another's", err, entry.ErrNotFound)
}

func delegationsConflict(t *testing.T, s entry.DelegationStore) {
	d := newDelegation()
	suite.Must(t, "SaveDelegation", saveDelegation(t, s, d))
	d.Revision = 1
	for _, revision := range []int64{0, 2} {
		wrong := d
		wrong.Revision, wrong.Document, wrong.Mark = revision, "wrong", []byte("wrong")
		suite.Is(t, fmt.Sprint("SaveDelegation of revision ", revision), saveDelegation(t, s, wrong), entry.ErrConflict)
	}
	unknown := newDelegation()
	unknown.Revision = 1
	suite.Is(t, "SaveDelegation of an unknown one", saveDelegation(t, s, unknown), entry.ErrConflict)
	sameDelegation(t, s, "after refusals", d)
	errs := suite.Race(suite.Writers, func(i int) error {
		d := d
		d.Document, d.Mark = fmt.Sprint(i), []byte("mark")
		return saveDelegation(t, s, d)
	})
	d.Document, d.Mark, d.Revision = fmt.Sprint(suite.OneWins(t, "a change of a delegation", errs, entry.ErrConflict)), []byte("mark"), 2
	sameDelegation(t, s, "the winner's", d)
}

func delegationsList(t *testing.T, s entry.DelegationStore) {
	none, err := s.ListDelegations(t.Context(), "", 10)
	suite.Must(t, "ListDelegations", err)
	suite.Same(t, "delegations of an empty database", len(none), 0)
	var want []entry.DelegationRecord
	for i := range 5 {
		d := newDelegation()
		d.ID = fmt.Sprintf("p-%02d/x", i)
		suite.Must(t, "SaveDelegation", saveDelegation(t, s, d))
		d.Revision = 1
		want = append(want, d)
	}
	for _, size := range []int{1, 2, 5, 100} {
		got := suite.Paged(t, size, func(last *entry.DelegationRecord) ([]entry.DelegationRecord, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListDelegations(t.Context(), after, size)
		})
		suite.Same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
}
