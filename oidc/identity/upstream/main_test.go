package upstream_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
)

func TestMain(m *testing.M) { identitytest.Main(m) }

const (
	issuer   = "https://login.jiangbei.example"
	clientID = "yizheng"
	subject  = "p-1001"
	secret   = "a-secret/of+many=characters"
)

// op is an OpenID provider that tells the truth, until a test has it lie.
type op struct {
	mu     sync.Mutex
	key    *ecdsa.PrivateKey
	kid    string
	asked  []upstream.Question
	claims map[string]any                  // of ID tokens; nil values are left out
	header map[string]any                  // further members of their header
	sign   func(text string) []byte        // nil: ES256 with key
	meta   map[string]any                  // further members of its document
	keys   []jose.Key                      // nil: key's
	user   map[string]any                  // userinfo
	fails  func(q upstream.Question) error // instead of an answer
	status int                             // of the token endpoint; 0: 200
	body   func(path string) []byte        // instead of an answer; nil: none
	nonce  string                          // of the login that is under way
}

func newOP(t testing.TB) *op {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &op{key: key, kid: "k1", claims: map[string]any{}, meta: map[string]any{}, header: map[string]any{}}
}

func segment(v any) string {
	text, _ := json.Marshal(v)
	return base64.RawURLEncoding.EncodeToString(text)
}

// token returns an ID token.
func (o *op) token() string {
	header := map[string]any{"alg": "ES256", "kid": o.kid}
	maps.Copy(header, o.header)
	now := time.Now().Unix()
	claims := map[string]any{
		"iss": issuer, "aud": clientID, "sub": subject, "iat": now, "exp": now + 300, "auth_time": now, "nonce": o.nonce,
		"acr": "level2", "name": "张小䶮", "id_number": identitytest.ZhangCode.Value,
	}
	for name, v := range o.claims {
		if claims[name] = v; v == nil {
			delete(claims, name)
		}
	}
	text := segment(header) + "." + segment(claims)
	if o.sign != nil {
		return text + "." + base64.RawURLEncoding.EncodeToString(o.sign(text))
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sign(o.key, text))
}

func sign(key *ecdsa.PrivateKey, text string) []byte {
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		panic(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// keyOf returns the JWK of a key.
func keyOf(pub any, kid string) jose.Key {
	k, err := jose.NewKey(pub)
	if err != nil {
		panic(err)
	}
	k.KeyID, k.Use = kid, "sig"
	return k
}

// Ask implements [upstream.Outside].
func (o *op) Ask(ctx context.Context, q upstream.Question) (int, []byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked = append(o.asked, q)
	if o.fails != nil {
		if err := o.fails(q); err != nil {
			return 0, nil, err
		}
	}
	path := q.URL // of whatever host, should it be asked there
	if u, err := url.Parse(q.URL); err == nil {
		path = u.Path
	}
	if o.body != nil {
		if body := o.body(path); body != nil {
			return 200, body, nil
		}
	}
	var answer any
	switch path {
	case "/.well-known/openid-configuration":
		meta := map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize?tenant=1", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/keys", "userinfo_endpoint": issuer + "/me",
		}
		maps.Copy(meta, o.meta)
		answer = meta
	case "/keys":
		keys := o.keys
		if keys == nil {
			keys = []jose.Key{keyOf(o.key.Public(), o.kid)}
		}
		answer = map[string]any{"keys": keys}
	case "/token":
		if o.status != 0 {
			return o.status, []byte(`{"error":"invalid_grant"}`), nil
		}
		answer = map[string]any{"id_token": o.token(), "access_token": "at", "token_type": "Bearer", "expires_in": 300}
	case "/me":
		answer = o.user
	default:
		return 404, []byte(`{}`), nil
	}
	body, err := json.Marshal(answer)
	return 200, body, err
}

// count returns how often a path was asked for.
func (o *op) count(path string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, q := range o.asked {
		if strings.HasSuffix(q.URL, path) {
			n++
		}
	}
	return n
}

// config is the file in which the provider is registered.
const config = `{"providers": [{
	"id": "jiangbei", "title": {"zh-CN": "江北省统一身份认证", "en": "Jiangbei login"}, "max_level": 2, "create": false,
	"levels": {"values": {"level1": {"proofing": 1, "strength": 1}, "level2": {"proofing": 2, "strength": 2}, "level3": {"proofing": 2, "strength": 2}}, "default": {"proofing": 0, "strength": 0}},
	"openid": {"issuer": "` + issuer + `", "client_id": "` + clientID + `", "client_secret_file": "secret", "claims": {"code": "id_number", "code_type": "id_type", "phone": "phone_number", "code_types": {"ID": "111"}}}
}]}`

func files() upstream.Files {
	read := func(name string) ([]byte, error) {
		if name != "secret" {
			return nil, errors.New("there is no such file")
		}
		return []byte(secret + "\n"), nil
	}
	return upstream.Files{Secret: read, Public: read}
}

// world is people, a provider, and what logs people in with it.
type world struct {
	said *strings.Builder // the log
	*identitytest.World
	*upstream.Service
	op    *op
	spent *spending
}

// spending remembers what was spent.
type spending struct {
	mu  sync.Mutex
	all map[[32]byte]bool
	err error
}

func (s *spending) spend(_ context.Context, hash [32]byte, _ time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.all[hash]
	s.all[hash] = true
	return first, s.err
}

func newWorld(t testing.TB, change func(p *upstream.Provider)) *world {
	t.Helper()
	all, err := upstream.ReadProviders([]byte(config), files())
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&all[0])
	}
	o := newOP(t)
	return worldOf(t, o, all, func(*upstream.Provider) (upstream.Outside, error) { return o, nil })
}

func worldOf(t testing.TB, o *op, all []upstream.Provider, outside func(*upstream.Provider) (upstream.Outside, error)) *world {
	t.Helper()
	w := &world{World: identitytest.NewWorld(t), op: o, spent: &spending{all: map[[32]byte]bool{}}}
	w.said = &strings.Builder{}
	w.Service = w.service(t, all, outside)
	return w
}

func (w *world) service(t testing.TB, all []upstream.Provider, outside func(*upstream.Provider) (upstream.Outside, error)) *upstream.Service {
	t.Helper()
	j := journal.NewRecorder(journal.Config{Log: journal.Provider, Store: w.Memory, Reason: identity.ReasonOf})
	s, err := upstream.New(upstream.Config{
		URL: identitytest.URL, Providers: all, Outside: outside, Spend: w.spent.spend,
		People: w.World.Service, Authenticators: w.Authenticators, Notices: notice.New(w.SMS, j, w.logger()), Ephemeral: w.Memory, Vault: w.Vault, Journal: j, Log: slog.New(slog.NewTextHandler(w.said, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begun is a login that began.
type begun struct {
	to    *url.URL
	state string
}

func start() upstream.Start {
	return upstream.Start{Provider: "jiangbei", Browser: "browser", Request: "request", Language: "zh-CN", Address: netip.MustParseAddr("192.0.2.7"), RequestID: "r"}
}

// begin begins a login, as the provider sees it.
func (w *world) begin(t testing.TB, s upstream.Start) begun {
	t.Helper()
	to, err := w.Begin(t.Context(), s)
	identitytest.IsReason(t, "beginning", err, "")
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	w.op.nonce = u.Query().Get("nonce")
	return begun{u, u.Query().Get("state")}
}

// back returns what a browser brings back.
func (b begun) back(code string) upstream.Return {
	return upstream.Return{Provider: "jiangbei", Browser: "browser", RequestID: "r", Answer: map[string]string{"state": b.state, "code": code}}
}

// login begins a login and finishes it.
func (w *world) login(t testing.TB) (upstream.Arrival, error) {
	t.Helper()
	return w.Finish(t.Context(), w.begin(t, start()).back("code-"+identity.NewID()), "zh-CN")
}

// hs256 signs with a public key as an HMAC's, as an attacker would.
func hs256(key []byte) func(string) []byte {
	return func(text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func stateOf(t testing.TB, to string) begun {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return begun{u, u.Query().Get("state")}
}

// sleeper is a provider that takes its time.
type sleeper struct {
	*op
	takes time.Duration
	mu    sync.Mutex
	n     int
}

func (s *sleeper) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// Ask implements [upstream.Outside].
func (s *sleeper) Ask(ctx context.Context, q upstream.Question) (int, []byte, error) {
	s.mu.Lock()
	s.n++
	s.mu.Unlock()
	select {
	case <-time.After(s.takes):
		return s.op.Ask(ctx, q)
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

func (w *world) logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (w *world) ctx() context.Context { return context.Background() }

// counting is a provider that is never to be asked.
type counting struct{ n *int }

// Ask implements [upstream.Outside].
func (c counting) Ask(context.Context, upstream.Question) (int, []byte, error) {
	*c.n++
	return 200, []byte(`{}`), nil
}
