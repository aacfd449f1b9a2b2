package e2e

import (
	"net/url"
	"strings"
	"testing"
)

// Verifying by what stands on the paper, for people.
func TestVerifyPage(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	b.open(d.Issuer + "/licenses/" + d.Licenses[0].ID)
	b.waitFor("#username")
	b.logIn(d, d.People[0])
	b.waitFor("#verification-code")
	identifier, code := b.text("#identifier"), b.text("#verification-code")

	other := newBrowser(t, phone) // anybody
	other.open(d.Issuer + "/verify")
	other.good("verify", "核验")
	other.fill("#identifier", identifier)
	other.fill("#code", strings.ToLower(code))
	other.follow("#submit")
	other.good("valid", "居住证（样例）", "青禾市公安局（样例）")
	other.silent("周样例䶮", "样例路1号") // nobody is shown more than the paper's reader needs
	other.open(d.Issuer + "/verify")
	other.waitFor("#identifier")
	other.fill("#identifier", identifier)
	other.fill("#code", "AAAAAAAA")
	other.follow("#submit")
	other.good("wrong-code")
	other.silent("青禾市公安局（样例）")
}

// What goes wrong is said on a page that says what to do, and to whom.
func TestErrorPages(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, pc)
	authorize := func(q url.Values) { b.open(d.Issuer + "/oauth/authorize?" + q.Encode()); b.waitFor("h1") }
	client := d.Clients[len(d.Clients)-1]
	authorize(url.Values{"client_id": {"nobody"}, "response_type": {"code"}, "redirect_uri": {"https://app.example/"}})
	b.good("unknown-client", "登录请求有误")
	if b.at().Host != strings.TrimPrefix(d.Issuer, "http://") {
		b.fail("the browser was sent away by a client that nobody knows")
	}
	wrong := client.RedirectURIs[0] + "/"
	authorize(url.Values{"client_id": {client.ID}, "response_type": {"code"}, "redirect_uri": {wrong}, "scope": {"openid"}})
	b.click("details.developer summary")
	b.good("redirect-uri", "该服务的回调地址有误", wrong)
	for _, registered := range client.RedirectURIs {
		if strings.Contains(strings.ReplaceAll(b.text("body"), wrong, ""), registered) {
			b.fail("the page lists what is registered")
		}
	}
	b.open(d.Issuer + "/nowhere")
	b.good("nowhere", "没有找到这个页面")
	b.open(d.Issuer + "/login?request=" + strings.Repeat("a", 43))
	b.good("gone", "这次登录已经结束")
}
