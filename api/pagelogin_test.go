package api

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc/client"
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
	a := s.app.post(b.T, oauth.PARPath, q)
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
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	p := s.ask(b)
	shows(t, p, 200, loginPath)
	says(t, p, "样例局", "样例网上办事", "先查看需要使用哪些证照", `autocomplete="username webauthn"`, `autocomplete="current-password"`)
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
	t.Parallel()
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
	t.Parallel()
	s := newPageSite(t)
	home := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) { c.HomeURI = "https://app.example/start" })
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

// A POST from another site comes without cookies: it is kept and taken up by a
// GET, with the session of a browser that has one.
func TestPostToAuthorize(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	s.app.code(b, s.who, s.app.request())
	r := s.request(t, "POST", oauth.AuthorizePath, s.app.request().Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
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
	shows(t, fresh.Post(s.url+oauth.AuthorizePath, s.app.request()), 200, loginPath)
	if a := s.do(t, s.request(t, "POST", oauth.AuthorizePath+"?prompt=none", s.app.request().Encode())); a.StatusCode != 415 {
		t.Errorf("a body of JSON: %d", a.StatusCode)
	}
	p := fresh.Post(s.url+oauth.AuthorizePath+"?prompt=none", s.app.request())
	if p.Status != 400 || p.To != nil {
		t.Errorf("parameters in both places: %d, to %v", p.Status, p.To)
	}
	wrong := s.app.request("redirect_uri", "https://evil.example/")
	if p := fresh.Post(s.url+oauth.AuthorizePath, wrong); p.Status != 400 || p.To != nil {
		t.Errorf("a wrong redirect URI: %d, to %v", p.Status, p.To)
	}
}

// Two tabs with two departments: logging in in one does for both.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	other := s.newApp(t, s.participantOf(t, s.department), func(c *client.Spec) { c.RedirectURIs = []string{"https://other.example/back"} })
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
	t.Parallel()
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
	t.Parallel()
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
	says(t, b.Get(s.url+"/sessions"), "本设备")
}

// After many wrong tries a code decides: its page says nothing of the password.
func TestChallengedLogin(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	p := s.app.open(b, s.app.request())
	for range 5 {
		p = p.Press("submit", "username", "zhang", "password", "wrong")
		shows(t, p, 403, loginPath)
	}
	p = p.Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 200, loginPath)
	says(t, p, "账号和密码正确的", `id="code"`)
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
	t.Parallel()
	s := newService(t, serviceConfig{People: true, Limits: Limits{LoginPerMinute: 1, LoginBurst: 2}, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	b := s.browser(t)
	p := b.Get(s.url + "/licenses")
	for i, want := range []int{403, 403, 429} {
		p = p.Press("submit", "username", "nobody", "password", "wrong")
		if p.Status != want {
			t.Errorf("try %d: %d", i, p.Status)
		}
	}
	says(t, p, `value="nobody"`)
	if !regexp.MustCompile(`请 ([1-9]|[1-5]\d|60) 秒后再试|请 1 分钟后再试`).MatchString(p.Body) {
		t.Errorf("the page doesn't say how long to wait, a minute at most: %s", p.Body)
	}
	r := p.Form("submit").With("username", "nobody", "password", "wrong").Request()
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	if p := b.Do(r); p.Status != 403 {
		t.Errorf("another address: %d", p.Status)
	}
}

func TestResendingACode(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	p := s.ask(b).Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 200, codePath)
	if !regexp.MustCompile(`data-wait="(60|[1-5]?\d)"`).MatchString(p.Body) {
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
	t.Parallel()
	s := newPageSite(t)
	es, err := s.db.Provider().ListAccounts(t.Context(), "", 10)
	mustOf(t)(err)
	ticket, err := s.people.Tickets.SetupTicket(t.Context(), "cli", es[0].ID)
	mustOf(t)(err)
	b := s.browser(t)
	p := b.Get(s.url + "/setup")
	const fresh = "a kettle on the roof"
	for _, test := range []struct{ ticket, password, repeat, text string }{
		{"made.up", fresh, fresh, "设置码不正确"}, {ticket, "short", "short", "密码太短"}, {ticket, fresh, fresh + "x", "两次填写的密码不一致"},
		{ticket, "password1", "password1", "过于常见"}, {ticket, sampleCitizen, sampleCitizen, "证件号码"}, {"", "", "", "设置码不正确"},
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
	says(t, p, "密码已设置")
	if again := b.Get(s.url + "/"); strings.Contains(again.Body, "密码已设置") {
		t.Error("it is told twice")
	}
	p = b.Get(s.url+"/setup").Press("submit", "ticket", ticket, "password", fresh+"2", "repeat", fresh+"2")
	shows(t, p, 422, "/setup")
	s.who.Password = fresh
	shows(t, s.browser(t).Get(s.url+"/licenses").LogIn(s.who), 200, "/licenses")
}
