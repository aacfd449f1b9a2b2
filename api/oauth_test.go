package api

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/smx509"
	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite"
)

// provider is a server over a SQLite database with one client, used from outside.
type provider struct {
	url     string
	server  *Server
	db      *sqlite.DB
	rules   *oidc.Provider
	client  oidc.Client
	secret  string
	log     *buffer
	handler http.Handler
}

// buffer collects a log that several goroutines write.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var operator = oidc.Actor{ID: "cli"}

func newProvider(t testing.TB) *provider {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	x := &provider{log: new(buffer)}
	log := slog.New(slog.NewJSONHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	x.db, err = sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "yizheng.db")})
	must(err)
	t.Cleanup(func() { _ = x.db.Close() })
	_, err = x.db.Migrate(ctx)
	must(err)
	keys, err := signing.OpenInstallation(ctx, signing.InstallationConfig{
		Dir: dir, Records: x.db.Keys(), RegistryName: "样例证照库", RegistryUSCC: "11100000000013338W",
	}, time.Now())
	must(err)

	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.handler.ServeHTTP(w, r) }))
	x.url = "http://" + front.Listener.Addr().String()
	stores := x.db.Provider()
	x.rules, err = oidc.New(oidc.Config{
		Issuer: x.url, Clients: stores, Participants: stores, Events: stores, Keyrings: keys.Keyrings(), Log: log,
	})
	must(err)
	registry, err := license.New(ctx, license.Config{
		Stores: x.db.Licenses(), Keyrings: keys.Keyrings(), Vault: keys.Vault(), Anchors: keys.Anchors(), PublicURL: x.url, Log: log,
		AuthorityName: func(context.Context, party.USCC) (string, error) { return "", license.ErrNotFound },
	})
	must(err)
	x.server, err = New(Config{Issuer: x.url, Registry: registry, Provider: x.rules, Keyrings: keys.Keyrings(), Anchors: keys.Anchors(), Log: log})
	must(err)
	x.handler = x.server.Handler()
	front.Start()
	t.Cleanup(front.Close)

	department, err := x.rules.CreateParticipant(ctx, operator, identity.Spec{
		USCC: "11100000000013338W", Name: "青禾市样例局", Class: identity.Government, AreaCode: "990101", Level: 3,
	})
	must(err)
	var secret oidc.Secret
	x.client, secret, err = x.rules.CreateClient(ctx, operator, oidc.ClientSpec{
		Name: "样例系统", Participant: department.ID, Scopes: []oidc.Scope{oidc.ScopeLicenseIssue, oidc.ScopeLicenseRead},
	})
	must(err)
	x.secret = secret.Reveal()
	return x
}

// answer is what came back, with its body read.
type answer struct {
	*http.Response
	body string
}

// member returns a member of the JSON body, or "".
func (a answer) member(name string) string {
	var m map[string]any
	if json.Unmarshal([]byte(a.body), &m) != nil || m[name] == nil {
		return ""
	}
	return fmt.Sprint(m[name])
}

func (x *provider) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response, string(b)}
}

func (x *provider) request(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, x.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", formType)
	}
	return r
}

// basic asks for a token with the client's credentials by HTTP Basic.
func (x *provider) basic(t *testing.T, body string) answer {
	t.Helper()
	r := x.request(t, "POST", tokenPath, body)
	r.SetBasicAuth(x.client.ID, x.secret)
	return x.do(t, r)
}

// post asks for a token with the client's credentials in the body.
func (x *provider) post(t *testing.T, body string) answer {
	t.Helper()
	return x.do(t, x.request(t, "POST", tokenPath, body+"&client_id="+x.client.ID+"&client_secret="+x.secret))
}

const grant = "grant_type=client_credentials"

func (x *provider) token(t *testing.T) string {
	t.Helper()
	a := x.basic(t, grant)
	if a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	return a.member("access_token")
}

// checkNoStore is part of every test of the token endpoint: whatever the
// answer, no cache may keep it (RFC 6749 section 5.1).
func checkNoStore(t *testing.T, a answer) {
	t.Helper()
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
		t.Errorf("status %d: Cache-Control %q, Pragma %q", a.StatusCode, a.Header.Get("Cache-Control"), a.Header.Get("Pragma"))
	}
}

func TestClientCredentials(t *testing.T) {
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
			if _, err := x.rules.CheckAccessToken(t.Context(), m["access_token"].(string)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestIssuingATokenWritesNothing(t *testing.T) {
	x := newProvider(t)
	events := func() int {
		es, err := x.db.Provider().ListEvents(t.Context(), 0, 1000)
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
	es, err := x.db.Provider().ListEvents(t.Context(), 0, 1000)
	if err != nil || len(es) != before+1 {
		t.Fatalf("%d events, %v", len(es), err)
	}
	if last := es[before]; last.Hash != sm3.Sum(last.Canonical()) {
		t.Error("the event's hash can't be had from what the database keeps")
	}
	if last := es[before]; last.Action != "token.refuse" || last.Actor != x.client.ID || last.Result != "scope_unregistered" || last.RequestID == "" {
		t.Errorf("event is %+v", last)
	}
}

// Trap: GET on the token endpoint with the secret in the query.
func TestTrapGetOnTheTokenEndpoint(t *testing.T) {
	x := newProvider(t)
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} {
		a := x.do(t, x.request(t, method, tokenPath+"?"+grant+"&client_id="+x.client.ID+"&client_secret="+x.secret, ""))
		if a.StatusCode != http.StatusMethodNotAllowed || a.Header.Get("Allow") != "POST" || strings.Contains(a.body, "access_token") {
			t.Errorf("%s: got %d, Allow %q, %s", method, a.StatusCode, a.Header.Get("Allow"), a.body)
		}
		checkNoStore(t, a)
	}
}

// Trap: the secret in the query is accepted on POST too.
func TestTrapSecretInTheQuery(t *testing.T) {
	x := newProvider(t)
	for name, query := range map[string]string{
		"all of it":       "?" + grant + "&client_id=" + x.client.ID + "&client_secret=" + x.secret,
		"credentials":     "?client_id=" + x.client.ID + "&client_secret=" + x.secret,
		"the grant alone": "?" + grant,
		"nothing at all":  "?",
	} {
		for _, body := range []string{"", grant} {
			r := x.request(t, "POST", tokenPath+query, body)
			r.Header.Set("Content-Type", formType)
			a := x.do(t, r)
			if a.StatusCode != 400 || a.member("error") != "invalid_request" {
				t.Errorf("%s, body %q: got %d %s", name, body, a.StatusCode, a.body)
			}
			checkNoStore(t, a)
		}
	}
	if strings.Contains(x.log.String(), x.secret) {
		t.Error("the log holds the secret")
	}
}

// Trap: no Cache-Control: no-store; here on errors of each kind. The other
// tests check it on theirs.
func TestTrapNoStore(t *testing.T) {
	x := newProvider(t)
	checkNoStore(t, x.basic(t, grant))
	checkNoStore(t, x.basic(t, grant+"&scope=x"))
	checkNoStore(t, x.basic(t, ""))
	checkNoStore(t, x.do(t, x.request(t, "POST", tokenPath, grant)))
	if err := x.db.Close(); err != nil {
		t.Fatal(err)
	}
	checkNoStore(t, x.do(t, x.request(t, "POST", tokenPath, grant+"&client_id="+identity.NewID()+"&client_secret=x")))
}

// Trap: CORS reflects any origin with credentials.
func TestTrapCORSReflectsAnyOrigin(t *testing.T) {
	x := newProvider(t)
	for _, path := range []string{tokenPath, jwksPath, metadataPath} {
		for _, method := range []string{"OPTIONS", "POST", "GET"} {
			r := x.request(t, method, path, "")
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", "POST")
			a := x.do(t, r)
			for name := range a.Header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s: header %s: %s", method, path, name, a.Header.Get(name))
				}
			}
		}
	}
}

// Trap: bad Basic authentication gets 400 without WWW-Authenticate.
func TestTrapBadBasicWithoutChallenge(t *testing.T) {
	x := newProvider(t)
	encode := func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, header := range map[string]string{
		"wrong secret":            encode(x.client.ID + ":yzs_wrong"),
		"unknown client":          encode(identity.NewID() + ":" + x.secret),
		"secret with a tail":      encode(x.client.ID + ":" + x.secret + "x"),
		"no secret":               encode(x.client.ID + ":"),
		"no colon":                encode(x.client.ID),
		"no client":               encode(":" + x.secret),
		"bad escape in the id":    encode("%zz:" + x.secret),
		"bad escape in secret":    encode(x.client.ID + ":%"),
		"control character":       encode(x.client.ID + "%00:" + x.secret),
		"not UTF-8":               encode(x.client.ID + "\xff:" + x.secret),
		"not base64":              "Basic !!!",
		"base64 with line break":  "Basic " + base64.StdEncoding.EncodeToString([]byte(x.client.ID + ":" + x.secret))[:8] + "====",
		"nothing behind":          "Basic",
		"another scheme":          "Bearer " + x.secret,
		"Negotiate":               "Negotiate abc",
		"empty":                   "",
		"an SQL fragment":         encode("'%20or%201=1%20--:x"),
		"a very long id":          encode(strings.Repeat("a", 20000) + ":x"),
		"URL-safe base64 of both": "Basic " + base64.RawURLEncoding.EncodeToString([]byte(x.client.ID+":"+x.secret+"?>")),
	} {
		t.Run(name, func(t *testing.T) {
			r := x.request(t, "POST", tokenPath, grant)
			r.Header["Authorization"] = []string{header}
			a := x.do(t, r)
			if a.StatusCode != 401 || a.member("error") != "invalid_client" || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Errorf("got %d %q %s", a.StatusCode, a.Header.Get("WWW-Authenticate"), a.body)
			}
			checkNoStore(t, a)
		})
	}
}

// RFC 6749 section 2.3.1: user and password are form-encoded before Basic.
func TestBasicIsFormDecoded(t *testing.T) {
	x := newProvider(t)
	var escaped strings.Builder
	for _, c := range []byte(x.secret) {
		fmt.Fprintf(&escaped, "%%%02X", c)
	}
	r := x.request(t, "POST", tokenPath, grant)
	r.Header.Set("Authorization", "bAsIc "+base64.StdEncoding.EncodeToString([]byte(x.client.ID+":"+escaped.String())))
	if a := x.do(t, r); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// An unknown client and a wrong secret can't be told apart.
func TestFailedAuthenticationIsUniform(t *testing.T) {
	x := newProvider(t)
	ask := func(id, secret string) answer {
		r := x.request(t, "POST", tokenPath, grant)
		r.SetBasicAuth(id, secret)
		return x.do(t, r)
	}
	one, other := ask(x.client.ID, "wrong"), ask(identity.NewID(), "wrong")
	if one.body != other.body || one.StatusCode != other.StatusCode {
		t.Errorf("got %d %s and %d %s", one.StatusCode, one.body, other.StatusCode, other.body)
	}
}

func TestTokenRequestRefused(t *testing.T) {
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
		{"two content types", grant, http.Header{"Content-Type": {formType, "text/plain"}}, 415, "invalid_request"},
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
			r := x.request(t, "POST", tokenPath, test.body)
			r.Header.Set("Content-Type", formType)
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
		r := x.request(t, "POST", tokenPath, grant)
		r.SetBasicAuth(x.client.ID, x.secret)
		r.Header.Add("Authorization", "Bearer x")
		if a := x.do(t, r); a.StatusCode != 400 || a.member("error") != "invalid_request" {
			t.Errorf("got %d %s", a.StatusCode, a.body)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		if a := x.do(t, x.request(t, "POST", tokenPath, grant)); a.StatusCode != 401 || a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("got %d %s", a.StatusCode, a.body)
		}
	})
}

// Trap: a closed grant switch, whose other grants are half there.
func TestTrapClosedGrantSwitch(t *testing.T) {
	x := newProvider(t)
	for _, grant := range []string{
		"password", "implicit", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS", "client_credentials%20", "%22%3Cscript%3E",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba",
	} {
		a := x.basic(t, "grant_type="+grant+"&code=x&redirect_uri=x&assertion=x&refresh_token=x&device_code=x&subject_token=x&username=x&password=x")
		if a.StatusCode != 400 || a.member("error") != "unsupported_grant_type" || strings.Contains(a.body, "<script") {
			t.Errorf("%s: got %d %s", grant, a.StatusCode, a.body)
		}
		checkNoStore(t, a)
	}
}

// Trap: unimplemented endpoints say server_error, and there are a /healthz and
// a /ready of the library's own. Discovery comes with logging in.
func TestTrapUnimplementedEndpoints(t *testing.T) {
	x := newProvider(t)
	for _, path := range []string{
		"/healthz", "/ready", "/.well-known/openid-configuration", "/authorize", "/oauth/authorize", "/oauth/v2/authorize", "/userinfo", "/oauth/userinfo",
		"/oauth/introspect", "/introspect", "/oauth/revoke", "/revoke", "/end_session", "/oauth/end_session", "/keys", "/device_authorization", "/oauth/device",
		"/oauth/token/", "/oauth/token/x", "//oauth/token", "/oauth/%74oken/healthz",
	} {
		for _, method := range []string{"GET", "POST"} {
			a := x.do(t, x.request(t, method, path, ""))
			if a.StatusCode < 300 || a.StatusCode >= 500 || strings.Contains(a.body, "server_error") || strings.Contains(a.body, "not implemented") {
				t.Errorf("%s %s: got %d %s", method, path, a.StatusCode, a.body)
			}
			if a.StatusCode != 404 && !strings.Contains(path, "//") {
				t.Errorf("%s %s: got %d", method, path, a.StatusCode)
			}
		}
	}
}

// Trap: err.Error() of an unknown error reaches the client.
func TestTrapUnknownErrorReachesTheClient(t *testing.T) {
	x := newProvider(t)
	key, err := x.server.c.Keyrings.Active(t.Context(), signing.PurposeAccessToken, "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := x.server.c.Keyrings.Revoke(t.Context(), key.ID, "keyCompromise", now, now); err != nil {
		t.Fatal(err)
	}
	a := x.basic(t, grant)
	if a.StatusCode != 500 || a.body != `{"error":"server_error"}`+"\n" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	checkNoStore(t, a)
	if !strings.Contains(x.log.String(), "no such key") {
		t.Error("the log doesn't say what was wrong")
	}
}

// A database that doesn't answer is neither a wrong secret nor news for the client.
func TestUnreachableDatabase(t *testing.T) {
	x := newProvider(t)
	if err := x.db.Close(); err != nil {
		t.Fatal(err)
	}
	r := x.request(t, "POST", tokenPath, grant)
	r.SetBasicAuth(identity.NewID(), x.secret)
	a := x.do(t, r)
	if a.StatusCode != 503 || a.member("error") != "temporarily_unavailable" || a.Header.Get("Retry-After") == "" || strings.Contains(strings.ToLower(a.body), "sql") {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	checkNoStore(t, a)
}

// Trap: it logs through slog's default, and no log may hold a secret.
func TestTrapDefaultLogger(t *testing.T) {
	x := newProvider(t)
	usual := slog.Default()
	t.Cleanup(func() { slog.SetDefault(usual) })
	slog.SetDefault(slog.New(slog.NewJSONHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	token := x.token(t)
	wrong := "yzs_" + strings.Repeat("wrong", 8)
	for _, body := range []string{grant, grant + "&scope=admin", "grant_type=x", grant + "&scope=%zz"} {
		x.basic(t, body)
		x.post(t, body)
		x.do(t, x.request(t, "POST", tokenPath, body+"&client_id="+x.client.ID+"&client_secret="+wrong))
		r := x.request(t, "POST", tokenPath, body)
		r.SetBasicAuth(x.client.ID, wrong)
		x.do(t, r)
	}
	log := x.log.String()
	if !strings.Contains(log, "invalid_client") || !strings.Contains(log, "oidc_error") {
		t.Fatalf("neither we nor the library logged anything: %s", log)
	}
	basic := base64.StdEncoding.EncodeToString([]byte(x.client.ID + ":" + x.secret))
	for _, secret := range []string{x.secret, x.secret[4:], wrong, basic, token, strings.Split(token, ".")[2]} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// Trap: a JWKS holding a key of an unknown curve breaks go-jose relying
// parties. This one is built on go-jose, and an SM2 key is in the ring.
func TestTrapUnknownCurveBreaksRelyingParties(t *testing.T) {
	x := newProvider(t)
	key, err := sm2.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := smx509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	err = x.db.Keys().CreateKey(t.Context(), signing.KeyRecord{
		ID: "sm-access", Purpose: signing.PurposeAccessToken, Serial: 99, Algorithm: string(signing.SM2), State: signing.KeyNext,
		PublicKey: der, Created: time.Now(), Revision: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.server.c.Keyrings.ByID(t.Context(), "sm-access"); err != nil {
		t.Fatal(err)
	}
	a := x.do(t, x.request(t, "GET", jwksPath, ""))
	if a.StatusCode != 200 || strings.Contains(a.body, "1.2.156") || strings.Contains(a.body, "sm-access") || !strings.Contains(a.body, `"crv":"P-256"`) || strings.Contains(a.body, `"d"`) {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
	if cache := a.Header.Get("Cache-Control"); cache != "public, max-age=300" {
		t.Errorf("Cache-Control is %q", cache)
	}
	keys := rp.NewRemoteKeySet(http.DefaultClient, x.url+jwksPath)
	claims, err := op.VerifyAccessToken[*zoidc.AccessTokenClaims](t.Context(), x.token(t), op.NewAccessTokenVerifier(x.url, keys))
	if err != nil {
		t.Fatal(err)
	}
	if claims.ClientID != x.client.ID || claims.Subject != x.client.ID || !slices.Equal(claims.Audience, []string{x.url}) {
		t.Errorf("claims are %+v", claims)
	}
}

func TestKeySetIgnoresTheQuery(t *testing.T) {
	x := newProvider(t)
	if a := x.do(t, x.request(t, "GET", jwksPath+"?x=%zz;", "")); a.StatusCode != 200 {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}

// What the metadata says is what there is (RFC 8414), and a foreign client reads it.
func TestMetadata(t *testing.T) {
	x := newProvider(t)
	a := x.do(t, x.request(t, "GET", metadataPath, ""))
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	want := `{"issuer":"URL","token_endpoint":"URL/oauth/token","jwks_uri":"URL/oauth/jwks",` +
		`"scopes_supported":["catalog:write","license:issue","license:read"],"response_types_supported":[],` +
		`"grant_types_supported":["client_credentials"],"token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"]}`
	if want = strings.ReplaceAll(want, "URL", x.url); a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	c, err := client.Discover(t.Context(), x.url, http.DefaultClient, x.url+metadataPath)
	if err != nil || c.TokenEndpoint != x.url+tokenPath || c.JwksURI != x.url+jwksPath {
		t.Errorf("got %+v, %v", c, err)
	}
}

// Failures are limited by client and address; the right secret gets through
// all the same, so that nobody can lock a client out.
func TestFailedAuthenticationsAreLimited(t *testing.T) {
	x := newProvider(t)
	ask := func(id, secret string) answer {
		r := x.request(t, "POST", tokenPath, grant)
		r.SetBasicAuth(id, secret)
		return x.do(t, r)
	}
	for range failureBurst {
		if a := ask(x.client.ID, "wrong"); a.StatusCode != 401 {
			t.Fatalf("within the burst: %d", a.StatusCode)
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
	x := newProvider(t)
	if _, err := x.rules.DisableClient(t.Context(), operator, x.client.ID); err != nil {
		t.Fatal(err)
	}
	a := x.basic(t, grant)
	if a.StatusCode != 401 || a.member("error") != "invalid_client" || a.Header.Get("WWW-Authenticate") == "" {
		t.Errorf("got %d %s", a.StatusCode, a.body)
	}
}
