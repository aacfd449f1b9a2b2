package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const fresh = "four quiet herons"

// changes tries to change the password.
func (w *world) changes(t testing.TB, a Account, try Attempt, password string) error {
	t.Helper()
	_, err := w.ChangePassword(t.Context(), try, a.ID, password)
	return err
}

func TestChangePassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		ticket, err := w.SetupTicket(t.Context(), "cli", a.ID)
		isReason(t, "a ticket", err, "")
		for _, test := range []struct{ old, new, reason string }{
			{"another password", fresh, "wrong_password"},
			{"", fresh, "wrong_password"},
			{strings.Repeat("x", 5000), fresh, "wrong_password"},
			{"another password", "19900101 and more", "wrong_password"}, // no word of whose birth date that is
			{"another password", "another password", "wrong_password"},
			{password, password, "password_same"},
			{password, "竹林深处\u3000ｂａｍｂｏｏ", "password_same"}, // on another keyboard
			{password, "short", "password_short"},
			{password, strings.Repeat("long", 100), "password_long"},
			{password, "four\tquiet herons", "password_characters"},
			{password, "12345678", "password_common"},
			{password, "19900101 and more", "password_personal"},
		} {
			isReason(t, test.old+" to "+test.new, w.changes(t, a, attempt("", test.old).from(len(test.old)), test.new), test.reason)
			if got := w.results(); got[len(got)-1] != "account.change_password "+test.reason {
				t.Errorf("facts are %v", got)
			}
		}
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "the old one till then", err, "")
		time.Sleep(time.Hour)
		changed, err := w.ChangePassword(t.Context(), attempt("", password), a.ID, fresh)
		isReason(t, "changing", err, "")
		stored, err := w.Account(t.Context(), a.ID)
		isReason(t, "loading", err, "")
		if !stored.Password.Set.Equal(time.Now()) || !changed.Password.Set.Equal(stored.Password.Set) || changed.Revision != stored.Revision {
			t.Errorf("it is set at %v, and revision %d; returned %v and %d", stored.Password.Set, stored.Revision, changed.Password.Set, changed.Revision)
		}
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "the old one", err, "login_refused")
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", fresh))
		isReason(t, "the new one", err, "")
		_, err = w.SetPassword(t.Context(), ticket, "another good one", "r")
		isReason(t, "a ticket from before", err, "ticket_invalid")
		if got := w.results(); !slices.Contains(got, "account.change_password begun") || !slices.Contains(got, "account.change_password ok") {
			t.Errorf("facts are %v", got)
		}
		if _, err := w.ChangePassword(t.Context(), attempt("", password), NewID(), fresh); !errors.Is(err, ErrNotFound) {
			t.Errorf("nobody's: %v", err)
		}
		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		isReason(t, "disabling", err, "")
		isReason(t, "of a disabled account", w.changes(t, a, attempt("", fresh), "another good one"), "wrong_password")
	})
}

// A stolen session is no way to guess on: the right password gets the same
// refusal as a wrong one once the tries are used up, from wherever they came.
func TestChangePasswordIsNoOracle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		device, err := w.DeviceToken(t.Context(), a, "")
		isReason(t, "device token", err, "")
		owner := attempt("", password)
		owner.Device = device

		for n := range 10 {
			isReason(t, fmt.Sprint("guess ", n), w.changes(t, a, attempt("", "guess").from(n), fresh), "wrong_password")
		}
		before := w.hash.computed.Load()
		for n, guess := range []string{"guess", password} {
			err := w.changes(t, a, attempt("", guess).from(100+n), fresh)
			isReason(t, "beyond: "+guess, err, "too_many_tries")
			if e, _ := errors.AsType[*Error](err); e.Retry != 24*time.Hour {
				t.Errorf("retry after %v", e.Retry)
			}
		}
		if w.hash.computed.Load() != before || w.sms.count() != 0 {
			t.Error("a refused try was hashed, or sent a message")
		}
		// The owner can change it all the same, and log in from elsewhere.
		isReason(t, "on a known device", w.changes(t, a, owner, fresh), "")
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", fresh).from(300))
		isReason(t, "a login", err, "")

		// One address.
		time.Sleep(25 * time.Hour)
		for range 5 {
			isReason(t, "a guess", w.changes(t, a, attempt("", "guess"), password), "wrong_password")
		}
		isReason(t, "one address", w.changes(t, a, attempt("", fresh), password), "too_many_tries")
	})
}

// A stolen cookie of a known device has no tries beyond those of its logins.
func TestChangePasswordOnAKnownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		device, err := w.DeviceToken(t.Context(), a, "")
		isReason(t, "device token", err, "")
		login, change := attempt("xiaoyan.zhang", "guess"), attempt("", "guess")
		login.Device, change.Device = device, device
		for n := range 5 {
			_, err := w.CheckPassword(t.Context(), login)
			isReason(t, fmt.Sprint("login ", n), err, "login_refused")
			isReason(t, fmt.Sprint("change ", n), w.changes(t, a, change, fresh), "wrong_password")
		}
		for n := range 5 { // now it counts as unknown
			isReason(t, fmt.Sprint("change on ", n), w.changes(t, a, change, fresh), "wrong_password")
		}
		change.Password = password
		isReason(t, "the right one", w.changes(t, a, change, fresh), "too_many_tries")
	})
}

// A right password gives its try back, whatever the new one is; and where tries
// can't be counted, none is let through.
func TestChangePasswordCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		for n := range 40 {
			isReason(t, fmt.Sprint("short ", n), w.changes(t, a, attempt("", password), "short"), "password_short")
		}
		w.failEphemeral = errors.New("down")
		isReason(t, "without counts", w.changes(t, a, attempt("", password), fresh), "unavailable")
		w.failEphemeral = nil
		w.failRecord = errors.New("down")
		if err := w.changes(t, a, attempt("", password), fresh); !errors.Is(err, w.failRecord) {
			t.Errorf("without a trace: %v", err)
		}
		w.failRecord = nil
		_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "the old one", err, "")
	})
}

// Of changes side by side one succeeds, and the password is that one's.
func TestChangePasswordSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		time.Sleep(time.Second) // the old one was set before
		var mu sync.Mutex
		var winners []string
		// All have checked the old one before any saves.
		var checked sync.WaitGroup
		checked.Add(3)
		w.delay = func(call string) {
			if call == "UpdateAccount" {
				checked.Done()
				checked.Wait()
			}
		}
		var wg sync.WaitGroup
		for _, one := range []string{"first guess of mine", "second thought", "third time lucky"} {
			wg.Go(func() {
				err := w.changes(t, a, attempt("", password), one)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					winners = append(winners, one)
				} else if e, ok := errors.AsType[*Error](err); !ok || e.Reason != "wrong_password" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		w.delay = nil
		if len(winners) != 1 {
			t.Fatalf("winners are %q", winners)
		}
		_, err := w.CheckPassword(t.Context(), attempt("13800138000", winners[0]))
		isReason(t, "login", err, "")
	})
}
