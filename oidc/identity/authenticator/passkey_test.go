package authenticator_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/passkey"
	"yizheng.internal/oidc/identity/passkey/passkeytest"
)

// prepared begins to add a passkey, and has a device make it.
func prepared(t testing.TB, w *identitytest.World, o authenticator.Owner, device *passkeytest.Authenticator) (token, answer string) {
	t.Helper()
	setup, err := w.Authenticators.PreparePasskey(t.Context(), o)
	identitytest.IsReason(t, "preparing", err, "")
	if answer, err = device.Create(setup.Options); err != nil {
		t.Fatal(err)
	}
	return setup.Token, answer
}

func TestAddPasskey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a, s := w.Zhang(t), w.Authenticators
		o := owner(a)
		setup, err := s.PreparePasskey(t.Context(), o)
		identitytest.IsReason(t, "preparing", err, "")
		stored, _ := w.Account(t.Context(), a.ID)
		if stored.Revision != a.Revision {
			t.Error("preparing changes the account")
		}
		for _, said := range []string{a.ID, a.Party, identitytest.ZhangCode.Value, "张小䶮", "13800138000"} {
			if strings.Contains(setup.Options, said) {
				t.Errorf("the authenticator is told %q", said)
			}
		}
		token, answer := prepared(t, w, o, passkeytest.New(identitytest.URL))
		another, other := o, o
		another.Session, other.Account = "another", identity.NewID()
		for _, try := range []struct {
			what                string
			o                   authenticator.Owner
			token, name, answer string
			reason              string
		}{
			{"no answer", o, token, "x", "", "passkey_refused"},
			{"no name", o, token, " ", answer, "name_invalid"},
			{"a name that is too long", o, token, strings.Repeat("长", 31), answer, "name_invalid"},
			{"another session", another, token, "x", answer, "setup_expired"},
			{"another account", other, token, "x", answer, "setup_expired"},
			{"an altered token", o, token[:20] + "AAAA" + token[24:], "x", answer, "setup_expired"},
			{"an app's token", o, appToken(t, w, o), "x", answer, "setup_expired"},
		} {
			identitytest.IsReason(t, try.what, s.AddPasskey(t.Context(), try.o, try.token, try.name, try.answer), try.reason)
		}
		identitytest.IsReason(t, "adding", s.AddPasskey(t.Context(), o, token, " 我的手机 ", answer), "")
		identitytest.IsReason(t, "by the same form", s.AddPasskey(t.Context(), o, token, "我的手机", answer), "")
		stored, err = w.Account(t.Context(), a.ID)
		if err != nil || len(passkey.Of(&stored)) != 1 || stored.Authenticators[0].Name != "我的手机" || !stored.Secured.IsZero() || len(stored.Handle) != identity.HandleSize {
			t.Errorf("the account has %+v, %v", stored.Authenticators, err)
		}
		if m := w.SMS.Last(t); w.SMS.Count() != 1 || m.Kind != notice.AuthenticatorAdded || !strings.Contains(m.Text, "通行密钥") {
			t.Errorf("%d messages, the last is %+v", w.SMS.Count(), m)
		}
		token, answer = prepared(t, w, o, passkeytest.New(identitytest.URL))
		time.Sleep(5 * time.Minute)
		identitytest.IsReason(t, "after five minutes", s.AddPasskey(t.Context(), o, token, "x", answer), "passkey_expired")
		time.Sleep(10 * time.Minute)
		identitytest.IsReason(t, "after fifteen", s.AddPasskey(t.Context(), o, token, "x", answer), "setup_expired")
	})
}

func appToken(t testing.TB, w *identitytest.World, o authenticator.Owner) string {
	t.Helper()
	setup, err := w.Authenticators.Prepare(t.Context(), o)
	identitytest.IsReason(t, "preparing an app", err, "")
	return setup.Token
}

// Of two pages that add somebody's first passkey, one does: the other's couldn't be found.
func TestFirstPasskeyTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		o := owner(w.Zhang(t))
		one, oneAnswer := prepared(t, w, o, passkeytest.New(identitytest.URL))
		two, twoAnswer := prepared(t, w, o, passkeytest.New(identitytest.URL))
		identitytest.IsReason(t, "the first", w.Authenticators.AddPasskey(t.Context(), o, one, "x", oneAnswer), "")
		identitytest.IsReason(t, "the second", w.Authenticators.AddPasskey(t.Context(), o, two, "x", twoAnswer), "setup_expired")
	})
}

// An account has five passkeys at the most, and apps beside them.
func TestMostPasskeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		w.AddPasskey(t, a)
		token, answer := prepared(t, w, owner(a), passkeytest.New(identitytest.URL))
		for range 4 {
			w.AddPasskey(t, a)
		}
		_, err := w.Authenticators.PreparePasskey(t.Context(), owner(a))
		identitytest.IsReason(t, "a sixth", err, "authenticator_limit")
		err = w.Authenticators.AddPasskey(t.Context(), owner(a), token, "x", answer)
		identitytest.IsReason(t, "a sixth that was begun before", err, "authenticator_limit")
		w.AddApp(t, a)
	})
}

// Whoever's session is over adds nothing.
func TestAddPasskeyInAnOldSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		o := owner(a)
		w.AddApp(t, a)
		token, answer := prepared(t, w, o, passkeytest.New(identitytest.URL))
		time.Sleep(time.Minute)
		now, _ := w.Account(t.Context(), a.ID)
		_, _, err := w.Authenticators.Remove(t.Context(), owner(a), now.Authenticators[0].ID)
		identitytest.IsReason(t, "removing the app elsewhere", err, "")
		identitytest.IsReason(t, "adding", w.Authenticators.AddPasskey(t.Context(), o, token, "x", answer), "session_over")
	})
}

// Once there is a passkey, a login of two other factors, which a false website may have got, adds
// and removes nothing; the passkey's own login does.
func TestStrongerLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a, s := w.Zhang(t), w.Authenticators
		weak := owner(a)
		weak.Strength = 2
		begun, err := s.Prepare(t.Context(), weak)
		identitytest.IsReason(t, "preparing", err, "")
		w.AddPasskey(t, a)
		now, _ := w.Account(t.Context(), a.ID)
		id := now.Authenticators[0].ID
		identitytest.IsReason(t, "an app", s.Add(t.Context(), weak, begun.Token, "我的手机", identitytest.AppCode(t, begun.URI)), "stronger_login")
		_, err = s.MakeRecoveryCodes(t.Context(), weak, "")
		identitytest.IsReason(t, "recovery codes", err, "stronger_login")
		_, _, err = s.Remove(t.Context(), weak, id)
		identitytest.IsReason(t, "removing the passkey", err, "stronger_login")
		identitytest.IsReason(t, "a name", s.Rename(t.Context(), weak, id, "新名称"), "")
		if after, _ := w.Account(t.Context(), a.ID); len(after.Authenticators) != 1 || !after.Secured.IsZero() {
			t.Errorf("the account is %+v", after)
		}
		_, _, err = s.Remove(t.Context(), owner(a), id)
		identitytest.IsReason(t, "removing it by itself", err, "")
		_, err = s.MakeRecoveryCodes(t.Context(), weak, "")
		identitytest.IsReason(t, "without a passkey", err, "")
	})
}
