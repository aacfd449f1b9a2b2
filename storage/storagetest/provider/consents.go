package provider

import (
	"context"
	"slices"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// NewConsent makes a consent of a party that isn't stored.
func NewConsent(party ...signing.Lookup) consent.Record {
	return consent.Record{ID: suite.NewText(), Client: suite.NewText(), Created: suite.At(0), Expires: suite.At(600), Body: []byte("sealed"), Party: party}
}

// EndedAll are consents that end, with their registers.
func EndedAll(ids ...string) (all []consent.Ended) {
	for _, id := range ids {
		all = append(all, consent.Ended{ID: id, Mark: []byte("a register of " + id)})
	}
	return all
}

// Consents tests [consent.Store].
func Consents(t *testing.T, open suite.Open) {
	s := open(t).Provider
	list := func(t *testing.T, when time.Time, limit int, keys ...signing.Lookup) []consent.Record {
		t.Helper()
		found, err := s.ListConsents(t.Context(), keys, when, limit)
		suite.Must(t, "ListConsents", err)
		return found
	}
	ids := func(cs []consent.Record) []string {
		names := make([]string, len(cs))
		for i, c := range cs {
			names[i] = c.ID
		}
		return names
	}
	t.Run("Create", func(t *testing.T) {
		key, old := suite.NewKey(), suite.NewKeyOf(2)
		c := NewConsent(key, old)
		c.Created, c.Body = suite.Finer, nil
		suite.Must(t, "CreateConsent", s.CreateConsent(t.Context(), c, nil))
		want := c
		want.Created, want.Party = suite.Kept, nil
		suite.Same(t, "by one key", list(t, suite.At(0), 10, key), []consent.Record{want})
		suite.Same(t, "by both keys", list(t, suite.At(0), 10, old, key), []consent.Record{want})
		suite.Same(t, "by another key", len(list(t, suite.At(0), 10, suite.NewKey(), signing.Lookup{Serial: 7, Sum: key.Sum})), 0)
		suite.Same(t, "by none", len(list(t, suite.At(0), 10)), 0)
		suite.Same(t, "none wanted", len(list(t, suite.At(0), 0, key)), 0)
		suite.Same(t, "when it expires", len(list(t, suite.At(600), 10, key)), 0)
		again := NewConsent(key)
		again.ID = c.ID
		suite.Is(t, "CreateConsent again", s.CreateConsent(t.Context(), again, EndedAll(c.ID)), oidc.ErrExists)
		suite.Same(t, "after that", list(t, suite.At(0), 10, key), []consent.Record{want})
	})
	t.Run("Order", func(t *testing.T) {
		key := suite.NewKey()
		var want []string
		for i := range 4 {
			c := NewConsent(key)
			c.Created = suite.At(i / 2)
			suite.Must(t, "CreateConsent", s.CreateConsent(t.Context(), c, nil))
			want = append(want, c.ID)
		}
		newer, older := want[2:], want[:2]
		slices.Sort(newer)
		slices.Sort(older)
		slices.Reverse(newer)
		slices.Reverse(older)
		want = append(slices.Clone(newer), older...)
		suite.Same(t, "order", ids(list(t, suite.At(0), 10, key)), want)
		suite.Same(t, "the first three", ids(list(t, suite.At(0), 3, key)), want[:3])
	})
	t.Run("Instead", func(t *testing.T) {
		key := suite.NewKey()
		a, b, other := NewConsent(key), NewConsent(key), NewConsent(key)
		suite.Must(t, "CreateConsent", s.CreateConsent(t.Context(), a, nil))
		suite.Must(t, "CreateConsent", s.CreateConsent(t.Context(), other, nil))
		suite.Must(t, "CreateConsent instead", s.CreateConsent(t.Context(), b, EndedAll(a.ID, suite.NewText())))
		want := []string{b.ID, other.ID}
		slices.Sort(want)
		slices.Reverse(want)
		suite.Same(t, "what is left", ids(list(t, suite.At(0), 10, key)), want)
		suite.Must(t, "DeleteConsents", s.DeleteConsents(t.Context(), EndedAll(b.ID, other.ID, suite.NewText())))
		suite.Must(t, "DeleteConsents again", s.DeleteConsents(t.Context(), EndedAll(b.ID)))
		suite.Must(t, "DeleteConsents of none", s.DeleteConsents(t.Context(), nil))
		suite.Same(t, "what is left", len(list(t, suite.At(0), 10, key)), 0)
		suite.Is(t, "CreateConsent of one that was deleted", s.CreateConsent(t.Context(), a, nil), oidc.ErrExists)
		suite.Same(t, "what is left", len(list(t, suite.At(0), 10, key)), 0)
	})
	t.Run("Events", func(t *testing.T) { consentEvents(t, open(t)) })
	t.Run("Ended", func(t *testing.T) {
		key := suite.NewKey()
		c := NewConsent(key)
		suite.Is(t, "CreateConsent", s.CreateConsent(suite.Ended(), c, nil), context.Canceled)
		suite.Same(t, "what is there", len(list(t, suite.At(0), 10, key)), 0)
		suite.Must(t, "CreateConsent", s.CreateConsent(t.Context(), c, nil))
		suite.Is(t, "DeleteConsents", s.DeleteConsents(suite.Ended(), EndedAll(c.ID)), context.Canceled)
		_, err := s.ListConsents(suite.Ended(), []signing.Lookup{key}, suite.At(0), 10)
		suite.Is(t, "ListConsents", err, context.Canceled)
		suite.Same(t, "what is there", ids(list(t, suite.At(0), 10, key)), []string{c.ID})
	})
}

// consentEvents tests that events come with what they tell of, or not at all.
func consentEvents(t *testing.T, d suite.Database) {
	s := d.Provider
	key := suite.NewKey()
	c := NewConsent(key)
	suite.Must(t, "CreateConsent", s.CreateConsent(t.Context(), c, nil, ledger.ProviderEvent()))
	again := NewConsent(key)
	again.ID = c.ID
	suite.Is(t, "CreateConsent again", s.CreateConsent(t.Context(), again, nil, ledger.ProviderEvent()), oidc.ErrExists)
	suite.Must(t, "DeleteConsents", s.DeleteConsents(t.Context(), EndedAll(c.ID), ledger.ProviderEvent()))
	suite.Same(t, "events", len(ledger.Listed(t, d.Journal, journal.Stream{Log: journal.Provider}, 10)), 2)
}
