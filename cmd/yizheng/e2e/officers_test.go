package e2e

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Two operators make a department's first administrator, who appoints a clerk; the clerk accepts, and is
// dismissed. Each page is looked at by axe, on a phone and a PC, one with large text.
func TestOfficers(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "demo")
	d := startDemo(t, "--data", data)
	boss, clerk := d.People[0], d.People[1]
	var post struct {
		ID string `json:"post"`
	}
	yizheng(t, &post, "--operator", "one", "officer", "appoint", "11990100000060062D", "--data", data, "--first", "--name", boss.Name, "--code", boss.Code,
		"--staff-number", "W-001", "--division", "办公室", "--json")
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "--operator", "two", "officer", "approve", "--data", data, post.ID).CombinedOutput(); err != nil {
		t.Fatalf("approving: %v\n%s", err, out)
	}

	wide, mobile := newBrowser(t, pc), newBrowser(t, phone)
	wide.open(d.Issuer + "/posts")
	wide.waitFor("#username")
	wide.logIn(d, boss)
	wide.waitFor(".entries")
	wide.good("posts-offered", "我的岗位", "青禾市卫生健康委员会（样例）", "待本人接受")
	wide.click("#post-" + post.ID)
	wide.waitFor("#accept")
	wide.good("post-offered", "单位管理员", "W-001", "接受")
	wide.click("#accept")
	wide.waitFor("[role=status]")
	wide.good("posts", "您已接受该岗位", "在岗")
	wide.click("#officers")
	wide.waitFor("#appoint")
	wide.click("#appoint")
	wide.waitFor("#number")
	wide.good("appoint", "设置岗位", "窗口人员", "任期开始日期")
	wide.fill("#name", clerk.Name)
	wide.fill("#number", clerk.Code)
	wide.fill("#staff", "w-107")
	wide.fill("#division", "窗口一组")
	wide.click("#submit")
	wide.waitFor("[role=status]")
	wide.good("officers", "岗位已设置", clerk.Name, "W-107", "待本人接受")
	wide.silent(clerk.Code)

	mobile.open(d.Issuer)
	mobile.follow("#text-size")
	mobile.open(d.Issuer + "/licenses")
	mobile.waitFor("#username")
	mobile.logIn(d, clerk)
	mobile.waitFor("a.license")
	mobile.open(d.Issuer + "/security")
	mobile.waitFor("#posts")
	mobile.click("#posts")
	mobile.waitFor(".entries")
	mobile.good("posts-large", "待本人接受", "窗口人员")
	mobile.click(".entries a.button")
	mobile.waitFor("#accept")
	mobile.good("post-large", "窗口一组", "接受", "不接受")
	mobile.click("#accept")
	mobile.waitFor("[role=status]")
	mobile.good("posts-accepted", "在岗")

	mobile.open(d.Issuer + "/officers")
	mobile.waitFor("h1")
	mobile.silent("W-001") // a clerk sees no list
	wide.fill("#number", "W-107")
	wide.click("#find")
	wide.waitFor("#dismiss")
	wide.good("officer", clerk.Name, "在岗", "解除岗位")
	wide.click("details.more summary")
	wide.click("#dismiss")
	wide.waitFor("[role=status]")
	wide.good("officers-after", "岗位已解除")
	wide.resize(phone)
	wide.open(d.Issuer + "/officers?ended=yes")
	wide.waitFor(".entries")
	wide.good("officers-phone", "已解除", boss.Name)
	wide.open(d.Issuer + "/officers/appoint")
	wide.waitFor("#number")
	wide.good("appoint-phone", "设置岗位")
	wide.follow("#language")
	wide.waitFor("#number")
	wide.good("appoint-english", "Set up a post", "Counter clerk")
	mobile.open(d.Issuer + "/posts")
	mobile.waitFor(".entries")
	mobile.good("posts-after", "已解除")
}
