package provider

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emmansun/gmsm/smx509"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/keystore"
)

// memory is the stores in memory, for the tests that need a bubble's clock:
// databases never run in a bubble. The real drivers are tested through api.
type memory struct {
	mu           sync.Mutex
	clients      map[string]client.Record
	participants map[string]identity.Participant
	events       []journal.Event
	keys         map[signing.KeyID]signing.KeyRecord
	reads        int   // of clients
	fails        error // what every call returns, if set
	logins
}

func newMemory() *memory {
	return &memory{
		clients: make(map[string]client.Record), participants: make(map[string]identity.Participant),
		keys: make(map[signing.KeyID]signing.KeyRecord), logins: newLogins(),
	}
}

func (m *memory) lock() (unlock func()) {
	m.mu.Lock()
	return m.mu.Unlock
}

func (m *memory) CreateClient(_ context.Context, c client.Record) error {
	defer m.lock()()
	if _, ok := m.clients[c.ID]; ok {
		return oidc.ErrExists
	}
	m.clients[c.ID] = c
	return m.fails
}

func (m *memory) LoadClient(_ context.Context, id string) (client.Record, error) {
	defer m.lock()()
	m.reads++
	c, ok := m.clients[id]
	if !ok && m.fails == nil {
		return c, oidc.ErrNotFound
	}
	return c, m.fails
}

func (m *memory) ListClients(_ context.Context, participant, after string, limit int) ([]client.Record, error) {
	defer m.lock()()
	var list []client.Record
	for _, c := range m.clients {
		if c.ID > after && (participant == "" || c.Participant == participant) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b client.Record) int { return strings.Compare(a.ID, b.ID) })
	return list[:min(limit, len(list))], m.fails
}

func (m *memory) UpdateClient(_ context.Context, c client.Record) error {
	defer m.lock()()
	if m.clients[c.ID].Revision != c.Revision {
		return oidc.ErrConflict
	}
	c.Revision++
	m.clients[c.ID] = c
	return m.fails
}

func (m *memory) AppendEvents(ctx context.Context, es ...journal.Event) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	defer m.lock()()
	if m.fails == nil {
		m.events = append(m.events, es...)
	}
	return m.fails
}

func (m *memory) CreateParticipant(_ context.Context, p identity.Participant) error {
	defer m.lock()()
	for _, other := range m.participants {
		if other.ID == p.ID || other.USCC == p.USCC {
			return identity.ErrExists
		}
	}
	m.participants[p.ID] = p
	return m.fails
}

func (m *memory) LoadParticipant(_ context.Context, id string) (identity.Participant, error) {
	defer m.lock()()
	p, ok := m.participants[id]
	if !ok && m.fails == nil {
		return p, identity.ErrNotFound
	}
	return p, m.fails
}

func (m *memory) FindParticipant(_ context.Context, code party.USCC) (identity.Participant, error) {
	defer m.lock()()
	for _, p := range m.participants {
		if p.USCC == code {
			return p, m.fails
		}
	}
	return identity.Participant{}, identity.ErrNotFound
}

func (m *memory) ListParticipants(_ context.Context, after string, limit int) ([]identity.Participant, error) {
	defer m.lock()()
	var list []identity.Participant
	for _, p := range m.participants {
		if p.ID > after {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b identity.Participant) int { return strings.Compare(a.ID, b.ID) })
	return list[:min(limit, len(list))], m.fails
}

func (m *memory) UpdateParticipant(_ context.Context, p identity.Participant) error {
	defer m.lock()()
	if m.participants[p.ID].Revision != p.Revision {
		return identity.ErrConflict
	}
	p.Revision++
	m.participants[p.ID] = p
	return m.fails
}

func (m *memory) CreateKey(_ context.Context, k signing.KeyRecord) error {
	defer m.lock()()
	m.keys[k.ID] = k
	return m.fails
}

func (m *memory) LoadKey(_ context.Context, id signing.KeyID) (signing.KeyRecord, error) {
	defer m.lock()()
	k, ok := m.keys[id]
	if !ok {
		return k, signing.ErrNoKey
	}
	return k, m.fails
}

func (m *memory) ListKeys(context.Context, signing.Purpose) ([]signing.KeyRecord, error) {
	defer m.lock()()
	var list []signing.KeyRecord
	for _, k := range m.keys {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b signing.KeyRecord) int { return int(a.Serial - b.Serial) })
	return list, m.fails
}

func (m *memory) UpdateKeys(_ context.Context, ks ...signing.KeyRecord) error {
	defer m.lock()()
	for _, k := range ks {
		k.Revision++
		m.keys[k.ID] = k
	}
	return m.fails
}

// fixture is a provider over stores in memory with one active key, "at-1".
type fixture struct {
	*memory
	*provider
	keystore *keystore.Keystore
}

const issuer = "https://yizheng.example"

var operator = oidc.Actor{ID: "cli"}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{memory: newMemory()}
	passphrase := keystore.GeneratePassphrase()
	var err error
	if f.keystore, err = keystore.Create(t.TempDir()+"/keys", passphrase); err != nil {
		t.Fatal(err)
	}
	if err := f.keystore.GenerateSecret(signing.AuthenticatorKey); err != nil {
		t.Fatal(err)
	}
	f.addKey(t, "at-1", 1, jose.ES256, signing.KeyActive)
	f.provider = f.another(t)
	return f
}

// another returns a provider over the same stores: another process.
func (f *fixture) another(t testing.TB) *provider {
	t.Helper()
	keyrings, err := signing.NewKeyrings(signing.KeyringsConfig{Records: f.memory, Module: f.keystore})
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Config{Issuer: issuer, Clients: f.memory, Participants: f.memory, Events: f.memory, Keyrings: keyrings})
	if err != nil {
		t.Fatal(err)
	}
	return rooms(p)
}

func (f *fixture) addKey(t testing.TB, id signing.KeyID, serial int32, a jose.Algorithm, state signing.KeyState) {
	t.Helper()
	f.addKeyOf(t, signing.PurposeAccessToken, id, serial, a, state)
}

func (f *fixture) addKeyOf(t testing.TB, p signing.Purpose, id signing.KeyID, serial int32, a jose.Algorithm, state signing.KeyState) {
	t.Helper()
	pub, err := f.keystore.GenerateSigner(id, a)
	if err != nil {
		t.Fatal(err)
	}
	der, err := smx509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	record := signing.KeyRecord{
		ID: id, Purpose: p, Serial: serial, Algorithm: string(a), State: state,
		PublicKey: der, Created: time.Now(), Revision: 1,
	}
	if err := f.records().CreateKey(t.Context(), record); err != nil {
		t.Fatal(err)
	}
}

// setKey changes a key's state, as the key command does.
func (f *fixture) setKey(id signing.KeyID, change func(*signing.KeyRecord)) {
	k, err := f.records().LoadKey(context.Background(), id)
	if err != nil {
		panic(err)
	}
	change(&k)
	if err := f.records().UpdateKeys(context.Background(), k); err != nil {
		panic(err)
	}
}

// records are the fixture's key records, as its keystore authenticates them.
func (f *fixture) records() signing.Records {
	return signing.AuthenticRecords(f.memory, signing.NewAuthenticator(f.keystore, nil))
}

var codes = []string{"11100000000013338W", "111000000000131433", "11100000000013371B"}

// client registers a client of a new participant.
func (f *fixture) client(t testing.TB, scopes ...oidc.Scope) (oidc.Client, oidc.Secret) {
	t.Helper()
	n, err := f.provider.CreateParticipant(t.Context(), operator, identity.Spec{
		USCC: codes[len(f.participants)], Name: fmt.Sprintf("样例局 %d", len(f.participants)), Class: identity.Government, AreaCode: "990101", Level: 3,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, secret, err := f.provider.CreateClient(t.Context(), operator, client.Spec{Name: "样例系统", Participant: n.ID, Scopes: scopes})
	if err != nil {
		t.Fatal(err)
	}
	return c, secret
}

// token gets an access token for a client.
func (f *fixture) token(t testing.TB, c oidc.Client) string {
	t.Helper()
	token, err := f.Redeem(t.Context(), c, forItself())
	if err != nil {
		t.Fatal(err)
	}
	return token.Access.Reveal()
}

// results returns what the events say, as "action result".
func (m *memory) results() []string {
	defer m.lock()()
	var all []string
	for _, e := range m.events {
		all = append(all, string(e.Action)+" "+e.Result)
	}
	return all
}
