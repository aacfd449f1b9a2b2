package api

import (
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc/ephemeral"
)

// enterBy goes from a login page to who somebody is, having proved a phone.
func (s *stage) enterBy(t testing.TB, login *apitest.Page, link, phone string) *apitest.Page {
	t.Helper()
	path := map[string]string{"forgot": "/forgot", "register": "/register"}[link]
	p := login.Follow(link)
	shows(t, p, 200, path)
	p = p.Press("submit", "phone", strings.TrimPrefix(phone, "+86"))
	shows(t, p, 200, path)
	code := s.phones.latest(phone)
	if code == "" || !p.Has("resend") {
		t.Fatalf("no code was sent to %s:\n%s", phone, p.Body)
	}
	p = p.Press("submit", "code", code)
	shows(t, p, 200, path)
	return p
}

const newPassword = "a lamp beside the old well"

// Somebody who forgot the password sets another one on the way to a department, and gets there. What was logged
// in before is over, and for a day the phone opens no licenses.
func TestRecoverInLogin(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	elsewhere := s.browser(t)
	before := s.clinic.request().open(t, elsewhere).LogIn(s.alice)
	if before.To == nil && before.URL.Path != consentPath {
		t.Fatalf("alice isn't logged in: %s\n%s", before.URL, before.Body)
	}
	b := s.browser(t)
	p := s.enterBy(t, s.clinic.request().open(t, b), "forgot", alicePhone)
	wrong := p.Press("submit", "name", nobodysName, "number", sampleCitizen)
	shows(t, wrong, 422, "/forgot")
	says(t, wrong, "未能在线核验您的身份", nobodysName)
	p = wrong.Press("submit", "name", sampleName, "number", sampleCitizen)
	shows(t, p, 200, "/forgot")
	short := p.Press("submit", "password", "short", "repeat", "short")
	shows(t, short, 422, "/forgot")
	says(t, short, "密码太短")
	differ := short.Press("submit", "password", newPassword, "repeat", "another one, by mistake")
	shows(t, differ, 422, "/forgot")
	says(t, differ, "两次填写的密码不一致")
	p = differ.Press("submit", "password", newPassword, "repeat", newPassword)
	shows(t, p, 200, "/login")
	says(t, p, "密码")
	if p.URL.Query().Get("request") == "" {
		t.Errorf("the login doesn't go on: %s", p.URL)
	}
	p = p.Press("submit", "username", "alice", "password", newPassword)
	if p.URL.Path != consentPath && p.To == nil {
		t.Errorf("after the login: %s\n%s", p.URL, p.Body)
	}
	if again := elsewhere.Get(s.url + "/sessions"); again.URL.Path != "/login" {
		t.Errorf("a login from before goes on: %s", again.URL)
	}
	locked := b.Get(s.url + "/licenses")
	if locked.Status != 403 {
		t.Fatalf("licenses are open: %s %d\n%s", locked.URL, locked.Status, locked.Body)
	}
	says(t, locked, "暂时不能用短信验证码验证身份", "24 小时")
	app := b.Get(s.url + "/security/app")
	if app.Status != 403 {
		t.Errorf("an app can be added: %s %d", app.URL, app.Status)
	}
	trail := b.Get(s.url + "/security/events")
	says(t, trail, "在线核验身份，找回账号", "设置密码")
	if log := s.log.String(); strings.Contains(log, sampleCitizen) || strings.Contains(log, strings.TrimPrefix(alicePhone, "+86")) || strings.Contains(log, newPassword) {
		t.Error("the log holds what was typed")
	}
}

// Somebody who has no account registers on the way to a department, and gets there.
func TestRegisterInLogin(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	p := s.enterBy(t, s.clinic.request().open(t, b), "register", danPhone)
	p = p.Press("submit", "name", danName, "number", danCitizen)
	shows(t, p, 200, "/register")
	says(t, p, "注册成功")
	p = p.Press("submit", "password", newPassword, "repeat", newPassword)
	shows(t, p, 200, "/login")
	p = p.Press("submit", "username", danCitizen, "password", newPassword)
	if p.URL.Path != consentPath && p.To == nil {
		t.Errorf("after the login: %s\n%s", p.URL, p.Body)
	}
	p = b.Get(s.url + "/security")
	says(t, p, danName, "中级", "人口信息比对", "起可用于二次验证")

	p = s.clinic.licensed().open(t, b)
	shows(t, p, 200, "/login/waits")
	a, err := s.nodes[0].people.FindAccount(t.Context(), danPhone)
	if err != nil {
		t.Fatal(err)
	}
	until := a.PhoneWaits.Add(time.Minute - 1).In(time.FixedZone("", 8*3600)).Format("15:04")
	says(t, p, "暂时不能用短信验证码验证身份", "24 小时", until+" 起即可使用", "政务服务大厅", "返回")
	if again := b.Get(p.URL.String()); again.Status != 200 || again.URL.Path != "/login/waits" {
		t.Errorf("loaded again: %d %s", again.Status, again.URL)
	}
	p = p.Press("cancel")
	if p.To == nil || p.To.Query().Get("error") != "unmet_authentication_requirements" || p.To.Query().Get("error_uri") == "" && !strings.Contains(p.To.RawQuery, "phone") {
		t.Errorf("whoever doesn't wait gets to %v\n%s", p.To, p.Body)
	}
	if p = s.clinic.licensed("prompt", "none").open(t, b); p.To == nil || p.To.Query().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("without pages: %s, to %v", p.URL, p.To)
	}
}

// Whoever knows somebody's name and number sets no password of theirs, gets no licenses, and isn't told
// whether they have an account.
func TestAttackEntryByName(t *testing.T) {
	t.Parallel()
	w := &work{}
	s := newStage(t, stageConfig{Ephemeral: func(e ephemeral.Store) ephemeral.Store { return countedEphemeral{e, w} }})
	var first string
	for _, who := range [][2]string{{sampleName, sampleCitizen}, {danName, danCitizen}, {nobodysName, "110101199003071938"}} {
		w.take()
		p := s.enterBy(t, s.browser(t).Get(s.url+"/sessions"), "forgot", "+8615400000099")
		proved := p.Form("submit").Values.Get("proved")
		p = p.Press("submit", "name", who[0], "number", who[1])
		shows(t, p, 422, "/forgot")
		seen := strings.NewReplacer(proved, "PROVED", who[0], "NAME", who[1], "NUMBER").Replace(normalized(p, "15400000099")) + w.take()
		if first == "" {
			first = seen
		} else if seen != first {
			t.Errorf("%s differs:\n%s\n\nfrom\n%s", who[0], seen, first)
		}
	}
	b := s.browser(t)
	p := s.enterBy(t, b.Get(s.url+"/sessions"), "register", "+8615400000099")
	p = p.Press("submit", "name", sampleName, "number", sampleCitizen)
	says(t, p, "注册成功")
	p.Press("submit", "password", newPassword, "repeat", newPassword)
	login := b.Get(s.url + "/sessions")
	login.Press("submit", "username", "15400000099", "password", newPassword)
	p = b.Get(s.url + "/security")
	says(t, p, "初级")
	if strings.Contains(p.Body, sampleCitizen[14:]) {
		t.Errorf("the account has alice's number:\n%s", p.Body)
	}
	if p = b.Get(s.url + "/licenses"); p.URL.Path != "/login/proofing" || strings.Contains(p.Body, sampleNumber) {
		t.Errorf("it opens licenses: %s %d", p.URL, p.Status)
	}
	p = s.clinic.licensed().open(t, b)
	shows(t, p, 200, "/login/proofing")
	p = p.Press("cancel")
	if p.To == nil || p.To.Query().Get("error") != "unmet_authentication_requirements" {
		t.Errorf("it gets to licenses of the clinic: %s, to %v\n%s", p.URL, p.To, p.Body)
	}
}

// What one browser proved, another doesn't use; a form without its token, or of the other page, does nothing; and
// a ticket is spent once.
func TestAttackEntryElsewhere(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	victim, thief := s.browser(t), s.browser(t)
	p := s.enterBy(t, victim.Get(s.url+"/sessions"), "forgot", alicePhone)
	q := s.enterBy(t, thief.Get(s.url+"/sessions"), "forgot", "+8615400000099")
	stolen := q.Form("submit").With("proved", p.Form("submit").Values.Get("proved"), "name", sampleName, "number", sampleCitizen, "act", "enter").Send()
	shows(t, stolen, 422, "/forgot")
	says(t, stolen, "验证码已失效")
	forged := q.Form("submit").With("token", "x", "act", "enter", "name", sampleName, "number", sampleCitizen).Send()
	shows(t, forged, 403, "/forgot")
	other := thief.Get(s.url + "/register")
	crossed := q.Form("submit").With("token", other.Form("submit").Values.Get("token"), "act", "enter", "name", sampleName, "number", sampleCitizen).Send()
	shows(t, crossed, 403, "/forgot")
	p = p.Press("submit", "name", sampleName, "number", sampleCitizen)
	set := p.Form("submit")
	p = p.Press("submit", "password", newPassword, "repeat", newPassword)
	if p.URL.Path != "/login" {
		t.Fatalf("the password isn't set: %s\n%s", p.URL, p.Body)
	}
	again := set.With("act", "set", "password", "another password than that", "repeat", "another password than that").Send()
	shows(t, again, 422, "/forgot")
	says(t, again, "页面停留时间过长")
}
