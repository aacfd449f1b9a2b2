package provider

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/session"
)

// live reports whether somebody is logged in at a browser.
func (b *browser) live(t testing.TB) bool {
	t.Helper()
	_, err := b.w.Session(t.Context(), b.Browser)
	if err != nil && !errors.Is(err, oidc.ErrNoSession) {
		t.Fatal(err)
	}
	return err == nil
}

func TestSessionEndsByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		idle, busy := w.browser(), w.browser()
		idle.session(t, w.zhang, 1)
		tokens := idle.tokens(t, w.bureau)
		busy.session(t, w.li, 1)
		began := time.Now()
		time.Sleep(30*time.Minute - time.Second)
		if !busy.live(t) {
			t.Fatal("a session ended before half an hour")
		}
		time.Sleep(time.Second)
		if idle.live(t) || !busy.live(t) {
			t.Error("after half an hour the idle session lives, or the busy one doesn't")
		}
		_, err := w.Redeem(t.Context(), w.bureau, refreshing(tokens.Refresh.Reveal()))
		if code, reason := codeOf(t, err); code != oidc.InvalidGrant || reason != "refresh_session_ended" {
			t.Errorf("a family outlives its idle session: %v", err)
		}
		writes := w.writes
		for time.Since(began) < 12*time.Hour-10*time.Minute {
			time.Sleep(5 * time.Minute)
			if !busy.live(t) {
				t.Fatalf("a busy session ended after %v", time.Since(began))
			}
			for range 5 {
				time.Sleep(time.Second)
				busy.live(t)
			}
		}
		if n := w.writes - writes; n > 150 {
			t.Errorf("being seen was written %d times", n)
		}
		time.Sleep(10 * time.Minute)
		if busy.live(t) {
			t.Error("a session lives longer than 12 hours")
		}
	})
}

// The cookie changes with each login and step up, and the one before is dead:
// whoever planted or saw it has nothing.
func TestSessionFixation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.Session = oidc.NewHandle() // planted
		b.session(t, w.zhang, 1)
		first := *b
		b.stepUp(t)
		second := *b
		b.session(t, w.zhang, 1)
		if first.live(t) || second.live(t) || !b.live(t) {
			t.Error("an earlier cookie is good, or the newest isn't")
		}
		if first.Session == second.Session || len(w.memory.sessions) != 1 {
			t.Errorf("%d sessions", len(w.memory.sessions))
		}
		l, err := w.Find(t.Context(), b.Browser)
		if err != nil || l.Assurance() != 1 || len(l.About.Factors) != 1 {
			t.Errorf("a login with one factor keeps the second of before: %+v, %v", l, err)
		}
		if _, _, err := w.StepUp(t.Context(), first.Browser, factor.Proof{Factor: factor.PhoneCode}); !errors.Is(err, oidc.ErrNoSession) {
			t.Errorf("stepping up under an old cookie: %v", err)
		}
	})
}

// One factor shown twice is one factor.
func TestOneFactorTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		_, cookie, err := w.StepUp(t.Context(), b.Browser, factor.Proof{Factor: factor.Password})
		if err != nil {
			t.Fatal(err)
		}
		b.Session = cookie
		if s, err := w.Session(t.Context(), b.Browser); err != nil || s.Assurance != 1 {
			t.Errorf("assurance %d, %v", s.Assurance, err)
		}
	})
}

// Somebody else at the same browser ends the session, and what belongs to it.
func TestSessionIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		before, tokens := *b, b.tokens(t, w.bureau)
		b.session(t, w.li, 1)
		if before.live(t) {
			t.Error("the session before lives")
		}
		if _, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal()); err == nil {
			t.Error("its access token lives")
		}
		if !strings.Contains(strings.Join(w.results(), ","), "session.end replaced") {
			t.Errorf("events %v", w.results())
		}
	})
}

func TestDisabledAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent")
		step := w.browser().authorize(t, w.bureau)
		if _, err := w.people.Change(t.Context(), w.zhang.ID, func(a *identity.Account) error { a.Disable(true, ""); return nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if b.live(t) {
			t.Error("two seconds later the session lives")
		}
		if _, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal()); err == nil {
			t.Error("its access token lives")
		}
		_, err := w.Redeem(t.Context(), w.bureau, refreshing(tokens.Refresh.Reveal()))
		if _, reason := codeOf(t, err); reason != "refresh_account_disabled" {
			t.Errorf("its offline access lives: %v", err)
		}
		c := w.browser()
		if step, err = w.Authorize(t.Context(), params(w.bureau), c.Browser, false); err != nil {
			t.Fatal(err)
		}
		if _, err := w.logIn(t.Context(), step.Handle, c.Browser, w.zhang); err == nil {
			t.Error("a disabled account logs in")
		}
		if _, err := w.people.Change(t.Context(), w.zhang.ID, func(a *identity.Account) error { a.Disable(false, ""); return nil }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if b.live(t) {
			t.Error("enabling the account brought the session back")
		}
	})
}

// What nobody used while the account was disabled doesn't come back with it.
func TestEnabledAccountBringsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau)
		offline := b.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent")
		time.Sleep(2 * time.Second)
		for _, disabled := range []bool{true, false} {
			if _, err := w.people.Change(t.Context(), w.zhang.ID, func(a *identity.Account) error { a.Disable(disabled, ""); return nil }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		for name, token := range map[string]string{"of the session": tokens.Access.Reveal(), "offline": offline.Access.Reveal()} {
			if _, err := w.CheckAccessToken(t.Context(), token); err == nil {
				t.Errorf("the access token %s lives again", name)
			}
		}
		for name, token := range map[string]string{"of the session": tokens.Refresh.Reveal(), "offline": offline.Refresh.Reveal()} {
			if reason := w.refusedRefresh(t, w.bureau, token); reason != "refresh_account_disabled" {
				t.Errorf("the refresh token %s: %q", name, reason)
			}
		}
		c := w.browser()
		c.session(t, w.zhang, 1)
		who, err := w.provider.Session(t.Context(), c.Browser)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := w.provider.Sessions(t.Context(), who); err != nil || len(all) != 1 {
			t.Errorf("%d sessions are listed, %v", len(all), err)
		}
		if b.live(t) {
			t.Error("the session lives again")
		}
		if c.tokens(t, w.bureau).Access == (oidc.Secret{}) {
			t.Error("who logs in again gets nothing")
		}
	})
}

func TestSessionsOfAPerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		phone, pc, other := w.browser(), w.browser(), w.browser()
		pc.UserAgent = strings.Repeat("界", 200) + "\x00"
		phone.session(t, w.zhang, 1)
		time.Sleep(time.Minute)
		pc.session(t, w.zhang, 2)
		other.session(t, w.li, 1)
		me, err := w.Session(t.Context(), pc.Browser)
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.Sessions(t.Context(), me)
		if err != nil || len(list) != 2 || !list[0].Current || list[1].Current || list[0].Assurance != 2 || list[1].Address != "192.0.2.1" {
			t.Fatalf("%+v, %v", list, err)
		}
		if n := len(list[0].UserAgent); n > 200 || n < 200-3 {
			t.Errorf("the browser's name has %d bytes", n)
		}
		theirs, err := w.Session(t.Context(), other.Browser)
		if err != nil {
			t.Fatal(err)
		}
		for name, id := range map[string]string{"another person's": theirs.ID, "an unknown one": identity.NewID(), "what can't be one": "' or 1=1 --"} {
			if err := w.EndSession(t.Context(), me, id, "r3"); !errors.Is(err, oidc.ErrNotFound) {
				t.Errorf("ending %s: %v", name, err)
			}
		}
		if !other.live(t) {
			t.Fatal("another person's session ended")
		}
		tokens := phone.tokens(t, w.bureau)
		if err := w.EndSession(t.Context(), me, list[1].ID, "r3"); err != nil {
			t.Fatal(err)
		}
		if phone.live(t) || !pc.live(t) {
			t.Error("the wrong session ended")
		}
		if _, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal()); err == nil {
			t.Error("the access token of a session that was ended lives, in the same process")
		}
		if list, err = w.Sessions(t.Context(), me); err != nil || len(list) != 1 {
			t.Errorf("%+v, %v", list, err)
		}
		if err := w.EndSession(t.Context(), me, list[0].ID, "r3"); err != nil || pc.live(t) {
			t.Errorf("ending one's own: %v", err)
		}
	})
}

// A row that somebody changed in the database opens to nobody.
func TestAlteredSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b, thief := w.browser(), w.browser()
		b.session(t, w.zhang, 2)
		thief.session(t, w.li, 1)
		me, err := w.Session(t.Context(), b.Browser)
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := w.memory.sessions[me.ID], session.Record{}
		for id, r := range w.memory.sessions {
			if id != me.ID {
				theirs = r
			}
		}
		for name, change := range map[string]func(r *session.Record){
			"another's cookie": func(r *session.Record) { r.Cookie = theirs.Cookie },
			"another's body":   func(r *session.Record) { r.Body, r.Cookie = theirs.Body, theirs.Cookie },
			"a longer life":    func(r *session.Record) { r.Expires = r.Expires.Add(time.Hour) },
		} {
			altered := mine
			change(&altered)
			w.memory.sessions[me.ID] = altered
			delete(w.memory.sessions, theirs.ID)
			try := b.Browser
			if altered.Cookie == theirs.Cookie {
				try = thief.Browser
			}
			if _, err := w.Session(t.Context(), try); err == nil || errors.Is(err, oidc.ErrNoSession) {
				t.Errorf("%s: %v", name, err)
			}
			w.memory.sessions[me.ID], w.memory.sessions[theirs.ID] = mine, theirs
		}
	})
}

// Another password ends what was begun with the old one, offline access too.
func TestPasswordEndsSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau)
		offline := b.tokens(t, w.shop, "scope", "openid offline_access", "prompt", "consent")
		time.Sleep(2 * time.Second)
		ticket, err := w.people.Tickets.SetupTicket(t.Context(), "cli", w.zhang.ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.people.Tickets.SetPassword(t.Context(), ticket, "四个词 walnut 轮船 27", "zh-CN", "r"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		if _, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal()); err == nil {
			t.Error("its access token lives")
		}
		_, err = w.Redeem(t.Context(), w.bureau, refreshing(tokens.Refresh.Reveal()))
		if _, reason := codeOf(t, err); reason != "refresh_session_ended" {
			t.Errorf("its refresh token lives: %v", err)
		}
		if _, err = w.Redeem(t.Context(), w.shop, refreshing(offline.Refresh.Reveal())); err == nil {
			t.Error("offline access lives")
		}
		if _, err := w.CheckAccessToken(t.Context(), offline.Access.Reveal()); err == nil {
			t.Error("the access token of offline access lives")
		}
		if b.live(t) {
			t.Error("the session lives")
		}
		if !strings.Contains(strings.Join(w.results(), ","), "session.end password") {
			t.Errorf("events %v", w.results())
		}
		step := b.authorize(t, w.bureau)
		w.checked = w.zhang
		if _, err := w.logIn(t.Context(), step.Handle, b.Browser, w.zhang); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("whose old password was checked before logs in after: %v", err)
		}
		w.checked = identity.Account{}
		if w.zhang, err = w.people.Account(t.Context(), w.zhang.ID); err != nil {
			t.Fatal(err)
		}
		b.session(t, w.zhang, 1)
		time.Sleep(time.Minute)
		if !b.live(t) {
			t.Error("the session after it ended")
		}
	})
}

// The session in which the password was changed goes on under a new cookie; all
// others end.
func TestPasswordChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b, other, li := w.browser(), w.browser(), w.browser()
		b.session(t, w.zhang, 2)
		other.session(t, w.zhang, 2)
		li.session(t, w.li, 1)
		tokens := b.tokens(t, w.bureau)
		before, err := w.Session(t.Context(), b.Browser)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		change := func(password string) identity.Account {
			t.Helper()
			ticket, err := w.people.Tickets.SetupTicket(t.Context(), "cli", w.zhang.ID)
			if err != nil {
				t.Fatal(err)
			}
			a, err := w.people.Tickets.SetPassword(t.Context(), ticket, password, "zh-CN", "r")
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		stale := change("四个词 walnut 轮船 27")
		time.Sleep(time.Second)
		changed := change("五个词 walnut 轮船 28")
		for name, try := range map[string]struct {
			oidc.Browser
			identity.Account
		}{
			"another password since": {b.Browser, stale}, "another person's session": {li.Browser, changed}, "no session": {w.browser().Browser, changed},
		} {
			if _, err := w.PasswordChanged(t.Context(), try.Browser, try.Account, factor.Proof{Factor: factor.Password}); !errors.Is(err, oidc.ErrNoSession) {
				t.Errorf("%s: %v", name, err)
			}
		}
		cookie, err := w.PasswordChanged(t.Context(), b.Browser, changed, factor.Proof{Factor: factor.Password})
		if err != nil {
			t.Fatal(err)
		}
		if b.live(t) {
			t.Error("the old cookie is good")
		}
		b.Session = cookie
		s, err := w.Session(t.Context(), b.Browser)
		if err != nil {
			t.Fatalf("the session ended: %v", err)
		}
		l, err := w.Find(t.Context(), b.Browser)
		if err != nil || s.ID != before.ID || l.ID != s.ID || l.About.AuthTime.Before(changed.Password.Set) || s.Assurance != 1 {
			t.Errorf("the session is %+v, %+v, %v; it was %s", s, l, err, before.ID)
		}
		if list, err := w.Sessions(t.Context(), s); err != nil || len(list) != 1 {
			t.Errorf("%d sessions are listed, %v", len(list), err)
		}
		if other.live(t) {
			t.Error("another browser's session lives")
		}
		if !li.live(t) {
			t.Error("another person's session ended")
		}
		time.Sleep(2 * time.Second)
		if _, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal()); err == nil {
			t.Error("a token from before lives")
		}
		time.Sleep(time.Minute)
		if !b.live(t) {
			t.Error("the session ended later")
		}
		if _, err := w.people.Change(t.Context(), w.zhang.ID, func(a *identity.Account) error { a.Disable(true, ""); return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := w.PasswordChanged(t.Context(), b.Browser, changed, factor.Proof{Factor: factor.Password}); !errors.Is(err, oidc.ErrNoSession) {
			t.Errorf("of a disabled account: %v", err)
		}
	})
}
