package api

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/api/apitest"
)

// sendTwice sends a login's form from two copies of one browser: a double click.
// At once both are under way together; else the second is sent when the first was
// answered, with the cookies of before or, late, with those of the answer.
func sendTwice(t *testing.T, url string, p *apitest.Page, who apitest.Person, how string) (first, second *apitest.Page) {
	t.Helper()
	return sendForm(t, url, p.Form("submit").With("username", who.Login, "password", who.Password), how)
}

// sendForm is sendTwice for any form.
func sendForm(t *testing.T, url string, f *apitest.Form, how string) (first, second *apitest.Page) {
	t.Helper()
	one := f.Browser()
	two := one.Clone(url)
	send := func(b *apitest.Browser) *apitest.Page {
		p, err := b.Try(f.Request().Clone(t.Context()))
		if err != nil {
			t.Error(err)
		}
		return p
	}
	if how == "at once" {
		var all sync.WaitGroup
		all.Go(func() { first = send(one) })
		all.Go(func() { second = send(two) })
		all.Wait()
		return first, second
	}
	first = send(one)
	if how == "late" {
		two = one.Clone(url)
	}
	return first, send(two)
}

// A login form sent twice, as nothing but a script could stop, leads on both
// times: in one session, with one message.
func TestLoginFormSentTwice(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	sent := func() int {
		s.phone.mu.Lock()
		defer s.phone.mu.Unlock()
		return len(s.phone.codes)
	}
	for _, how := range []string{"at once", "after", "late"} {
		before := sent()
		first, second := sendTwice(t, s.url, s.app.open(s.browser(t), s.app.request("acr_values", "urn:yizheng:assurance:2")), who, how)
		for i, p := range []*apitest.Page{first, second} {
			if p.Status != http.StatusOK || !p.Has("code") {
				t.Fatalf("%s: answer %d: %v", how, i+1, p)
			}
		}
		if n := sent() - before; n != 1 {
			t.Errorf("%s: %d messages", how, n)
		}
		if s.app.answerOf(t, second.Press("submit", "code", who.Code())).Get("code") == "" {
			t.Errorf("%s: the second answer leads nowhere", how)
		}

		first, second = sendTwice(t, s.url, s.app.open(s.browser(t), s.app.request()), who, how)
		a, b := s.app.answerOf(t, first).Get("code"), s.app.answerOf(t, second).Get("code")
		if a == "" || b == "" || a == b {
			t.Errorf("%s: codes %q and %q", how, a, b)
		}
		x, y := claimsOf(t, s.app.redeem(t, b).tokens(t).IDToken), claimsOf(t, s.app.redeem(t, a).tokens(t).IDToken)
		if x["sid"] != y["sid"] {
			t.Errorf("%s: two sessions", how)
		}

		// The portal's own.
		first, second = sendTwice(t, s.url, s.browser(t).Get(s.url+"/sessions"), who, how)
		if first.URL.Path != "/sessions" || second.URL.Path != "/sessions" || strings.Count(second.Body, `<div class="entry-head">`) != strings.Count(first.Body, `<div class="entry-head">`) {
			t.Errorf("%s: the portal: %v, %v", how, first, second)
		}
	}
	// Whoever has the form and not the password gets nothing by it.
	p := s.app.open(s.browser(t), s.app.request())
	f := p.Form("submit").With("username", who.Login, "password", who.Password)
	thief := f.Browser().Clone(s.url)
	s.app.answerOf(t, f.Send())
	if p := thief.Do(f.With("password", "another").Request()); p.To != nil || p.Status != http.StatusGone {
		t.Errorf("a wrong password: %v", p)
	}
	if p := s.browser(t).Do(f.With("password", who.Password).Request()); p.To != nil || p.Status < 400 {
		t.Errorf("another browser: %v", p)
	}
}
