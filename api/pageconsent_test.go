package api

import (
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/views"
	"yizheng.internal/license/party"
)

// consent opens the consent page of somebody who logs in for it.
func (s *pageSite) consent(t testing.TB) *apitest.Page {
	t.Helper()
	p := s.ask(s.browser(t)).LogIn(s.who)
	shows(t, p, 200, consentPath)
	return p
}

// granted redeems the code that a decision led to, and returns what was granted.
func (s *pageSite) granted(t testing.TB, p *apitest.Page) grantedOfTest {
	t.Helper()
	d := s.app.redeem(t, s.app.answerOf(t, p).Get("code")).tokens(t).Details
	if len(d) != 1 {
		t.Fatalf("details: %+v", d)
	}
	return d[0]
}

// The page says who asks, what for, and what of which license; sensitive parts
// stand apart, with the reason, and are not ticked.
func TestConsentPage(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	p := s.consent(t)
	says(t, p, "样例局", "样例网上办事", "样例事项", "办理样例事项", "样例操作证", "必需", "作业类别", sampleField, "1 小时", sampleNumber, "核对级别", "敏感信息")
	field := p.Names("license-")
	if len(field) != 1 || len(p.Choices(field[0])) != 1 || !strings.HasPrefix(p.Choices(field[0])[0], "operator-certificate:"+s.issued.ID+":1") {
		t.Errorf("choices: %v", p.Choices(field[0]))
	}
	f := p.Form("approve")
	if slices.ContainsFunc(f.Values[views.FieldPart], func(v string) bool { return strings.HasSuffix(v, "fields/grade") }) {
		t.Errorf("the sensitive part is ticked: %v", f.Values)
	}
	g := s.granted(t, f.Send())
	if m := g.Materials[0]; m.License != s.issued.ID || m.Outcome != "granted" || m.UseCode == "" || slices.Contains(m.Fields, "fields/grade") || len(m.Fields) != 3 {
		t.Errorf("granted %+v", g)
	}
}

func TestConsentToTheSensitive(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	p := s.consent(t)
	f := p.Form("approve")
	f.Values[views.FieldPart] = p.Choices(views.FieldPart) // all of them, ticked
	if g := s.granted(t, f.Send()); !slices.Contains(g.Materials[0].Fields, "fields/grade") {
		t.Errorf("granted %+v", g)
	}
}

// Whoever refuses goes on by paper, in whichever way they say so.
func TestConsentRefused(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	field := "license-operator-certificate"
	for name, decide := range map[string]func(p *apitest.Page) *apitest.Page{
		"the button":       func(p *apitest.Page) *apitest.Page { return p.Press("refuse") },
		"nothing ticked":   func(p *apitest.Page) *apitest.Page { f := p.Form("approve"); f.Values.Del(field); return f.Send() },
		"none is selected": func(p *apitest.Page) *apitest.Page { return p.Press("approve", field, "none") },
	} {
		a := s.app.answerOf(t, decide(s.consent(t)))
		if a.Get("error") != "access_denied" || a.Get("code") != "" || !strings.Contains(a.Get("error_description"), "paper") {
			t.Errorf("%s: %v", name, a)
		}
	}
	if a := s.app.answerOf(t, s.consent(t).Press("cancel")); a.Get("error") != "access_denied" || strings.Contains(a.Get("error_description"), "paper") {
		t.Errorf("cancelled: %v", a)
	}
}

// Of several licenses one is chosen, none beforehand; what tells them apart is said.
func TestConsentChoice(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	var second issuedOfTest
	body := issueBody("样例证号二", object{"fields": object{"category": "样例焊接作业", "grade": 2}})
	s.call(t, s.department, "POST", "/v1/licenses", body, idempotencyKey, "second").want(t, 201, "").decode(t, &second)
	p := s.consent(t)
	says(t, p, "您有多份可用", "作业类别：样例焊接作业", "作业类别："+sampleField)
	field := "license-operator-certificate"
	choices := p.Choices(field)
	if len(choices) != 3 || p.Form("approve").Values.Has(field) {
		t.Fatalf("choices %v, chosen %v", choices, p.Form("approve").Values[field])
	}
	again := p.Press("approve")
	shows(t, again, 422, consentPath)
	says(t, again, "请为每一项选择一份证照")
	i := slices.IndexFunc(choices, func(c string) bool { return strings.Contains(c, second.ID) })
	if g := s.granted(t, again.Press("approve", field, choices[i])); g.Materials[0].License != second.ID {
		t.Errorf("granted %+v", g)
	}
}

// A form that was altered agrees to nothing: what it names must be what was shown.
func TestConsentFormAltered(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	theirs := issueBody("别人的证号", object{"holders": []object{{"name": "李样例", "code_type": "111", "code": otherCitizen, "role": "holder"}}})
	var stranger issuedOfTest
	s.call(t, s.department, "POST", "/v1/licenses", theirs, idempotencyKey, "theirs").want(t, 201, "").decode(t, &stranger)
	b := s.browserOf(t)
	field, mine := "license-operator-certificate", "operator-certificate:"+s.issued.ID+":1"
	for name, alter := range map[string]func(v url.Values){
		"another person's license": func(v url.Values) { v.Set(field, "operator-certificate:"+stranger.ID+":1") },
		"another version":          func(v url.Values) { v.Set(field, "operator-certificate:"+s.issued.ID+":2") },
		"another material":         func(v url.Values) { v.Set("license-other", "other:"+s.issued.ID+":1") },
		"a material of two names":  func(v url.Values) { v.Set(field, "other:"+s.issued.ID+":1") },
		"a part that isn't asked":  func(v url.Values) { v.Add(views.FieldPart, mine+":identifier") },
		"a part twice":             func(v url.Values) { v.Add(views.FieldPart, mine+":number") },
		"a part of no name":        func(v url.Values) { v.Add(views.FieldPart, mine+":") },
		"no license at all":        func(v url.Values) { v.Set(field, "::") },
		"a license with a part":    func(v url.Values) { v.Set(field, mine+":number") },
		"another form's id":        func(v url.Values) { v.Set("form", strings.Repeat("x", 43)) },
		"no form's id":             func(v url.Values) { v.Del("form") },
		"another hash":             func(v url.Values) { v.Set("shown", strings.Repeat("00", 32)) },
		"a short hash":             func(v url.Values) { v.Set("shown", "00") },
		"no hash":                  func(v url.Values) { v.Del("shown") },
		"for ever":                 func(v url.Values) { v.Set("recurring", "99999999999") },
		"until it was over":        func(v url.Values) { v.Set("recurring", "1") },
		"until some day":           func(v url.Values) { v.Set("recurring", "tomorrow") },
		"an act of its own":        func(v url.Values) { v.Set("act", "grant") },
	} {
		p := s.ask(b)
		shows(t, p, 200, consentPath)
		f := p.Form("approve")
		alter(f.Values)
		if after := f.Send(); after.To != nil || after.Status < 400 {
			t.Errorf("%s: %d, to %v", name, after.Status, after.To)
		}
	}
	says(t, b.Get(s.url+"/grants"), "您还没有同意过提供证照")
}

// browserOf returns a browser in which the citizen is logged in with two factors.
func (s *pageSite) browserOf(t testing.TB) *apitest.Browser {
	t.Helper()
	b := s.browser(t)
	shows(t, b.Get(s.url+"/licenses").LogIn(s.who), 200, "/licenses")
	return b
}

// Two clicks get the same answer: both lead on, to one grant.
func TestConsentClickedTwice(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	p := s.consent(t)
	f := p.Form("approve").With("recurring", p.Choices("recurring")[0])
	var wait sync.WaitGroup
	after := make([]*apitest.Page, 2)
	for i := range after {
		b := f.Browser().Clone(s.url)
		r := f.Request()
		wait.Go(func() {
			if got, err := b.Try(r); err == nil {
				after[i] = got
			}
		})
	}
	wait.Wait()
	after = append(after, f.Send())
	grants := map[string]bool{}
	for i, p := range after {
		if p == nil || p.To == nil || p.To.Query().Get("code") == "" {
			t.Fatalf("click %d: %+v", i, p)
		}
	}
	grants[s.granted(t, after[0]).Grant] = true
	page := s.browserOf(t).Get(s.url + "/grants")
	if n := strings.Count(page.Body, `id="grant-`); n != 1 || len(grants) != 1 {
		t.Errorf("%d grants", n)
	}
	says(t, page, "同一办件可多次读取")
}

// What changed since it was shown is shown again before anybody agrees to it.
func TestConsentToWhatChanged(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	p := s.consent(t)
	s.call(t, s.department, "POST", "/v1/licenses/"+s.issued.ID+"/suspend", suspendBody()).want(t, 200, "")
	after := p.Press("approve")
	shows(t, after, 409, consentPath)
	says(t, after, "刚刚发生变化", "暂扣状态", "继续，改交纸质材料")
	if after.Has("approve") {
		t.Error("there is nothing to approve")
	}
	if a := s.app.answerOf(t, after.Press("refuse")); a.Get("error") != "access_denied" {
		t.Errorf("%v", a)
	}
}

// Each reason why a license can't be provided is said in words.
func TestConsentOutcomes(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	said := func(texts ...string) {
		t.Helper()
		says(t, s.consent(t), append(texts, "可以继续办理")...)
	}
	s.call(t, s.department, "POST", "/v1/licenses/"+s.issued.ID+"/end", object{
		"kind": "revoked", "effective_from": party.DateOf(s.started).String(),
		"document": object{"number": "样例1号", "date": party.DateOf(s.started).String(), "basis": "样例法"}, "reason": "样例",
	}).want(t, 200, "")
	said("已失去效力", "已吊销，自")
	s.call(t, s.department, "POST", "/v1/licenses", issueBody("未来", object{"valid_from": party.DateOf(s.started).AddDays(3).String()}), idempotencyKey, "later").want(t, 201, "")
	said("尚未到生效日期", "起生效")
}

// A client that is no department says which details it gets; there is no license to look at.
func TestConsentToDetails(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	b := s.browser(t)
	p := s.app.open(b, s.app.request("prompt", "consent", "acr_values", "urn:yizheng:assurance:2", "scope", "openid profile phone identity")).LogIn(s.who)
	shows(t, p, 200, consentPath)
	says(t, p, "授权登录", "姓名", "手机号码", "证件号码")
	if a := s.app.answerOf(t, p.Press("refuse")); a.Get("error") != "access_denied" {
		t.Errorf("%v", a)
	}
	p = s.app.open(b, s.app.request("prompt", "consent", "scope", "openid profile"))
	s.app.answerOf(t, p.Press("approve"))
}

// A session that ended meanwhile agrees to nothing.
func TestConsentAfterLogout(t *testing.T) {
	t.Parallel()
	s := newPageSite(t)
	p := s.consent(t)
	other := s.browserOf(t)
	f := other.Get(s.url + "/sessions").FormAt("/sessions")
	f.Send()
	after := p.Press("approve")
	shows(t, after, 200, loginPath)
	s.app.answerOf(t, after.LogIn(s.who).Press("approve"))
}
