package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/zitadel/oidc/v3/pkg/client"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	for _, test := range []struct {
		name, body, scope string
		ask               func(*testing.T, string) answer
	}{
		{"basic", grant, "license:issue license:read", x.basic},
		{"post", grant, "license:issue license:read", x.post},
		{"fewer scopes", grant + "&scope=license%3Aread", "license:read", x.basic},
		{"a parameter without a value counts as left out", grant + "&scope=&client_secret=&client_id=&resource=", "license:issue license:read", x.basic},
		{"unknown parameters are ignored", grant + "&foo=bar", "license:issue license:read", x.basic},
		{"the API as resource", grant + "&resource=" + url.QueryEscape(x.url), "license:issue license:read", x.basic},
		{"client_id beside Basic", grant + "&client_id=" + x.client.ID, "license:issue license:read", x.basic},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := test.ask(t, test.body)
			checkNoStore(t, a)
			var m map[string]any
			if err := json.Unmarshal([]byte(a.body), &m); err != nil || a.StatusCode != 200 {
				t.Fatalf("got %d %s, %v", a.StatusCode, a.body, err)
			}
			// No id_token without openid, no refresh token, nothing else.
			if names := slices.Sorted(maps.Keys(m)); !slices.Equal(names, []string{"access_token", "expires_in", "scope", "token_type"}) {
				t.Errorf("members are %v", names)
			}
			if m["token_type"] != "Bearer" || m["expires_in"] != 300.0 || m["scope"] != test.scope {
				t.Errorf("answer is %v", m)
			}
			if media := a.Header.Get("Content-Type"); media != "application/json" {
				t.Errorf("content type is %q", media)
			}
			if _, err := x.rules.Tokens.CheckAccessToken(t.Context(), m["access_token"].(string)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIssuingATokenWritesNothing(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	events := func() int {
		es, err := x.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		return len(es)
	}
	before := events()
	x.token(t)
	if n := events(); n != before {
		t.Errorf("%d events became %d", before, n)
	}
	// A refused one does: the client is known.
	if a := x.basic(t, grant+"&scope=catalog:write"); a.StatusCode != 400 || a.member("error") != "invalid_scope" {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	es, err := x.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, 1000)
	if err != nil || len(es) != before+1 {
		t.Fatalf("%d events, %v", len(es), err)
	}
	if last := es[before]; !last.Fits(journal.Private{}) {
		t.Error("the event's hash can't be had from what the database keeps")
	}
	if last := es[before]; last.Action != "token.refuse" || last.Actor.ID != x.client.ID || last.Result != "scope_unregistered" || last.RequestID == "" {
		t.Errorf("event is %+v", last)
	}
}

// Trap: GET on the token endpoint with the secret in the query.
// Trap: the secret in the query is accepted on POST too.
// Trap: no Cache-Control: no-store; here on errors of each kind. The other
// tests check it on theirs.
// Trap: CORS reflects any origin with credentials.
// Trap: bad Basic authentication gets 400 without WWW-Authenticate.
// RFC 6749 section 2.3.1: user and password are form-encoded before Basic.
func TestBasicIsFormDecoded(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	var escaped strings.Builder
	for _, c := range []byte(x.secret) {
		fmt.Fprintf(&escaped, "%%%02X", c)
	}
	r := x.request(t, "POST", oauth.TokenPath, grant)
	r.Header.Set("Authorization", "bAsIc "+base64.StdEncoding.EncodeToString([]byte(x.client.ID+":"+escaped.String())))
	if a := x.do(t, r); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// An unknown client and a wrong secret can't be told apart.
func TestFailedAuthenticationIsUniform(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	ask := func(id, secret string) answer {
		r := x.request(t, "POST", oauth.TokenPath, grant)
		r.SetBasicAuth(id, secret)
		return x.do(t, r)
	}
	one, other := ask(x.client.ID, "wrong"), ask(identity.NewID(), "wrong")
	if one.body != other.body || one.StatusCode != other.StatusCode {
		t.Errorf("got %d %s and %d %s", one.StatusCode, one.body, other.StatusCode, other.body)
	}
}

func TestTokenRequestRefused(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	both := grant + "&client_id=" + x.client.ID + "&client_secret=" + x.secret
	for _, test := range []struct {
		name, body string
		headers    http.Header
		status     int
		code       string
	}{
		{"no grant type", "", nil, 400, "invalid_request"},
		{"empty grant type", "grant_type=", nil, 400, "invalid_request"},
		{"two ways to authenticate", both, nil, 400, "invalid_request"},
		{"another client_id in the body", grant + "&client_id=" + identity.NewID(), nil, 400, "invalid_request"},
		{"a repeated parameter", grant + "&scope=license:read&scope=license:read", nil, 400, "invalid_request"},
		{"a repeated grant type", grant + "&" + grant, nil, 400, "invalid_request"},
		{"a repeated unknown parameter", grant + "&x=1&x=2", nil, 400, "invalid_request"},
		{"repeated without values", grant + "&scope=&scope=", nil, 400, "invalid_request"},
		{"a broken escape", grant + "&scope=%zz", nil, 400, "invalid_request"},
		{"a semicolon", grant + ";scope=x", nil, 400, "invalid_request"},
		{"not UTF-8", grant + "&scope=%ff", nil, 400, "invalid_request"},
		{"a NUL", grant + "&scope=%00", nil, 400, "invalid_request"},
		{"JSON", `{"grant_type":"client_credentials"}`, http.Header{"Content-Type": {"application/json"}}, 415, "invalid_request"},
		{"multipart", grant, http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, 415, "invalid_request"},
		{"no content type", grant, http.Header{"Content-Type": {""}}, 415, "invalid_request"},
		{"two content types", grant, http.Header{"Content-Type": {oauth.FormMedia, "text/plain"}}, 415, "invalid_request"},
		{"compressed", grant, http.Header{"Content-Encoding": {"gzip"}}, 415, "invalid_request"},
		{"too large", grant + "&x=" + strings.Repeat("a", 64<<10), nil, 413, "invalid_request"},
		{"unknown scope", grant + "&scope=admin", nil, 400, "invalid_scope"},
		{"unregistered scope", grant + "&scope=catalog:write", nil, 400, "invalid_scope"},
		{"two spaces in the scope", grant + "&scope=license:read++license:issue", nil, 400, "invalid_scope"},
		{"a quote in the scope", grant + "&scope=%22", nil, 400, "invalid_scope"},
		{"another resource", grant + "&resource=https://other.example", nil, 400, "invalid_target"},
		{"one of two resources is another", grant + "&resource=" + url.QueryEscape(x.url) + "&resource=https://other.example", nil, 400, "invalid_target"},
		{"a client assertion", grant + "&client_assertion=e30.e30.e30&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer", nil, 401, "invalid_client"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := x.request(t, "POST", oauth.TokenPath, test.body)
			r.Header.Set("Content-Type", oauth.FormMedia)
			r.SetBasicAuth(x.client.ID, x.secret)
			maps.Copy(r.Header, test.headers)
			a := x.do(t, r)
			if a.StatusCode != test.status || a.member("error") != test.code || a.member("error_description") == "" {
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
			checkNoStore(t, a)
		})
	}
	t.Run("two Authorization headers", func(t *testing.T) {
		r := x.request(t, "POST", oauth.TokenPath, grant)
		r.SetBasicAuth(x.client.ID, x.secret)
		r.Header.Add("Authorization", "Bearer x")
		if a := x.do(t, r); a.StatusCode != 400 || a.member("error") != "invalid_request" {
			t.Errorf("got %d %s", a.StatusCode, a.body)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		if a := x.do(t, x.request(t, "POST", oauth.TokenPath, grant)); a.StatusCode != 401 || a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("got %d %s", a.StatusCode, a.body)
		}
	})
}

// Trap: a closed grant switch, whose other grants are half there.
// Trap: unimplemented endpoints say server_error, and there are a /healthz and
// a /ready of the library's own. Discovery comes with logging in.
// Trap: err.Error() of an unknown error reaches the client.
// A database that doesn't answer is neither a wrong secret nor news for the client.
func TestUnreachableDatabase(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	if err := x.db.Close(); err != nil {
		t.Fatal(err)
	}
	r := x.request(t, "POST", oauth.TokenPath, grant)
	r.SetBasicAuth(identity.NewID(), x.secret)
	a := x.do(t, r)
	if a.StatusCode != 503 || a.member("error") != "temporarily_unavailable" || a.Header.Get("Retry-After") == "" || strings.Contains(strings.ToLower(a.body), "sql") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	checkNoStore(t, a)
}

// Trap: it logs through slog's default, and no log may hold a secret.
// Trap: a JWKS holding a key of an unknown curve breaks go-jose relying
// parties. This one is built on go-jose, and an SM2 key is in the ring.
func TestKeySetIgnoresTheQuery(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	if a := x.do(t, x.request(t, "GET", oauth.JWKSPath+"?x=%zz;", "")); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// What the metadata says is what there is (RFC 8414), and a foreign client reads it.
func TestMetadata(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	a := x.do(t, x.request(t, "GET", oauth.MetadataPath, ""))
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	want := `{"issuer":"URL","token_endpoint":"URL/oauth/token","jwks_uri":"URL/oauth/jwks",` +
		`"scopes_supported":["catalog:write","item:write","license:issue","license:read"],"response_types_supported":[],` +
		`"grant_types_supported":["client_credentials"],"token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],` +
		`"introspection_endpoint":"URL/oauth/introspect","introspection_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],` +
		`"revocation_endpoint":"URL/oauth/revoke","revocation_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],` +
		`"service_documentation":"URL/docs"}`
	if want = strings.ReplaceAll(want, "URL", x.url); a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	c, err := client.Discover(t.Context(), x.url, http.DefaultClient, x.url+oauth.MetadataPath)
	if err != nil || c.TokenEndpoint != x.url+oauth.TokenPath || c.JwksURI != x.url+oauth.JWKSPath {
		t.Errorf("got %+v, %v", c, err)
	}
}

// Failures are limited by client and address; the right secret gets through
// all the same, so that nobody can lock a client out.
func TestFailedAuthenticationsAreLimited(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	at := func(path, id, secret string) answer {
		r := x.request(t, "POST", path, grant+"&token=x")
		r.SetBasicAuth(id, secret)
		return x.do(t, r)
	}
	ask := func(id, secret string) answer { return at(oauth.TokenPath, id, secret) }
	for i := range limit.FailureBurst { // wherever they are
		path := []string{oauth.TokenPath, oauth.IntrospectionPath, oauth.RevocationPath}[i%3]
		if a := at(path, x.client.ID, "wrong"); a.StatusCode != 401 {
			t.Fatalf("within the burst: %d", a.StatusCode)
		}
	}
	for _, path := range []string{oauth.IntrospectionPath, oauth.RevocationPath} {
		if a := at(path, x.client.ID, "wrong"); a.StatusCode != 429 || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s beyond the burst: %d", path, a.StatusCode)
		}
	}
	a := ask(x.client.ID, "wrong")
	if a.StatusCode != 429 || a.Header.Get("Retry-After") == "" || a.member("error") == "" {
		t.Errorf("beyond the burst: %d, Retry-After %q, %s", a.StatusCode, a.Header.Get("Retry-After"), a.body)
	}
	checkNoStore(t, a)
	if a := ask(x.client.ID, x.secret); a.StatusCode != 200 {
		t.Errorf("the right secret: %d", a.StatusCode)
	}
	if a := ask(identity.NewID(), "wrong"); a.StatusCode != 401 {
		t.Errorf("another client: %d", a.StatusCode)
	}
}

func TestDisabledClientGetsNoToken(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	if _, err := x.rules.Clients.DisableClient(t.Context(), operator, x.client.ID); err != nil {
		t.Fatal(err)
	}
	a := x.basic(t, grant)
	if a.StatusCode != 401 || a.member("error") != "invalid_client" || a.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}
