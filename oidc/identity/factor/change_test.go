package factor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
)

const fresh = "four quiet herons"

// changes tries to change the password.
func changes(w *identitytest.World, t testing.TB, a identity.Account, try factor.Attempt, password string) error {
	t.Helper()
	_, err := w.ChangePassword(t.Context(), try, a.ID, password)
	return err
}

func TestChangePassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		ticket, err := w.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		for _, test := range []struct{ old, new, reason string }{
			{"another password", fresh, "wrong_password"},
			{"", fresh, "wrong_password"},
			{strings.Repeat("x", 5000), fresh, "wrong_password"},
			{"another password", "19900101 and more", "wrong_password"}, // no word of whose birth date that is
			{"another password", "another password", "wrong_password"},
			{identitytest.Password, identitytest.Password, "password_same"},
			{identitytest.Password, "竹林深处\u3000ｂａｍｂｏｏ", "password_same"}, // on another keyboard
			{identitytest.Password, "short", "password_short"},
			{identitytest.Password, strings.Repeat("long", 100), "password_long"},
			{identitytest.Password, "four\tquiet herons", "password_characters"},
			{identitytest.Password, "12345678", "password_common"},
			{identitytest.Password, "19900101 and more", "password_personal"},
		} {
			identitytest.IsReason(t, test.old+" to "+test.new, changes(w, t, a, identitytest.From(identitytest.Attempt("", test.old), len(test.old)), test.new), test.reason)
			if got := w.Results(); got[len(got)-1] != "account.change_password "+test.reason {
				t.Errorf("facts are %v", got)
			}
		}
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "the old one till then", err, "")
		time.Sleep(time.Hour)
		changed, err := w.ChangePassword(t.Context(), identitytest.Attempt("", identitytest.Password), a.ID, fresh)
		identitytest.IsReason(t, "changing", err, "")
		stored, err := w.Account(t.Context(), a.ID)
		identitytest.IsReason(t, "loading", err, "")
		if !stored.Password.Set.Equal(time.Now()) || !changed.Password.Set.Equal(stored.Password.Set) || changed.Revision != stored.Revision {
			t.Errorf("it is set at %v, and revision %d; returned %v and %d", stored.Password.Set, stored.Revision, changed.Password.Set, changed.Revision)
		}
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "the old one", err, "login_refused")
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", fresh))
		identitytest.IsReason(t, "the new one", err, "")
		_, err = w.SetPassword(t.Context(), ticket, "another good one", "zh-CN", "r")
		identitytest.IsReason(t, "a ticket from before", err, "ticket_invalid")
		if got := w.Results(); !slices.Contains(got, "account.change_password begun") || !slices.Contains(got, "account.change_password ok") {
			t.Errorf("facts are %v", got)
		}
		if _, err := w.ChangePassword(t.Context(), identitytest.Attempt("", identitytest.Password), identity.NewID(), fresh); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("nobody's: %v", err)
		}
		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		identitytest.IsReason(t, "of a disabled account", changes(w, t, a, identitytest.Attempt("", fresh), "another good one"), "wrong_password")
	})
}

// A stolen session is no way to guess on: the right password gets the same
// refusal as a wrong one once the tries are used up, from wherever they came.
func TestChangePasswordIsNoOracle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		device, err := w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device token", err, "")
		owner := identitytest.Attempt("", identitytest.Password)
		owner.Device = device

		for n := range 10 {
			identitytest.IsReason(t, fmt.Sprint("guess ", n), changes(w, t, a, identitytest.From(identitytest.Attempt("", "guess"), n), fresh), "wrong_password")
		}
		before := w.Hash.Computed()
		for n, guess := range []string{"guess", identitytest.Password} {
			err := changes(w, t, a, identitytest.From(identitytest.Attempt("", guess), 100+n), fresh)
			identitytest.IsReason(t, "beyond: "+guess, err, "too_many_tries")
			if e, _ := errors.AsType[*identity.Error](err); e.Retry != 24*time.Hour {
				t.Errorf("retry after %v", e.Retry)
			}
		}
		if w.Hash.Computed() != before || w.SMS.Count() != 0 {
			t.Error("a refused try was hashed, or sent a message")
		}
		// The owner can change it all the same, and log in from elsewhere.
		identitytest.IsReason(t, "on a known device", changes(w, t, a, owner, fresh), "")
		_, err = w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", fresh), 300))
		identitytest.IsReason(t, "a login", err, "")

		// One address.
		time.Sleep(25 * time.Hour)
		for range 5 {
			identitytest.IsReason(t, "a guess", changes(w, t, a, identitytest.Attempt("", "guess"), identitytest.Password), "wrong_password")
		}
		identitytest.IsReason(t, "one address", changes(w, t, a, identitytest.Attempt("", fresh), identitytest.Password), "too_many_tries")
	})
}

// A stolen cookie of a known device has no tries beyond those of its logins.
func TestChangePasswordOnAKnownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		device, err := w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device token", err, "")
		login, change := identitytest.Attempt("xiaoyan.zhang", "guess"), identitytest.Attempt("", "guess")
		login.Device, change.Device = device, device
		for n := range 5 {
			_, err := w.CheckPassword(t.Context(), login)
			identitytest.IsReason(t, fmt.Sprint("login ", n), err, "login_refused")
			identitytest.IsReason(t, fmt.Sprint("change ", n), changes(w, t, a, change, fresh), "wrong_password")
		}
		for n := range 5 { // now it counts as unknown
			identitytest.IsReason(t, fmt.Sprint("change on ", n), changes(w, t, a, change, fresh), "wrong_password")
		}
		change.Password = identitytest.Password
		identitytest.IsReason(t, "the right one", changes(w, t, a, change, fresh), "too_many_tries")
	})
}

// A right password gives its try back, whatever the new one is; and where tries
// can't be counted, none is let through.
func TestChangePasswordCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		for n := range 40 {
			identitytest.IsReason(t, fmt.Sprint("short ", n), changes(w, t, a, identitytest.Attempt("", identitytest.Password), "short"), "password_short")
		}
		w.FailEphemeral = errors.New("down")
		identitytest.IsReason(t, "without counts", changes(w, t, a, identitytest.Attempt("", identitytest.Password), fresh), "unavailable")
		w.FailEphemeral = nil
		w.FailRecord = errors.New("down")
		if err := changes(w, t, a, identitytest.Attempt("", identitytest.Password), fresh); !errors.Is(err, w.FailRecord) {
			t.Errorf("without a trace: %v", err)
		}
		w.FailRecord = nil
		_, err := w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "the old one", err, "")
	})
}

// Of changes side by side one succeeds, and the password is that one's.
func TestChangePasswordSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		time.Sleep(time.Second) // the old one was set before
		var mu sync.Mutex
		var winners []string
		// All have checked the old one before any saves.
		var checked sync.WaitGroup
		checked.Add(3)
		w.Delay = func(call string) {
			if call == "UpdateAccount" {
				checked.Done()
				checked.Wait()
			}
		}
		var wg sync.WaitGroup
		for _, one := range []string{"first guess of mine", "second thought", "third time lucky"} {
			wg.Go(func() {
				err := changes(w, t, a, identitytest.Attempt("", identitytest.Password), one)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners = append(winners, one)
				} else if e, ok := errors.AsType[*identity.Error](err); !ok || e.Reason != "wrong_password" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.Delay = nil
		if len(winners) != 1 {
			t.Fatalf("winners are %q", winners)
		}
		_, err := w.CheckPassword(t.Context(), identitytest.Attempt("13800138000", winners[0]))
		identitytest.IsReason(t, "login", err, "")
	})
}
