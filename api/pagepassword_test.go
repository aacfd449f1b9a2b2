package api

import (
	"strings"
	"testing"
)

const anotherPassword = "four quiet herons"

// The old password logs nobody in any more; this browser goes on, another
// browser's session is over.
func TestChangingThePassword(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b, other := s.browserOf(t), s.browserOf(t)
	thief := b.Clone(s.url)
	p := b.Get(s.url + href(t, b.Get(s.url+accountPage), "change-password"))
	shows(t, p, 200, passwordPath)
	if p.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control is %q", p.Header.Get("Cache-Control"))
	}
	says(t, p, `autocomplete="current-password"`, `autocomplete="new-password"`)
	p = p.Press("submit", "current", samplePassword, "password", anotherPassword)
	shows(t, p, 200, "/sessions")
	says(t, p, "密码已修改", "本设备")
	if n := strings.Count(p.Body, `name="session"`); n != 0 {
		t.Errorf("%d other sessions are listed", n)
	}
	shows(t, b.Get(s.url+"/sessions"), 200, "/sessions")
	for name, over := range map[string]string{
		"another browser": other.Get(s.url + "/sessions").URL.Path, "the cookie from before": thief.Get(s.url + "/sessions").URL.Path,
	} {
		if over != loginPath {
			t.Errorf("%s sees %s", name, over)
		}
	}
	shows(t, b.Get(s.url+"/licenses"), 200, codePath) // the password alone was shown just now
	p = other.Get(s.url+"/sessions").Press("submit", "username", "zhang", "password", samplePassword)
	shows(t, p, 403, loginPath)
	shows(t, p.Press("submit", "username", "zhang", "password", anotherPassword), 200, "/sessions")
}

func TestPasswordIsNotChanged(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	for _, test := range []struct {
		current, password, says string
		status                  int
	}{
		{"another one", anotherPassword, "当前密码不正确", 403},
		{"another one", "short", "当前密码不正确", 403}, // nothing is said of it to who doesn't know the old one
		{samplePassword, "short", "新密码太短", 422},
		{samplePassword, "12345678", "过于常见", 422},
		{samplePassword, sampleCitizen, "证件号码", 422},
		{samplePassword, samplePassword, "与当前密码相同", 422},
		{samplePassword, "", "请填写当前密码和新密码", 422},
		{"", anotherPassword, "请填写当前密码和新密码", 422},
	} {
		p := b.Get(s.url+passwordPath).Press("submit", "current", test.current, "password", test.password)
		shows(t, p, test.status, passwordPath)
		if !strings.Contains(p.Text("problem"), test.says) {
			t.Errorf("%q to %q: %s", test.current, test.password, p.Text("problem"))
		}
		for _, secret := range []string{test.current, test.password} {
			if secret != "" && strings.Contains(p.Body, `value="`+secret) {
				t.Errorf("the page repeats %q", secret)
			}
		}
	}
	shows(t, s.browser(t).Get(s.url+"/sessions").Press("submit", "username", "zhang", "password", samplePassword), 200, "/sessions")
}

// With one factor nobody comes as far: neither to the page nor by its form.
func TestPasswordNeedsTwoFactors(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	two := s.browserOf(t)
	one := s.browser(t)
	s.app.code(one, s.who, s.app.request())
	shows(t, one.Get(s.url+passwordPath), 200, codePath)
	f := two.Get(s.url+passwordPath).Form("submit").With("current", samplePassword, "password", anotherPassword)
	shows(t, one.Post(f.Action, f.Values), 200, codePath)
	shows(t, s.browser(t).Post(f.Action, f.Values), 200, loginPath)
	// Nor by another browser's token.
	three := s.browserOf(t)
	p := three.Post(f.Action, f.Values)
	shows(t, p, 403, passwordPath)
	says(t, p, "页面停留时间过长")
	shows(t, two.Get(s.url+"/sessions"), 200, "/sessions")
	shows(t, s.browser(t).Get(s.url+"/sessions").Press("submit", "username", "zhang", "password", samplePassword), 200, "/sessions")
}

// Guesses in an open session end after as many as a login's.
func TestPasswordGuesses(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browserOf(t)
	statuses := map[int]int{}
	for range 17 {
		statuses[b.Get(s.url+passwordPath).Press("submit", "current", "a guess", "password", anotherPassword).Status]++
	}
	p := b.Get(s.url+passwordPath).Press("submit", "current", samplePassword, "password", anotherPassword)
	shows(t, p, 429, passwordPath)
	says(t, p, "您已多次输入错误")
	if statuses[403] != 15 || statuses[429] != 2 {
		t.Errorf("answers are %v", statuses)
	}
}
