package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/api/oauth"
	"yizheng.internal/license"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing/installation"
	"yizheng.internal/storage/sqlite"
)

// single is a server over a SQLite database with one client, used from outside.
type single struct {
	url     string
	server  *Server
	db      *sqlite.DB
	rules   *provider.Provider
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

func newProvider(t testing.TB) *single {
	t.Helper()
	ctx, dir := t.Context(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	x := &single{log: new(buffer)}
	log := slog.New(slog.NewJSONHandler(x.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	x.db, err = sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "yizheng.db")})
	must(err)
	t.Cleanup(func() { _ = x.db.Close() })
	_, err = x.db.Migrate(ctx)
	must(err)
	keys, err := installation.Open(ctx, installation.Config{
		Dir: dir, Records: x.db.Keys(), RegistryName: "样例证照库", RegistryUSCC: "11100000000013338W",
	}, time.Now())
	must(err)

	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.handler.ServeHTTP(w, r) }))
	x.url = "http://" + front.Listener.Addr().String()
	stores := x.db.Provider()
	x.rules, err = provider.New(provider.Config{
		Issuer: x.url, Clients: stores, Participants: stores, Events: x.db.Journal(), Keyrings: keys.Keyrings(), Log: log,
	})
	must(err)
	library, err := library.New(ctx, library.Config{
		Stores: x.db.Licenses(), Journal: x.db.Journal(), Keyrings: keys.Keyrings(), Vault: keys.Vault(), Anchors: keys.Anchors(), PublicURL: x.url, Log: log,
		AuthorityName: func(context.Context, party.USCC) (string, error) { return "", license.ErrNotFound },
	})
	must(err)
	x.server, err = New(Config{Issuer: x.url, Library: library, Provider: x.rules, Keyrings: keys.Keyrings(), Anchors: keys.Anchors(), Log: log})
	must(err)
	x.handler = x.server.Handler()
	front.Start()
	t.Cleanup(front.Close)

	department, err := x.rules.Clients.CreateParticipant(ctx, operator, identity.Spec{
		USCC: "11100000000013338W", Name: "青禾市样例局", Class: identity.Government, AreaCode: "990101", Level: 3,
	})
	must(err)
	var secret oidc.Secret
	x.client, secret, err = x.rules.Clients.CreateClient(ctx, operator, client.Spec{
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

func (x *single) do(t *testing.T, r *http.Request) answer {
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

func (x *single) request(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, x.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", oauth.FormMedia)
	}
	return r
}

// basic asks for a token with the client's credentials by HTTP Basic.
func (x *single) basic(t *testing.T, body string) answer {
	t.Helper()
	r := x.request(t, "POST", oauth.TokenPath, body)
	r.SetBasicAuth(x.client.ID, x.secret)
	return x.do(t, r)
}

// post asks for a token with the client's credentials in the body.
func (x *single) post(t *testing.T, body string) answer {
	t.Helper()
	return x.do(t, x.request(t, "POST", oauth.TokenPath, body+"&client_id="+x.client.ID+"&client_secret="+x.secret))
}

const grant = "grant_type=client_credentials"

func (x *single) token(t *testing.T) string {
	t.Helper()
	a := x.basic(t, grant)
	if a.StatusCode != 200 {
		t.Fatalf("got %d %s", a.StatusCode, a.body)
	}
	return a.member("access_token")
}

// checkNoStore is part of every test of the token endpoint: whatever the
// answer, no cache may keep it (RFC 6749 section 5.1).
func checkNoStore(t testing.TB, a answer) {
	t.Helper()
	if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" {
		t.Errorf("status %d: Cache-Control %q, Pragma %q", a.StatusCode, a.Header.Get("Cache-Control"), a.Header.Get("Pragma"))
	}
}
