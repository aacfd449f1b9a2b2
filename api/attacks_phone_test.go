package api

import (
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc/ephemeral"
)

var alicesEnding = sampleCitizen[len(sampleCitizen)-4:]

// codeFor has a code sent to a phone, from the login's page, and returns the page that asks for it.
func (s *stage) codeFor(t testing.TB, login *apitest.Page, phone string) (p *apitest.Page, code string) {
	t.Helper()
	p = login.Press("send-code", "phone", strings.TrimPrefix(phone, "+86"))
	shows(t, p, 200, "/login")
	if code = s.phones.latest(phone); code == "" || !p.Has("resend") {
		t.Fatalf("no code was sent to %s:\n%s", phone, p.Body)
	}
	return p, code
}

// Somebody logs in with a phone, says whose it is, and gets to licenses only with a further factor.
// The browser isn't a device that makes passwords easier to guess, until the password was right.
func TestPhoneLogin(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	login := s.clinic.licensed().open(t, b)
	says(t, login, "用证单位")
	if plain := s.clinic.request().open(t, s.browser(t)); strings.Contains(plain.Body, "用证单位") || !strings.Contains(plain.Body, "服务单位") {
		t.Errorf("a login without licenses:\n%s", plain.Body)
	}
	if reader := s.browser(t).Get(s.url + "/scan/" + strings.Repeat("A", 43)); !strings.Contains(reader.Body, "登录后再确认是否在电脑上登录") {
		t.Errorf("whoever read a code and isn't logged in: %s\n%s", reader.URL, reader.Body)
	}
	p, code := s.codeFor(t, login, alicePhone)
	says(t, p, "154****0091", "验证码登录")
	p = p.Press("submit", "code", code)
	shows(t, p, 200, "/login")
	says(t, p, "证件号码后四位")
	wrong := p.Press("submit", "name", sampleName, "ending", "0000")
	shows(t, wrong, 422, "/login")
	says(t, wrong, "还没有账号", sampleName)
	p = wrong.Press("submit", "name", sampleName, "ending", alicesEnding)
	shows(t, p, 200, codePath)
	if !p.Has("code") || !strings.Contains(p.Body, "密码验证") || p.Has("use-sms") {
		t.Fatalf("the next factor isn't the password:\n%s", p.Body)
	}
	says(t, p, "在线设置新密码")
	shows(t, p.Follow("forgot"), 200, "/forgot")
	bad := p.Press("submit", "code", "not the password")
	shows(t, bad, 422, codePath)
	says(t, bad, "密码不正确")
	tokens := func() int {
		n := 0
		for _, c := range b.Cookies(s.url) {
			if c.Name == deviceCookie {
				n = len(strings.Split(c.Value, "."))
			}
		}
		return n
	}
	if n := tokens(); n != 1 {
		t.Errorf("%d device tokens after the phone", n)
	}
	p = bad.Press("submit", "code", alicePassword)
	shows(t, p, 200, consentPath)
	if n := tokens(); n != 2 {
		t.Errorf("%d device tokens after the password, too", n)
	}

	// From now on, for a while, the phone alone is enough for what one factor opens.
	other := s.browser(t)
	p = other.Get(s.url + "/licenses")
	p, code = s.codeFor(t, p, alicePhone)
	p = p.Press("submit", "code", code)
	shows(t, p, 200, codePath)
	if p := other.Get(s.url + "/licenses"); p.URL.Path != codePath {
		t.Errorf("one factor shows licenses: %s", p.URL)
	}
}

// Nobody learns who has an account by the phones that they type: all get the same pages for the same
// work, also those who have the phone.
func TestAttackPhoneEnumeration(t *testing.T) {
	t.Parallel()
	w := &work{}
	s := newStage(t, stageConfig{Ephemeral: func(e ephemeral.Store) ephemeral.Store { return countedEphemeral{e, w} }})
	disabled := s.register(t, "dave", "nine green lanterns", "+8615400000094", "样例丙", "110101199003073335")
	s.disable(t, disabled)
	s.browser(t)
	var first string
	for _, phone := range []string{alicePhone, "+8615400000099", "+8615400000094"} {
		b := s.browser(t)
		login := s.clinic.request().open(t, b)
		typed := strings.TrimPrefix(phone, "+86")
		masked := typed[:3] + "****" + typed[7:]
		var seen strings.Builder
		note := func(p *apitest.Page) {
			seen.WriteString(strings.ReplaceAll(normalized(p, typed), masked, "MASKED"))
			seen.WriteString(w.take())
		}
		w.take()
		p, code := s.codeFor(t, login, phone)
		note(p)
		wrong := p.Press("submit", "code", string('0'+(code[0]-'0'+1)%10)+code[1:])
		shows(t, wrong, 422, "/login")
		note(wrong)
		p = wrong.Press("submit", "code", code)
		shows(t, p, 200, "/login")
		question := p.Form("submit").Values.Get("question")
		seen.WriteString(strings.ReplaceAll(normalized(p, typed), question, "QUESTION"))
		p = p.Press("submit", "name", "样例丙", "ending", "3335")
		shows(t, p, 422, "/login")
		seen.WriteString(strings.ReplaceAll(normalized(p, typed), question, "QUESTION"))
		seen.WriteString(w.take())
		if first == "" {
			first = seen.String()
		} else if seen.String() != first {
			t.Errorf("%s differs:\n%s\n\nfrom\n%s", phone, seen.String(), first)
		}
	}
	if log := s.log.String(); strings.Contains(log, "15400000099") || strings.Contains(log, strings.TrimPrefix(alicePhone, "+86")) {
		t.Error("the log holds a phone")
	}
}

// A code and a question are good in the browser that asked for them alone, for the same request.
func TestAttackPhoneElsewhere(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	victim := s.browser(t)
	p, code := s.codeFor(t, s.clinic.request().open(t, victim), alicePhone)
	thief := s.browser(t)
	login := s.clinic.request().open(t, thief)
	q, _ := s.codeFor(t, login, "+8615400000099")
	stolen := q.Press("submit", "phone", alicePhone, "code", code)
	shows(t, stolen, 422, "/login")
	says(t, stolen, "验证码已失效")
	p = p.Press("submit", "code", code)
	question := p.Form("submit").Values.Get("question")
	stolen = q.Form("submit").With("act", "person", "question", question, "name", sampleName, "ending", alicesEnding).Send()
	if stolen.URL.Path != "/login" || stolen.Status != 422 {
		t.Errorf("another browser answered the question: %s %d", stolen.URL, stolen.Status)
	}
	// The victim's own second request doesn't take it either.
	again := s.clinic.request().open(t, victim)
	stolen = again.Form("send-code").With("act", "person", "phone", alicePhone, "question", question, "name", sampleName, "ending", alicesEnding).Send()
	if stolen.URL.Path != "/login" || stolen.Status != 422 {
		t.Errorf("another request's question was answered: %s %d", stolen.URL, stolen.Status)
	}
	p = p.Press("submit", "name", sampleName, "ending", alicesEnding)
	if p.To == nil && p.URL.Path != consentPath {
		t.Errorf("the victim couldn't go on: %s", p.URL)
	}
}

// Forms that another site makes, that are malformed or that come where no phones log in are refused.
func TestAttackPhoneForms(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	login := s.clinic.request().open(t, b)
	n := len(s.phones.codes())
	for what, pairs := range map[string][]string{
		"another site's": {"token", "x"}, "no number": {"phone", ""}, "no phone": {"phone", "zhang"}, "too long": {"phone", strings.Repeat("1", 5000)},
		"not UTF-8": {"phone", "\xff1380000"}, "a question of nobody": {"act", "person", "question", "AAAA", "name", "x", "ending", "1234"},
		"a code without a phone": {"act", "phone", "code", "123456"},
	} {
		p := login.Form("send-code").With(append([]string{"act", "send"}, pairs...)...).Send()
		if p.Status < 400 || p.Status >= 500 || p.To != nil {
			t.Errorf("%s: %d at %s", what, p.Status, p.URL)
		}
	}
	if len(s.phones.codes()) != n {
		t.Error("a code was sent")
	}
}

// A form of a login with a phone that is sent twice, as by a double click without scripts, leads on both
// times, in one session.
func TestPhoneFormsSentTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for i, how := range []string{"after", "at once"} {
		phone := []string{alicePhone, bobPhone}[i]
		name, ending := []string{sampleName, bobName}[i], []string{alicesEnding, bobCitizen[len(bobCitizen)-4:]}[i]
		b := s.browser(t)
		p, code := s.codeFor(t, s.clinic.request().open(t, b), phone)
		first, second := sendForm(t, s.url, p.Form("submit").With("code", code), how)
		for j, q := range []*apitest.Page{first, second} {
			if q.Status != 200 || !q.Has("ending") {
				t.Fatalf("%s: the code's answer %d: %v", how, j+1, q)
			}
		}
		first, second = sendForm(t, s.url, second.Form("submit").With("name", name, "ending", ending), how)
		for j, q := range []*apitest.Page{first, second} {
			if q.To == nil || q.To.Query().Get("code") == "" {
				t.Fatalf("%s: the answer %d leads to %v at %s:\n%s", how, j+1, q.To, q.URL, q.Body)
			}
		}
		// Proved now: the code alone logs in, twice as well.
		other := s.browser(t)
		p, code = s.codeFor(t, s.clinic.request().open(t, other), phone)
		first, second = sendForm(t, s.url, p.Form("submit").With("code", code), how)
		for j, q := range []*apitest.Page{first, second} {
			if q.To == nil || q.To.Query().Get("code") == "" {
				t.Fatalf("%s: the code alone, answer %d, leads to %v at %s:\n%s", how, j+1, q.To, q.URL, q.Body)
			}
		}
	}
	b := s.browser(t)
	p, _ := s.codeFor(t, s.clinic.request().open(t, b), carolPhone)
	n := len(s.phones.codes())
	again := p.Press("resend") // too early: the page stays, and the code is good
	if shows(t, again, 200, "/login"); !again.Has("resend") || len(s.phones.codes()) != n {
		t.Errorf("%d messages more, at\n%s", len(s.phones.codes())-n, again.Body)
	}
}
