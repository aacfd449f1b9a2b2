package api

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
)

// Cookies have all that keeps them ours, and change with what they stand for.
func TestCookies(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	s.ask(b).LogIn(s.who)
	values := map[string][]string{}
	for _, c := range b.Set() {
		values[c.Name] = append(values[c.Name], c.Value)
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.Secure {
			t.Errorf("%v", c)
		}
		if secret := c.Name == browserCookie || c.Name == sessionCookie; secret && (len(c.Value) != 43 || c.MaxAge != 0) {
			t.Errorf("%s has %d characters and lives %d", c.Name, len(c.Value), c.MaxAge)
		}
	}
	if len(values[sessionCookie]) != 2 || values[sessionCookie][0] == values[sessionCookie][1] || len(values[browserCookie]) != 1 || len(values[deviceCookie]) != 1 {
		t.Errorf("cookies set: %v", values)
	}
}

// Without cookies there is one clear page, and no circle.
func TestCookiesBlocked(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	for name, open := range map[string]func(b *apitest.Browser) *apitest.Page{
		"GET":    func(b *apitest.Browser) *apitest.Page { return s.app.open(b, s.app.request()) },
		"POST":   func(b *apitest.Browser) *apitest.Page { return b.Post(s.url+oauth.AuthorizePath, s.app.request()) },
		"portal": func(b *apitest.Browser) *apitest.Page { return b.Get(s.url + "/licenses") },
	} {
		b := s.browser(t)
		b.Refuse = true
		p := open(b)
		if p.Status != 400 || !strings.Contains(p.Body, "Cookie") || p.URL.Path != loginPath {
			t.Errorf("%s: %d at %s:\n%s", name, p.Status, p.URL, p.Body)
		}
	}
}

// A response by form_post carries itself to the client, and nowhere else.
func TestFormPostPage(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	p := s.app.open(b, s.app.request("response_mode", "form_post", "state", `"><script>alert(1)</script>`)).LogIn(s.who)
	csp := p.Header.Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`'nonce-([A-Za-z0-9_-]{22})'`).FindStringSubmatch(csp)
	if p.Status != 200 || nonce == nil || !strings.Contains(p.Body, `<script nonce="`+nonce[1]+`">`) || !strings.Contains(csp, "form-action 'self' https:;") {
		t.Fatalf("%d %s\n%s", p.Status, csp, p.Body)
	}
	f := p.Form("submit")
	if f.Action != s.app.redirect || f.Values.Get("code") == "" || f.Values.Get("state") != `"><script>alert(1)</script>` || f.Values.Get("iss") != s.url {
		t.Errorf("the form is %+v", f)
	}
	if strings.Contains(p.Body, "<script>") || p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v\n%s", p.Header, p.Body)
	}
	other := s.app.open(s.browser(t), s.app.request("response_mode", "form_post", "prompt", "none"))
	if other.Header.Get("Content-Security-Policy") == csp || other.Form("submit").Values.Get("error") != "login_required" {
		t.Errorf("the next one: %s\n%s", other.Header, other.Body)
	}
}

// Browsers hold the redirects after a form against its page's policy: it names
// the client's origin where the answer may go there, and nowhere else.
func TestPolicyNamesTheClient(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	allowed := func(p *apitest.Page) string {
		return regexp.MustCompile(`form-action ([^;]*)`).FindStringSubmatch(p.Header.Get("Content-Security-Policy"))[1]
	}
	p := s.ask(b)
	for _, path := range []string{loginPath, codePath, consentPath} {
		shows(t, p, 200, path)
		if got := allowed(p); got != "'self' https://app.example" {
			t.Errorf("%s: %s", path, got)
		}
		switch path {
		case loginPath:
			p = p.Press("submit", "username", "zhang", "password", samplePassword)
		case codePath:
			p = p.Press("submit", "code", s.who.Code())
		}
	}
	for _, path := range []string{"/", "/licenses", "/grants", "/sessions", "/password", "/verify", "/logout", "/setup", "/nowhere"} {
		if got := allowed(b.Get(s.url + path)); got != "'self'" {
			t.Errorf("%s: %s", path, got)
		}
	}
	bye := b.Get(s.url + oauth.EndSessionPath + "?" + form("client_id", s.app.id, "post_logout_redirect_uri", "https://app.example/bye").Encode())
	if got := allowed(bye); got != "'self' https://app.example" {
		t.Errorf("logout: %s", got)
	}
}

// A policy can't name an IPv6 address: then a page leads on.
func TestIPv6Redirect(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	native := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) {
		c.RedirectURIs, c.AuthMethods, c.ServiceItems = []string{"http://[::1]/back"}, []oidc.AuthMethod{oidc.AuthNone}, nil
		c.LogoutURIs, c.Scopes = nil, []oidc.Scope{oidc.ScopeOpenID}
	})
	b := s.browser(t)
	q := native.request("redirect_uri", "http://[::1]:5000/back")
	p := native.open(b, q).LogIn(s.who).Press("approve")
	to := p.Header.Get("Refresh")
	if p.Status != 200 || !strings.HasPrefix(to, "0;url=http://[::1]:5000/back?") || !strings.Contains(p.Body, `href="http://[::1]:5000/back?`) {
		t.Fatalf("%d %v\n%s", p.Status, p.Header, p.Body)
	}
	q.Set("prompt", "none")
	if p = native.open(b, q); p.To == nil { // by GET no policy is in the way
		t.Errorf("%d %s", p.Status, p.Body)
	}
}

// A logout request that another site sends by POST comes without cookies, and
// takes none away: a login under way goes on.
func TestPostedLogoutLeavesALogin(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	p := s.app.open(b, s.app.request())
	r := s.request(t, "POST", oauth.EndSessionPath, "client_id="+s.app.id)
	r.Header.Set("Content-Type", oauth.FormMedia)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if a := s.do(t, r); a.StatusCode != 200 || len(a.Header.Values("Set-Cookie")) > 0 {
		t.Errorf("%d, cookies %v", a.StatusCode, a.Header.Values("Set-Cookie"))
	}
	s.app.answerOf(t, p.LogIn(s.who))
}

// Nor can a policy name an app's own scheme.
func TestRedirectToAnApp(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	native := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) {
		c.RedirectURIs, c.AuthMethods, c.ServiceItems = []string{"cn.example.app:/back"}, []oidc.AuthMethod{oidc.AuthNone}, nil
		c.LogoutURIs, c.Scopes = nil, []oidc.Scope{oidc.ScopeOpenID}
	})
	p := native.open(s.browser(t), native.request("redirect_uri", "cn.example.app:/back")).LogIn(s.who)
	if policy := p.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self';") {
		t.Errorf("the consent's policy is %s", policy)
	}
	p = p.Press("approve")
	if to := p.Header.Get("Refresh"); p.Status != 200 || !strings.HasPrefix(to, "0;url=cn.example.app:/back?") || !strings.Contains(p.Body, `href="cn.example.app:/back?`) {
		t.Errorf("%d %v\n%s", p.Status, p.Header, p.Body)
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	get := func(b *apitest.Browser, path, accept string) *apitest.Page {
		r := s.request(t, "GET", path, "")
		r.Header.Set("Accept-Language", accept)
		return b.Do(r)
	}
	b := s.browser(t)
	for _, test := range []struct{ path, accept, lang string }{
		{"/", "", "zh-CN"}, {"/", "en-GB,en;q=0.8", "en"}, {"/", "fr", "zh-CN"},
		{oauth.AuthorizePath + "?" + s.app.request("ui_locales", "fr en").Encode(), "zh-CN", "en"},
		{oauth.AuthorizePath + "?" + s.app.request("ui_locales", "zh-CN").Encode(), "en", "zh-CN"},
	} {
		p := get(b, test.path, test.accept)
		if !strings.Contains(p.Body, `<html lang="`+test.lang+`"`) || p.Header.Get("Content-Language") != test.lang {
			t.Errorf("%+v: %s", test, p.Header.Get("Content-Language"))
		}
	}
	p := get(b, "/verify?a=b", "zh-CN")
	switched := b.Get(s.url + href(t, p, "language"))
	if switched.URL.RequestURI() != "/verify?a=b" || !strings.Contains(switched.Body, `<html lang="en"`) {
		t.Errorf("at %s: %s", switched.URL, switched.Body)
	}
	// What was chosen here counts more than what a client or the browser says.
	if p := get(b, oauth.AuthorizePath+"?"+s.app.request("ui_locales", "zh-CN").Encode(), "zh-CN"); !strings.Contains(p.Body, `<html lang="en"`) {
		t.Error("the choice is forgotten")
	}
	// The message speaks the page's language.
	p = b.Get(s.url + "/licenses").LogIn(s.who)
	shows(t, p, 200, "/licenses")
}

// href returns where a link of ours leads.
func href(t testing.TB, p *apitest.Page, id string) string {
	t.Helper()
	m := regexp.MustCompile(`id="` + id + `"[^>]*href="([^"]*)"`).FindStringSubmatch(p.Body)
	if m == nil {
		t.Fatalf("%s has no link %s", p.URL, id)
	}
	return strings.ReplaceAll(m[1], "&amp;", "&")
}

func TestLargeText(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	p := s.ask(b)
	large := b.Get(s.url + href(t, p, "text-size"))
	shows(t, large, 200, loginPath)
	if !strings.Contains(large.Body, `class="elder"`) || large.URL.String() != p.URL.String() {
		t.Errorf("at %s:\n%s", large.URL, large.Body)
	}
	normal := b.Get(s.url + href(t, large, "text-size"))
	if strings.Contains(normal.Body, `class="elder"`) {
		t.Error("the text stays large")
	}
}

// Preferences lead back to a page of ours, wherever they are told to.
func TestPreferencesAreNoOpenRedirect(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true})
	for _, to := range []string{
		"https://evil.example/", "//evil.example/", "/\\evil.example", "\\\\evil.example", "/%5Cevil.example/..", "javascript:alert(1)", "http:evil.example",
		"/a\r\nSet-Cookie: evil=1", "/\t/evil.example", "", "evil", "/preferences?to=/preferences", "///evil.example", "/.//evil.example", "@evil.example",
	} {
		a := s.call(t, nil, "GET", "/preferences?"+url.Values{"language": {"en"}, "to": {to}}.Encode(), nil)
		location := a.Header.Get("Location")
		u, err := url.Parse(location)
		if a.StatusCode != 303 || err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(location, "/") || strings.HasPrefix(location, "//") || strings.ContainsAny(location, "\\\r\n\t") {
			t.Errorf("%q leads to %q", to, location)
		}
	}
	if a := s.call(t, nil, "GET", "/preferences?text=large&to=%2Flogin%3Frequest%3Da%26client%3Db", nil); a.Header.Get("Location") != "/login?client=b&request=a" {
		t.Errorf("leads to %q", a.Header.Get("Location"))
	}
}

// Every form of ours is refused when another site sends it, or when it doesn't
// come from a page of this browser's; and then nothing happens.
func TestForgedForms(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	consent := s.ask(b).LogIn(s.who)
	shows(t, consent, 200, consentPath)
	login := s.ask(s.browser(t))
	agreed := s.browser(t)
	s.app.answerOf(t, s.ask(agreed).LogIn(s.who).Press("approve"))
	grants := agreed.Get(s.url + "/grants")
	second := s.browser(t)
	second.Get(s.url + "/licenses").LogIn(s.who)
	sessions := agreed.Get(s.url + "/sessions")
	logout := agreed.Get(s.url + "/logout")
	verify := agreed.Get(s.url + "/verify")
	for name, f := range map[string]*apitest.Form{
		"login":    login.Form("submit").With("username", "zhang", "password", samplePassword),
		"consent":  consent.Form("approve"),
		"grants":   grants.FormAt("/grants"),
		"sessions": sessions.FormAt("/sessions"),
		"logout":   logout.Form("submit"),
		"verify":   verify.Form("submit").With("identifier", s.issued.Identifier, "code", s.issued.VerificationCode),
		"password": agreed.Get(s.url+"/password").Form("submit").With("current", samplePassword, "password", "a new password here"),
		"setup":    agreed.Get(s.url+"/setup").Form("submit").With("ticket", "x", "password", "a new password here", "repeat", "a new password here"),
	} {
		good := f.Values.Get("token")
		if len(good) != 43 {
			t.Fatalf("%s: the token is %q", name, good)
		}
		for attack, forge := range map[string]func(r *http.Request, v url.Values){
			"no token":      func(_ *http.Request, v url.Values) { v.Del("token") },
			"another token": func(_ *http.Request, v url.Values) { v.Set("token", strings.Repeat("A", 43)) },
			"another site":  func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"a neighbor":    func(r *http.Request, _ url.Values) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"another origin": func(r *http.Request, _ url.Values) {
				r.Header.Del("Sec-Fetch-Site")
				r.Header.Set("Origin", "https://evil.example")
			},
			"no origin":        func(r *http.Request, _ url.Values) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "null") },
			"as plain text":    func(r *http.Request, _ url.Values) { r.Header.Set("Content-Type", "text/plain") },
			"as a JSON object": func(r *http.Request, _ url.Values) { r.Header.Set("Content-Type", "application/json") },
		} {
			values := cloneValues(f.Values)
			r := f.Request()
			forge(r, values)
			sent := s.request(t, "POST", strings.TrimPrefix(f.Action, s.url), values.Encode())
			sent.Header = r.Header
			p := f.Browser().Do(sent)
			if p.Status < 400 || p.To != nil {
				t.Errorf("%s, %s: %d at %s, to %v", name, attack, p.Status, p.URL, p.To)
			}
		}
	}
	// All that was forged was in vain: what is asked for now still works.
	if p := consent.Press("approve"); p.To == nil {
		t.Errorf("the consent was used up: %d %s", p.Status, p.Body)
	}
	says(t, agreed.Get(s.url+"/grants"), "等待用证单位读取")
	if n := strings.Count(agreed.Get(s.url+"/sessions").Body, `name="session"`); n < 2 {
		t.Errorf("a session ended: %d are left", n)
	}
	shows(t, login.Press("submit", "username", "zhang", "password", samplePassword), 200, codePath) // nor was the password changed
}

func cloneValues(v url.Values) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = slices.Clone(values)
	}
	return out
}
