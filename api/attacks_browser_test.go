package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
)

// otherSite is a page of another site that makes a victim's browser send a form.
type otherSite struct {
	name string
	// send sends the form f, which the victim's browser b could have sent, as
	// that page does.
	send func(b *apitest.Browser, f *apitest.Form) *apitest.Page
}

// otherSites are the ways in which another site sends forms. The first two leave
// the cookies in place, as a browser would that knows no SameSite.
func (s *stage) otherSites(t *testing.T) []otherSite {
	own := s.browser(t) // the attacker's, for tokens of their own
	own.Get(s.garage.request().url(t))
	without := func(f *apitest.Form) *apitest.Form {
		f.Values.Del("token")
		return f
	}
	return []otherSite{
		{"a browser that tells where the form comes from", func(b *apitest.Browser, f *apitest.Form) *apitest.Page {
			r := f.Request() // even with the right token: nobody should have it
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			return b.Do(r)
		}},
		{"an old browser, without a token", func(b *apitest.Browser, f *apitest.Form) *apitest.Page {
			r := without(f).Request()
			r.Header.Del("Origin")
			r.Header.Del("Sec-Fetch-Site")
			return b.Do(r)
		}},
		{"an old browser, with a token of the attacker's", func(b *apitest.Browser, f *apitest.Form) *apitest.Page {
			f.Values.Set("token", own.Get(s.garage.request().url(t)).Form("submit").Values.Get("token"))
			r := f.Request()
			r.Header.Del("Origin")
			r.Header.Del("Sec-Fetch-Site")
			return b.Do(r)
		}},
		{"a sandboxed page", func(b *apitest.Browser, f *apitest.Form) *apitest.Page {
			r := without(f).Request()
			r.Header.Set("Origin", "null")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			return b.Do(r)
		}},
		{"by GET", func(b *apitest.Browser, f *apitest.Form) *apitest.Page {
			sep := "?"
			if strings.Contains(f.Action, "?") {
				sep = "&"
			}
			return b.Get(f.Action + sep + f.Values.Encode())
		}},
		{"as text", func(b *apitest.Browser, f *apitest.Form) *apitest.Page {
			r := f.Request()
			r.Header.Set("Content-Type", "text/plain")
			return b.Do(r)
		}},
		{"without cookies, as a browser of today", func(_ *apitest.Browser, f *apitest.Form) *apitest.Page {
			return s.browser(t).Do(f.Request())
		}},
	}
}

// Nobody is logged in by another site's form (login CSRF): the attacker would
// have the victim work under the attacker's account.
func TestAttackLoginCSRF(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for _, x := range s.otherSites(t) {
		b := s.browser(t)
		f := s.clinic.request()
		p := x.send(b, f.open(t, b).Form("submit").With("username", s.bob.Login, "password", s.bob.Password))
		if p.To != nil || p.Has("approve") {
			t.Errorf("%s: the login went on to %v", x.name, p.To)
		}
		none := s.clinic.request("prompt", "none")
		if q := none.answered(t, b.Get(none.url(t))); q.Get("error") != "login_required" {
			t.Errorf("%s: somebody is logged in: %v", x.name, q)
		}
	}
}

// Nobody agrees by another site's form.
func TestAttackConsentCSRF(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	s.clinic.licensed().toConsent(t, b, s.alice)
	for _, x := range s.otherSites(t) {
		f := s.clinic.licensed()
		p := x.send(b, agreeToAll(f.toConsent(t, b, s.alice)))
		if p.To != nil && p.To.Query().Has("code") {
			t.Errorf("%s: the consent was taken: %v", x.name, p.To)
		}
	}
	if p := b.Get(s.url + "/grants"); p.Status != http.StatusOK || strings.Contains(p.Body, "2026-000123") {
		t.Errorf("the holder's grants: %v", p)
	}
}

// Nobody is logged out by another site: a GET only asks, and the form has a token.
func TestAttackLogoutCSRF(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	k := s.clinic.request().loggedIn(t, b, s.alice)
	logout := s.url + pathEndSession + "?" + url.Values{"id_token_hint": {k.IDToken}}.Encode()
	stillIn := func(how string) {
		t.Helper()
		f := s.clinic.request("prompt", "none")
		if q := f.answered(t, b.Get(f.url(t))); !q.Has("code") {
			t.Fatalf("%s: logged out: %v", how, q)
		}
	}
	for range 2 {
		b.Get(logout)
		stillIn("by GET")
	}
	r := s.request(t, "POST", pathEndSession, url.Values{"id_token_hint": {k.IDToken}}.Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	b.Do(r)
	stillIn("by POST of a client")
	for _, x := range s.otherSites(t) {
		x.send(b, b.Get(logout).Form("submit"))
		stillIn(x.name)
	}
	b.Get(logout).Press("submit")
	f := s.clinic.request("prompt", "none")
	if q := f.answered(t, b.Get(f.url(t))); q.Get("error") != "login_required" {
		t.Errorf("after the person's own logout: %v", q)
	}
}

// Whatever a browser showed before the login is worth nothing after it: an
// attacker who plants cookies of theirs isn't logged in with the victim.
func TestAttackSessionFixation(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for name, plant := range map[string]func(attacker, victim *apitest.Browser){
		"the browser's cookie": func(attacker, victim *apitest.Browser) {
			for _, c := range attacker.Cookies(s.url) {
				victim.SetCookie(s.url, c)
			}
		},
		"a session of the attacker's": func(attacker, victim *apitest.Browser) {
			s.clinic.request().loggedIn(t, attacker, s.carol)
			for _, c := range attacker.Cookies(s.url) {
				victim.SetCookie(s.url, c)
			}
			victim.Get(s.url + pathEndSession).Press("submit")
		},
		"a made-up session": func(_, victim *apitest.Browser) {
			victim.SetCookie(s.url, &http.Cookie{Name: "yizheng-session", Value: strings.Repeat("A", 43), Path: "/"})
		},
	} {
		attacker, victim := s.browser(t), s.browser(t)
		attacker.Get(s.clinic.request().url(t))
		plant(attacker, victim)
		before := victim.Cookies(s.url)
		s.clinic.request().loggedIn(t, victim, s.bob)
		for _, c := range victim.Cookies(s.url) {
			if c.Name == "yizheng-session" && hasCookie(before, c) {
				t.Errorf("%s: the session's cookie is the one before the login", name)
			}
		}
		f := s.clinic.request("prompt", "none")
		if q := f.answered(t, attacker.Get(f.url(t))); q.Get("error") != "login_required" {
			t.Errorf("%s: the attacker is logged in: %v", name, q)
		}
	}
}

func hasCookie(all []*http.Cookie, c *http.Cookie) bool {
	for _, other := range all {
		if other.Name == c.Name && other.Value == c.Value {
			return true
		}
	}
	return false
}

// The second factor makes a new session cookie: one stolen before is worth nothing.
func TestAttackFixationByStepUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	s.clinic.request().loggedIn(t, b, s.alice)
	thief := b.Clone(s.url)
	s.clinic.licensed().loggedIn(t, b, s.alice)
	f := s.clinic.request("prompt", "none")
	if q := f.answered(t, thief.Get(f.url(t))); q.Get("error") != "login_required" {
		t.Errorf("the cookie from before the second factor is still good: %v", q)
	}
}

// An authorization request belongs to the browser that brought it: an attacker
// can't have a victim log in, or agree, in a request of the attacker's
// (RFC 9700 section 4.7).
func TestAttackRequestSwap(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	attacker, victim := s.browser(t), s.browser(t)
	s.clinic.request().loggedIn(t, victim, s.alice)
	f := s.clinic.licensed()
	login := f.open(t, attacker)
	for _, p := range []*apitest.Page{victim.Get(login.URL.String()), s.browser(t).Get(login.URL.String())} {
		if p.Has("username") || p.Has("approve") || p.Status < 400 || p.To != nil {
			t.Errorf("the attacker's request goes on in another browser: %s %d", p.URL, p.Status)
		}
	}
	consent := f.toConsent(t, attacker, s.bob)
	if p := victim.Do(agreeToAll(consent).Request()); p.To != nil || p.Status < 400 {
		t.Errorf("the attacker's consent is taken from another browser: %v", p.To)
	}
	// And the attacker's own goes on.
	f.code(t, agreeToAll(consent).Send())
}

// Cookies are out of reach of scripts and of other sites' forms, and bound to
// this host; the answers to a person are kept nowhere and shown in no frame
// (clickjacking).
func TestAttackClickjacking(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	f := s.clinic.licensed()
	pages := []*apitest.Page{f.open(t, b)}
	p := pages[0].Press("submit", "username", s.alice.Login, "password", s.alice.Password)
	pages = append(pages, p, p.LogIn(s.alice))
	for _, path := range []string{"/", "/licenses", "/grants", "/records", "/sessions", "/verify", "/login", pathEndSession, pathAuthorize, "/consent?request=x", "/login/code", "/setup"} {
		pages = append(pages, b.Get(s.url+path))
	}
	pages = append(pages, s.browser(t).Get(s.url+"/"))
	for _, p := range pages {
		h := p.Header
		csp := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action "} {
			if !strings.Contains(csp, want) {
				t.Errorf("%s: no %q in the policy %q", p.URL.Path, want, csp)
			}
		}
		if strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy %q", p.URL.Path, csp)
		}
		if h.Get("X-Frame-Options") != "DENY" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("Referrer-Policy") == "unsafe-url" {
			t.Errorf("%s: headers %v", p.URL.Path, h)
		}
		if !strings.Contains(h.Get("Cache-Control"), "no-store") {
			t.Errorf("%s: Cache-Control %q", p.URL.Path, h.Get("Cache-Control"))
		}
		if h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: other sites may read it", p.URL.Path)
		}
	}
	for _, c := range b.Set() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode && c.SameSite != http.SameSiteStrictMode || c.Domain != "" || c.Path != "/" {
			t.Errorf("cookie %s", strings.SplitN(c.String(), "=", 2)[0]+" "+c.Raw[strings.Index(c.Raw, ";")+1:])
		}
	}
}

// A client may not read people's pages or tokens from a browser: no endpoint
// lets another origin in, and none reflects one.
func TestAttackCrossOriginReading(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for _, path := range []string{pathAuthorize, pathPAR, pathToken, pathUserInfo, pathIntrospect, pathRevoke, pathEndSession, "/v1/shared/licenses", "/v1/use-codes/redeem", "/consent", "/login", "/"} {
		for _, method := range []string{"GET", "POST", "OPTIONS"} {
			r := s.request(t, method, path, "")
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("Access-Control-Request-Headers", "authorization")
			if a := s.do(t, r); a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: %v", method, path, a.Header)
			}
		}
	}
}
