package guessing_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/identity/tries"
)

// A guesser with as many addresses as it likes learns nothing after ten guesses
// a day, although the eleventh is right; the owner comes in, on a known device as
// ever, on a new one with a code.
func TestGuessingFromEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		known, err := w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device token", err, "")

		for n := range 10 {
			_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", fmt.Sprint("guess ", n)), n))
			identitytest.IsReason(t, fmt.Sprint("guess ", n), err, "login_refused")
		}
		answer := map[string]int{}
		for n, guess := range []string{"guess 11", identitytest.Password, "guess 12"} {
			began := time.Now()
			_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", guess), 100+n))
			c, ok := errors.AsType[*factor.Challenge](err)
			if !ok {
				t.Fatalf("%s: %v", guess, err)
			}
			answer[fmt.Sprint(len(c.Handle), time.Since(began), err.Error())]++
			// The guesser has no phone: six digits, five times.
			for range 5 {
				_, err := w.ConfirmLogin(t.Context(), c.Handle, "browser", "000000", "r")
				identitytest.IsReason(t, "a code made up", err, "code_wrong")
			}
			_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", "000000", "r")
			identitytest.IsReason(t, "a sixth one", err, "too_many_tries")
		}
		if len(answer) != 1 {
			t.Errorf("answers differ: %v", answer)
		}
		if w.SMS.Count() != 1 {
			t.Errorf("%d messages: only the right password sends one", w.SMS.Count())
		}

		// The owner, on the known device and on a new one.
		try := identitytest.Attempt("xiaoyan.zhang", identitytest.Password)
		try.Device = known
		_, err = w.CheckPassword(t.Context(), try)
		identitytest.IsReason(t, "known device", err, "")
		_, err = w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", identitytest.Password), 200))
		c, ok := errors.AsType[*factor.Challenge](err)
		if !ok {
			t.Fatalf("new device: %v", err)
		}
		got, err := w.ConfirmLogin(t.Context(), c.Handle, "browser", w.SMS.Last(t).Code, "r")
		if err != nil || got.ID != a.ID {
			t.Fatalf("new device with a code: %v", err)
		}
		_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", w.SMS.Last(t).Code, "r")
		identitytest.IsReason(t, "the same code again", err, "code_expired")

		w.Mutex.Lock()
		for key, c := range w.Counters {
			if strings.Contains(key, ".address.") && c.N != 1 && c.N != 0 {
				t.Errorf("%s is %d: a confirmed login counts", key, c.N)
			}
		}
		w.Mutex.Unlock()

		// The same for a login that nobody has.
		for n := range 10 {
			_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("nobody.here", "guess"), 300+n))
			identitytest.IsReason(t, "guess", err, "login_refused")
		}
		_, err = w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("nobody.here", "guess"), 400))
		identitytest.IsReason(t, "an unknown login", err, "code_needed")

		// The next day is another day; after a month's thirty, it is none any more.
		time.Sleep(25 * time.Hour)
		_, err = w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", "guess"), 500))
		identitytest.IsReason(t, "the next day", err, "login_refused")
	})
}

func TestSlowGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		refused := 0
		for n := range 30 * 9 { // nine a day, within the day's limit
			_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("13800138000", "guess"), n))
			if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == "login_refused" {
				refused++
			}
			time.Sleep(24 * time.Hour / 9)
		}
		// Two a day that the longer count knows nothing of, and thirty, and what
		// comes after the month.
		if refused < 60 || refused > 2*30+30+9 {
			t.Errorf("%d guesses were answered in 30 days", refused)
		}
	})
}

// One address can't try one login on, nor one password on many logins.
func TestGuessingFromOneAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		for n := range 5 {
			_, err := w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", fmt.Sprint("guess ", n)))
			identitytest.IsReason(t, "guess", err, "login_refused")
		}
		_, err := w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", "guess"))
		identitytest.IsReason(t, "guess", err, "code_needed")
		// From elsewhere all is as it was.
		_, err = w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", identitytest.Password), 1))
		identitytest.IsReason(t, "from elsewhere", err, "")
		for n := range 24 {
			_, err := w.CheckPassword(t.Context(), identitytest.Attempt(fmt.Sprint("person.", n), "spring2026"))
			identitytest.IsReason(t, fmt.Sprint("spraying ", n), err, "login_refused")
		}
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("person.x", "spring2026"))
		identitytest.IsReason(t, "spraying on", err, "code_needed")
		w.Asked()
		before := w.Hash.Computed()
		n := 0
		for err = nil; n < 1000; n++ {
			go w.CheckPassword(t.Context(), identitytest.Attempt(fmt.Sprint("person.x", n), "spring2026"))
			synctest.Wait()
		}
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "far beyond", err, "too_many_tries")
		if e, _ := errors.AsType[*identity.Error](err); e.Retry <= 0 || e.Retry > time.Hour {
			t.Errorf("retry after %v", e.Retry)
		}
		if spent := w.Hash.Computed() - before; spent > 1000 {
			t.Errorf("%d hashes for a thousand tries", spent)
		}
	})
}

// An IPv6 network of 48 bits may be one customer's: its networks of 64 bits are
// as many addresses as anybody likes.
func TestGuessingFromOneNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		answers := map[string]int{}
		for n := range 310 {
			a := identitytest.Attempt(fmt.Sprint("person.", n), "spring2026")
			a.Address = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(n >> 8), byte(n), 15: byte(n)})
			_, err := w.CheckPassword(t.Context(), a)
			e, _ := errors.AsType[*identity.Error](err)
			answers[string(e.Reason)]++
		}
		if answers["login_refused"] != 300 || answers["code_needed"] != 10 {
			t.Errorf("answers are %v", answers)
		}
		for a, want := range map[string]string{"::ffff:192.0.2.1": "192.0.2.1 ", "2001:db8:1:2:3::4%eth0": "2001:db8:1:2::/64 2001:db8:1::/48", "192.0.2.1": "192.0.2.1 "} {
			if got := tries.AddressOf(netip.MustParseAddr(a)) + " " + tries.NetworkOf(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s counts as %s, want %s", a, got, want)
			}
		}
		if got := tries.AddressOf(netip.Addr{}) + tries.NetworkOf(netip.Addr{}); got != "invalid IP" {
			t.Errorf("no address counts as %q", got)
		}
	})
}

// A right password gives its try back: whoever knows it logs in as often as they like.
func TestLoggingInIsNoGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		for n := range 200 {
			_, err := w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
			identitytest.IsReason(t, fmt.Sprint("login ", n), err, "")
		}
	})
}

// Tries side by side are no more than those one after another.
func TestGuessingSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		var mu sync.Mutex
		answers := map[string]int{}
		var wg sync.WaitGroup
		for n := range 40 {
			wg.Go(func() {
				_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", "guess"), n))
				e, _ := errors.AsType[*identity.Error](err)
				mu.Lock()
				defer mu.Unlock()
				answers[string(e.Reason)]++
			})
		}
		wg.Wait()
		// One of the day's first ten may be the last to count the month's tries, which all
		// the others have used up by then: fewer than ten may be compared, and never more.
		if n := answers["login_refused"]; n > 10 || n < 5 || n+answers["code_needed"] != 40 {
			t.Errorf("answers are %v", answers)
		}
	})
}

// Without messages there is no other way than to refuse.
func TestTooManyTriesWithoutSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		s := w.Open(t, func(c *people.Config) { c.Sender = nil })
		for range 5 {
			_, err := s.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", "guess"))
			identitytest.IsReason(t, "guess", err, "login_refused")
		}
		before := s.Hash.Computed()
		_, err := s.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "the right password", err, "too_many_tries")
		if s.Hash.Computed() != before {
			t.Error("the password was looked at")
		}
		if e, _ := errors.AsType[*identity.Error](err); e.Retry <= 0 || e.Retry > time.Hour {
			t.Errorf("retry after %v", e.Retry)
		}
		time.Sleep(time.Hour)
		_, err = s.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "an hour later", err, "")
	})
}
