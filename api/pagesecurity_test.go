package api

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"yizheng.internal/api/apitest"
)

const (
	accountPage  = "/security"
	appPage      = "/security/app"
	recoveryPage = "/security/recovery"
)

// appCode returns what an app shows that has the secret, so many steps from now.
func appCode(t testing.TB, secret string, steps int) string {
	t.Helper()
	code, err := totp.GenerateCode(strings.ReplaceAll(secret, " ", ""), time.Now().Add(time.Duration(steps)*30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// addApp adds an app at a browser that logged in just now, and returns its secret.
func (s *pageSite) addApp(t testing.TB, b *apitest.Browser) string {
	t.Helper()
	p := b.Get(s.url + appPage)
	shows(t, p, 200, appPage)
	secret := p.Text("secret")
	p = p.Press("submit", "code", appCode(t, secret, 0), "name", "我的手机")
	shows(t, p, 200, accountPage)
	says(t, p, "已添加", "我的手机")
	return secret
}

// authenticatorID returns the id of the first authenticator on the account's page.
func authenticatorID(t testing.TB, p *apitest.Page) string {
	t.Helper()
	found := regexp.MustCompile(`name="id" value="([a-z0-9]+)"`).FindStringSubmatch(p.Body)
	if found == nil {
		t.Fatalf("no authenticator can be changed:\n%s", p.Body)
	}
	return found[1]
}

// The page says who somebody is, masked, and how they log in; it names nobody's whole number.
func TestSecurityPage(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	p := b.Get(s.url + accountPage)
	shows(t, p, 200, accountPage)
	says(t, p, sampleName, "中级", "现场核验", "公民身份号码", "登录密码", "短信验证码", "添加身份验证器", "生成恢复码")
	if strings.Contains(p.Body, sampleCitizen) || regexp.MustCompile(`1[0-9]{10}`).MatchString(p.Body) {
		t.Error("the page shows a whole number")
	}
	if p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", p.Header.Get("Cache-Control"))
	}
	shows(t, s.browser(t).Get(s.url+accountPage), 200, loginPath)
}

// An app is added, logs in without any message being sent, is named anew, and is removed: then
// every other browser is out, and offline access, and this one goes on.
func TestAuthenticatorApp(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b, other := s.browserOf(t), s.browserOf(t)
	p := b.Get(s.url + appPage)
	shows(t, p, 200, appPage)
	says(t, p, "<svg", `role="img"`)
	secret := p.Text("secret")
	wrong := p.Press("submit", "code", "000000", "name", "我的手机")
	shows(t, wrong, 422, appPage)
	says(t, wrong, "动态码不正确", `value="我的手机"`)
	if wrong.Text("secret") != secret {
		t.Error("after a wrong code there is another secret")
	}
	p = wrong.Press("submit", "code", appCode(t, secret, 0), "name", "我的手机")
	shows(t, p, 200, accountPage)
	says(t, p, "已添加", "我的手机")
	if strings.Contains(p.Body, strings.ReplaceAll(secret, " ", "")) {
		t.Error("the account's page shows the secret")
	}
	if !slices.Contains(s.phone.told, "authenticator_added") {
		t.Errorf("the person is told %v", s.phone.told)
	}
	shows(t, other.Get(s.url+"/sessions"), 200, "/sessions") // adding ends nothing

	sent := len(s.phone.codes)
	fresh := s.browser(t)
	p = fresh.Get(s.url+"/licenses").Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 200, codePath)
	says(t, p, "动态码验证", "短信验证码", "改用其他方式验证")
	used := appCode(t, secret, 1)
	p = p.Press("submit", "code", used)
	shows(t, p, 200, "/licenses")
	if len(s.phone.codes) != sent {
		t.Error("a message was sent all the same")
	}
	p = s.browser(t).Get(s.url+"/licenses").Press("submit", "username", "zhang", "password", samplePassword).Press("submit", "code", used)
	shows(t, p, 422, codePath)
	says(t, p, "动态码不正确或已使用")
	// By message instead, without scripts.
	p = p.Follow("use-sms").Press("send")
	shows(t, p, 200, codePath)
	p = p.Press("submit", "code", s.phone.last())
	shows(t, p, 200, "/licenses")

	p = b.Get(s.url + accountPage)
	id := authenticatorID(t, p)
	p = p.Press("rename-"+id, "name", "旧手机")
	shows(t, p, 200, accountPage)
	says(t, p, "名称已修改", "旧手机")
	thief := b.Clone(s.url)
	p = p.Press("remove-" + id)
	shows(t, p, 200, accountPage)
	says(t, p, "已删除")
	if strings.Contains(p.Body, "旧手机") {
		t.Error("the app is still there")
	}
	shows(t, b.Get(s.url+"/licenses"), 200, "/licenses") // by the factors that it still has
	for name, at := range map[string]string{
		"another browser": other.Get(s.url + "/sessions").URL.Path, "the browser with the app": fresh.Get(s.url + "/sessions").URL.Path,
		"the cookie from before": thief.Get(s.url + "/sessions").URL.Path,
	} {
		if at != loginPath {
			t.Errorf("%s sees %s", name, at)
		}
	}
	if !slices.Contains(s.phone.told, "authenticator_removed") {
		t.Errorf("the person is told %v", s.phone.told)
	}
}

// Recovery codes are shown once, and each logs in once.
func TestRecoveryCodePages(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	p := b.Get(s.url + recoveryPage)
	shows(t, p, 200, recoveryPage)
	p = p.Press("submit")
	shows(t, p, 200, recoveryPage)
	codes := regexp.MustCompile(`[0-9A-Z]{5}-[0-9A-Z]{5}`).FindAllString(p.Body, -1)
	if len(codes) != 10 || p.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d codes, Cache-Control %q", len(codes), p.Header.Get("Cache-Control"))
	}
	p = b.Get(s.url + accountPage)
	says(t, p, "剩余 10 个")
	if strings.Contains(p.Body, codes[0]) {
		t.Error("the account's page shows a code")
	}
	login := func() *apitest.Page {
		p := s.browser(t).Get(s.url+"/licenses").Press("submit", "username", "zhang", "password", samplePassword)
		shows(t, p, 200, codePath)
		return p.Follow("use-recovery")
	}
	p = login().Press("submit", "code", strings.ToLower(codes[4]))
	shows(t, p, 200, "/licenses")
	p = login().Press("submit", "code", codes[4])
	shows(t, p, 422, codePath)
	says(t, p, "恢复码不正确或已使用")
	says(t, b.Get(s.url+accountPage), "剩余 9 个")
}

// Who has one factor, or another's form, changes nothing.
func TestSecurityIsForTheOwner(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	two, one := s.browserOf(t), s.browser(t)
	s.app.code(one, s.who, s.app.request())
	for _, page := range []string{appPage, recoveryPage, "/security/change"} {
		p := one.Get(s.url + page)
		shows(t, p, 200, codePath)
		shows(t, p.Press("cancel"), 200, accountPage)
		p = s.browser(t).Get(s.url + page)
		shows(t, p, 200, loginPath)
		says(t, p, "为保护账号安全")
	}
	p := one.Get(s.url + accountPage)
	shows(t, p, 200, accountPage) // it can be seen, and has no forms
	if strings.Contains(p.Body, `value="remove"`) {
		t.Error("one factor gets the form")
	}
	f := two.Get(s.url + recoveryPage).Form("submit")
	shows(t, one.Post(f.Action, f.Values), 200, codePath)
	p = s.browserOf(t).Post(f.Action, f.Values) // with the token of another browser
	shows(t, p, 403, recoveryPage)
	says(t, p, "页面已过期")
	app := two.Get(s.url + appPage)
	g := app.Form("submit").With("code", appCode(t, app.Text("secret"), 0), "name", "x")
	another := s.browserOf(t)
	own := another.Get(s.url + appPage).Form("submit")
	g.Values.Set("token", own.Values.Get("token")) // the setup of another session
	p = another.Post(g.Action, g.Values)
	shows(t, p, 422, appPage)
	says(t, p, "请重新添加")
	li := s.citizen(t, "lijianguo", "李建国", otherCitizen, 2)
	s.addApp(t, two)
	id := authenticatorID(t, two.Get(s.url+accountPage))
	stranger := s.browser(t)
	stranger.Get(s.url+"/licenses").Press("submit", "username", li.Login, "password", li.Password).Press("submit", "code", s.phone.last())
	h := stranger.Get(s.url + recoveryPage).Form("submit")
	h.Values.Set("id", id)
	h.Values.Set("act", "remove")
	p = stranger.Post(s.url+accountPage, h.Values)
	shows(t, p, 422, accountPage)
	says(t, p, "已被删除")
	says(t, two.Get(s.url+accountPage), "我的手机")
}

// Who has five apps removes one on the page that says so; the form of recovery codes sent twice
// makes them once, and ends nothing.
func TestSecurityLimits(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b, other := s.browserOf(t), s.browserOf(t)
	for range 5 {
		s.addApp(t, b)
	}
	f := b.Get(s.url + recoveryPage).Form("submit")
	shows(t, b.Post(f.Action, f.Values), 200, recoveryPage)
	again := b.Post(f.Action, f.Values)
	shows(t, again, 422, recoveryPage)
	says(t, again, "恢复码刚刚已重新生成")
	shows(t, other.Get(s.url+"/sessions"), 200, "/sessions")
	p := b.Get(s.url + appPage)
	shows(t, p, 422, appPage)
	says(t, p, "已达 5 个")
	p = p.Press("remove-" + authenticatorID(t, p))
	shows(t, p, 200, accountPage)
	says(t, p, "已删除")
	shows(t, b.Get(s.url+appPage), 200, appPage)
}

// Who has a password alone can add nothing, for nothing confirms that it is them, and is told where
// a phone is bound.
func TestSecurityOfPasswordAlone(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	a, err := s.people.FindAccount(t.Context(), "zhang")
	if err == nil {
		_, err = s.people.Authenticators.ChangePhone(t.Context(), "cli", a.ID, "", "zh-CN")
	}
	mustOf(t)(err)
	p := s.browser(t).Get(s.url+accountPage).Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 200, accountPage)
	says(t, p, "尚未绑定手机号，暂时不能添加登录方式")
	if p.Has("add-app") || p.Has("make-codes") {
		t.Error("the page offers what leads nowhere")
	}
	if !slices.Contains(s.phone.told, "phone_changed") {
		t.Errorf("the phone that was there is told %v", s.phone.told)
	}
}
