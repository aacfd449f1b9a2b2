package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing/jose"
	"yizheng.internal/storage/memory"
)

// phone keeps the messages that people get.
type phone struct {
	mu    sync.Mutex
	codes []string
	told  []string // what each message is about
}

// Send implements [notice.Sender].
func (p *phone) Send(_ context.Context, m notice.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m.Code != "" {
		p.codes = append(p.codes, m.Code)
	}
	p.told = append(p.told, string(m.Kind))
	return nil
}

// addPeople makes what people's logins need.
func (s *service) addPeople(t testing.TB, c *provider.Config) {
	t.Helper()
	stores := s.db.Provider()
	s.phone = new(phone)
	c.Ephemeral = memory.New(memory.Config{})
	var err error
	s.people, err = people.New(people.Config{
		Parties: stores, Accounts: stores, Ephemeral: c.Ephemeral, Vault: s.keys.Vault(), Sender: s.phone, URL: c.Issuer, Journal: oidc.NewRecorder(s.db.Journal(), c.Log), Log: c.Log, Events: stores, Sources: stores, Links: stores, Changes: stores, Acting: stores,
	})
	mustOf(t)(err)
	c.Sessions, c.Families, c.Consents, c.Spent, c.Settings = stores, stores, stores, stores, stores
	c.Phones = s.people.Phones
	c.Identity, c.Factors, c.Vault, c.Resolver = s.people.Service, s.people.Factors, s.keys.Vault(), newResolver(t, s.library, nil)
}

const (
	samplePassword = "样例 correct horse 27"
	otherCitizen   = "110105194912310038"
)

// citizen registers somebody whose identity is proofed.
func (s *service) citizen(t testing.TB, login, name, code string, level int) apitest.Person {
	t.Helper()
	n := 100000000 + time.Now().UnixNano()%800000000
	_, _, err := s.people.Register(t.Context(), identity.Registration{
		Name: name, Code: party.Code{Type: party.Citizen, Value: code}, LoginName: login, Password: samplePassword,
		Phone: "13" + strconv.FormatInt(n, 10)[:9], Actor: "cli",
		Proofing: &identity.Proofing{Level: level, Method: "in_person", Source: "样例", At: time.Now()},
	})
	mustOf(t)(err)
	return apitest.Person{Login: login, Password: samplePassword, Code: s.phone.last}
}

// app is a client at which people log in.
type app struct {
	id, secret string
	redirect   string
	s          *service
}

// newApp registers a client with a redirect URI of its own, changed by alter.
func (s *service) newApp(t testing.TB, participant identity.Participant, alter func(*client.Spec)) *app {
	t.Helper()
	spec := client.Spec{
		Name: "样例网上办事", Participant: participant.ID,
		Scopes:       []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopePhone, oidc.ScopeIdentity, oidc.ScopeOrganization, oidc.ScopeActAs, oidc.ScopeOffline},
		GrantTypes:   []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh},
		RedirectURIs: []string{"https://app.example/callback"}, LogoutURIs: []string{"https://app.example/bye"},
		IDTokenAlgorithm: jose.ES256, ServiceItems: []string{sampleItem, bulkyItem}, MinAssurance: new(int),
	}
	if alter != nil {
		alter(&spec)
	}
	c, secret, err := s.rules.Clients.CreateClient(t.Context(), operator, spec)
	mustOf(t)(err)
	return &app{id: c.ID, secret: secret.Reveal(), redirect: spec.RedirectURIs[0], s: s}
}

// browser returns a new browser, which stays away from clients.
func (s *service) browser(t testing.TB) *apitest.Browser {
	b := apitest.NewBrowser(t)
	b.Stop = func(u *url.URL) bool { return !strings.HasPrefix(s.url, u.Scheme+"://"+u.Host) }
	return b
}

const (
	codeVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of RFC 7636 appendix B
	loginNonce   = "nonce-of-the-app"
)

func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request returns an authorization request, changed by pairs of name and value;
// an empty value leaves a parameter out.
func (a *app) request(pairs ...string) url.Values {
	q := url.Values{
		"response_type": {"code"}, "client_id": {a.id}, "redirect_uri": {a.redirect}, "scope": {"openid"}, "state": {"state-of-the-app"},
		"nonce": {loginNonce}, "code_challenge": {challenge(codeVerifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			q.Del(pairs[i])
			continue
		}
		q.Set(pairs[i], pairs[i+1])
	}
	return q
}

// open begins an authorization request in a browser.
func (a *app) open(b *apitest.Browser, q url.Values) *apitest.Page {
	b.T.Helper()
	return b.Get(a.s.url + oauth.AuthorizePath + "?" + q.Encode())
}

// answerOf returns the parameters that came back to the client.
func (a *app) answerOf(t testing.TB, p *apitest.Page) url.Values {
	t.Helper()
	if p.To == nil {
		t.Fatalf("%s: nothing came back to the client:\n%d %s", p.URL, p.Status, p.Body)
	}
	q := p.To.Query()
	if q.Get("iss") != a.s.url {
		t.Errorf("iss is %q in %s", q.Get("iss"), p.To)
	}
	return q
}

// code logs somebody in, if need be, agrees to what is asked, and returns the code.
func (a *app) code(b *apitest.Browser, who apitest.Person, q url.Values) string {
	b.T.Helper()
	p := a.open(b, q).LogIn(who)
	if p.Has("approve") {
		p = p.Press("approve")
	}
	answer := a.answerOf(b.T, p)
	if answer.Get("code") == "" || answer.Get("state") != q.Get("state") {
		b.T.Fatalf("no code: %v", answer)
	}
	return answer.Get("code")
}

// post sends a form to an endpoint as the client, by HTTP Basic or, if that has
// no secret, by its id alone.
func (a *app) post(t testing.TB, path string, form url.Values) answer {
	t.Helper()
	form = maps.Clone(form)
	if a.secret == "" {
		form.Set("client_id", a.id)
	}
	r := a.s.request(t, "POST", path, form.Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	if a.secret != "" {
		r.SetBasicAuth(a.id, a.secret)
	}
	out := a.s.do(t, r)
	if path != oauth.UserInfoPath && out.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%s: Cache-Control is %q", path, out.Header.Get("Cache-Control"))
	}
	return out
}

func (a *app) redeem(t testing.TB, code string, pairs ...string) answer {
	t.Helper()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.redirect}, "code_verifier": {codeVerifier}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return a.post(t, oauth.TokenPath, form)
}

func (a *app) refresh(t testing.TB, token string, pairs ...string) answer {
	t.Helper()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return a.post(t, oauth.TokenPath, form)
}

// tokensOfTest is the answer of the token endpoint, written down here once more.
type tokensOfTest struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	ExpiresIn    int             `json:"expires_in"`
	Scope        string          `json:"scope"`
	IDToken      string          `json:"id_token"`
	RefreshToken string          `json:"refresh_token"`
	Details      []grantedOfTest `json:"authorization_details"`
}

func (a answer) tokens(t testing.TB) tokensOfTest {
	t.Helper()
	var out tokensOfTest
	if a.StatusCode != 200 {
		t.Fatalf("no tokens: %d %s", a.StatusCode, a.body)
	}
	a.decode(t, &out)
	if out.TokenType != "Bearer" || out.ExpiresIn < 290 || out.ExpiresIn > 300 {
		t.Errorf("tokens: %+v", out)
	}
	return out
}

// wantOAuth checks a refusal of RFC 6749 section 5.2, and that nothing but its
// members is in it.
func (a answer) wantOAuth(t testing.TB, status int, code string) answer {
	t.Helper()
	var m map[string]string
	if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.StatusCode != status || m["error"] != code {
		t.Fatalf("%s %s: got %d %s, want %d %s", a.Request.Method, a.Request.URL.Path, a.StatusCode, a.body, status, code)
	}
	for name := range m {
		if name != "error" && name != "error_description" && name != "reason" {
			t.Errorf("the refusal has a member %s: %s", name, a.body)
		}
	}
	return a
}

// claimsOf returns the claims of a JWT, whose signature others check.
func claimsOf(t testing.TB, token string) object {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", token)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	mustOf(t)(err)
	var claims object
	mustOf(t)(json.Unmarshal(payload, &claims))
	return claims
}

// form returns parameters given in pairs.
func form(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// last returns the code that came last, or "".
func (p *phone) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.codes) == 0 {
		return "no code was sent"
	}
	return p.codes[len(p.codes)-1]
}
