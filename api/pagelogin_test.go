package api

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc"
)

// pageSite is a site whose citizen 张 holds a license that an item needs.
type pageSite struct {
	*site
	who    apitest.Person
	issued issuedOfTest
}

func newPageSite(t testing.TB) *pageSite {
	t.Helper()
	s := &pageSite{site: newSite(t)}
	s.publishItem(t, sampleItem, itemDefinition(nil))
	s.issued = s.issue(t, sampleNumber)
	s.who = s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	return s
}

// ask pushes a request for the item's licenses and opens it.
func (s *pageSite) ask(b *apitest.Browser, pairs ...string) *apitest.Page {
	b.T.Helper()
	q := s.app.request(append([]string{"authorization_details", "[" + string(detail(sampleItem)) + "]"}, pairs...)...)
	a := s.app.post(b.T, parPath, q)
	if a.StatusCode != 201 {
		b.T.Fatalf("pushing: %d %s", a.StatusCode, a.body)
	}
	return s.app.open(b, form("client_id", s.app.id, "request_uri", a.member("request_uri")))
}

// shows fails the test unless the browser is at the page.
func shows(t testing.TB, p *apitest.Page, status int, path string) {
	t.Helper()
	if p.Status != status || p.URL.Path != path || p.To != nil {
		t.Fatalf("at %s with %d, to %v; want %s with %d:\n%s", p.URL, p.Status, p.To, path, status, p.Body)
	}
}

func says(t testing.TB, p *apitest.Page, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.Body, text) {
			t.Fatalf("%s doesn't say %q:\n%s", p.URL, text, p.Body)
		}
	}
}

// Three pages lead from the department back to it, and each says what it is about.
func TestPagesOfALogin(t *testing.T) {
	s := newPageSite(t)
	b := s.browser(t)
	p := s.ask(b)
	shows(t, p, 200, loginPath)
	says(t, p, "样例局", "样例网上办事", "先看清要用哪些证照", `autocomplete="username"`, `autocomplete="current-password"`)
	p = p.Press("submit", "username", " "+s.who.Login+" ", "password", "wrong")
	shows(t, p, 403, loginPath)
	says(t, p, "账号或密码不正确", `value="zhang"`)
	if strings.Contains(p.Body, "wrong") {
		t.Error("a wrong password comes back")
	}
	p = p.Press("submit", "username", "zhang", "password", "")
	shows(t, p, 422, loginPath)
	says(t, p, "请填写账号和密码")
	p = p.Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 200, codePath)
	says(t, p, "****", `inputmode="numeric"`, `autocomplete="one-time-code"`)
	p = p.Press("submit", "code", "12345")
	shows(t, p, 422, codePath)
	says(t, p, "验证码不正确")
	code := s.who.Code()
	p = p.Press("submit", "code", " "+code[:3]+"-"+code[3:]+" ")
	shows(t, p, 200, consentPath)
	p = p.Press("approve")
	answer := s.app.answerOf(t, p)
	if answer.Get("code") == "" {
		t.Fatalf("no code: %v", answer)
	}
	if d := s.app.redeem(t, answer.Get("code")).tokens(t); len(d.Details) != 1 || len(d.Details[0].Materials) != 1 {
		t.Errorf("details %+v", d.Details)
	}
}

// Whoever goes back, or reloads, gets to where the request stands.
func TestBackButton(t *testing.T) {
	s := newPageSite(t)
	b := s.browser(t)
	login := s.ask(b)
	code := login.Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, b.Get(login.URL.String()), 200, codePath)
	again := b.Get(code.URL.String())
	shows(t, again, 200, codePath)
	if n := len(s.phone.codes); n != 1 {
		t.Errorf("%d messages after reloading", n)
	}
	shows(t, login.Press("submit", "username", "zhang", "password", samplePassword), 200, codePath)
	consent := again.Press("submit", "code", s.who.Code())
	shows(t, consent, 200, consentPath)
	shows(t, b.Get(code.URL.String()), 200, consentPath)
	shows(t, b.Get(login.URL.String()), 200, consentPath)
	s.app.answerOf(t, consent.Press("approve"))
	for _, old := range []*apitest.Page{login, code, consent} {
		p := b.Get(old.URL.String())
		shows(t, p, 410, old.URL.Path)
		says(t, p, "这次登录已经结束", "request-id")
	}
}

// The page of a request that is gone leads back to where it began.
func TestRequestGone(t *testing.T) {
	s := newPageSite(t)
	home := s.newApp(t, s.participantOf(t, s.stranger), func(c *oidc.ClientSpec) { c.HomeURI = "https://app.example/start" })
	b := s.browser(t)
	login := home.open(b, home.request())
	other := s.browser(t)
	other.Get(s.url + "/licenses") // gives it a cookie
	for name, p := range map[string]*apitest.Page{
		"another browser": other.Get(login.URL.String()),
		"made up":         b.Get(s.url + loginPath + "?request=" + strings.Repeat("a", 43) + "&client=" + home.id),
		"no handle":       b.Get(s.url + consentPath + "?client=" + home.id),
		"malformed":       b.Get(s.url + codePath + "?request=%00&client=" + home.id),
		"begin":           b.Get(s.url + beginPath + "?client=" + home.id),
	} {
		if p.Status != 410 || !strings.Contains(p.Body, `href="https://app.example/start"`) {
			t.Errorf("%s: %d %s", name, p.Status, p.Body)
		}
	}
	p := b.Get(s.url + loginPath + "?client=" + home.id + "%22%3E%3Cscript%3E")
	if p.Status != 410 || strings.Contains(p.Body, "<script>") {
		t.Errorf("an unknown client: %d %s", p.Status, p.Body)
	}
}

// Cookies have all that keeps them ours, and change with what they stand for.
func TestCookies(t *testing.T) {
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

// With HTTPS browsers hold cookies to their prefix.
func TestCookiesOverHTTPS(t *testing.T) {
	w := httptest.NewRecorder()
	v := &visit{s: &Server{c: Config{Issuer: "https://id.example"}}, w: w, r: httptest.NewRequest("GET", "/", nil)}
	v.bind()
	v.keepSession(oidc.NewHandle())
	v.dropSession()
	for _, c := range w.Result().Cookies() {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("%v", c)
		}
	}
	// A cookie without the prefix, as a neighbor site could plant one, isn't ours;
	// nor is one that came twice.
	v.r.AddCookie(&http.Cookie{Name: sessionCookie, Value: strings.Repeat("a", 43)})
	v.r.AddCookie(&http.Cookie{Name: "__Host-" + browserCookie, Value: strings.Repeat("a", 43)})
	v.r.AddCookie(&http.Cookie{Name: "__Host-" + browserCookie, Value: strings.Repeat("b", 43)})
	if v.secretCookie(sessionCookie) != (oidc.Secret{}) || v.secretCookie(browserCookie) != (oidc.Secret{}) {
		t.Error("a planted cookie is taken")
	}
}

// Without cookies there is one clear page, and no circle.
func TestCookiesBlocked(t *testing.T) {
	s := newPageSite(t)
	for name, open := range map[string]func(b *apitest.Browser) *apitest.Page{
		"GET":    func(b *apitest.Browser) *apitest.Page { return s.app.open(b, s.app.request()) },
		"POST":   func(b *apitest.Browser) *apitest.Page { return b.Post(s.url+authorizePath, s.app.request()) },
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

// A POST from another site comes without cookies: it is kept and taken up by a
// GET, with the session of a browser that has one.
func TestPostToAuthorize(t *testing.T) {
	s := newPageSite(t)
	b := s.browser(t)
	s.app.code(b, s.who, s.app.request())
	r := s.request(t, "POST", authorizePath, s.app.request().Encode())
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	a := s.do(t, r)
	if a.StatusCode != 303 || !strings.HasPrefix(a.Header.Get("Location"), beginPath+"?") || len(a.Cookies()) != 0 {
		t.Fatalf("%d %v", a.StatusCode, a.Header)
	}
	if answer := s.app.answerOf(t, b.Get(s.url+a.Header.Get("Location"))); answer.Get("code") == "" {
		t.Errorf("the session isn't found: %v", answer)
	}
	fresh := s.browser(t)
	shows(t, fresh.Post(s.url+authorizePath, s.app.request()), 200, loginPath)
	if a := s.do(t, s.request(t, "POST", authorizePath+"?prompt=none", s.app.request().Encode())); a.StatusCode != 415 {
		t.Errorf("a body of JSON: %d", a.StatusCode)
	}
	p := fresh.Post(s.url+authorizePath+"?prompt=none", s.app.request())
	if p.Status != 400 || p.To != nil {
		t.Errorf("parameters in both places: %d, to %v", p.Status, p.To)
	}
	wrong := s.app.request("redirect_uri", "https://evil.example/")
	if p := fresh.Post(s.url+authorizePath, wrong); p.Status != 400 || p.To != nil {
		t.Errorf("a wrong redirect URI: %d, to %v", p.Status, p.To)
	}
}

// A response by form_post carries itself to the client, and nowhere else.
func TestFormPostPage(t *testing.T) {
	s := newPageSite(t)
	b := s.browser(t)
	p := s.app.open(b, s.app.request("response_mode", "form_post", "state", `"><script>alert(1)</script>`)).LogIn(s.who)
	csp := p.Header.Get("Content-Security-Policy")
	nonce := regexp.MustCompile(`'nonce-([A-Za-z0-9_-]{22})'`).FindStringSubmatch(csp)
	if p.Status != 200 || nonce == nil || !strings.Contains(p.Body, `<script nonce="`+nonce[1]+`">`) || !strings.Contains(csp, "form-action 'self' https://app.example;") {
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
	for _, path := range []string{"/", "/licenses", "/grants", "/sessions", "/verify", "/logout", "/setup", "/nowhere"} {
		if got := allowed(b.Get(s.url + path)); got != "'self'" {
			t.Errorf("%s: %s", path, got)
		}
	}
	bye := b.Get(s.url + endSessionPath + "?" + form("client_id", s.app.id, "post_logout_redirect_uri", "https://app.example/bye").Encode())
	if got := allowed(bye); got != "'self' https://app.example" {
		t.Errorf("logout: %s", got)
	}
}

// A policy can't name an IPv6 address: then a page leads on.
func TestIPv6Redirect(t *testing.T) {
	s := newPageSite(t)
	native := s.newApp(t, s.participantOf(t, s.stranger), func(c *oidc.ClientSpec) {
		c.RedirectURIs, c.AuthMethods, c.ServiceItems = []string{"http://[::1]/back"}, []oidc.AuthMethod{oidc.AuthNone}, nil
		c.LogoutURIs, c.Scopes = nil, []oidc.Scope{oidc.ScopeOpenID}
	})
	b := s.browser(t)
	q := native.request("redirect_uri", "http://[::1]:5000/back")
	p := native.open(b, q).LogIn(s.who)
	to := p.Header.Get("Refresh")
	if p.Status != 200 || !strings.HasPrefix(to, "0;url=http://[::1]:5000/back?") || !strings.Contains(p.Body, `href="http://[::1]:5000/back?`) {
		t.Fatalf("%d %v\n%s", p.Status, p.Header, p.Body)
	}
	if p = native.open(b, q); p.To == nil { // by GET no policy is in the way
		t.Errorf("%d %s", p.Status, p.Body)
	}
}

func TestLanguages(t *testing.T) {
	s := newPageSite(t)
	get := func(b *apitest.Browser, path, accept string) *apitest.Page {
		r := s.request(t, "GET", path, "")
		r.Header.Set("Accept-Language", accept)
		return b.Do(r)
	}
	b := s.browser(t)
	for _, test := range []struct{ path, accept, lang string }{
		{"/", "", "zh-CN"}, {"/", "en-GB,en;q=0.8", "en"}, {"/", "fr", "zh-CN"},
		{authorizePath + "?" + s.app.request("ui_locales", "fr en").Encode(), "zh-CN", "en"},
		{authorizePath + "?" + s.app.request("ui_locales", "zh-CN").Encode(), "en", "zh-CN"},
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
	if p := get(b, authorizePath+"?"+s.app.request("ui_locales", "zh-CN").Encode(), "zh-CN"); !strings.Contains(p.Body, `<html lang="en"`) {
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
	says(t, agreed.Get(s.url+"/grants"), "等待对方领取")
	if n := strings.Count(agreed.Get(s.url+"/sessions").Body, `name="session"`); n < 2 {
		t.Errorf("a session ended: %d are left", n)
	}
	shows(t, login.Press("submit", "username", "zhang", "password", samplePassword), 200, codePath)
}

func cloneValues(v url.Values) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = slices.Clone(values)
	}
	return out
}

// Two tabs with two departments: logging in in one does for both.
func TestTwoTabs(t *testing.T) {
	s := newPageSite(t)
	other := s.newApp(t, s.participantOf(t, s.department), func(c *oidc.ClientSpec) { c.RedirectURIs = []string{"https://other.example/back"} })
	b := s.browser(t)
	first, second := s.app.open(b, s.app.request()), other.open(b, other.request())
	if first.URL.String() == second.URL.String() {
		t.Fatal("the tabs share a request")
	}
	s.app.answerOf(t, first.LogIn(s.who))
	// The form of the other tab was made before anybody was logged in.
	p := second.Press("submit", "username", "zhang", "password", "whatever")
	if a := other.answerOf(t, p); a.Get("code") == "" || p.To.Host != "other.example" {
		t.Errorf("to %v", p.To)
	}
}

func TestCancelALogin(t *testing.T) {
	s := newPageSite(t)
	for _, page := range []string{loginPath, codePath, consentPath} {
		b := s.browser(t)
		p := s.ask(b)
		if page != loginPath {
			p = p.Press("submit", "username", "zhang", "password", samplePassword)
		}
		if page == consentPath {
			p = p.Press("submit", "code", s.who.Code())
		}
		shows(t, p, 200, page)
		if a := s.app.answerOf(t, p.Press("cancel")); a.Get("error") != "access_denied" || a.Get("state") == "" {
			t.Errorf("%s: %v", page, a)
		}
		shows(t, b.Get(p.URL.String()), 410, page)
	}
}

// select_account asks who goes on, and lets another person log in.
func TestAccountPage(t *testing.T) {
	s := newPageSite(t)
	other := s.citizen(t, "lili", "李样例", otherCitizen, 2)
	b := s.browser(t)
	s.app.code(b, s.who, s.app.request())
	q := s.app.request("prompt", "select_account")
	p := s.app.open(b, q)
	shows(t, p, 200, accountPath)
	if strings.Contains(p.Body, sampleName) { // whoever sits here now may be somebody else
		t.Error("the page names who is logged in")
	}
	says(t, p, "**䶮")
	s.app.answerOf(t, p.Press("submit"))
	if a := s.app.answerOf(t, s.app.open(b, q).Press("cancel")); a.Get("error") != "access_denied" {
		t.Errorf("%v", a)
	}
	p = s.app.open(b, q).Press("other")
	shows(t, p, 200, loginPath)
	shows(t, b.Get(s.url+"/sessions"), 200, loginPath)
	s.app.answerOf(t, p.LogIn(other))
	says(t, b.Get(s.url+"/sessions"), "正在使用")
}

// After many wrong tries a code decides: its page says nothing of the password.
func TestChallengedLogin(t *testing.T) {
	s := newPageSite(t)
	b := s.browser(t)
	p := s.app.open(b, s.app.request())
	for range 5 {
		p = p.Press("submit", "username", "zhang", "password", "wrong")
		shows(t, p, 403, loginPath)
	}
	p = p.Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 200, loginPath)
	says(t, p, "如果账号和密码正确", `id="code"`)
	p = p.Press("submit", "code", "000000")
	shows(t, p, 422, loginPath)
	p = p.Press("submit", "code", s.who.Code())
	answer := s.app.answerOf(t, p)
	id := claimsOf(t, s.app.redeem(t, answer.Get("code")).tokens(t).IDToken)
	if id["acr"] != "urn:yizheng:assurance:2" { // password and code were both checked
		t.Errorf("acr is %v", id["acr"])
	}
	// Made up ones lead back to the beginning.
	p = s.app.open(s.browser(t), s.app.request())
	shows(t, p.Press("submit", "act", "confirm", "challenge", strings.Repeat("x", 43), "code", "123456"), 403, loginPath)
}

// A hall full of people shares an address; beyond that the page says how long to wait.
func TestLoginsAreLimited(t *testing.T) {
	s := newService(t, serviceConfig{People: true, Limits: Limits{LoginPerMinute: 6, LoginBurst: 2}, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	b := s.browser(t)
	p := b.Get(s.url + "/licenses")
	for i, want := range []int{403, 403, 429} {
		p = p.Press("submit", "username", "nobody", "password", "wrong")
		if p.Status != want {
			t.Errorf("try %d: %d", i, p.Status)
		}
	}
	says(t, p, "10 秒后再试", `value="nobody"`)
	r := p.Form("submit").With("username", "nobody", "password", "wrong").Request()
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	if p := b.Do(r); p.Status != 403 {
		t.Errorf("another address: %d", p.Status)
	}
}

func TestResendingACode(t *testing.T) {
	s := newPageSite(t)
	b := s.browser(t)
	p := s.ask(b).Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 200, codePath)
	if !regexp.MustCompile(`data-wait="(60|5\d)"`).MatchString(p.Body) {
		t.Errorf("no wait: %s", p.Body)
	}
	p = p.Press("resend") // too early: the same code stays good
	shows(t, p, 200, codePath)
	if n := len(s.phone.codes); n != 1 {
		t.Errorf("%d messages", n)
	}
	shows(t, p.Press("submit", "code", s.who.Code()), 200, consentPath)
	// Who comes with one factor is asked before a message is sent.
	b = s.browser(t)
	s.app.code(b, s.who, s.app.request())
	n := len(s.phone.codes)
	p = s.ask(b)
	shows(t, p, 200, codePath)
	if len(s.phone.codes) != n || p.Has("code") || !p.Has("send") {
		t.Errorf("%d messages more:\n%s", len(s.phone.codes)-n, p.Body)
	}
	// An address that lies about the wait gains nothing.
	p = b.Get(p.URL.String() + "&sent=9223372036854775807")
	if !strings.Contains(p.Body, `data-wait="600"`) {
		t.Errorf("%s", p.Body)
	}
}

func TestSetup(t *testing.T) {
	s := newPageSite(t)
	es, err := s.db.Provider().ListAccounts(t.Context(), "", 10)
	mustOf(t)(err)
	ticket, err := s.people.SetupTicket(t.Context(), "cli", es[0].ID)
	mustOf(t)(err)
	b := s.browser(t)
	p := b.Get(s.url + "/setup")
	const fresh = "a kettle on the roof"
	for _, test := range []struct{ ticket, password, repeat, text string }{
		{"made.up", fresh, fresh, "设置码不对"}, {ticket, "short", "short", "密码太短"}, {ticket, fresh, fresh + "x", "两次填写的密码不一样"},
		{ticket, "password1", "password1", "太常见"}, {ticket, sampleCitizen, sampleCitizen, "证件号码"}, {"", "", "", "设置码不对"},
	} {
		p = p.Press("submit", "ticket", test.ticket, "password", test.password, "repeat", test.repeat)
		shows(t, p, 422, "/setup")
		says(t, p, test.text)
		if test.password != "" && strings.Contains(p.Body, test.password) {
			t.Errorf("%q comes back", test.password)
		}
	}
	p = p.Press("submit", "ticket", " "+ticket+" ", "password", fresh, "repeat", fresh)
	shows(t, p, 200, "/")
	says(t, p, "密码设置好了")
	if again := b.Get(s.url + "/"); strings.Contains(again.Body, "密码设置好了") {
		t.Error("it is told twice")
	}
	p = b.Get(s.url+"/setup").Press("submit", "ticket", ticket, "password", fresh+"2", "repeat", fresh+"2")
	shows(t, p, 422, "/setup")
	s.who.Password = fresh
	shows(t, s.browser(t).Get(s.url+"/licenses").LogIn(s.who), 200, "/licenses")
}
