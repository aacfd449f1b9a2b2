package e2e

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// The consent page of a phone is at most two screens long with its licenses
// folded. Its buttons are always in sight and cover nothing that has the focus,
// and nothing is ticked that nobody was shown or asked for.
func TestConsentShape(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	b.consent(d, d.Departments[0].URL, d.People[0])
	b.good("consent", "3 份证照", "用途", "授权期限", "使用理由", "敏感个人信息")
	b.twoScreens()
	inSight := `(() => { const r = document.querySelector('#approve').getBoundingClientRect(); return r.top >= 0 && r.bottom <= innerHeight })()`
	for _, at := range []string{"0", "document.documentElement.scrollHeight / 2", "document.documentElement.scrollHeight"} {
		if !eval[bool](b, fmt.Sprintf(`(scrollTo(0, %s), %s)`, at, inSight)) {
			t.Errorf("scrolled to %s, the button is out of sight", at)
		}
	}
	if n := b.ticked("part"); n != 0 {
		t.Errorf("%d sensitive fields are ticked", n)
	}
	if eval[bool](b, `document.querySelector('[data-material=optional] .option > input').checked`) {
		t.Error("an optional license is ticked")
	}
	if !eval[bool](b, `document.querySelector('[data-material=required] .option > input[type=checkbox]').checked`) {
		t.Error("a required license is not ticked")
	}
	covered := eval[[]string](b, `(() => {
		const covered = []
		const bar = document.querySelector('.bar')
		scrollTo(0, 0)
		document.querySelectorAll('form input:not([type=hidden]), form summary').forEach(e => {
			if (!e.getClientRects().length || bar.contains(e)) return
			e.focus()
			if (document.activeElement === e && e.getBoundingClientRect().bottom > bar.getBoundingClientRect().top) covered.push(e.outerHTML.slice(0, 80))
		})
		return covered
	})()`)
	if len(covered) > 0 {
		t.Errorf("the bar covers what has the focus: %q", covered)
	}
	b.says("请先为“合法稳定住所证明”作出选择")
	b.pick(section("dwelling"), "9900002")
	b.says("将提供 2 份证照、7 项信息。2 项敏感信息未勾选")
	b.pick(section("residence-permit"), "居住证（样例）")
	b.says("1 项敏感信息未勾选，可能需到窗口补交。“居住证”为必需材料，需到窗口提交纸质材料。")
	if !eval[bool](b, `Array.from(document.querySelectorAll('.sensitive')).every(e => !e.closest('details'))`) {
		t.Error("sensitive fields are folded")
	}
}

// twoScreens measures the consent page in each language, with its reasons for
// what is sensitive in sight.
func (b *browser) twoScreens() {
	b.t.Helper()
	for _, lang := range []string{"zh-CN", "en", "zh-CN"} { // and there again, for what follows
		if lang != eval[string](b, `document.documentElement.lang`) {
			b.follow("#language")
			b.waitFor("#approve")
			b.good("consent-" + lang)
		}
		if height := eval[int](b, `document.documentElement.scrollHeight`); height > 2*int(phone.height) {
			b.t.Errorf("in %s the page is %d pixels high", lang, height)
		}
		if eval[int](b, `Array.from(document.querySelectorAll('.sensitive .reason')).filter(e => e.getClientRects().length).length`) == 0 {
			b.t.Errorf("in %s no reason for a sensitive field is in sight", lang)
		}
	}
}

// In large text, on a small phone, the login's button is on the first screen.
func TestLoginFirstScreen(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, size{"small", 360, 640})
	b.open(d.Issuer)
	b.follow("#text-size")
	b.open(d.Departments[0].URL)
	b.click("#apply")
	b.waitFor("#phone")
	b.good("login-large", "登录", "居住证服务")
	for _, button := range []string{"#send-code", "#submit"} { // of the phone, then of the password
		if bottom := eval[float64](b, fmt.Sprintf(`document.querySelector(%q).getBoundingClientRect().bottom`, button)); bottom > 640 || bottom <= 0 {
			t.Errorf("%s ends %v pixels below the top of the page", button, bottom)
		}
		b.click("label[for=way-password]")
	}
}

// At a width of 320 pixels no page has to be moved sideways, in either size of text,
// the departments' pages neither.
func TestReflow(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, large := range []bool{false, true} {
		b := newBrowser(t, size{"narrow", 320, 640})
		fits := func(name string) {
			t.Helper()
			b.wait(`document.readyState === 'complete'`)
			b.shoot("narrow-" + name)
			if width := eval[int](b, `document.documentElement.scrollWidth`); width > 320 {
				t.Errorf("%s, large text %t: %d pixels wide", name, large, width)
			}
		}
		b.open(d.Issuer)
		if large {
			b.follow("#text-size")
		}
		fits("front")
		b.open(d.Departments[0].URL)
		fits("department")
		b.click("#apply")
		b.waitFor("#username")
		fits("login")
		before := len(d.messages(t, d.People[0]))
		b.fill("#username", d.People[0].Login)
		b.fill("#password", d.People[0].Password)
		b.click("#submit")
		b.waitFor("#code, #send")
		fits("code")
		b.confirm(d, d.People[0], before)
		b.waitFor("#approve")
		fits("consent")
		b.pick(section("dwelling"), "9900002")
		b.click("#approve")
		b.waitAt(d.Departments[0].URL + "/case")
		fits("case")
		for _, path := range []string{"/licenses", "/licenses/" + d.Licenses[0].ID, "/records", "/grants", "/sessions", "/security", "/security/app", "/security/recovery", "/password", "/verify", "/logout", "/nowhere", "/docs"} {
			b.open(d.Issuer + path)
			b.waitFor("h1")
			fits("page" + regexp.MustCompile(`\W`).ReplaceAllString(path, "-"))
		}
		b.open(d.Issuer + "/preferences?language=en&to=/licenses") // English words are longer
		b.waitFor("a.license")
		links := eval[[]string](b, `Array.from(document.querySelectorAll('a.license'), a => a.href)`)
		for i, link := range append(links, d.Issuer+"/licenses", d.Issuer+"/grants") {
			b.open(link)
			b.waitFor("h1")
			fits(fmt.Sprintf("en-%d", i))
			if cut := eval[[]string](b, `Array.from(document.querySelectorAll('.license, .entries > li')).filter(e => e.scrollWidth > e.clientWidth).map(e => e.innerText)`); len(cut) > 0 {
				t.Errorf("large text %t: cut off in English: %q", large, cut)
			}
		}
	}
}

// Each license prints on one page, in both languages: the card, what it is verified with, the date,
// and that the online result counts. Who read it is nobody's business.
func TestPrintedLicense(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, pc)
	b.consent(d, d.Departments[0].URL, d.People[0])
	b.pick(section("dwelling"), "9900002")
	b.click("#approve")
	b.waitAt(d.Departments[0].URL + "/case")
	b.open(d.Issuer + "/licenses/" + d.Licenses[0].ID)
	b.waitFor("#verification-code")
	b.says("用证记录", "居住证服务（样例）")
	identifier, code := b.text("#identifier"), b.text("#verification-code")
	b.do("print", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
		return err
	}))
	b.says("居住证（样例）", "样居字第990102000001号", identifier, code, "打印时间："+time.Now().In(time.FixedZone("", 8*3600)).Format("2006年1月2日"), "以在线核验结果为准", d.Issuer+"/verify")
	b.silent("居住证服务（样例）", "我的授权", "打开核验页面")
	for _, lang := range []string{"zh-CN", "en"} {
		b.open(d.Issuer + "/preferences?language=" + lang + "&to=/licenses")
		b.waitFor("a.license")
		for _, link := range eval[[]string](b, `Array.from(document.querySelectorAll('a.license'), a => a.href)`) {
			b.open(link)
			b.waitFor("#verification-code")
			if pages := b.printedPages(); pages != 1 {
				t.Errorf("in %s, printed, %s has %d pages", lang, b.text("#main"), pages)
			}
		}
	}
}

// printedPages prints the page on A4 and counts the sheets.
func (b *browser) printedPages() int {
	b.t.Helper()
	var pdf []byte
	b.do("print to PDF", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		r, err := cdp.Call(ctx, t, page.PrintToPDF, page.PrintToPDFParams{PrintBackground: new(true), PaperWidth: 8.27, PaperHeight: 11.69})
		if err == nil {
			pdf = r.Data
		}
		return err
	}))
	if !bytes.HasPrefix(pdf, []byte("%PDF")) {
		b.fail("what is printed is no PDF")
	}
	return len(regexp.MustCompile(`/Type\s*/Page\b`).FindAll(pdf, -1))
}

// A link fills in what a license is verified by, and leaves nothing in the address.
func TestVerifyLink(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b := newBrowser(t, phone)
	b.open(d.Issuer + "/licenses/" + d.Licenses[0].ID)
	b.waitFor("#username")
	b.logIn(d, d.People[0])
	b.waitFor("#verification-code")
	fragment := url.Values{"i": {b.text("#identifier")}, "c": {b.text("#verification-code")}}.Encode()

	other := newBrowser(t, phone)
	other.open(d.Issuer + "/verify#" + regexp.MustCompile(`\+`).ReplaceAllString(fragment, "%20"))
	other.waitFor("#identifier")
	other.wait(`document.querySelector('#code').value !== ''`)
	if at := eval[string](other, `location.href`); at != d.Issuer+"/verify" {
		t.Errorf("the address is %s", at)
	}
	other.follow("#submit")
	other.good("verify-link", "真实有效", "居住证（样例）")
	if !eval[bool](other, `Array.from(document.querySelectorAll('.check-skipped')).every(e => e.closest('details:not([open]) ul'))`) {
		t.Error("what was not checked is unfolded")
	}
}
