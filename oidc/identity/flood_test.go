package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A device is known by the password that it has seen: another one ends that.
func TestDeviceEndsWithPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		device, err := w.DeviceToken(t.Context(), a, "")
		isReason(t, "device token", err, "")
		time.Sleep(time.Millisecond) // outside of this bubble some time always passes
		try := attempt("", password)
		try.Device = device
		changed, err := w.ChangePassword(t.Context(), try, a.ID, "another good phrase")
		isReason(t, "changing", err, "")
		if known, err := w.knownDevice(t.Context(), changed, device); known != "" || err != nil {
			t.Errorf("the device is still known: %v", err)
		}
		next, err := w.DeviceToken(t.Context(), changed, device)
		isReason(t, "another token", err, "")
		if known, err := w.knownDevice(t.Context(), changed, next); known == "" || err != nil {
			t.Errorf("the device isn't known again: %v", err)
		}
	})
}

// However many known devices somebody has, the account has one count for them all.
func TestManyKnownDevices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		answered := 0
		for n := range 6 {
			device, err := w.DeviceToken(t.Context(), a, "")
			isReason(t, "device token", err, "")
			for range 10 {
				try := attempt("xiaoyan.zhang", "guess")
				try.Device = device
				if _, err := w.CheckPassword(t.Context(), try.from(n)); refusedFor(err) == "login_refused" {
					answered++
				}
			}
		}
		// Fifteen of the devices, and those of unknown ones.
		if most := int(ofDevices.most + ofLoginDay.most); answered > most {
			t.Errorf("%d guesses of six devices were answered, want at most %d", answered, most)
		}
	})
}

func refusedFor(err error) string {
	e, _ := errors.AsType[*Error](err)
	if e == nil {
		return ""
	}
	return e.Reason
}

// Guesses count for the account, whether its name is typed, its phone or its number:
// after eight of them from one address the right password is answered as a wrong one.
// Nothing tells that the three are one account: no answer, and no call of a store.
func TestGuessingByAllLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.zhang(t)
		names := []string{"xiaoyan.zhang", "13800138000", zhang.Value}
		typed := map[string]int{}
		calls := map[int]map[string]bool{} // by how often that login was typed
		try := func(login, with string) string {
			w.asked()
			began := time.Now()
			_, err := w.CheckPassword(t.Context(), attempt(login, with))
			reason := refusedFor(err)
			typed[login]++
			if calls[typed[login]] == nil {
				calls[typed[login]] = map[string]bool{}
			}
			calls[typed[login]][fmt.Sprint(reason, " ", time.Since(began), " ", w.asked())] = true
			return reason
		}
		for n := range 8 {
			if got := try(names[n%3], fmt.Sprint("guess ", n)); got != "login_refused" {
				t.Fatalf("guess %d: %s", n, got)
			}
		}
		for _, login := range names {
			if got := try(login, password); got != "login_refused" {
				t.Errorf("the right password after eight guesses, by %s: %q", login, got)
			}
		}
		for range 4 {
			if got := try("nobody.here", password); got != "login_refused" {
				t.Errorf("a login of nobody: %q", got)
			}
		}
		for n, answers := range calls {
			if len(answers) != 1 {
				t.Errorf("answers to try %d differ: %v", n, answers)
			}
		}
		// From elsewhere all is as ever, and here the owner gets a code at last.
		_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password).from(7))
		isReason(t, "from elsewhere", err, "")
		var c *Challenge
		for range 5 {
			if _, err := w.CheckPassword(t.Context(), attempt("13800138000", password)); errors.As(err, &c) {
				break
			}
		}
		if c == nil {
			t.Fatal("the owner never gets a code")
		}
		_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", w.sms.last(t).Code, "r")
		isReason(t, "with the code", err, "")
	})
}

// However many wait with wrong passwords, who uses a known device doesn't wait behind
// them; nor does who tries for the first time behind those who tried too often. A try
// that nobody looked at doesn't count.
func TestQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		s := w.open(t, func(c *Config) { c.Hashing = 1 })
		device, err := s.DeviceToken(t.Context(), a, "")
		isReason(t, "device token", err, "")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		fill := func(l lane) {
			leave, err := s.hash.lanes[l].enter(ctx)
			isReason(t, "entering", err, "")
			wg.Go(func() { <-ctx.Done(); leave() })
			for range hashWaiting {
				s.hash.lanes[l].waiting <- struct{}{}
			}
		}
		fill(laneGuarded)
		_, err = s.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "an unknown device beside a flood of those with too many tries", err, "")
		for range 5 {
			_, err = s.CheckPassword(t.Context(), attempt("somebody.else", "guess").from(3))
			isReason(t, "a guess", err, "login_refused")
		}
		_, err = s.CheckPassword(t.Context(), attempt("somebody.else", "guess").from(3))
		isReason(t, "a guess beyond the limit, beside that flood", err, "busy")
		fill(laneNew)
		for range 10 {
			_, err = s.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
			isReason(t, "an unknown device in a flood", err, "busy")
		}
		known := attempt("xiaoyan.zhang", password)
		known.Device = device
		for n := range int(ofKnown.most) {
			_, err = s.CheckPassword(t.Context(), known)
			isReason(t, fmt.Sprint("login ", n, " on the known device in a flood"), err, "")
		}
		_, err = s.CheckPassword(t.Context(), known)
		isReason(t, "one account in a loop", err, "busy")
		cancel()
		wg.Wait()
	})
}
