package e2e

import (
	"context"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"yizheng.internal/storage/porttest"
)

// consent goes to the consent page of a department's item, logging in on the
// way if that is asked for.
func (b *browser) consent(d *demo, department string, p person) {
	b.t.Helper()
	b.open(department)
	b.click("#apply")
	b.waitAt(d.Issuer)
	b.wait(`document.querySelector('#username, #approve')`)
	if eval[bool](b, `!!document.querySelector('#username')`) {
		b.logIn(d, p)
	}
	b.waitFor("#approve")
}

// The back button after the login leads nowhere bad: never to a page that logs
// in again, or that is dead. After the consent it doesn't give anything twice.
func TestBackButton(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	police := d.Departments[0].URL
	b.consent(d, police, d.People[0])
	b.back()
	b.waitFor("#approve, #home")
	if eval[bool](b, `!!document.querySelector('#username, #password, #code')`) {
		b.fail("back from the consent page is a login page, though somebody is logged in")
	}
	b.consent(d, police, d.People[0])
	b.pick(section("dwelling"), "9900002")
	b.click("#approve")
	b.waitAt(police + "/case")
	number := b.text("#case-number")
	b.back()
	b.wait(`document.readyState === 'complete' && document.querySelector('#approve, #apply, #home, #case-number')`)
	b.shoot("back")
	if eval[bool](b, `!!document.querySelector('#approve')`) { // the page as the browser kept it
		eval[bool](b, `(document.querySelector('#approve').click(), true)`)
		b.wait(`location.href.startsWith('` + police + `/case') || document.querySelector('#home')`)
	}
	b.open(police + "/case")
	if again := b.text("#case-number"); again != number {
		t.Errorf("the case is %s, and was %s", again, number)
	}
	b.says("材料已收到")
	b.open(d.Issuer + "/grants")
	if n := eval[int](b, `document.querySelectorAll('main ul.entries > li').length`); n != 1 {
		b.fail("going back to the consent made %d grants of one", n)
	}
}

// A consent whose button was clicked twice is one consent, with JavaScript and
// without: no error, one grant, each license read once.
func TestDoubleClick(t *testing.T) {
	t.Parallel()
	for _, scripts := range []bool{true, false} {
		d := startDemo(t)
		b := newBrowser(t, phone)
		b.scripts(scripts)
		police := d.Departments[0].URL
		b.consent(d, police, d.People[0])
		b.pick(section("dwelling"), "9900002")
		b.do("double click", chromedp.DoubleClick(chromedp.CSS("#approve")))
		b.waitAt(police + "/case")
		b.says("材料已收到", "必交材料已齐")
		b.open(d.Issuer + "/grants")
		b.waitFor("main ul.entries")
		if n := eval[int](b, `document.querySelectorAll('main ul.entries > li').length`); n != 1 {
			b.fail("with JavaScript %t, a double click made %d grants", scripts, n)
		}
		b.open(d.Issuer + "/records")
		if n := eval[int](b, `document.querySelectorAll('main ul.lines > li').length`); n != 2 {
			b.fail("with JavaScript %t, a double click made %d readings of 2 licenses", scripts, n)
		}
	}
}

// scripts switches the pages' own JavaScript on or off; what the test evaluates
// runs all the same.
func (b *browser) scripts(on bool) {
	b.t.Helper()
	b.do("switch JavaScript", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}

// Without JavaScript everything works: login, consent, portal, withdrawing, logout.
func TestWithoutJavaScript(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	b.scripts(false)
	b.open(`data:text/html,<title>off</title><body><script>document.title='on'</script>`)
	if title := eval[string](b, `document.title`); title != "off" {
		t.Fatal("the page's script ran: nothing would be shown here")
	}
	police := d.Departments[0].URL
	b.consent(d, police, d.People[0])
	b.pick(section("residence-permit"), "居住地址")
	b.pick(section("dwelling"), "9900003")
	b.click("#approve")
	b.waitAt(police + "/case")
	b.says("材料已收到", "云（2024）青禾市不动产权第9900003号（样例）", "青禾市样例区样例路1号")
	b.open(d.Issuer + "/grants")
	b.click("main ul.entries > li:first-child summary")
	b.follow("main ul.entries > li:first-child button.stop")
	b.says("已撤回")
	b.open(police + "/case")
	b.follow("#refresh")
	b.says("不能再读取")
	b.follow("#logout")
	b.waitFor("#submit")
	b.click("#submit")
	b.waitAt(police + "/logged-out")
}

// In a browser that keeps no cookies a page says so, instead of going round in circles.
func TestCookiesBlocked(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	// Headless Chromium takes no notice of its setting for cookies, so they get
	// lost on the way: for the service that is the same.
	b := newBrowser(t, phone, throughProxy(t, d.Issuer, func(r *http.Request) { r.Header.Del("Cookie") }))
	b.open(d.Departments[0].URL)
	b.click("#apply")
	b.waitAt(d.Issuer)
	b.wait(`document.readyState === 'complete' && document.querySelector('h1')`)
	if eval[bool](b, `!!document.querySelector('#username')`) { // it can't know yet
		b.fill("#username", d.People[0].Login)
		b.fill("#password", d.People[0].Password)
		b.follow("#submit")
	}
	b.good("blocked", "浏览器不允许保存登录状态", "Cookie")
	if eval[bool](b, `!!document.querySelector('#username')`) {
		b.fail("without cookies the login page comes again")
	}
}

// A request that is over, here because the service lost all that may be lost,
// is told on a clear page that leads back to the department. Nothing was given.
func TestRequestGone(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "demo")
	d := startDemo(t, "--data", data, "--listen", "localhost:"+porttest.FreePort(t))
	b := newBrowser(t, phone)
	police := d.Departments[0].URL
	b.consent(d, police, d.People[0])
	b.pick(section("dwelling"), "9900002")
	d.stop(t)
	again := startDemo(t, "--data", data, "--listen", strings.TrimPrefix(d.Issuer, "http://"))
	b.follow("#approve")
	b.good("gone", "这次登录已经结束")
	b.click("#home")
	b.waitAt(police)
	b.waitFor("#apply")

	// The login itself is not lost with the request.
	b.open(again.Issuer + "/grants")
	b.waitFor("h1")
	if eval[int](b, `document.querySelectorAll('main ul.entries > li').length`) != 0 {
		b.fail("there is a grant, though nobody's consent arrived")
	}
}

// Two departments in two tabs: each gets its own answer, whatever the order.
func TestTwoTabs(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	a := newBrowser(t, pc)
	police, market := d.Departments[0].URL, d.Departments[1].URL
	other := a.tab()
	a.open(police)
	a.click("#apply")
	a.waitFor("#username")
	other.open(market)
	other.click("#apply")
	other.waitFor("#username")

	// The tab that came second logs in first; the other one has a login page of before.
	other.logIn(d, d.People[0])
	other.asSelf()
	other.says("青禾市市场监督管理局（样例）")
	a.fill("#username", d.People[0].Login)
	a.fill("#password", d.People[0].Password)
	a.follow("#submit")
	a.waitFor("#approve")
	a.says("青禾市公安局（样例）")
	a.pick(section("dwelling"), "9900002")
	other.pick(section("business-license"), "92990102MA0007073A")
	other.pick(section("premises"), "9900003")
	a.click("#approve")
	a.waitAt(police + "/case")
	other.click("#approve")
	other.waitAt(market + "/case")
	a.says("居住证签注", "样居字第990102000001号", "9900002号")
	a.silent("9900003号", "92990102MA0007073A")
	other.says("食品经营许可新办", "92990102MA0007073A", "9900003号")
	other.silent("9900002号")
}

// Another person's license isn't there, whoever knows its address.
func TestAnotherPersonsLicense(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	b.open(d.Issuer + "/licenses")
	b.waitFor("#username")
	b.logIn(d, d.People[1])
	b.waitFor("a.license")
	b.says("机动车驾驶证（样例）", d.People[1].Name)
	b.silent("样居字第990102000001号")
	b.open(d.Issuer + "/licenses/" + d.Licenses[0].ID) // the first person's residence permit
	b.good("not-yours", "没有找到这份证照")
	b.silent("居住证（样例）", "样居字第990102000001号", "周样例䶮")
	theirs := b.text("h1")
	b.open(d.Issuer + "/licenses/" + strings.Repeat("a", 26)) // nobody's
	if nobodys := b.text("h1"); nobodys != theirs {
		t.Errorf("somebody else's license says %q, and one that isn't there %q", theirs, nobodys)
	}
}

// Refusing everything goes on by paper.
func TestPaper(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	police := d.Departments[0].URL
	b.consent(d, police, d.People[0])
	b.click("#refuse")
	b.waitAt(police + "/callback")
	b.good("paper", "携带纸质材料办理", "证照没有发给本系统")
	b.open(d.Issuer + "/records")
	b.waitFor("h1")
	b.silent("青禾市公安局（样例）")
}

// Somebody who lacks what is needed is told so, and can go on.
func TestMissing(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	police := d.Departments[0].URL
	b.consent(d, police, d.People[1])
	b.good("consent", "没有查到您的此类证照", "不动产权证书（样例）") // of police's permits all are here
	b.click("#approve")
	b.waitAt(police + "/case")
	b.good("case", "还需纸质提交：居住证", "证照库中没有您的此项证照", "云（2021）青禾市不动产权第9900002号（样例）")
}

// Large text is large on every page of the way, and nothing gets lost by it.
func TestLargeText(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	b.open(d.Issuer)
	b.follow("#text-size")
	large := func(name string, texts ...string) {
		t.Helper()
		b.good(name, texts...)
		small := eval[[]string](b, `Array.from(document.querySelectorAll('main *, header *')).filter(e =>
			Array.from(e.childNodes).some(n => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length && !e.closest('.skip, svg')
			&& parseFloat(getComputedStyle(e).fontSize) < 23.9).map(e => getComputedStyle(e).fontSize + ' ' + e.innerText.slice(0, 30))`)
		if len(small) > 0 {
			t.Errorf("%s: smaller than 18 points: %q", name, small)
		}
		low := eval[[]string](b, `Array.from(document.querySelectorAll('main button, main input:not([type=hidden]):not([type=checkbox]):not([type=radio]), main .tick, main a.button, header a')).filter(e =>
			e.getClientRects().length && e.getBoundingClientRect().height < 47.5).map(e => e.getBoundingClientRect().height + ' ' + (e.id || e.innerText.slice(0, 30)))`)
		if len(low) > 0 {
			t.Errorf("%s: lower than 48 pixels: %q", name, low)
		}
		tight := eval[[]string](b, `Array.from(document.querySelectorAll('main p, main li, main dd, main label')).filter(e => e.getClientRects().length &&
			parseFloat(getComputedStyle(e).lineHeight) / parseFloat(getComputedStyle(e).fontSize) < 1.49).map(e => e.innerText.slice(0, 30))`)
		if len(tight) > 0 {
			t.Errorf("%s: lines closer than 1.5: %q", name, tight)
		}
	}
	large("front", "登录一次")
	b.open(d.Departments[0].URL)
	b.click("#apply")
	b.waitFor("#username")
	large("login", "登录")
	before := len(d.messages(t, d.People[0]))
	b.fill("#username", d.People[0].Login)
	b.fill("#password", d.People[0].Password)
	b.click("#submit")
	b.waitFor("#code, #send")
	large("code", "短信验证")
	b.confirm(d, d.People[0], before)
	b.waitFor("#approve")
	large("consent", "授权用证", "居住证（样例）")
	b.pick(section("dwelling"), "9900002")
	b.click("#approve")
	b.waitAt(d.Departments[0].URL + "/case")
	for path, text := range map[string]string{"/licenses": "我的证照", "/records": "用证记录", "/grants": "我的授权", "/sessions": "登录设备", "/security": "账号与安全", "/password": "修改密码", "/verify": "核验"} {
		b.open(d.Issuer + path)
		large(path[1:], text)
	}
}

// visible is the outline of what can be seen to have the focus: 2 pixels or more.
var visible = regexp.MustCompile(`^(solid|double|auto) ([2-9]|[1-9][0-9])`)

// All of it goes by the keyboard alone, and what has the focus can be seen.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, pc)
	focus := func(selector string) {
		t.Helper()
		b.tabTo(selector)
		if style := eval[string](b, `(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle + ' ' + s.outlineWidth })()`); !visible.MatchString(style) {
			b.fail("nothing shows that %s has the focus: its outline is %s", selector, style)
		}
	}
	police := d.Departments[0].URL
	b.open(police)
	focus("#apply")
	b.press(kb.Enter)
	b.waitFor("#phone")
	focus("#way-phone")
	b.press(kb.ArrowRight) // in a group of options the arrows choose
	focus("#username")
	b.press(d.People[0].Login)
	focus("#password")
	before := len(d.messages(t, d.People[0]))
	b.press(d.People[0].Password, kb.Enter)
	b.waitFor("#code, #send")
	if eval[bool](b, `!!document.querySelector('#send')`) {
		focus("#send")
		b.press(kb.Enter)
		b.waitFor("#code")
	}
	focus("#code")
	b.press(d.code(t, d.People[0], before), kb.Enter)
	b.waitFor("#approve")
	focus(section("residence-permit") + " summary")
	b.press(kb.Enter)
	focus(section("residence-permit") + " .look .look summary")
	b.press(kb.Enter)
	b.says("云岭省样例县样例乡1号") // the license, looked at
	focus(section("residence-permit") + " .sensitive input")
	b.press(" ")
	focus(`input[name="license-dwelling"]`)
	b.press(kb.ArrowDown) // in a group of options the arrows choose
	b.press(kb.ArrowUp)
	if eval[int](b, `document.querySelectorAll('input[name="license-dwelling"]:checked').length`) != 1 {
		b.fail("the arrow keys choose nothing")
	}
	focus("#approve")
	b.press(kb.Enter)
	b.waitAt(police + "/case")
	b.says("材料已收到", "青禾市样例区样例路1号")
	focus("#logout")
	b.press(kb.Enter)
	b.waitFor("#submit")
	focus("#submit")
	b.press(kb.Enter)
	b.waitAt(police + "/logged-out")
}
