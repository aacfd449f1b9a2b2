package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"golang.org/x/text/language"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/outbound"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/oidc/token"
)

func askUpstream(p *upstream.Provider) (upstream.Outside, error) {
	return outbound.NewAsker(outbound.AskerConfig{Private: p.Private, Roots: p.Roots()}), nil
}

// spendOn spends codes of other providers in a database.
func spendOn(stores token.Spent) func(context.Context, [32]byte, time.Time) (bool, error) {
	return func(ctx context.Context, hash [32]byte, keep time.Time) (bool, error) {
		err := stores.Spend(ctx, hash, keep)
		if errors.Is(err, token.ErrSpent) {
			return false, nil
		}
		return err == nil, err
	}
}

// foreign is zitadel's example of an OpenID provider, as it comes.
type foreign struct {
	url     string
	clients map[string]*storage.Client
}

// people of the foreign provider.
type foreignUsers struct{ user storage.User }

func (u foreignUsers) GetUserByID(string) *storage.User       { return &u.user }
func (u foreignUsers) GetUserByUsername(string) *storage.User { return &u.user }
func (u foreignUsers) ExampleClientID() string                { return "service" }

func newForeign(t testing.TB) *foreign {
	t.Helper()
	f := &foreign{clients: map[string]*storage.Client{}}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	f.url = server.URL
	users := foreignUsers{storage.User{ID: "id1", Username: "alice", Password: "verysecure", FirstName: "Alice", LastName: "Elsewhere", PreferredLanguage: language.Chinese}}
	handler = exampleop.SetupServer(f.url, storage.NewStorageWithClients(users, f.clients), nil, false)
	return f
}

// registered returns providers as a file of these says, with their secret.
func registered(t testing.TB, file string) []upstream.Provider {
	t.Helper()
	read := func(string) ([]byte, error) { return []byte("web-secret\n"), nil }
	all, err := upstream.ReadProviders([]byte(file), upstream.Files{Secret: read, Public: read})
	mustOf(t)(err)
	return all
}

func (f *foreign) file() string {
	return `{"providers": [{"id": "foreign", "title": {"zh-CN": "云岭省统一身份认证（样例）", "en": "Yunling login (sample)"}, "max_level": 2, "private": true,
		"levels": {"default": {"proofing": 2, "strength": 1}},
		"openid": {"issuer": "` + f.url + `", "client_id": "web", "client_secret_file": "x", "scopes": ["openid", "profile"], "userinfo": true}}]}`
}

// logIn logs in at the foreign provider, from its page on.
func (f *foreign) logIn(t testing.TB, p *apitest.Page) *apitest.Page {
	t.Helper()
	if "http://"+p.URL.Host != f.url {
		t.Fatalf("the browser is at %s, not at the other provider", p.URL)
	}
	return p.FormAt("/login/username").With("username", "alice", "password", "verysecure").Send()
}

// Alice comes from a foreign provider, which nobody here knows: she logs in once by her own means, links it, and
// from then on logs in with it alone.
func TestForeignUpstream(t *testing.T) {
	t.Parallel()
	f := newForeign(t)
	s := newStage(t, stageConfig{Upstreams: registered(t, f.file())})
	f.clients["web"] = storage.WebClient("web", "web-secret", s.url+"/login/upstream/foreign")
	b := s.browser(t)
	b.Stop = func(u *url.URL) bool { return "http://"+u.Host != s.url && "http://"+u.Host != f.url }

	flow := s.clinic.request()
	login := flow.open(t, b)
	says(t, login, "云岭省统一身份认证（样例）")
	back := f.logIn(t, login.Follow("upstream-foreign"))
	shows(t, back, http.StatusOK, "/login")
	says(t, back, "尚未与本平台账号关联", "可以在线注册")
	link := back.LogIn(s.alice)
	shows(t, link, http.StatusOK, "/login/link")
	says(t, link, "云岭省统一身份认证（样例）", "确认关联")
	code := link.Press("submit") // the account can more than a password: it is asked for
	shows(t, code, http.StatusOK, "/login/code")
	done := code.Press("submit", "code", s.alice.Code())
	first := flow.redeemed(t, flow.code(t, done))
	if first["acr"] != "urn:yizheng:assurance:2" {
		t.Errorf("by her own means: %v", first)
	}

	another := s.browser(t)
	another.Stop = b.Stop
	flow = s.clinic.request("max_age", "600")
	back = f.logIn(t, flow.open(t, another).Follow("upstream-foreign"))
	second := flow.redeemed(t, flow.code(t, back))
	if second["sub"] != first["sub"] || second["acr"] != "urn:yizheng:assurance:1" || !strings.Contains(jsonOf(t, second["amr"]), "fed") || strings.Contains(jsonOf(t, second["amr"]), "mfa") {
		t.Errorf("with the other provider: %v", second)
	}
	if at := int64(second["auth_time"].(float64)); time.Since(time.Unix(at, 0)) > time.Minute {
		t.Errorf("auth_time %d", at)
	}

	// One factor elsewhere isn't enough for licenses. Her own means are; what is neither known nor reached by her
	// phone makes two of it.
	third := s.browser(t)
	third.Stop = b.Stop
	weak := f.logIn(t, s.clinic.licensed().open(t, third).Follow("upstream-foreign"))
	shows(t, weak, http.StatusOK, "/login")
	says(t, weak, "更可靠的身份验证")
	if consent := weak.LogIn(s.alice); !consent.Has("approve") {
		t.Errorf("by her own means after that: %v", consent)
	}
	s.addApp(t, "alice")
	fourth := s.browser(t)
	fourth.Stop = b.Stop
	app := f.logIn(t, s.clinic.licensed().open(t, fourth).Follow("upstream-foreign"))
	shows(t, app, http.StatusOK, "/login/code")
	says(t, app, "身份验证器")
}

// A yes to a link is its person's: who logs in on the same page after them is asked anew, and what they agreed to links
// nothing.
func TestLinkOfAnother(t *testing.T) {
	t.Parallel()
	f := newForeign(t)
	s := newStage(t, stageConfig{Upstreams: registered(t, f.file())})
	f.clients["web"] = storage.WebClient("web", "web-secret", s.url+"/login/upstream/foreign")
	b := s.browser(t)
	b.Stop = func(u *url.URL) bool { return "http://"+u.Host != s.url && "http://"+u.Host != f.url }
	login := f.logIn(t, s.clinic.request().open(t, b).Follow("upstream-foreign"))
	code := login.LogIn(s.alice).Press("submit")
	shows(t, code, http.StatusOK, "/login/code")
	b.Get(s.url + "/logout").Press("submit")
	asked := b.Get(login.URL.String()).LogIn(s.bob)
	shows(t, asked, http.StatusOK, "/login/link")
	says(t, asked, "确认关联")
	asked.Press("skip")
	again := f.logIn(t, s.clinic.request("prompt", "login").open(t, b).Follow("upstream-foreign"))
	says(t, again, "尚未与本平台账号关联")
}

// addApp adds an app that shows codes to somebody's account.
func (s *stage) addApp(t testing.TB, login string) {
	t.Helper()
	who := authenticator.Owner{Account: s.accounts[login], Session: "session", AuthTime: time.Now(), Strength: 3, Language: "zh-CN", RequestID: "test"}
	setup, err := s.nodes[0].people.Authenticators.Prepare(t.Context(), who)
	mustOf(t)(err)
	key, err := otp.NewKeyFromURL(setup.URI)
	mustOf(t)(err)
	code, err := totp.GenerateCode(key.Secret(), time.Now())
	mustOf(t)(err)
	mustOf(t)(s.nodes[0].people.Authenticators.Add(t.Context(), who, setup.Token, "手机", code))
}

func jsonOf(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	mustOf(t)(err)
	return string(text)
}

// redeemed redeems a code and returns the ID token's claims.
func (f *rpFlow) redeemed(t testing.TB, code string) map[string]any {
	t.Helper()
	var tokens struct {
		ID string `json:"id_token"`
	}
	a := f.redeem(t, code)
	mustOf(t)(json.Unmarshal([]byte(a.body), &tokens))
	return claimsOf(t, tokens.ID)
}
