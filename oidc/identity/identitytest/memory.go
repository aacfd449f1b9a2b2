package identitytest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Memory has the stores in memory, for tests that need a bubble's clock, because databases
// never run in a bubble. The real drivers have test suites of their own.
type Memory struct {
	sync.Mutex
	Parties  map[string]identity.PartyRecord
	Accounts map[string]identity.AccountRecord
	Values   map[string]Kept
	Counters map[string]Kept
	Facts    []journal.Event
	Keys     map[signing.KeyID]signing.KeyRecord
	queries  []string // calls of the databases' stores and of Ephemeral

	FailEphemeral, FailRecord error // returned by Ephemeral's methods and by AppendEvents, if set
	Delay                     func(call string)
}

// Kept is a value or a counter of Ephemeral.
type Kept struct {
	Value   []byte
	N       int64
	Expires time.Time
}

func newMemory() *Memory {
	return &Memory{
		Parties: map[string]identity.PartyRecord{}, Accounts: map[string]identity.AccountRecord{}, Values: map[string]Kept{},
		Counters: map[string]Kept{}, Keys: map[signing.KeyID]signing.KeyRecord{},
	}
}

func (m *Memory) begin(query string) (unlock func()) {
	if m.Delay != nil {
		m.Delay(query)
	}
	m.Mutex.Lock()
	m.queries = append(m.queries, query)
	return m.Mutex.Unlock
}

// Asked returns the calls since the last Asked.
func (m *Memory) Asked() []string {
	m.Mutex.Lock()
	defer m.Mutex.Unlock()
	q := m.queries
	m.queries = nil
	return q
}

func leadsTo(keys, wanted []signing.Lookup) bool {
	return slices.ContainsFunc(keys, func(k signing.Lookup) bool { return slices.Contains(wanted, k) })
}

func (m *Memory) CreateParty(_ context.Context, p identity.PartyRecord) error {
	defer m.begin("CreateParty")()
	for _, other := range m.Parties {
		if other.ID == p.ID || leadsTo(other.Codes, p.Codes) {
			return identity.ErrExists
		}
	}
	p.Revision = 1
	m.Parties[p.ID] = p
	return nil
}

func (m *Memory) LoadParty(_ context.Context, id string) (identity.PartyRecord, error) {
	defer m.begin("LoadParty")()
	p, ok := m.Parties[id]
	if !ok {
		return p, identity.ErrNotFound
	}
	return p, nil
}

func (m *Memory) FindParty(_ context.Context, keys []signing.Lookup) (identity.PartyRecord, error) {
	defer m.begin("FindParty")()
	for _, p := range m.Parties {
		if leadsTo(p.Codes, keys) {
			return p, nil
		}
	}
	return identity.PartyRecord{}, identity.ErrNotFound
}

func (m *Memory) UpdateParty(_ context.Context, p identity.PartyRecord) error {
	defer m.begin("UpdateParty")()
	for _, other := range m.Parties {
		if other.ID != p.ID && leadsTo(other.Codes, p.Codes) {
			return identity.ErrExists
		}
	}
	if m.Parties[p.ID].Revision != p.Revision {
		return identity.ErrConflict
	}
	p.Revision++
	m.Parties[p.ID] = p
	return nil
}

func (m *Memory) ListParties(_ context.Context, after string, limit int) ([]identity.PartyRecord, error) {
	defer m.begin("ListParties")()
	return listed(m.Parties, after, limit), nil
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

func (m *Memory) CreateAccount(_ context.Context, a identity.AccountRecord) error {
	defer m.begin("CreateAccount")()
	for _, other := range m.Accounts {
		if other.ID == a.ID || other.Party == a.Party || leadsTo(other.Logins, a.Logins) {
			return identity.ErrExists
		}
	}
	a.Revision = 1
	m.Accounts[a.ID] = a
	return nil
}

func (m *Memory) LoadAccount(_ context.Context, id string) (identity.AccountRecord, error) {
	defer m.begin("LoadAccount")()
	a, ok := m.Accounts[id]
	if !ok {
		return a, identity.ErrNotFound
	}
	return a, nil
}

func (m *Memory) LoadAccountOf(_ context.Context, party string) (identity.AccountRecord, error) {
	defer m.begin("LoadAccountOf")()
	for _, a := range m.Accounts {
		if a.Party == party {
			return a, nil
		}
	}
	return identity.AccountRecord{}, identity.ErrNotFound
}

func (m *Memory) FindAccount(_ context.Context, keys []signing.Lookup) (identity.AccountRecord, error) {
	defer m.begin("FindAccount")()
	for _, a := range m.Accounts {
		if leadsTo(a.Logins, keys) {
			return a, nil
		}
	}
	return identity.AccountRecord{}, identity.ErrNotFound
}

func (m *Memory) UpdateAccount(_ context.Context, a identity.AccountRecord) error {
	defer m.begin("UpdateAccount")()
	for _, other := range m.Accounts {
		if other.ID != a.ID && leadsTo(other.Logins, a.Logins) {
			return identity.ErrExists
		}
	}
	if m.Accounts[a.ID].Revision != a.Revision {
		return identity.ErrConflict
	}
	a.Revision++
	m.Accounts[a.ID] = a
	return nil
}

// Changes implements [registrar.Store].
type Changes struct{ *Memory }

// MergePeople implements [registrar.Store]. Mergers are tested with a database.
func (m Changes) MergePeople(context.Context, registrar.Merge) error { return errors.ErrUnsupported }

// ChangePerson implements [registrar.Store].
func (m Changes) ChangePerson(_ context.Context, c registrar.Change) error {
	defer m.begin("ChangePerson")()
	for _, other := range m.Accounts {
		if other.ID != c.Account.ID && leadsTo(other.Logins, c.Account.Logins) {
			return identity.ErrExists
		}
	}
	for _, other := range m.Parties {
		if c.Party != nil && other.ID != c.Party.ID && leadsTo(other.Codes, c.Party.Codes) {
			return identity.ErrExists
		}
	}
	if m.Accounts[c.Account.ID].Revision != c.Account.Revision || c.Party != nil && m.Parties[c.Party.ID].Revision != c.Party.Revision {
		return identity.ErrConflict
	}
	if m.FailRecord != nil {
		return m.FailRecord
	}
	c.Account.Revision++
	m.Accounts[c.Account.ID] = c.Account
	if c.Party != nil {
		p := *c.Party
		p.Revision++
		m.Parties[p.ID] = p
	}
	m.Facts = append(m.Facts, c.Event)
	return nil
}

func (m *Memory) ListAccounts(_ context.Context, after string, limit int) ([]identity.AccountRecord, error) {
	defer m.begin("ListAccounts")()
	return listed(m.Accounts, after, limit), nil
}

func (m *Memory) Put(_ context.Context, key string, value []byte, k ephemeral.Keeping, now time.Time) error {
	defer m.begin("Put")()
	if m.FailEphemeral == nil && k.Until.After(now) {
		m.Values[key] = Kept{Value: bytes.Clone(value), Expires: k.Until}
	}
	return m.FailEphemeral
}

func (m *Memory) live(key string, now time.Time) (Kept, error) {
	v, ok := m.Values[key]
	if m.FailEphemeral != nil {
		return v, m.FailEphemeral
	}
	if !ok || !v.Expires.After(now) {
		return v, ephemeral.ErrGone
	}
	return v, nil
}

func (m *Memory) Load(_ context.Context, key string, now time.Time) ([]byte, error) {
	defer m.begin("Load")()
	v, err := m.live(key, now)
	return bytes.Clone(v.Value), err
}

func (m *Memory) Swap(_ context.Context, key string, old, new []byte, _ ephemeral.Keeping, now time.Time) error {
	defer m.begin("Swap")()
	v, err := m.live(key, now)
	if err != nil {
		return err
	}
	if !bytes.Equal(v.Value, old) {
		return ephemeral.ErrChanged
	}
	v.Value = bytes.Clone(new)
	m.Values[key] = v
	return nil
}

func (m *Memory) Delete(_ context.Context, key string) error {
	defer m.begin("Delete")()
	delete(m.Values, key)
	return m.FailEphemeral
}

func (m *Memory) Count(_ context.Context, key string, n int64, window time.Duration, now time.Time) (int64, error) {
	defer m.begin("Count")()
	if m.FailEphemeral != nil {
		return 0, m.FailEphemeral
	}
	if len(key) > 200 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return 0, fmt.Errorf("key %q can't be", key)
	}
	c, ok := m.Counters[key]
	if !ok || !c.Expires.After(now) {
		c = Kept{Expires: now.Add(window)}
	}
	c.N += n
	m.Counters[key] = c
	return c.N, nil
}

// AppendEvents implements [journal.Appender].
func (m *Memory) AppendEvents(_ context.Context, es ...journal.Event) error {
	defer m.begin("Record")()
	if m.FailRecord == nil {
		m.Facts = append(m.Facts, es...)
	}
	return m.FailRecord
}

// Results returns what the facts say, as "action result".
func (m *Memory) Results() []string {
	m.Mutex.Lock()
	defer m.Mutex.Unlock()
	var all []string
	for _, f := range m.Facts {
		all = append(all, string(f.Action)+" "+f.Result)
	}
	return all
}

func (m *Memory) CreateKey(_ context.Context, k signing.KeyRecord) error {
	m.Mutex.Lock()
	defer m.Mutex.Unlock()
	k.Revision = 1
	m.Keys[k.ID] = k
	return nil
}

func (m *Memory) LoadKey(_ context.Context, id signing.KeyID) (signing.KeyRecord, error) {
	m.Mutex.Lock()
	defer m.Mutex.Unlock()
	k, ok := m.Keys[id]
	if !ok {
		return k, signing.ErrNoKey
	}
	return k, nil
}

func (m *Memory) ListKeys(_ context.Context, p signing.Purpose) ([]signing.KeyRecord, error) {
	m.Mutex.Lock()
	defer m.Mutex.Unlock()
	var list []signing.KeyRecord
	for _, k := range m.Keys {
		if p == "" || k.Purpose == p {
			list = append(list, k)
		}
	}
	slices.SortFunc(list, func(a, b signing.KeyRecord) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Serial, b.Serial))
	})
	return list, nil
}

func (m *Memory) UpdateKeys(_ context.Context, ks ...signing.KeyRecord) error {
	m.Mutex.Lock()
	defer m.Mutex.Unlock()
	for _, k := range ks {
		if m.Keys[k.ID].Revision != k.Revision {
			return signing.ErrConflict
		}
		k.Revision++
		m.Keys[k.ID] = k
	}
	return nil
}
