package provider

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/scan"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/vault"
	inmemory "yizheng.internal/storage/memory"
)

// template is keys that are made once, for making them waits for the disk and,
// RSA's, for primes.
var template struct {
	dir        string
	passphrase []byte
	keys       map[signing.KeyID]signing.KeyRecord
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "yizheng-oidc-test-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = makeTemplate(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "making the tests' keys:", err)
			return 1
		}
		return m.Run()
	}())
}

func makeTemplate(dir string) error {
	records := newMemory()
	_, err := installation.Open(context.Background(), installation.Config{
		Dir: dir, Records: records, RegistryName: "样例证照库", RegistryUSCC: "11990000000000000D",
	}, time.Now())
	if err != nil {
		return err
	}
	template.dir, template.keys = dir, records.keys
	template.passphrase, err = keystore.ReadPassphraseFile(dir + "/keys.pass")
	return err
}

// The rooms' main types, by names that can stand beside each other.
type (
	flowRoom    = flow.Service
	clientRoom  = client.Service
	sessionRoom = session.Service
	tokenRoom   = token.Service
	grantRoom   = grant.Service
	consentRoom = consent.Service
)

// provider has the methods of all rooms at hand.
type provider struct {
	config Config
	*flowRoom
	*journal.Recorder
	*clientRoom
	*sessionRoom
	*token.Families
	*token.Subjects
	*tokenRoom
	*grantRoom
	*consentRoom
	Scans   *scan.Service
	Logouts *request.Logouts
}

func rooms(p *Provider) *provider {
	return &provider{p.c, p.Flow, p.Journal, p.Clients, p.Sessions, p.Families, p.Subjects, p.Tokens, p.Grants, p.Consents, p.Scans, p.Logouts}
}

// world is a provider at which people log in, over stores in memory, with two
// participants, a client of each, and two people.
type world struct {
	*memory
	*provider
	people    *people.People
	kept      *inmemory.Ephemeral
	ephemeral ephemeral.Store // of nodes that begin; else kept
	resolver  *resolver
	steps     []string
	onStep    func(string)
	bureau    oidc.Client // of a department, registered for everything
	shop      oidc.Client // of an enterprise
	zhang, li identity.Account
	checked   identity.Account // as it was when its password was checked; zero: as it is
	begun     factor.Begun     // what each factor begins with
	checking  func()           // while the next password is checked
}

// register is an IdentityProofer that knows everybody.
type register int

func (r register) Proof(context.Context, identity.Claim) (identity.Proofing, error) {
	return identity.Proofing{Level: int(r), Method: "register_match", Source: "样例人口库"}, nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{memory: newMemory(), kept: inmemory.New(inmemory.Config{}), resolver: newResolver()}
	maps.Copy(w.keys, template.keys)
	w.provider, w.people = w.node(t, 2)
	w.bureau = w.add(t, identity.Government, codes[0], func(*client.Spec) {})
	w.shop = w.add(t, identity.Enterprise, codes[1], func(s *client.Spec) {
		s.RedirectURIs, s.ServiceItems, s.IDTokenAlgorithm = []string{"https://shop.example/cb"}, nil, ""
	})
	w.zhang = w.person(t, w.people, identity.Registration{Name: "张小䶮", Code: party.Code{Type: party.Citizen, Value: "990101199001010035"}, Phone: "13800138000"})
	w.li = w.person(t, w.people, identity.Registration{Name: "李建国", Code: party.Code{Type: party.Citizen, Value: "990101195512310023"}})
	w.events = nil
	return w
}

// node returns another provider over the same stores, as another process has,
// whose people are proofed at a level when they register.
func (w *world) node(t testing.TB, level int) (*provider, *people.People) {
	t.Helper()
	keys, err := keystore.Open(template.dir+"/keys", template.passphrase)
	if err != nil {
		t.Fatal(err)
	}
	rings, err := signing.NewKeyrings(signing.KeyringsConfig{Records: w.memory, Module: keys})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := vault.Open(t.Context(), rings, keys)
	if err != nil {
		t.Fatal(err)
	}
	people, err := people.New(people.Config{
		Parties: w.memory, Accounts: w.memory, Ephemeral: w.kept, Vault: vault, Journal: oidc.NewRecorder(w.memory, nil), Proofer: register(level),
	})
	if err != nil {
		t.Fatal(err)
	}
	var store ephemeral.Store = w.kept
	if w.ephemeral != nil {
		store = w.ephemeral
	}
	p, err := New(Config{
		Issuer: issuer, Clients: w.memory, Participants: w.memory, Events: w.memory, Keyrings: rings,
		Sessions: w.memory, Families: w.memory, Consents: w.memory, Spent: w.memory, Settings: w.memory, Ephemeral: store,
		Identity: people.Service, Factors: everybody{people.Factors, people, w}, Vault: vault, Resolver: w.resolver, Step: w.passed,
	})
	if err != nil {
		t.Fatal(err)
	}
	return rooms(p), people
}

// passed notes a step, and lets the test do something there.
func (w *world) passed(step string) {
	unlock := w.lock()
	w.steps = append(w.steps, step)
	unlock()
	if w.onStep != nil {
		w.onStep(step)
	}
}

// add registers a client of a new participant, for everything that logins have
// but for what change takes away.
func (w *world) add(t testing.TB, class identity.Class, code string, change func(*client.Spec)) oidc.Client {
	t.Helper()
	n, err := w.provider.CreateParticipant(t.Context(), operator, identity.Spec{USCC: code, Name: "样例单位", Class: class, AreaCode: "990101", Level: 3})
	if errors.Is(err, identity.ErrExists) {
		n, err = w.memory.FindParticipant(t.Context(), party.USCC(code))
	}
	if err != nil {
		t.Fatal(err)
	}
	s := client.Spec{
		Name: "样例系统", Participant: n.ID, Scopes: []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopePhone, oidc.ScopeIdentity, oidc.ScopeOffline},
		GrantTypes: []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh}, RedirectURIs: []string{"https://bureau.example/cb"},
		LogoutURIs: []string{"https://bureau.example/bye"}, HomeURI: "https://bureau.example/",
		ServiceItems: []string{"residence-permit"}, IDTokenAlgorithm: jose.ES256, MinAssurance: new(int),
	}
	change(&s)
	c, _, err := w.provider.CreateClient(t.Context(), operator, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) person(t testing.TB, people *people.People, r identity.Registration) identity.Account {
	t.Helper()
	r.Actor = "cli"
	a, _, err := people.Register(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// wang is a third person, with everything there is.
func (w *world) wang(t testing.TB) identity.Account {
	return w.person(t, w.people, identity.Registration{Name: "王五", Code: party.Code{Type: party.Passport, Value: "E12345678"}, Phone: "13800138001"})
}

// browser is one of a person.
type browser struct {
	oidc.Browser
	w *world
}

func (w *world) browser() *browser {
	return &browser{oidc.Browser{ID: oidc.NewBrowserID(), Address: netip.MustParseAddr("192.0.2.1"), UserAgent: "Mozilla/5.0", RequestID: "r1"}, w}
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of RFC 7636 appendix B

// requestURIPrefix begins the request_uri of a pushed request (RFC 9126 section 2.2).
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// accessHash is the at_hash of an access token (OpenID Connect Core section 3.1.3.6).
func accessHash(token oidc.Secret) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// params are those of a good request of a client, with changes: pairs of name
// and value, and an empty value takes the parameter away.
func params(c oidc.Client, changes ...string) oidc.Parameters {
	p := oidc.Parameters{
		"client_id": c.ID, "redirect_uri": c.RedirectURIs[0], "response_type": "code", "scope": "openid", "state": "s1", "nonce": "n1",
		"code_challenge": challengeOf(verifier), "code_challenge_method": "S256",
	}
	for i := 0; i < len(changes); i += 2 {
		p[changes[i]] = changes[i+1]
		if changes[i+1] == "" {
			delete(p, changes[i])
		}
	}
	return p
}

// authorize sends a request and returns what comes next.
func (b *browser) authorize(t testing.TB, c oidc.Client, changes ...string) oidc.Step {
	t.Helper()
	step, err := b.w.Authorize(t.Context(), params(c, changes...), b.Browser, false)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// next asks what comes next.
func (b *browser) next(t testing.TB, handle oidc.Secret) oidc.Step {
	t.Helper()
	step, err := b.w.Next(t.Context(), handle, b.Browser)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// logIn shows the first factor for a request and returns what comes next.
func (b *browser) logIn(t testing.TB, handle oidc.Secret, a identity.Account) oidc.Step {
	t.Helper()
	step, err := b.w.logIn(t.Context(), handle, b.Browser, a)
	if err != nil {
		t.Fatal(err)
	}
	b.Session = step.Cookies.Session
	return step
}

// everybody is a Factors to whom every password is right; a login is the id of an account.
type everybody struct {
	*factor.Service
	people *people.People
	w      *world
}

func (e everybody) CheckPassword(ctx context.Context, a factor.Attempt) (identity.Account, error) {
	if during := e.w.checking; during != nil {
		e.w.checking = nil
		during()
	}
	if e.w.checked.ID == a.Login {
		return e.w.checked, nil
	}
	return e.people.Account(ctx, a.Login)
}

func (e everybody) Begin(context.Context, factor.Name, factor.Login) (factor.Begun, error) {
	return e.w.begun, nil
}

// form is one of a browser's, from the page of a step.
func form(b oidc.Browser, at oidc.StepKind, answer flow.Answer) flow.Form {
	f := flow.Form{At: at, Token: b.FormToken(at.Purpose()), Answer: answer}
	f.Wait, f.Language = func() time.Duration { return 0 }, func([]string) string { return "zh-CN" }
	if d, ok := answer.(flow.Decision); ok {
		f.Found = d.Agreement.Find
	}
	return f
}

// logIn answers a login's page as somebody.
func (p *provider) logIn(ctx context.Context, handle oidc.Secret, b oidc.Browser, a identity.Account) (oidc.Step, error) {
	return p.Answer(ctx, handle, b, form(b, oidc.StepLogin, flow.Password{Login: a.ID, Password: "any"}))
}

// decide answers a consent's page.
func (p *provider) decide(ctx context.Context, handle oidc.Secret, b oidc.Browser, d oidc.Decision) (oidc.Step, error) {
	return p.Answer(ctx, handle, b, form(b, oidc.StepConsent, flow.Decision(d)))
}

// cancel answers the page of a step so that the request ends.
func (p *provider) cancel(ctx context.Context, handle oidc.Secret, b oidc.Browser, at oidc.StepKind) (oidc.Step, error) {
	return p.Answer(ctx, handle, b, form(b, at, flow.Cancel{}))
}

// session gives the browser a session with so many factors.
func (b *browser) session(t testing.TB, a identity.Account, factors int) {
	t.Helper()
	step, err := b.w.Visit(t.Context(), flow.Page{Path: "/"}, b.Browser)
	if err != nil {
		t.Fatal(err)
	}
	if step.Kind == oidc.StepDone { // somebody is logged in
		step = b.authorize(t, b.w.bureau, "prompt", "login")
	}
	b.logIn(t, step.Handle, a)
	if factors > 1 {
		b.stepUp(t)
	}
}

func (b *browser) stepUp(t testing.TB) {
	t.Helper()
	_, cookie, err := b.w.StepUp(t.Context(), b.Browser, factor.Proof{Factor: factor.PhoneCode})
	if err != nil {
		t.Fatal(err)
	}
	b.Session = cookie
}

// code returns the authorization code of an answer.
func code(t testing.TB, step oidc.Step) string {
	t.Helper()
	if step.Kind != oidc.StepDone {
		t.Fatalf("the step is %s", step.Kind)
	}
	c := answer(t, step.Response).Get("code")
	if c == "" {
		t.Fatalf("there is no code in %s", step.Response.RedirectURI)
	}
	return c
}

// answer returns the parameters of a response.
func answer(t testing.TB, r *oidc.Response) url.Values {
	t.Helper()
	if r == nil {
		t.Fatal("there is no response")
	}
	if r.Mode == oidc.ModeFormPost {
		values := url.Values{}
		for _, p := range r.Parameters {
			values.Add(p.Name, p.Value)
		}
		return values
	}
	u, err := url.Parse(r.RedirectURI)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// Redeem sends a request to the token endpoint.
func (p *provider) Redeem(ctx context.Context, c oidc.Client, q grant.Request) (token.Tokens, error) {
	return p.grantRoom.Redeem(ctx, c, q)
}

// redemption is the request that redeems a code of a client.
func redemption(c oidc.Client, code string) grant.Request {
	form := url.Values{"code": {code}, "redirect_uri": {c.RedirectURIs[0]}, "code_verifier": {verifier}}
	return grant.Request{Type: oidc.GrantCode, Form: form, RequestID: "r2"}
}

// refreshing is the request that redeems a refresh token.
func refreshing(refresh string, scopes ...oidc.Scope) grant.Request {
	form := url.Values{"refresh_token": {refresh}, "scope": {oidc.JoinScopes(scopes)}}
	return grant.Request{Type: oidc.GrantRefresh, Form: form, RequestID: "r4"}
}

// forItself is the request of a client that acts for itself.
func forItself(scopes ...oidc.Scope) grant.Request {
	return grant.Request{Type: oidc.GrantClientCredentials, Form: url.Values{"scope": {oidc.JoinScopes(scopes)}}, RequestID: "r1"}
}

// redeem redeems a code.
func (w *world) redeem(t testing.TB, c oidc.Client, code string) token.Tokens {
	t.Helper()
	tokens, err := w.Redeem(t.Context(), c, redemption(c, code))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// tokens logs the browser's person in at a client and returns what that yields.
func (b *browser) tokens(t testing.TB, c oidc.Client, changes ...string) token.Tokens {
	t.Helper()
	step := b.authorize(t, c, changes...)
	if step.Kind == oidc.StepConsent {
		step = b.agree(t, step)
	}
	return b.w.redeem(t, c, code(t, step))
}

// agree agrees to everything that a consent page shows.
func (b *browser) agree(t testing.TB, step oidc.Step) oidc.Step {
	t.Helper()
	if step.Kind != oidc.StepConsent {
		t.Fatalf("the step is %s", step.Kind)
	}
	step, err := b.w.decide(t.Context(), step.Handle, b.Browser, consentTo(step))
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// consentTo is the decision to agree to everything.
func consentTo(step oidc.Step) oidc.Decision {
	d := oidc.Decision{Form: step.Consent.Form}
	if step.Consent.Offer != nil {
		d.Agreement = oidc.Agreement{Shown: step.Consent.Offer.Shown(), Chosen: []oidc.Choice{{Material: "m", License: "l", Version: 1, Fields: []string{"name"}}}}
	}
	return d
}

// refusal returns the error of a call as a refusal, with the parameters of its
// response, which are nil where there is none.
func refusal(t testing.TB, err error) (*oidc.RequestError, url.Values) {
	t.Helper()
	e, ok := errors.AsType[*oidc.RequestError](err)
	if !ok {
		t.Fatalf("got %v, want a *RequestError", err)
	}
	if e.Response == nil {
		return e, nil
	}
	return e, answer(t, e.Response)
}

// last returns the newest event.
func (w *world) last() journal.Event {
	defer w.lock()()
	return w.events[len(w.events)-1]
}
