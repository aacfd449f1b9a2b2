package e2e

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"yizheng.internal/storage/porttest"
)

// Provider and departments on different sites with HTTPS, as in earnest: only
// there SameSite, Secure and the __Host- prefix mean what they say. The demo's
// sites on plain loopback are treated more leniently.
func TestDifferentSites(t *testing.T) {
	t.Parallel()
	const provider, police, market = "id.yizheng.example", "gaj.qinghe.test", "scjg.lvhe.test"
	w := newTown(t, provider, police, market)
	listen := porttest.FreeAddress(t)
	d := startDemoIn(t, w.environment(), "--listen", listen, "--public-url", "https://"+provider,
		"--department-url", "https://"+police, "--department-url", "https://"+market)
	w.sites[provider], w.sites[police], w.sites[market] = listen, d.Departments[0].Listen, d.Departments[1].Listen
	if d.Issuer != "https://"+provider || d.Departments[0].URL != "https://"+police {
		t.Fatalf("the demo says it is at %s and %v", d.Issuer, d.Departments)
	}

	b := newBrowser(t, phone, w.flags()...)
	b.consent(d, "https://"+police, d.People[0])
	if eval[bool](b, `isSecureContext && location.protocol === 'https:'`) != true {
		b.fail("the consent page is no secure context")
	}
	b.pick(section("residence-permit"), "居住地址")
	b.pick(section("dwelling"), "9900002")
	b.click("#approve")
	b.waitAt("https://" + police + "/case")
	b.good("case", "材料已收到", "青禾市样例区样例路1号", d.People[0].Name)

	// At the other department the session is there, though that is another site.
	b.open("https://" + market)
	b.click("#apply")
	b.asSelf()
	b.pick(section("business-license"), "92990102MA0007073A")
	b.pick(section("premises"), "9900003")
	b.click("#approve")
	b.waitAt("https://" + market + "/case")
	b.says("材料已收到")
	b.cookiesAreKept(provider, police)

	// A page of another site that sends the provider's forms by itself gets nothing.
	b.open("https://" + police + "/paper")
	b.forge(d.Issuer + "/logout")
	b.open(d.Issuer + "/licenses")
	b.waitFor("a.license") // still logged in

	b.open("https://" + police)
	b.follow("#logout")
	b.waitFor("#submit")
	b.click("#submit")
	b.waitAt("https://" + police + "/logged-out")
	b.open(d.Issuer + "/licenses")
	b.waitFor("#username")
}

// cookiesAreKept fails the test unless the sites' cookies are for them alone,
// for HTTPS alone, hidden from scripts, and not sent with other sites' requests.
func (b *browser) cookiesAreKept(sites ...string) {
	b.t.Helper()
	seen := map[string]int{}
	for _, c := range b.cookies() {
		for _, site := range sites {
			if strings.TrimPrefix(c.Domain, ".") != site {
				continue
			}
			seen[site]++
			if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HTTPOnly || string(c.SameSite) != "Lax" || c.Domain != site {
				b.t.Errorf("cookie %s of %s: secure %t, HTTP only %t, same site %q", c.Name, c.Domain, c.Secure, c.HTTPOnly, c.SameSite)
			}
		}
	}
	for _, site := range sites {
		if seen[site] == 0 {
			b.t.Errorf("%s has no cookies", site)
		}
	}
}

// forge sends a form to an address from the page where the browser is, as a
// hostile site would.
func (b *browser) forge(address string) {
	b.t.Helper()
	b.do("forge a form", chromedp.Navigate("data:text/html,<form id=f method=post action="+address+"><input name=act value=logout></form><script>f.submit()</script>"))
	b.wait(`location.protocol === 'https:' && document.readyState === 'complete'`)
}
