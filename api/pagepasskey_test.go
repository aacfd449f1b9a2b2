package api

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/passkey/passkeytest"
)

const passkeyPage = "/security/passkey"

// passkeyOptions returns what a page has the browser ask an authenticator for.
func passkeyOptions(t testing.TB, p *apitest.Page) string {
	t.Helper()
	found := regexp.MustCompile(`data-options="([^"]*)"`).FindStringSubmatch(p.Body)
	if found == nil {
		t.Fatalf("%s asks for no passkey:\n%s", p.URL, p.Body)
	}
	return html.UnescapeString(found[1])
}

// addPasskey adds a passkey at a browser that logged in just now.
func (s *pageSite) addPasskey(t testing.TB, b *apitest.Browser) *passkeytest.Authenticator {
	t.Helper()
	p := b.Get(s.url + passkeyPage)
	shows(t, p, 200, passkeyPage)
	device := passkeytest.New(s.url)
	answer, err := device.Create(passkeyOptions(t, p))
	if err != nil {
		t.Fatal(err)
	}
	p = p.Press("passkey", "passkey", answer, "name", "我的电脑")
	shows(t, p, 200, accountPage)
	says(t, p, "已添加", "我的电脑", "已同步到您的其他设备")
	return device
}

// by answers the page that asks for a passkey.
func by(t testing.TB, p *apitest.Page, device *passkeytest.Authenticator) *apitest.Page {
	t.Helper()
	answer, err := device.Get(passkeyOptions(t, p))
	if err != nil {
		t.Fatal(err)
	}
	field := "passkey"
	if p.URL.Path == codePath {
		field = "code"
	}
	return p.Press("passkey", field, answer)
}

// A passkey is added, logs in alone to what needs two factors, tells the client so, and is removed:
// then it is refused, and whatever rested on it is over.
func TestPasskey(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b, other := s.browserOf(t), s.browserOf(t)
	device := s.addPasskey(t, b)
	if !slices.Contains(s.phone.told, "authenticator_added") {
		t.Errorf("the person is told %v", s.phone.told)
	}
	shows(t, other.Get(s.url+"/sessions"), 200, "/sessions") // adding ends nothing
	// From now on ways to log in are changed by a passkey alone, whatever codes were typed.
	q := b.Get(s.url + appPage)
	for range 50 { // until what was read of the account is read anew
		if q.URL.Path == codePath {
			break
		}
		time.Sleep(100 * time.Millisecond)
		q = b.Get(s.url + appPage)
	}
	shows(t, q, 200, codePath)
	says(t, q, "通行密钥验证")
	if q.Has("use-sms") {
		t.Error("a code by message would do")
	}
	if strings.Contains(b.Get(s.url+accountPage).Body, `value="remove"`) {
		t.Error("the page of a login without the passkey has its form")
	}

	sent := len(s.phone.codes)
	fresh := s.browser(t)
	p := fresh.Get(s.url + "/licenses")
	shows(t, p, 200, loginPath)
	says(t, p, `autocomplete="username webauthn"`, "用通行密钥登录")
	if !regexp.MustCompile(`<form [^>]*data-passkey="get"[^>]* hidden>`).MatchString(p.Body) {
		t.Error("without a script there is a button that does nothing")
	}
	p = by(t, p, device)
	shows(t, p, 200, "/licenses")
	if len(s.phone.codes) != sent {
		t.Error("a message was sent all the same")
	}
	shows(t, fresh.Get(s.url+appPage), 200, appPage) // it is a login of two factors, of just now

	p = by(t, s.app.open(s.browser(t), s.app.request("prompt", "login", "acr_values", oidc.ACR(2))), device)
	if p.Has("approve") {
		p = p.Press("approve")
	}
	id := claimsOf(t, s.app.redeem(t, s.app.answerOf(t, p).Get("code")).tokens(t).IDToken)
	if got := fmt.Sprintf("%v %v", id["amr"], id["acr"]); got != "[swk user mfa] "+oidc.ACR(2) {
		t.Errorf("the ID token says %s", got)
	}

	p = by(t, b.Get(s.url+"/security/change"), device)
	p = p.Press("remove-" + authenticatorID(t, p))
	shows(t, p, 200, accountPage)
	says(t, p, "已删除")
	for name, at := range map[string]string{"another browser": other.Get(s.url + "/sessions").URL.Path, "the browser with the passkey": fresh.Get(s.url + "/sessions").URL.Path} {
		if at != loginPath {
			t.Errorf("%s sees %s", name, at)
		}
	}
	p = by(t, s.browser(t).Get(s.url+"/licenses"), device)
	shows(t, p, 403, loginPath)
	says(t, p, "该通行密钥不能用于登录")
	if strings.Contains(p.Body, sampleName) || p.Header.Get("Set-Cookie") != "" {
		t.Error("the page knows who it was")
	}
}

// After the password, the passkey is what is asked for first; another way can be chosen.
func TestPasskeyAsSecondFactor(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	device := s.addPasskey(t, s.browserOf(t))
	sent := len(s.phone.codes)
	p := s.browser(t).Get(s.url+"/licenses").Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 200, codePath)
	says(t, p, "通行密钥验证", "改用其他方式验证", "短信验证码")
	if len(s.phone.codes) != sent {
		t.Error("a message was sent all the same")
	}
	wrong := p.Press("passkey", "code", "{}")
	shows(t, wrong, 422, codePath)
	says(t, wrong, "该通行密钥不能使用")
	shows(t, by(t, wrong, device), 200, "/licenses")
	shows(t, by(t, p, device), 200, "/licenses") // a page of before: the session is there
	p = s.browser(t).Get(s.url+"/licenses").Press("submit", "username", "zhang", "password", samplePassword).Follow("use-sms").Press("send")
	shows(t, p.Press("submit", "code", s.phone.last()), 200, "/licenses")
}

// A login that rested on the passkey alone ends with it.
func TestRemovingOnesOwnPasskey(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	device := s.addPasskey(t, s.browserOf(t))
	b := s.browser(t)
	p := by(t, b.Get(s.url+"/security/change"), device)
	shows(t, p, 200, accountPage)
	p = p.Press("remove-" + authenticatorID(t, p))
	shows(t, p, 200, loginPath)
	shows(t, b.Get(s.url+"/sessions"), 200, loginPath)
}

// What a page asked one browser can't be answered in another, nor twice, nor for another request;
// refusals are alike and say nothing of accounts.
func TestPasskeyElsewhere(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	owner := s.browserOf(t)
	device := s.addPasskey(t, owner)
	mine, other := s.browser(t), s.browser(t)
	p, q := mine.Get(s.url+"/licenses"), other.Get(s.url+"/licenses")
	answer, err := device.Get(passkeyOptions(t, p))
	if err != nil {
		t.Fatal(err)
	}
	r := q.Press("passkey", "passkey", answer)
	shows(t, r, 403, loginPath)
	says(t, r, "该通行密钥不能用于登录")
	another := mine.Get(s.url + "/records")
	r = another.Press("passkey", "passkey", answer)
	shows(t, r, 403, loginPath)
	unknown := passkeytest.New(s.url)
	if _, err := unknown.Create(passkeyOptions(t, owner.Get(s.url+passkeyPage))); err != nil {
		t.Fatal(err)
	}
	says(t, by(t, s.browser(t).Get(s.url+"/licenses"), unknown), "该通行密钥不能用于登录")
	without := url.Values{"act": {"passkey"}, "passkey": {answer}}
	if r := mine.Post(p.URL.String(), without); r.Status != 403 {
		t.Errorf("without the form's token: %d", r.Status)
	}
	shows(t, p.Press("passkey", "passkey", answer), 200, "/licenses")
}

// The page that adds one is for who logged in just now, and says what is wrong.
func TestAddPasskeyPage(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	shows(t, s.browser(t).Get(s.url+passkeyPage), 200, loginPath)
	b := s.browserOf(t)
	p := b.Get(s.url + passkeyPage)
	says(t, p, "添加通行密钥", "当前浏览器或者设备不能使用通行密钥") // which a script hides
	wrong := p.Press("passkey", "passkey", "{}", "name", "我的电脑")
	shows(t, wrong, 422, passkeyPage)
	says(t, wrong, "未能添加", `value="我的电脑"`)
	device := passkeytest.New(s.url)
	answer, err := device.Create(passkeyOptions(t, wrong))
	if err != nil {
		t.Fatal(err)
	}
	unnamed := wrong.Press("passkey", "passkey", answer, "name", " ")
	shows(t, unnamed, 422, passkeyPage)
	says(t, unnamed, "名称应为")
	shows(t, wrong.Press("passkey", "passkey", answer, "name", "x"), 200, accountPage)
	shows(t, wrong.Press("passkey", "passkey", answer, "name", "x"), 200, accountPage) // the same form again
	if n := strings.Count(b.Get(s.url+accountPage).Body, `id="passkey-`); n != 1 {
		t.Errorf("there are %d passkeys", n)
	}
}

// Assurance 3 is reached by a passkey and nothing else, of somebody who is proofed that well.
func TestPasskeyAssurance(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	high := s.citizen(t, "gao", "高小样", otherCitizen, 3)
	highest := s.app.request("acr_values", oidc.ACR(3), "prompt", "login")
	b := s.browser(t)
	p := s.app.open(b, highest).LogIn(high)
	if got := s.app.answerOf(t, p).Get("error"); got != "unmet_authentication_requirements" {
		t.Errorf("without a passkey: %q", got)
	}
	shows(t, b.Get(s.url+"/security/change").LogIn(high), 200, accountPage)
	device := s.addPasskey(t, b)
	p = by(t, s.app.open(s.browser(t), highest), device)
	if p.Has("approve") {
		p = p.Press("approve")
	}
	if acr := claimsOf(t, s.app.redeem(t, s.app.answerOf(t, p).Get("code")).tokens(t).IDToken)["acr"]; acr != oidc.ACR(3) {
		t.Errorf("with it: %v", acr)
	}
	p = s.app.open(s.browser(t), highest).Press("submit", "username", "gao", "password", samplePassword)
	shows(t, p, 200, codePath)
	if p.Has("use-sms") {
		t.Error("a code by message would do")
	}
	medium := s.browserOf(t)
	p = by(t, s.app.open(s.browser(t), highest), s.addPasskey(t, medium))
	if got := s.app.answerOf(t, p).Get("error"); got != "unmet_authentication_requirements" {
		t.Errorf("of somebody who isn't proofed as well: %q", got)
	}
}

// Of two passkeys one is removed: which of them began the session isn't known, so it ends, and the
// other logs in.
func TestRemovingOneOfTwoPasskeys(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	first := s.addPasskey(t, s.browserOf(t))
	b := s.browser(t)
	shows(t, by(t, b.Get(s.url+"/security/change"), first), 200, accountPage)
	second := s.addPasskey(t, b)
	p := b.Get(s.url + accountPage)
	p = p.Press("remove-" + authenticatorID(t, p))
	shows(t, p, 200, loginPath)
	shows(t, b.Get(s.url+"/sessions"), 200, loginPath)
	shows(t, by(t, s.browser(t).Get(s.url+"/licenses"), first), 403, loginPath)
	shows(t, by(t, s.browser(t).Get(s.url+"/licenses"), second), 200, "/licenses")
}
