package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/signing/jose"
)

// discovered is what the provider says of itself, as a program that knows
// nothing of it reads it.
type discovered struct {
	object
	t testing.TB
}

func (s *service) discover(t testing.TB) discovered {
	t.Helper()
	a := s.call(t, nil, "GET", oauth.DiscoveryPath, nil).want(t, 200, "")
	d := discovered{t: t}
	mustOf(t)(jsonInto(a, &d.object))
	return d
}

func (d discovered) list(name string) []string {
	d.t.Helper()
	var all []string
	for _, v := range asList(d.object[name]) {
		all = append(all, v.(string))
	}
	if len(all) == 0 {
		d.t.Fatalf("no %s", name)
	}
	return all
}

func (d discovered) text(name string) string { s, _ := d.object[name].(string); return s }

// only checks that a list has these values.
func (d discovered) only(name string, want ...string) {
	d.t.Helper()
	if got := d.list(name); !slices.Equal(got, want) {
		d.t.Errorf("%s: %v, and the test tries %v", name, got, want)
	}
}

// Whatever the document says is tried, and something it doesn't say.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	d := s.discover(t)
	if d.text("issuer") != s.url {
		t.Errorf("issuer is %s", d.text("issuer"))
	}
	b := s.browser(t)
	s.app.code(b, who, s.app.request("acr_values", "urn:yizheng:assurance:2")) // from now on somebody is logged in
	t.Run("endpoints", func(t *testing.T) { tryEndpoints(t, s, d) })
	t.Run("requests", func(t *testing.T) { tryRequests(t, s, d, b) })
	t.Run("prompts", func(t *testing.T) { tryPrompts(t, s, d, b) })
	t.Run("grants", func(t *testing.T) { tryGrants(t, s, d, b) })
	t.Run("authentication", func(t *testing.T) { tryAuthentication(t, s, d, b) })
	t.Run("tokens", func(t *testing.T) { tryTokens(t, s, d, b) })
	t.Run("subjects", func(t *testing.T) { trySubjects(t, s, d, b) })
	t.Run("assurance", func(t *testing.T) { tryAssurance(t, s, d, who) })
	t.Run("locales", func(t *testing.T) { tryLocales(t, s, d) })
	t.Run("details", func(t *testing.T) { tryDetails(t, s, d) })
	same := s.call(t, nil, "GET", oauth.MetadataPath, nil).want(t, 200, "")
	if a := s.call(t, nil, "GET", oauth.DiscoveryPath, nil); a.body != same.body {
		t.Error("the two documents differ")
	}
}

func tryEndpoints(t *testing.T, s *site, d discovered) {
	for name, v := range d.object {
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" && name != "service_documentation" {
			continue
		}
		path, ours := strings.CutPrefix(v.(string), s.url)
		if a := s.call(t, nil, "GET", path, nil); !ours || a.StatusCode == 404 {
			t.Errorf("%s: %s answers %d", name, v, a.StatusCode)
		}
		if name == "jwks_uri" || name == "service_documentation" {
			s.call(t, nil, "GET", path, nil).want(t, 200, "")
		}
	}
	for _, path := range []string{"/oauth/register", "/oauth/device", "/oauth/check_session", "/oauth/bc-authorize"} {
		s.call(t, nil, "POST", path, nil).want(t, 404, "not_found")
	}
}

func tryRequests(t *testing.T, s *site, d discovered, b *apitest.Browser) {
	asked := func(pairs ...string) url.Values {
		t.Helper()
		return s.app.answerOf(t, s.app.open(b, s.app.request(pairs...)))
	}
	for _, v := range d.list("response_types_supported") {
		if a := asked("response_type", v); a.Get("code") == "" {
			t.Errorf("response type %s: %v", v, a)
		}
	}
	for _, v := range []string{"token", "id_token", "code id_token", "none"} {
		if a := asked("response_type", v); a.Get("error") != "unsupported_response_type" {
			t.Errorf("response type %s: %v", v, a)
		}
	}
	d.only("response_modes_supported", "query", "form_post")
	if p := s.app.open(b, s.app.request("response_mode", "form_post")); p.To != nil || !strings.Contains(p.Body, `action="https://app.example/callback"`) || !strings.Contains(p.Body, `name="code"`) || !strings.Contains(p.Body, `name="iss"`) {
		t.Errorf("form_post: %d %s", p.Status, p.Body)
	}
	for _, v := range []string{"fragment", "jwt", "web_message"} {
		if a := asked("response_mode", v); a.Get("error") != "invalid_request" {
			t.Errorf("response mode %s: %v", v, a)
		}
	}
	d.only("code_challenge_methods_supported", "S256")
	for _, v := range []string{"plain", "S512"} {
		if a := asked("code_challenge_method", v); a.Get("error") != "invalid_request" {
			t.Errorf("challenge method %s: %v", v, a)
		}
	}
	for name, want := range map[string]any{
		"request_parameter_supported": false, "request_uri_parameter_supported": false, "claims_parameter_supported": false,
		"require_request_uri_registration": false, "require_pushed_authorization_requests": false, "authorization_response_iss_parameter_supported": true,
	} {
		if d.object[name] != want {
			t.Errorf("%s is %v", name, d.object[name])
		}
	}
	if a := asked("request", "eyJhbGciOiJub25lIn0.e30."); a.Get("error") != "request_not_supported" {
		t.Errorf("request object: %v", a)
	}
	if a := asked("request_uri", "https://app.example/request"); a.Get("error") != "invalid_request_uri" {
		t.Errorf("request_uri: %v", a)
	}
	code := asked("claims", `{"userinfo":{"name":{"essential":true}},"id_token":{"name":null}}`).Get("code")
	tokens := s.app.redeem(t, code).tokens(t)
	if a := s.call(t, &clientOfTest{token: tokens.AccessToken}, "GET", oauth.UserInfoPath, nil).want(t, 200, ""); a.member("name") != "" || claimsOf(t, tokens.IDToken)["name"] != nil {
		t.Errorf("the claims parameter works: %s", a.body)
	}
}

func tryPrompts(t *testing.T, s *site, d discovered, b *apitest.Browser) {
	d.only("prompt_values_supported", "none", "login", "consent", "select_account")
	for prompt, element := range map[string]string{"login": "username", "consent": "approve", "select_account": "submit"} {
		if p := s.app.open(b, s.app.request("prompt", prompt)); p.To != nil || !p.Has(element) {
			t.Errorf("prompt %s: %v %d %s", prompt, p.To, p.Status, p.Body)
		}
	}
	if a := s.app.answerOf(t, s.app.open(b, s.app.request("prompt", "none"))); a.Get("code") == "" {
		t.Errorf("prompt none: %v", a)
	}
	nobody := s.browser(t)
	if a := s.app.answerOf(t, s.app.open(nobody, s.app.request("prompt", "none"))); a.Get("error") != "login_required" {
		t.Errorf("prompt none, nobody: %v", a)
	}
	for _, v := range []string{"create", "none login", "LOGIN"} {
		if a := s.app.answerOf(t, s.app.open(b, s.app.request("prompt", v))); a.Get("error") != "invalid_request" {
			t.Errorf("prompt %s: %v", v, a)
		}
	}
}

func tryGrants(t *testing.T, s *site, d discovered, b *apitest.Browser) {
	d.only("grant_types_supported", "authorization_code", "refresh_token", "client_credentials")
	code := s.app.answerOf(t, s.app.open(b, s.app.request())).Get("code")
	s.app.refresh(t, s.app.redeem(t, code).tokens(t).RefreshToken).tokens(t)
	s.token(t, s.department)
	for _, v := range []string{"password", "implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"} {
		s.app.post(t, oauth.TokenPath, form("grant_type", v, "username", "x", "password", "x", "assertion", "x", "subject_token", "x", "device_code", "x")).wantOAuth(t, 400, "unsupported_grant_type")
	}
	// A grant that isn't this client's.
	s.app.post(t, oauth.TokenPath, form("grant_type", "client_credentials")).wantOAuth(t, 400, "unauthorized_client")
	department := &app{id: s.department.id, secret: s.department.secret, s: s.service}
	department.post(t, oauth.TokenPath, form("grant_type", "authorization_code", "code", code, "redirect_uri", "x", "code_verifier", codeVerifier)).wantOAuth(t, 400, "unauthorized_client")
	department.post(t, oauth.TokenPath, form("grant_type", "refresh_token", "refresh_token", "x")).wantOAuth(t, 400, "unauthorized_client")
}

func tryAuthentication(t *testing.T, s *site, d discovered, b *apitest.Browser) {
	d.only("token_endpoint_auth_methods_supported", "client_secret_basic", "client_secret_post", "none")
	d.only("revocation_endpoint_auth_methods_supported", "client_secret_basic", "client_secret_post", "none")
	d.only("introspection_endpoint_auth_methods_supported", "client_secret_basic", "client_secret_post")
	public := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) {
		c.AuthMethods, c.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, nil
		c.Scopes, c.RedirectURIs = []oidc.Scope{oidc.ScopeOpenID}, []string{"http://127.0.0.1/callback"}
	})
	public.secret, public.redirect = "", "http://127.0.0.1:54321/callback" // a native app, at any port
	tokens := public.redeem(t, public.answerOf(t, public.open(b, public.request()).Press("approve")).Get("code")).tokens(t)
	public.post(t, oauth.IntrospectionPath, form("token", tokens.AccessToken)).wantOAuth(t, 401, "invalid_client")
	public.post(t, oauth.TokenPath, form("grant_type", "client_credentials")).wantOAuth(t, 401, "invalid_client")
	public.refresh(t, tokens.RefreshToken).tokens(t)
	if a := public.post(t, oauth.RevocationPath, form("token", tokens.RefreshToken)); a.StatusCode != 200 {
		t.Errorf("revoking as a public client: %d %s", a.StatusCode, a.body)
	}
	for _, path := range []string{oauth.IntrospectionPath, oauth.RevocationPath} { // client_secret_post
		q := form("token", "x", "client_id", s.app.id, "client_secret", s.app.secret)
		r := s.request(t, "POST", path, q.Encode())
		r.Header.Set("Content-Type", oauth.FormMedia)
		if a := s.do(t, r); a.StatusCode != 200 {
			t.Errorf("%s by client_secret_post: %d %s", path, a.StatusCode, a.body)
		}
	}
	q := form("grant_type", "authorization_code", "code", "x", "redirect_uri", "x", "client_assertion", "eyJ.e30.",
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "client_id", s.app.id)
	r := s.request(t, "POST", oauth.TokenPath, q.Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	s.do(t, r).wantOAuth(t, 401, "invalid_client")
}

func tryTokens(t *testing.T, s *site, d discovered, b *apitest.Browser) {
	algs := d.list("id_token_signing_alg_values_supported")
	d.only("id_token_signing_alg_values_supported", "RS256", "ES256")
	keys := rp.NewRemoteKeySet(http.DefaultClient, d.text("jwks_uri"))
	said := map[string]bool{}
	for _, alg := range algs {
		a := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) { c.IDTokenAlgorithm = jose.Algorithm(alg) })
		tokens := a.redeem(t, a.answerOf(t, a.open(b, a.request("scope", "openid profile phone identity"))).Get("code")).tokens(t)
		verifier := rp.NewIDTokenVerifier(s.url, a.id, keys, rp.WithSupportedSigningAlgorithms(alg), rp.WithNonce(func(context.Context) string { return loginNonce }))
		claims, err := rp.VerifyTokens[*zoidc.IDTokenClaims](t.Context(), tokens.AccessToken, tokens.IDToken, verifier)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		if age := time.Since(claims.AuthTime.AsTime()); age < -time.Second || age > time.Minute {
			t.Errorf("auth_time is %v ago", age)
		}
		for name := range claimsOf(t, tokens.IDToken) {
			said[name] = true
		}
		var info object
		mustOf(t)(jsonInto(s.call(t, &clientOfTest{token: tokens.AccessToken}, "GET", oauth.UserInfoPath, nil).want(t, 200, ""), &info))
		for name := range info {
			said[name] = true
		}
	}
	said["organization"], said["act_as"] = true, true // of who acts for others: see TestActsForOrganization, TestActsForPerson
	want := slices.Sorted(slices.Values(d.list("claims_supported")))
	if got := sortedKeys(said); !slices.Equal(got, want) {
		t.Errorf("claims are %v, and it says %v", got, want)
	}
	if _, _, err := s.rules.Clients.CreateClient(t.Context(), operator, client.Spec{
		Name: "x", Participant: s.participantOf(t, s.stranger).ID, Scopes: []oidc.Scope{oidc.ScopeOpenID}, GrantTypes: []oidc.GrantType{oidc.GrantCode},
		RedirectURIs: []string{"https://app.example/"}, IDTokenAlgorithm: "HS256",
	}); err == nil {
		t.Error("HS256 was registered")
	}
	for _, v := range d.list("scopes_supported") {
		if oidc.Scope(v).OfPerson() {
			if a := s.app.answerOf(t, s.app.open(b, s.app.request("scope", v))); a.Get("code") == "" {
				t.Errorf("scope %s: %v", v, a)
			}
			continue
		}
		c := s.newClient(t, s.participantOf(t, s.stranger), oidc.Scope(v))
		if claimsOf(t, c.token)["scope"] != v {
			t.Errorf("scope %s: %v", v, claimsOf(t, c.token))
		}
	}
	if a := s.app.answerOf(t, s.app.open(b, s.app.request("scope", "openid address"))); a.Get("code") == "" {
		t.Errorf("an unknown scope is to be ignored: %v", a)
	} else if tokens := s.app.redeem(t, a.Get("code")).tokens(t); tokens.Scope != "openid" {
		t.Errorf("an unknown scope was granted: %s", tokens.Scope)
	}
	department := &app{id: s.department.id, secret: s.department.secret, s: s.service}
	department.post(t, oauth.TokenPath, form("grant_type", "client_credentials", "scope", "address")).wantOAuth(t, 400, "invalid_scope")
}

// A person is another one at each participant, unless the client is registered
// for public subjects.
func trySubjects(t *testing.T, s *site, d discovered, b *apitest.Browser) {
	d.only("subject_types_supported", "pairwise", "public")
	subject := func(c *clientOfTest, kind oidc.SubjectType) any {
		t.Helper()
		a := s.newApp(t, s.participantOf(t, c), func(spec *client.Spec) { spec.Subject = kind })
		return claimsOf(t, a.redeem(t, a.answerOf(t, a.open(b, a.request())).Get("code")).tokens(t).IDToken)["sub"]
	}
	here, also, there := subject(s.stranger, oidc.SubjectPairwise), subject(s.stranger, oidc.SubjectPairwise), subject(s.department, oidc.SubjectPairwise)
	if here != also || here == there {
		t.Errorf("pairwise: %v, %v and %v", here, also, there)
	}
	if one, two := subject(s.stranger, oidc.SubjectPublic), subject(s.department, oidc.SubjectPublic); one != two || one == here {
		t.Errorf("public: %v and %v", one, two)
	}
}

func tryAssurance(t *testing.T, s *site, d discovered, who apitest.Person) {
	d.only("acr_values_supported", "urn:yizheng:assurance:1", "urn:yizheng:assurance:2", "urn:yizheng:assurance:3")
	for _, v := range []string{"urn:yizheng:assurance:1", "urn:yizheng:assurance:2"} { // TestPasskeyAssurance of 3
		tokens := s.app.redeem(t, s.app.code(s.browser(t), who, s.app.request("acr_values", v))).tokens(t)
		if got := claimsOf(t, tokens.IDToken)["acr"]; got != v {
			t.Errorf("asked for %s, got %v", v, got)
		}
	}
	p := s.app.open(s.browser(t), s.app.request("acr_values", "urn:yizheng:assurance:3")).LogIn(who)
	if a := s.app.answerOf(t, p); a.Get("error") != "unmet_authentication_requirements" {
		t.Errorf("level 3: %v", a)
	}
}

func tryLocales(t *testing.T, s *site, d discovered) {
	d.only("ui_locales_supported", "zh-CN", "en")
	for asked, want := range map[string]string{"zh-CN": "zh-CN", "en": "en", "fr en zh-CN": "en", "fr": "zh-CN"} {
		p := s.app.open(s.browser(t), s.app.request("ui_locales", asked))
		if !strings.Contains(p.Body, `<html lang="`+want+`"`) {
			t.Errorf("ui_locales %s: %.200s", asked, p.Body)
		}
	}
}

func tryDetails(t *testing.T, s *site, d discovered) {
	d.only("authorization_details_types_supported", "license")
	s.publishItem(t, sampleItem, itemDefinition(nil))
	q := s.app.request("authorization_details", "["+string(detail(sampleItem))+"]")
	if a := s.app.post(t, oauth.PARPath, q); a.StatusCode != 201 || a.member("request_uri") == "" {
		t.Errorf("license: %d %s", a.StatusCode, a.body)
	}
	q.Set("authorization_details", `[{"type":"payment_initiation"}]`)
	s.app.post(t, oauth.PARPath, q).wantOAuth(t, 400, "invalid_authorization_details")
}
