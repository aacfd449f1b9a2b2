package e2e

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// from has the service take the browser's address for another one, as a proxy names it.
func (b *browser) from(address string) {
	b.t.Helper()
	b.do("set address", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"X-Forwarded-For": address}})
		return err
	}))
}

// Somebody logs in on a PC by their phone: the phone reads the code from the PC's screen, and the
// PC goes on by itself. Then a code that is read elsewhere, a refusal, and once without scripts.
// Each page is looked at by axe.
func TestScanLogin(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--trusted-proxy", "127.0.0.1,::1")
	who := d.People[0]
	wide, mobile := newBrowser(t, pc), newBrowser(t, phone)
	wide.open(d.Departments[0].URL)
	wide.click("#apply")
	wide.waitFor("#scan")
	wide.good("scan-login", "手机扫码登录")
	wide.click("#scan")
	wide.waitFor(".qr")
	wide.good("scan-asked", "扫码登录", "核对数字", "秒内有效", "使用其他方式登录")
	link := wide.readQR(t)
	if !strings.HasPrefix(link, d.Issuer+"/scan/") {
		t.Fatalf("the code says %s", link)
	}
	digits := wide.text("#digits")

	mobile.open(link)
	mobile.waitFor("#username")
	if eval[bool](mobile, `!!document.querySelector('#scan') && document.querySelector('#scan').offsetParent !== null`) {
		t.Error("a phone is offered to scan its own screen")
	}
	mobile.logIn(d, who)
	mobile.waitFor("#confirm")
	mobile.good("scan-phone", "确认在电脑上登录", who.Name, "Chrome", "市民中心一楼大厅", "取消登录", "工作人员不会通过电话")
	if got := mobile.text("#digits"); got != digits || len(digits) != 2 {
		t.Errorf("the phone shows %q, and the PC %q", got, digits)
	}
	wide.wait(`document.querySelector('[role=status]')`)
	wide.good("scan-seen", "已扫码")
	mobile.click("#confirm")
	mobile.waitFor("[role=status]")
	mobile.good("scan-done", "已确认，请在电脑上继续")
	wide.waitFor("#approve") // by itself

	// Read from elsewhere: what the phone's person must say before.
	other := newBrowser(t, pc)
	other.from("203.0.113.9")
	other.open(d.Issuer + "/licenses")
	other.click("#scan")
	other.waitFor(".qr")
	mobile.open(other.readQR(t))
	mobile.waitFor("#present")
	mobile.good("scan-far", "203.0.113.9", "不在同一网络", "我本人就在这台电脑前")
	mobile.open(d.Issuer + "/preferences?text=large&to=" + mobile.at().EscapedPath())
	mobile.waitFor("#present")
	mobile.good("scan-far-large", "不在同一网络")
	mobile.open(d.Issuer + "/preferences?language=en&to=" + mobile.at().EscapedPath())
	mobile.waitFor("#present")
	mobile.good("scan-far-english", "Confirm a login on a computer", "not in the same network")
	mobile.resize(pc)
	mobile.good("scan-far-wide", "Cancel the login")
	mobile.resize(phone)
	mobile.click("#refuse")
	mobile.waitFor("[role=status]")
	mobile.good("scan-refused", "Cancelled")
	other.wait(`!document.querySelector('.qr') && document.querySelector('#scan')`)
	other.good("scan-gone", "二维码已失效", "刷新二维码")
	other.resize(phone)
	other.good("scan-gone-narrow", "二维码已失效")

	// The code's page in large text, in English, and on a phone's screen.
	other.resize(pc)
	other.click("#scan")
	other.waitFor(".qr")
	for _, set := range []string{"text=large", "language=en"} {
		other.open(d.Issuer + "/preferences?" + set + "&to=" + url.QueryEscape(other.at().RequestURI()))
		other.waitFor(".qr")
		other.good("scan-asked-" + set)
	}
	other.resize(phone)
	other.good("scan-asked-narrow", "This code is valid for")

	// Without scripts the PC's person says that they confirmed.
	plain := newBrowser(t, pc)
	plain.scripts(false)
	plain.open(d.Issuer + "/sessions")
	plain.click("#scan")
	plain.waitFor(".qr")
	mobile.open(plain.readQR(t))
	mobile.click("#confirm")
	mobile.waitFor("[role=status]")
	plain.click("#submit")
	plain.waitFor("[role=status]") // first the page names who confirmed
	plain.says("已在手机上确认")
	plain.click("#submit")
	plain.waitAt(d.Issuer + "/sessions")
	plain.says("本设备")
	mobile.open(d.Issuer + "/security/events")
	mobile.good("scan-events", "confirmed on your phone", "Confirmation on your phone", "cancelled on your phone")
}
