package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
)

// strayURIs are redirect URIs that only look like the registered one.
func strayURIs(registered string) map[string]string {
	u, _ := url.Parse(registered) // of ours: it can't fail
	return map[string]string{
		"another host":         "https://evil.example/callback",
		"another scheme":       strings.Replace(registered, "http:", "https:", 1),
		"another port":         "http://127.0.0.1:9199" + u.Path,
		"localhost":            "http://localhost:" + u.Port() + u.Path,
		"a path more":          registered + "/more",
		"dots":                 registered + "/../evil",
		"a query":              registered + "?next=https://evil.example/",
		"a fragment":           registered + "#x",
		"a slash":              registered + "/",
		"case":                 strings.ToUpper(registered),
		"a user":               strings.Replace(registered, "http://", "http://evil.example@", 1),
		"a host in the user":   strings.Replace(registered, "http://", "http://"+u.Host+"@evil.example/?", 1),
		"a suffix":             strings.Replace(registered, u.Host, u.Host+".evil.example", 1),
		"percent":              strings.Replace(registered, "callback", "c%61llback", 1),
		"no scheme":            "//evil.example/callback",
		"a path":               "/callback",
		"a backslash":          strings.Replace(registered, "http://", `http:\\`, 1),
		"a line break":         registered + "\r\nLocation: https://evil.example/",
		"a script":             "javascript:alert(1)//" + registered,
		"data":                 "data:text/html,<script>alert(1)</script>",
		"two":                  registered + " https://evil.example/",
		"a zero":               registered + "\x00",
		"too long":             registered + strings.Repeat("a", 8<<10),
		"another client's":     garageURI,
		"the logout's own":     registered + "/bye",
		"nothing":              "",
		"the registered twice": registered + "," + registered,
	}
}

// The browser is never sent to an address that isn't registered (RFC 9700
// section 4.1): neither by the authorization endpoint, by GET or POST, nor with a
// pushed request. The page says what came and how it differs, and quotes nothing
// that is registered.
func TestAttackOpenRedirect(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for name, uri := range strayURIs(clinicURI) {
		t.Run(name, func(t *testing.T) {
			f := s.clinic.request("redirect_uri", uri)
			b := s.browser(t)
			for method, page := range map[string]*apitest.Page{"GET": b.Get(f.url(t)), "POST": b.Post(s.url+pathAuthorize, f.params)} {
				if page.To != nil || page.Header.Get("Location") != "" || page.Header.Get("Refresh") != "" || page.Status < 400 || page.Has("username") {
					t.Fatalf("%s: sent to %v: %d %v", method, page.To, page.Status, page.Header)
				}
				if strings.Contains(page.Body, `href="https://evil`) || strings.Contains(page.Body, `action="https://evil`) || strings.Contains(page.Body, "<script>alert") {
					t.Errorf("%s: the page leads on:\n%s", method, page.Body)
				}
				if uri != garageURI && !strings.Contains(uri, clinicURI) && strings.Contains(page.Body, clinicURI) {
					t.Errorf("%s: the page tells what is registered:\n%s", method, page.Body)
				}
			}
			f.push(t).oauthError(t, http.StatusBadRequest, "invalid_request")
		})
	}
}

// An error of the request goes back to the client only after the redirect URI
// was found good, whatever else is wrong with it.
func TestAttackOpenRedirectByError(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for _, wrong := range [][]string{
		{"response_type", "token"}, {"scope", "nonsense"}, {"prompt", "none"}, {"code_challenge", ""}, {"request", "eyJ"}, {"response_mode", "fragment"},
		{"client_id", "nobody"}, {"client_id", ""}, {"claims", "{"}, {"max_age", "-1"},
	} {
		f := s.clinic.request(append(wrong, "redirect_uri", "https://evil.example/")...)
		if p := s.browser(t).Get(f.url(t)); p.To != nil || p.Status < 400 || p.Header.Get("Location") != "" {
			t.Errorf("%v: sent to %v: %d", wrong, p.To, p.Status)
		}
	}
}

// After a logout the browser goes to a registered address alone, and none but
// the client that the hint names (OpenID Connect RP-Initiated Logout section 3).
func TestAttackOpenRedirectByLogout(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	k := s.clinic.request().loggedIn(t, b, s.alice)
	for name, uri := range strayURIs(clinicURI + "/bye") {
		if uri == "" {
			continue
		}
		for _, hint := range []string{k.IDToken, ""} {
			q := url.Values{"post_logout_redirect_uri": {uri}, "client_id": {s.clinic.id}}
			if hint != "" {
				q.Set("id_token_hint", hint)
			}
			p := b.Get(s.url + pathEndSession + "?" + q.Encode())
			if p.To == nil && p.Has("submit") && p.Status == http.StatusOK {
				p = p.Press("submit")
			}
			if p.To != nil || strings.Contains(p.Body, `href="`+uri) || strings.Contains(p.Header.Get("Refresh"), "evil") {
				t.Fatalf("%s: the logout leads to %v:\n%s", name, p.To, p.Body)
			}
		}
	}
}

// Addresses of our own pages that carry where to go next don't lead away.
func TestAttackOpenRedirectByPages(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	s.clinic.request().loggedIn(t, b, s.alice)
	for _, to := range []string{
		"https://evil.example/", "//evil.example/", `/\evil.example/`, `\\evil.example`, "/%09/evil.example", "/\t/evil.example", "https:evil.example",
		"/..//evil.example", "/.//evil.example", "///evil.example", "javascript:alert(1)", "http://evil.example%00@127.0.0.1/", "/%2f/evil.example", "/%5cevil.example",
	} {
		for _, path := range []string{"/preferences?text=large&to=", "/login?to=", "/login?next=", "/?to=", "/login/begin?to="} {
			p := b.Get(s.url + path + url.QueryEscape(to))
			if p.To != nil {
				t.Errorf("%s%s leads to %s", path, to, p.To)
			}
			if l := p.Header.Get("Location"); strings.Contains(l, "evil") && !strings.HasPrefix(l, "/") || strings.HasPrefix(l, "//") || strings.HasPrefix(l, `/\`) {
				t.Errorf("%s%s: Location %q", path, to, l)
			}
		}
	}
	// The name under which somebody reaches us is not believed either.
	r := s.request(t, "GET", "/.well-known/openid-configuration", "")
	r.Host = "evil.example"
	if a := s.do(t, r); strings.Contains(a.body, "evil") {
		t.Errorf("discovery repeats the Host header: %s", a.body)
	}
	r = s.request(t, "GET", s.clinic.request().url(t)[len(s.url):], "")
	r.Host = "evil.example"
	r.Header.Set("X-Forwarded-Host", "evil.example")
	if a := s.do(t, r); strings.Contains(a.Header.Get("Location")+a.body, "evil") {
		t.Errorf("a page repeats the Host header: %v %s", a.Header, a.body)
	}
}
