package identity

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogInByWhateverIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		for _, typed := range []string{
			"xiaoyan.zhang", " XIAOYAN.ZHANG ", "ｘiaoyan．zhang", "13800138000", "138-0013-8000", "+8613800138000", "0086 138 0013 8000",
			"１３８００１３８０００", "990101199001010035", "990101 19900101 0035",
		} {
			got, err := w.CheckPassword(t.Context(), attempt(typed, password))
			if err != nil || got.ID != a.ID {
				t.Errorf("%q: %v", typed, err)
			}
		}
		if got, err := w.CheckPassword(t.Context(), attempt("13800138000", "竹林深处\u3000ｂａｍｂｏｏ")); err != nil || got.ID != a.ID {
			t.Errorf("full-width password: %v", err)
		}
	})
}

// TestSameWork counts what an answer costs: one query, one hash, the same counts
// and one fact, whoever was asked for.
func TestSameWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.zhang(t)
		disabled, _, err := w.Register(t.Context(), Registration{Name: "李建国", Code: li, LoginName: "jianguo", Password: password})
		isReason(t, "registering", err, "")
		_, err = w.DisableAccount(t.Context(), "cli", disabled.ID, true)
		isReason(t, "disabling", err, "")
		_, _, err = w.Register(t.Context(), Registration{Name: "John Smith", Code: guest, LoginName: "john.smith"})
		isReason(t, "registering without a password", err, "")

		type work struct {
			hashes  int64
			queries string
			answer  string
		}
		measure := func(a Attempt) work {
			w.asked()
			before := w.hash.computed.Load()
			_, err := w.CheckPassword(t.Context(), a)
			return work{w.hash.computed.Load() - before, strings.Join(w.asked(), " "), fmt.Sprintf("%#v", err)}
		}
		measure(attempt("nobody", password)) // makes the decoy
		answers := map[string]string{}
		var first work
		for i, test := range []struct{ name, login, password string }{
			{"unknown login name", "somebody.else", password},
			{"unknown phone", "13900139000", password},
			{"unknown number", "990101200002290011", password},
			{"what can't be a login", "!", password},
			{"what is too long for one", strings.Repeat("x", 1000), password},
			{"wrong password", "xiaoyan.zhang", "another password"},
			{"wrong password, by phone", "13800138000", "another password"},
			{"wrong password, by number", "990101199001010035", "another password"},
			{"disabled", "jianguo", password},
			{"disabled, wrong password", "jianguo", "another password"},
			{"no password set", "john.smith", password},
			{"no password given", "xiaoyan.zhang", ""},
			{"a password that is too long", "13800138000", strings.Repeat("x", 5000)},
			{"a password that is no text", "990101199001010035", "\xff" + password},
		} {
			got := measure(attempt(test.login, test.password))
			if !strings.Contains(got.answer, "login_refused") {
				t.Errorf("%s: %s", test.name, got.answer)
			}
			// A pointer's address isn't part of the answer.
			_, got.answer, _ = strings.Cut(got.answer, "{")
			if i == 0 {
				first = got
			}
			if got.hashes != 1 || got.queries != first.queries {
				t.Errorf("%s: %d hashes, %s; the first one %s", test.name, got.hashes, got.queries, first.queries)
			}
			answers[got.answer] = test.name
		}
		if len(answers) != 1 {
			t.Errorf("answers differ: %v", answers)
		}
		if n := strings.Count(first.queries, "FindAccount"); n != 1 || !strings.HasSuffix(first.queries, "Record") {
			t.Errorf("the queries are %s", first.queries)
		}
		results := w.results()[len(w.results())-14:]
		want := "unknown_account unknown_account unknown_account unknown_account unknown_account wrong_password wrong_password wrong_password " +
			"account_disabled account_disabled no_password wrong_password wrong_password wrong_password"
		for i, r := range strings.Fields(want) {
			if results[i] != "login.password "+r {
				t.Errorf("fact %d is %s, want %s", i, results[i], r)
			}
		}
	})
}

// from returns an attempt from one of many addresses.
func (a Attempt) from(n int) Attempt {
	a.Address = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
	return a
}

// A guesser with as many addresses as it likes learns nothing after ten guesses
// a day, although the eleventh is right; the owner comes in, on a known device as
// ever, on a new one with a code.
func TestGuessingFromEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		known, err := w.DeviceToken(t.Context(), a, "")
		isReason(t, "device token", err, "")

		for n := range 10 {
			_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", fmt.Sprint("guess ", n)).from(n))
			isReason(t, fmt.Sprint("guess ", n), err, "login_refused")
		}
		answer := map[string]int{}
		for n, guess := range []string{"guess 11", password, "guess 12"} {
			began := time.Now()
			_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", guess).from(100+n))
			c, ok := errors.AsType[*Challenge](err)
			if !ok {
				t.Fatalf("%s: %v", guess, err)
			}
			answer[fmt.Sprint(c.Life, len(c.Handle), time.Since(began), err.Error())]++
			// The guesser has no phone: six digits, five times.
			for range 5 {
				_, err := w.ConfirmLogin(t.Context(), c.Handle, "browser", "000000", "r")
				isReason(t, "a code made up", err, "code_wrong")
			}
			_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", "000000", "r")
			isReason(t, "a sixth one", err, "too_many_tries")
		}
		if len(answer) != 1 {
			t.Errorf("answers differ: %v", answer)
		}
		if w.sms.count() != 1 {
			t.Errorf("%d messages: only the right password sends one", w.sms.count())
		}

		// The owner, on the known device and on a new one.
		try := attempt("xiaoyan.zhang", password)
		try.Device = known
		_, err = w.CheckPassword(t.Context(), try)
		isReason(t, "known device", err, "")
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password).from(200))
		c, ok := errors.AsType[*Challenge](err)
		if !ok {
			t.Fatalf("new device: %v", err)
		}
		got, err := w.ConfirmLogin(t.Context(), c.Handle, "browser", w.sms.last(t).Code, "r")
		if err != nil || got.ID != a.ID {
			t.Fatalf("new device with a code: %v", err)
		}
		_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", w.sms.last(t).Code, "r")
		isReason(t, "the same code again", err, "code_expired")

		w.mu.Lock()
		for key, c := range w.counters {
			if strings.Contains(key, ".address.") && c.n != 1 && c.n != 0 {
				t.Errorf("%s is %d: a confirmed login counts", key, c.n)
			}
		}
		w.mu.Unlock()

		// The same for a login that nobody has.
		for n := range 10 {
			_, err := w.CheckPassword(t.Context(), attempt("nobody.here", "guess").from(300+n))
			isReason(t, "guess", err, "login_refused")
		}
		_, err = w.CheckPassword(t.Context(), attempt("nobody.here", "guess").from(400))
		isReason(t, "an unknown login", err, "code_needed")

		// The next day is another day; after a month's thirty, it is none any more.
		time.Sleep(25 * time.Hour)
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", "guess").from(500))
		isReason(t, "the next day", err, "login_refused")
	})
}

func TestSlowGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.zhang(t)
		refused := 0
		for n := range 30 * 9 { // nine a day, within the day's limit
			_, err := w.CheckPassword(t.Context(), attempt("13800138000", "guess").from(n))
			if e, ok := errors.AsType[*Error](err); ok && e.Reason == "login_refused" {
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
		w := newWorld(t)
		w.zhang(t)
		for n := range 5 {
			_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", fmt.Sprint("guess ", n)))
			isReason(t, "guess", err, "login_refused")
		}
		_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", "guess"))
		isReason(t, "guess", err, "code_needed")
		// From elsewhere all is as it was.
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password).from(1))
		isReason(t, "from elsewhere", err, "")
		for n := range 24 {
			_, err := w.CheckPassword(t.Context(), attempt(fmt.Sprint("person.", n), "spring2026"))
			isReason(t, fmt.Sprint("spraying ", n), err, "login_refused")
		}
		_, err = w.CheckPassword(t.Context(), attempt("person.x", "spring2026"))
		isReason(t, "spraying on", err, "code_needed")
		w.asked()
		before := w.hash.computed.Load()
		n := 0
		for err = nil; n < 1000; n++ {
			go w.CheckPassword(t.Context(), attempt(fmt.Sprint("person.x", n), "spring2026"))
			synctest.Wait()
		}
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "far beyond", err, "too_many_tries")
		if e, _ := errors.AsType[*Error](err); e.Retry <= 0 || e.Retry > time.Hour {
			t.Errorf("retry after %v", e.Retry)
		}
		if spent := w.hash.computed.Load() - before; spent > 1000 {
			t.Errorf("%d hashes for a thousand tries", spent)
		}
	})
}

// An IPv6 network of 48 bits may be one customer's: its networks of 64 bits are
// as many addresses as anybody likes.
func TestGuessingFromOneNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		answers := map[string]int{}
		for n := range 310 {
			a := attempt(fmt.Sprint("person.", n), "spring2026")
			a.Address = netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(n >> 8), byte(n), 15: byte(n)})
			_, err := w.CheckPassword(t.Context(), a)
			e, _ := errors.AsType[*Error](err)
			answers[e.Reason]++
		}
		if answers["login_refused"] != 300 || answers["code_needed"] != 10 {
			t.Errorf("answers are %v", answers)
		}
		for a, want := range map[string]string{"::ffff:192.0.2.1": "192.0.2.1 ", "2001:db8:1:2:3::4%eth0": "2001:db8:1:2::/64 2001:db8:1::/48", "192.0.2.1": "192.0.2.1 "} {
			if got := addressOf(netip.MustParseAddr(a)) + " " + networkOf(netip.MustParseAddr(a)); got != want {
				t.Errorf("%s counts as %s, want %s", a, got, want)
			}
		}
		if got := addressOf(netip.Addr{}) + networkOf(netip.Addr{}); got != "invalid IP" {
			t.Errorf("no address counts as %q", got)
		}
	})
}

// A right password gives its try back: whoever knows it logs in as often as they like.
func TestLoggingInIsNoGuess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.zhang(t)
		for n := range 200 {
			_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
			isReason(t, fmt.Sprint("login ", n), err, "")
		}
	})
}

// A known device has tries of its own. When they are used up it is like any other.
func TestKnownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		device, err := w.DeviceToken(t.Context(), a, "")
		isReason(t, "device token", err, "")
		try := attempt("xiaoyan.zhang", "guess")
		try.Device = device
		for range 10 + 5 {
			_, err := w.CheckPassword(t.Context(), try)
			isReason(t, "guess", err, "login_refused")
		}
		_, err = w.CheckPassword(t.Context(), try)
		isReason(t, "guess", err, "code_needed")
	})
}

// Tries side by side are no more than those one after another.
func TestGuessingSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.zhang(t)
		var mu sync.Mutex
		answers := map[string]int{}
		var wg sync.WaitGroup
		for n := range 40 {
			wg.Go(func() {
				_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", "guess").from(n))
				e, _ := errors.AsType[*Error](err)
				mu.Lock()
				defer mu.Unlock()
				answers[e.Reason]++
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
		w := newWorld(t)
		w.zhang(t)
		s := w.open(t, func(c *Config) { c.Sender = nil })
		for range 5 {
			_, err := s.CheckPassword(t.Context(), attempt("xiaoyan.zhang", "guess"))
			isReason(t, "guess", err, "login_refused")
		}
		before := s.hash.computed.Load()
		_, err := s.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "the right password", err, "too_many_tries")
		if s.hash.computed.Load() != before {
			t.Error("the password was looked at")
		}
		if e, _ := errors.AsType[*Error](err); e.Retry <= 0 || e.Retry > time.Hour {
			t.Errorf("retry after %v", e.Retry)
		}
		time.Sleep(time.Hour)
		_, err = s.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "an hour later", err, "")
	})
}

// A challenge that can't be sent is answered like any other, in the same time.
func TestChallengeWhenSendingFails(t *testing.T) {
	for name, set := range map[string]func(*messages){
		"the gateway refuses": func(m *messages) { m.fails = errors.New("no") },
		"the gateway is slow": func(m *messages) { m.takes = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.zhang(t)
				set(w.sms)
				for n := range 10 {
					_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", "guess").from(n))
					isReason(t, "guess", err, "login_refused")
				}
				began := time.Now()
				_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password).from(50))
				isReason(t, "the right password", err, "code_needed")
				if took := time.Since(began); took != challengeTime {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestChallengeIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		challenged := func(n int) *Challenge {
			for i := range 11 {
				_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password).from(n))
				if c, ok := errors.AsType[*Challenge](err); ok {
					return c
				}
				w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", "guess").from(n+i))
			}
			t.Fatal("never challenged")
			return nil
		}
		c := challenged(1)
		code := w.sms.last(t).Code
		_, err := w.ConfirmLogin(t.Context(), c.Handle, "another browser", code, "r")
		isReason(t, "another browser", err, "code_expired")
		_, err = w.ConfirmLogin(t.Context(), "made up", "browser", code, "r")
		isReason(t, "another handle", err, "code_expired")
		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		isReason(t, "disabling", err, "")
		_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", code, "r")
		isReason(t, "disabled meanwhile", err, "login_refused")
		if got := w.results(); !slices.Contains(got, "login.confirm account_disabled") {
			t.Errorf("facts are %v", got)
		}
	})
}

// A challenge's answer is worth what the password is that was right.
func TestChallengeOfAnOldPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		var c *Challenge
		for i := 0; c == nil && i < 20; i++ {
			w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", "guess").from(i))
			_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password).from(1))
			c, _ = errors.AsType[*Challenge](err)
		}
		if c == nil {
			t.Fatal("never challenged")
		}
		code := w.sms.last(t).Code
		ticket, err := w.SetupTicket(t.Context(), "cli", a.ID)
		isReason(t, "a ticket", err, "")
		_, err = w.SetPassword(t.Context(), ticket, "four quiet herons", "r")
		isReason(t, "another password", err, "")
		_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", code, "r")
		isReason(t, "the old password's code", err, "login_refused")
	})
}

func TestLoginFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.zhang(t)
		w.failEphemeral = errors.New("no answer")
		before := w.hash.computed.Load()
		_, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "without counters", err, "unavailable")
		if !errors.Is(err, w.failEphemeral) || w.hash.computed.Load() != before {
			t.Errorf("got %v", err)
		}
		w.failEphemeral, w.failRecord = nil, errors.New("disk full")
		if _, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password)); !errors.Is(err, w.failRecord) {
			t.Errorf("a login without a record: %v", err)
		}
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", "guess"))
		isReason(t, "a refusal without a record", err, "login_refused")
	})
}

func TestHashesAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		w.hash.memory = 128
		got, err := w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "login", err, "")
		stored, err := w.Account(t.Context(), a.ID)
		isReason(t, "loading", err, "")
		if got.Password.Memory != 128 || stored.Password.Memory != 128 || stored.Revision != 2 || !stored.Password.Set.Equal(a.Password.Set) {
			t.Errorf("hash is %+v, revision %d", stored.Password, stored.Revision)
		}
		_, err = w.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "login after it", err, "")
		if stored, _ = w.Account(t.Context(), a.ID); stored.Revision != 2 {
			t.Error("renewed again")
		}
	})
}

// What waits for a hash is bounded in number and in time.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.zhang(t)
		s := w.open(t, func(c *Config) { c.Hashing = 1 })
		leave, err := s.hash.lanes[laneNew].enter(t.Context())
		isReason(t, "entering", err, "")
		var mu sync.Mutex
		reasons := map[string]int{}
		var wg sync.WaitGroup
		began := time.Now()
		for n := range hashWaiting + 3 {
			wg.Go(func() {
				_, err := s.CheckPassword(t.Context(), attempt(fmt.Sprint("somebody.", n), password).from(n))
				e, _ := errors.AsType[*Error](err)
				mu.Lock()
				defer mu.Unlock()
				reasons[fmt.Sprint(e.Reason, " ", time.Since(began))]++
			})
		}
		wg.Wait()
		if reasons["busy 0s"] != 3 || reasons[fmt.Sprint("busy ", hashWait)] != hashWaiting {
			t.Errorf("answers are %v", reasons)
		}
		leave()
		_, err = s.CheckPassword(t.Context(), attempt("xiaoyan.zhang", password))
		isReason(t, "afterwards", err, "")
	})
}
