package e2e

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// logIn fills in the login page and the page of the one-time code, up to
// whatever comes then.
func (b *browser) logIn(d *demo, p person) {
	b.t.Helper()
	before := len(d.messages(b.t, p))
	b.fill("#username", p.Login)
	b.fill("#password", p.Password)
	b.click("#submit")
	b.confirm(d, p, before)
}

// confirm fills in the code that is sent.
func (b *browser) confirm(d *demo, p person, before int) {
	b.t.Helper()
	b.wait(`document.querySelector('#code') || document.querySelector('#send')`)
	if eval[bool](b, `!!document.querySelector('#send')`) {
		b.click("#send")
	}
	b.waitFor("#code")
	b.fill("#code", d.code(b.t, p, before))
	b.click("#submit")
}

// pick ticks the box, or takes the option, that stands in a label with a text
// within an element.
func (b *browser) pick(within, text string) {
	b.t.Helper()
	b.waitFor(within)
	found := eval[bool](b, fmt.Sprintf(`(() => {
		document.querySelectorAll('[data-picked]').forEach(e => e.removeAttribute('data-picked'))
		const label = Array.from(document.querySelectorAll(%q)).flatMap(e => Array.from(e.querySelectorAll('label'))).find(l => l.innerText.includes(%q))
		if (!label) return false
		label.setAttribute('data-picked', '')
		label.scrollIntoView({block: 'center'}) // as people do: the bar at the bottom may lie over it
		return true
	})()`, within, text))
	if !found {
		b.fail("within %s nothing to tick says %q", within, text)
	}
	b.click("[data-picked]")
}

// ticked counts the ticked boxes of a name.
func (b *browser) ticked(name string) int {
	b.t.Helper()
	return eval[int](b, fmt.Sprintf(`document.querySelectorAll('input[type=checkbox][name=%q]:checked').length`, name))
}

// section selects a material of the consent page.
func section(material string) string {
	return fmt.Sprintf(`section[aria-labelledby="material-%s"]`, material)
}

// The outcome's story, on a phone and on a PC: one login, one consent, the
// licenses arrive; at the second department no login; in the portal who read
// what; a grant is withdrawn and over at once; logged out everywhere.
func TestStory(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for _, s := range []size{phone, pc} {
		t.Run(s.name, func(t *testing.T) {
			(&story{browser: newBrowser(t, s), d: d, who: d.People[0]}).tell()
		})
	}
}

type story struct {
	*browser
	d     *demo
	who   person
	strip [][]byte // pictures of its scenes, as the screen shows them
}

func (s *story) tell() {
	police, market := s.d.Departments[0], s.d.Departments[1]
	s.firstDepartment(police.URL)
	s.secondDepartment(market.URL)
	s.portal()
	s.withdraw(market.URL)
	s.leave(police.URL)
	s.show()
}

// scene keeps a picture of what the screen shows.
func (s *story) scene() {
	s.t.Helper()
	eval[bool](s.browser, `(window.scrollTo(0, 0), true)`)
	data, err := s.picture(false)
	if err != nil {
		s.fail("taking a picture: %v", err)
	}
	s.strip = append(s.strip, data)
}

// show lays the scenes side by side: the picture of the README is made so.
func (s *story) show() {
	s.t.Helper()
	var page strings.Builder
	page.WriteString(`<!doctype html><title>strip</title><body style="margin:0;padding:24px;display:flex;gap:24px;background:#dfe4ea">`)
	for _, data := range s.strip {
		fmt.Fprintf(&page, `<img alt="" style="border-radius:18px;box-shadow:0 2px 10px #0003" src="data:image/png;base64,%s">`, base64.StdEncoding.EncodeToString(data))
	}
	file := filepath.Join(s.t.TempDir(), "strip.html")
	if err := os.WriteFile(file, []byte(page.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	b := newBrowser(s.t, size{s.size.name, int64(len(s.strip))*(s.size.width+24) + 24, s.size.height + 48})
	b.open("file://" + file)
	b.wait(`document.readyState === 'complete'`)
	b.shoot("strip")
}

// firstDepartment logs in and agrees: three screens.
func (s *story) firstDepartment(url string) {
	s.t.Helper()
	s.open(url)
	s.good("1-start", "居住证签注", "登录并用电子证照办理")
	s.scene()
	s.click("#apply")
	s.waitAt(s.d.Issuer)
	s.waitFor("#username")
	s.good("2-login", "登录", "青禾市公安局（样例）", "居住证服务（样例）")
	before := len(s.d.messages(s.t, s.who))
	s.fill("#username", s.who.Login)
	s.fill("#password", s.who.Password)
	s.click("#submit")
	s.waitFor("#code, #send")
	s.good("3-code", "短信验证", "青禾市公安局（样例）")
	s.silent(s.who.Phone, strings.TrimPrefix(s.who.Phone, "+86"))
	s.confirm(s.d, s.who, before)

	s.waitFor("#approve")
	s.good("4-consent", "授权用证", "青禾市公安局（样例）", "居住证签注（样例）", "核对您的居住证和现住所",
		"居住证（样例）", "样居字第990102000001号", "云（2021）青禾市不动产权第9900002号（样例）", "云（2024）青禾市不动产权第9900003号（样例）",
		"签注以证上的居住地址为准", "结婚证（样例）")
	if n := s.ticked("part"); n != 0 {
		s.fail("%d sensitive fields are ticked before anybody agreed to them", n)
	}
	s.scene()
	// Which home is for the person to say; the marriage certificate is optional, and stays here.
	s.pick(section("residence-permit"), "居住地址")
	s.pick(section("dwelling"), "9900002")
	s.shoot("4-consent-filled")
	s.click("#approve")

	s.waitAt(url + "/case")
	s.good("5-case", "材料已收到", s.who.Name, "样居字第990102000001号", "青禾市样例区样例路1号", "云（2021）青禾市不动产权第9900002号（样例）",
		"已核验", "您选择不提供", "必交材料已齐")
	s.scene()
	// Not what nobody agreed to: the other home, where this one is, and what the item didn't ask for.
	s.silent("9900003", "2幢302室", "云岭省样例县样例乡1号", "1988-03-12")
}

// secondDepartment needs no login.
func (s *story) secondDepartment(url string) {
	s.t.Helper()
	s.open(url)
	s.click("#apply")
	s.waitAt(s.d.Issuer)
	s.wait(`document.querySelector('#for-self') || document.querySelector('#approve') || document.querySelector('#username')`)
	if eval[bool](s.browser, `!!document.querySelector('#username, #password, #code')`) {
		s.fail("the second department asks for a login")
	}
	s.asSelf()
	s.good("6-consent", "授权用证", "青禾市市场监督管理局（样例）", "食品经营许可新办（样例）", "从业人员健康证明", "此类证照尚未全部归集")
	s.pick(section("business-license"), "92990102MA0007073A")
	s.pick(section("premises"), "9900003")
	s.click("#approve")
	s.waitAt(url + "/case")
	s.good("7-case", "材料已收到", "青禾市样例区样例面馆（个体工商户）", "还需纸质提交：从业人员健康证明", "此类证照尚未归集到证照库")
}

// portal shows the licenses, and who read what.
func (s *story) portal() {
	s.t.Helper()
	s.open(s.d.Issuer)
	s.waitFor("h1")
	s.accessible()
	s.open(s.d.Issuer + "/licenses")
	s.waitFor("a.license")
	s.good("8-licenses", "我的证照", "居住证（样例）", "营业执照（样例）", "结婚证（样例）", s.who.Name)
	s.scene()
	s.click(fmt.Sprintf(`a.license[href="/licenses/%s"]`, s.d.Licenses[0].ID))
	s.waitFor("#verification-code")
	s.good("9-license", "居住证（样例）", "样居字第990102000001号", "云岭省样例县样例乡1号", "青禾市公安局（样例）")
	s.open(s.d.Issuer + "/records")
	s.good("10-records", "用证记录", "青禾市公安局（样例）", "青禾市市场监督管理局（样例）", "居住证签注（样例）", "食品经营许可新办（样例）")
	s.open(s.d.Issuer + "/sessions")
	s.good("11-sessions", "登录设备")
}

// withdraw ends the second department's grant: it can read nothing more.
func (s *story) withdraw(url string) {
	s.t.Helper()
	s.open(url + "/case")
	s.follow("#refresh")
	s.says("材料已收到") // it can still read

	s.open(s.d.Issuer + "/grants")
	s.good("12-grants", "我的授权", "青禾市公安局（样例）", "青禾市市场监督管理局（样例）", "食品经营许可新办（样例）")
	s.click("main ul.entries > li:first-child summary") // the newest
	s.click("main ul.entries > li:first-child button.stop")
	s.waitFor("[role=status]")
	s.good("13-withdrawn", "授权已撤回，用证单位已不能再读取。")

	s.open(url + "/case")
	s.follow("#refresh")
	s.good("14-over", "没有收到电子证照", "不能再读取：授权已经结束")
	s.silent("青禾市样例区样例面馆（个体工商户）")
}

// leave logs out at the department, and everywhere.
func (s *story) leave(url string) {
	s.t.Helper()
	s.open(url)
	s.click("#logout")
	s.waitAt(s.d.Issuer)
	s.waitFor("#submit")
	s.good("15-logout", "退出登录", "居住证服务（样例）")
	s.click("#submit")
	s.waitAt(url + "/logged-out")
	s.good("16-logged-out", "您已退出")
	s.open(s.d.Issuer + "/licenses")
	s.waitFor("#username")
	s.silent(s.who.Name)
	s.good("17-portal-login", "登录")
}
