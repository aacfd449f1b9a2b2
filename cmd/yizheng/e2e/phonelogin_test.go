package e2e

import (
	"testing"
)

// Somebody logs in with a phone whose owner isn't known for sure: code, name and number, then the
// password for the licenses. Once the phone is proved, the next device gets in by the code alone. On a
// phone and a PC, each page looked at by axe; once without scripts.
func TestPhoneLogin(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for i, s := range []size{phone, pc} {
		t.Run(s.name, func(t *testing.T) {
			who := d.People[i]
			b := newBrowser(t, s)
			b.open(d.Departments[0].URL)
			b.click("#apply")
			b.waitFor("#phone")
			b.good("phone-number", "短信验证码登录", "密码登录", "手机号", "发送验证码")
			b.fill("#phone", "12345")
			b.click("#send-code")
			b.waitFor("#problem")
			b.good("phone-invalid", "手机号格式不正确")
			before := len(d.messages(t, who))
			b.fill("#phone", who.Phone)
			b.click("#send-code")
			b.waitFor("#code")
			b.good("phone-code", "验证码已发送", "秒后可重新发送", "使用其他手机号")
			b.fill("#code", "000000")
			b.click("#submit")
			b.waitFor("#problem")
			b.says("验证码不正确")
			b.fill("#code", d.code(t, who, before))
			b.click("#submit")
			b.waitFor("#ending")
			b.good("phone-whose", "身份确认", "姓名", "证件号码后四位")
			b.fill("#name", "样例某某")
			b.fill("#ending", "0000")
			b.click("#submit")
			b.waitFor("#problem")
			b.good("phone-refused", "不相符", "还没有账号")
			b.fill("#name", who.Name)
			b.fill("#ending", who.Code[len(who.Code)-4:])
			b.click("#submit")
			b.waitFor("#code[type=password]")
			b.good("phone-password", "密码验证", "请再输入登录密码")
			b.fill("#code", who.Password)
			b.click("#submit")
			b.waitFor("#approve")

			plain := newBrowser(t, s)
			plain.scripts(false)
			plain.open(d.Issuer + "/sessions")
			plain.waitFor("#phone")
			before = len(d.messages(t, who))
			plain.click("label[for=way-password]")
			plain.click("label[for=way-phone]")
			plain.fill("#phone", who.Phone)
			plain.click("#send-code")
			plain.waitFor("#code")
			plain.fill("#code", d.code(t, who, before))
			plain.click("#submit")
			plain.wait(`document.querySelector('main') && !document.querySelector('#phone, #ending')`)
			plain.shoot("phone-plain")
		})
	}
}
