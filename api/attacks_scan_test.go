package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc/ephemeral"
)

// computer is a browser that shows a code.
type computer struct {
	t    testing.TB
	s    *stage
	page *apitest.Page // that shows the code
	b    *apitest.Browser
}

// scanCode has a login's page show a code.
func (s *stage) scanCode(t testing.TB, b *apitest.Browser, login *apitest.Page) *computer {
	t.Helper()
	c := &computer{t, s, login.Press("scan"), b}
	shows(t, c.page, 200, "/login/scan")
	if !c.page.Has("digits") || len(c.page.Text("digits")) != 2 {
		t.Fatalf("the page shows no digits:\n%s", c.page.Body)
	}
	return c
}

// code is what a phone reads.
func (c *computer) code() string { return c.page.Form("submit").Values.Get("code") }

// take goes on, once the page has named who confirmed.
func (c *computer) take() *apitest.Page {
	c.t.Helper()
	return c.b.Get(c.page.URL.String()).Press("submit")
}

// phoneURL is where it leads.
func (c *computer) phoneURL() string { return c.s.url + "/scan/" + c.code() }

// state is what the page's script learns.
func (c *computer) state(b *apitest.Browser) string {
	c.t.Helper()
	q := c.page.URL.Query()
	p := b.Get(c.s.url + "/login/scan/state?" + url.Values{"request": {q.Get("request")}, "scan": {c.code()}}.Encode())
	if p.Status != 200 {
		c.t.Fatalf("the state is %d:\n%s", p.Status, p.Body)
	}
	return p.Body
}

// phone returns a browser on which somebody is logged in with two factors.
func (s *stage) phone(t testing.TB, who apitest.Person) *apitest.Browser {
	t.Helper()
	b := s.browser(t)
	shows(t, b.Get(s.url+"/licenses").LogIn(who), 200, "/licenses")
	return b
}

// Somebody logs in at a computer by their phone. What they prove there is what the client is told.
func TestScanLogin(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	phone, pc := s.phone(t, s.alice), s.browser(t)
	f := s.clinic.licensed()
	c := s.scanCode(t, pc, f.open(t, pc))
	if csp := c.page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "connect-src 'self'") {
		t.Errorf("the script may not ask: %s", csp)
	}
	if got := c.state(pc); got != "asked" {
		t.Errorf("the state is %s", got)
	}
	asked := phone.Get(c.phoneURL())
	shows(t, asked, 200, "/scan/"+c.code())
	says(t, asked, "样例业务系统", "样例厅", "127.0.0.1", sampleName, ">"+c.page.Text("digits")+"<", "取消登录", "申请使用您的证照")
	if asked.Has("present") {
		t.Error("a phone of the same network is asked whether it is there")
	}
	if got := c.state(pc); got != "seen" {
		t.Errorf("the state is %s", got)
	}
	again := pc.Get(c.page.URL.String())
	says(t, again, "已扫码", "**")
	shows(t, again.Press("submit"), 200, "/login/scan") // too early
	done := asked.Press("confirm")
	shows(t, done, 200, "/scan")
	says(t, done, "已确认，请在电脑上继续")
	if got := c.state(pc); got != "confirmed" {
		t.Errorf("the state is %s", got)
	}
	p := again.Press("submit")
	shows(t, p, 200, consentPath)
	tokens := f.redeem(t, f.code(t, agreeToAll(p).Send())).tokens(t)
	claims := claimsOf(t, tokens.IDToken)
	if amr := claims["amr"]; amr == nil || strings.Join(textsIn(amr), " ") != "pwd sms mfa mca" || claims["acr"] != "urn:yizheng:assurance:2" {
		t.Errorf("amr %v, acr %v", amr, claims["acr"])
	}
	// The person sees both: what they confirmed, and the login.
	trail := phone.Get(s.url + "/security/events")
	says(t, trail, "在手机上确认电脑登录", "手机扫码")
}

func textsIn(list any) (all []string) {
	for _, x := range list.([]any) {
		all = append(all, x.(string))
	}
	return all
}

// A code that a phisher relays: the phone says that the computer is elsewhere, and confirms nothing
// unless its person says that they are there. Even then it opens no page that changes how they log in.
func TestAttackScanRelayed(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	victim, phisher := s.browser(t), s.browser(t)
	phisher.From = "127.0.0.2"
	shows(t, victim.Get(s.url+"/licenses").LogIn(s.alice), 200, "/licenses")
	c := s.scanCode(t, phisher, phisher.Get(s.url+"/licenses"))
	asked := victim.Get(c.phoneURL())
	shows(t, asked, 200, "/scan/"+c.code())
	says(t, asked, "127.0.0.2", "不在同一网络", "一字不差", "个人页面")
	refused := asked.Press("confirm")
	shows(t, refused, 422, "/scan/"+c.code())
	says(t, refused, "请勾选确认您本人就在这台电脑前")
	if got := c.state(phisher); got != "seen" {
		t.Errorf("the state is %s", got)
	}
	shows(t, refused.Press("confirm", "present", "yes"), 200, "/scan")
	p := c.take()
	shows(t, p, 200, "/licenses")
	for _, path := range []string{"/security/passkey", "/security/app", "/security/recovery"} {
		p := phisher.Get(s.url + path)
		shows(t, p, 200, "/login")
		if p.Has("scan") {
			t.Errorf("%s: its login can be relayed", path)
		}
		if p := p.Form("submit").With("act", "scan").Send(); p.Status != 422 && p.Status != 403 || p.URL.Path != "/login" {
			t.Errorf("%s: a code is made for its login: %d at %s", path, p.Status, p.URL)
		}
	}
	// Whoever is at the victim's own browser sees that session, and ends it.
	sessions := victim.Get(s.url + "/sessions")
	says(t, sessions, "127.0.0.2", "手机扫码")
}

// What isn't this computer's code, or this phone's, gets the same answer whatever it is.
func TestAttackScanElsewhere(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	phone, second, pc, thief := s.phone(t, s.alice), s.phone(t, s.bob), s.browser(t), s.browser(t)
	f := s.clinic.request()
	c := s.scanCode(t, pc, f.open(t, pc))
	asked := phone.Get(c.phoneURL())
	first := ""
	for what, code := range map[string]string{"another's": c.code(), "nobody's": strings.Repeat("A", 43), "short": "AAAA", "long": strings.Repeat("A", 300)} {
		p := second.Get(s.url + "/scan/" + code)
		if p.Status != 404 {
			t.Errorf("%s: %d", what, p.Status)
		}
		seen := strings.ReplaceAll(strings.ReplaceAll(p.Body, code, "CODE"), p.Text("request-id"), "ID")
		if first == "" {
			first = seen
		} else if seen != first {
			t.Errorf("%s differs:\n%s\n\n%s", what, seen, first)
		}
	}
	// Nobody is asked for their login more or less, whatever the code is.
	for _, code := range []string{c.code(), strings.Repeat("A", 43)} {
		shows(t, s.browser(t).Get(s.url+"/scan/"+code), 200, "/login")
	}
	shows(t, asked.Press("confirm"), 200, "/scan")
	if got := c.state(thief); got != "gone" {
		t.Errorf("another browser learns that it is %s", got)
	}
	// The thief has a request of their own, and the code.
	login := s.clinic.request().open(t, thief)
	q := login.Form("submit").With("act", "scanned", "code", c.code()).Send()
	shows(t, q, 200, "/login/scan")
	says(t, q, "二维码已失效")
	if p := thief.Get(s.url + "/sessions"); p.URL.Path != "/login" {
		t.Errorf("the thief is logged in: %s", p.URL)
	}
	// The computer's own second request doesn't take it either, and the right one does, once.
	other := s.clinic.request().open(t, pc)
	says(t, other.Form("submit").With("act", "scanned", "code", c.code()).Send(), "二维码已失效")
	if p := c.take(); p.To == nil && p.URL.Path != consentPath {
		t.Errorf("the computer couldn't go on: %v", p)
	}
	replay := s.scanCode(t, thief, s.clinic.request().open(t, thief))
	says(t, replay.page.Form("submit").With("code", c.code()).Send(), "二维码已失效")
}

// Forms that another site makes confirm nothing; a refusal is for good; a phone that logged out
// meanwhile lent nothing.
func TestAttackScanForms(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	phone, pc := s.phone(t, s.alice), s.browser(t)
	c := s.scanCode(t, pc, s.clinic.request().open(t, pc))
	asked := phone.Get(c.phoneURL())
	shows(t, asked.Form("confirm").With("token", "x").Send(), 403, "/scan/"+c.code())
	r, _ := http.NewRequestWithContext(t.Context(), "POST", c.phoneURL(), strings.NewReader(asked.Form("confirm").Values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if p := phone.Do(r); p.Status != 403 {
		t.Errorf("another site's form: %d", p.Status)
	}
	if got := c.state(pc); got != "seen" {
		t.Errorf("the state is %s", got)
	}
	no := asked.Press("refuse")
	shows(t, no, 200, "/scan")
	says(t, no, "已取消")
	if got := c.state(pc); got != "gone" {
		t.Errorf("refused, the state is %s", got)
	}
	if p := asked.Press("confirm"); p.Status != 404 {
		t.Errorf("confirmed after a refusal: %d", p.Status)
	}
	says(t, pc.Get(c.page.URL.String()), "二维码已失效", "刷新二维码")

	c = s.scanCode(t, pc, pc.Get(c.page.URL.String()))
	shows(t, phone.Get(c.phoneURL()).Press("confirm"), 200, "/scan")
	phone.Get(s.url + "/logout").Press("submit")
	q := c.take()
	shows(t, q, 200, "/login/scan")
	says(t, q, "二维码已失效")
	trail := s.phone(t, s.alice).Get(s.url + "/security/events")
	says(t, trail, "手机扫码登录未成功", "手机上的登录已失效", "在手机上取消电脑登录")
}

// A request for a new login gets one that was made at the phone after it, and one for two factors
// has the phone prove both.
func TestScanFreshLogin(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	phone, pc := s.phone(t, s.alice), s.browser(t)
	for name, pairs := range map[string][]string{"prompt": {"prompt", "login"}, "max_age": {"max_age", "30"}, "max_age=0": {"max_age", "0"}} {
		f, pc := s.clinic.request(pairs...), s.browser(t)
		asked := time.Now().Unix()
		c := s.scanCode(t, pc, f.open(t, pc))
		login := phone.Get(c.phoneURL())
		shows(t, login, 200, "/login")
		p := login.LogIn(s.alice)
		shows(t, p, 200, "/scan/"+c.code())
		shows(t, p.Press("confirm"), 200, "/scan")
		if p = c.take(); p.Has("approve") {
			p = agreeToAll(p).Send()
		}
		claims := claimsOf(t, f.redeem(t, f.code(t, p)).tokens(t).IDToken)
		if at, ok := claims["auth_time"].(float64); !ok || int64(at) < asked {
			t.Errorf("%s: auth_time %v, asked at %d", name, claims["auth_time"], asked)
		}
	}
	// A phone with a password alone proves a second factor there, for a computer that needs two.
	weak := s.browser(t)
	shows(t, weak.Get(s.url+"/sessions").LogIn(s.bob), 200, "/sessions")
	c := s.scanCode(t, pc, s.garage.request("prompt", "login", "acr_values", "urn:yizheng:assurance:2").open(t, pc))
	p := weak.Get(c.phoneURL())
	shows(t, p, 200, "/login")
	p = p.Press("submit", "username", s.bob.Login, "password", s.bob.Password)
	shows(t, p, 200, codePath)
	shows(t, p.Press("submit", "code", s.bob.Code()), 200, "/scan/"+c.code())
}

// Codes and questions about them are limited by address; a page that asks too often is told to wait.
func TestAttackScanFlood(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{Limits: Limits{PollPerMinute: 1, PollBurst: 3, LoginPerMinute: 1, LoginBurst: 2}})
	pc := s.browser(t)
	login := s.clinic.request().open(t, pc)
	c := s.scanCode(t, pc, login)
	for range 3 {
		c.state(pc)
	}
	if p := pc.Get(s.url + "/login/scan/state?scan=x"); p.Status != 429 || p.Header.Get("Retry-After") == "" {
		t.Errorf("the fourth question: %d", p.Status)
	}
	s.scanCode(t, pc, login)
	p := login.Press("scan")
	shows(t, p, 429, "/login")
	says(t, p, "操作过于频繁")
}

// A code's page that nobody asked for shows nothing, and stores nothing.
func TestScanPagesOfNobody(t *testing.T) {
	t.Parallel()
	w := &work{}
	s := newStage(t, stageConfig{Ephemeral: func(e ephemeral.Store) ephemeral.Store { return countedEphemeral{e, w} }})
	b := s.browser(t)
	for path, status := range map[string]int{"/login/scan": 410, "/login/scan?request=" + strings.Repeat("A", 43): 400, "/login/scan/state": 200, "/scan": 200} {
		w.take()
		p := b.Get(s.url + path)
		if p.Status != status {
			t.Errorf("%s: %d", path, p.Status)
		}
		if did := w.take(); strings.Contains(did, "put") || strings.Contains(did, "Put") {
			t.Errorf("%s: %s", path, did)
		}
	}
}
