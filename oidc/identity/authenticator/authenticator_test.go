package authenticator_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
)

func owner(a identity.Account) authenticator.Owner {
	return authenticator.Owner{Account: a.ID, Session: "session", AuthTime: time.Now(), Strength: 3, Language: "zh-CN", RequestID: "r"}
}

func TestAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a, s := w.Zhang(t), w.Authenticators
		o := owner(a)
		setup, err := s.Prepare(t.Context(), o)
		identitytest.IsReason(t, "preparing", err, "")
		if stored, _ := w.Account(t.Context(), a.ID); stored.Revision != a.Revision {
			t.Error("preparing changes the account")
		}
		if strings.Contains(setup.Token, setup.Secret) || len(setup.Secret) != 32 {
			t.Errorf("setup is %+v", setup)
		}
		code := identitytest.AppCode(t, setup.URI)
		another, other := o, o
		another.Session, other.Account = "another", identity.NewID()
		for name, try := range map[string]struct {
			o                         authenticator.Owner
			token, name, code, reason string
		}{
			"a wrong code":            {o, setup.Token, "我的手机", "000000", "code_wrong"},
			"no code":                 {o, setup.Token, "我的手机", "", "code_wrong"},
			"no name":                 {o, setup.Token, " ", code, "name_invalid"},
			"a name that is too long": {o, setup.Token, strings.Repeat("长", 31), code, "name_invalid"},
			"an invisible name":       {o, setup.Token, "a\u202eb", code, "name_invalid"},
			"another session":         {another, setup.Token, "我的手机", code, "setup_expired"},
			"another account":         {other, setup.Token, "我的手机", code, "setup_expired"},
			"an altered token":        {o, setup.Token[:20] + "AAAA" + setup.Token[24:], "我的手机", code, "setup_expired"},
			"a long token":            {o, strings.Repeat("A", 4000), "我的手机", code, "setup_expired"},
		} {
			identitytest.IsReason(t, name, s.Add(t.Context(), try.o, try.token, try.name, try.code), try.reason)
		}
		again, err := s.Resume(t.Context(), o, setup.Token)
		if err != nil || again.Secret != setup.Secret {
			t.Errorf("resumed it is %+v, %v", again, err)
		}
		_, err = s.Resume(t.Context(), another, setup.Token)
		identitytest.IsReason(t, "resuming in another session", err, "setup_expired")
		identitytest.IsReason(t, "adding", s.Add(t.Context(), o, again.Token, " 我的手机 ", code), "")
		identitytest.IsReason(t, "by the same form", s.Add(t.Context(), o, setup.Token, "我的手机", code), "")
		stored, err := w.Account(t.Context(), a.ID)
		if err != nil || len(stored.Authenticators) != 1 || stored.Authenticators[0].Name != "我的手机" || !stored.Secured.IsZero() {
			t.Errorf("the account has %+v, %v", stored.Authenticators, err)
		}
		if m := w.SMS.Last(t); w.SMS.Count() != 1 || m.Kind != notice.AuthenticatorAdded || m.Phone != a.Phone || !strings.Contains(m.Text, "身份验证器") {
			t.Errorf("%d messages, the last is %+v", w.SMS.Count(), m)
		}
		late, err := s.Prepare(t.Context(), o)
		identitytest.IsReason(t, "preparing", err, "")
		time.Sleep(15 * time.Minute)
		identitytest.IsReason(t, "too late", s.Add(t.Context(), o, late.Token, "x", identitytest.AppCode(t, late.URI)), "setup_expired")
	})
}

// An account has five apps at the most, also if six setups were begun before.
func TestMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		sixth, err := w.Authenticators.Prepare(t.Context(), owner(a))
		identitytest.IsReason(t, "preparing", err, "")
		for range 5 {
			w.AddApp(t, a)
		}
		time.Sleep(5 * time.Minute)
		_, err = w.Authenticators.Prepare(t.Context(), owner(a))
		identitytest.IsReason(t, "preparing a sixth", err, "authenticator_limit")
		err = w.Authenticators.Add(t.Context(), owner(a), sixth.Token, "x", identitytest.AppCode(t, sixth.URI))
		identitytest.IsReason(t, "adding a sixth", err, "authenticator_limit")
	})
}

func TestRenameAndRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a, s := w.Zhang(t), w.Authenticators
		app := w.AddApp(t, a)
		before, _ := w.Account(t.Context(), a.ID)
		id := before.Authenticators[0].ID
		identitytest.IsReason(t, "renaming", s.Rename(t.Context(), owner(a), id, "旧手机"), "")
		identitytest.IsReason(t, "renaming to nothing", s.Rename(t.Context(), owner(a), id, ""), "name_invalid")
		identitytest.IsReason(t, "renaming what isn't there", s.Rename(t.Context(), owner(a), identity.NewID(), "x"), "authenticator_unknown")
		identitytest.IsReason(t, "renaming without an id", s.Rename(t.Context(), owner(a), "", "x"), "authenticator_unknown")
		_, _, err := s.Remove(t.Context(), owner(a), identity.NewID())
		identitytest.IsReason(t, "removing what isn't there", err, "authenticator_unknown")
		after, _, err := s.Remove(t.Context(), owner(a), id)
		identitytest.IsReason(t, "removing", err, "")
		if len(after.Authenticators) != 0 || !after.Secured.Equal(time.Now()) {
			t.Errorf("after it the account is %+v", after)
		}
		if m := w.SMS.Last(t); m.Kind != notice.AuthenticatorRemoved {
			t.Errorf("the owner is told %+v", m)
		}
		time.Sleep(time.Minute)
		_, err = w.Finish(t.Context(), factor.TOTP, factor.Login{Account: a.ID}, app())
		identitytest.IsReason(t, "its code", err, "code_wrong")
		var actions []string
		actions = append(actions, w.Results()...)
		for _, want := range []string{"account.add_authenticator ok", "account.rename_authenticator ok", "account.remove_authenticator ok", "account.remove_authenticator authenticator_unknown", "notice.send ok"} {
			if !strings.Contains(strings.Join(actions, "\n"), want) {
				t.Errorf("no event %q in %q", want, actions)
			}
		}
	})
}

// What can't be recorded isn't done; what the gateway doesn't take is done all the same.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		w.FailRecord = errors.New("the disk is full")
		if _, err := w.Authenticators.MakeRecoveryCodes(t.Context(), owner(a), ""); err == nil {
			t.Error("codes were made without an event")
		}
		w.FailRecord = nil
		w.SMS.Fails = errors.New("no answer")
		made, err := w.Authenticators.MakeRecoveryCodes(t.Context(), owner(a), "")
		identitytest.IsReason(t, "making codes while nothing can be sent", err, "")
		if made.Ended || !made.Account.Secured.IsZero() {
			t.Error("the first codes end sessions")
		}
		_, err = w.Authenticators.MakeRecoveryCodes(t.Context(), owner(a), "")
		identitytest.IsReason(t, "by the same form, sent twice", err, "codes_changed")
		before := made.Account.Authenticators[0].ID
		made, err = w.Authenticators.MakeRecoveryCodes(t.Context(), owner(a), before)
		identitytest.IsReason(t, "making codes again", err, "")
		if !made.Ended || made.Account.Secured.IsZero() || len(made.Account.Authenticators) != 1 {
			t.Errorf("codes in place of others leave %+v", made.Account)
		}
		_, err = w.Authenticators.MakeRecoveryCodes(t.Context(), owner(a), before)
		identitytest.IsReason(t, "in place of those that went", err, "codes_changed")
		w.SMS.Fails, w.SMS.Takes = nil, time.Hour
		began := time.Now()
		_, err = w.Authenticators.MakeRecoveryCodes(t.Context(), owner(a), made.Account.Authenticators[0].ID)
		identitytest.IsReason(t, "making codes while the gateway hangs", err, "")
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		_, err = w.Authenticators.MakeRecoveryCodes(t.Context(), owner(a), "")
		identitytest.IsReason(t, "of a disabled account", err, "session_over")
	})
}

// A session that ended changes nothing, whatever the page knew of it: by another change of an
// authenticator, by another password, or since the account was disabled.
func TestSessionOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		w.AddApp(t, a)
		thief := owner(a)
		time.Sleep(time.Minute)
		mine := owner(a)
		stored, _ := w.Account(t.Context(), a.ID)
		setup, err := w.Authenticators.Prepare(t.Context(), thief)
		identitytest.IsReason(t, "preparing", err, "")
		after, _, err := w.Authenticators.Remove(t.Context(), mine, stored.Authenticators[0].ID)
		identitytest.IsReason(t, "removing", err, "")
		try := func(what string, o authenticator.Owner, reason string) {
			t.Helper()
			_, err := w.Authenticators.MakeRecoveryCodes(t.Context(), o, "")
			identitytest.IsReason(t, what, err, reason)
		}
		try("codes in a session from before", thief, "session_over")
		identitytest.IsReason(t, "an app in it", w.Authenticators.Add(t.Context(), thief, setup.Token, "x", identitytest.AppCode(t, setup.URI)), "session_over")
		_, _, err = w.Authenticators.Remove(t.Context(), thief, "x")
		identitytest.IsReason(t, "removing in it", err, "session_over")
		identitytest.IsReason(t, "a name in it", w.Authenticators.Rename(t.Context(), thief, "x", "y"), "session_over")
		if now, _ := w.Account(t.Context(), a.ID); now.Revision != after.Revision {
			t.Error("the account was changed all the same")
		}
		mine.Since = after.Secured
		try("codes in the session that goes on", mine, "")
	})
}

// Each change sends a message, so there are ten an hour.
func TestChangesAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		before, made := "", 0
		for range 30 {
			o := owner(a)
			codes, err := w.Authenticators.MakeRecoveryCodes(t.Context(), o, before)
			if err != nil {
				identitytest.IsReason(t, "one more", err, "too_many_tries")
				continue
			}
			made++
			before = authenticator.RecoveryID(&codes.Account)
			time.Sleep(time.Second)
		}
		if made != 10 || w.SMS.Count() != 10 {
			t.Errorf("%d were made, and %d messages sent", made, w.SMS.Count())
		}
	})
}

// FuzzToken sends whatever a form may carry: no token is one that wasn't made here.
func FuzzToken(f *testing.F) {
	w := identitytest.NewWorld(f)
	a := w.Zhang(f)
	setup, err := w.Authenticators.Prepare(f.Context(), owner(a))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(setup.Token)
	f.Add(setup.Token[:40])
	f.Add("====")
	f.Fuzz(func(t *testing.T, token string) {
		s, err := w.Authenticators.Resume(t.Context(), owner(a), token)
		if err == nil && s.Secret != setup.Secret {
			t.Errorf("%q is a setup", token)
		}
	})
}
