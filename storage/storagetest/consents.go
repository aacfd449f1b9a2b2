package storagetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

func newConsent(party ...signing.Lookup) consent.Record {
	return consent.Record{ID: newText(), Client: newText(), Created: at(0), Expires: at(600), Body: []byte("sealed"), Party: party}
}

// endedAll are consents that end, with their registers.
func endedAll(ids ...string) (all []consent.Ended) {
	for _, id := range ids {
		all = append(all, consent.Ended{ID: id, Mark: []byte("a register of " + id)})
	}
	return all
}

// Consents tests [consent.Store].
func Consents(t *testing.T, open Open) {
	s := open(t).Provider
	list := func(t *testing.T, when time.Time, limit int, keys ...signing.Lookup) []consent.Record {
		t.Helper()
		found, err := s.ListConsents(t.Context(), keys, when, limit)
		must(t, "ListConsents", err)
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
		key, old := newKey(), newKeyOf(2)
		c := newConsent(key, old)
		c.Created, c.Body = finer, nil
		must(t, "CreateConsent", s.CreateConsent(t.Context(), c, nil))
		want := c
		want.Created, want.Party = kept, nil
		same(t, "by one key", list(t, at(0), 10, key), []consent.Record{want})
		same(t, "by both keys", list(t, at(0), 10, old, key), []consent.Record{want})
		same(t, "by another key", len(list(t, at(0), 10, newKey(), signing.Lookup{Serial: 7, Sum: key.Sum})), 0)
		same(t, "by none", len(list(t, at(0), 10)), 0)
		same(t, "none wanted", len(list(t, at(0), 0, key)), 0)
		same(t, "when it expires", len(list(t, at(600), 10, key)), 0)
		again := newConsent(key)
		again.ID = c.ID
		is(t, "CreateConsent again", s.CreateConsent(t.Context(), again, endedAll(c.ID)), oidc.ErrExists)
		same(t, "after that", list(t, at(0), 10, key), []consent.Record{want})
	})
	t.Run("Order", func(t *testing.T) {
		key := newKey()
		var want []string
		for i := range 4 {
			c := newConsent(key)
			c.Created = at(i / 2)
			must(t, "CreateConsent", s.CreateConsent(t.Context(), c, nil))
			want = append(want, c.ID)
		}
		newer, older := want[2:], want[:2]
		slices.Sort(newer)
		slices.Sort(older)
		slices.Reverse(newer)
		slices.Reverse(older)
		want = append(slices.Clone(newer), older...)
		same(t, "order", ids(list(t, at(0), 10, key)), want)
		same(t, "the first three", ids(list(t, at(0), 3, key)), want[:3])
	})
	t.Run("Instead", func(t *testing.T) {
		key := newKey()
		a, b, other := newConsent(key), newConsent(key), newConsent(key)
		must(t, "CreateConsent", s.CreateConsent(t.Context(), a, nil))
		must(t, "CreateConsent", s.CreateConsent(t.Context(), other, nil))
		must(t, "CreateConsent instead", s.CreateConsent(t.Context(), b, endedAll(a.ID, newText())))
		want := []string{b.ID, other.ID}
		slices.Sort(want)
		slices.Reverse(want)
		same(t, "what is left", ids(list(t, at(0), 10, key)), want)
		must(t, "DeleteConsents", s.DeleteConsents(t.Context(), endedAll(b.ID, other.ID, newText())))
		must(t, "DeleteConsents again", s.DeleteConsents(t.Context(), endedAll(b.ID)))
		must(t, "DeleteConsents of none", s.DeleteConsents(t.Context(), nil))
		same(t, "what is left", len(list(t, at(0), 10, key)), 0)
		is(t, "CreateConsent of one that was deleted", s.CreateConsent(t.Context(), a, nil), oidc.ErrExists)
		same(t, "what is left", len(list(t, at(0), 10, key)), 0)
	})
	t.Run("Events", func(t *testing.T) { consentEvents(t, open(t)) })
	t.Run("Ended", func(t *testing.T) {
		key := newKey()
		c := newConsent(key)
		is(t, "CreateConsent", s.CreateConsent(ended(), c, nil), context.Canceled)
		same(t, "what is there", len(list(t, at(0), 10, key)), 0)
		must(t, "CreateConsent", s.CreateConsent(t.Context(), c, nil))
		is(t, "DeleteConsents", s.DeleteConsents(ended(), endedAll(c.ID)), context.Canceled)
		_, err := s.ListConsents(ended(), []signing.Lookup{key}, at(0), 10)
		is(t, "ListConsents", err, context.Canceled)
		same(t, "what is there", ids(list(t, at(0), 10, key)), []string{c.ID})
	})
}

// consentEvents tests that events come with what they tell of, or not at all.
func consentEvents(t *testing.T, d Database) {
	s := d.Provider
	key := newKey()
	c := newConsent(key)
	must(t, "CreateConsent", s.CreateConsent(t.Context(), c, nil, providerEvent()))
	again := newConsent(key)
	again.ID = c.ID
	is(t, "CreateConsent again", s.CreateConsent(t.Context(), again, nil, providerEvent()), oidc.ErrExists)
	must(t, "DeleteConsents", s.DeleteConsents(t.Context(), endedAll(c.ID), providerEvent()))
	same(t, "events", len(listed(t, d.Journal, journal.Stream{Log: journal.Provider}, 10)), 2)
}
