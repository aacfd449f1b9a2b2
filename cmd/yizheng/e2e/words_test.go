package e2e

import (
	"net/url"
	"strings"
	"testing"
)

// english fails the test if the page says something in Chinese that isn't marked
// as such: names, titles of licenses and what else stays as it is written.
func (b *browser) english(name string, texts ...string) {
	b.t.Helper()
	b.good(name, texts...)
	if lang := eval[string](b, `document.documentElement.lang`); lang != "en" {
		b.t.Errorf("%s: the page says it is in %q", name, lang)
	}
	left := eval[[]string](b, `(() => {
		const found = []
		const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
		while (walk.nextNode()) {
			const n = walk.currentNode, e = n.parentElement
			if (/[\u3400-\u9fff]/.test(n.data) && !e.closest('[lang]:not(html)') && !e.closest('script, style')) found.push(n.data.trim())
		}
		document.querySelectorAll('[aria-label], [title], [placeholder], [alt]').forEach(e => ['aria-label', 'title', 'placeholder', 'alt'].forEach(a => {
			if (/[\u3400-\u9fff]/.test(e.getAttribute(a) || '') && !e.closest('[lang]:not(html)')) found.push(a + ': ' + e.getAttribute(a))
		}))
		return found
	})()`)
	if len(left) > 0 {
		b.t.Errorf("%s: in Chinese still: %q", name, left)
	}
}

// In English all of it is English.
func TestEnglish(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	b.open(d.Issuer)
	b.follow("#language")
	b.english("front", "Log in")
	b.open(d.Departments[0].URL)
	b.click("#apply")
	b.waitFor("#username")
	b.english("login", "Password")
	before := len(d.messages(t, d.People[0]))
	b.fill("#username", d.People[0].Login)
	b.fill("#password", "wrong horse battery")
	b.follow("#submit")
	b.english("login-refused", "Password")
	b.fill("#username", d.People[0].Login)
	b.fill("#password", d.People[0].Password)
	b.click("#submit")
	b.waitFor("#code, #send")
	b.english("code", "code")
	b.confirm(d, d.People[0], before)
	b.waitFor("#approve")
	b.english("consent", "居住证签注（样例）")
	b.pick(section("dwelling"), "9900002")
	b.click("#approve")
	b.waitAt(d.Departments[0].URL + "/case")
	for _, path := range []string{"/licenses", "/licenses/" + d.Licenses[0].ID, "/records", "/grants", "/sessions", "/password", "/logout", "/verify", "/licenses/nothing", "/nowhere", "/oauth/authorize"} {
		b.open(d.Issuer + path)
		b.waitFor("h1")
		b.english("page"+strings.ReplaceAll(path, "/", "-"), "")
	}
}

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
	b.good("redirect-uri", "该服务的返回地址有误", wrong)
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
