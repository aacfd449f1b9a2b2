package provider

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/keeper"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing/journal"
)

// A request from another site comes without cookies: it is kept, and bound to
// the browser that opens it first.
func TestHeldRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		step, err := w.Authorize(t.Context(), params(w.bureau), b.Browser, true)
		if err != nil || step.Kind != oidc.StepLogin || step.Session != nil {
			t.Fatalf("held: %+v, %v", step, err)
		}
		if next := b.next(t, step.Handle); next.Kind != oidc.StepDone {
			t.Errorf("opened with the session: %s", next.Kind)
		}
		step, err = w.Authorize(t.Context(), params(w.bureau), b.Browser, true)
		if err != nil {
			t.Fatal(err)
		}
		other := w.browser()
		if next := other.next(t, step.Handle); next.Kind != oidc.StepLogin {
			t.Errorf("opened by another browser: %s", next.Kind)
		}
		if _, err := w.Next(t.Context(), step.Handle, b.Browser); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("opened by the second browser: %v", err)
		}
	})
}

// What waits belongs to one browser, for half an hour.
func TestKeptRequestIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step := b.authorize(t, w.bureau)
		thief := w.browser()
		for name, try := range map[string]func() error{
			"next": func() error { _, err := w.Next(t.Context(), step.Handle, thief.Browser); return err },
			"log in": func() error {
				_, err := w.logIn(t.Context(), step.Handle, thief.Browser, w.li)
				return err
			},
			"cancel": func() error { _, err := w.cancel(t.Context(), step.Handle, thief.Browser, oidc.StepLogin); return err },
			"decide": func() error { _, err := w.decide(t.Context(), step.Handle, thief.Browser, oidc.Decision{}); return err },
			"without a cookie": func() error {
				_, err := w.Next(t.Context(), step.Handle, oidc.Browser{})
				return err
			},
			"with a bad cookie": func() error {
				_, err := w.Next(t.Context(), step.Handle, oidc.Browser{ID: oidc.SecretOf("x")})
				return err
			},
			"without a handle": func() error { _, err := w.Next(t.Context(), oidc.Secret{}, b.Browser); return err },
			"another handle":   func() error { _, err := w.Next(t.Context(), oidc.NewHandle(), b.Browser); return err },
			"a code's place":   func() error { _, err := w.Next(t.Context(), oidc.SecretOf(code(t, w.done(t))), b.Browser); return err },
		} {
			if err := try(); !errors.Is(err, oidc.ErrRequestGone) {
				t.Errorf("%s: %v", name, err)
			}
		}
		time.Sleep(4 * time.Minute)
		if next := b.next(t, step.Handle); next.Kind != oidc.StepLogin {
			t.Errorf("after 4 minutes: %s", next.Kind)
		}
		time.Sleep(25 * time.Minute)
		if next := b.next(t, step.Handle); next.Kind != oidc.StepLogin {
			t.Errorf("after 29 minutes: %s", next.Kind)
		}
		time.Sleep(time.Minute)
		if _, err := w.Next(t.Context(), step.Handle, b.Browser); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("after 30 minutes: %v", err)
		}
	})
}

// done returns an answered request of another browser.
func (w *world) done(t testing.TB) oidc.Step {
	b := w.browser()
	b.session(t, w.li, 1)
	return b.authorize(t, w.bureau)
}

// A request is answered once; the pages then know the way on.
func TestAnsweredRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step := b.authorize(t, w.bureau)
		b.logIn(t, step.Handle, w.zhang)
		time.Sleep(session.FormAgain + time.Second)
		for name, try := range map[string]func() error{
			"next": func() error { _, err := w.Next(t.Context(), step.Handle, b.Browser); return err },
			"log in": func() error {
				_, err := w.logIn(t.Context(), step.Handle, b.Browser, w.zhang)
				return err
			},
			"cancel": func() error { _, err := w.cancel(t.Context(), step.Handle, b.Browser, oidc.StepLogin); return err },
			"decide": func() error {
				_, err := w.decide(t.Context(), step.Handle, b.Browser, oidc.Decision{Form: "x"})
				return err
			},
		} {
			err := try()
			e, ok := errors.AsType[*oidc.GoneError](err)
			if !ok || !errors.Is(err, oidc.ErrRequestGone) || e.Client.HomeURI != "https://bureau.example/" {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Of several tries at once one is answered.
func TestRequestIsAnsweredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step, err := w.Authorize(t.Context(), params(w.bureau), b.Browser, true)
		if err != nil {
			t.Fatal(err)
		}
		b.session(t, w.zhang, 1)
		var answered atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				switch _, err := w.Next(t.Context(), step.Handle, b.Browser); {
				case err == nil:
					answered.Add(1)
				case !errors.Is(err, oidc.ErrRequestGone):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := answered.Load(); n != 1 {
			t.Errorf("%d answers", n)
		}
		// Who had loaded the request before it was answered comes too late as well.
		if _, err := w.cancel(t.Context(), step.Handle, b.Browser, oidc.StepLogin); !errors.Is(err, oidc.ErrRequestGone) {
			t.Error("a request was answered once more")
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step := b.authorize(t, w.bureau)
		done, err := w.cancel(t.Context(), step.Handle, b.Browser, oidc.StepLogin)
		if err != nil {
			t.Fatal(err)
		}
		if back := answer(t, done.Response); back.Get("error") != "access_denied" || back.Get("state") != "s1" || back.Get("iss") != issuer {
			t.Errorf("back %v", back)
		}
		visit, err := w.Visit(t.Context(), flow.Page{Path: "/licenses"}, b.Browser)
		if err != nil {
			t.Fatal(err)
		}
		if done, err = w.cancel(t.Context(), visit.Handle, b.Browser, oidc.StepLogin); err != nil || done.Response.RedirectURI != "/" || !done.Response.Local {
			t.Errorf("a visit: %+v, %v", done.Response, err)
		}
	})
}

func TestVisit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step, err := w.Visit(t.Context(), flow.Page{Path: "/licenses?a=b", Assurance: 2}, b.Browser)
		if err != nil || step.Kind != oidc.StepLogin || !step.Request.Portal {
			t.Fatalf("%+v, %v", step, err)
		}
		if step = b.logIn(t, step.Handle, w.zhang); step.Kind != oidc.StepSecondFactor {
			t.Fatalf("with one factor: %s", step.Kind)
		}
		b.stepUp(t)
		for range 2 { // a page of ours can be gone to as often as one likes
			if step = b.next(t, step.Handle); step.Kind != oidc.StepDone || step.Response.RedirectURI != "/licenses?a=b" || !step.Response.Local {
				t.Fatalf("%+v", step)
			}
			step.Handle = b.again(t)
		}
		for _, path := range []string{"", "x", "//evil.example", `/\evil.example`, "https://evil.example", "/a\nb", "/a#b", "/" + strings.Repeat("x", 3000), "/例"} {
			_, err := w.Visit(t.Context(), flow.Page{Path: path}, b.Browser)
			if e, back := refusal(t, err); back != nil || e.Refusal.Reason != "path_invalid" {
				t.Errorf("path %q: %v", path, err)
			}
		}
	})
}

// again begins a visit of somebody else, and logs in.
func (b *browser) again(t testing.TB) oidc.Secret {
	t.Helper()
	other := b.w.browser()
	step, err := b.w.Visit(t.Context(), flow.Page{Path: "/licenses?a=b", Assurance: 2}, other.Browser)
	if err != nil {
		t.Fatal(err)
	}
	other.logIn(t, step.Handle, b.w.zhang)
	other.stepUp(t)
	*b = *other
	return step.Handle
}

// Nothing that lies where others might look shows who or what it is about.
func TestKeptThingsAreSealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step := b.authorize(t, w.bureau, "login_hint", "13800138000", "state", "a-state-to-find")
		sealed, err := w.kept.Load(t.Context(), keeper.KeyOf("request", step.Handle.Hash().String()), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if text := string(sealed); strings.Contains(text, "a-state") || strings.Contains(text, "13800138000") || strings.Contains(text, w.bureau.ID) {
			t.Error("a kept request can be read")
		}
		// A value moved to another handle doesn't open.
		other := oidc.NewHandle()
		if err := w.kept.Put(t.Context(), keeper.KeyOf("request", other.Hash().String()), sealed, ephemeral.Keeping{Part: ephemeral.PartReserved, Until: time.Now().Add(time.Hour)}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Next(t.Context(), other, b.Browser); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("a value under another handle: %v", err)
		}
		b.session(t, w.zhang, 1)
		b.tokens(t, w.bureau)
		var everything strings.Builder
		everything.WriteString(w.memory.settings["subject_salt"])
		for _, s := range w.memory.sessions {
			everything.WriteString(s.ID + string(s.Cookie[:]) + string(s.Body))
		}
		for _, f := range w.memory.families {
			everything.WriteString(f.ID + f.Client + f.Session + string(f.Body))
		}
		for _, e := range w.events {
			text, err := e.Canonical(journal.Private{})
			if err != nil {
				t.Error(err)
			}
			everything.Write(text)
		}
		if !strings.Contains(everything.String(), w.zhang.ID) {
			t.Error("not even the account's opaque id is found: this test sees nothing")
		}
		for _, secret := range []string{w.zhang.Party, "192.0.2.1", "Mozilla", b.Session.Reveal(), b.ID.Reveal()} {
			if strings.Contains(everything.String(), secret) {
				t.Errorf("%q can be read", secret)
			}
		}
	})
}

// A request that nobody opens lives for five minutes and is small, however long its
// parameters are; one that was answered goes soon, too.
func TestUnopenedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		q := params(w.bureau)
		q["state"], q["nonce"] = strings.Repeat(`"`, 2048), strings.Repeat("键", 512/3)
		q["login_hint"], q["ui_locales"] = strings.Repeat("名", 256/3), strings.Repeat("a ", 256/2)
		q["prompt"], q["unknown"] = strings.Repeat("login ", 256/6), strings.Repeat("x", 8<<10)
		step, err := w.Authorize(t.Context(), q, b.Browser, false)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := w.kept.Load(t.Context(), keeper.KeyOf("request", step.Handle.Hash().String()), time.Now())
		if err != nil || len(sealed) > 8<<10 {
			t.Errorf("the longest request takes %d bytes, want at most 8 KiB; %v", len(sealed), err)
		}
		time.Sleep(5 * time.Minute)
		if _, err := w.Next(t.Context(), step.Handle, b.Browser); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("after 5 minutes: %v", err)
		}
	})
}

// The same form again is the same login for a minute, and no longer.
func TestLoginFormSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step := b.authorize(t, w.bureau, "prompt", "consent")
		login := func(a identity.Account) (oidc.Secret, string, error) {
			next, err := w.logIn(t.Context(), step.Handle, b.Browser, a)
			if next.Session == nil {
				return next.Cookies.Session, "", err
			}
			return next.Cookies.Session, next.Session.ID, err
		}
		cookie, id, err := login(w.zhang)
		if err != nil || id == "" {
			t.Fatal(id, err)
		}
		events := len(w.results())
		if again, same, err := login(w.zhang); err != nil || again != cookie || same != id || len(w.results()) != events {
			t.Errorf("the same form: %v, session %t, %d events more, %v", again == cookie, same == id, len(w.results())-events, err)
		}
		if other, another, err := login(w.li); err != nil || other == cookie || another == id {
			t.Errorf("another person's: %v", err)
		}
		time.Sleep(session.FormAgain + time.Second)
		later, another, err := login(w.zhang)
		if err != nil || later == cookie || another == id {
			t.Errorf("a minute later: %v, session %t, %v", later == cookie, another == id, err)
		}

		step = b.authorize(t, w.bureau)
		with := *b
		first := code(t, with.logIn(t, step.Handle, w.zhang))
		again, err := w.logIn(t.Context(), step.Handle, b.Browser, w.zhang)
		if err != nil || again.Cookies.Session != with.Session || code(t, again) == first {
			t.Errorf("after the answer: %v, %v", again.Cookies.Session == with.Session, err)
		}
		late, err := w.logIn(t.Context(), step.Handle, with.Browser, w.zhang)
		if err != nil || late.Cookies != (oidc.Cookies{}) || code(t, late) == first {
			t.Errorf("after the answer, with its cookie: %+v, %v", late.Cookies, err)
		}
		if _, _, err := login(w.li); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("after the answer, by another person: %v", err)
		}
		other := *b
		other.session(t, w.li, 1)
		if _, err := w.logIn(t.Context(), step.Handle, other.Browser, w.zhang); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("after the answer, in another session: %v", err)
		}
		f := form(b.Browser, oidc.StepLogin, flow.Password{Login: w.zhang.ID, Password: "any"})
		f.Token = with.FormToken("login")
		if next, err := w.Answer(t.Context(), step.Handle, b.Browser, f); !errors.Is(err, oidc.ErrRequestGone) || next.Cookies != (oidc.Cookies{}) {
			t.Errorf("after the answer, by a form of another session: %+v, %v", next.Cookies, err)
		}
		time.Sleep(session.FormAgain + time.Second)
		if _, _, err := login(w.zhang); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("a minute after the answer: %v", err)
		}
		if _, err := w.logIn(t.Context(), step.Handle, with.Browser, w.zhang); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("a minute after the answer, with its cookie: %v", err)
		}
	})
}
