package api

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
)

// portalPages are those that only somebody who is logged in sees.
var portalPages = []string{"/licenses", "/licenses/" + strings.Repeat("a", 26), "/records", "/grants", "/sessions", "/password"}

func TestPortalNeedsALogin(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	for _, path := range portalPages {
		b := s.browser(t)
		p := b.Get(s.url + path)
		shows(t, p, 200, loginPath)
		if strings.Contains(p.Body, sampleName) || p.Has("cancel") {
			t.Errorf("%s: %s", path, p.Body)
		}
		p = p.LogIn(s.who)
		if p.URL.Path != path { // back to where the person wanted to go
			t.Errorf("%s leads to %s", path, p.URL)
		}
	}
	// A form without a session does nothing, and leads to the login.
	b := s.browser(t)
	p := b.Post(s.url+"/grants", form("grant", strings.Repeat("a", 26), "token", strings.Repeat("a", 43)))
	shows(t, p, 200, loginPath)
}

// One factor isn't enough for licenses, and who can't have two is told so: no circle.
func TestPortalNeedsAssurance(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	s.app.code(b, s.who, s.app.request()) // one factor
	p := b.Get(s.url + "/")
	shows(t, p, 200, "/")
	says(t, p, "查看证照前，请再次确认是您本人")
	if strings.Contains(p.Body, sampleNumber) {
		t.Error("a license is shown after one factor")
	}
	shows(t, b.Get(s.url+"/sessions"), 200, "/sessions")
	for _, path := range []string{"/licenses", "/licenses/" + s.issued.ID, "/records", "/grants", "/password"} {
		shows(t, b.Get(s.url+path), 200, codePath)
	}
	low := s.citizen(t, "lili", "李样例", otherCitizen, 1)
	b = s.browser(t)
	p = b.Get(s.url + "/sessions").LogIn(low)
	shows(t, p, 200, "/sessions")
	p = b.Get(s.url + "/licenses")
	shows(t, p, 403, "/licenses")
	says(t, p, "实名")
}

// The licenses look like what they are; one shows all that its holder may see.
func TestLicensePages(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	for _, path := range []string{"/", "/licenses"} {
		p := b.Get(s.url + path)
		says(t, p, "样例特种作业操作证", sampleNumber, sampleName, "样例厅", "有效", `href="/licenses/`+s.issued.ID+`"`)
		for _, hidden := range []string{sampleCitizen, s.issued.VerificationCode, sampleField} {
			if strings.Contains(p.Body, hidden) {
				t.Errorf("the list shows %q", hidden)
			}
		}
	}
	p := b.Get(s.url + "/licenses/" + s.issued.ID)
	says(t, p, sampleField, "作业类别", sampleCitizen, sampleName, "持证人", "这份证照还没有用证记录")
	if got := p.Text("identifier"); got != s.issued.Identifier {
		t.Errorf("identifier %q, want %q", got, s.issued.Identifier)
	}
	if got := strings.ReplaceAll(p.Text("verification-code"), " ", ""); got != s.issued.VerificationCode {
		t.Errorf("verification code %q, want %q", got, s.issued.VerificationCode)
	}
	s.call(t, s.department, "POST", "/v1/licenses/"+s.issued.ID+"/suspend", suspendBody()).want(t, 200, "")
	says(t, b.Get(s.url+"/licenses/"+s.issued.ID), "已暂扣", "恢复之前不能使用")
	says(t, b.Get(s.url+"/"), "已暂扣")
}

// Another person's license, and one that isn't there, are the same to whoever
// guesses their address; the try stands in the license's history.
func TestAnotherPersonsLicense(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	other := s.citizen(t, "lili", "李样例", otherCitizen, 2)
	b := s.browser(t)
	shows(t, b.Get(s.url+"/licenses").LogIn(other), 200, "/licenses")
	requests := regexp.MustCompile(`<code id="request-id">[0-9a-f]*</code>|to=%2F[^"]*`)
	theirs := b.Get(s.url + "/licenses/" + s.issued.ID)
	shows(t, theirs, 404, "/licenses/"+s.issued.ID)
	nobodys := b.Get(s.url + "/licenses/" + strings.Repeat("a", 26))
	if requests.ReplaceAllString(theirs.Body, "") != requests.ReplaceAllString(nobodys.Body, "") || nobodys.Status != 404 {
		t.Errorf("the answers differ:\n%s\n%s", theirs.Body, nobodys.Body)
	}
	for _, id := range []string{"..", "%2e%2e", "a", "%00", strings.Repeat("a", 300), "A" + s.issued.ID[1:]} {
		if p := b.Get(s.url + "/licenses/" + id); p.Status != 404 || strings.Contains(p.Body, sampleNumber) {
			t.Errorf("%q: %d", id, p.Status)
		}
	}
	if strings.Contains(b.Get(s.url+"/licenses").Body, sampleNumber) {
		t.Error("the list shows another person's license")
	}
	h := s.call(t, s.reader, "GET", "/v1/licenses/"+s.issued.ID+"/history", nil).want(t, 200, "")
	if !strings.Contains(h.body, "license.held") || !strings.Contains(h.body, `"result":"refused"`) || strings.Contains(h.body, "portal") {
		t.Errorf("the try left no event: %s", h.body)
	}
}

// A license shows its own newest readings, and leads to all of them, page by page;
// another person finds none there.
func TestRecordsOfALicense(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	p := s.consent(t).Press("approve")
	tokens := s.app.redeem(t, s.app.answerOf(t, p).Get("code")).tokens(t)
	for i := range pageSize + 3 {
		s.call(t, &clientOfTest{token: tokens.AccessToken}, "POST", "/v1/use-codes/redeem",
			object{"use_code": tokens.Details[0].Materials[0].UseCode, "request_id": fmt.Sprint(i), "nonce": "nonce-of-the-app"}).want(t, 200, "")
	}
	b := s.browserOf(t)
	list := "/records?license=" + s.issued.ID
	page := b.Get(s.url + "/licenses/" + s.issued.ID)
	says(t, page, `href="`+list+`"`)
	count := func(p *apitest.Page) int { return strings.Count(p.Body, "样例特种作业操作证") }
	if n := strings.Count(page.Body, sampleCase); n != pageSize {
		t.Errorf("the license shows %d readings", n)
	}
	first := b.Get(s.url + list)
	next := regexp.MustCompile(`rel="next" href="([^"]*)"`).FindStringSubmatch(first.Body)
	if count(first) != pageSize || next == nil {
		t.Fatalf("%d readings, then %v", count(first), next)
	}
	says(t, first, `href="/licenses/`+s.issued.ID+`"`)
	last := b.Get(s.url + strings.ReplaceAll(next[1], "&amp;", "&"))
	if count(last) != 3 || strings.Contains(last.Body, `rel="next"`) {
		t.Errorf("%d readings on the last page", count(last))
	}
	shows(t, b.Get(s.url+"/records?license=x"), 400, "/records")
	other := s.browser(t)
	if p := other.Get(s.url + list).LogIn(s.citizen(t, "lili", "李样例", otherCitizen, 2)); p.Status != 200 || count(p) != 0 || strings.Contains(p.Body, sampleCase) {
		t.Errorf("another person sees %d: %s", p.Status, p.Body)
	}
}

// What was agreed to can be seen and withdrawn, and then it is over at once.
func TestGrantsAndRecords(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	p := s.consent(t).Press("approve")
	tokens := s.app.redeem(t, s.app.answerOf(t, p).Get("code")).tokens(t)
	use := tokens.Details[0].Materials[0].UseCode
	read := func(request string) answer {
		return s.call(t, &clientOfTest{token: tokens.AccessToken}, "POST", "/v1/use-codes/redeem", object{"use_code": use, "request_id": request, "nonce": "nonce-of-the-app"})
	}
	read("r1").want(t, 200, "")
	b := s.browserOf(t)
	records := b.Get(s.url + "/records")
	says(t, records, "样例局", "样例网上办事", "样例事项", sampleCase, "经您同意", "作业类别", "持证人", "样例特种作业操作证")
	if strings.Contains(records.Body, sampleField) || strings.Contains(records.Body, sampleCitizen) {
		t.Error("the records show what was read, and not only which parts")
	}
	says(t, b.Get(s.url+"/licenses/"+s.issued.ID), "样例局", sampleCase)
	grants := b.Get(s.url + "/grants")
	says(t, grants, "样例局", "样例事项", sampleCase, "有效", "撤回这次授权")
	f := grants.FormAt("/grants")

	other := s.citizen(t, "lili", "李样例", otherCitizen, 2)
	o := s.browser(t)
	shows(t, o.Get(s.url+"/grants").LogIn(other), 200, "/grants")
	says(t, o.Get(s.url+"/grants"), "您还没有同意过提供证照")
	says(t, o.Get(s.url+"/records"), "还没有人读取过您的证照")

	after := f.Send()
	shows(t, after, 200, "/grants")
	says(t, after, "已撤回", "您已撤回")
	if strings.Contains(after.Body, "撤回这次授权") {
		t.Error("it can be withdrawn twice")
	}
	if a := read("r2"); a.StatusCode == 200 || strings.Contains(a.body, "credential") {
		t.Errorf("read after it was withdrawn: %d %s", a.StatusCode, a.body)
	}
	// The same form again, and one that names what isn't there.
	shows(t, f.Send(), 200, "/grants")
	shows(t, f.With("grant", strings.Repeat("a", 26)).Send(), 404, "/grants")
}

// Nobody withdraws another person's grant.
func TestAnotherPersonsGrant(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	s.app.answerOf(t, s.consent(t).Press("approve"))
	mine := s.browserOf(t).Get(s.url + "/grants").FormAt("/grants").Values.Get("grant")
	other := s.citizen(t, "lili", "李样例", otherCitizen, 2)
	o := s.browser(t)
	o.Get(s.url + "/licenses").LogIn(other)
	token := o.Get(s.url + "/logout").Form("submit").Values.Get("token")
	p := o.Post(s.url+"/grants", form("grant", mine, "token", token)) // of another purpose
	shows(t, p, 403, "/grants")
	v := oidc.Browser{ID: secretOf(o, s.url, browserCookie), Session: secretOf(o, s.url, sessionCookie)}.FormToken("grants")
	p = o.Post(s.url+"/grants", form("grant", mine, "token", v))
	shows(t, p, 404, "/grants")
	says(t, p, "没有找到这次授权")
	says(t, s.browserOf(t).Get(s.url+"/grants"), "等待用证单位读取")
}

func secretOf(b *apitest.Browser, url, name string) oidc.Secret {
	for _, c := range b.Cookies(url) {
		if c.Name == name {
			return oidc.SecretOf(c.Value)
		}
	}
	return oidc.Secret{}
}

func TestSessionsPage(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	first, second := s.browserOf(t), s.browserOf(t)
	p := first.Get(s.url + "/sessions")
	says(t, p, "本设备", "退出该设备", "127.0.0.1")
	if strings.Contains(p.Body, secretOf(second, s.url, sessionCookie).Reveal()) {
		t.Error("the page holds a session's cookie")
	}
	f := p.FormAt("/sessions")
	after := f.Send()
	shows(t, after, 200, "/sessions")
	says(t, after, "已退出登录")
	shows(t, second.Get(s.url+"/licenses"), 200, loginPath)
	shows(t, first.Get(s.url+"/licenses"), 200, "/licenses")
	shows(t, f.Send(), 200, "/sessions") // gone already: no fault

	other := s.citizen(t, "lili", "李样例", otherCitizen, 2)
	o := s.browser(t)
	o.Get(s.url + "/licenses").LogIn(other)
	theirs := o.Get(s.url + "/sessions")
	own := s.browserOf(t).Get(s.url + "/sessions").FormAt("/sessions").Values.Get("session")
	v := oidc.Browser{ID: secretOf(o, s.url, browserCookie), Session: secretOf(o, s.url, sessionCookie)}.FormToken("sessions")
	o.Post(s.url+"/sessions", form("session", own, "token", v))
	shows(t, first.Get(s.url+"/licenses"), 200, "/licenses")
	if theirs.Status != 200 {
		t.Error(theirs.Status)
	}
}

func TestLogoutPages(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	p := b.Get(s.url + "/logout")
	says(t, p, "确定要退出登录吗")
	shows(t, b.Get(s.url+"/licenses"), 200, "/licenses") // nothing ends before the person says so
	p = p.Press("submit")
	shows(t, p, 200, logoutPath)
	says(t, p, "您已安全退出")
	shows(t, b.Get(s.url+"/licenses"), 200, loginPath)
	says(t, b.Get(s.url+"/logout"), "您已安全退出")
}

func TestLogoutRequests(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	tokens := s.app.redeem(t, s.app.code(b, s.who, s.app.request())).tokens(t)
	q := form("id_token_hint", tokens.IDToken, "post_logout_redirect_uri", "https://app.example/bye", "state", "<b>&")
	p := b.Get(s.url + oauth.EndSessionPath + "?" + q.Encode())
	shows(t, p, 200, oauth.EndSessionPath)
	says(t, p, "样例网上办事")
	refused := func(what string, p *apitest.Page) {
		t.Helper()
		if p.To != nil || p.Status != 200 || p.Form("submit").Action != s.url+logoutPath || !strings.Contains(p.Body, `<details class="developer">`) ||
			!strings.Contains(p.Body, "请自行返回该服务") || strings.Contains(p.Body, `登录没有`) {
			t.Errorf("%s: %v to %v\n%s", what, p, p.To, p.Body)
		}
	}
	for _, wrong := range []string{"https://evil.example/", "https://app.example/bye/", "//evil.example"} {
		q := cloneValues(q)
		q.Set("post_logout_redirect_uri", wrong)
		refused(wrong, b.Get(s.url+oauth.EndSessionPath+"?"+q.Encode()))
	}
	refused("a parameter twice", b.Get(s.url+oauth.EndSessionPath+"?"+q.Encode()+"&state=again"))
	refused("no form", b.Get(s.url+oauth.EndSessionPath+"?state=%zz"))
	refused("no UTF-8", b.Get(s.url+oauth.EndSessionPath+"?state=%ff"))
	refused("a forged hint", b.Get(s.url+oauth.EndSessionPath+"?"+form("id_token_hint", tokens.IDToken[:len(tokens.IDToken)-4]+"AAAA").Encode()))
	refused("no client", b.Get(s.url+oauth.EndSessionPath+"?"+form("client_id", "nobody").Encode()))
	disabled := s.newApp(t, s.participantOf(t, s.stranger), nil)
	_, err := s.rules.Clients.DisableClient(t.Context(), oidc.Actor{ID: "cli"}, disabled.id)
	mustOf(t)(err)
	refused("a disabled client", b.Get(s.url+oauth.EndSessionPath+"?"+form("client_id", disabled.id, "post_logout_redirect_uri", "https://app.example/bye").Encode()))
	// The way back is refused to the form as well; and the person is logged out all the same.
	out := s.browser(t)
	s.app.code(out, s.who, s.app.request())
	f := out.Get(s.url+oauth.EndSessionPath+"?"+q.Encode()).Form("submit").With("request-post_logout_redirect_uri", "https://evil.example/")
	if p := f.Send(); p.To != nil || p.URL.Path != logoutPath {
		t.Errorf("by the form: %v to %v", p, p.To)
	}
	shows(t, out.Get(s.url+"/sessions"), 200, loginPath)
	// By POST from another site, which brings no cookies.
	r := s.request(t, "POST", oauth.EndSessionPath, q.Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	a := s.do(t, r)
	if a.StatusCode != 200 || !strings.Contains(a.body, "退出登录") {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	shows(t, b.Get(s.url+"/sessions"), 200, "/sessions")
	// Its form's token is of no browser: the page asks once more, and then it is done.
	values := form("act", "logout", "token", "x")
	for name := range q {
		values.Set("request-"+name, q.Get(name))
	}
	again := b.Post(s.url+logoutPath, values)
	shows(t, again, 403, logoutPath)
	after := again.Press("submit")
	if after.To == nil || after.To.String() != "https://app.example/bye?state=%3Cb%3E%26" {
		t.Errorf("to %v", after.To)
	}
	shows(t, b.Get(s.url+"/sessions"), 200, loginPath)
	// Nobody is logged in: there is nothing to ask.
	if p := b.Get(s.url + oauth.EndSessionPath + "?" + q.Encode()); p.To == nil || p.To.Host != "app.example" {
		t.Errorf("%d, to %v", p.Status, p.To)
	}
}

func TestVerifyPages(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	p := b.Get(s.url + "/verify")
	good := p.Press("submit", "identifier", " "+s.issued.Identifier+" ", "code", strings.ToLower(s.issued.VerificationCode))
	shows(t, good, 200, "/verify")
	says(t, good, "真实有效", "样例特种作业操作证", "样例厅", "**䶮", "隐去了部分姓名和号码")
	for _, hidden := range []string{sampleName, sampleCitizen, sampleField, sampleNumber, s.issued.VerificationCode} {
		if strings.Contains(good.Body, hidden) {
			t.Errorf("the answer shows %q", hidden)
		}
	}
	wrong := p.Press("submit", "identifier", s.issued.Identifier, "code", "AAAAAAAA")
	says(t, wrong, "没有查到", `value="`+s.issued.Identifier+`"`, `value="AAAAAAAA"`)
	mistyped := strings.Replace(s.issued.Identifier, ".001.", ".002.", 1)
	for _, typo := range [][3]string{
		{"1.2.156", "AAAAAAAA", "这不是电子证照标识"}, {mistyped, "AAAAAAAA", "最后一位校验字符"}, {s.issued.Identifier, "AAAA", "查验码是 8 位"},
	} {
		after := p.Press("submit", "identifier", typo[0], "code", typo[1])
		shows(t, after, 422, "/verify")
		says(t, after, typo[2], `value="`+typo[0]+`"`, `value="`+typo[1]+`"`)
		if strings.Contains(after.Body, "未通过核验") {
			t.Errorf("a typing error is called a verdict: %s", typo[0])
		}
	}
	whole := p.Press("submit-credential", "credential", "\n "+s.issued.Credential[:100]+"\n"+s.issued.Credential[100:]+"\n")
	says(t, whole, "真实有效", sampleField, sampleCitizen, sampleName)
	altered := p.Press("submit-credential", "credential", strings.Replace(s.issued.Credential, "~", "x~", 1))
	says(t, altered, "未通过核验")
	if strings.Contains(altered.Body, sampleField) {
		t.Error("what was altered is shown")
	}
	for _, junk := range []string{"x", "<script>alert(1)</script>", strings.Repeat("a.", 50000), "~~~~"} {
		p := p.Press("submit-credential", "credential", junk)
		if p.Status != 200 || strings.Contains(p.Body, "<script>") || !strings.Contains(p.Body, "未通过核验") {
			t.Errorf("%.20q: %d", junk, p.Status)
		}
	}
	shows(t, p.Press("submit", "identifier", "", "code", "x"), 422, "/verify")
	shows(t, p.Press("submit-credential", "credential", strings.Repeat("a", 300<<10)), 413, "/verify")
}

func TestVerifyPageIsLimited(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true, Limits: Limits{VerifyPerMinute: 1, VerifyBurst: 2}})
	b := s.browser(t)
	p := b.Get(s.url + "/verify")
	for i, want := range []int{422, 422, 429} {
		if got := p.Press("submit", "identifier", "1.2.156", "code", "AAAAAAAA"); got.Status != want {
			t.Errorf("try %d: %d", i, got.Status)
		}
	}
}

// Names can be anything: pages show them as text.
func TestNamesAreText(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	const evil = `<script>alert("某人")</script>`
	s.call(t, s.department, "POST", "/v1/licenses", issueBody("<b>样例</b>", object{
		"holders": []object{{"name": evil, "code_type": "111", "code": otherCitizen, "role": "holder"}}, "fields": object{"category": evil},
	}), idempotencyKey, "evil").want(t, 201, "")
	who := s.citizen(t, "lili", evil, otherCitizen, 2)
	app := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) { c.Name = evil })
	b := s.browser(t)
	pages := []*apitest.Page{app.open(b, app.request()), b.Get(s.url + "/licenses").LogIn(who), b.Get(s.url + "/sessions"), b.Get(s.url + "/logout")}
	pages = append(pages, app.open(b, app.request("prompt", "select_account")))
	q := app.request("authorization_details", "["+string(detail(sampleItem))+"]")
	a := app.post(t, oauth.PARPath, q)
	pages = append(pages, app.open(b, form("client_id", app.id, "request_uri", a.member("request_uri"))))
	for _, p := range pages {
		if p.Status != 200 || strings.Contains(p.Body, "<script>") || strings.Contains(p.Body, "<b>样例") {
			t.Errorf("%s: %d\n%s", p.URL, p.Status, p.Body)
		}
	}
	says(t, pages[1], "&lt;script&gt;alert(", "&lt;b&gt;样例")
}

// No page is kept anywhere, shown inside another one, or large.
func TestHeadersOfPages(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	s.app.answerOf(t, s.ask(b).Press("approve"))
	pages := []string{"/", "/verify", "/setup", "/logout", "/licenses/" + s.issued.ID, "/nowhere", oauth.AuthorizePath, loginPath, oauth.EndSessionPath}
	for _, path := range append(pages, portalPages...) {
		p := b.Get(s.url + path)
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin",
			"X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8",
		} {
			if got := p.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		csp := p.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none'; style-src 'self'; script-src 'self'; ") || strings.Contains(csp, "unsafe") ||
			!strings.Contains(csp, "frame-ancestors 'none'") || !strings.Contains(csp, "base-uri 'none'") {
			t.Errorf("%s: %s", path, csp)
		}
		size := len(p.Body)
		for _, m := range regexp.MustCompile(`(?:href|src)="(/static/[^"]*)"`).FindAllStringSubmatch(p.Body, -1) {
			r := s.request(t, "GET", m[1], "")
			r.Header.Set("Accept-Encoding", "gzip")
			a := s.do(t, r)
			if a.StatusCode != 200 || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || a.Header.Get("Content-Encoding") != "gzip" {
				t.Errorf("%s: %d %v", m[1], a.StatusCode, a.Header)
			}
			size += len(a.body)
		}
		if size > 50<<10 {
			t.Errorf("%s is %d bytes over the wire", path, size)
		}
	}
	if log := s.log.String(); strings.Contains(log, sampleCitizen) || strings.Contains(log, sampleName) || strings.Contains(log, secretOf(b, s.url, sessionCookie).Reveal()) {
		t.Error("the log holds what pages show, or cookies")
	}
}

func TestStaticFiles(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true})
	for encoding, packed := range map[string]bool{"": false, "br": false, "gzip, br": true, "gzip;q=0": false, "gzip; q=0.0": false, "br;q=1, gzip;q=0.5": true, "x-gzip": false} {
		a := s.call(t, nil, "GET", textsOf(t).URL("style.css"), nil, "Accept-Encoding", encoding).want(t, 200, "")
		if (a.Header.Get("Content-Encoding") == "gzip") != packed || !packed && !strings.Contains(a.body, "--ink") || a.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %v", encoding, a.Header)
		}
	}
	for _, path := range []string{"/static/style.css", "/static/", "/static/..%2fweb.go", "/static/style.000000000000.css"} {
		s.call(t, nil, "GET", path, nil).want(t, 404, "")
	}
}

// Without an identity service nobody can log in; the rest works.
func TestPagesWithoutLogins(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	b := s.browser(t)
	p := b.Get(s.url + "/")
	shows(t, p, 200, "/")
	if p.Has("login") {
		t.Error("there is a link to a login")
	}
	shows(t, b.Get(s.url+"/verify"), 200, "/verify")
	for _, path := range append([]string{oauth.AuthorizePath, loginPath, codePath, consentPath, oauth.EndSessionPath, logoutPath, setupPath}, portalPages...) {
		p := b.Get(s.url + path)
		shows(t, p, http.StatusNotFound, path)
		says(t, p, "尚未开通")
	}
}
