package storagetest

import (
	"context"
	"fmt"
	"testing"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/journal"
)

// Delegations tests [entry.DelegationStore].
func Delegations(t *testing.T, open Open) {
	s := open(t).licensing()
	t.Run("RoundTrip", func(t *testing.T) { delegationsRoundTrip(t, s) })
	t.Run("Conflict", func(t *testing.T) { delegationsConflict(t, s) })
	t.Run("Event", func(t *testing.T) {
		s := open(t).licensing()
		e := event("", journal.ActionDelegate)
		e.Version, e.Sealed = 0, nil
		d := newDelegation()
		must(t, "SaveDelegation", s.SaveDelegation(t.Context(), e, d))
		is(t, "SaveDelegation again", saveDelegation(t, s, d), entry.ErrConflict)
		got, err := s.ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 10)
		must(t, "Events", err)
		sameEvents(t, "events", got, e)
	})
	t.Run("List", func(t *testing.T) { delegationsList(t, open(t).licensing()) })
	t.Run("Ended", func(t *testing.T) {
		d := newDelegation()
		is(t, "SaveDelegation", s.SaveDelegation(ended(), event("", journal.ActionDelegate), d), context.Canceled)
		_, err := s.LoadDelegation(t.Context(), d.ID)
		is(t, "LoadDelegation after that", err, entry.ErrNotFound)
		_, err = s.LoadDelegation(ended(), d.ID)
		is(t, "LoadDelegation", err, context.Canceled)
		_, err = s.ListDelegations(ended(), "", 1)
		is(t, "ListDelegations", err, context.Canceled)
	})
}

// newDelegation makes a record that isn't stored.
func newDelegation() entry.DelegationRecord {
	d := entry.DelegationRecord{Delegation: entry.Delegation{
		Prefix: party.USCC(newText()[:18]), Participant: newText(), Document: "样例函〔2026〕1号", By: "cli", Created: at(0), Updated: at(0),
	}, Auth: []byte("auth")}
	d.ID = string(d.Prefix) + "/" + d.Participant
	return d
}

func saveDelegation(t *testing.T, s entry.DelegationStore, d entry.DelegationRecord) error {
	t.Helper()
	return s.SaveDelegation(t.Context(), event("", journal.ActionDelegate), d)
}

func sameDelegation(t *testing.T, s entry.DelegationStore, what string, want entry.DelegationRecord) {
	t.Helper()
	got, err := s.LoadDelegation(t.Context(), want.ID)
	must(t, "LoadDelegation", err)
	same(t, what, got, want)
}

func delegationsRoundTrip(t *testing.T, s entry.DelegationStore) {
	d := newDelegation()
	d.Created, d.Updated = finer, finer
	must(t, "SaveDelegation", saveDelegation(t, s, d))
	d.Created, d.Updated, d.Revision = kept, kept, 1
	sameDelegation(t, s, "a delegation", d)
	d.Document, d.By, d.Updated, d.Ended, d.Auth, d.Mark = "样例函〔2026〕2号", "another", at(9), at(9), []byte("of 2"), []byte("mark of 2")
	must(t, "SaveDelegation", saveDelegation(t, s, d))
	d.Revision = 2
	sameDelegation(t, s, "one that ended", d)
	d.Ended, d.Updated, d.Auth, d.Mark = newDelegation().Ended, at(10), []byte("of 3"), []byte("mark of 3")
	must(t, "SaveDelegation", saveDelegation(t, s, d))
	d.Revision = 3
	sameDelegation(t, s, "one that was given again", d)
	_, err := s.LoadDelegation(t.Context(), string(d.Prefix)+"/another")
	is(t, "LoadDelegation of another's", err, entry.ErrNotFound)
}

func delegationsConflict(t *testing.T, s entry.DelegationStore) {
	d := newDelegation()
	must(t, "SaveDelegation", saveDelegation(t, s, d))
	d.Revision = 1
	for _, revision := range []int64{0, 2} {
		wrong := d
		wrong.Revision, wrong.Document, wrong.Mark = revision, "wrong", []byte("wrong")
		is(t, fmt.Sprint("SaveDelegation of revision ", revision), saveDelegation(t, s, wrong), entry.ErrConflict)
	}
	unknown := newDelegation()
	unknown.Revision = 1
	is(t, "SaveDelegation of an unknown one", saveDelegation(t, s, unknown), entry.ErrConflict)
	sameDelegation(t, s, "after refusals", d)
	errs := race(Writers, func(i int) error {
		d := d
		d.Document, d.Mark = fmt.Sprint(i), []byte("mark")
		return saveDelegation(t, s, d)
	})
	d.Document, d.Mark, d.Revision = fmt.Sprint(oneWins(t, "a change of a delegation", errs, entry.ErrConflict)), []byte("mark"), 2
	sameDelegation(t, s, "the winner's", d)
}

func delegationsList(t *testing.T, s entry.DelegationStore) {
	none, err := s.ListDelegations(t.Context(), "", 10)
	must(t, "ListDelegations", err)
	same(t, "delegations of an empty database", len(none), 0)
	var want []entry.DelegationRecord
	for i := range 5 {
		d := newDelegation()
		d.ID = fmt.Sprintf("p-%02d/x", i)
		must(t, "SaveDelegation", saveDelegation(t, s, d))
		d.Revision = 1
		want = append(want, d)
	}
	for _, size := range []int{1, 2, 5, 100} {
		got := paged(t, size, func(last *entry.DelegationRecord) ([]entry.DelegationRecord, error) {
			after := ""
			if last != nil {
				after = last.ID
			}
			return s.ListDelegations(t.Context(), after, size)
		})
		same(t, fmt.Sprintf("pages of %d", size), got, want)
	}
}
