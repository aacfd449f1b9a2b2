package e2e

import (
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// Two people whose identity is proofed less well than a department asks for raise it on the way, and get there: one on a
// PC with scripts, one on a phone without.
func TestRaise(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d := startDemo(t, "--data", data)
	for i, s := range []size{pc, phone} {
		who := d.People[i]
		path, err := program()
		if err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, "person", "level", "--data", data, "--evidence", "样例", who.Login, "1").CombinedOutput(); err != nil {
			t.Fatalf("lowering %s: %v\n%s", who.Name, err, out)
		}
		b := newBrowser(t, s)
		b.scripts(s == pc)
		look := b.good
		if s == phone { // axe is a script
			look = func(name string, texts ...string) { b.shoot(name); b.says(texts...) }
		}
		b.open(d.Departments[0].URL)
		b.click("#apply")
		b.waitFor("#username")
		b.fill("#username", who.Login)
		b.fill("#password", who.Password)
		b.click("#submit")
		b.waitFor("#raise")
		look("proofing", "需要更高的实名等级", "您的实名等级不够", "政务服务大厅", "暂不提升，返回")
		before := len(d.messages(t, who))
		b.click("#raise")
		b.confirm(d, who, before)
		b.wait(`location.pathname == '/security/identity'`)
		look("raise-begin", "提升实名等级", "初级", "应当以您本人名义办理")
		if s == pc {
			for _, set := range []string{"text=large", "language=en", "text=normal", "language=zh-CN"} {
				b.open(d.Issuer + "/preferences?" + set + "&to=" + url.QueryEscape(b.at().RequestURI()))
				b.wait(`location.pathname == '/security/identity'`)
				b.good("raise-begin-" + strings.ReplaceAll(set, "=", "-"))
			}
		}
		before = len(d.messages(t, who))
		b.click("#submit")
		b.waitFor("#code")
		look("raise-code", "验证码已发送")
		b.fill("#code", d.code(t, who, before))
		b.click("#submit")
		b.waitFor("#number")
		look("raise-person", "姓名", "证件类型", "证件号码", "提交核验")
		b.fill("#name", "样例某某")
		b.fill("#number", who.Code)
		b.click("#submit")
		b.waitFor("#problem")
		look("raise-wrong", "未能在线核验您的身份")
		b.fill("#name", who.Name)
		b.fill("#number", who.Code)
		b.click("#submit")
		b.waitFor("#approve")
		b.says("实名等级已提升")
		b.open(d.Issuer + "/security")
		b.waitFor("#events")
		look("raise-done", "中级", "在线提升实名等级")
	}
}
