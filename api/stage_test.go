package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yizheng.internal/api/apitest"
	"yizheng.internal/license/library"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/storage"
)

// The attack tests play on a stage: a whole service with its pages, people who
// log in, and two departments' clients, all of it used over HTTP. What an
// attacker has is what a test has: a browser, a client of their own, and what
// they stole. docs/design/0009-attacks.md lists attacks, defences and tests.

// stage is one service, of one or more nodes.
type stage struct {
	*service      // of the first node; its URL leads to all nodes, one after another
	c             stageConfig
	mu            sync.RWMutex
	nodes         []*node
	phones        *phones
	proved        proved            // what licenses prove of relationships
	accounts      map[string]string // ids by login
	alice         apitest.Person    // holds a license
	bob           apitest.Person    // holds another
	carol         apitest.Person    // holds none
	clinic        *relyingParty
	alicesLicense string        // id
	garage        *relyingParty // another participant's
}

// node is one process's worth of the service.
type node struct {
	*Server
	url     string // of this node alone
	keys    *installation.Installation
	rules   *provider.Provider
	library *library.Library
	people  *people.People
	db      storage.Database
	handler http.Handler
	close   func()
}

// stageConfig says how a stage differs from one node on SQLite and memory.
type stageConfig struct {
	Nodes    int
	Database string // URL; default: SQLite in a new directory
	Redis    string // URL; default: memory
	Dir      string // of keys; default: a new one. A second stage goes on with what is there
	Step     func(string)
	// Accounts and Ephemeral may put something before the real stores.
	Accounts  func(identity.Accounts) identity.Accounts
	Ephemeral func(ephemeral.Store) ephemeral.Store
	Limits    Limits
	Upstreams []upstream.Provider
	// Authorities are CAs whose certificates log in; Channel and Proxies say who is believed about connections.
	Authorities []certificate.Authority
	Channel     ClientCertificates
	Proxies     []netip.Prefix
}

// People and clients of the stage.
const (
	alicePassword = "four quiet herons"
	bobPassword   = "paper lantern tide"
	alicePhone    = "+8615400000091"
	bobPhone      = "+8615400000092"
	carolPassword = "seven slow bridges"
	carolPhone    = "+8615400000093"
	carolCitizen  = "110101199003070732"
	carolName     = "样例𣲗"
	bobCitizen    = "110101199003077758"
	bobName       = "样例㛃"
	bobNumber     = "乙样例编号"
	clinicURI     = "http://127.0.0.1:9101/callback"
	garageURI     = "http://127.0.0.1:9102/callback"
	clinicHome    = "http://127.0.0.1:9101/"
)

func newStage(t testing.TB, c stageConfig) *stage {
	t.Helper()
	s := openStage(t, c)
	s.populate(t, serviceConfig{})
	for _, item := range []string{sampleItem, otherItem} {
		s.publishItem(t, item, itemDefinition(nil))
	}
	s.alicesLicense = s.issue(t, sampleNumber).ID
	s.call(t, s.department, "POST", "/v1/licenses", issueBody(bobNumber, object{
		"holders": []object{{"name": bobName, "code_type": "111", "code": bobCitizen, "role": "holder"}},
	}), idempotencyKey, "bob").want(t, 201, "")
	s.alice = s.register(t, "alice", alicePassword, alicePhone, sampleName, sampleCitizen)
	s.bob = s.register(t, "bob", bobPassword, bobPhone, bobName, bobCitizen)
	s.carol = s.register(t, "carol", carolPassword, carolPhone, carolName, carolCitizen)
	s.clinic = s.relyingParty(t, s.owner(t, departmentUSCC), clinicURI, nil)
	s.garage = s.relyingParty(t, s.owner(t, strangerUSCC), garageURI, nil)
	return s
}

// owner returns the id of the participant with that code.
func (s *stage) owner(t testing.TB, code string) string {
	t.Helper()
	participants, err := s.rules.Clients.ListParticipants(t.Context(), "", 100)
	mustOf(t)(err)
	for _, p := range participants {
		if string(p.USCC) == code {
			return p.ID
		}
	}
	t.Fatalf("no participant has the code %s", code)
	return ""
}

// openStage opens the nodes, on what may be there already.
func openStage(t testing.TB, c stageConfig) *stage {
	t.Helper()
	must := mustOf(t)
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Database == "" {
		c.Database = "sqlite:" + filepath.Join(c.Dir, "yizheng.db")
	}
	s := &stage{service: &service{log: new(buffer), started: time.Now(), dir: c.Dir}, c: c, phones: &phones{}, accounts: map[string]string{}}
	var turn atomic.Int64
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.RLock()
		n := s.nodes[int(turn.Add(1))%len(s.nodes)]
		s.mu.RUnlock()
		n.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.url = front.URL
	for range max(c.Nodes, 1) {
		n := s.open(t)
		s.nodes = append(s.nodes, n)
		if s.keys == nil {
			s.keys = n.keys
		}
	}
	ca, err := installation.OpenRoot(filepath.Join(c.Dir, "root"), filepath.Join(c.Dir, "root.pass"))
	must(err)
	_, err = s.keys.AddAuthority(t.Context(), ca, pki.Subject{Name: "样例厅", USCC: departmentUSCC}, time.Now())
	must(err)
	t.Cleanup(func() {
		for _, n := range s.nodes {
			n.close()
		}
	})
	s.Server, s.rules, s.library = s.nodes[0].Server, s.nodes[0].rules, s.nodes[0].library
	transport := &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	s.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s
}

// restart puts a new node in the place of each, with nothing of what was in
// their memory.
func (s *stage) restart(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range s.nodes {
		n.close()
		s.nodes[i] = s.open(t)
	}
	s.Server, s.rules, s.library = s.nodes[0].Server, s.nodes[0].rules, s.nodes[0].library
}

// open opens a node.
func (s *stage) open(t testing.TB) *node {
	t.Helper()
	c, ctx, must := s.c, t.Context(), mustOf(t)
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opened, err := storage.OpenEphemeral(ctx, c.Redis, storage.Options{Log: log})
	must(err)
	var kept ephemeral.Store = opened
	if c.Ephemeral != nil {
		kept = c.Ephemeral(kept)
	}
	db, err := storage.Open(ctx, c.Database, storage.Options{Log: log, Step: c.Step})
	must(err)
	_, err = db.Admin().Migrate(ctx)
	must(err)
	keys, err := installation.Open(ctx, installation.Config{
		Dir: c.Dir, Records: db.Keys(), RegistryName: "样例证照库", RegistryUSCC: registryUSCC, Log: log,
	}, time.Now())
	must(err)
	stores := db.Provider()
	n := &node{keys: keys, db: db}
	verifier := jose.NewVerifier(sm2.Config{})
	n.library, err = library.New(ctx, library.Config{
		Stores: db.Licenses(), Journal: db.Journal(), Keyrings: keys.Keyrings(), Vault: keys.Vault(), Anchors: keys.Anchors(),
		Verifier: verifier, PublicURL: s.url, Log: log, AuthorityName: authorityNames(stores), Step: c.Step,
	})
	must(err)
	var accounts identity.Accounts = stores
	if c.Accounts != nil {
		accounts = c.Accounts(accounts)
	}
	n.people, err = people.New(people.Config{
		Parties: stores, Accounts: accounts, Ephemeral: kept, Vault: keys.Vault(),
		Sender: s.phones, Proofer: everybody{}, Unproofed: true, Acting: stores, Registry: &s.proved, URL: s.url, Journal: oidc.NewRecorder(db.Journal(), log), Log: log, Events: stores, Changes: stores, Posts: stores, Participants: stores,
		Upstreams:    upstream.Config{Providers: c.Upstreams, Outside: askUpstream, Spend: spendOn(stores)},
		Certificates: certificate.Config{Authorities: c.Authorities, Spend: spendOn(stores), Verifier: verifier},
	})
	must(err)
	if n.people.Certificates != nil {
		n.people.Certificates.Refresh(t.Context())
	}
	var upstreams flow.Upstreams
	if n.people.Upstreams != nil {
		upstreams = n.people.Upstreams
	}
	n.rules, err = provider.New(provider.Config{
		Issuer: s.url, Clients: stores, Participants: stores, Events: db.Journal(), Keyrings: keys.Keyrings(), Log: log,
		Sessions: stores, Families: stores, Consents: stores, Spent: stores, Settings: stores, Ephemeral: kept, Identity: n.people.Service, Factors: n.people.Factors, Phones: n.people.Phones, Upstreams: upstreams, Raises: factor.Assurance(entry.NewRaising(n.people.Entry).Most()), Acting: n.people.Acting,
		Vault: keys.Vault(), Resolver: newResolver(t, n.library, nil), Step: c.Step,
	})
	must(err)
	n.Server, err = New(Config{
		Issuer: s.url, Library: n.library, Provider: n.rules, Keyrings: keys.Keyrings(), Anchors: keys.Anchors(),
		Verifier: verifier, Log: log, Step: c.Step, Identity: n.people.Service, Factors: n.people.Factors, Phones: true, Upstreams: n.people.Upstreams, Certificates: n.people.Certificates, ClientCertificates: c.Channel, TrustedProxies: c.Proxies, Entry: n.people.Entry, Authenticators: n.people.Authenticators, Tickets: n.people.Tickets, Trail: n.people.Trail, Officers: n.people.Officers, Acting: n.people.Acting,
		Limits: c.Limits,
	})
	must(err)
	n.handler = n.Server.Handler()
	own := httptest.NewServer(n.handler)
	n.url = own.URL
	n.close = sync.OnceFunc(func() {
		own.Close()
		_, _ = opened.Close(), db.Close() // a node that dies doesn't care
	})
	return n
}

// everybody is a population register that knows whoever is named but nobody, and the phones of some.
type everybody struct{}

func (everybody) Proof(_ context.Context, c identity.Claim) (identity.Proofing, error) {
	if c.Name == nobodysName {
		return identity.Proofing{}, &identity.Error{Reason: "not_matched"}
	}
	phones := map[string]string{alicePhone: sampleName, bobPhone: bobName, carolPhone: carolName, danPhone: danName}
	return identity.Proofing{Level: 2, Method: "register_match", Source: "样例人口库", At: time.Now(), Phone: phones[c.Phone] == c.Name}, nil
}

// Two who have no account, and one of whom nobody knows.
const (
	danName, danPhone, danCitizen = "样例丁", "+8615400000095", "110101199003074151"
	nobodysName                   = "样例无"
)

// phones keep the messages that were sent.
type phones struct {
	mu   sync.Mutex
	sent []notice.Message
}

// Send implements [notice.Sender].
func (p *phones) Send(_ context.Context, m notice.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, m)
	return nil
}

// latest returns the code that was sent last to a phone, or "".
func (p *phones) latest(phone string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.sent) - 1; i >= 0; i-- {
		if p.sent[i].Phone == phone {
			return p.sent[i].Code
		}
	}
	return ""
}

// codes returns all codes that were sent.
func (p *phones) codes() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var codes []string
	for _, m := range p.sent {
		codes = append(codes, m.Code)
	}
	return codes
}

// register makes an account.
func (s *stage) register(t testing.TB, login, password, phone, name, citizen string) apitest.Person {
	t.Helper()
	account, _, err := s.nodes[0].people.Register(t.Context(), identity.Registration{
		Name: name, Code: party.Code{Type: party.Citizen, Value: citizen}, LoginName: login, Phone: phone, Password: password, Actor: "cli", RequestID: "test",
	})
	mustOf(t)(err)
	s.accounts[login] = account.ID
	return apitest.Person{Login: login, Password: password, Code: func() string { return s.phones.latest(phone) }}
}

// relyingParty is a client at which people log in. It has no server: a browser
// stops where it is sent there.
type relyingParty struct {
	s          *stage
	id, secret string
	redirect   string
}

// relyingParty registers one, changed by change.
func (s *stage) relyingParty(t testing.TB, participant, redirect string, change func(*client.Spec)) *relyingParty {
	t.Helper()
	spec := client.Spec{
		MinAssurance: new(int),
		Name:         "样例业务系统", Participant: participant, GrantTypes: []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh},
		Scopes:       []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile, oidc.ScopePhone, oidc.ScopeIdentity, oidc.ScopeOffline},
		RedirectURIs: []string{redirect}, HomeURI: strings.TrimSuffix(redirect, "callback"), LogoutURIs: []string{redirect + "/bye"}, IDTokenAlgorithm: jose.ES256, ServiceItems: []string{sampleItem},
	}
	if change != nil {
		change(&spec)
	}
	c, secret, err := s.rules.Clients.CreateClient(t.Context(), operator, spec)
	mustOf(t)(err)
	return &relyingParty{s, c.ID, secret.Reveal(), redirect}
}

// browser returns a new browser that stops where it leaves the service.
func (s *stage) browser(t testing.TB) *apitest.Browser {
	b := apitest.NewBrowser(t)
	b.Stop = func(u *url.URL) bool { return "http://"+u.Host != s.url }
	return b
}

// disable disables a person's account.
func (s *stage) disable(t testing.TB, who apitest.Person) {
	t.Helper()
	_, err := s.nodes[0].people.Change(t.Context(), s.accounts[who.Login], func(a *identity.Account) error { a.Disable(true, ""); return nil })
	mustOf(t)(err)
}

// withoutItems registers a client that asks for no licenses.
func withoutItems(c *client.Spec) { c.ServiceItems = nil }
