package provider

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/scan"
	"yizheng.internal/signing/journal"
)

// scanning is a computer that asks, and a phone on which somebody is logged in.
type scanning struct {
	t       *testing.T
	w       *world
	pc      *browser
	phone   *browser
	request oidc.Secret
	code    oidc.Secret
}

// newScanning has a computer ask for a code, and zhang log in at a phone of another network.
func newScanning(t *testing.T, w *world, factors int, wish scan.Wish) *scanning {
	t.Helper()
	s := &scanning{t, w, w.browser(), w.browser(), oidc.NewHandle(), oidc.Secret{}}
	s.phone.Address = netip.MustParseAddr("198.51.100.7")
	s.phone.session(t, w.zhang, factors)
	s.ask(wish)
	return s
}

func (s *scanning) ask(wish scan.Wish) {
	s.t.Helper()
	shown, err := s.w.Scans.Ask(s.t.Context(), s.pc.Browser, s.request, wish)
	if err != nil || shown.State != scan.Asked || len(shown.Digits) != 2 || shown.Left != scan.CodeLife {
		s.t.Fatalf("asked: %+v, %v", shown, err)
	}
	s.code = shown.Code
}

func (s *scanning) who(b *browser) oidc.Session {
	s.t.Helper()
	who, err := s.w.Session(s.t.Context(), b.Browser)
	if err != nil {
		s.t.Fatal(err)
	}
	return who
}

func (s *scanning) read(b *browser) error {
	_, err := s.w.Scans.Read(s.t.Context(), b.Browser, s.who(b), s.code)
	return err
}

func (s *scanning) confirm(b *browser) error {
	return s.w.Scans.Confirm(s.t.Context(), b.Browser, s.who(b), s.code, true)
}

// take logs the computer in.
func (s *scanning) take(b *browser) error {
	_, cookie, err := s.w.Scans.Take(s.t.Context(), b.Browser, s.request, s.code, time.Time{})
	if err == nil {
		b.Session = cookie
	}
	return err
}

// did does what must succeed.
func (s *scanning) did(errs ...error) {
	s.t.Helper()
	for i, err := range errs {
		if err != nil {
			s.t.Fatalf("step %d: %v", i+1, err)
		}
	}
}

// A computer gets what the phone's session proved, as old as it was, and no more.
func TestScan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 2, scan.Wish{Client: w.bureau.ID})
		time.Sleep(time.Minute)
		q, err := w.Scans.Look(t.Context(), s.phone.Browser, s.who(s.phone), s.code)
		if err != nil || q.Address != "192.0.2.1" || q.UserAgent != "Mozilla/5.0" || q.Client != w.bureau.ID || q.Near {
			t.Errorf("the phone is asked %+v, %v", q, err)
		}
		before, _ := w.Scans.Shown(t.Context(), s.pc.Browser, s.request, s.code)
		s.did(s.read(s.phone))
		seen, err := w.Scans.Shown(t.Context(), s.pc.Browser, s.request, s.code)
		if err != nil || before.State != scan.Asked || seen.State != scan.Seen || seen.Name != "**䶮" || seen.Digits != q.Digits {
			t.Errorf("the computer shows %+v, %v, and %+v before", seen, err, before)
		}
		if err := s.take(s.pc); !errors.Is(err, scan.ErrGone) {
			t.Errorf("taken without a confirmation: %v", err)
		}
		s.did(s.confirm(s.phone), s.confirm(s.phone))
		s.did(s.take(s.pc))
		for b, lent := range map[*browser]bool{s.pc: true, s.phone: false} {
			if got := b.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent"); slices.Contains(got.Scopes, oidc.ScopeOffline) == lent {
				t.Errorf("lent %t: the login yields %q", lent, got.Scopes)
			}
		}
		pc, phone := s.who(s.pc), s.who(s.phone)
		if pc.ID == phone.ID || pc.Account != w.zhang.ID || pc.Assurance != 2 || !pc.Relayed || phone.Relayed || !pc.AuthTime.Equal(phone.AuthTime) || pc.Address != "192.0.2.1" {
			t.Errorf("the computer has %+v, and the phone %+v", pc, phone)
		}
		if err := s.take(s.pc); !errors.Is(err, scan.ErrGone) {
			t.Errorf("taken twice: %v", err)
		}
		var actions []journal.Action
		for _, e := range w.events {
			if slices.Contains([]journal.Action{journal.ActionScanConfirm, journal.ActionLoginScan, journal.ActionSessionBegin}, e.Action) {
				actions = append(actions, e.Action)
			}
		}
		if want := []journal.Action{journal.ActionSessionBegin, journal.ActionScanConfirm, journal.ActionLoginScan, journal.ActionSessionBegin}; !slices.Equal(actions, want) {
			t.Errorf("events %q, want %q", actions, want)
		}
		// The computer's login ends no later than the phone's.
		end := phone.AuthTime.Add(12 * time.Hour)
		for time.Until(end) > 10*time.Minute {
			time.Sleep(10 * time.Minute)
			if !s.phone.live(t) || !s.pc.live(t) {
				t.Fatal("a login is over before its time")
			}
		}
		time.Sleep(time.Until(end))
		if s.phone.live(t) || s.pc.live(t) {
			t.Error("the computer's login, or the phone's, lives longer")
		}
	})
}

// A code is good for two minutes, and what was confirmed for another one.
func TestScanExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 1, scan.Wish{})
		s.did(s.read(s.phone))
		time.Sleep(scan.CodeLife)
		if err := s.confirm(s.phone); !errors.Is(err, scan.ErrGone) {
			t.Errorf("confirmed late: %v", err)
		}
		s.ask(scan.Wish{})
		time.Sleep(scan.CodeLife - time.Second)
		s.did(s.read(s.phone), s.confirm(s.phone))
		time.Sleep(scan.TakeLife)
		if err := s.take(s.pc); !errors.Is(err, scan.ErrGone) {
			t.Errorf("taken late: %v", err)
		}
	})
}

// Everybody else's use of a code fails alike: another computer, another request, another person.
func TestScanIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 1, scan.Wish{})
		thief, li := w.browser(), w.browser()
		li.session(t, w.li, 1)
		s.did(s.read(s.phone))
		if err := s.read(li); !errors.Is(err, scan.ErrGone) {
			t.Errorf("a second person read it: %v", err)
		}
		if err := s.confirm(li); !errors.Is(err, scan.ErrGone) {
			t.Errorf("a second person confirmed it: %v", err)
		}
		if err := w.Scans.Refuse(t.Context(), li.Browser, s.who(li), s.code); !errors.Is(err, scan.ErrGone) {
			t.Errorf("a second person refused it: %v", err)
		}
		s.did(s.confirm(s.phone))
		if err := s.take(thief); !errors.Is(err, scan.ErrGone) {
			t.Errorf("another computer took it: %v", err)
		}
		if _, err := w.Scans.Shown(t.Context(), thief.Browser, s.request, s.code); !errors.Is(err, scan.ErrGone) {
			t.Errorf("another computer sees it: %v", err)
		}
		right := s.request
		s.request = oidc.NewHandle()
		if err := s.take(s.pc); !errors.Is(err, scan.ErrGone) {
			t.Errorf("another request took it: %v", err)
		}
		if _, _, err := w.Scans.Take(t.Context(), oidc.Browser{}, right, s.code, time.Time{}); !errors.Is(err, scan.ErrGone) {
			t.Errorf("a browser without a cookie took it: %v", err)
		}
		s.request = right
		s.did(s.take(s.pc))
		for _, code := range []oidc.Secret{{}, oidc.SecretOf("short"), oidc.NewHandle()} {
			if _, err := w.Scans.Look(t.Context(), s.phone.Browser, s.who(s.phone), code); !errors.Is(err, scan.ErrGone) {
				t.Errorf("no code is %v", err)
			}
		}
	})
}

// Nothing is decided by a phone that didn't read the code, by one elsewhere that doesn't say that
// its person is at the computer, or after a refusal.
func TestScanDecisions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 1, scan.Wish{})
		if err := s.confirm(s.phone); !errors.Is(err, scan.ErrGone) {
			t.Errorf("confirmed without reading: %v", err)
		}
		s.did(s.read(s.phone))
		if err := w.Scans.Confirm(t.Context(), s.phone.Browser, s.who(s.phone), s.code, false); !errors.Is(err, scan.ErrAbsent) {
			t.Errorf("confirmed from elsewhere: %v", err)
		}
		s.did(w.Scans.Refuse(t.Context(), s.phone.Browser, s.who(s.phone), s.code))
		if err := s.confirm(s.phone); !errors.Is(err, scan.ErrGone) {
			t.Errorf("confirmed after a refusal: %v", err)
		}
		if err := s.take(s.pc); !errors.Is(err, scan.ErrGone) {
			t.Errorf("taken after a refusal: %v", err)
		}
		if e := w.last(); e.Action != journal.ActionScanRefuse || e.Subject != w.zhang.ID {
			t.Errorf("the last event is %+v", e)
		}
		s.ask(scan.Wish{})
		s.phone.Address = s.pc.Address
		s.did(s.read(s.phone), w.Scans.Confirm(t.Context(), s.phone.Browser, s.who(s.phone), s.code, false), s.take(s.pc))
	})
}

// The database decides what happens once: a store of what may be lost that goes back to what it
// had makes no second decision and no second login.
func TestScanReplayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 1, scan.Wish{})
		key := "oidc.scan." + s.code.Hash().String()
		s.did(s.read(s.phone))
		kept := func() []byte {
			value, err := w.kept.Load(t.Context(), key, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
		replay := func(value []byte) {
			s.did(w.kept.Put(t.Context(), key, value, ephemeral.Keeping{Part: ephemeral.PartOpened, Until: time.Now().Add(time.Hour)}, time.Now()))
		}
		read := kept()
		s.did(s.confirm(s.phone))
		confirmed := kept()
		s.did(s.take(s.pc))
		replay(confirmed)
		if err := s.take(s.pc); !errors.Is(err, scan.ErrGone) {
			t.Errorf("taken again: %v", err)
		}
		replay(read)
		if err := s.confirm(s.phone); !errors.Is(err, scan.ErrGone) {
			t.Errorf("decided again: %v", err)
		}
	})
}

// Of two phones of one person, and of two clicks at the computer, one comes first.
func TestScanRaces(t *testing.T) {
	w := newWorld(t)
	s := newScanning(t, w, 1, scan.Wish{})
	second := w.browser()
	second.Address = s.phone.Address
	second.session(t, w.zhang, 1)
	s.did(s.read(s.phone))
	race := func(what string, each ...func() error) {
		t.Helper()
		var n int
		var mu sync.Mutex
		var all sync.WaitGroup
		for _, do := range each {
			all.Go(func() {
				if err := do(); err == nil {
					mu.Lock()
					n++
					mu.Unlock()
				} else if !errors.Is(err, scan.ErrGone) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n != 1 {
			t.Errorf("%s: %d came first", what, n)
		}
	}
	one, two := s.who(s.phone), s.who(second)
	race("phones", func() error { return w.Scans.Confirm(t.Context(), s.phone.Browser, one, s.code, true) },
		func() error { return w.Scans.Confirm(t.Context(), second.Browser, two, s.code, true) })
	take := func() error {
		_, _, err := w.Scans.Take(t.Context(), s.pc.Browser, s.request, s.code, time.Time{})
		return err
	}
	race("computers", take, take, take, take)
}

// What happened to the phone's session or account after the confirmation counts.
func TestScanPhoneOver(t *testing.T) {
	for name, change := range map[string]func(s *scanning){
		"it logged out": func(s *scanning) { s.did(s.w.LogOut(s.t.Context(), s.phone.Browser)) },
		"the account was disabled": func(s *scanning) {
			_, err := s.w.people.Change(s.t.Context(), s.w.zhang.ID, func(a *identity.Account) error {
				a.Disabled, a.Barred = true, time.Now()
				return nil
			})
			s.did(err)
		},
		"the password was changed": func(s *scanning) {
			_, err := s.w.people.Change(s.t.Context(), s.w.zhang.ID, func(a *identity.Account) error {
				a.Password = identity.PasswordHash{Algorithm: "argon2id", Sum: []byte{1}, Set: time.Now().UTC()}
				return nil
			})
			s.did(err)
		},
		"an authenticator was removed": func(s *scanning) {
			_, err := s.w.people.Change(s.t.Context(), s.w.zhang.ID, func(a *identity.Account) error {
				a.Secure(time.Now())
				return nil
			})
			s.did(err)
		},
		"its login was itself lent since": func(s *scanning) {
			next := &scanning{s.t, s.w, s.phone, s.w.browser(), oidc.NewHandle(), oidc.Secret{}}
			next.phone.session(s.t, s.w.zhang, 1)
			next.ask(scan.Wish{})
			next.did(next.read(next.phone), next.confirm(next.phone), next.take(s.phone))
		},
		"somebody else logged in there": func(s *scanning) { s.phone.session(s.t, s.w.li, 2) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				s := newScanning(t, w, 2, scan.Wish{})
				s.did(s.read(s.phone), s.confirm(s.phone))
				time.Sleep(time.Second)
				change(s)
				if err := s.take(s.pc); !errors.Is(err, scan.ErrGone) || s.pc.Session != (oidc.Secret{}) {
					t.Errorf("the computer got %v", err)
				}
				if e := w.last(); e.Action != journal.ActionLoginScan || e.Result != "phone_session_over" || e.Subject != w.zhang.ID {
					t.Errorf("the last event is %+v", e)
				}
			})
		})
	}
}

// A phone's login that is too old, or was itself lent, confirms nothing.
func TestScanNeedsFreshPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.zhang = w.person(t, w.people, identity.Registration{
			Name: "王五", Code: party.Code{Type: party.Passport, Value: "E12345678"}, Phone: "13800138001", Password: "四个词 walnut 轮船 27",
		})
		s := newScanning(t, w, 2, scan.Wish{})
		time.Sleep(time.Minute)
		s.ask(scan.Wish{Since: time.Now()})
		s.did(s.read(s.phone))
		if err := s.confirm(s.phone); !errors.Is(err, scan.ErrGone) {
			t.Errorf("an old login confirmed: %v", err)
		}
		s.phone.session(t, w.zhang, 1)
		s.did(s.confirm(s.phone), s.take(s.pc))
		next := *s
		next.phone, next.pc = s.pc, w.browser()
		next.ask(scan.Wish{})
		next.did(next.read(next.phone))
		if err := next.confirm(next.phone); !errors.Is(err, scan.ErrGone) {
			t.Errorf("a lent login was lent on: %v", err)
		}
		s.ask(scan.Wish{Strength: 2})
		s.did(s.read(s.phone))
		if err := s.confirm(s.phone); !errors.Is(err, scan.ErrGone) {
			t.Errorf("one factor confirmed where two are needed: %v", err)
		}
		s.phone.stepUp(t)
		s.did(s.confirm(s.phone))
		time.Sleep(time.Second)
		if _, _, err := w.Scans.Take(t.Context(), s.pc.Browser, s.request, s.code, time.Now()); !errors.Is(err, scan.ErrGone) {
			t.Errorf("a login too old for the request was taken: %v", err)
		}
	})
}

// One account reads so many codes, and one address asks for so many.
func TestScanLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 1, scan.Wish{})
		for range 20 {
			s.did(s.read(s.phone), s.read(s.phone))
			s.ask(scan.Wish{})
		}
		err := s.read(s.phone)
		if e, ok := errors.AsType[*identity.Error](err); !ok || e.Reason != identity.ReasonTooManyTries {
			t.Errorf("the 21st code: %v", err)
		}
		for range 300 - 21 {
			s.ask(scan.Wish{})
		}
		_, err = w.Scans.Ask(t.Context(), s.pc.Browser, s.request, scan.Wish{})
		if e, ok := errors.AsType[*identity.Error](err); !ok || e.Reason != identity.ReasonTooManyTries {
			t.Errorf("the 301st code of an address: %v", err)
		}
		time.Sleep(10 * time.Minute)
		s.ask(scan.Wish{})
		s.phone.session(t, w.zhang, 1)
		s.did(s.read(s.phone))
	})
}

// TestOldest: what a request promises its client of the login's age holds until the computer takes it.
func TestOldest(t *testing.T) {
	now := time.Date(2031, 5, 1, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name     string
		prompted bool
		maxAge   *int64
		want     time.Time
	}{
		{"any age", false, nil, now.Add(-scan.MaxAge)},
		{"an hour", false, new(int64(3600)), now.Add(-57 * time.Minute)},
		{"a year", false, new(int64(365 * 24 * 3600)), now.Add(-12*time.Hour + 3*time.Minute)},
		{"more than a duration holds", false, new(int64(1 << 62)), now.Add(-12*time.Hour + 3*time.Minute)},
		{"a minute", false, new(int64(60)), now},
		{"none", false, new(int64(0)), now},
		{"prompt=login", true, nil, now},
	} {
		if got := scan.Oldest(now, tt.prompted, tt.maxAge); !got.Equal(tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A session that was lent counts for what the lender's did, at 2 at the most; a factor of its own
// adds what it adds to a session of another person's phone.
func TestLentStrength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 1, scan.Wish{})
		s.did(s.read(s.phone), s.confirm(s.phone), s.take(s.pc))
		if got := s.who(s.pc); got.Strength != 1 {
			t.Errorf("a password lent is %d", got.Strength)
		}
		_, cookie, err := w.StepUp(t.Context(), s.pc.Browser, factor.Proof{Factor: factor.Password})
		s.did(err)
		s.pc.Session = cookie
		if got := s.who(s.pc); got.Strength != 1 || !got.Relayed {
			t.Errorf("with the same password once more it is %+v", got)
		}
	})
}

// A login with another provider is as old as that says it is, and of any age if it doesn't say: for what asks for
// a fresh one, and for what it confirms at a computer.
func TestUpstreamAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 1, scan.Wish{})
		for _, tt := range []struct {
			at    time.Duration // ago; negative: it doesn't say
			fresh bool
		}{{time.Minute, true}, {time.Hour, false}, {-1, false}} {
			proof := factor.Proof{Factor: factor.Upstream, Strength: 1}
			if tt.at >= 0 {
				proof.At = time.Now().Add(-tt.at).Unix()
			}
			phone := w.browser()
			phone.Address = s.phone.Address
			_, cookie, err := w.Start(t.Context(), phone.Browser, w.zhang, oidc.NewHandle(), proof)
			s.did(err)
			phone.Session = cookie
			if step := phone.authorize(t, w.bureau, "max_age", "600"); (step.Kind != oidc.StepLogin) != tt.fresh {
				t.Errorf("%v ago: max_age leads to %s", tt.at, step.Kind)
			}
			s.ask(scan.Wish{Since: time.Now().Add(-10 * time.Minute)})
			s.did(s.read(phone))
			if err := s.confirm(phone); (err == nil) != tt.fresh || err != nil && !errors.Is(err, scan.ErrGone) {
				t.Errorf("%v ago: it confirms, %v", tt.at, err)
			}
		}
	})
}
