package e2e

import "testing"

// Somebody comes from the province's login to the consent page of a department, without typing anything; sees
// the link in their account, and removes it. Another platform is believed less: what it lacks, the page says.
// On a phone and a PC, each page looked at by axe; once without scripts.
func TestUpstream(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	for i, s := range []size{phone, pc} {
		t.Run(s.name, func(t *testing.T) {
			who := d.People[i]
			b := newBrowser(t, s)
			b.open(d.Departments[0].URL)
			b.click("#apply")
			b.waitFor("#upstream-yunling")
			b.good("upstream-login", "用其他平台账号登录", "云岭省统一身份认证（样例）", "网络身份认证（样例）")
			b.click("#upstream-yunling")
			b.waitFor("#person-0")
			b.shoot("upstream-choose")
			b.click("#cancel")
			b.waitFor("#elsewhere")
			b.good("upstream-denied", "您已取消", "使用其他方式登录")
			b.click("#upstream-yunling")
			b.click([]string{"#person-0", "#person-1"}[i])
			b.waitFor("#approve")
			b.shoot("upstream-consent")

			b.open(d.Issuer + "/security")
			b.waitFor("[id^=link-]")
			b.good("upstream-linked", "其他平台账号", "云岭省统一身份认证（样例）", "登录方式")
			b.says(who.Name)
			b.click("[id^=link-] summary")
			b.shoot("upstream-unlink")
			b.click("[id^=remove-]")
			b.wait(`document.querySelector('main') && !document.querySelector('[id^=link-]')`)

			weak := newBrowser(t, s)
			weak.scripts(false)
			weak.open(d.Departments[0].URL)
			weak.click("#apply")
			weak.click("#upstream-network")
			weak.click([]string{"#person-0", "#person-1"}[i])
			weak.waitFor("#elsewhere")
			weak.shoot("upstream-weak")
			weak.says("更可靠的身份验证")

			stranger := newBrowser(t, s)
			stranger.open(d.Issuer + "/sessions")
			stranger.click("#upstream-network")
			stranger.click("#person-3")
			stranger.waitFor("#elsewhere")
			stranger.good("upstream-unlinked", "尚未与本平台账号关联", "登录后即可关联")
			stranger.click("label[for=way-password]")
			stranger.fill("#username", d.People[4+i].Login)
			stranger.fill("#password", d.People[4+i].Password)
			stranger.click("#submit")
			stranger.waitFor("#skip")
			stranger.good("upstream-link", "关联账号", "网络身份认证（样例）", "暂不关联")
			before := len(d.messages(t, d.People[4+i]))
			stranger.click("#submit")
			stranger.confirm(d, d.People[4+i], before)
			stranger.waitFor("#problem")
			stranger.good("upstream-other", "不一致", "不能关联")
			stranger.click("#skip")
			stranger.wait(`document.querySelector('main') && !document.querySelector('#skip')`)
			stranger.says("登录设备")
		})
	}
}
