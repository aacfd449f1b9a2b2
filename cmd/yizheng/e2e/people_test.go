package e2e

import (
	"slices"
	"testing"
)

// person returns the one with a login name.
func (d *demo) person(t *testing.T, login string) person {
	t.Helper()
	i := slices.IndexFunc(d.People, func(p person) bool { return p.Login == login })
	if i < 0 {
		t.Fatalf("nobody is called %s", login)
	}
	return d.People[i]
}

// A resident of Hong Kong, whose licenses stand under the permit for the mainland and under the number of the residence
// permit, and a woman whose citizen's number was corrected, have all their licenses: in the portal, and at a department, on
// a phone and on a PC. She logs in with either of the names that lead to her, and no longer with the wrong number.
func TestSeveralNumbers(t *testing.T) {
	t.Parallel()
	d := startDemo(t)
	people := map[string]struct {
		login string
		says  []string
	}{
		"hong-kong": {"chenkit", []string{"样港居字第990102000008号", "9900008"}},
		"corrected": {"zhengmei", []string{"样居字第990102000009号", "9900009"}},
	}
	for name, p := range people {
		who := d.person(t, p.login)
		for _, s := range []size{phone, pc} {
			t.Run(name+"/"+s.name, func(t *testing.T) {
				b := newBrowser(t, s)
				b.open(d.Departments[0].URL)
				b.click("#apply")
				b.waitFor("#username")
				b.logIn(d, who)
				b.waitFor("#approve")
				b.good("several-numbers-consent-"+name, p.says...)
				b.pick(section("residence-permit"), "居住地址")
				b.pick(section("dwelling"), "坐落")
				b.click("#approve")
				b.waitAt(d.Departments[0].URL + "/case")
				b.good("several-numbers-case-"+name, append(p.says, who.Name, "已核验", "必交材料已齐")...)
				b.open(d.Issuer + "/licenses")
				b.good("several-numbers-licenses-"+name, p.says...)
				b.open(d.Issuer + "/security")
				b.good("several-numbers-account-"+name, "账号与安全")
			})
		}
	}
	b := newBrowser(t, pc)
	b.open(d.Departments[0].URL)
	b.click("#apply")
	b.waitFor("#username")
	wrong := d.person(t, "zhengmei")
	b.fill("#username", wrong.Code)
	b.fill("#password", wrong.Password)
	b.click("#submit")
	b.waitFor("#problem")
	b.fill("#username", "990102199207160027")
	b.fill("#password", wrong.Password)
	b.click("#submit")
	b.waitFor("#code, #send")
}
