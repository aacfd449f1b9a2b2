package api

import (
	"net/netip"
	"strings"
	"testing"

	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
)

// site is a service at which somebody can log in at a department's client.
type site struct {
	*service
	app *app
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{service: newService(t, serviceConfig{People: true})}
	s.app = s.newApp(t, s.participantOf(t, s.stranger), nil)
	return s
}

// participantOf returns whose client that is.
func (s *service) participantOf(t testing.TB, c *clientOfTest) identity.Participant {
	t.Helper()
	client, err := s.rules.Clients.Client(t.Context(), c.id)
	mustOf(t)(err)
	p, err := s.rules.Clients.Participant(t.Context(), client.Participant)
	mustOf(t)(err)
	return p
}

// The whole way: login, code, tokens, userinfo, refresh, introspection, revocation.
func TestLoginFlow(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	b := s.browser(t)
	tokens := s.app.redeem(t, s.app.code(b, who, s.app.request("scope", "openid profile phone identity"))).tokens(t)
	id := claimsOf(t, tokens.IDToken)
	if id["iss"] != s.url || id["aud"] != s.app.id || id["nonce"] != loginNonce || id["acr"] != "urn:yizheng:assurance:1" || id["sid"] == nil || id["at_hash"] == nil {
		t.Errorf("ID token: %v", id)
	}
	if id["name"] != nil || strings.Contains(jsonText(id), sampleCitizen) {
		t.Errorf("the ID token says more than who logged in: %v", id)
	}
	for _, method := range []string{"GET", "POST"} {
		a := s.call(t, &clientOfTest{token: tokens.AccessToken}, method, oauth.UserInfoPath, nil).want(t, 200, "")
		if a.member("sub") != id["sub"] || a.member("name") != sampleName || a.member("user_type") != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("userinfo by %s: %s", method, a.body)
		}
		if strings.Contains(a.body, sampleCitizen) || strings.Contains(a.body, "phone_number") { // of one factor
			t.Errorf("userinfo by %s shows more than a password is enough for: %s", method, a.body)
		}
	}
	seen := s.app.post(t, oauth.IntrospectionPath, form("token", tokens.AccessToken))
	if seen.member("active") != "true" || seen.member("sub") != id["sub"] || seen.member("client_id") != s.app.id {
		t.Errorf("introspected: %s", seen.body)
	}
	next := s.app.refresh(t, tokens.RefreshToken).tokens(t)
	if next.RefreshToken == tokens.RefreshToken || next.AccessToken == tokens.AccessToken {
		t.Error("refreshing brought the same tokens")
	}
	again := claimsOf(t, next.IDToken)
	for _, name := range []string{"sub", "auth_time", "amr", "acr", "sid", "iss", "aud"} {
		if jsonText(again[name]) != jsonText(id[name]) {
			t.Errorf("after refreshing %s is %v, was %v", name, again[name], id[name])
		}
	}
	if again["nonce"] != nil {
		t.Errorf("after refreshing nonce is %v", again["nonce"]) // Core section 12.2: should not
	}
	if a := s.app.post(t, oauth.RevocationPath, form("token", next.RefreshToken)); a.StatusCode != 200 || a.body != "" {
		t.Errorf("revoked: %d %q", a.StatusCode, a.body)
	}
	s.app.refresh(t, next.RefreshToken).wantOAuth(t, 400, "invalid_grant")
	if a := s.app.post(t, oauth.IntrospectionPath, form("token", next.AccessToken)); a.body != "{\"active\":false}\n" {
		t.Errorf("after revoking: %s", a.body)
	}
	s.call(t, &clientOfTest{token: next.AccessToken}, "GET", oauth.UserInfoPath, nil).want(t, 401, "invalid_token")
	for _, secret := range []string{tokens.AccessToken, tokens.RefreshToken, tokens.IDToken, s.app.secret, samplePassword} {
		if secret != "" && strings.Contains(s.log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// What an address may ask for anonymously is limited, here and nowhere else.
func TestAuthorizeIsLimited(t *testing.T) {
	t.Parallel()
	s := &site{service: newService(t, serviceConfig{People: true, Empty: true, Limits: Limits{AuthorizePerMinute: 1, AuthorizeBurst: 3}, Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})}
	s.app = s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) { c.ServiceItems = nil })
	ask := func(method, from string) answer {
		t.Helper()
		query, body := "?"+s.app.request().Encode(), ""
		if method == "POST" {
			query, body = "", query[1:]
		}
		r := s.request(t, method, oauth.AuthorizePath+query, body)
		r.Header.Set("X-Forwarded-For", from)
		if body != "" {
			r.Header.Set("Content-Type", oauth.FormMedia)
		}
		return s.do(t, r)
	}
	for i, method := range []string{"GET", "POST", "GET"} {
		if a := ask(method, "192.0.2.1"); a.StatusCode != 303 {
			t.Errorf("request %d: %d %s", i, a.StatusCode, a.body)
		}
	}
	for _, method := range []string{"GET", "POST"} {
		if a := ask(method, "192.0.2.1"); a.StatusCode != 429 || a.Header.Get("Retry-After") == "" || !strings.Contains(a.Header.Get("Content-Type"), "text/html") {
			t.Errorf("beyond the limit by %s: %d %v", method, a.StatusCode, a.Header)
		}
	}
	if a := ask("GET", "192.0.2.2"); a.StatusCode != 303 {
		t.Errorf("from elsewhere: %d", a.StatusCode)
	}
	s.app.push(t, s.app.request()) // a client that says who it is has no such limit
}
