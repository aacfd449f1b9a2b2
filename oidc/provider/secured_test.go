package provider

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/session"
)

// The session in which an authenticator was replaced goes on under a new cookie, with its login's
// time; all others end, and so does offline access.
func TestSecured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		zhang := w.person(t, w.people, identity.Registration{
			Name: "王五", Code: party.Code{Type: party.Passport, Value: "E12345678"}, Phone: "13800138001", Password: "四个词 walnut 轮船 27",
		})
		b, other, li := w.browser(), w.browser(), w.browser()
		b.session(t, zhang, 2)
		other.session(t, zhang, 2)
		li.session(t, w.li, 1)
		tokens := b.tokens(t, w.bureau)
		offline := other.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent")
		before, err := w.Session(t.Context(), b.Browser)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		make := func(since time.Time) identity.Account {
			t.Helper()
			now, err := w.people.Account(t.Context(), zhang.ID)
			if err != nil {
				t.Fatal(err)
			}
			o := authenticator.Owner{Account: zhang.ID, Session: before.ID, AuthTime: before.AuthTime, Since: since, Strength: before.Strength}
			made, err := w.people.Authenticators.MakeRecoveryCodes(t.Context(), o, authenticator.RecoveryID(&now))
			if err != nil {
				t.Fatal(err)
			}
			return made.Account
		}
		make(time.Time{})
		changed := make(time.Time{})
		for name, wrong := range map[string]oidc.Browser{"another person's session": li.Browser, "no session": w.browser().Browser} {
			if _, err := w.Secured(t.Context(), wrong, changed, factor.RecoveryCode); !errors.Is(err, oidc.ErrNoSession) {
				t.Errorf("%s: %v", name, err)
			}
		}
		old := *b
		cookie, err := w.Secured(t.Context(), b.Browser, changed, factor.RecoveryCode)
		if err != nil {
			t.Fatal(err)
		}
		b.Session = cookie
		s, err := w.Session(t.Context(), b.Browser)
		if err != nil || s.ID != before.ID || s.Assurance != 2 || !s.AuthTime.Equal(before.AuthTime) {
			t.Errorf("the session is %+v, %v; it was %+v", s, err, before)
		}
		if list, err := w.Sessions(t.Context(), s); err != nil || len(list) != 1 {
			t.Errorf("%d sessions are listed, %v", len(list), err)
		}
		if old.live(t) || other.live(t) || !li.live(t) {
			t.Error("the old cookie or another browser lives, or another person's session doesn't")
		}
		time.Sleep(3 * time.Second)
		if _, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal()); err == nil {
			t.Error("a token from before lives")
		}
		if _, err := w.Redeem(t.Context(), w.bureau, refreshing(offline.Refresh.Reveal())); err == nil {
			t.Error("offline access from before lives")
		}
		again := b.tokens(t, w.bureau)
		if _, err := w.CheckAccessToken(t.Context(), again.Access.Reveal()); err != nil {
			t.Errorf("a token of the session that goes on: %v", err)
		}
		time.Sleep(time.Minute)
		make(s.Since)
		time.Sleep(3 * time.Second)
		if b.live(t) {
			t.Error("a second change, elsewhere, doesn't end it")
		}
		if _, err := w.CheckAccessToken(t.Context(), again.Access.Reveal()); err == nil {
			t.Error("its token lives after a second change")
		}
	})
}

// A page that wants a fresh login gets one, however lately the session was used.
func TestVisitFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		page := flow.Page{Path: "/security/app", Assurance: 2, Fresh: 10 * time.Minute}
		for _, test := range []struct {
			after time.Duration
			kind  oidc.StepKind
		}{{9*time.Minute + 59*time.Second, oidc.StepDone}, {time.Second, oidc.StepLogin}} {
			time.Sleep(test.after)
			step, err := w.Visit(t.Context(), page, b.Browser)
			if err != nil || step.Kind != test.kind {
				t.Errorf("%v later comes %s, %v; want %s", test.after, step.Kind, err, test.kind)
			}
		}
	})
}

// A login that was checked before something was removed doesn't begin after it: it might rest on
// what was removed.
func TestSecuredBeforeItBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		checked, err := w.people.Account(t.Context(), w.zhang.ID)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		after, err := w.people.Authenticators.ChangePhone(t.Context(), "cli", w.zhang.ID, "", "zh-CN")
		if err != nil {
			t.Fatal(err)
		}
		proof := factor.Proof{Factor: factor.Passkey, Verified: true}
		if _, _, err := w.Start(t.Context(), w.browser().Browser, checked, oidc.NewHandle(), proof); !errors.Is(err, session.ErrOvertaken) {
			t.Errorf("a login of before: %v", err)
		}
		if _, _, err := w.Start(t.Context(), w.browser().Browser, after, oidc.NewHandle(), proof); err != nil {
			t.Errorf("a login of now: %v", err)
		}
	})
}
