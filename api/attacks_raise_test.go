package api

import (
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// unproofed makes an account of level 0, which has a password and a phone.
func (s *stage) unproofed(t testing.TB, login, name, phone string) apitest.Person {
	t.Helper()
	account, _, err := s.nodes[0].people.Register(t.Context(), identity.Registration{
		Name: name, NoCode: true, LoginName: login, Phone: phone, Password: newPassword, Actor: "cli", RequestID: "test",
		Proofing: &identity.Proofing{Method: identity.MethodSelf, Source: "self"},
	})
	mustOf(t)(err)
	s.accounts[login] = account.ID
	return apitest.Person{Login: login, Password: newPassword, Code: func() string { return s.phones.latest(phone) }}
}

// proveOwn goes from the page to who somebody is, having proved the account's phone.
func (s *stage) proveOwn(t testing.TB, p *apitest.Page, phone string) *apitest.Page {
	t.Helper()
	shows(t, p, 200, "/security/identity")
	p = p.Press("submit")
	shows(t, p, 200, "/security/identity")
	p = p.Press("submit", "code", s.phones.latest(phone))
	shows(t, p, 200, "/security/identity")
	if !p.Has("number") {
		t.Fatalf("the phone isn't proved:\n%s", p.Body)
	}
	return p
}

// Somebody of level 0 whom a department asks for more is led to where the level is raised, and back, and the same session
// goes on.
func TestRaiseInLogin(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	dan := s.unproofed(t, "dan", "小丁", danPhone)
	b := s.browser(t)
	p := s.clinic.licensed().open(t, b).LogIn(dan)
	shows(t, p, 200, "/login/proofing")
	says(t, p, "实名等级不够", "政务服务大厅")
	p = p.Follow("raise")
	shows(t, p, 200, "/login/code") // whoever has a second factor proves it first
	p = p.Press("send").Press("submit", "code", dan.Code())
	p = s.proveOwn(t, p, danPhone)
	wrong := p.Press("submit", "name", nobodysName, "number", danCitizen)
	shows(t, wrong, 422, "/security/identity")
	says(t, wrong, "未能在线核验您的身份", nobodysName)
	p = wrong.Press("submit", "name", danName, "number", danCitizen)
	says(t, p, "实名等级已提升")
	if p.URL.Path != consentPath && p.To == nil {
		t.Fatalf("the request doesn't go on: %s %d\n%s", p.URL, p.Status, p.Body)
	}
	p = b.Get(s.url + "/security")
	says(t, p, danName, "中级", "在线提升实名等级")
	if strings.Contains(p.Body, `id="raise"`) || strings.Contains(p.Body, danCitizen) {
		t.Errorf("the page still leads to it, or shows the number:\n%s", p.Body)
	}
	says(t, b.Get(s.url+"/security/identity"), "中级", "可以在线办理的最高等级")
	if log := s.log.String(); strings.Contains(log, danCitizen) || strings.Contains(log, danName) || strings.Contains(log, strings.TrimPrefix(danPhone, "+86")) {
		t.Error("the log holds what was typed")
	}
}

// Who doesn't raise the level goes back to the department, which is told why; who may not be asked is sent back at once.
func TestRaiseDeclined(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	dan := s.unproofed(t, "dan", "小丁", danPhone)
	b := s.browser(t)
	p := s.clinic.licensed().open(t, b).LogIn(dan)
	shows(t, p, 200, "/login/proofing")
	for _, p := range []*apitest.Page{p.Press("cancel"), s.clinic.licensed("prompt", "none").open(t, b)} {
		if p.To == nil || p.To.Query().Get("error") != "unmet_authentication_requirements" {
			t.Errorf("the department is told %v: %s\n%s", p.To, p.URL, p.Body)
		}
	}
	p = b.Get(s.url + "/licenses")
	shows(t, p, 200, "/login/proofing")
	p = p.Press("cancel")
	if p.Status != 403 {
		t.Errorf("who gives up is shown %s %d", p.URL, p.Status)
	}
}

// Another's number gives the same page as a wrong one; a login of an hour ago doesn't do; and what one session proved
// another doesn't use.
func TestAttackRaise(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	dan := s.unproofed(t, "dan", "小丁", danPhone)
	eve := s.unproofed(t, "eve", "小戊", "+8615400000099")
	b, thief := s.browser(t), s.browser(t)
	b.Get(s.url + "/security/identity").LogIn(dan)
	p := s.proveOwn(t, b.Get(s.url+"/security/identity"), danPhone)
	var first string
	for _, who := range [][2]string{{nobodysName, danCitizen}, {sampleName, sampleCitizen}, {danName, sampleCitizen}} {
		got := p.Press("submit", "name", who[0], "number", who[1])
		shows(t, got, 422, "/security/identity")
		seen := strings.NewReplacer(who[0], "NAME", who[1], "NUMBER", got.Form("submit").Values.Get("proved"), "PROVED").Replace(normalized(got, "x"))
		if first == "" {
			first = seen
		} else if seen != first {
			t.Errorf("%s differs:\n%s\n\nfrom\n%s", who[0], seen, first)
		}
	}
	thief.Get(s.url + "/security/identity").LogIn(eve)
	q := s.proveOwn(t, thief.Get(s.url+"/security/identity"), "+8615400000099")
	stolen := q.Form("submit").With("proved", p.Form("submit").Values.Get("proved"), "name", danName, "number", danCitizen, "act", "raise").Send()
	says(t, stolen, "验证码已失效")
	forged := p.Form("submit").With("token", "x", "name", danName, "number", danCitizen, "act", "raise").Send()
	shows(t, forged, 403, "/security/identity")
	for _, login := range []string{"dan", "eve"} {
		a, err := s.nodes[0].people.Account(t.Context(), s.accounts[login])
		if err != nil || a.Proofing.Level != 0 {
			t.Errorf("%s has level %d, %v", login, a.Proofing.Level, err)
		}
	}
	plain := p.Press("submit", "name", danName, "number", danCitizen)
	if plain.URL.Path != "/security" {
		t.Errorf("two guesses were too many: %s\n%s", plain.URL, plain.Body)
	}
	es, err := s.nodes[0].db.Journal().SearchEvents(t.Context(), journal.Provider, journal.Filter{Actions: []string{string(journal.ActionRaise)}, Limit: 10})
	if err != nil || len(es) != 4 {
		t.Errorf("%d events, %v", len(es), err)
	}
	// The page of somebody who isn't logged in at all, or elsewhere, is the login's.
	if got := s.browser(t).Get(s.url + "/security/identity?" + url.Values{"request": {"x"}}.Encode()); got.URL.Path != "/login" {
		t.Errorf("a stranger is shown %s", got.URL)
	}
}
