package provider

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity/factor"
)

// counting is an Ephemeral that counts what is done to kept requests.
type counting struct {
	ephemeral.Store
	loads, writes atomic.Int32
}

func (c *counting) Load(ctx context.Context, key string, now time.Time) ([]byte, error) {
	if strings.HasPrefix(key, "oidc.request.") {
		c.loads.Add(1)
	}
	return c.Store.Load(ctx, key, now)
}

func (c *counting) Swap(ctx context.Context, key string, old, new []byte, k ephemeral.Keeping, now time.Time) error {
	if strings.HasPrefix(key, "oidc.request.") {
		c.writes.Add(1)
	}
	return c.Store.Swap(ctx, key, old, new, k, now)
}

// An answer loads the request once, after a password's check once more, and stores it at most
// once, whatever it leads to.
func TestAnswerLoadsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		kept := &counting{Store: w.kept}
		w.ephemeral = kept
		w.provider, w.people = w.node(t, 2)
		b := w.browser()
		answer := func(name string, step oidc.Step, a flow.Answer, want oidc.StepKind, writes int32) oidc.Step {
			t.Helper()
			b.next(t, step.Handle) // the page was opened
			kept.loads.Store(0)
			kept.writes.Store(0)
			next, err := w.Answer(t.Context(), step.Handle, b.Browser, form(b.Browser, step.Kind, a))
			if err != nil || next.Kind != want {
				t.Fatalf("%s: %s, %v", name, next.Kind, err)
			}
			loads := int32(1)
			if p, login := a.(flow.Password); login && p.Password != "" {
				loads = 2 // for checking it took its time
			}
			if l, n := kept.loads.Load(), kept.writes.Load(); l != loads || n != writes {
				t.Errorf("%s: %d loads, %d writes, want %d and %d", name, l, n, loads, writes)
			}
			if next.Cookies.Session != (oidc.Secret{}) {
				b.Session = next.Cookies.Session
			}
			return next
		}
		right := flow.Password{Login: w.zhang.ID, Password: "any"}
		answer("a login that is all", b.authorize(t, w.bureau), right, oidc.StepDone, 1)
		step := b.authorize(t, w.bureau, append(w.push(t, w.bureau), "prompt", "")...)
		if step.Kind != oidc.StepSecondFactor {
			t.Fatal(step.Kind)
		}
		answer("sending a code", step, flow.SendCode{}, oidc.StepSecondFactor, 0)
		b.stepUp(t)
		step = b.next(t, step.Handle)
		answer("looking for something", step, flow.Find{For: map[string]string{"m": "x"}}, oidc.StepConsent, 0)
		answer("agreeing", step, flow.Decision(consentTo(step)), oidc.StepDone, 1)
		step = b.authorize(t, w.bureau, "prompt", "select_account")
		answer("going on as who is logged in", step, flow.Account{}, oidc.StepDone, 1)
		step = b.authorize(t, w.bureau, "prompt", "login", "acr_values", oidc.ACR(2))
		answer("a first factor", step, right, oidc.StepSecondFactor, 1)
		step = b.authorize(t, w.bureau, "prompt", "login")
		answer("nothing typed", step, flow.Password{}, oidc.StepLogin, 0)
		answer("cancelling", step, flow.Cancel{}, oidc.StepDone, 1)
	})
}

// A request that was cancelled while the password was checked logs nobody in: the session that
// the browser has lives on.
func TestCancelledDuringTheCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.logIn(t, b.authorize(t, w.bureau).Handle, w.li)
		had := b.Session
		step := b.authorize(t, w.bureau, "prompt", "login")
		b.next(t, step.Handle)
		before := w.results()
		w.checking = func() {
			if _, err := w.Answer(t.Context(), step.Handle, b.Browser, form(b.Browser, step.Kind, flow.Cancel{})); err != nil {
				t.Error(err)
			}
		}
		next, err := w.Answer(t.Context(), step.Handle, b.Browser, form(b.Browser, step.Kind, flow.Password{Login: w.zhang.ID, Password: "any"}))
		if _, gone := errors.AsType[*oidc.GoneError](err); !gone || next.Cookies.Session != (oidc.Secret{}) {
			t.Errorf("%s, %v, cookies %+v", next.Kind, err, next.Cookies)
		}
		if after := w.results(); slices.ContainsFunc(after[len(before):], func(r string) bool { return strings.Contains(r, "session.") }) {
			t.Errorf("events %v", after[len(before):])
		}
		b.Session = had
		if step := b.authorize(t, w.bureau); step.Kind != oidc.StepDone {
			t.Errorf("who was logged in is asked for %s", step.Kind)
		}
	})
}

// Of two browsers that began with one pushed request one is answered, however often the
// other one sends its form.
func TestPushedAnswersOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pushed := w.push(t, w.bureau, "authorization_details", "")
		first, second := w.browser(), w.browser()
		one, other := first.authorize(t, w.bureau, pushed...), second.authorize(t, w.bureau, pushed...)
		first.logIn(t, one.Handle, w.zhang)
		f := form(second.Browser, other.Kind, flow.Password{Login: w.li.ID, Password: "any"})
		for i := range 2 {
			next, err := w.Answer(t.Context(), other.Handle, second.Browser, f)
			e, refused := errors.AsType[*oidc.RequestError](err)
			_, gone := errors.AsType[*oidc.GoneError](err)
			if next.Kind == oidc.StepDone || i == 0 && (!refused || e.Refusal.Reason != oidc.ReasonRequestURIGone) || i == 1 && !gone {
				t.Errorf("answer %d: %s, %v", i+1, next.Kind, err)
			}
		}
	})
}

// TestSaysSentOfWhatWasSent: a factor for which nothing needs to be sent has no page say that
// something was.
func TestSaysSentOfWhatWasSent(t *testing.T) {
	for _, begun := range []factor.Begun{{}, {Phone: "138****8000", Again: time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.begun = begun
			b := w.browser()
			step := b.authorize(t, w.bureau, "acr_values", oidc.ACR(2))
			first := b.logIn(t, step.Handle, w.zhang)
			asked, err := w.Answer(t.Context(), step.Handle, b.Browser, form(b.Browser, oidc.StepSecondFactor, flow.SendCode{}))
			if err != nil || asked.Problem != (oidc.Problem{}) {
				t.Errorf("asking for a code: %+v, %v", asked.Problem, err)
			}
			for name, step := range map[string]oidc.Step{"after the password": first, "asked for": asked} {
				if step.Kind != oidc.StepSecondFactor || (step.Sent != nil) != (begun.Phone != "") {
					t.Errorf("%s: %s, sent %+v of %+v", name, step.Kind, step.Sent, begun)
				}
			}
		})
	}
}

// A form that isn't this browser's, or comes too often, has no secret tried; only what is
// tried counts.
func TestWhatAnAnswerTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		step := b.authorize(t, w.bureau)
		events := len(w.results())
		for name, test := range map[string]struct {
			answer flow.Answer
			token  string
			wait   time.Duration
			want   oidc.ProblemKind
			counts int
		}{
			"another form":     {flow.Password{Login: w.zhang.ID, Password: "any"}, b.FormToken("code"), 0, oidc.ProblemStale, 0},
			"no token":         {flow.Password{Login: w.zhang.ID, Password: "any"}, "", 0, oidc.ProblemStale, 0},
			"cancelled by one": {flow.Cancel{}, "", 0, oidc.ProblemStale, 0},
			"too often":        {flow.Password{Login: w.zhang.ID, Password: "any"}, b.FormToken("login"), time.Minute, oidc.ProblemLimited, 1},
			"a code too often": {flow.Confirmation{Challenge: "x", Code: "1"}, b.FormToken("login"), time.Minute, oidc.ProblemLimited, 1},
			"nothing typed":    {flow.Password{}, b.FormToken("login"), 0, oidc.ProblemIncomplete, 1},
		} {
			f, counted := form(b.Browser, oidc.StepLogin, test.answer), 0
			f.Token = test.token
			f.Wait = func() time.Duration { counted++; return test.wait }
			next, err := w.Answer(t.Context(), step.Handle, b.Browser, f)
			if err != nil || next.Kind != oidc.StepLogin || !next.Again || next.Problem.Kind != test.want || next.Problem.Wait != test.wait || counted != test.counts {
				t.Errorf("%s: %+v, %v, counted %d", name, next.Problem, err, counted)
			}
			if next.Cookies != (oidc.Cookies{}) || len(w.results()) != events {
				t.Errorf("%s: cookies %+v, events %v", name, next.Cookies, w.results())
			}
		}
	})
}
