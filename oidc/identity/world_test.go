package identity

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// memory is the stores in memory, for the tests that need a bubble's clock:
// databases never run in a bubble. The real drivers have suites of their own.
type memory struct {
	mu       sync.Mutex
	parties  map[string]PartyRecord
	accounts map[string]AccountRecord
	values   map[string]kept
	counters map[string]kept
	facts    []journal.Event
	keys     map[signing.KeyID]signing.KeyRecord
	queries  []string // of the databases' stores, and of Ephemeral

	failEphemeral, failRecord error // what those return, if set
	delay                     func(call string)
}

type kept struct {
	value   []byte
	n       int64
	expires time.Time
}

func newMemory() *memory {
	return &memory{
		parties: map[string]PartyRecord{}, accounts: map[string]AccountRecord{}, values: map[string]kept{},
		counters: map[string]kept{}, keys: map[signing.KeyID]signing.KeyRecord{},
	}
}

func (m *memory) lock(query string) (unlock func()) {
	if m.delay != nil {
		m.delay(query)
	}
	m.mu.Lock()
	m.queries = append(m.queries, query)
	return m.mu.Unlock
}

// asked returns what was asked since the last time.
func (m *memory) asked() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.queries
	m.queries = nil
	return q
}

func leadsTo(keys, wanted []signing.Lookup) bool {
	return slices.ContainsFunc(keys, func(k signing.Lookup) bool { return slices.Contains(wanted, k) })
}

func (m *memory) CreateParty(_ context.Context, p PartyRecord) error {
	defer m.lock("CreateParty")()
	for _, other := range m.parties {
		if other.ID == p.ID || leadsTo(other.Codes, p.Codes) {
			return ErrExists
		}
	}
	p.Revision = 1
	m.parties[p.ID] = p
	return nil
}

func (m *memory) LoadParty(_ context.Context, id string) (PartyRecord, error) {
	defer m.lock("LoadParty")()
	p, ok := m.parties[id]
	if !ok {
		return p, ErrNotFound
	}
	return p, nil
}

func (m *memory) FindParty(_ context.Context, keys []signing.Lookup) (PartyRecord, error) {
	defer m.lock("FindParty")()
	for _, p := range m.parties {
		if leadsTo(p.Codes, keys) {
			return p, nil
		}
	}
	return PartyRecord{}, ErrNotFound
}

func (m *memory) UpdateParty(_ context.Context, p PartyRecord) error {
	defer m.lock("UpdateParty")()
	for _, other := range m.parties {
		if other.ID != p.ID && leadsTo(other.Codes, p.Codes) {
			return ErrExists
		}
	}
	if m.parties[p.ID].Revision != p.Revision {
		return ErrConflict
	}
	p.Revision++
	m.parties[p.ID] = p
	return nil
}

func (m *memory) ListParties(_ context.Context, after string, limit int) ([]PartyRecord, error) {
	defer m.lock("ListParties")()
	return listed(m.parties, after, limit), nil
}

func listed[R any](records map[string]R, after string, limit int) []R {
	var ids []string
	for id := range records {
		if id > after {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	var list []R
	for _, id := range ids[:min(limit, len(ids))] {
		list = append(list, records[id])
	}
	return list
}

func (m *memory) CreateAccount(_ context.Context, a AccountRecord) error {
	defer m.lock("CreateAccount")()
	for _, other := range m.accounts {
		if other.ID == a.ID || other.Party == a.Party || leadsTo(other.Logins, a.Logins) {
			return ErrExists
		}
	}
	a.Revision = 1
	m.accounts[a.ID] = a
	return nil
}

func (m *memory) LoadAccount(_ context.Context, id string) (AccountRecord, error) {
	defer m.lock("LoadAccount")()
	a, ok := m.accounts[id]
	if !ok {
		return a, ErrNotFound
	}
	return a, nil
}

func (m *memory) FindAccount(_ context.Context, keys []signing.Lookup) (AccountRecord, error) {
	defer m.lock("FindAccount")()
	for _, a := range m.accounts {
		if leadsTo(a.Logins, keys) {
			return a, nil
		}
	}
	return AccountRecord{}, ErrNotFound
}

func (m *memory) UpdateAccount(_ context.Context, a AccountRecord) error {
	defer m.lock("UpdateAccount")()
	for _, other := range m.accounts {
		if other.ID != a.ID && leadsTo(other.Logins, a.Logins) {
			return ErrExists
		}
	}
	if m.accounts[a.ID].Revision != a.Revision {
		return ErrConflict
	}
	a.Revision++
	m.accounts[a.ID] = a
	return nil
}

func (m *memory) ListAccounts(_ context.Context, after string, limit int) ([]AccountRecord, error) {
	defer m.lock("ListAccounts")()
	return listed(m.accounts, after, limit), nil
}

func (m *memory) Put(_ context.Context, key string, value []byte, k Keeping, now time.Time) error {
	defer m.lock("Put")()
	if m.failEphemeral == nil && k.Until.After(now) {
		m.values[key] = kept{value: bytes.Clone(value), expires: k.Until}
	}
	return m.failEphemeral
}

func (m *memory) live(key string, now time.Time) (kept, error) {
	v, ok := m.values[key]
	if m.failEphemeral != nil {
		return v, m.failEphemeral
	}
	if !ok || !v.expires.After(now) {
		return v, ErrGone
	}
	return v, nil
}

func (m *memory) Load(_ context.Context, key string, now time.Time) ([]byte, error) {
	defer m.lock("Load")()
	v, err := m.live(key, now)
	return bytes.Clone(v.value), err
}

func (m *memory) Swap(_ context.Context, key string, old, new []byte, _ Keeping, now time.Time) error {
	defer m.lock("Swap")()
	v, err := m.live(key, now)
	if err != nil {
		return err
	}
	if !bytes.Equal(v.value, old) {
		return ErrChanged
	}
	v.value = bytes.Clone(new)
	m.values[key] = v
	return nil
}

func (m *memory) Delete(_ context.Context, key string) error {
	defer m.lock("Delete")()
	delete(m.values, key)
	return m.failEphemeral
}

func (m *memory) Count(_ context.Context, key string, n int64, window time.Duration, now time.Time) (int64, error) {
	defer m.lock("Count")()
	if m.failEphemeral != nil {
		return 0, m.failEphemeral
	}
	if len(key) > 200 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return 0, fmt.Errorf("key %q can't be", key)
	}
	c, ok := m.counters[key]
	if !ok || !c.expires.After(now) {
		c = kept{expires: now.Add(window)}
	}
	c.n += n
	m.counters[key] = c
	return c.n, nil
}

// AppendEvents implements [journal.Appender].
func (m *memory) AppendEvents(_ context.Context, es ...journal.Event) error {
	defer m.lock("Record")()
	if m.failRecord == nil {
		m.facts = append(m.facts, es...)
	}
	return m.failRecord
}

// results returns what the facts say, as "action result".
func (m *memory) results() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, f := range m.facts {
		all = append(all, string(f.Action)+" "+f.Result)
	}
	return all
}

func (m *memory) CreateKey(_ context.Context, k signing.KeyRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k.Revision = 1
	m.keys[k.ID] = k
	return nil
}

func (m *memory) LoadKey(_ context.Context, id signing.KeyID) (signing.KeyRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.keys[id]
	if !ok {
		return k, signing.ErrNoKey
	}
	return k, nil
}

func (m *memory) ListKeys(_ context.Context, p signing.Purpose) ([]signing.KeyRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []signing.KeyRecord
	for _, k := range m.keys {
		if p == "" || k.Purpose == p {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b signing.KeyRecord) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Serial, b.Serial))
	})
	return list, nil
}

func (m *memory) UpdateKeys(_ context.Context, ks ...signing.KeyRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range ks {
		if m.keys[k.ID].Revision != k.Revision {
			return signing.ErrConflict
		}
		k.Revision++
		m.keys[k.ID] = k
	}
	return nil
}

// template is keys that are made once, for making them waits for the disk time
// and again: a keystore, which every test opens, and its records.
var template struct {
	dir        string
	passphrase []byte
	keys       map[signing.KeyID]signing.KeyRecord
}

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "yizheng-identity-test-")
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
	if template.passphrase, err = signing.ReadPassphraseFile(dir + "/keys.pass"); err != nil {
		return err
	}
	keys, err := signing.OpenKeystore(dir+"/keys", template.passphrase)
	if err != nil {
		return err
	}
	return keys.GenerateSecret(secondLookup)
}

// secondLookup is a lookup key that no record names yet.
const secondLookup signing.KeyID = "lookup-second"

// messages is a Sender that keeps what it was given.
type messages struct {
	mu    sync.Mutex
	sent  []Message
	fails error
	takes time.Duration
}

func (s *messages) Send(ctx context.Context, m Message) error {
	select {
	case <-time.After(s.takes):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == nil {
		s.sent = append(s.sent, m)
	}
	return s.fails
}

func (s *messages) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sent)
}

// last returns the newest message's code.
func (s *messages) last(t testing.TB) Message {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sent) == 0 {
		t.Fatal("no message was sent")
	}
	return s.sent[len(s.sent)-1]
}

// register is an IdentityProofer that knows some people by name.
type register map[string]party.Code

func (r register) Proof(_ context.Context, name string, code party.Code) (Proofing, error) {
	if r[name] != code {
		return Proofing{}, &Error{Reason: "not_matched", Detail: "no such person"}
	}
	return Proofing{Level: 2, Method: "register_match", Source: "样例人口库"}, nil
}

// world is a service over stores in memory, with cheap hashes.
type world struct {
	*memory
	*Service
	sms *messages
}

// Made up: area 990101 is not assigned to anybody.
var (
	zhang = party.Code{Type: party.Citizen, Value: "990101199001010035"}
	li    = party.Code{Type: party.Citizen, Value: "990101195512310023"}
	guest = party.Code{Type: party.Passport, Value: "E12345678"}
)

const password = "竹林深处 bamboo"

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{memory: newMemory(), sms: &messages{}}
	maps.Copy(w.keys, template.keys)
	w.Service = w.open(t, func(*Config) {})
	return w
}

// open returns another service over the same stores, as another node has.
func (w *world) open(t testing.TB, change func(*Config)) *Service {
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
	c := Config{
		Parties: w.memory, Accounts: w.memory, Ephemeral: w.memory, Vault: vault, Sender: w.sms, Journal: journal.NewRecorder(journal.Config{Log: journal.Provider, Store: w.memory, Reason: ReasonOf}),
		Proofer: register{"张小䶮": zhang, "李建国": li, "John Smith": guest},
	}
	change(&c)
	s, err := NewService(c)
	if err != nil {
		t.Fatal(err)
	}
	s.hash.memory, s.hash.time = 64, 1
	return s
}

// zhang registers 张小䶮 with everything there is.
func (w *world) zhang(t testing.TB) Account {
	t.Helper()
	a, _, err := w.Register(t.Context(), Registration{
		Name: "张小䶮", Code: zhang, LoginName: "Xiaoyan.Zhang", Phone: "138 0013 8000", Password: password, Actor: "cli",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.asked()
	return a
}

var here = netip.MustParseAddr("192.0.2.1")

// attempt is a try from an unknown device.
func attempt(login, password string) Attempt {
	return Attempt{Login: login, Password: password, Address: here, Binding: "browser", Language: "zh-CN", RequestID: "r1"}
}

// isReason checks that an error is an *Error with that reason; "" is none.
func isReason(t testing.TB, what string, err error, reason string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	switch {
	case reason == "" && err != nil:
		t.Fatalf("%s: %v", what, err)
	case reason != "" && (!ok || e.Reason != reason):
		t.Fatalf("%s: got %v, want reason %s", what, err, reason)
	}
}
