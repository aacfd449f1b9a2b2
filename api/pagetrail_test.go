package api

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

const trailPage = "/security/events"

// happened are the names of a page's lines.
var happened = regexp.MustCompile(`<strong class="name(?: is-off)?">([^<]+)</strong>`)

func happenedOn(p *apitest.Page) (names []string) {
	for _, m := range happened.FindAllStringSubmatch(p.Body, -1) {
		names = append(names, m[1])
	}
	return names
}

// accountOf returns an account's id.
func (s *pageSite) accountOf(t testing.TB, login string) string {
	t.Helper()
	a, err := s.people.FindAccount(t.Context(), login)
	mustOf(t)(err)
	return a.ID
}

// record records so many times what somebody did to an account.
func (s *pageSite) record(t testing.TB, times int, actor string, action journal.Action, account, result string) {
	t.Helper()
	r := oidc.NewRecorder(s.db.Journal(), nil)
	for range times {
		mustOf(t)(r.Record(t.Context(), identity.Did(actor, action, account, identity.NewID(), result)))
	}
}

// Somebody sees what happened to their account: in short on its page, and all of it on another.
func TestTrailPage(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	s.browser(t).Get(s.url+"/licenses").Press("submit", "username", "zhang", "password", "wrong")
	account := s.accountOf(t, "zhang")
	_, err := s.people.Change(t.Context(), account, func(a *identity.Account) error { a.Disable(true, ""); return nil })
	if err == nil {
		_, err = s.people.Change(t.Context(), account, func(a *identity.Account) error { a.Disable(false, ""); return nil })
	}
	mustOf(t)(err)
	b := s.browserOf(t)
	p := b.Get(s.url + accountPage)
	shows(t, p, 200, accountPage)
	says(t, p, "账号动态")
	if got, want := happenedOn(p), []string{"登录后验证身份", "发送短信验证码", "登录", "账号恢复使用", "账号停用"}; !slices.Equal(got, want) {
		t.Errorf("the account's page says %q", got)
	}
	p = p.Follow("events")
	shows(t, p, 200, trailPage)
	if got, want := happenedOn(p), []string{"登录后验证身份", "发送短信验证码", "登录", "账号恢复使用", "账号停用", "密码登录未成功", "账号开通"}; !slices.Equal(got, want) {
		t.Errorf("the page says %q", got)
	}
	says(t, p, "本设备", "登录密码", "短信验证码", "工作人员办理", "密码不正确", "127.0.0.1")
	if strings.Contains(p.Body, "wangwu") || strings.Contains(p.Body, "cli") || strings.Contains(p.Body, account) {
		t.Errorf("the page names who did it, or the account:\n%s", p.Body)
	}
	if p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", p.Header.Get("Cache-Control"))
	}
	shows(t, s.browser(t).Get(s.url+trailPage), 200, loginPath)
}

// Another's page, and another's cursor, show nothing of somebody's account. A cursor that is none
// is refused.
func TestAttackTrailCursor(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	s.citizen(t, "lijianguo", "李建国", otherCitizen, 2)
	s.record(t, 3, "cli:x", journal.ActionTicketCreate, s.accountOf(t, "lijianguo"), journal.ResultOK)
	s.record(t, 25, "", journal.ActionCodeSend, s.accountOf(t, "zhang"), journal.ResultOK)
	b := s.browserOf(t)
	p := b.Get(s.url + trailPage)
	if n := len(happenedOn(p)); n != 20 {
		t.Fatalf("a page has %d lines", n)
	}
	if slices.Contains(happenedOn(p), "发放设置密码的链接") {
		t.Error("another's line is shown")
	}
	earlier := p.Follow("earlier")
	shows(t, earlier, 200, trailPage)
	if got := happenedOn(earlier); len(got) != 9 || got[8] != "账号开通" { // 25 codes and those of the login and the account
		t.Errorf("the earlier page says %q", got)
	}
	if earlier.Has("earlier") {
		t.Error("the last page leads on")
	}
	li := s.browser(t)
	li.Get(s.url+"/licenses").Press("submit", "username", "lijianguo", "password", samplePassword).Press("submit", "code", s.phone.last())
	p = li.Get(earlier.URL.String())
	shows(t, p, 200, trailPage)
	if got, want := happenedOn(p), []string{"发放设置密码的链接", "发放设置密码的链接", "发放设置密码的链接", "账号开通"}; !slices.Equal(got, want) {
		t.Errorf("another sees %q", got)
	}
	for _, cursor := range []string{"x", "20990101T000000.000000Z_license_9", strings.Repeat("9", 2000), "%00"} {
		if p := b.Get(s.url + trailPage + "?before=" + cursor); p.Status != 400 {
			t.Errorf("%.20s: %d", cursor, p.Status)
		}
	}
}

// A flood of refused tries is one line of its day.
func TestAttackTrailFlood(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	s.record(t, 200, "", journal.ActionLogin, s.accountOf(t, "zhang"), "wrong_password")
	b := s.browserOf(t)
	p := b.Get(s.url + trailPage)
	if got, want := happenedOn(p), []string{"登录后验证身份", "发送短信验证码", "登录", "当天有多次尝试未成功", "账号开通"}; !slices.Equal(got, want) {
		t.Errorf("the page says %q", got)
	}
	says(t, p, "密码登录未成功 50 次", "次数过多，未全部计入")
	says(t, b.Get(s.url+accountPage), "当天有多次尝试未成功", "账号开通")
	r := s.request(t, "GET", trailPage, "")
	r.Header.Set("Accept-Language", "en")
	says(t, b.Do(r), "Account activity", "Several attempts failed on this day", "Password login failed 50 times", "Done by staff", "Current device")
}

// Who writes the database moves an event to another person's page: it isn't shown there, and the
// page says that something is missing.
func TestAttackTrailAltered(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	s.citizen(t, "lijianguo", "李建国", otherCitizen, 2)
	zhang, li := s.accountOf(t, "zhang"), s.accountOf(t, "lijianguo")
	s.record(t, 1, "cli:x", journal.ActionPhoneChange, li, journal.ResultOK)
	c, err := sqlite3.OpenContext(t.Context(), "file:"+filepath.Join(s.dir, "yizheng.db")+"?_pragma=busy_timeout(10000)")
	mustOf(t)(err)
	defer c.Close()
	mustOf(t)(c.Exec(`DROP TRIGGER provider_events_unchanged; UPDATE provider_events SET object = '` + zhang + `' WHERE action = 'account.change_phone' AND object = '` + li + `'`))
	p := s.browserOf(t).Get(s.url + trailPage)
	shows(t, p, 200, trailPage)
	if slices.Contains(happenedOn(p), "手机号变更") {
		t.Error("another's event is shown")
	}
	says(t, p, "未通过完整性核验")
	if !strings.Contains(s.log.String(), "an event was left out of what a person is shown") {
		t.Error("the log says nothing")
	}
}
