package e2e

import (
	"bytes"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/pquerna/otp/totp"
)

// Somebody adds an app from the QR code on their screen, logs in with it on another browser, makes
// recovery codes, and removes the app when the phone is lost. Each page is looked at by axe.
func TestSecurityPages(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	who := d.People[0]
	wide, mobile := newBrowser(t, pc), newBrowser(t, phone)
	wide.open(d.Issuer + "/security/app")
	wide.waitFor("#username")
	wide.logIn(d, who)
	wide.waitFor("#secret")
	wide.good("app", "添加身份验证器", "扫描二维码", "填写身份验证器显示的动态码")
	secret := wide.scanned(t)
	codeAt := func(steps time.Duration) string {
		code, err := totp.GenerateCode(secret, time.Now().Add(steps*30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	wide.fill("#code", codeAt(0))
	wide.click("#submit")
	wide.waitFor("[role=status]")
	wide.good("added", "账号与安全", "身份验证器动态码", "我的手机", "已添加")
	if _, told := d.inbox(t, who); !strings.Contains(told[0], "已添加登录方式") {
		t.Errorf("the person is told %q", told[0])
	}

	told := len(d.messages(t, who))
	mobile.open(d.Issuer + "/licenses")
	mobile.waitFor("#username")
	mobile.fill("#username", who.Login)
	mobile.fill("#password", who.Password)
	mobile.click("#submit")
	mobile.waitFor("#use-sms")
	mobile.good("code", "动态码验证", "改用其他方式验证", "短信验证码")
	mobile.fill("#code", codeAt(1))
	mobile.click("#submit")
	mobile.waitFor("a.license")
	if n := len(d.messages(t, who)); n != told {
		t.Errorf("logging in with an app sends %d messages", n-told)
	}

	mobile.open(d.Issuer + "/security/recovery")
	mobile.waitFor("#submit")
	mobile.good("recovery", "恢复码", "只能使用一次")
	mobile.click("#submit")
	mobile.waitFor("#done")
	mobile.good("codes", "请抄写或者打印", "不要告诉任何人")
	codes := strings.Fields(eval[string](mobile, `Array.from(document.querySelectorAll('.codes li'), e => e.textContent).join(' ')`))
	if len(codes) != 10 {
		t.Fatalf("codes are %q", codes)
	}
	mobile.open(d.Issuer + "/security")
	mobile.waitFor("h1")
	mobile.good("security", "剩余 10 个", "登录设备", who.Name)
	mobile.click("#events")
	mobile.waitFor(".trail")
	mobile.good("events", "账号动态", "添加登录方式或者生成恢复码", "登录后验证身份", "身份验证器动态码", "本设备", "账号开通")
	wide.open(d.Issuer + "/security/events")
	wide.waitFor(".trail")
	wide.good("events-pc", "账号动态", "短信验证码", "修改密码")

	// The phone is lost: a recovery code, and the app is removed.
	third := newBrowser(t, pc)
	third.open(d.Issuer + "/security/change")
	third.waitFor("#username")
	third.fill("#username", who.Login)
	third.fill("#password", who.Password)
	third.click("#submit")
	third.waitFor("#use-recovery")
	third.click("#use-recovery")
	third.waitFor("#code")
	third.good("use", "恢复码验证")
	third.fill("#code", strings.ToLower(codes[0]))
	third.click("#submit")
	third.waitFor("button.stop, .entries details")
	third.says("剩余 9 个")
	third.click(".entries li[id^=app-] details:last-of-type summary")
	third.waitFor(".entries li[id^=app-] button.stop")
	third.good("remove", "确定删除", "其他设备上的登录将全部退出")
	third.click(".entries li[id^=app-] button.stop")
	third.waitFor("[role=status]")
	third.says("已删除")
	third.silent("我的手机")
	mobile.open(d.Issuer + "/licenses")
	mobile.waitFor("#username")
	wide.open(d.Issuer + "/licenses")
	wide.waitFor("#username")
}

// scanned returns the secret of the QR code on the screen, as a foreign reader sees it, and checks
// that it is the one that can be typed.
func (b *browser) scanned(t *testing.T) string {
	t.Helper()
	text := b.readQR(t)
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" {
		t.Fatalf("the QR code says %q, %v", text, err)
	}
	secret := u.Query().Get("secret")
	if typed := strings.ReplaceAll(eval[string](b, `document.querySelector('#secret').textContent`), " ", ""); typed != secret {
		t.Errorf("the secret is %q in the code, %q beside it", secret, typed)
	}
	return secret
}

// readQR returns what the QR code on the screen says, as a foreign reader sees it.
func (b *browser) readQR(t *testing.T) string {
	t.Helper()
	data, err := b.picture(true)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	read, err := qrcode.NewQRCodeReader().Decode(bitmap, nil)
	if err != nil {
		t.Fatalf("the QR code can't be read: %v", err)
	}
	return read.GetText()
}

// Somebody guesses a password; its owner sees it afterwards, in large text on a small phone, and
// in English.
func TestSecurityEvents(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	who := d.People[1]
	guess := newBrowser(t, pc)
	for range 4 {
		guess.open(d.Issuer + "/security")
		guess.waitFor("#username")
		guess.fill("#username", who.Login)
		guess.fill("#password", "guessed 1234567")
		guess.click("#submit")
		guess.waitFor("#problem")
	}
	b := newBrowser(t, size{"small", 360, 640})
	b.open(d.Issuer)
	b.follow("#text-size")
	b.open(d.Issuer + "/security/events")
	b.waitFor("#username")
	b.fill("#username", who.Login)
	b.fill("#password", who.Password)
	b.click("#submit")
	b.waitFor(".trail")
	b.good("large", "账号动态", "当天有多次尝试未成功", "密码登录未成功 4 次", "本设备")
	b.open(d.Issuer + "/preferences?language=en&to=/security/events")
	b.waitFor(".trail")
	b.good("large-english", "Account activity", "Several attempts failed on this day", "Password login failed 4 times", "Done by staff")
	b.open(d.Issuer + "/security")
	b.waitFor("#events")
	b.good("large-account", "Account activity", "See all activity")
}
