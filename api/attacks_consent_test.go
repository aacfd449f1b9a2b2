package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/oidc/client"
)

// grantsOf returns how many live grants a person sees.
func (s *stage) grantsOf(t *testing.T, b *apitest.Browser) int {
	t.Helper()
	p := b.Get(s.url + "/grants")
	if p.Status != http.StatusOK {
		t.Fatalf("the grants' page: %v", p)
	}
	return len(p.Choices("grant"))
}

// A consent form that is sent again, double-clicked or replayed, makes no second
// grant and no second code.
func TestAttackConsentReplay(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	f := s.clinic.licensed()
	form := agreeToAll(f.toConsent(t, b, s.alice))
	first := f.code(t, form.Send())
	k := f.redeem(t, first).tokens(t)
	for range 2 {
		p := form.Send()
		if p.To == nil && p.Status < 400 {
			t.Errorf("the form sent again: %v", p)
		}
		if p.To == nil {
			continue
		}
		// A second click gets a code, for its browser shows the second answer; but the grant was delivered for the first.
		if again := f.redeem(t, p.To.Query().Get("code")); again.StatusCode == http.StatusOK {
			t.Errorf("the form sent again yields %s", again.body)
		}
	}
	if n := s.grantsOf(t, b); n != 1 {
		t.Errorf("there are %d grants, want 1", n)
	}
	s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, "")

	// In another request of the same browser it is worth nothing.
	other := s.clinic.licensed()
	page := other.toConsent(t, b, s.alice)
	own := agreeToAll(page)
	for _, name := range []string{"form", "shown", "token"} {
		own.Values.Set(name, form.Values.Get(name))
	}
	if p := own.Send(); p.To != nil && p.To.Query().Has("code") {
		t.Errorf("a form of an earlier request was taken: %v", p.To)
	}
	if n := s.grantsOf(t, b); n != 1 {
		t.Errorf("there are %d grants, want 1", n)
	}
}

// What a consent form says is checked against what was offered: nothing can be
// put into it.
func TestAttackConsentAltered(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b, other := s.browser(t), s.browser(t)
	bobs := s.clinic.licensed().toConsent(t, other, s.bob) // another person's license, as their form names it
	name := bobs.Names("license-")[0]
	theirs := bobs.Choices(name)[0]
	for what, alter := range map[string]func(v url.Values){
		"another person's license": func(v url.Values) { v.Set(name, theirs) },
		"both":                     func(v url.Values) { v.Add(name, theirs) },
		"another version":          func(v url.Values) { v.Set(name, strings.Replace(v.Get(name), "1", "2", 1)+"0") },
		"nonsense":                 func(v url.Values) { v.Set(name, "../../etc/passwd") },
		"a material more":          func(v url.Values) { v.Set("license-passport", v.Get(name)) },
		"a field more":             func(v url.Values) { v.Add("part", v.Get(name)+":fields/secret") },
		"a field of another":       func(v url.Values) { v.Add("part", theirs+":fields/grade") },
		"the whole license":        func(v url.Values) { v.Add("part", v.Get(name)+":*") },
		"another hash":             func(v url.Values) { v.Set("shown", bobs.Form("approve").Values.Get("shown")) },
		"no hash":                  func(v url.Values) { v.Del("shown") },
		"a form id of one's own":   func(v url.Values) { v.Set("form", strings.Repeat("A", len(v.Get("form")))) },
		"no form id":               func(v url.Values) { v.Del("form") },
		"another person's form":    func(v url.Values) { v.Set("form", bobs.Form("approve").Values.Get("form")) },
		"a thousand parts": func(v url.Values) {
			for range 1000 {
				v.Add("part", v.Get(name)+":fields/grade")
			}
		},
	} {
		f := s.clinic.licensed()
		form := agreeToAll(f.toConsent(t, b, s.alice))
		alter(form.Values)
		p := form.Send()
		if p.To == nil || !p.To.Query().Has("code") {
			continue
		}
		// Whatever was taken of it: no more than was offered.
		k := f.redeem(t, p.To.Query().Get("code")).tokens(t)
		for _, d := range k.Details {
			for _, m := range d.Materials {
				if m.License != "" && m.License != s.alicesLicense || m.Material != "operator-certificate" ||
					slices.ContainsFunc(m.Fields, func(part string) bool {
						return !slices.Contains([]string{"number", "holders", "fields/category", "fields/grade"}, part)
					}) {
					t.Errorf("%s: granted %+v", what, m)
				}
			}
		}
		if !slices.Contains([]string{"a material more", "a field more", "a field of another", "the whole license", "a thousand parts", "both"}, what) {
			t.Errorf("%s: the consent was taken", what)
		}
	}
}

// Sensitive parts are released only with a yes of their own.
func TestAttackSensitiveByDefault(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	f := s.clinic.licensed()
	p := f.toConsent(t, s.browser(t), s.alice)
	k := f.redeem(t, f.code(t, p.Form("approve").Send())).tokens(t)
	if m := k.Details[0].Materials[0]; slices.Contains(m.Fields, "fields/grade") || !slices.Contains(m.Fields, "fields/category") {
		t.Errorf("granted %v", m.Fields)
	}
	a := s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, "")
	if v := s.verifyCredential(t, a.member("credential")); v.License["fields"].(object)["grade"] != nil {
		t.Errorf("released %v", v.License)
	}
}

// A license that changes while the holder reads about it isn't agreed to: what
// holds now is shown first.
func TestAttackChangedBeforeConsent(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	f := s.clinic.licensed()
	form := agreeToAll(f.toConsent(t, b, s.alice))
	s.replaceLicense(t)
	p := form.Send()
	if p.To != nil || !p.Has("approve") {
		t.Fatalf("after the change: %d to %v", p.Status, p.To)
	}
	if s.grantsOf(t, b) != 0 {
		t.Error("a grant was made")
	}
	k := f.redeem(t, f.code(t, agreeToAll(p).Send())).tokens(t)
	if m := k.Details[0].Materials[0]; m.Version != 2 {
		t.Errorf("granted %+v", m)
	}
}

// A license that changes between the consent and the delivery, or between that
// and the reading, is left out with the reason: nobody gets a version that the
// holder didn't see, or one that is no longer good.
func TestAttackChangedAfterConsent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct {
		do     func(s *stage, t *testing.T)
		reason string
	}{
		"replaced":  {(*stage).replaceLicense, "license_superseded"},
		"suspended": {func(s *stage, t *testing.T) { s.changeLicense(t, "suspend", suspendBody()) }, "license_suspended"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, stageConfig{})
			b := s.browser(t)
			delivered := s.clinic.licensed()
			k := delivered.loggedIn(t, b, s.alice)
			agreed := s.clinic.licensed()
			code := agreed.through(t, b, s.alice)
			change.do(s, t)
			later := agreed.redeem(t, code).tokens(t)
			if m := later.Details[0].Materials[0]; m.UseCode != "" || m.Reason != change.reason {
				t.Errorf("delivered %+v, want the reason %s", m, change.reason)
			}
			a := s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusConflict, change.reason)
			if a.member("credential") != "" {
				t.Errorf("released: %s", a.body)
			}
		})
	}
}

func (s *stage) replaceLicense(t *testing.T) {
	t.Helper()
	body := merge(issueBody(sampleNumber, object{"fields": object{"category": sampleField, "grade": 4}, "kind": "change", "reason": "样例"}), object{"type_code": nil})
	s.changeLicense(t, "replace", body, ifMatch, `"1"`)
}

func (s *stage) changeLicense(t *testing.T, act string, body any, headers ...string) {
	t.Helper()
	s.call(t, s.department, "POST", "/v1/licenses/"+s.alicesLicense+"/"+act, body, headers...).want(t, http.StatusOK, "")
}

// A person's pages show nothing of another person's, whatever the address says.
func TestAttackAnotherPersonsPages(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	f := s.clinic.licensed()
	k := f.loggedIn(t, b, s.alice)
	s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, "")
	mine := b.Get(s.url + "/licenses/" + s.alicesLicense)
	if mine.Status != http.StatusOK || !strings.Contains(mine.Body, sampleNumber) {
		t.Fatalf("the holder's own license: %v", mine)
	}
	other := s.browser(t)
	s.clinic.licensed().loggedIn(t, other, s.bob)
	unknown := strings.Repeat("a", len(s.alicesLicense))
	theirs, none := other.Get(s.url+"/licenses/"+s.alicesLicense), other.Get(s.url+"/licenses/"+unknown)
	if theirs.Status != http.StatusNotFound || none.Status != theirs.Status || strings.Contains(theirs.Body, sampleNumber) {
		t.Errorf("another's license: %d, one that isn't there: %d", theirs.Status, none.Status)
	}
	// Withdrawing and ending take a form of one's own, and one's own things alone.
	grant := k.Details[0].Grant
	form := other.Get(s.url + "/grants").FormIn("grant-" + s.firstGrant(t, other))
	form.Values.Set("grant", grant)
	form.Send()
	if !s.clinic.active(t, k.AccessToken) {
		t.Error("another person withdrew the grant")
	}
	for _, path := range []string{"/licenses", "/records", "/grants", "/sessions"} {
		if p := other.Get(s.url + path); strings.Contains(p.Body, sampleNumber) || strings.Contains(p.Body, grant) || strings.Contains(p.Body, s.alicesLicense) {
			t.Errorf("%s shows another person's", path)
		}
	}
}

// firstGrant returns the id of the first live grant on a person's page.
func (s *stage) firstGrant(t *testing.T, b *apitest.Browser) string {
	t.Helper()
	live := b.Get(s.url + "/grants").Choices("grant")
	if len(live) == 0 {
		t.Fatal("there is no grant")
	}
	return live[0]
}

// Whatever a client asks for, licenses need two factors and a person who was
// proofed: the request can raise that, and not lower it.
func TestAttackAssuranceDowngrade(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for _, acr := range []string{"", "urn:yizheng:assurance:1", "urn:yizheng:assurance:0", "0", "phr"} {
		b := s.browser(t)
		p := s.clinic.licensed("acr_values", acr).open(t, b).Press("submit", "username", s.bob.Login, "password", s.bob.Password)
		if p.Has("approve") || !p.Has("code") && !p.Has("send") {
			t.Errorf("acr_values %q: one factor leads to %v", acr, p)
		}
		// Going to the consent page past the second factor doesn't help.
		if q := b.Get(strings.Replace(p.URL.String(), "/login/code", "/consent", 1)); q.Has("approve") || strings.Contains(q.Body, bobNumber) {
			t.Errorf("acr_values %q: the consent page is shown after one factor", acr)
		}
		if q := b.Get(s.url + "/licenses"); strings.Contains(q.Body, bobNumber) {
			t.Errorf("acr_values %q: the person's licenses are shown after one factor", acr)
		}
	}
}

// What a client says of itself, its case or its officer is shown as text, on
// pages that other people read (stored cross-site scripting).
func TestAttackStoredMarkup(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	const markup = `<script>alert("evil")</script><img src=x onerror=alert(1)>`
	shady := s.relyingParty(t, s.owner(t, strangerUSCC), "http://127.0.0.1:9105/callback", func(c *client.Spec) {
		c.Name, c.HomeURI = "样例"+markup, "http://127.0.0.1:9105/%22onclick=alert(1)"
	})
	b := s.browser(t)
	f := shady.licensed("authorization_details", `[{"type":"license","service_item":"`+sampleItem+`","case":`+jsonText("case"+markup[:40])+`}]`)
	pages := []*apitest.Page{f.open(t, b)}
	consent := pages[0].LogIn(s.alice)
	k := f.redeem(t, f.code(t, agreeToAll(consent).Send())).tokens(t)
	s.bearer(t, "POST", "/v1/use-codes/redeem", k.AccessToken, object{
		"use_code": k.useCode(t), "request_id": markup[:8], "nonce": "nonce-of-the-test", "officer": object{"id": "1", "name": markup, "division": markup},
	}).want(t, http.StatusOK, "")
	pages = append(pages, consent)
	for _, path := range []string{"/records", "/grants", "/licenses/" + s.alicesLicense, "/sessions", "/"} {
		pages = append(pages, b.Get(s.url+path))
	}
	pages = append(pages, b.Get(s.url+pathEndSession+"?client_id="+shady.id))
	seen := 0
	for _, p := range pages {
		if strings.Contains(p.Body, "<script>alert") || strings.Contains(p.Body, "<img src=x") || strings.Contains(p.Body, `"onclick`) {
			t.Errorf("%v shows markup", p)
		}
		if strings.Contains(p.Body, "&lt;script&gt;alert") {
			seen++
		}
	}
	if seen < 4 {
		t.Errorf("only %d pages show the text at all", seen)
	}
}
