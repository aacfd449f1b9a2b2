package guessing_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/guessing"
	"yizheng.internal/oidc/identity/identitytest"
)

// A known device has tries of its own. When they are used up it is like any other.
func TestKnownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		device, err := w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device token", err, "")
		try := identitytest.Attempt("xiaoyan.zhang", "guess")
		try.Device = device
		for range 10 + 5 {
			_, err := w.CheckPassword(t.Context(), try)
			identitytest.IsReason(t, "guess", err, "login_refused")
		}
		_, err = w.CheckPassword(t.Context(), try)
		identitytest.IsReason(t, "guess", err, "code_needed")
	})
}

// However many known devices somebody has, the account has one count for them all.
func TestManyKnownDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		answered := 0
		for n := range 6 {
			device, err := w.DeviceToken(t.Context(), a, "")
			identitytest.IsReason(t, "device token", err, "")
			for range 10 {
				try := identitytest.Attempt("xiaoyan.zhang", "guess")
				try.Device = device
				if _, err := w.CheckPassword(t.Context(), identitytest.From(try, n)); refusedFor(err) == "login_refused" {
					answered++
				}
			}
		}
		// Fifteen of the devices, and those of unknown ones.
		if least, most := int(guessing.MostOfDevices), int(guessing.MostOfDevices+guessing.MostOfLoginDay); answered < least || answered > most {
			t.Errorf("%d guesses of six devices were answered, want %d to %d", answered, least, most)
		}
	})
}

func refusedFor(err error) string {
	e, _ := errors.AsType[*identity.Error](err)
	if e == nil {
		return ""
	}
	return string(e.Reason)
}

// Guesses count for the account, whether its name is typed, its phone or its number:
// after eight of them from one address the right password is answered as a wrong one.
// Nothing tells that the three are one account: no answer, and no call of a store.
func TestGuessingByAllLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		names := []string{"xiaoyan.zhang", "13800138000", identitytest.ZhangCode.Value}
		typed := map[string]int{}
		calls := map[int]map[string]bool{} // by how often that login was typed
		try := func(login, with string) string {
			w.Asked()
			began := time.Now()
			_, err := w.CheckPassword(t.Context(), identitytest.Attempt(login, with))
			reason := refusedFor(err)
			typed[login]++
			if calls[typed[login]] == nil {
				calls[typed[login]] = map[string]bool{}
			}
			calls[typed[login]][fmt.Sprint(reason, " ", time.Since(began), " ", w.Asked())] = true
			return reason
		}
		for n := range 8 {
			if got := try(names[n%3], fmt.Sprint("guess ", n)); got != "login_refused" {
				t.Fatalf("guess %d: %s", n, got)
			}
		}
		for _, login := range names {
			if got := try(login, identitytest.Password); got != "login_refused" {
				t.Errorf("the right password after eight guesses, by %s: %q", login, got)
			}
		}
		for range 4 {
			if got := try("nobody.here", identitytest.Password); got != "login_refused" {
				t.Errorf("a login of nobody: %q", got)
			}
		}
		for n, answers := range calls {
			if len(answers) != 1 {
				t.Errorf("answers to try %d differ: %v", n, answers)
			}
		}
		// From elsewhere all is as ever, and here the owner gets a code at last.
		_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", identitytest.Password), 7))
		identitytest.IsReason(t, "from elsewhere", err, "")
		var c *factor.Challenge
		for range 5 {
			if _, err := w.CheckPassword(t.Context(), identitytest.Attempt("13800138000", identitytest.Password)); errors.As(err, &c) {
				break
			}
		}
		if c == nil {
			t.Fatal("the owner never gets a code")
		}
		_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", w.SMS.Last(t).Code, "r")
		identitytest.IsReason(t, "with the code", err, "")
	})
}
