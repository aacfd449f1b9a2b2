// Package provider has the suites of sign-on: clients, sessions, families of tokens, what is spent, and
// consents.
package provider

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/suite"
)

// Sessions tests [session.Store].
func Sessions(t *testing.T, open suite.Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { sessionsRoundTrip(t, s) })
	t.Run("Exists", func(t *testing.T) { sessionsExist(t, s) })
	t.Run("Update", func(t *testing.T) { sessionsUpdate(t, s) })
	t.Run("Cookie", func(t *testing.T) { sessionsCookie(t, s) })
	t.Run("Events", func(t *testing.T) { sessionsEvents(t, open(t)) })
	t.Run("Race", func(t *testing.T) { sessionsRace(t, s) })
	t.Run("List", func(t *testing.T) { sessionsList(t, s) })
	t.Run("Ended", func(t *testing.T) {
		n := NewSession()
		suite.Is(t, "CreateSession", s.CreateSession(suite.Ended(), n), context.Canceled)
		_, err := s.LoadSession(t.Context(), n.ID)
		suite.Is(t, "LoadSession after that", err, oidc.ErrNotFound)
		_, err = s.LoadSession(suite.Ended(), n.ID)
		suite.Is(t, "LoadSession", err, context.Canceled)
		_, err = s.FindSession(suite.Ended(), n.Cookie)
		suite.Is(t, "FindSession", err, context.Canceled)
		suite.Is(t, "UpdateSession", s.UpdateSession(suite.Ended(), n), context.Canceled)
		_, err = s.ListSessions(suite.Ended(), n.Party, suite.At(0), 1)
		suite.Is(t, "ListSessions", err, context.Canceled)
	})
}

// NewSession makes a record of a session that isn't stored.
func NewSession() session.Record {
	return session.Record{
		ID: suite.NewText(), Cookie: suite.NewHash(), Created: suite.At(0), Seen: suite.At(1), Expires: suite.At(8 * 3600), Body: []byte("sealed session"),
		Party: []signing.Lookup{suite.NewKey(), suite.NewKeyOf(2)},
	}
}

// CreateSession stores a session, and returns it as it is stored.
func CreateSession(t *testing.T, s session.Store, n session.Record) session.Record {
	t.Helper()
	suite.Must(t, "CreateSession", s.CreateSession(t.Context(), n))
	n.Revision = 1
	return n
}

// SameSession compares the stored session, by ID and by cookie.
func SameSession(t *testing.T, s session.Store, what string, want session.Record) {
	t.Helper()
	want.Party = nil
	got, err := s.LoadSession(t.Context(), want.ID)
	suite.Must(t, what+": LoadSession", err)
	suite.Same(t, what, got, want)
	got, err = s.FindSession(t.Context(), want.Cookie)
	suite.Must(t, what+": FindSession", err)
	suite.Same(t, what+", found by its cookie", got, want)
}

func sessionsRoundTrip(t *testing.T, s session.Store) {
	n := NewSession()
	n.Revision = 9 // a new one has revision 1, whatever is said
	n.Created, n.Seen, n.Expires, n.Ended = suite.Finer, suite.Finer, suite.Finer, suite.Finer
	n = CreateSession(t, s, n)
	n.Created, n.Seen, n.Expires, n.Ended = suite.Kept, suite.Kept, suite.Kept, suite.Kept
	SameSession(t, s, "a session", n)

	zero := session.Record{ID: suite.NewText(), Cookie: suite.NewHash(), Body: []byte{}}
	SameSession(t, s, "one that says nothing", CreateSession(t, s, zero))
	zero = session.Record{ID: suite.NewText(), Cookie: suite.NewHash()}
	SameSession(t, s, "one without a body", CreateSession(t, s, zero))

	_, err := s.LoadSession(t.Context(), suite.NewText())
	suite.Is(t, "an unknown ID", err, oidc.ErrNotFound)
	_, err = s.LoadSession(t.Context(), "")
	suite.Is(t, "no ID", err, oidc.ErrNotFound)
	_, err = s.FindSession(t.Context(), suite.NewHash())
	suite.Is(t, "an unknown cookie", err, oidc.ErrNotFound)
}

func sessionsExist(t *testing.T, s session.Store) {
	n := CreateSession(t, s, NewSession())
	twin := NewSession()
	twin.ID = n.ID
	suite.Is(t, "an ID again", s.CreateSession(t.Context(), twin), oidc.ErrExists)
	_, err := s.FindSession(t.Context(), twin.Cookie)
	suite.Is(t, "FindSession after that", err, oidc.ErrNotFound)
	noneListed(t, s, twin)
	twin = NewSession()
	twin.Cookie = n.Cookie
	suite.Is(t, "a cookie again", s.CreateSession(t.Context(), twin), oidc.ErrExists)
	_, err = s.LoadSession(t.Context(), twin.ID)
	suite.Is(t, "LoadSession after that", err, oidc.ErrNotFound)
	noneListed(t, s, twin)
	SameSession(t, s, "the session that is there", n)
}

func noneListed(t *testing.T, s session.Store, n session.Record) {
	t.Helper()
	listed, err := s.ListSessions(t.Context(), n.Party, suite.At(0), 10)
	suite.Must(t, "ListSessions", err)
	suite.Same(t, "sessions of a refused one's party", len(listed), 0)
}

func sessionsUpdate(t *testing.T, s session.Store) {
	n := CreateSession(t, s, NewSession())
	n.Seen, n.Expires, n.Ended, n.Body = suite.Finer, suite.Finer, suite.Finer, nil
	suite.Must(t, "UpdateSession", s.UpdateSession(t.Context(), n))
	n.Revision, n.Seen, n.Expires, n.Ended = 2, suite.Kept, suite.Kept, suite.Kept
	SameSession(t, s, "an updated session", n)
	n.Ended, n.Body = time.Time{}, []byte("live again")
	suite.Must(t, "UpdateSession", s.UpdateSession(t.Context(), n))
	n.Revision = 3
	SameSession(t, s, "one that lives again", n)

	for _, revision := range []int64{0, 1, 2, 4} {
		wrong := n
		wrong.Revision, wrong.Body, wrong.Cookie = revision, []byte("wrong"), suite.NewHash()
		suite.Is(t, fmt.Sprint("UpdateSession of revision ", revision), s.UpdateSession(t.Context(), wrong), oidc.ErrConflict)
		_, err := s.FindSession(t.Context(), wrong.Cookie)
		suite.Is(t, "FindSession by its cookie", err, oidc.ErrNotFound)
	}
	unknown := NewSession()
	unknown.Revision = 1
	suite.Is(t, "UpdateSession of an unknown one", s.UpdateSession(t.Context(), unknown), oidc.ErrConflict)
	SameSession(t, s, "the session after refusals", n)

	moved := n
	moved.Created, moved.Party = suite.At(77), []signing.Lookup{suite.NewKey()}
	suite.Must(t, "UpdateSession", s.UpdateSession(t.Context(), moved))
	n.Revision = 4
	SameSession(t, s, "the session after its creation was to change", n)
	listed, err := s.ListSessions(t.Context(), moved.Party, suite.Kept.Add(-1), 10)
	suite.Must(t, "ListSessions", err)
	suite.Same(t, "sessions of another party that it was to have", len(listed), 0)
}

// sessionsCookie gives sessions other cookies, as a step up does.
func sessionsCookie(t *testing.T, s session.Store) {
	n := CreateSession(t, s, NewSession())
	old := n.Cookie
	n.Cookie = suite.NewHash()
	suite.Must(t, "UpdateSession", s.UpdateSession(t.Context(), n))
	n.Revision = 2
	SameSession(t, s, "with another cookie", n)
	_, err := s.FindSession(t.Context(), old)
	suite.Is(t, "FindSession by the cookie before", err, oidc.ErrNotFound)

	other := CreateSession(t, s, NewSession())
	thief := other
	thief.Cookie = n.Cookie
	suite.Is(t, "a cookie that is another session's", s.UpdateSession(t.Context(), thief), oidc.ErrExists)
	SameSession(t, s, "the one whose cookie it is", n)
	SameSession(t, s, "the other one", other)

	other.Cookie = old
	suite.Must(t, "a cookie that is free again", s.UpdateSession(t.Context(), other))
	other.Revision = 2
	SameSession(t, s, "with a cookie that was another's", other)
}

// sessionsEvents holds events to the fate of what they tell of.
func sessionsEvents(t *testing.T, d suite.Database) {
	s := d.Provider
	ctx := t.Context()
	events := []journal.Event{ledger.ProviderEvent(), ledger.ProviderEvent(), ledger.ProviderEvent(), ledger.ProviderEvent()}
	n := NewSession()
	suite.Must(t, "CreateSession", s.CreateSession(ctx, n, events[0], events[1]))
	suite.Is(t, "CreateSession again", s.CreateSession(ctx, n, ledger.ProviderEvent()), oidc.ErrExists)
	suite.Is(t, "UpdateSession", s.UpdateSession(ctx, n, ledger.ProviderEvent()), oidc.ErrConflict)
	n.Revision = 1
	suite.Must(t, "UpdateSession", s.UpdateSession(ctx, n, events[2]))
	other := NewSession()
	suite.Must(t, "CreateSession", s.CreateSession(ctx, other, events[3]))
	other.Revision, other.Cookie = 1, n.Cookie
	suite.Is(t, "UpdateSession with another's cookie", s.UpdateSession(ctx, other, ledger.ProviderEvent()), oidc.ErrExists)
	suite.Is(t, "UpdateSession with an ended context", s.UpdateSession(suite.Ended(), n, ledger.ProviderEvent()), context.Canceled)
	ledger.SameProviderEvents(t, d.Journal, events)
}

func sessionsRace(t *testing.T, s session.Store) {
	// One cookie for many new sessions.
	ns := make([]session.Record, suite.Writers)
	cookie := suite.NewHash()
	for i := range ns {
		ns[i] = NewSession()
		ns[i].Cookie = cookie
	}
	errs := suite.Race(suite.Writers, func(i int) error { return s.CreateSession(t.Context(), ns[i]) })
	n := ns[suite.OneWins(t, "a cookie", errs, oidc.ErrExists)]
	n.Revision = 1
	SameSession(t, s, "the winner", n)

	// Many changes of one revision, half of them with cookies of their own.
	for i := range ns {
		ns[i] = n
		ns[i].Body = fmt.Append(nil, "body of ", i)
		if i%2 == 1 {
			ns[i].Cookie = suite.NewHash()
		}
	}
	errs = suite.Race(suite.Writers, func(i int) error { return s.UpdateSession(t.Context(), ns[i]) })
	winner := suite.OneWins(t, "an update", errs, oidc.ErrConflict)
	n = ns[winner]
	n.Revision = 2
	SameSession(t, s, "the winner", n)
	for i := range ns {
		if ns[i].Cookie != n.Cookie {
			_, err := s.FindSession(t.Context(), ns[i].Cookie)
			suite.Is(t, "FindSession by a loser's cookie", err, oidc.ErrNotFound)
		}
	}

	// Many sessions that step up to one cookie.
	cookie = suite.NewHash()
	for i := range ns {
		ns[i] = CreateSession(t, s, NewSession())
		ns[i].Cookie = cookie
	}
	errs = suite.Race(suite.Writers, func(i int) error { return s.UpdateSession(t.Context(), ns[i]) })
	n = ns[suite.OneWins(t, "stepping up to one cookie", errs, oidc.ErrExists)]
	n.Revision = 2
	SameSession(t, s, "the winner", n)
}

func sessionsList(t *testing.T, s session.Store) {
	ctx := t.Context()
	old, new := suite.NewKey(), suite.NewKeyOf(2)
	var want []session.Record // newest first
	for i, keys := range [][]signing.Lookup{{old}, {old, new}, {old, new}, {new}, {new, old, new}} {
		n := NewSession()
		n.Party, n.Created = keys, suite.At(i/2) // two were made at the same time
		n.ID = fmt.Sprintf("%d%s", i, n.ID)
		n = CreateSession(t, s, n)
		n.Party = nil
		want = slices.Insert(want, 0, n)
	}
	for name, spoil := range map[string]func(*session.Record){
		"one that has ended":      func(n *session.Record) { n.Ended = suite.At(99) },
		"one that expires then":   func(n *session.Record) { n.Expires = suite.At(100) },
		"one that expired before": func(n *session.Record) { n.Expires = suite.At(50) },
		"another party's":         func(n *session.Record) { n.Party = []signing.Lookup{suite.NewKey(), {Serial: 2, Sum: old.Sum}} },
	} {
		n := NewSession()
		n.ID, n.Party = "99"+n.ID, []signing.Lookup{old, new}
		spoil(&n)
		suite.Must(t, name, s.CreateSession(ctx, n))
	}
	list := func(limit int, keys ...signing.Lookup) []session.Record {
		t.Helper()
		got, err := s.ListSessions(ctx, keys, suite.At(100), limit)
		suite.Must(t, "ListSessions", err)
		return got
	}
	suite.Same(t, "by both keys", list(10, old, new), want)
	suite.Same(t, "by both keys, the other way round", list(10, new, old), want)
	suite.Same(t, "by the older key", list(10, old), []session.Record{want[0], want[2], want[3], want[4]})
	suite.Same(t, "by the newer key", list(10, new), want[:4])
	for limit := range 7 {
		got := list(limit, old, new)
		suite.Same(t, fmt.Sprint("up to ", limit), len(got), min(limit, 5))
		for i := range got {
			suite.Same(t, fmt.Sprint("up to ", limit), got[i], want[i])
		}
	}
	suite.Same(t, "by no key", len(list(10)), 0)
	suite.Same(t, "by an unknown key", len(list(10, suite.NewKey())), 0)

	n := want[0]
	n.Ended = suite.At(101)
	suite.Must(t, "UpdateSession", s.UpdateSession(ctx, n))
	suite.Same(t, "after one ended", list(10, old, new), want[1:])
}
