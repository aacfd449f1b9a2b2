package oidc

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
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	ephemeral "yizheng.internal/storage/memory"
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
	_, err := signing.OpenInstallation(context.Background(), signing.InstallationConfig{
		Dir: dir, Records: records, RegistryName: "样例证照库", RegistryUSCC: "11990000000000000D",
	}, time.Now())
	if err != nil {
		return err
	}
	template.dir, template.keys = dir, records.keys
	template.passphrase, err = signing.ReadPassphraseFile(dir + "/keys.pass")
	return err
}

// world is a provider at which people log in, over stores in memory, with two
// participants, a client of each, and two people.
type world struct {
	*memory
	*Provider
	people    *identity.Service
	kept      *ephemeral.Ephemeral
	resolver  *resolver
	steps     []string
	onStep    func(string)
	bureau    Client // of a department, registered for everything
	shop      Client // of an enterprise
	zhang, li identity.Account
}

// register is an IdentityProofer that knows everybody.
type register int

func (r register) Proof(context.Context, string, party.Code) (identity.Proofing, error) {
	return identity.Proofing{Level: int(r), Method: "register_match", Source: "样例人口库"}, nil
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{memory: newMemory(), kept: ephemeral.New(ephemeral.Config{}), resolver: newResolver()}
	maps.Copy(w.keys, template.keys)
	w.Provider, w.people = w.node(t, 2)
	w.bureau = w.add(t, identity.Government, codes[0], func(*ClientSpec) {})
	w.shop = w.add(t, identity.Enterprise, codes[1], func(s *ClientSpec) {
		s.RedirectURIs, s.ServiceItems, s.IDTokenAlgorithm = []string{"https://shop.example/cb"}, nil, ""
	})
	w.zhang = w.person(t, w.people, identity.Registration{Name: "张小䶮", Code: party.Code{Type: party.Citizen, Value: "990101199001010035"}, Phone: "13800138000"})
	w.li = w.person(t, w.people, identity.Registration{Name: "李建国", Code: party.Code{Type: party.Citizen, Value: "990101195512310023"}})
	w.events = nil
	return w
}

// node returns another provider over the same stores, as another process has,
// whose people are proofed at a level when they register.
func (w *world) node(t testing.TB, level int) (*Provider, *identity.Service) {
	t.Helper()
	keys, err := signing.OpenKeystore(template.dir+"/keys", template.passphrase)
	if err != nil {
		t.Fatal(err)
	}
	rings, err := signing.NewKeyrings(signing.KeyringsConfig{Records: w.memory, Module: keys})
	if err != nil {
		t.Fatal(err)
	}
	vault, err := signing.OpenVault(t.Context(), rings, keys)
	if err != nil {
		t.Fatal(err)
	}
	people, err := identity.NewService(identity.Config{
		Parties: w.memory, Accounts: w.memory, Ephemeral: w.kept, Vault: vault, Journal: NewRecorder(w.memory, nil), Proofer: register(level),
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{
		Issuer: issuer, Clients: w.memory, Participants: w.memory, Events: w.memory, Keyrings: rings,
		Sessions: w.memory, Families: w.memory, Consents: w.memory, Spent: w.memory, Settings: w.memory, Ephemeral: w.kept,
		Identity: people, Vault: vault, Resolver: w.resolver, Step: w.passed,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, people
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
func (w *world) add(t testing.TB, class identity.Class, code string, change func(*ClientSpec)) Client {
	t.Helper()
	n, err := w.Provider.CreateParticipant(t.Context(), operator, identity.Spec{USCC: code, Name: "样例单位", Class: class, AreaCode: "990101", Level: 3})
	if errors.Is(err, identity.ErrExists) {
		n, err = w.memory.FindParticipant(t.Context(), party.USCC(code))
	}
	if err != nil {
		t.Fatal(err)
	}
	s := ClientSpec{
		Name: "样例系统", Participant: n.ID, Scopes: []Scope{ScopeOpenID, ScopeProfile, ScopePhone, ScopeIdentity, ScopeOffline},
		GrantTypes: []GrantType{GrantCode, GrantRefresh}, RedirectURIs: []string{"https://bureau.example/cb"},
		LogoutURIs: []string{"https://bureau.example/bye"}, HomeURI: "https://bureau.example/",
		ServiceItems: []string{"residence-permit"}, IDTokenAlgorithm: jose.ES256, MinAssurance: new(int),
	}
	change(&s)
	c, _, err := w.Provider.CreateClient(t.Context(), operator, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) person(t testing.TB, people *identity.Service, r identity.Registration) identity.Account {
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
	Browser
	w *world
}

func (w *world) browser() *browser {
	return &browser{Browser{ID: NewBrowserID(), Address: netip.MustParseAddr("192.0.2.1"), UserAgent: "Mozilla/5.0", RequestID: "r1"}, w}
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of RFC 7636 appendix B

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// params are those of a good request of a client, with changes: pairs of name
// and value, and an empty value takes the parameter away.
func params(c Client, changes ...string) Parameters {
	p := Parameters{
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
func (b *browser) authorize(t testing.TB, c Client, changes ...string) Step {
	t.Helper()
	step, err := b.w.Authorize(t.Context(), params(c, changes...), b.Browser, false)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// next asks what comes next.
func (b *browser) next(t testing.TB, handle Secret) Step {
	t.Helper()
	step, err := b.w.Next(t.Context(), handle, b.Browser)
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// logIn shows the first factor for a request and returns what comes next.
func (b *browser) logIn(t testing.TB, handle Secret, a identity.Account) Step {
	t.Helper()
	cookie, _, err := b.w.LogIn(t.Context(), handle, b.Browser, a, FactorPassword)
	if err != nil {
		t.Fatal(err)
	}
	b.Session = cookie
	return b.next(t, handle)
}

// session gives the browser a session with so many factors.
func (b *browser) session(t testing.TB, a identity.Account, factors int) {
	t.Helper()
	step, err := b.w.Visit(t.Context(), "/", 0, b.Browser)
	if err != nil {
		t.Fatal(err)
	}
	if step.Kind == StepDone { // somebody is logged in
		step = b.authorize(t, b.w.bureau, "prompt", "login")
	}
	b.logIn(t, step.Handle, a)
	if factors > 1 {
		b.stepUp(t)
	}
}

func (b *browser) stepUp(t testing.TB) {
	t.Helper()
	cookie, err := b.w.StepUp(t.Context(), b.Browser, FactorSMS)
	if err != nil {
		t.Fatal(err)
	}
	b.Session = cookie
}

// code returns the authorization code of an answer.
func code(t testing.TB, step Step) string {
	t.Helper()
	if step.Kind != StepDone {
		t.Fatalf("the step is %s", step.Kind)
	}
	c := answer(t, step.Response).Get("code")
	if c == "" {
		t.Fatalf("there is no code in %s", step.Response.RedirectURI)
	}
	return c
}

// answer returns the parameters of a response.
func answer(t testing.TB, r *Response) url.Values {
	t.Helper()
	if r == nil {
		t.Fatal("there is no response")
	}
	if r.Mode == ModeFormPost {
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

func redemption(c Client, code string) CodeRequest {
	return CodeRequest{Code: code, RedirectURI: c.RedirectURIs[0], CodeVerifier: verifier, RequestID: "r2"}
}

// redeem redeems a code.
func (w *world) redeem(t testing.TB, c Client, code string) Tokens {
	t.Helper()
	tokens, err := w.Provider.RedeemCode(t.Context(), c, redemption(c, code))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// tokens logs the browser's person in at a client and returns what that yields.
func (b *browser) tokens(t testing.TB, c Client, changes ...string) Tokens {
	t.Helper()
	step := b.authorize(t, c, changes...)
	if step.Kind == StepConsent {
		step = b.agree(t, step)
	}
	return b.w.redeem(t, c, code(t, step))
}

// agree agrees to everything that a consent page shows.
func (b *browser) agree(t testing.TB, step Step) Step {
	t.Helper()
	if step.Kind != StepConsent {
		t.Fatalf("the step is %s", step.Kind)
	}
	step, err := b.w.Decide(t.Context(), step.Handle, b.Browser, consentTo(step))
	if err != nil {
		t.Fatal(err)
	}
	return step
}

// consentTo is the decision to agree to everything.
func consentTo(step Step) Decision {
	d := Decision{Form: step.Consent.Form}
	if step.Consent.Detail != nil {
		d.Agreement = Agreement{Shown: step.Consent.Detail.Shown, Chosen: []Choice{{Material: "m", License: "l", Version: 1, Fields: []string{"name"}}}}
	}
	return d
}

// refusal returns the error of a call as a refusal, with the parameters of its
// response, which are nil where there is none.
func refusal(t testing.TB, err error) (*RequestError, url.Values) {
	t.Helper()
	e, ok := errors.AsType[*RequestError](err)
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

const detail = `[{"type":"license","service_item":"residence-permit","case":"2026-000123"}]`

// push pushes a request with licenses and returns the changes that use it.
func (w *world) push(t testing.TB, c Client, changes ...string) []string {
	t.Helper()
	p := params(c, append([]string{"authorization_details", detail}, changes...)...)
	uri, _, err := w.Push(t.Context(), c, p, "r0")
	if err != nil {
		t.Fatal(err)
	}
	return []string{"request_uri", uri, "redirect_uri", "", "response_type", "", "scope", "", "state", "", "nonce", "", "code_challenge", "", "code_challenge_method", ""}
}

// resolver is a Resolver whose grants are a list in memory.
type resolver struct {
	mu      sync.Mutex
	shown   [32]byte
	grants  map[string]*fakeGrant // by id, which is made of the form's
	fails   error                 // what the next call returns, if set
	reuse   string                // what Reuse returns
	checks  []jsontext.Value
	facts   DetailFacts       // of the last call
	find    map[string]string // of the last description
	revoked []string          // "grant reason"
}

type fakeGrant struct {
	agreement Agreement
	state     string // pending, active, ended
	codes     [][32]byte
}

func newResolver() *resolver { return &resolver{shown: [32]byte{1}, grants: map[string]*fakeGrant{}} }

func (r *resolver) enter() func() { r.mu.Lock(); return r.mu.Unlock }

func (r *resolver) Check(_ context.Context, _ Client, d jsontext.Value) error {
	defer r.enter()()
	r.checks = append(r.checks, d)
	return r.fails
}

func (r *resolver) Describe(_ context.Context, f DetailFacts, _ jsontext.Value, find map[string]string) (Description, error) {
	defer r.enter()()
	r.facts, r.find = f, find
	return Description{Shown: r.shown, View: "licenses"}, r.fails
}

func (r *resolver) Grant(_ context.Context, f DetailFacts, _ jsontext.Value, a Agreement) (string, error) {
	defer r.enter()()
	r.facts = f
	switch {
	case r.fails != nil:
		return "", r.fails
	case a.Shown != r.shown:
		return "", ErrShownChanged
	case len(a.Chosen) == 0:
		return "", ErrRefusedAll
	}
	id := "grant-" + a.Form[:8]
	if g, ok := r.grants[id]; ok {
		if g.state != "pending" || g.agreement.Form != a.Form || !slices.EqualFunc(g.agreement.Chosen, a.Chosen, func(x, y Choice) bool { return fmt.Sprint(x) == fmt.Sprint(y) }) {
			return "", &Error{Code: InvalidRequest, Description: "the consent was used", Reason: "consent_used"}
		}
		return id, nil
	}
	r.grants[id] = &fakeGrant{agreement: a, state: "pending"}
	return id, nil
}

func (r *resolver) Reuse(_ context.Context, f DetailFacts, _ jsontext.Value) (string, error) {
	defer r.enter()()
	r.facts = f
	return r.reuse, r.fails
}

func (r *resolver) Deliver(_ context.Context, _ Client, grant string, code [32]byte) (jsontext.Value, error) {
	defer r.enter()()
	g := r.grants[grant]
	switch {
	case r.fails != nil:
		return nil, r.fails
	case g == nil || g.state == "ended" || g.state == "active" && !g.agreement.Recurring && !slices.Contains(g.codes, code):
		return nil, &Error{Code: InvalidGrant, Description: "the grant is over", Reason: "grant_ended"}
	}
	g.state = "active"
	g.codes = append(g.codes, code)
	return jsontext.Value(`[{"type":"license","grant_id":"` + grant + `"}]`), nil
}

func (r *resolver) Live(_ context.Context, grant string) (bool, error) {
	defer r.enter()()
	g := r.grants[grant]
	return g != nil && g.state == "active", r.fails
}

func (r *resolver) Revoke(_ context.Context, _ Client, grant, reason string) error {
	defer r.enter()()
	r.revoked = append(r.revoked, grant+" "+reason)
	if g := r.grants[grant]; g != nil {
		g.state = "ended"
	}
	return r.fails
}
