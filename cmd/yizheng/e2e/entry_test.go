package e2e

import (
	"testing"
)

// Somebody comes for the first time: they register on the way to a department, and find the license that the
// state had issued to them before. Each page is looked at by axe, on a phone.
func TestRegister(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	who := d.People[len(d.People)-1]
	if who.Login != "" {
		t.Fatalf("%s has an account already", who.Name)
	}
	b := newBrowser(t, phone)
	b.open(d.Issuer + "/licenses")
	b.waitFor("#register")
	b.good("login-entries", "忘记密码", "还没有账号？注册")
	b.click("#register")
	b.waitFor("#phone")
	b.good("register-phone", "注册账号", "手机号", "发送验证码", "返回登录")
	b.fill("#phone", "12345")
	b.click("#submit")
	b.waitFor("#problem")
	b.says("手机号格式不正确")
	before := len(d.messages(t, who))
	b.fill("#phone", who.Phone)
	b.click("#submit")
	b.waitFor("#code")
	b.good("register-code", "验证码已发送", "秒后可重新发送")
	code := d.code(t, who, before)
	b.fill("#code", code)
	b.click("#submit")
	b.waitFor("#number")
	b.good("register-person", "姓名", "证件类型", "证件号码", "居民身份证、港澳台居民居住证")
	b.fill("#name", who.Name)
	b.fill("#number", "99010219991111")
	b.click("#submit")
	b.waitFor("#problem")
	b.good("register-wrong", "证件号码填写不正确")
	b.fill("#number", who.Code)
	b.click("#submit")
	b.waitFor("#password")
	b.good("register-made", "注册成功", "建议现在设置", "以后再设置，返回登录")
	const password = "three moons over rice"
	b.fill("#password", password)
	b.fill("#repeat", password)
	b.click("#submit")
	b.waitFor("#username")
	b.says("密码已设置")
	before = len(d.messages(t, who))
	b.fill("#username", who.Phone)
	b.fill("#password", password)
	b.click("#submit")
	b.confirm(d, who, before)
	b.waitAt(d.Issuer + "/licenses")
	b.good("register-licenses", "我的证照", "居住证（样例）")
}

// Two people forgot the password: one on a PC with scripts, one on a phone without.
func TestForgot(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for i, s := range []size{pc, phone} {
		t.Run(s.name, func(t *testing.T) {
			who := d.People[i]
			b := newBrowser(t, s)
			b.scripts(s == pc)
			look := b.good
			if s == phone { // axe is a script
				look = func(name string, texts ...string) { b.shoot(name); b.says(texts...) }
			}
			b.open(d.Issuer + "/sessions")
			b.waitFor("#forgot")
			b.click("#forgot")
			b.waitFor("#phone")
			look("forgot-phone", "忘记密码", "手机号")
			before := len(d.messages(t, who))
			b.fill("#phone", who.Phone)
			b.click("#submit")
			b.waitFor("#code")
			b.fill("#code", "000000")
			b.click("#submit")
			b.waitFor("#problem")
			b.says("验证码不正确")
			b.fill("#code", d.code(t, who, before))
			b.click("#submit")
			b.waitFor("#number")
			b.fill("#name", "样例某某")
			b.fill("#number", who.Code)
			b.click("#submit")
			b.waitFor("#problem")
			look("forgot-refused", "未能在线核验您的身份", "政务服务大厅")
			b.fill("#name", who.Name)
			b.fill("#number", who.Code)
			b.click("#submit")
			b.waitFor("#password")
			look("forgot-password", "身份已核验", "新密码")
			const password = "three moons over rice"
			b.fill("#password", password)
			b.fill("#repeat", password)
			b.click("#submit")
			b.waitFor("#username")
			b.fill("#username", who.Login)
			b.fill("#password", password)
			b.click("#submit")
			b.wait(`document.querySelector('main h1') && !document.querySelector('#username')`)
			b.says("登录设备")
			b.open(d.Issuer + "/licenses")
			b.waitFor("main h1")
			look("forgot-waits", "暂时不能用短信验证码验证身份", "24 小时")
			b.open(d.Issuer + "/security/events")
			look("forgot-trail", "在线核验身份，找回账号", "设置密码")
		})
	}
}
