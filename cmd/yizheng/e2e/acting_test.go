package e2e

import (
	"testing"
)

// asSelf goes on for oneself from the page that asks for whom somebody acts, to the consent page. It may not be
// asked.
func (b *browser) asSelf() {
	b.t.Helper()
	b.wait(`document.querySelector('#for-self') || document.querySelector('#approve, #refuse')`)
	if eval[bool](b, `!!document.querySelector('#for-self')`) {
		b.click("label[for=for-self]")
		b.click("#submit")
	}
	b.waitFor("#approve")
}

// personOf returns a sample person by the login name.
func (d *demo) personOf(t *testing.T, login string) person {
	t.Helper()
	for _, p := range d.People {
		if p.Login == login {
			return p
		}
	}
	t.Fatalf("the demo has nobody who is called %s", login)
	return person{}
}

// enter logs in to a page of the portal.
func (b *browser) enter(d *demo, path string, p person) {
	b.t.Helper()
	b.open(d.Issuer + path)
	b.waitFor("#username")
	b.logIn(d, p)
	b.waitAt(d.Issuer + path)
}

// A legal representative by her company's license appoints an agent, who accepts, goes to a department for the
// company, sees its licenses, and is dismissed: from then on nothing of the company's is left to them. And a
// mother sees her child among those for whom she may act.
func TestActing(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	const company = "青禾面馆有限公司（样例）"
	xu, lin := d.personOf(t, "xuyang"), d.personOf(t, "linjie")
	for _, s := range []size{phone, pc} {
		t.Run(s.name, func(t *testing.T) {
			head, agent := newBrowser(t, s), newBrowser(t, s)
			head.enter(d, "/representations", xu)
			head.good("acting-representations", "授权管理", "本人", company, "法定代表人", "据登记信息", "您没有委托他人代为办理")
			head.pick("main", company)
			head.click("#act")
			head.waitAt(d.Issuer + "/licenses")
			head.good("acting-licenses", "办理身份", company, "营业执照")
			head.open(d.Issuer + "/representations")
			head.follow("#appoint")
			head.waitFor("#name")
			head.good("acting-appoint", "添加管理员或经办人", company, "经办人")
			head.fill("#name", lin.Name)
			head.fill("#number", lin.Code)
			head.pick("main", "查看证照")
			head.click("#submit")
			head.waitFor("#appoint")
			head.good("acting-team", lin.Name, "待接受")

			agent.enter(d, "/representations", lin)
			agent.good("acting-asked", "待您接受的授权", company, "经办人", "监护人", "周样例小䶮")
			agent.click("[id^=accept-]")
			agent.wait(`!document.querySelector('[id^=accept-]')`)
			agent.good("acting-accepted", "已接受授权", company, "有效")
			agent.open(d.Departments[1].URL)
			agent.click("#apply")
			agent.waitFor("#for-self")
			agent.good("acting-choose", "选择办理身份", "您以什么身份办理", company, "经办人", "青禾市市场监督管理局")
			agent.silent("监护人") // the department doesn't ask for that
			agent.pick("main", company)
			agent.click("#submit")
			agent.waitFor("#acting")
			agent.good("acting-consent", "办理身份", company, "切换")
			agent.open(d.Issuer + "/representations")
			agent.pick("main", company)
			agent.click("#act")
			agent.waitAt(d.Issuer + "/licenses")
			agent.good("acting-agent", company, "营业执照")

			head.open(d.Issuer + "/representations")
			head.click("section[aria-labelledby=team] details.more summary")
			head.click("[id^=dismiss-]")
			head.wait(`!document.querySelector('[id^=dismiss-]')`)
			head.good("acting-dismissed", "授权已解除")

			agent.open(d.Issuer + "/licenses")
			agent.good("acting-over", "已经失效", "机动车驾驶证")
			agent.silent("营业执照", company)
			agent.open(d.Departments[1].URL)
			agent.click("#apply")
			agent.wait(`document.querySelector('#for-self, #approve, #refuse')`)
			agent.good("acting-department-over", "青禾市市场监督管理局")
			agent.silent("经办人")
		})
	}
}
