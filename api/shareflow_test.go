package api

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
	"yizheng.internal/license/audit"
	grants "yizheng.internal/license/grant"
	"yizheng.internal/license/offer"
)

// sharing is a site with an item, and somebody who holds a license.
type sharing struct {
	*site
	who    apitest.Person
	issued issuedOfTest
}

func newSharingSite(t testing.TB) *sharing {
	t.Helper()
	s := &sharing{site: newSite(t)}
	s.publishItem(t, sampleItem, itemDefinition(nil))
	s.publishItem(t, otherItem, itemDefinition(nil))
	s.issued = s.issue(t, sampleNumber)
	s.who = s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	return s
}

// asking returns a request for the licenses of the item.
func (s *sharing) asking(pairs ...string) url.Values {
	return s.app.request(append([]string{"scope", "openid", "authorization_details", "[" + string(detail(sampleItem)) + "]"}, pairs...)...)
}

// consent goes as far as the consent page.
func (s *sharing) consent(t testing.TB, b *apitest.Browser, q url.Values) *apitest.Page {
	t.Helper()
	p := s.app.open(b, s.app.push(t, q)).LogIn(s.who)
	if !p.Has("approve") || !p.Has("refuse") {
		t.Fatalf("no consent page: %d %s", p.Status, p.Body)
	}
	return p
}

// agreed agrees to everything, with other fields as they are given.
func (s *sharing) agreed(t testing.TB, b *apitest.Browser, q url.Values, fields ...string) tokensOfTest {
	t.Helper()
	p := s.consent(t, b, q).Press("approve", fields...)
	return s.app.redeem(t, s.app.answerOf(t, p).Get("code")).tokens(t)
}

func as(token string) *clientOfTest { return &clientOfTest{token: token} }

// sharedOfTest is the list of what a grant covers, written down here once more.
type sharedOfTest struct {
	Grant     string    `json:"grant_id"`
	State     string    `json:"state"`
	EndedBy   string    `json:"ended_by"`
	Item      string    `json:"service_item"`
	Case      string    `json:"case"`
	Recurring bool      `json:"recurring"`
	Expires   time.Time `json:"expires"`
	Licenses  []struct {
		Material string    `json:"material"`
		License  string    `json:"license"`
		Version  int       `json:"version"`
		TypeCode string    `json:"type_code"`
		TypeName string    `json:"type_name"`
		State    string    `json:"state"`
		Reason   string    `json:"reason"`
		Fields   []string  `json:"fields"`
		Used     time.Time `json:"used"`
		Until    time.Time `json:"until"`
	} `json:"licenses"`
}

// One login, one consent, the license arrives; and when its holder withdraws the
// grant, all is over at once.
func TestJoinOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	b := s.browser(t)
	tokens := s.agreed(t, b, s.asking())
	if acr := claimsOf(t, tokens.IDToken)["acr"]; acr != "urn:yizheng:assurance:2" {
		t.Errorf("acr is %v", acr)
	}
	if len(tokens.Details) != 1 || tokens.Details[0].Item != sampleItem || tokens.Details[0].Case != sampleCase || len(tokens.Details[0].Materials) != 1 {
		t.Fatalf("details: %+v", tokens.Details)
	}
	m := tokens.Details[0].Materials[0]
	// The sensitive field was not ticked.
	if m.Outcome != "granted" || m.License != s.issued.ID || strings.Join(m.Fields, " ") != "number holders fields/category" || m.UseCode == "" {
		t.Errorf("material: %+v", m)
	}
	var list sharedOfTest
	s.call(t, as(tokens.AccessToken), "GET", "/v1/shared/licenses", nil).want(t, 200, "").decode(t, &list)
	if list.Grant != tokens.Details[0].Grant || list.State != "active" || len(list.Licenses) != 1 || list.Licenses[0].Reason != "" || list.Licenses[0].License != s.issued.ID {
		t.Errorf("shared: %+v", list)
	}
	var out releasedOfTest
	s.call(t, as(tokens.AccessToken), "POST", "/v1/use-codes/redeem", redeemBody(m.UseCode, nil)).want(t, 200, "").decode(t, &out)
	d := s.document(t)
	for path, method := range map[string]string{"/v1/shared/licenses": "get", "/v1/use-codes/redeem": "post"} {
		a := s.call(t, as(tokens.AccessToken), strings.ToUpper(method), path, map[string]any{"post": redeemBody(m.UseCode, nil)}[method]).want(t, 200, "")
		fits(t, d, at(d, "paths", path, method, "responses", "200", "content", "application/json", "schema"), overJSON(t, a.body), path)
	}
	v := s.verifyCredential(t, out.Credential)
	v.wantVerdict(t, "valid", "chain pass chain_trusted")
	if fields := at(v.License, "fields"); fields["category"] != sampleField || fields["grade"] != nil {
		t.Errorf("disclosed: %v", v.License)
	}
	if binding := bindingOf(t, out.Credential); binding["aud"] != s.app.id || binding["nonce"] != "nonce-of-the-consumer" {
		t.Errorf("key binding: %v", binding)
	}
	if a := s.app.post(t, oauth.IntrospectionPath, form("token", tokens.AccessToken)); a.member("grant_id") != list.Grant {
		t.Errorf("introspected: %s", a.body)
	}
	withdrawn := b.Get(s.url + "/grants")
	if withdrawn.Status != 200 || !strings.Contains(withdrawn.Body, list.Grant) {
		t.Fatalf("my grants: %d %s", withdrawn.Status, withdrawn.Body)
	}
	s.withdraw(t, list.Grant)
	s.call(t, as(tokens.AccessToken), "POST", "/v1/use-codes/redeem", redeemBody(m.UseCode, object{"request_id": "2"})).want(t, 401, "invalid_token")
	s.call(t, as(tokens.AccessToken), "GET", "/v1/shared/licenses", nil).want(t, 401, "invalid_token")
	s.app.refresh(t, tokens.RefreshToken).wantOAuth(t, 400, "invalid_grant")
	if a := s.app.post(t, oauth.IntrospectionPath, form("token", tokens.AccessToken)); a.body != "{\"active\":false}\n" {
		t.Errorf("introspected: %s", a.body)
	}
	checkLeaks(t, "the log", s.log.String())
	for _, secret := range []string{m.UseCode, out.Credential, tokens.AccessToken} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %.60s", secret)
		}
	}
}

// withdraw ends a grant as its holder does.
func (s *sharing) withdraw(t testing.TB, grant string) {
	t.Helper()
	found, err := s.people.FindAccount(t.Context(), s.who.Login)
	mustOf(t)(err)
	_, err = s.library.Grants.Withdraw(t.Context(), audit.Actor{Client: "portal"}, offer.Subject{Party: found.Party, Assurance: 2}, grants.ID(grant))
	mustOf(t)(err)
}

// bindingOf returns the claims of a presentation's key binding JWT.
func bindingOf(t testing.TB, credential string) object {
	t.Helper()
	parts := strings.Split(credential[strings.LastIndexByte(credential, '~')+1:], ".")
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	mustOf(t)(err)
	return overJSON(t, string(payload)).(object)
}

func TestHolderRefuses(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	b := s.browser(t)
	for button, want := range map[string]string{"refuse": "holder_chose_paper", "cancel": "cancelled"} {
		a := s.app.answerOf(t, s.consent(t, b, s.asking()).Press(button))
		if a.Get("error") != "access_denied" || !strings.HasPrefix(a.Get("error_description"), want+":") || a.Get("code") != "" {
			t.Errorf("%s: %v", button, a)
		}
	}
	f := s.consent(t, b, s.asking()).Form("approve")
	f.Values.Del("license-operator-certificate") // unticked
	if a := s.app.answerOf(t, f.Send()); a.Get("error") != "access_denied" || !strings.HasPrefix(a.Get("error_description"), "holder_chose_paper:") {
		t.Errorf("nothing ticked: %v", a)
	}
}

// A form that was altered agrees to nothing.
func TestConsentAltered(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	b, another := s.browser(t), s.issueTo(t, otherCitizen)
	for name, alter := range map[string]func(url.Values){
		"another person's license": func(v url.Values) { v.Set("license-operator-certificate", "operator-certificate:"+another+":1") },
		"another version":          func(v url.Values) { v.Set("license-operator-certificate", "operator-certificate:"+s.issued.ID+":2") },
		"a part that isn't asked for": func(v url.Values) {
			v.Add("part", "operator-certificate:"+s.issued.ID+":1:identifier")
		},
		"another form": func(v url.Values) { v.Set("form", strings.Repeat("A", 43)) },
		"another hash": func(v url.Values) { v.Set("shown", strings.Repeat("0", 64)) },
		"no token":     func(v url.Values) { v.Del("token") },
	} {
		f := s.consent(t, b, s.asking()).Form("approve")
		alter(f.Values)
		if p := f.Send(); p.To != nil && p.To.Query().Get("code") != "" {
			t.Errorf("%s: got a code", name)
		}
	}
	grants, err := s.library.Grants.List(t.Context(), offer.Subject{Party: s.party(t)}, "", 10)
	if err != nil || len(grants.Grants) != 0 {
		t.Errorf("grants: %+v, %v", grants, err)
	}
}

func (s *sharing) party(t testing.TB) string {
	t.Helper()
	found, err := s.people.FindAccount(t.Context(), s.who.Login)
	mustOf(t)(err)
	return found.Party
}

// issueTo issues a license to somebody else and returns its id.
func (s *sharing) issueTo(t testing.TB, code string) string {
	t.Helper()
	q := issueBody("样例另证", object{"holders": []object{{"name": "样例另一人", "code_type": "111", "code": code, "role": "holder"}}})
	return s.call(t, s.department, "POST", "/v1/licenses", q, idempotencyKey, "other").want(t, 201, "").member("id")
}

// A license that changes between consent and delivery is left out, by name.
func TestChangedBeforeDeliveryOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	p := s.consent(t, s.browser(t), s.asking()).Press("approve")
	s.call(t, s.department, "POST", "/v1/licenses/"+s.issued.ID+"/suspend", suspendBody()).want(t, 200, "")
	tokens := s.app.redeem(t, s.app.answerOf(t, p).Get("code")).tokens(t)
	if m := tokens.Details[0].Materials[0]; m.Reason != "license_suspended" || m.UseCode != "" {
		t.Errorf("delivered: %+v", m)
	}
}

// Codes that come twice end the grant, too.
func TestCodeReuseEndsTheGrant(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	code := s.app.answerOf(t, s.consent(t, s.browser(t), s.asking()).Press("approve")).Get("code")
	tokens := s.app.redeem(t, code).tokens(t)
	s.app.redeem(t, code).wantOAuth(t, 400, "invalid_grant")
	own := s.token(t, &clientOfTest{id: s.stranger.id, secret: s.stranger.secret})
	s.call(t, as(tokens.AccessToken), "POST", "/v1/use-codes/redeem", redeemBody(tokens.Details[0].Materials[0].UseCode, nil)).want(t, 401, "invalid_token")
	s.call(t, as(own), "POST", "/v1/use-codes/redeem", redeemBody(tokens.Details[0].Materials[0].UseCode, nil)).want(t, 404, "use_code_unknown")
	g, err := s.library.Grants.State(t.Context(), grants.ID(tokens.Details[0].Grant))
	if err != nil || g.State != grants.Ended || g.EndedBy != grants.EndedByReuse {
		t.Errorf("the grant is %+v, %v", g, err)
	}
}

// prompt=none gets licenses by an identical recurring grant that lives, and by
// nothing else.
func TestPromptNoneReuses(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	b := s.browser(t)
	silent := func(q url.Values) url.Values {
		t.Helper()
		q.Set("prompt", "none")
		return s.app.answerOf(t, s.app.open(b, s.app.push(t, q)))
	}
	s.agreed(t, b, s.asking()) // for once
	if a := silent(s.asking()); a.Get("error") != "consent_required" {
		t.Errorf("without a recurring grant: %v", a)
	}
	p := s.consent(t, b, s.asking())
	f := p.Form("approve")
	f.Values.Set("recurring", p.Choices("recurring")[0])
	f.Values["part"] = p.Choices("part") // the sensitive one too
	first := s.app.redeem(t, s.app.answerOf(t, f.Send()).Get("code")).tokens(t)
	s.call(t, as(first.AccessToken), "POST", "/v1/use-codes/redeem", redeemBody(first.Details[0].Materials[0].UseCode, nil)).want(t, 200, "")
	a := silent(s.asking())
	again := s.app.redeem(t, a.Get("code")).tokens(t)
	if again.Details[0].Grant != first.Details[0].Grant || again.Details[0].Materials[0].UseCode == first.Details[0].Materials[0].UseCode || again.Details[0].Materials[0].UseCode == "" {
		t.Errorf("reused: %+v", again.Details)
	}
	narrower := strings.Replace(string(detail(sampleItem)), "}", `,"licenses":[{"material":"operator-certificate","type_code":"`+sampleType+`","fields":["number"]}]}`, 1)
	if a := silent(s.asking("authorization_details", "["+narrower+"]")); a.Get("error") != "consent_required" {
		t.Errorf("narrower: %v", a)
	}
	other := strings.Replace(string(detail(sampleItem)), sampleCase, "2026-000124", 1)
	if a := silent(s.asking("authorization_details", "["+other+"]")); a.Get("error") != "consent_required" {
		t.Errorf("another case: %v", a)
	}
	s.withdraw(t, first.Details[0].Grant)
	if a := silent(s.asking()); a.Get("error") != "consent_required" {
		t.Errorf("withdrawn: %v", a)
	}
	s.call(t, as(again.AccessToken), "GET", "/v1/shared/licenses", nil).want(t, 401, "invalid_token")
}

// Licenses are asked for through PAR alone, within the registration.
func TestDetailsRefused(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	b := s.browser(t)
	if a := s.app.answerOf(t, s.app.open(b, s.asking())); a.Get("error") != "invalid_authorization_details" {
		t.Errorf("in the link: %v", a)
	}
	const secret = "zzsecretzz"
	for name, details := range map[string]string{
		"another item":      string(detail(otherItem)),
		"unknown item":      string(detail("NONE")),
		"a holder":          `{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1","holder":"` + secret + `"}`,
		"a license's id":    `{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1","licenses":[{"material":"operator-certificate","type_code":"` + sampleType + `","license":"` + secret + `"}]}`,
		"a field outside":   `{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"1","licenses":[{"material":"operator-certificate","type_code":"` + sampleType + `","fields":["` + secret + `"]}]}`,
		"control character": `{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"` + secret + `\u0000"}`,
		"two of them":       string(detail(sampleItem)) + "," + string(detail(sampleItem)),
		"deep":              strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		"not even JSON":     secret,
		"nothing":           "",
	} {
		a := s.app.post(t, oauth.PARPath, s.asking("authorization_details", "["+details+"]")).wantOAuth(t, 400, "invalid_authorization_details")
		if strings.Contains(a.body, secret) {
			t.Errorf("%s: it echoes: %s", name, a.body)
		}
	}
	if strings.Contains(s.log.String(), secret) {
		t.Error("the log holds what came")
	}
}

// Somebody whose identity isn't proofed well enough sees no license.
func TestLowAssurance(t *testing.T) {
	t.Parallel()
	s := newSharingSite(t)
	lisi := s.citizen(t, "lisi", "样例另一人", otherCitizen, 1)
	p := s.app.open(s.browser(t), s.app.push(t, s.asking())).LogIn(lisi)
	if a := s.app.answerOf(t, p); a.Get("error") != "unmet_authentication_requirements" {
		t.Errorf("level 1: %v", a)
	}
}
