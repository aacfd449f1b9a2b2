package storagetest

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
)

// Sessions tests [session.Store].
func Sessions(t *testing.T, open Open) {
	s := open(t).Provider
	t.Run("RoundTrip", func(t *testing.T) { sessionsRoundTrip(t, s) })
	t.Run("Exists", func(t *testing.T) { sessionsExist(t, s) })
	t.Run("Update", func(t *testing.T) { sessionsUpdate(t, s) })
	t.Run("Cookie", func(t *testing.T) { sessionsCookie(t, s) })
	t.Run("Events", func(t *testing.T) { sessionsEvents(t, open(t)) })
	t.Run("Race", func(t *testing.T) { sessionsRace(t, s) })
	t.Run("List", func(t *testing.T) { sessionsList(t, s) })
	t.Run("Ended", func(t *testing.T) {
		n := newSession()
		is(t, "CreateSession", s.CreateSession(ended(), n), context.Canceled)
		_, err := s.LoadSession(t.Context(), n.ID)
		is(t, "LoadSession after that", err, oidc.ErrNotFound)
		_, err = s.LoadSession(ended(), n.ID)
		is(t, "LoadSession", err, context.Canceled)
		_, err = s.FindSession(ended(), n.Cookie)
		is(t, "FindSession", err, context.Canceled)
		is(t, "UpdateSession", s.UpdateSession(ended(), n), context.Canceled)
		_, err = s.ListSessions(ended(), n.Party, at(0), 1)
		is(t, "ListSessions", err, context.Canceled)
	})
}

// newSession makes a record of a session that isn't stored.
func newSession() session.Record {
	return session.Record{
		ID: newText(), Cookie: newHash(), Created: at(0), Seen: at(1), Expires: at(8 * 3600), Body: []byte("sealed session"),
		Party: []signing.Lookup{newKey(), newKeyOf(2)},
	}
}

func createSession(t *testing.T, s session.Store, n session.Record) session.Record {
	t.Helper()
	must(t, "CreateSession", s.CreateSession(t.Context(), n))
	n.Revision = 1
	return n
}

// sameSession compares the stored session, by ID and by cookie.
func sameSession(t *testing.T, s session.Store, what string, want session.Record) {
	t.Helper()
	want.Party = nil
	got, err := s.LoadSession(t.Context(), want.ID)
	must(t, what+": LoadSession", err)
	same(t, what, got, want)
	got, err = s.FindSession(t.Context(), want.Cookie)
	must(t, what+": FindSession", err)
	same(t, what+", found by its cookie", got, want)
}

func sessionsRoundTrip(t *testing.T, s session.Store) {
	n := newSession()
	n.Revision = 9 // a new one has revision 1, whatever is said
	n.Created, n.Seen, n.Expires, n.Ended = finer, finer, finer, finer
	n = createSession(t, s, n)
	n.Created, n.Seen, n.Expires, n.Ended = kept, kept, kept, kept
	sameSession(t, s, "a session", n)

	zero := session.Record{ID: newText(), Cookie: newHash(), Body: []byte{}}
	sameSession(t, s, "one that says nothing", createSession(t, s, zero))
	zero = session.Record{ID: newText(), Cookie: newHash()}
	sameSession(t, s, "one without a body", createSession(t, s, zero))

	_, err := s.LoadSession(t.Context(), newText())
	is(t, "an unknown ID", err, oidc.ErrNotFound)
	_, err = s.LoadSession(t.Context(), "")
	is(t, "no ID", err, oidc.ErrNotFound)
	_, err = s.FindSession(t.Context(), newHash())
	is(t, "an unknown cookie", err, oidc.ErrNotFound)
}

func sessionsExist(t *testing.T, s session.Store) {
	n := createSession(t, s, newSession())
	twin := newSession()
	twin.ID = n.ID
	is(t, "an ID again", s.CreateSession(t.Context(), twin), oidc.ErrExists)
	_, err := s.FindSession(t.Context(), twin.Cookie)
	is(t, "FindSession after that", err, oidc.ErrNotFound)
	noneListed(t, s, twin)
	twin = newSession()
	twin.Cookie = n.Cookie
	is(t, "a cookie again", s.CreateSession(t.Context(), twin), oidc.ErrExists)
	_, err = s.LoadSession(t.Context(), twin.ID)
	is(t, "LoadSession after that", err, oidc.ErrNotFound)
	noneListed(t, s, twin)
	sameSession(t, s, "the session that is there", n)
}

func noneListed(t *testing.T, s session.Store, n session.Record) {
	t.Helper()
	listed, err := s.ListSessions(t.Context(), n.Party, at(0), 10)
	must(t, "ListSessions", err)
	same(t, "sessions of a refused one's party", len(listed), 0)
}

func sessionsUpdate(t *testing.T, s session.Store) {
	n := createSession(t, s, newSession())
	n.Seen, n.Expires, n.Ended, n.Body = finer, finer, finer, nil
	must(t, "UpdateSession", s.UpdateSession(t.Context(), n))
	n.Revision, n.Seen, n.Expires, n.Ended = 2, kept, kept, kept
	sameSession(t, s, "an updated session", n)
	n.Ended, n.Body = time.Time{}, []byte("live again")
	must(t, "UpdateSession", s.UpdateSession(t.Context(), n))
	n.Revision = 3
	sameSession(t, s, "one that lives again", n)

	for _, revision := range []int64{0, 1, 2, 4} {
		wrong := n
		wrong.Revision, wrong.Body, wrong.Cookie = revision, []byte("wrong"), newHash()
		is(t, fmt.Sprint("UpdateSession of revision ", revision), s.UpdateSession(t.Context(), wrong), oidc.ErrConflict)
		_, err := s.FindSession(t.Context(), wrong.Cookie)
		is(t, "FindSession by its cookie", err, oidc.ErrNotFound)
	}
	unknown := newSession()
	unknown.Revision = 1
	is(t, "UpdateSession of an unknown one", s.UpdateSession(t.Context(), unknown), oidc.ErrConflict)
	sameSession(t, s, "the session after refusals", n)

	moved := n
	moved.Created, moved.Party = at(77), []signing.Lookup{newKey()}
	must(t, "UpdateSession", s.UpdateSession(t.Context(), moved))
	n.Revision = 4
	sameSession(t, s, "the session after its creation was to change", n)
	listed, err := s.ListSessions(t.Context(), moved.Party, kept.Add(-1), 10)
	must(t, "ListSessions", err)
	same(t, "sessions of another party that it was to have", len(listed), 0)
}

// sessionsCookie gives sessions other cookies, as a step up does.
func sessionsCookie(t *testing.T, s session.Store) {
	n := createSession(t, s, newSession())
	old := n.Cookie
	n.Cookie = newHash()
	must(t, "UpdateSession", s.UpdateSession(t.Context(), n))
	n.Revision = 2
	sameSession(t, s, "with another cookie", n)
	_, err := s.FindSession(t.Context(), old)
	is(t, "FindSession by the cookie before", err, oidc.ErrNotFound)

	other := createSession(t, s, newSession())
	thief := other
	thief.Cookie = n.Cookie
	is(t, "a cookie that is another session's", s.UpdateSession(t.Context(), thief), oidc.ErrExists)
	sameSession(t, s, "the one whose cookie it is", n)
	sameSession(t, s, "the other one", other)

	other.Cookie = old
	must(t, "a cookie that is free again", s.UpdateSession(t.Context(), other))
	other.Revision = 2
	sameSession(t, s, "with a cookie that was another's", other)
}

// sessionsEvents holds events to the fate of what they tell of.
func sessionsEvents(t *testing.T, d Database) {
	s := d.Provider
	ctx := t.Context()
	events := []journal.Event{providerEvent(), providerEvent(), providerEvent(), providerEvent()}
	n := newSession()
	must(t, "CreateSession", s.CreateSession(ctx, n, events[0], events[1]))
	is(t, "CreateSession again", s.CreateSession(ctx, n, providerEvent()), oidc.ErrExists)
	is(t, "UpdateSession", s.UpdateSession(ctx, n, providerEvent()), oidc.ErrConflict)
	n.Revision = 1
	must(t, "UpdateSession", s.UpdateSession(ctx, n, events[2]))
	other := newSession()
	must(t, "CreateSession", s.CreateSession(ctx, other, events[3]))
	other.Revision, other.Cookie = 1, n.Cookie
	is(t, "UpdateSession with another's cookie", s.UpdateSession(ctx, other, providerEvent()), oidc.ErrExists)
	is(t, "UpdateSession with an ended context", s.UpdateSession(ended(), n, providerEvent()), context.Canceled)
	sameProviderEvents(t, d.Journal, events)
}

// providerEvent makes an event that isn't stored.
func providerEvent() journal.Event {
	return journal.Event{Log: journal.Provider, ID: newText(), At: at(3), Action: "session.create", Actor: journal.Actor{ID: newText()}, Subject: newText(),
		RequestID: newText(), Result: "ok", Hash: newHash()}
}

// sameProviderEvents compares all events of a database but for their numbers.
func sameProviderEvents(t *testing.T, s journal.Store, want []journal.Event) {
	t.Helper()
	sameEvents(t, "events", listed(t, s, journal.Stream{Log: journal.Provider}, 1000), want...)
}

func sessionsRace(t *testing.T, s session.Store) {
	// One cookie for many new sessions.
	ns := make([]session.Record, Writers)
	cookie := newHash()
	for i := range ns {
		ns[i] = newSession()
		ns[i].Cookie = cookie
	}
	errs := race(Writers, func(i int) error { return s.CreateSession(t.Context(), ns[i]) })
	n := ns[oneWins(t, "a cookie", errs, oidc.ErrExists)]
	n.Revision = 1
	sameSession(t, s, "the winner", n)

	// Many changes of one revision, half of them with cookies of their own.
	for i := range ns {
		ns[i] = n
		ns[i].Body = fmt.Append(nil, "body of ", i)
		if i%2 == 1 {
			ns[i].Cookie = newHash()
		}
	}
	errs = race(Writers, func(i int) error { return s.UpdateSession(t.Context(), ns[i]) })
	winner := oneWins(t, "an update", errs, oidc.ErrConflict)
	n = ns[winner]
	n.Revision = 2
	sameSession(t, s, "the winner", n)
	for i := range ns {
		if ns[i].Cookie != n.Cookie {
			_, err := s.FindSession(t.Context(), ns[i].Cookie)
			is(t, "FindSession by a loser's cookie", err, oidc.ErrNotFound)
		}
	}

	// Many sessions that step up to one cookie.
	cookie = newHash()
	for i := range ns {
		ns[i] = createSession(t, s, newSession())
		ns[i].Cookie = cookie
	}
	errs = race(Writers, func(i int) error { return s.UpdateSession(t.Context(), ns[i]) })
	n = ns[oneWins(t, "stepping up to one cookie", errs, oidc.ErrExists)]
	n.Revision = 2
	sameSession(t, s, "the winner", n)
}

func sessionsList(t *testing.T, s session.Store) {
	ctx := t.Context()
	old, new := newKey(), newKeyOf(2)
	var want []session.Record // newest first
	for i, keys := range [][]signing.Lookup{{old}, {old, new}, {old, new}, {new}, {new, old, new}} {
		n := newSession()
		n.Party, n.Created = keys, at(i/2) // two were made at the same time
		n.ID = fmt.Sprintf("%d%s", i, n.ID)
		n = createSession(t, s, n)
		n.Party = nil
		want = slices.Insert(want, 0, n)
	}
	for name, spoil := range map[string]func(*session.Record){
		"one that has ended":      func(n *session.Record) { n.Ended = at(99) },
		"one that expires then":   func(n *session.Record) { n.Expires = at(100) },
		"one that expired before": func(n *session.Record) { n.Expires = at(50) },
		"another party's":         func(n *session.Record) { n.Party = []signing.Lookup{newKey(), {Serial: 2, Sum: old.Sum}} },
	} {
		n := newSession()
		n.ID, n.Party = "99"+n.ID, []signing.Lookup{old, new}
		spoil(&n)
		must(t, name, s.CreateSession(ctx, n))
	}
	list := func(limit int, keys ...signing.Lookup) []session.Record {
		t.Helper()
		got, err := s.ListSessions(ctx, keys, at(100), limit)
		must(t, "ListSessions", err)
		return got
	}
	same(t, "by both keys", list(10, old, new), want)
	same(t, "by both keys, the other way round", list(10, new, old), want)
	same(t, "by the older key", list(10, old), []session.Record{want[0], want[2], want[3], want[4]})
	same(t, "by the newer key", list(10, new), want[:4])
	for limit := range 7 {
		got := list(limit, old, new)
		same(t, fmt.Sprint("up to ", limit), len(got), min(limit, 5))
		for i := range got {
			same(t, fmt.Sprint("up to ", limit), got[i], want[i])
		}
	}
	same(t, "by no key", len(list(10)), 0)
	same(t, "by an unknown key", len(list(10, newKey())), 0)

	n := want[0]
	n.Ended = at(101)
	must(t, "UpdateSession", s.UpdateSession(ctx, n))
	same(t, "after one ended", list(10, old, new), want[1:])
}
