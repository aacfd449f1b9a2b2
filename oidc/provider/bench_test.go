//go:build unix

package provider_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/vault"
	"yizheng.internal/storage/memory"
	"yizheng.internal/storage/sqlite"
)

// served is a provider over SQLite and the memory's store, as one node serves it,
// with somebody logged in.
type served struct {
	*provider.Provider
	config  provider.Config
	machine oidc.Client // with client_credentials
	site    oidc.Client // at which people log in
	browser oidc.Browser
	account identity.Account
}

// everybody is an IdentityProofer that knows everybody.
type everybody struct{}

func (everybody) Proof(context.Context, identity.Claim) (identity.Proofing, error) {
	return identity.Proofing{Level: 2}, nil
}

func serve(b *testing.B) *served {
	b.Helper()
	ctx := b.Context()
	db, err := sqlite.Open(ctx, sqlite.Config{Path: b.TempDir() + "/db"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = db.Close() })
	if _, err := db.Migrate(ctx); err != nil {
		b.Fatal(err)
	}
	dir, passphrase, records := provider.TemplateKeys()
	for _, k := range records {
		if k.Purpose == signing.PurposeRoot {
			continue
		}
		if err := db.Keys().CreateKey(ctx, k); err != nil {
			b.Fatal(err)
		}
	}
	keys, err := keystore.Open(dir+"/keys", passphrase)
	if err != nil {
		b.Fatal(err)
	}
	rings, err := signing.NewKeyrings(signing.KeyringsConfig{Records: db.Keys(), Module: keys})
	if err != nil {
		b.Fatal(err)
	}
	vault, err := vault.Open(ctx, rings, keys)
	if err != nil {
		b.Fatal(err)
	}
	store, kept := db.Provider(), memory.New(memory.Config{})
	people, err := people.New(people.Config{
		Parties: store, Accounts: store, Ephemeral: kept, Vault: vault, Journal: oidc.NewRecorder(db.Journal(), nil), Proofer: everybody{},
	})
	if err != nil {
		b.Fatal(err)
	}
	s := &served{browser: oidc.Browser{ID: oidc.NewBrowserID()}}
	s.config = provider.Config{
		Issuer: "https://yizheng.example", Clients: store, Participants: store, Events: db.Journal(), Keyrings: rings, Sessions: store, Families: store,
		Consents: store, Spent: store, Settings: store, Ephemeral: kept, Identity: people.Service, Factors: people.Factors, Vault: vault,
	}
	s.Provider, err = provider.New(s.config)
	if err != nil {
		b.Fatal(err)
	}
	s.logIn(b, people)
	return s
}

const password = "a kettle on the roof"

// logIn registers clients and a person, and logs the person in.
func (s *served) logIn(b *testing.B, people *people.People) {
	ctx := b.Context()
	n, err := s.Clients.CreateParticipant(ctx, oidc.Actor{ID: "cli"}, identity.Spec{USCC: "11100000000013338W", Name: "样例局", Class: identity.Government, AreaCode: "990101", Level: 3})
	if err != nil {
		b.Fatal(err)
	}
	if s.machine, _, err = s.Clients.CreateClient(ctx, oidc.Actor{ID: "cli"}, client.Spec{Name: "x", Participant: n.ID, Scopes: []oidc.Scope{oidc.ScopeLicenseRead}}); err != nil {
		b.Fatal(err)
	}
	s.site, _, err = s.Clients.CreateClient(ctx, oidc.Actor{ID: "cli"}, client.Spec{
		Name: "y", Participant: n.ID, Scopes: []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile}, GrantTypes: []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh},
		RedirectURIs: []string{"https://bureau.example/cb"}, IDTokenAlgorithm: jose.ES256,
	})
	if err != nil {
		b.Fatal(err)
	}
	s.account, _, err = people.Register(ctx, identity.Registration{
		Name: "张小䶮", Code: party.Code{Type: party.Citizen, Value: "990101199001010035"}, Phone: "13800138000", LoginName: "zhang", Password: password, Actor: "cli",
	})
	if err != nil {
		b.Fatal(err)
	}
	step, err := s.Flow.Visit(ctx, flow.Page{Path: "/"}, s.browser)
	if err != nil {
		b.Fatal(err)
	}
	step, err = s.Flow.Answer(ctx, step.Handle, s.browser, flow.Form{
		At: oidc.StepLogin, Token: s.browser.FormToken(oidc.StepLogin.Purpose()), Answer: flow.Password{Login: s.account.LoginName, Password: password},
		Wait: func() time.Duration { return 0 }, Language: func([]string) string { return "zh-CN" },
	})
	if err != nil || step.Kind != oidc.StepDone {
		b.Fatal(step.Kind, step.Problem, err)
	}
	s.browser.Session = step.Cookies.Session
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of RFC 7636 appendix B

// flow is a login at a client with a session: authorization and redemption.
func (s *served) flow(b *testing.B) token.Tokens {
	challenge := sha256.Sum256([]byte(verifier))
	uri := s.site.RedirectURIs[0]
	step, err := s.Flow.Authorize(b.Context(), oidc.Parameters{
		"client_id": s.site.ID, "redirect_uri": uri, "response_type": "code", "scope": "openid profile", "state": "s", "nonce": "n",
		"code_challenge": base64.RawURLEncoding.EncodeToString(challenge[:]), "code_challenge_method": "S256",
	}, s.browser, false)
	if err != nil {
		b.Fatal(err)
	}
	u, err := url.Parse(step.Response.RedirectURI)
	if err != nil {
		b.Fatal(err)
	}
	tokens, err := s.Grants.Redeem(b.Context(), s.site, grant.Request{Type: oidc.GrantCode, Form: url.Values{
		"code": {u.Query().Get("code")}, "redirect_uri": {uri}, "code_verifier": {verifier},
	}})
	if err != nil {
		b.Fatal(err)
	}
	return tokens
}

// processor returns how to report the processor's time that an operation takes
// from now on, the database's and the garbage collector's included. It hears less
// of what else runs on the machine than the clock does.
func processor(b *testing.B) (report func()) {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began := used()
	return func() { b.ReportMetric(float64((used()-began).Microseconds())/float64(b.N), "cpu-µs/op") }
}

func BenchmarkClientCredentials(b *testing.B) {
	s := serve(b)
	defer processor(b)()
	for b.Loop() {
		if _, err := s.Grants.Redeem(b.Context(), s.machine, grant.Request{Type: oidc.GrantClientCredentials}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIntrospect tells of tokens of a client and of a person, seen for the
// first time, by another process than issued them, and again.
func BenchmarkIntrospect(b *testing.B) {
	s := serve(b)
	for name, issue := range map[string]func() (oidc.Client, string){
		"client": func() (oidc.Client, string) {
			t, err := s.Grants.Redeem(b.Context(), s.machine, grant.Request{Type: oidc.GrantClientCredentials})
			if err != nil {
				b.Fatal(err)
			}
			return s.machine, t.Access.Reveal()
		},
		"person": func() (oidc.Client, string) { return s.site, s.flow(b).Access.Reveal() },
	} {
		b.Run(name+"/first", func(b *testing.B) {
			tokens := make([]string, b.N)
			var c oidc.Client
			for i := range tokens {
				c, tokens[i] = issue()
			}
			elsewhere, err := provider.New(s.config)
			if err != nil {
				b.Fatal(err)
			}
			b.ResetTimer()
			defer processor(b)()
			for i := range tokens {
				if in, err := elsewhere.Tokens.Introspect(b.Context(), c, tokens[i]); err != nil || !in.Active {
					b.Fatal(in, err)
				}
			}
		})
		b.Run(name+"/again", func(b *testing.B) {
			c, token := issue()
			defer processor(b)()
			for b.Loop() {
				if in, err := s.Tokens.Introspect(b.Context(), c, token); err != nil || !in.Active {
					b.Fatal(in, err)
				}
			}
		})
	}
}

func BenchmarkUserInfo(b *testing.B) {
	s := serve(b)
	a, err := s.Tokens.CheckAccessToken(b.Context(), s.flow(b).Access.Reveal())
	if err != nil {
		b.Fatal(err)
	}
	defer processor(b)()
	for b.Loop() {
		if _, err := s.Tokens.UserInfo(b.Context(), a); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRefresh and BenchmarkSingleSignOn have 32 at a time, whose writes the
// database commits in groups.
func BenchmarkRefresh(b *testing.B) {
	s := serve(b)
	b.SetParallelism(32)
	b.ResetTimer()
	defer processor(b)()
	b.RunParallel(func(pb *testing.PB) {
		tokens := s.flow(b)
		for pb.Next() {
			var err error
			if tokens, err = s.Grants.Redeem(b.Context(), s.site, grant.Request{Type: oidc.GrantRefresh, Form: url.Values{"refresh_token": {tokens.Refresh.Reveal()}}}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkSingleSignOn(b *testing.B) {
	s := serve(b)
	b.SetParallelism(32)
	b.ResetTimer()
	defer processor(b)()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.flow(b)
		}
	})
}
