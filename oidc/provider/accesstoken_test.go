package provider

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// part decodes the header (0) or payload (1) of a token.
func part(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// RFC 9068 sections 2.1 and 2.2 say what an access token has.
func TestAccessTokenProfile(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseIssue, oidc.ScopeLicenseRead)
	before := len(f.events)
	answer, err := f.Redeem(t.Context(), c, forItself())
	if err != nil {
		t.Fatal(err)
	}
	if len(f.events) != before {
		t.Error("issuing a token wrote something")
	}
	token := answer.Access.Reveal()
	header, payload := part(t, token, 0), part(t, token, 1)
	if header["typ"] != "at+jwt" || header["alg"] != "ES256" || header["kid"] != "at-1" || len(header) != 3 {
		t.Errorf("header is %v", header)
	}
	if names := slices.Sorted(maps.Keys(payload)); !slices.Equal(names, []string{"aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sub"}) {
		t.Errorf("claims are %v", names)
	}
	if payload["iss"] != issuer || payload["aud"] != issuer || payload["sub"] != c.ID || payload["client_id"] != c.ID || payload["scope"] != "license:issue license:read" {
		t.Errorf("payload is %v", payload)
	}
	if life := payload["exp"].(float64) - payload["iat"].(float64); life != 300 || answer.Expires != 5*time.Minute {
		t.Errorf("token lives %v s, answer says %v", life, answer.Expires)
	}
	if part(t, f.token(t, c), 1)["jti"] == payload["jti"] {
		t.Error("two tokens have one jti")
	}
	access, err := f.CheckAccessToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if access.Client != c.ID || access.Participant.ID != c.Participant || !access.Has(oidc.ScopeLicenseRead) || access.Has(oidc.ScopeCatalogWrite) {
		t.Errorf("access is %+v", access)
	}
}

func TestClientCredentialsRefuses(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseIssue)
	without := c
	without.GrantTypes = nil
	for _, test := range []struct {
		name   string
		client oidc.Client
		form   url.Values
		code   oidc.Code
		event  string
	}{
		{"unknown scope", c, url.Values{"scope": {"admin"}}, oidc.InvalidScope, "scope_unknown"},
		{"unregistered scope", c, url.Values{"scope": {"license:issue catalog:write"}}, oidc.InvalidScope, "scope_unregistered"},
		{"another resource", c, url.Values{"resource": {issuer, "https://other.example"}}, oidc.InvalidTarget, "resource_unknown"},
		{"grant not registered", without, nil, oidc.UnauthorizedClient, "grant_unregistered"},
		{"malformed scopes", c, url.Values{"scope": {"license:issue  license:read"}}, oidc.InvalidScope, "scope_malformed"},
		{"too many scopes", c, url.Values{"scope": {strings.Repeat("x", 1025)}}, oidc.InvalidScope, "scope_too_long"},
		{"malformed scopes, grant not registered", without, url.Values{"scope": {" "}}, oidc.UnauthorizedClient, "grant_unregistered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := f.Redeem(t.Context(), test.client, grant.Request{Type: oidc.GrantClientCredentials, Form: test.form, RequestID: "r1"})
			if code, _ := codeOf(t, err); code != test.code {
				t.Errorf("got %v, want %s", err, test.code)
			}
			last := f.events[len(f.events)-1]
			if last.Action != "token.refuse" || last.Result != test.event || last.Actor.ID != c.ID || last.RequestID != "r1" {
				t.Errorf("event is %+v", last)
			}
		})
	}
}

func TestAccessTokenEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c, _ := f.client(t, oidc.ScopeLicenseRead)
		token := f.token(t, c)
		time.Sleep(5*time.Minute - time.Second)
		if _, err := f.CheckAccessToken(t.Context(), token); err != nil {
			t.Errorf("within its life: %v", err)
		}
		time.Sleep(time.Second)
		for name, p := range map[string]*provider{"that knows it": f.provider, "that doesn't": f.another(t)} {
			_, err := p.CheckAccessToken(t.Context(), token)
			if code, reason := codeOf(t, err); code != oidc.InvalidToken || reason != "token_expired" {
				t.Errorf("at its end, in a process %s: %v", name, err)
			}
		}
	})
}

// A disabled client's tokens end: at once here, within 2 s elsewhere.
func TestDisablingEndsTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		elsewhere := f.another(t)
		c, secret := f.client(t, oidc.ScopeLicenseRead)
		token := f.token(t, c)
		check := func(p *provider) string {
			_, err := p.CheckAccessToken(t.Context(), token)
			_, reason := codeOf(t, err)
			return reason
		}
		if check(f.provider) != "" || check(elsewhere) != "" {
			t.Fatal("a good token is refused")
		}
		if _, err := f.DisableClient(t.Context(), operator, c.ID); err != nil {
			t.Fatal(err)
		}
		if got := check(f.provider); got != "client_disabled" {
			t.Errorf("here, at once: %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := check(elsewhere); got != "client_disabled" {
			t.Errorf("elsewhere, after 2 s: %q", got)
		}
		_, err := f.Authenticate(t.Context(), client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: secret})
		if code, reason := codeOf(t, err); code != oidc.InvalidClient || reason != "client_disabled" {
			t.Errorf("authenticating: %v", err)
		}
		if last := f.events[len(f.events)-1]; last.Action != "token.refuse" || last.Result != "client_disabled" {
			t.Errorf("event is %+v", last)
		}
		if _, err := f.EnableClient(t.Context(), operator, c.ID); err != nil {
			t.Fatal(err)
		}
		if got := check(f.provider); got != "" {
			t.Errorf("enabled again: %q", got)
		}
		n, err := f.Participant(t.Context(), c.Participant)
		if err != nil {
			t.Fatal(err)
		}
		n.Disabled = true
		if _, err := f.provider.UpdateParticipant(t.Context(), operator, n); err != nil {
			t.Fatal(err)
		}
		if got := check(f.provider); got != "participant_disabled" {
			t.Errorf("participant disabled, here: %q", got)
		}
		time.Sleep(2 * time.Second)
		if got := check(elsewhere); got != "participant_disabled" {
			t.Errorf("participant disabled, elsewhere: %q", got)
		}
	})
}

func TestKeyStateDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c, _ := f.client(t, oidc.ScopeLicenseRead)
		token := f.token(t, c)
		reason := func(token string) string {
			_, err := f.CheckAccessToken(t.Context(), token)
			_, reason := codeOf(t, err)
			return reason
		}
		f.addKey(t, "at-2", 2, jose.ES256, signing.KeyActive)
		f.setKey("at-1", func(k *signing.KeyRecord) { k.State, k.Retired = signing.KeyRetired, time.Now() })
		time.Sleep(6 * time.Second) // the keyrings read again
		if got := reason(token); got != "" {
			t.Errorf("a retired key's token: %q", got)
		}
		if kid := part(t, f.token(t, c), 0)["kid"]; kid != "at-2" {
			t.Errorf("the new key doesn't sign, %v does", kid)
		}
		// Whoever got hold of the retired key makes a token with it.
		time.Sleep(2 * time.Minute)
		now := time.Now().Unix()
		late := f.sign(t, "at-1", jose.TypAccessToken, claimsOf(c, now))
		if got := reason(late); got != "token_key" {
			t.Errorf("signed with the key after it was retired: %q", got)
		}
		// A revoked key ends the tokens that were verified already, too.
		fresh := f.token(t, c)
		if got := reason(fresh); got != "" {
			t.Fatalf("a good token: %q", got)
		}
		f.setKey("at-2", func(k *signing.KeyRecord) { k.State, k.Revoked = signing.KeyRevoked, time.Now() })
		time.Sleep(6 * time.Second)
		if got := reason(fresh); got != "token_key" {
			t.Errorf("a revoked key's token: %q", got)
		}
	})
}

// claims are those of an access token (RFC 9068 section 2.2), as clients read them.
type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	Issued   int64  `json:"iat"`
	Expires  int64  `json:"exp"`
	TokenID  string `json:"jti"`
}

func claimsOf(c oidc.Client, now int64) claims {
	return claims{Issuer: issuer, Subject: c.ID, Audience: issuer, ClientID: c.ID, Scope: "license:read", Issued: now, Expires: now + 60, TokenID: "x"}
}

// Keys of earlier versions keep the names under which tokens that are out name them;
// those made now are named by their thumbprints alone.
func TestKeysOfBefore(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseRead)
	old := f.token(t, c)
	f.addKey(t, "at-2", 2, jose.ES256, signing.KeyNext)
	const name = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	f.setKey("at-2", func(k *signing.KeyRecord) { k.Thumbprint = name })
	p := f.another(t)
	if _, err := p.CheckAccessToken(t.Context(), old); err != nil || part(t, old, 0)["kid"] != "at-1" {
		t.Errorf("a token from before: %v", err)
	}
	set, err := p.KeySet(t.Context())
	if err != nil || len(set.Keys) != 2 || set.Keys[0].KeyID != "at-1" || set.Keys[1].KeyID != name {
		t.Errorf("published: %+v, %v", set, err)
	}
	f.setKey("at-1", func(k *signing.KeyRecord) { k.State, k.Retired = signing.KeyRetired, time.Now() })
	f.setKey("at-2", func(k *signing.KeyRecord) { k.State = signing.KeyActive })
	p = f.another(t)
	if _, err := p.CheckAccessToken(t.Context(), old); err != nil {
		t.Errorf("a token from before, of a key that is retired: %v", err)
	}
	_, err = p.CheckAccessToken(t.Context(), f.sign(t, "at-2", jose.TypAccessToken, claimsOf(c, time.Now().Unix())))
	if _, reason := codeOf(t, err); reason != "token_key" {
		t.Errorf("a new key by its id: %v", err)
	}
	f.provider = p
	if kid := part(t, f.token(t, c), 0)["kid"]; kid != name {
		t.Errorf("a new token is of %v", kid)
	}
}

func (f *fixture) sign(t *testing.T, id signing.KeyID, typ string, what any) string {
	t.Helper()
	signer, err := f.keystore.Signer(id)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(signer, jose.Header{Typ: typ, KeyID: string(id)}, what)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Whatever is signed with our key, only our access tokens are access tokens.
func TestTokenKindsAreNotConfused(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseRead)
	f.addKey(t, "sm-1", 2, jose.SM2, signing.KeyNext)
	f.addKey(t, "st-1", 3, jose.ES256, signing.KeyActive)
	f.setKey("st-1", func(k *signing.KeyRecord) { k.Purpose = signing.PurposeStatus })
	now := time.Now().Unix()
	good := claimsOf(c, now)
	with := func(change func(*claims)) claims { q := good; change(&q); return q }
	if _, err := f.CheckAccessToken(t.Context(), f.sign(t, "at-1", jose.TypAccessToken, good)); err != nil {
		t.Fatalf("a good one: %v", err)
	}
	for _, test := range []struct{ name, token, reason string }{
		{"ID token", f.sign(t, "at-1", jose.TypIDToken, good), "token_typ"},
		{"status list", f.sign(t, "at-1", jose.TypStatusList, good), "token_typ"},
		{"typ in upper case", f.sign(t, "at-1", "AT+JWT", good), "token_typ"},
		{"media type as typ", f.sign(t, "at-1", "application/at+jwt", good), "token_typ"},
		{"key of another purpose", f.sign(t, "st-1", jose.TypAccessToken, good), "token_key"},
		{"SM2 key", f.sign(t, "sm-1", jose.TypAccessToken, good), "token_key"},
		{"another issuer", f.sign(t, "at-1", jose.TypAccessToken, with(func(q *claims) { q.Issuer += "/x" })), "token_issuer"},
		{"another audience", f.sign(t, "at-1", jose.TypAccessToken, with(func(q *claims) { q.Audience = "https://other.example" })), "token_audience"},
		{"no client", f.sign(t, "at-1", jose.TypAccessToken, with(func(q *claims) { q.ClientID = "" })), "token_claims"},
		{"unknown client", f.sign(t, "at-1", jose.TypAccessToken, with(func(q *claims) { q.ClientID = "x" })), "client_unknown"},
		{"from tomorrow", f.sign(t, "at-1", jose.TypAccessToken, with(func(q *claims) { q.Issued += 86400; q.Expires += 86400 })), "token_period"},
		{"for a year", f.sign(t, "at-1", jose.TypAccessToken, with(func(q *claims) { q.Expires += 365 * 86400 })), "token_period"},
		{"expired", f.sign(t, "at-1", jose.TypAccessToken, with(func(q *claims) { q.Issued -= 120; q.Expires -= 120 })), "token_expired"},
		{"claims of other kinds", f.sign(t, "at-1", jose.TypAccessToken, map[string]any{"iss": 1, "aud": []string{issuer}}), "token_claims"},
		{"audience as a list", f.sign(t, "at-1", jose.TypAccessToken, map[string]any{"aud": []string{issuer, "x"}}), "token_claims"},
		{"empty", "", "token_malformed"},
		{"a secret", oidc.NewSecret().Reveal(), "token_malformed"},
		{"too large", strings.Repeat("a", 5000), "token_too_large"},
		{"alg none", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"at+jwt"}`)) + ".e30.", "token_algorithm"},
	} {
		t.Run(test.name, func(t *testing.T) {
			access, err := f.CheckAccessToken(t.Context(), test.token)
			if code, reason := codeOf(t, err); code != oidc.InvalidToken || reason != test.reason {
				t.Errorf("got %v, want %s", err, test.reason)
			}
			if access.Client != "" {
				t.Errorf("access is %+v", access)
			}
		})
	}
	t.Run("tampered", func(t *testing.T) {
		token := f.token(t, c)
		header, rest, _ := strings.Cut(token, ".")
		_, sig, _ := strings.Cut(rest, ".")
		payload := part(t, token, 1)
		payload["scope"] = "catalog:write"
		raw, err := json.Marshal(payload)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.CheckAccessToken(t.Context(), header+"."+base64.RawURLEncoding.EncodeToString(raw)+"."+sig)
		if _, reason := codeOf(t, err); reason != "token_signature" {
			t.Errorf("got %v", err)
		}
	})
}

func TestStorageThatFailsIsNotARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c, secret := f.client(t, oidc.ScopeLicenseRead)
		token := f.token(t, c)
		f.fails = errors.New("connection refused at 10.0.0.7")
		time.Sleep(10 * time.Second)
		_, err := f.CheckAccessToken(t.Context(), token)
		if code, _ := codeOf(t, err); code != oidc.TemporarilyUnavailable {
			t.Errorf("checking: %v", err)
		}
		_, err = f.Authenticate(t.Context(), client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: secret})
		e, _ := errors.AsType[*oidc.Error](err)
		if e == nil || e.Code != oidc.TemporarilyUnavailable || strings.Contains(e.Description, "10.0.0.7") {
			t.Errorf("authenticating: %v", err)
		}
		f.fails = nil
		if _, err := f.CheckAccessToken(t.Context(), token); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestKeySet(t *testing.T) {
	f := newFixture(t)
	f.addKey(t, "at-0", 2, jose.ES256, signing.KeyRetired)
	f.addKey(t, "at-2", 3, jose.ES256, signing.KeyNext)
	f.addKey(t, "at-x", 4, jose.ES256, signing.KeyRevoked)
	f.addKey(t, "sm-1", 5, jose.SM2, signing.KeyNext)
	f.addKey(t, "rs-1", 6, jose.RS256, signing.KeyNext) // not this ring's algorithm
	f.addKeyOf(t, signing.PurposeIDToken, "id-1", 1, jose.ES256, signing.KeyActive)
	f.addKeyOf(t, signing.PurposeIDToken, "id-2", 2, jose.ES256, signing.KeyNext)
	f.addKeyOf(t, signing.PurposeIDTokenRSA, "ir-1", 1, jose.RS256, signing.KeyActive)
	f.addKeyOf(t, signing.PurposeIDTokenRSA, "ir-x", 2, jose.RS256, signing.KeyRevoked)
	f.addKeyOf(t, signing.PurposeStatus, "st-1", 1, jose.ES256, signing.KeyActive)
	set, err := f.KeySet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k.KeyID)
		want := jose.Key{KeyType: "EC", Curve: "P-256", X: k.X, Y: k.Y, KeyID: k.KeyID, Use: "sig", Algorithm: "ES256"}
		if k.KeyID == "ir-1" {
			want = jose.Key{KeyType: "RSA", N: k.N, E: "AQAB", KeyID: k.KeyID, Use: "sig", Algorithm: "RS256"}
		}
		if !reflect.DeepEqual(k, want) {
			t.Errorf("key is %+v", k)
		}
	}
	if !slices.Equal(ids, []string{"id-1", "id-2", "ir-1", "at-1", "at-0", "at-2"}) {
		t.Errorf("keys are %v", ids)
	}
}

func TestNewRefuses(t *testing.T) {
	f := newFixture(t)
	good := f.config
	for name, change := range map[string]func(*Config){
		"no stores":      func(c *Config) { c.Clients = nil },
		"no issuer":      func(c *Config) { c.Issuer = "" },
		"relative":       func(c *Config) { c.Issuer = "/x" },
		"slash":          func(c *Config) { c.Issuer += "/" },
		"query":          func(c *Config) { c.Issuer += "?" },
		"other scheme":   func(c *Config) { c.Issuer = "ftp://x" },
		"longer tokens":  func(c *Config) { c.TokenTTL = token.MaxTTL + time.Second },
		"odd lifetime":   func(c *Config) { c.TokenTTL = 1500 * time.Millisecond },
		"below a second": func(c *Config) { c.TokenTTL = -1 },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseScopes(t *testing.T) {
	for param, want := range map[string][]oidc.Scope{
		"":              {},
		"license:read":  {oidc.ScopeLicenseRead},
		"a b a":         {"a", "b"},
		"license:read ": nil, " a": nil, "a  b": nil, "a\tb": nil, "a\"b": nil, "a\\b": nil, "证": nil, "a\x00": nil,
		strings.Repeat("a ", 600) + "a": nil,
	} {
		got, err := oidc.ParseScopes(param)
		if (err != nil) != (want == nil) || !slices.Equal(got, want) {
			t.Errorf("%q: got %q, %v", param, got, err)
		}
	}
}

// FuzzCheckAccessToken feeds what callers send as a token.
func FuzzCheckAccessToken(f *testing.F) {
	x := newFixture(f)
	c, _ := x.client(f, oidc.ScopeLicenseRead)
	f.Add(x.token(f, c))
	f.Add("")
	f.Add("e30.e30.e30")
	good := x.token(f, c)
	f.Fuzz(func(t *testing.T, token string) {
		_, err := x.CheckAccessToken(t.Context(), token)
		if err == nil && token != good && strings.Count(token, ".") != 2 {
			t.Errorf("accepted %q", token)
		}
		if err == nil {
			return
		}
		if code, _ := codeOf(t, err); code != oidc.InvalidToken {
			t.Errorf("%q: %v", token, err)
		}
	})
}

func BenchmarkIssueAccessToken(b *testing.B) {
	f := newFixture(b)
	c, _ := f.client(b, oidc.ScopeLicenseRead)
	for b.Loop() {
		if _, err := f.Redeem(b.Context(), c, forItself()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckAccessToken(b *testing.B) {
	f := newFixture(b)
	c, _ := f.client(b, oidc.ScopeLicenseRead)
	token := f.token(b, c)
	for b.Loop() {
		if _, err := f.CheckAccessToken(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
