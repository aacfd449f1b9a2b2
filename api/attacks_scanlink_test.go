package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/example/server/storage"
)

// Whoever talks somebody into confirming their computer links no account of theirs at another provider with
// the victim's: what a phone lent changes no way to log in.
func TestAttackLinkByScan(t *testing.T) {
	t.Parallel()
	f := newForeign(t)
	s := newStage(t, stageConfig{Upstreams: registered(t, f.file())})
	f.clients["web"] = storage.WebClient("web", "web-secret", s.url+"/login/upstream/foreign")
	b := s.browser(t)
	b.Stop = func(u *url.URL) bool { return "http://"+u.Host != s.url && "http://"+u.Host != f.url }
	back := f.logIn(t, b.Get(s.url+"/licenses").Follow("upstream-foreign"))
	says(t, back, "尚未与本平台账号关联")
	c := s.scanCode(t, b, back)
	phone := s.phone(t, s.alice)
	done := phone.Get(c.phoneURL()).Press("confirm")
	shows(t, done, 200, "/scan")
	p := b.Get(c.page.URL.String()).Press("submit")
	if p.URL.Path != "/licenses" {
		t.Fatalf("the computer isn't logged in: %s\n%s", p.URL, p.Body)
	}
	account, err := s.nodes[0].people.Account(t.Context(), s.accounts["alice"])
	mustOf(t)(err)
	if len(account.Authenticators) != 0 {
		t.Errorf("it was linked: %+v", account.Authenticators)
	}
}

// A website that leads its visitor to a code of its own learns nothing of them; nor does a computer go on whose page
// hasn't named who confirmed.
func TestAttackScanLed(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	phone, pc := s.phone(t, s.alice), s.browser(t)
	c := s.scanCode(t, pc, s.clinic.request().open(t, pc))
	for _, from := range []string{"cross-site", "same-site"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", c.phoneURL(), nil)
		mustOf(t)(err)
		r.Header.Set("Sec-Fetch-Site", from)
		led := phone.Do(r)
		shows(t, led, 200, "/scan/"+c.code())
		if strings.Contains(led.Body, sampleName) || led.Has("confirm") || c.state(pc) != "asked" {
			t.Errorf("%s: the code was taken up:\n%s", from, led.Body)
		}
		if from == "same-site" {
			asked := led.Press("look")
			says(t, asked, sampleName)
			shows(t, asked.Press("confirm"), 200, "/scan")
		}
	}
	early := c.page.Press("submit") // of the page that named nobody
	shows(t, early, 200, "/login/scan")
	says(t, early, "已在手机上确认", "**")
	if p := early.Press("submit"); p.URL.Path == "/login/scan" {
		t.Errorf("it doesn't go on: %s", p.URL)
	}
}
