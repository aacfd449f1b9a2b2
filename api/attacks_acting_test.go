package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/storage/porttest"
)

// claimsIn returns what a token says, without checking it: other tests do.
func claimsIn(t testing.TB, token string) (claims object) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	mustOf(t)(err)
	mustOf(t)(json.Unmarshal(payload, &claims))
	return claims
}

// An agent logs in for a company, shares its license, and the department learns so wherever it asks; nothing says
// the agent's own number.
func TestActsForOrganization(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	b := s.browser(t)
	f := s.asksLicenses()
	p := choose(toActing(t, f, b, s.bob), 1)
	if !p.Has("approve") || !strings.Contains(p.Body, shopName) {
		t.Fatalf("the consent page doesn't say for whom: %v", p)
	}
	k := f.redeem(t, f.code(t, agreeToAll(p).Send())).tokens(t)
	check := func(where string, claims object) {
		t.Helper()
		o, _ := claims["organization"].(object)
		if o == nil || o["name"] != shopName || o["uscc"] != s.shop.Value || o["class"] != "enterprise" || o["capacity"] != "agent" || o["representation"] != s.agent.ID || len(o) != 5 {
			t.Errorf("%s: %v", where, claims["organization"])
		}
		if claims["act_as"] != nil {
			t.Errorf("%s: act_as %v", where, claims["act_as"])
		}
	}
	check("the ID token", claimsIn(t, k.IDToken))
	check("the access token", claimsIn(t, k.AccessToken))
	var info, introspected object
	s.bearer(t, "GET", pathUserInfo, k.AccessToken, nil).want(t, 200, "").decode(t, &info)
	check("userinfo", info)
	for _, token := range []string{k.AccessToken, k.RefreshToken} {
		s.agency.send(t, pathIntrospect, url.Values{"token": {token}}).want(t, 200, "").decode(t, &introspected)
		check("introspection", introspected)
	}
	if a := s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, ""); strings.Contains(a.body, bobCitizen) {
		t.Errorf("it was told the agent's number: %s", a.body)
	}
	// The grant is the company's: whoever represents it sees and withdraws it; the agent's own page doesn't have it.
	if n := s.grantsOf(t, b); n != 0 {
		t.Errorf("the agent has %d grants of their own", n)
	}
	p = b.Get(s.url + "/representations")
	p = p.Press("act", "for", p.Choices("for")[1])
	if !strings.Contains(p.Body, shopName) || !p.Has("switch-acting") {
		t.Errorf("%s: the page doesn't say for whom they act: %v", p.URL, p)
	}
	if n := s.grantsOf(t, b); n != 1 {
		t.Errorf("the company has %d grants", n)
	}
	// Who acts for themself is told so by the absence of the claim.
	own := s.asks()
	p = own.open(t, s.browser(t)).LogIn(s.bob)
	k = own.redeem(t, own.code(t, choose(p, 0))).tokens(t)
	if claims := claimsIn(t, k.IDToken); claims["organization"] != nil {
		t.Errorf("for themself: %v", claims)
	}
}

// A dismissed agent can't go on a moment later, on any node, wherever they are.
func TestAttackActingDismissed(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{Nodes: 2, Database: postgresURL(t), Redis: "redis://" + startRedis(t, porttest.FreeAddress(t)).address + "/0"})
	b, offline := s.browser(t), s.browser(t)
	f := s.asksLicenses()
	k := f.redeem(t, f.code(t, agreeToAll(choose(toActing(t, f, b, s.bob), 1)).Send())).tokens(t)
	use := k.useCode(t)
	long := s.asks("scope", "openid organization offline_access", "prompt", "consent")
	kept := long.redeem(t, long.code(t, agreeToAll(choose(toActing(t, long, offline, s.bob), 1)).Send())).tokens(t)
	pending := s.asksLicenses()
	unredeemed := pending.code(t, agreeToAll(pending.open(t, b)).Send())
	waiting := s.asksLicenses()
	consent := agreeToAll(waiting.open(t, b))
	page := b.Get(s.url + "/representations")
	page.Press("act", "for", page.Choices("for")[1])
	if p := b.Get(s.url + "/licenses"); !strings.Contains(p.Body, shopNumber) {
		t.Fatalf("the agent doesn't see the company's license: %v", p)
	}
	for _, token := range []string{k.AccessToken, k.RefreshToken, kept.AccessToken, kept.RefreshToken} {
		if !s.agency.active(t, token) {
			t.Fatal("a token isn't good before the dismissal")
		}
	}

	s.dismiss(t)
	for _, n := range s.nodes {
		for _, token := range []string{k.AccessToken, k.RefreshToken, kept.AccessToken, kept.RefreshToken} {
			a := s.agency.sendTo(t, n.url, pathIntrospect, url.Values{"token": {token}}).want(t, 200, "")
			if a.member("active") == "true" {
				t.Error("introspection: a token is still good")
			}
		}
	}
	for range s.nodes {
		s.bearer(t, "GET", pathUserInfo, k.AccessToken, nil).want(t, http.StatusUnauthorized, "")
		s.agency.send(t, pathToken, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {kept.RefreshToken}}).oauthError(t, 400, "invalid_grant")
		s.agency.send(t, pathToken, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {k.RefreshToken}}).oauthError(t, 400, "invalid_grant")
	}
	pending.redeem(t, unredeemed).oauthError(t, 400, "invalid_grant")
	if p := consent.Send(); p.To != nil || !p.Has("problem") {
		t.Errorf("the consent was taken: %v", p)
	}
	if p := b.Get(s.url + "/licenses"); strings.Contains(p.Body, shopNumber) || p.Has("switch-acting") || !strings.Contains(p.Body, bobNumber) {
		t.Errorf("the company's licenses are still shown: %v", p)
	}
	if n := s.grantsOf(t, b); n != 0 {
		t.Errorf("the company's grants are still shown: %d", n)
	}
	// What was delivered stays the company's: the case goes on. The code alone is of no use without a token.
	s.read(t, k.AccessToken, use).want(t, http.StatusUnauthorized, "")
}

// Whoever stops being the legal representative while they are on their way is asked anew, and told why.
func TestAttackActingSuspendedInMidFlow(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	b := s.browser(t)
	f := s.asksLicenses()
	consent := agreeToAll(choose(toActing(t, f, b, s.alice), 1))
	s.head(party.Code{}, s.shop, shopName) // the license was suspended
	p := consent.Send()
	if p.To != nil || !p.Has("problem") || len(p.Choices("for")) != 1 {
		t.Fatalf("the consent was taken, or nobody says why not: %v", p)
	}
	if p = choose(p, 0); !p.Has("approve") || strings.Contains(p.Body, shopName) {
		t.Errorf("for themself: %v", p)
	}
	// The form of the other identity doesn't serve.
	own := agreeToAll(p)
	for _, name := range []string{"form", "shown"} {
		own.Values.Set(name, consent.Values.Get(name))
	}
	if p := own.Send(); p.To != nil {
		t.Errorf("a form of another identity was taken: %v", p.To)
	}
}

// A consent form is for the identity for which it was shown.
func TestAttackActingFormOfAnother(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	b := s.browser(t)
	f := s.asks("prompt", "consent")
	self := choose(toActing(t, f, b, s.bob), 0)
	mine := agreeToAll(self)
	p := self.Press("acting") // changes their mind
	if len(p.Choices("for")) != 2 {
		t.Fatalf("they aren't asked again: %v", p)
	}
	p = choose(p, 1)
	theirs := agreeToAll(p)
	if mine.Values.Get("form") == theirs.Values.Get("form") {
		t.Error("both identities have the same form")
	}
	if p := mine.Send(); p.To != nil {
		t.Errorf("agreed as the company with one's own form: %v", p.To)
	}
	k := f.redeem(t, f.code(t, theirs.Send())).tokens(t)
	if o, _ := claimsIn(t, k.IDToken)["organization"].(object); o["name"] != shopName {
		t.Errorf("claims: %v", o)
	}
}

// Nobody chooses a representation of somebody else, by its id or by another person's key of it.
func TestAttackActingAsAnother(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	bobs := toActing(t, s.asks(), s.browser(t), s.bob).Choices("for")[1]
	b := s.browser(t)
	page := toActing(t, s.asks(), b, s.alice)
	for what, key := range map[string]string{"its id": s.agent.ID, "another's key": bobs, "nothing": "", "nonsense": "../" + s.agent.ID} {
		p := page.Press("submit", "for", key)
		if p.To != nil || !p.Has("problem") {
			t.Errorf("%s: %v", what, p)
		}
	}
	carol := s.browser(t)
	p := carol.Get(s.url + "/representations").LogIn(s.carol)
	p = p.Follow("entrust")
	token := p.Form("submit").Values.Get("token")
	for what, key := range map[string]string{"its id": s.agent.ID, "another's key": bobs} {
		if p := carol.Post(s.url+"/representations/act", url.Values{"token": {token}, "for": {key}}); p.Status != http.StatusUnprocessableEntity {
			t.Errorf("%s on our own pages: %v", what, p)
		}
	}
	if p := carol.Get(s.url + "/licenses"); strings.Contains(p.Body, shopNumber) {
		t.Errorf("carol sees the company's license: %v", p)
	}
}

// Below assurance 2 nobody acts for others, and the client sees that by the scopes that it gets.
func TestAttackActingWithOneFactor(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	b := s.browser(t)
	f := s.asks("acr_values", "")
	p := f.open(t, b).Press("submit", "username", s.bob.Login, "password", s.bob.Password)
	k := f.redeem(t, f.code(t, p)).tokens(t)
	if strings.Contains(k.Scope, "organization") || strings.Contains(k.Scope, "act_as") || claimsIn(t, k.IDToken)["organization"] != nil {
		t.Errorf("with one factor: %s, %v", k.Scope, claimsIn(t, k.IDToken))
	}
	// By default a client that asks for whom somebody acts demands two.
	strict := s.relyingParty(t, s.owner(t, departmentUSCC), "http://127.0.0.1:9105/callback", func(c *client.Spec) { c.Scopes, c.MinAssurance, c.ServiceItems = scopesActing, nil, nil })
	p = strict.request("scope", "openid organization").open(t, s.browser(t)).Press("submit", "username", s.bob.Login, "password", s.bob.Password)
	if !p.Has("code") {
		t.Errorf("no second factor is asked for: %v", p)
	}
}

// A client without the scopes learns nothing of it, and one client's choice is none at another.
func TestAttackActingLeaks(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	b := s.browser(t)
	f := s.asks("acr_values", "urn:yizheng:assurance:2")
	f.redeem(t, f.code(t, choose(toActing(t, f, b, s.bob), 1))).tokens(t)
	k := s.clinic.request().loggedIn(t, b, s.bob)
	if claims := claimsIn(t, k.IDToken); claims["organization"] != nil || claims["act_as"] != nil {
		t.Errorf("without the scope: %v", claims)
	}
	s.clinic.send(t, pathPAR, s.clinic.request("scope", "openid organization").params).oauthError(t, 400, "invalid_scope")
	another := s.relyingParty(t, s.owner(t, strangerUSCC), "http://127.0.0.1:9105/callback", func(c *client.Spec) { c.Scopes = scopesActing })
	if p := another.request("scope", "openid organization").open(t, b); len(p.Choices("for")) != 2 {
		t.Errorf("another client takes over what was chosen: %v", p)
	}
	if q := another.request("scope", "openid organization", "prompt", "none").open(t, b).To.Query(); q.Get("error") != string(oidc.InteractionRequired) {
		t.Errorf("prompt=none: %v", q)
	}
	// At the first one it is remembered; select_account asks again.
	again := s.asks("prompt", "none")
	k = again.redeem(t, again.code(t, again.open(t, b))).tokens(t)
	if o, _ := claimsIn(t, k.IDToken)["organization"].(object); o["name"] != shopName {
		t.Errorf("prompt=none at the first client: %v", o)
	}
	p := s.asks("prompt", "select_account").open(t, b)
	if p.Has("other") {
		p = p.Press("submit")
	}
	if len(p.Choices("for")) != 2 {
		t.Errorf("select_account doesn't ask: %v", p)
	}
	if p := b.Get(s.url + "/licenses"); p.Has("switch-acting") || strings.Contains(p.Body, shopNumber) {
		t.Errorf("on our own pages they act as at the client: %v", p)
	}
}

// A detail can demand for whom somebody acts.
func TestActingDemanded(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	demand := func(as string) *rpFlow {
		return s.agency.licensed("scope", "openid", "authorization_details", strings.Replace(detailsOf(sampleItem), `"type"`, `"acting":"`+as+`","type"`, 1))
	}
	b := s.browser(t)
	if p := toActing(t, demand("organization"), b, s.bob); len(p.Choices("for")) != 1 || p.Has("for-self") {
		t.Errorf("an organization is demanded: %v", p.Choices("for"))
	} else if p := p.Press("submit", "for", "self"); p.To != nil || !p.Has("problem") {
		t.Errorf("they went on for themself: %v", p)
	} else if p := choose(p, 0); !p.Has("approve") || !strings.Contains(p.Body, shopName) {
		t.Errorf("for the company: %v", p)
	}
	if p := demand("self").open(t, b); !p.Has("approve") || strings.Contains(p.Body, shopName) || p.Has("acting") {
		t.Errorf("for themself: %v", p)
	}
	f := demand("organization")
	p := f.open(t, s.browser(t)).LogIn(s.carol)
	if p.To != nil || len(p.Choices("for")) != 0 || !p.Has("cancel") {
		t.Fatalf("carol represents nobody: %v", p)
	}
	if q := f.answered(t, p.Press("cancel")); q.Get("error") != string(oidc.AccessDenied) || !strings.Contains(q.Get("error_description"), "represents nobody") {
		t.Errorf("the client gets %v", q)
	}
	s.agency.send(t, pathPAR, demand("everybody").params).oauthError(t, 400, "invalid_authorization_details")
}

// A guardian is known by the child's subject alone: no name, no number.
func TestActsForPerson(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	child := acting.Party{Kind: identity.Person, Name: "样例娃", Code: citizen("110101202401010019")}
	code, err := party.ParseCode(child.Code.Type, child.Code.Value)
	if err != nil {
		t.Fatal(err)
	}
	child.Code = code
	_, err = s.nodes[0].people.Acting.Enter(t.Context(), acting.Clerk{ID: "clerk"}, acting.Checked{
		Kind: acting.Guardian, Principal: child, Representative: acting.Party{Kind: identity.Person, Name: carolName, Code: citizen(carolCitizen)},
		Bounds: acting.Bounds{Acts: acting.Acts()}, Evidence: "样例证明",
	})
	mustOf(t)(err)
	f := s.asks("acr_values", "urn:yizheng:assurance:2")
	k := f.redeem(t, f.code(t, choose(toActing(t, f, s.browser(t), s.carol), 1))).tokens(t)
	claims := claimsIn(t, k.IDToken)
	as, _ := claims["act_as"].(object)
	if as["kind"] != "guardian" || as["sub"] == "" || as["sub"] == claims["sub"] || len(as) != 3 || claims["organization"] != nil {
		t.Errorf("claims: %v", claims)
	}
	if strings.Contains(k.IDToken+k.AccessToken, child.Code.Value) {
		t.Error("a token has the child's number")
	}
}

// While it can't be found out for whom somebody acts, they see what they look after themself, and nobody's licenses.
func TestActingUnknown(t *testing.T) {
	t.Parallel()
	s := newActingStage(t, stageConfig{})
	b := s.browser(t)
	p := b.Get(s.url + "/representations").LogIn(s.bob)
	p.Press("act", "for", p.Choices("for")[1])
	s.proved.set(func() { s.proved.fails = errors.New("the registry is down") })
	for path, want := range map[string]int{"/security": 200, "/sessions": 200, "/representations": 200, "/representations/new": 200, "/licenses": 503} {
		if p := b.Get(s.url + path); p.Status != want || p.Has("switch-acting") || path == "/licenses" && strings.Contains(p.Body, shopName) {
			t.Errorf("%s: %v", path, p)
		}
	}
	s.proved.set(func() { s.proved.fails = nil })
	if p := b.Get(s.url + "/licenses"); !strings.Contains(p.Body, shopName) {
		t.Errorf("later: %v", p)
	}
}
