package trail

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// book keeps events in memory, as storagetest/ledger.Trails wants it, and counts what is read.
type book struct {
	events []journal.Event
	asked  int
	read   int
}

// AccountEvents implements [Events].
func (b *book) AccountEvents(_ context.Context, q Query) (found []journal.Event, err error) {
	b.asked++
	for _, e := range b.events {
		account, tried, ok := About(e)
		if ok && account == q.Account && tried == q.Tries && !e.At.Before(q.From) && older(placeOf(e), q.Before) {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b journal.Event) int { return newestFirst(placeOf(a), placeOf(b)) })
	found = found[:min(len(found), q.Limit)]
	b.read += len(found)
	return found, nil
}

// put records an event that happens now.
func (b *book) put(actor string, action journal.Action, subject, request, result string) journal.Event {
	e := journal.Event{
		Log: journal.Provider, Form: journal.Present, Seq: int64(len(b.events) + 1), ID: identity.NewID(), At: time.Now().UTC().Truncate(time.Microsecond), Action: action,
		Actor: journal.Actor{ID: actor}, Subject: subject, RequestID: request, Result: result,
	}
	text, err := e.Canonical(journal.Private{})
	if err != nil {
		panic(err)
	}
	e.Hash = sm3.Sum(text)
	b.events = append(b.events, e)
	return e
}

// wrong records a refused try at an account's password.
func (b *book) wrong(account string) {
	b.put("", journal.ActionLogin, account, identity.NewID(), "wrong_password")
}

// login records what a login with a password and a code by phone leaves.
func (b *book) login(account string) {
	session, first, second := identity.NewID(), identity.NewID(), identity.NewID()
	b.put("", journal.ActionLogin, account, first, journal.ResultOK)
	b.put(account, journal.ActionSessionBegin, session, first, journal.ResultOK)
	b.put(account, journal.ActionCodeSend, account, second, journal.ResultOK)
	third := identity.NewID()
	b.put(account, journal.ActionCodeCheck, account, third, journal.ResultOK)
	b.put(account, journal.ActionSessionStepUp, session, third, journal.ResultOK)
}

func service(t *testing.T, b *book) *Service {
	t.Helper()
	s, err := New(Config{Events: b})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all reads an account's lines page by page, and checks each page.
func all(t *testing.T, s *Service, account string, limit int) (lines []Line) {
	t.Helper()
	for cursor, pages := "", 0; ; pages++ {
		p, err := s.Page(t.Context(), account, cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Lines) > limit || pages > 2000 {
			t.Fatalf("page %d has %d lines", pages, len(p.Lines))
		}
		if lines = append(lines, p.Lines...); p.Next == "" {
			return lines
		}
		if p.Next == cursor {
			t.Fatalf("a page leads to itself: %s", cursor)
		}
		cursor = p.Next
	}
}

// said writes lines in short: what, and how often.
func said(lines []Line) (all []string) {
	for _, l := range lines {
		var one strings.Builder
		one.WriteString(string(l.What))
		for _, n := range l.Tries {
			fmt.Fprintf(&one, " %s×%d", n.What, n.Count)
		}
		if l.More {
			one.WriteString("+")
		}
		all = append(all, one.String())
	}
	return all
}

func wants(t *testing.T, what string, got []Line, want ...What) {
	t.Helper()
	var texts []string
	for _, w := range want {
		texts = append(texts, string(w))
	}
	if g := said(got); !slices.Equal(g, texts) {
		t.Errorf("%s:\n got %q\nwant %q", what, g, texts)
	}
}

// Every action of the journal is decided: people are told of it, or there is a reason why not.
func TestActionsAreDecided(t *testing.T) {
	known := map[journal.Action]bool{}
	for _, k := range journal.Actions() {
		known[k.Action] = true
		d, ok := decided[k.Action]
		switch tells := d.done != "" || d.tried != "" || d.proves != ""; {
		case !ok:
			t.Errorf("%s isn't decided: are people told of it?", k.Action)
		case tells == (d.silent != ""):
			t.Errorf("%s: people are told of it, or there is a reason why not", k.Action)
		case tells && k.Log != journal.Provider:
			t.Errorf("%s is in the log %s, of which nothing is told", k.Action, k.Log)
		case tells && !d.byActor && k.Subject != "account":
			t.Errorf("%s: its subject is no account but %q", k.Action, k.Subject)
		case k.Subject == "account" && !tells && d.silent != toldBeside && d.silent != ofLooking:
			t.Errorf("%s is about an account, and people aren't told", k.Action)
		}
	}
	for action := range decided {
		if !known[action] {
			t.Errorf("%s is decided, and the journal doesn't know it", action)
		}
	}
}

// A login is a line with its factor; a second factor is another one. What proved them is none.
func TestLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account := new(book), identity.NewID()
		b.login(account)
		b.put("", journal.ActionLogin, account, "other", journal.ResultOK) // of another request
		lines := all(t, service(t, b), account, 20)
		wants(t, "a login", lines, Verified, CodeSent, LoggedIn)
		if lines[0].Factor != "sms" || lines[2].Factor != "pwd" || lines[2].Session == "" || lines[2].By != ByPerson {
			t.Errorf("the lines are %+v", lines)
		}
	})
}

// Who did it is the person, or staff without a name; the begin of a change is no line.
func TestBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account := new(book), identity.NewID()
		b.put("cli:wang", journal.ActionAccountDisable, account, "", journal.ResultBegun)
		b.put("cli:wang", journal.ActionAccountDisable, account, "", journal.ResultOK)
		b.put("cli", journal.ActionPhoneChange, account, "", journal.ResultOK)
		b.put(account, journal.ActionPasswordChange, account, "r", journal.ResultBegun)
		b.put(account, journal.ActionPasswordChange, account, "r", journal.ResultOK)
		b.put("", journal.ActionLoginChallenge, account, "s", journal.ResultOK)
		lines := all(t, service(t, b), account, 20)
		wants(t, "changes", lines, Challenged, PasswordChange, PhoneChanged, Disabled)
		for i, want := range []By{ByNobody, ByPerson, ByStaff, ByStaff} {
			if lines[i].By != want {
				t.Errorf("%s was done by %q", lines[i].What, lines[i].By)
			}
		}
		if strings.Contains(fmt.Sprintf("%+v", lines), "wang") {
			t.Errorf("an operator is named: %+v", lines)
		}
	})
}

// What one request ends of an application's access is one line, with the client's id.
func TestAccessEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account := new(book), identity.NewID()
		b.put(account, journal.ActionConsentKeep, "client", "a", journal.ResultOK)
		b.put(account, journal.ActionConsentEnd, "client", "b", journal.ResultOK)
		for range 3 {
			b.put(account, journal.ActionFamilyEnd, identity.NewID(), "b", "holder")
		}
		b.put(account, journal.ActionFamilyEnd, identity.NewID(), "c", "holder") // without a consent
		b.put("client", journal.ActionFamilyEnd, identity.NewID(), "d", "undelivered")
		b.put(account, journal.ActionSessionEnd, identity.NewID(), "e", "logout")
		lines := all(t, service(t, b), account, 20)
		wants(t, "access", lines, LoggedOut, AccessEnded, AccessEnded, AccessKept)
		if lines[0].Reason != "logout" || lines[1].Client != "" || lines[2].Client != "client" {
			t.Errorf("the lines are %+v", lines)
		}
	})
}

// A few tries are told one by one; more on a day are one line, in the order of time.
func TestTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account := new(book), identity.NewID()
		time.Sleep(time.Until(dayOf(time.Now()).AddDate(0, 0, 1)) + time.Hour) // one o'clock at night
		b.wrong(account)
		b.wrong(account)
		time.Sleep(24 * time.Hour)
		b.put(account, journal.ActionSessionEnd, "s", "r", "logout")
		for range 5 {
			time.Sleep(time.Minute)
			b.wrong(account)
		}
		b.put(account, journal.ActionCodeCheck, account, "x", "code_wrong")
		b.put("", journal.ActionLogin, account, journal.MergedRequest(7), "wrong_password")
		time.Sleep(time.Hour)
		b.login(account)
		lines := all(t, service(t, b), account, 20)
		want := []string{"verified", "code_sent", "logged_in", "tried_many tried_password×12 tried_code×1", "logged_out", "tried_password", "tried_password"}
		if got := said(lines); !slices.Equal(got, want) {
			t.Fatalf("got %q", got)
		}
		if l := lines[3]; l.At.Sub(l.First) != 4*time.Minute {
			t.Errorf("the tries are from %s to %s", l.First, l.At)
		}
		if l := lines[5]; l.Reason != "wrong_password" || l.By != ByNobody {
			t.Errorf("a try is %+v", l)
		}
	})
}

// Pages of any size have the same lines, each once and in order.
func TestPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account, other := new(book), identity.NewID(), identity.NewID()
		for day := range 40 {
			for range day % 7 {
				b.wrong(account)
				time.Sleep(time.Duration(day%3) * time.Hour) // some at the same moment
			}
			if day%4 == 0 {
				b.login(account)
				b.login(other)
			}
			if day%5 == 0 {
				for range 6 {
					b.put(account, journal.ActionFamilyEnd, identity.NewID(), fmt.Sprint("end", day), "holder")
				}
			}
			if day == 20 {
				for range 70 {
					b.wrong(account)
				}
			}
			time.Sleep(17 * time.Hour)
		}
		s := service(t, b)
		want := all(t, s, account, 1000)
		if len(want) < 60 {
			t.Fatalf("%d lines prove little", len(want))
		}
		for i := range want[1:] {
			if newestFirst(want[i].place, want[i+1].place) >= 0 {
				t.Errorf("line %d isn't newer than the next", i)
			}
		}
		for _, limit := range []int{1, 2, 3, 5, 19, 20, 21, 64, 100} {
			if got := said(all(t, s, account, limit)); !slices.Equal(got, said(want)) {
				t.Errorf("by %d:\n got %q\nwant %q", limit, got, said(want))
			}
		}
	})
}

// Nothing older than 90 days is told.
func TestKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, account := new(book), identity.NewID()
		b.put("cli", journal.ActionAccountCreate, account, "", journal.ResultOK)
		b.wrong(account)
		time.Sleep(Kept)
		wants(t, "after 90 days", all(t, service(t, b), account, 20), TriedPassword, Opened)
		time.Sleep(time.Microsecond)
		wants(t, "later", all(t, service(t, b), account, 20))
	})
}

// A store's error is the reader's.
func TestUnavailable(t *testing.T) {
	down := errors.New("down")
	s, err := New(Config{Events: failing{down}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Page(t.Context(), identity.NewID(), "", 20); !errors.Is(err, down) {
		t.Error(err)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a service without events")
	}
}

type failing struct{ err error }

func (f failing) AccountEvents(context.Context, Query) ([]journal.Event, error) { return nil, f.err }
