package provider

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
)

// pushed pushes a request and returns its request_uri.
func (w *world) pushed(t testing.TB, c oidc.Client, changes ...string) string {
	t.Helper()
	uri, _, err := w.Push(t.Context(), c, params(c, changes...), "r0")
	if err != nil {
		t.Fatal(err)
	}
	return uri
}

// Looking at a pushed request doesn't use it up: what opens a link before its
// reader does takes nothing away. The answer uses it up, whoever gets it.
func TestPushedRequestIsUsedByItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		open := func(uri string, b *browser) (oidc.Step, error) {
			return w.Authorize(t.Context(), oidc.Parameters{"client_id": w.bureau.ID, "request_uri": uri}, b.Browser, false)
		}
		must := func(step oidc.Step, err error) oidc.Step {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			return step
		}
		gone := func(what string, err error) {
			t.Helper()
			if e, back := refusal(t, err); back != nil || e.Refusal.Code != oidc.InvalidRequestURI {
				t.Errorf("%s: %v", what, err)
			}
		}
		scanner, without, person, other := w.browser(), &browser{oidc.Browser{RequestID: "r9"}, w}, w.browser(), w.browser()
		uri := w.pushed(t, w.bureau)
		must(open(uri, scanner))
		must(open(uri, without))
		mine, theirs := must(open(uri, person)), must(open(uri, other))
		if mine.Handle == theirs.Handle {
			t.Fatal("two browsers have one handle")
		}
		// Both see the login page, and have somebody logged in when the first answer comes.
		person.next(t, mine.Handle)
		other.next(t, theirs.Handle)
		hold := must(w.Visit(t.Context(), flow.Page{Path: "/"}, other.Browser))
		other.logIn(t, hold.Handle, w.li)
		time.Sleep(20 * time.Minute) // the pushed request itself has expired
		code(t, person.logIn(t, mine.Handle, w.zhang))
		_, err := w.Next(t.Context(), theirs.Handle, other.Browser)
		gone("answered in another browser", err)
		_, err = open(uri, w.browser())
		gone("opened after the answer", err)

		// With a session the answer comes at once, and once.
		uri = w.pushed(t, w.bureau)
		var answered atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if _, err := open(uri, person); err == nil {
					answered.Add(1)
				} else {
					gone("another try", err)
				}
			})
		}
		all.Wait()
		if n := answered.Load(); n != 1 {
			t.Errorf("%d answers", n)
		}
		// A refusal that nobody decided on gives nothing, and uses nothing up.
		uri = w.pushed(t, w.bureau, "prompt", "none")
		if _, err := open(uri, scanner); err == nil {
			t.Error("nobody is logged in")
		}
		code(t, must(open(uri, person)))
	})
}

// A refused request object says where its refusal goes, and nothing else.
func TestRequestObjectsRefusal(t *testing.T) {
	w := newWorld(t)
	object := func(text string) string {
		return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(text)) + "."
	}
	refuse := func(changes ...string) *oidc.RequestError {
		t.Helper()
		_, err := w.Authorize(t.Context(), params(w.bureau, changes...), w.browser().Browser, false)
		e, ok := errors.AsType[*oidc.RequestError](err)
		if !ok {
			t.Fatalf("%v: %v", changes, err)
		}
		return e
	}
	e := refuse("request", object(`{"response_mode":"form_post","state":"of the object","redirect_uri":"https://bureau.example/cb"}`), "state", "", "redirect_uri", "")
	if e.Refusal.Code != oidc.RequestNotSupported || e.Response == nil || e.Response.Mode != oidc.ModeFormPost || answer(t, e.Response).Get("state") != "of the object" {
		t.Errorf("got %+v", e.Response)
	}
	if e := refuse("request", object(`{"redirect_uri":"https://evil.example/"}`)); e.Response != nil || e.Received == "" {
		t.Errorf("the refusal goes to %+v", e.Response)
	}
	for _, text := range []string{"", "{", `{"state":7}`, `{"state":"a","state":"b"}`, strings.Repeat("[", 100)} {
		if e := refuse("request", object(text)); e.Refusal.Code != oidc.RequestNotSupported || answer(t, e.Response).Get("state") != "s1" {
			t.Errorf("%.20q: %+v", text, e.Response)
		}
	}
	if e := refuse("request", object(`{"state":"a\nb"}`)); e.Refusal.Code != oidc.RequestNotSupported || answer(t, e.Response).Has("state") {
		t.Errorf("a bad state: %+v", e.Response)
	}
}
