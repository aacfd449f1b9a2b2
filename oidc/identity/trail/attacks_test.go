package trail

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// An attack: a flood of refused tries, of each day of three months. Each page reads a bounded
// number of events, and what else happened is on the page of its time.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account := new(book), identity.NewID()
		for range 88 {
			for range 300 {
				b.wrong(account)
				time.Sleep(time.Minute)
			}
			time.Sleep(19 * time.Hour)
		}
		b.put("cli:x", journal.ActionPhoneChange, account, "", journal.ResultOK)
		for range 300 {
			b.wrong(account)
		}
		s := service(t, b)
		lines := all(t, s, account, 20)
		if got := said(lines[:2]); !slices.Equal(got, []string{"tried_many tried_password×50+", "phone_changed"}) {
			t.Errorf("the newest are %q", got)
		}
		if len(lines) > 92 {
			t.Errorf("%d lines", len(lines))
		}
		b.asked, b.read = 0, 0
		p, err := s.Page(t.Context(), account, "", 20)
		if err != nil || len(p.Lines) != 20 {
			t.Fatal(len(p.Lines), err)
		}
		if b.asked > 30 || b.read > 30*(mostTries+1) {
			t.Errorf("a page asks %d times and reads %d events", b.asked, b.read)
		}
		t.Logf("a page asks %d times and reads %d events", b.asked, b.read)
	})
}

// An attack: what fills the list with something else than tries is bounded, too. A page that
// shows nothing leads on.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account := new(book), identity.NewID()
		b.put("cli", journal.ActionAccountCreate, account, "", journal.ResultOK)
		time.Sleep(time.Second)
		session := identity.NewID()
		b.put("", journal.ActionLogin, account, "r", journal.ResultOK)
		b.put(account, journal.ActionSessionBegin, session, "r", journal.ResultOK)
		for i := range 255 + 4*256 { // proofs without a login
			if i%500 == 250 {
				time.Sleep(24 * time.Hour)
				b.wrong(account)
			}
			time.Sleep(time.Second)
			b.put("", journal.ActionLogin, account, identity.NewID(), journal.ResultOK)
		}
		s := service(t, b)
		if _, err := s.Page(t.Context(), account, "", 20); err != nil || b.read > 400 {
			t.Errorf("a page reads %d events, %v", b.read, err)
		}
		lines := all(t, s, account, 20)
		wants(t, "all", lines, TriedPassword, TriedPassword, TriedPassword, LoggedIn, Opened)
		if lines[3].Factor != "pwd" {
			t.Error("the login has no factor")
		}
	})
}

// An attack: whoever writes the database alters events, or moves them to another person's page.
func TestAltered(t *testing.T) {
	alter := map[string]func(e *journal.Event, victim string){
		"another account": func(e *journal.Event, victim string) { e.Subject, e.Actor.ID = victim, victim },
		"another action": func(e *journal.Event, victim string) {
			e.Action, e.Subject, e.Actor.ID = journal.ActionPasswordChange, victim, victim
		},
		"another time": func(e *journal.Event, victim string) {
			e.At = e.At.Add(time.Hour)
			e.Subject, e.Actor.ID = victim, victim
		},
		"another actor": func(e *journal.Event, victim string) { e.Actor.ID = victim },
		"another form":  func(e *journal.Event, victim string) { e.Form, e.Subject, e.Actor.ID = 7, victim, victim },
		"a refused try that is said to be a login": func(e *journal.Event, victim string) {
			e.Result, e.Subject, e.Actor.ID = journal.ResultOK, victim, victim
		},
	}
	for name, change := range alter {
		for _, action := range []journal.Action{journal.ActionSessionBegin, journal.ActionPhoneChange} {
			synctest.Test(t, func(t *testing.T) {
				b, victim, other := new(book), identity.NewID(), identity.NewID()
				b.put("cli", journal.ActionAccountCreate, victim, "", journal.ResultOK)
				time.Sleep(time.Hour * 2)
				b.put(other, action, other, "r", journal.ResultOK)
				change(&b.events[1], victim)
				time.Sleep(time.Hour * 2)
				p, err := service(t, b).Page(t.Context(), victim, "", 20)
				if err != nil {
					t.Fatal(err)
				}
				wants(t, name, p.Lines, Opened)
				_, tried, ok := About(b.events[1])
				if shown := ok && !tried; shown && p.Altered == 0 && name != "another actor" {
					t.Errorf("%s: nothing says that something was left out", name)
				}
			})
		}
	}
}

// An attack: hundreds of altered events hide none of those that lie among them.
func TestMostlyAltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account := new(book), identity.NewID()
		for i := range 1000 {
			time.Sleep(time.Minute)
			b.put("cli", journal.ActionTicketCreate, account, "", journal.ResultOK)
			if i%100 != 50 {
				b.events[i].ID = "altered"
			}
		}
		for _, limit := range []int{1, 20} {
			if lines := all(t, service(t, b), account, limit); len(lines) != 10 {
				t.Errorf("%d lines by %d", len(lines), limit)
			}
		}
	})
}

// astray is a store that finds the wrong events.
type astray struct{ *book }

func (a astray) AccountEvents(context.Context, Query) ([]journal.Event, error) { return a.events, nil }

// An attack: an index that leads astray decides nothing.
func TestAstray(t *testing.T) {
	b, victim := new(book), identity.NewID()
	b.login(identity.NewID())
	b.wrong(victim)
	s, err := New(Config{Events: astray{b}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Page(t.Context(), victim, "", 20)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, "lines", p.Lines, TriedPassword)
	if p.Altered == 0 {
		t.Error("nothing says that something was left out")
	}
}

// An attack: cursors that were made up, and those of another's page.
func TestCursors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, victim, other := new(book), identity.NewID(), identity.NewID()
		for range 30 {
			b.login(victim)
			b.put("cli", journal.ActionTicketCreate, other, "", journal.ResultOK)
			time.Sleep(time.Hour)
		}
		s := service(t, b)
		theirs, err := s.Page(t.Context(), victim, "", 20)
		if err != nil {
			t.Fatal(err)
		}
		for _, cursor := range []string{theirs.Next, "20990101T000000.000000Z_provider_9", "20990101T000000.000000Z_provider_9223372036854775807", "00010101T000000.000000Z_provider_0", "19000101T000000.000000Z_provider_1"} {
			p, err := s.Page(t.Context(), other, cursor, 20)
			if err != nil {
				t.Fatal(cursor, err)
			}
			for _, l := range p.Lines {
				if l.What != LinkMade {
					t.Errorf("%s shows %s, which is another's", cursor, l.What)
				}
			}
		}
		for _, cursor := range []string{"x", "1", "20990101T000000.000000Z_license_9", "20990101T000000.000000Z_provider_-1", "20990101T000000.000000Z_provider_9 ", strings.Repeat("9", 5000)} {
			if _, err := s.Page(t.Context(), other, cursor, 20); !errors.Is(err, ErrCursor) {
				t.Errorf("%.50q: %v", cursor, err)
			}
		}
		for _, nobody := range []string{"", "cli", "cli:x", "client"} {
			if p, err := s.Page(t.Context(), nobody, "", 20); err != nil || len(p.Lines) > 0 {
				t.Errorf("%q sees %v, %v", nobody, p.Lines, err)
			}
		}
	})
}
