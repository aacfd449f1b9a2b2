package storagetest

import (
	"bytes"
	"context"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/jose"
	"yizheng.internal/storage/storagetest/suite"
)

// people lets a person be registered, log in with two factors, log in at a client
// that asks for all that it can, and set another password. It returns what must
// not be found afterwards; it isn't in what was kept where it may be lost either.
func persons(t *testing.T, db suite.Database, in *installation.Installation) []string {
	t.Helper()
	ctx := t.Context()
	const name, login, phone = "司徒样例㛃", "situ.yangli", "+8613900001234"
	const password, another = "correct horse 样例 battery", "another horse 样例 battery"
	code := party.Code{Type: party.Citizen, Value: "990101194912310036"}
	kept := &seen{values: map[string]value{}}
	var sent notice.Message
	s, err := people.New(people.Config{
		Parties: db.Provider, Accounts: db.Provider, Ephemeral: kept, Vault: in.Vault(),
		Sender: sender(func(m notice.Message) { sent = m }), Journal: oidc.NewRecorder(db.Journal, nil),
		Sources: db.Provider, Links: db.Provider, Changes: db.Provider, Acting: db.Provider,
	})
	suite.Must(t, "people", err)
	imported := takeIn(t, s)
	a, _, err := s.Register(ctx, identity.Registration{Name: name, Code: code, LoginName: login, Phone: phone, Password: password,
		Actor: "cli", Proofing: &identity.Proofing{Level: 2, Method: "in_person", Source: "样例派出所窗口", At: time.Now()}})
	suite.Must(t, "registering", err)
	_, err = s.Factors.CheckPassword(ctx, factor.Attempt{Login: phone, Password: password, Address: netip.MustParseAddr("192.0.2.77")})
	suite.Must(t, "logging in", err)
	proving := factor.Login{Account: a.ID, Binding: "binding-of-a-login", Language: "zh-CN"}
	_, err = s.Factors.Begin(ctx, factor.PhoneCode, proving)
	suite.Must(t, "sending a code", err)
	_, err = s.Factors.Finish(ctx, factor.PhoneCode, proving, sent.Code)
	suite.Must(t, "checking it", err)
	secrets := logIn(t, db, in, s, kept, a, password)
	ticket, err := s.Tickets.SetupTicket(ctx, "cli", a.ID)
	suite.Must(t, "making a ticket", err)
	_, err = s.Tickets.SetPassword(ctx, ticket, another, "zh-CN", "")
	suite.Must(t, "setting a password", err)
	secrets = append(secrets, name, login, phone, phone[1:], phone[3:], password, another, code.Value, "样例派出所窗口",
		"binding-of-a-login", ticket[27:], "192.0.2.77")
	secrets = append(secrets, imported...)
	secrets = append(secrets, represent(t, s, acting.Party{Name: name, Code: code})...)
	if len(kept.all) == 0 {
		t.Fatal("logging in kept nothing where it may be lost")
	}
	if hits := found(kept.all, secrets); hits != nil {
		t.Errorf("where it may be lost, readable: %q", hits)
	}
	return secrets
}

// takeIn takes in an account of another system. It returns what must not be found afterwards.
func takeIn(t *testing.T, s *people.People) []string {
	t.Helper()
	ctx := t.Context()
	_, err := s.Intake.PutSource(ctx, "cli", intake.Source{Name: "qinghe", DisplayName: "样例门户", Level: 2})
	suite.Must(t, "putting a source", err)
	i, err := s.Intake.Begin(ctx, "cli", "qinghe", intake.Options{Level: 1})
	suite.Must(t, "beginning an import", err)
	row := intake.Row{Record: "record-of-a-portal-0001", Name: "令狐样例䶮", Code: "990101195512310023", Phone: "+8613900005678",
		Password: "$sm3$before$YQ==$66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"}
	checked, err := i.Check(row)
	suite.Must(t, "checking a row", err)
	outcome, err := i.Take(ctx, checked)
	suite.Must(t, "taking a row", err)
	suite.Same(t, "its outcome", outcome, intake.Taken)
	return []string{row.Record, row.Name, row.Code, row.Phone, row.Phone[3:], row.Password, row.Password[17:]}
}

// represent enters somebody as the guardian of a child. It returns what must not be found afterwards.
func represent(t *testing.T, s *people.People, guardian acting.Party) []string {
	t.Helper()
	child := acting.Party{Name: "司徒样例小䶮", Code: party.Code{Type: party.OtherPerson, Value: "Y990000001样例"}}
	const evidence = "样例村委会监护证明 2026-17"
	_, err := s.Acting.Enter(t.Context(), acting.Clerk{ID: "cli"}, acting.Checked{
		Kind: acting.Guardian, Principal: child, Representative: guardian, Born: party.DateOf(time.Now()), Bounds: acting.Bounds{Acts: acting.Acts()}, Evidence: evidence,
	})
	suite.Must(t, "entering a guardian", err)
	return []string{child.Name, child.Code.Value, evidence}
}

// logIn leads the person through a login at a client, to tokens that are refreshed.
// It returns what must not be found afterwards.
func logIn(t *testing.T, db suite.Database, in *installation.Installation, people *people.People, kept ephemeral.Store, a identity.Account, password string) []string {
	t.Helper()
	ctx := t.Context()
	p, err := provider.New(provider.Config{
		Issuer: "https://license.example.gov", Clients: db.Provider, Participants: db.Provider, Events: db.Journal, Keyrings: in.Keyrings(),
		Sessions: db.Provider, Families: db.Provider, Consents: db.Provider, Spent: db.Provider, Settings: db.Provider, Ephemeral: kept, Identity: people.Service, Factors: people.Factors, Vault: in.Vault(),
	})
	suite.Must(t, "logging in", err)
	n, err := p.Clients.CreateParticipant(ctx, oidc.Actor{ID: "cli"}, identity.Spec{USCC: "11430000006122244L", Name: "样例厅", Class: identity.Government, AreaCode: "430000", Level: 2})
	suite.Must(t, "logging in", err)
	client, _, err := p.Clients.CreateClient(ctx, oidc.Actor{ID: "cli"}, client.Spec{
		Name: "样例系统", Participant: n.ID, GrantTypes: []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh}, RedirectURIs: []string{"https://dept.example.gov/cb"},
		Scopes:           []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopePhone, oidc.ScopeIdentity, oidc.ScopeOffline},
		IDTokenAlgorithm: jose.ES256, MinAssurance: new(1),
	})
	suite.Must(t, "logging in", err)
	b := oidc.Browser{ID: oidc.NewBrowserID(), Address: netip.MustParseAddr("192.0.2.77"), UserAgent: "样例浏览器 of a certain person"}
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of RFC 7636 appendix B
	step, err := p.Flow.Authorize(ctx, oidc.Parameters{
		"client_id": client.ID, "redirect_uri": client.RedirectURIs[0], "response_type": "code", "scope": "openid profile phone identity offline_access",
		"prompt": "consent", "state": "state-of-a-request-0001", "nonce": "nonce-of-a-request-0001", "login_hint": a.LoginName,
		"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256",
	}, b, false)
	suite.Must(t, "asking for authorization", err)
	handle := step.Handle
	answer := func(at oidc.StepKind, answer flow.Answer) (oidc.Step, error) {
		return p.Flow.Answer(ctx, handle, b, flow.Form{
			At: at, Token: b.FormToken(at.Purpose()), Answer: answer,
			Wait: func() time.Duration { return 0 }, Language: func([]string) string { return "zh-CN" },
		})
	}
	if step, err = answer(oidc.StepLogin, flow.Password{Login: a.LoginName, Password: password}); err != nil || step.Kind != oidc.StepConsent {
		t.Fatalf("after the login comes %s, want consent: %v, %v", step.Kind, step.Problem, err)
	}
	cookie := step.Cookies.Session
	b.Session = cookie
	form := step.Consent.Form
	step, err = answer(oidc.StepConsent, flow.Decision{Form: form})
	suite.Must(t, "agreeing", err)
	to, err := url.Parse(step.Response.RedirectURI)
	suite.Must(t, "agreeing", err)
	code := to.Query().Get("code")
	tokens, err := p.Grants.Redeem(ctx, client, grant.Request{Type: oidc.GrantCode, Form: url.Values{
		"code": {code}, "redirect_uri": {client.RedirectURIs[0]}, "code_verifier": {verifier},
	}})
	suite.Must(t, "redeeming the code", err)
	more, err := p.Grants.Redeem(ctx, client, grant.Request{Type: oidc.GrantRefresh, Form: url.Values{"refresh_token": {tokens.Refresh.Reveal()}}})
	suite.Must(t, "refreshing", err)
	return []string{b.ID.Reveal(), b.UserAgent, handle.Reveal(), cookie.Reveal(), form, code, "state-of-a-request-0001", "nonce-of-a-request-0001",
		tokens.Refresh.Reveal(), more.Refresh.Reveal(), tokens.ID.Reveal(), tokens.Access.Reveal()}
}

type sender func(notice.Message)

func (s sender) Send(_ context.Context, m notice.Message) error { s(m); return nil }

// seen is an ephemeral.Store that remembers all that it ever saw.
type seen struct {
	mu     sync.Mutex
	values map[string]value
	all    []byte
}

type value struct {
	bytes   []byte
	n       int64
	expires time.Time
}

func (s *seen) Put(_ context.Context, key string, v []byte, k ephemeral.Keeping, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.see(key+" "+k.Owner, v)
	s.values[key] = value{bytes: bytes.Clone(v), expires: k.Until}
	return nil
}

func (s *seen) see(key string, v []byte) {
	s.all = append(append(append(append(s.all, key...), '\n'), v...), '\n')
}

func (s *seen) Load(_ context.Context, key string, now time.Time) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	if !ok || !v.expires.After(now) {
		return nil, ephemeral.ErrGone
	}
	return v.bytes, nil
}

func (s *seen) Swap(ctx context.Context, key string, old, new []byte, k ephemeral.Keeping, now time.Time) error {
	got, err := s.Load(ctx, key, now)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, old) {
		return ephemeral.ErrChanged
	}
	if k == (ephemeral.Keeping{}) {
		k.Until = s.values[key].expires
	}
	return s.Put(ctx, key, new, k, now)
}

func (s *seen) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}

func (s *seen) Count(_ context.Context, key string, n int64, _ time.Duration, _ time.Time) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.see(key, nil)
	v := s.values["count "+key]
	v.n += n
	s.values["count "+key] = v
	return v.n, nil
}
