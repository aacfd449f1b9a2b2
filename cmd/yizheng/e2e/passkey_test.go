package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// device is an authenticator that Chromium pretends to have.
type device struct {
	b  *browser
	id webauthn.AuthenticatorID
}

// withDevice gives the browser a phone's lock screen, whose owner is there and has unlocked it.
func (b *browser) withDevice() *device {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	id, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) (webauthn.AuthenticatorID, error) {
		if _, err := cdp.Call(ctx, t, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return "", err
		}
		r, err := cdp.Call(ctx, t, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Ctap2version: "ctap2_1", Transport: "internal", HasResidentKey: true, HasUserVerification: true, IsUserVerified: true,
		}})
		return r.AuthenticatorID, err
	})
	if err != nil {
		b.fail("adding an authenticator: %v", err)
	}
	d := &device{b, id}
	d.present(false) // or else it would answer by itself as soon as a page lists passkeys under a field
	return d
}

// present says whether somebody is there to answer.
func (d *device) present(there bool) {
	d.b.t.Helper()
	d.b.do("presence", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, webauthn.SetAutomaticPresenceSimulation, webauthn.SetAutomaticPresenceSimulationParams{AuthenticatorID: d.id, Enabled: there})
		return err
	}))
}

// verifies says whether the device recognizes who is there.
func (d *device) verifies(yes bool) {
	d.b.t.Helper()
	d.b.do("verification", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: d.id, IsUserVerified: yes})
		return err
	}))
}

// passkeys returns how many the device has.
func (d *device) passkeys() int {
	d.b.t.Helper()
	ctx, cancel := context.WithTimeout(d.b.ctx, patience)
	defer cancel()
	n, err := chromedp.Run(ctx, func(ctx context.Context, t *chromedp.Target) (int, error) {
		r, err := cdp.Call(ctx, t, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: d.id})
		return len(r.Credentials), err
	})
	if err != nil {
		d.b.fail("looking into the authenticator: %v", err)
	}
	return n
}

// Somebody logs in with a password, adds a passkey, logs out, and logs in with it alone at a
// department that asks for two factors; then it is removed, and is refused. On a phone and a PC.
func TestPasskey(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for i, s := range []size{phone, pc} {
		t.Run(s.name, func(t *testing.T) { passkeyStory(newBrowser(t, s), d, d.People[i]) })
	}
}

func passkeyStory(b *browser, d *demo, who person) {
	mine := b.withDevice()
	b.open(d.Issuer + "/security/passkey")
	b.waitFor("#username")
	b.logIn(d, who)
	b.waitFor("#passkey")
	b.good("add", "添加通行密钥", "不用填写密码和验证码")
	b.silent("当前浏览器或者设备不能使用通行密钥")
	mine.verifies(false)
	mine.present(true)
	b.click("#passkey")
	b.waitFor("[data-told]")
	b.good("cancelled", "没有添加", "请重试")
	mine.verifies(true)
	b.fill("#name", "家里的电脑")
	b.click("#passkey")
	b.waitFor("[role=status]")
	b.good("added", "账号与安全", "通行密钥", "家里的电脑", "已添加")
	if _, told := d.inbox(b.t, who); !strings.Contains(told[0], "已添加登录方式：通行密钥") {
		b.t.Errorf("the person is told %q", told[0])
	}
	if n := mine.passkeys(); n != 1 {
		b.t.Errorf("the device has %d passkeys", n)
	}
	time.Sleep(3 * time.Second) // what was read of the account is kept for two
	b.open(d.Issuer + "/security/passkey")
	b.waitFor("#passkey")
	b.says("通行密钥验证") // now that there is one, the code that was typed isn't enough
	b.click("#passkey")
	b.waitFor("#name")
	b.click("#passkey")
	b.waitFor("[data-told]")
	b.says("这台设备上已有您的通行密钥")
	mine.present(false)

	b.open(d.Issuer + "/logout")
	b.follow("#submit")
	told := len(d.messages(b.t, who))
	b.open(d.Departments[0].URL)
	b.click("#apply")
	b.waitFor("#passkey")
	b.good("login", "用通行密钥登录", "不用填写密码")
	mine.verifies(false)
	mine.present(true)
	b.click("#passkey")
	b.waitFor("[data-told]")
	b.good("not-verified", "没有完成验证", "改用其他方式")
	mine.verifies(true)
	b.click("#passkey")
	b.waitFor("#approve")
	b.says("授权用证")
	if n := len(d.messages(b.t, who)); n != told {
		b.t.Errorf("logging in with a passkey sends %d messages", n-told)
	}
	mine.present(false)

	// As the second step, after the password.
	b.open(d.Issuer + "/logout")
	b.follow("#submit")
	b.open(d.Issuer + "/security/change")
	b.waitFor("#username")
	b.fill("#username", who.Login)
	b.fill("#password", who.Password)
	b.click("#submit")
	b.waitFor("#use-sms")
	b.waitFor("#passkey")
	b.good("code", "通行密钥验证", "改用其他方式验证", "短信验证码")
	mine.present(true)
	b.click("#passkey")
	b.waitFor(".entries details")
	b.good("security", "家里的电脑", "最近使用", who.Name)
	mine.present(false)
	b.click(".entries li[id^=passkey-] details:last-of-type summary")
	b.waitFor(".entries li[id^=passkey-] button.stop")
	b.good("remove", "请在设备的密码管理中一并删除")
	b.click(".entries li[id^=passkey-] button.stop")
	b.waitFor("[role=status]")
	b.says("已删除")
	b.silent("家里的电脑")

	b.open(d.Issuer + "/logout")
	b.follow("#submit")
	b.open(d.Issuer + "/licenses")
	b.waitFor("#passkey")
	mine.present(true)
	b.click("#passkey")
	b.waitFor("#problem")
	b.good("refused", "该通行密钥不能用于登录", "请改用账号和密码登录")
}

// A browser lists the passkeys under the field of the login name: whoever picks one is logged in.
func TestPasskeyListed(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	b, who := newBrowser(t, pc), d.People[0]
	mine := b.withDevice()
	b.open(d.Issuer + "/security/passkey")
	b.waitFor("#username")
	b.logIn(d, who)
	b.waitFor("#passkey")
	mine.present(true)
	b.click("#passkey")
	b.waitFor("[role=status]")
	b.open(d.Issuer + "/logout")
	b.follow("#submit")
	b.open(d.Issuer + "/licenses") // Chromium's authenticator picks the passkey by itself
	b.waitFor("a.license")
}
