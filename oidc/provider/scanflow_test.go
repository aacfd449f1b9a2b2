package provider

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/scan"
)

// A login by phone for a request goes through the login's page as any other: once, in this browser, and
// not for a request that was cancelled meanwhile.
func TestScanAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := newScanning(t, w, 2, scan.Wish{})
		begin := func(changes ...string) (step oidc.Step, f func(flow.Answer) flow.Form) {
			step = s.pc.authorize(t, w.bureau, changes...)
			return step, func(a flow.Answer) flow.Form { return form(s.pc.Browser, oidc.StepLogin, a) }
		}
		scanned := func(step oidc.Step, f func(flow.Answer) flow.Form) flow.Form {
			t.Helper()
			shown, err := w.Answer(t.Context(), step.Handle, s.pc.Browser, f(flow.ScanCode{}))
			if err != nil || !shown.Scan.IsHandle() || !shown.Again {
				t.Fatalf("a code is asked for: %+v, %v", shown, err)
			}
			s.code = shown.Scan
			s.did(s.read(s.phone), s.confirm(s.phone))
			return f(flow.Scanned{Code: s.code.Reveal(), Named: true})
		}
		step, f := begin()
		late := scanned(step, f)
		late.Wait = func() time.Duration {
			if _, err := w.cancel(t.Context(), step.Handle, s.pc.Browser, oidc.StepLogin); err != nil {
				t.Fatal(err)
			}
			return 0
		}
		if got, err := w.Answer(t.Context(), step.Handle, s.pc.Browser, late); !errors.Is(err, oidc.ErrRequestGone) || got.Cookies.Session != (oidc.Secret{}) {
			t.Errorf("logged in for a cancelled request: %+v, %v", got, err)
		}
		step, f = begin("max_age", "300")
		stale := scanned(step, f)
		time.Sleep(50 * time.Second)
		began := s.who(s.phone).AuthTime
		done, err := w.Answer(t.Context(), step.Handle, s.pc.Browser, stale)
		s.did(err)
		s.pc.Session = done.Cookies.Session
		code(t, done)
		if got := s.who(s.pc); !got.AuthTime.Equal(began) || !got.Relayed {
			t.Errorf("the login is %+v, and the phone's of %v", got, began)
		}
		// The same login is too old for the client a while later.
		time.Sleep(5 * time.Minute)
		if step, _ := begin("max_age", "300"); step.Kind != oidc.StepLogin {
			t.Errorf("an old login satisfies max_age: %s", step.Kind)
		}
		// Our own pages that want a direct login take none of it, and make no code.
		direct, err := w.Visit(t.Context(), flow.Page{Path: "/x", Direct: true}, s.pc.Browser)
		s.did(err)
		if direct.Kind != oidc.StepLogin || !direct.Request.Direct {
			t.Fatalf("a relayed login is direct: %+v", direct)
		}
		for _, a := range []flow.Answer{flow.ScanCode{}, flow.Scanned{Code: s.code.Reveal(), Named: true}} {
			got, err := w.Answer(t.Context(), direct.Handle, s.pc.Browser, form(s.pc.Browser, oidc.StepLogin, a))
			if err != nil || got.Problem.Kind != oidc.ProblemStale || got.Scan != (oidc.Secret{}) {
				t.Errorf("%T: %+v, %v", a, got, err)
			}
		}
	})
}
