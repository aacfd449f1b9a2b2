package provider

import (
	"context"
	"slices"
	"strings"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// logins is what people's logins need stored, in memory.
type logins struct {
	sessions map[string]session.Record
	families map[string]token.FamilyRecord
	consents map[string]consent.Record
	spent    map[[32]byte]spentRow
	settings map[string]string
	parties  map[string]identity.PartyRecord
	accounts map[string]identity.AccountRecord
	writes   int // transactions
	queries  int // readings
}

type spentRow struct {
	family string
	keep   time.Time
}

func newLogins() logins {
	return logins{
		sessions: map[string]session.Record{}, families: map[string]token.FamilyRecord{}, consents: map[string]consent.Record{}, spent: map[[32]byte]spentRow{},
		settings: map[string]string{}, parties: map[string]identity.PartyRecord{}, accounts: map[string]identity.AccountRecord{},
	}
}

func leadsTo(keys, wanted []signing.Lookup) bool {
	return slices.ContainsFunc(keys, func(k signing.Lookup) bool { return slices.Contains(wanted, k) })
}

// write counts a transaction, which appends its events too.
func (m *memory) write(es []journal.Event) error {
	m.writes++
	if m.fails == nil {
		m.events = append(m.events, es...)
	}
	return m.fails
}

func (m *memory) CreateSession(_ context.Context, s session.Record, es ...journal.Event) error {
	defer m.lock()()
	for _, other := range m.sessions {
		if other.ID == s.ID || other.Cookie == s.Cookie {
			return oidc.ErrExists
		}
	}
	s.Revision = 1
	m.sessions[s.ID] = s
	return m.write(es)
}

func (m *memory) LoadSession(_ context.Context, id string) (session.Record, error) {
	defer m.lock()()
	m.queries++
	s, ok := m.sessions[id]
	if !ok && m.fails == nil {
		return s, oidc.ErrNotFound
	}
	s.Party = nil
	return s, m.fails
}

func (m *memory) FindSession(_ context.Context, cookie [32]byte) (session.Record, error) {
	defer m.lock()()
	m.queries++
	for _, s := range m.sessions {
		if s.Cookie == cookie {
			s.Party = nil
			return s, m.fails
		}
	}
	return session.Record{}, oidc.ErrNotFound
}

func (m *memory) UpdateSession(_ context.Context, s session.Record, es ...journal.Event) error {
	defer m.lock()()
	old := m.sessions[s.ID]
	if old.Revision != s.Revision {
		return oidc.ErrConflict
	}
	s.Revision++
	s.Party, s.Created = old.Party, old.Created
	m.sessions[s.ID] = s
	return m.write(es)
}

func (m *memory) ListSessions(_ context.Context, party []signing.Lookup, at time.Time, limit int) ([]session.Record, error) {
	defer m.lock()()
	m.queries++
	var list []session.Record
	for _, s := range m.sessions {
		if leadsTo(s.Party, party) && s.Ended.IsZero() && s.Expires.After(at) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b session.Record) int { return b.Created.Compare(a.Created) })
	return list[:min(limit, len(list))], m.fails
}

func (m *memory) RedeemCode(_ context.Context, code [32]byte, keep time.Time, f token.FamilyRecord, es ...journal.Event) (string, error) {
	defer m.lock()()
	if row, ok := m.spent[code]; ok {
		return row.family, token.ErrSpent
	}
	if m.fails != nil {
		return "", m.fails
	}
	m.spent[code] = spentRow{f.ID, keep}
	f.Revision = 1
	m.families[f.ID] = f
	return "", m.write(es)
}

func (m *memory) LoadFamily(_ context.Context, id string) (token.FamilyRecord, error) {
	defer m.lock()()
	m.queries++
	f, ok := m.families[id]
	if !ok && m.fails == nil {
		return f, oidc.ErrNotFound
	}
	f.Party = nil
	return f, m.fails
}

func (m *memory) UpdateFamily(ctx context.Context, f token.FamilyRecord, es ...journal.Event) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	defer m.lock()()
	old := m.families[f.ID]
	if old.Revision != f.Revision {
		return oidc.ErrConflict
	}
	f.Revision++
	f.Party = old.Party
	m.families[f.ID] = f
	return m.write(es)
}

func (m *memory) ListFamilies(_ context.Context, party []signing.Lookup, at time.Time, limit int) ([]token.FamilyRecord, error) {
	defer m.lock()()
	m.queries++
	var list []token.FamilyRecord
	for _, f := range m.families {
		if leadsTo(f.Party, party) && f.Ended.IsZero() && f.Expires.After(at) {
			f.Party = nil
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b token.FamilyRecord) int { return b.Created.Compare(a.Created) })
	return list[:min(limit, len(list))], m.fails
}

func (m *memory) CreateConsent(_ context.Context, c consent.Record, instead []consent.Ended, es ...journal.Event) error {
	defer m.lock()()
	if _, ok := m.consents[c.ID]; ok {
		return oidc.ErrExists
	}
	for _, old := range instead {
		delete(m.consents, old.ID)
	}
	m.consents[c.ID] = c
	return m.write(es)
}

func (m *memory) DeleteConsents(_ context.Context, ended []consent.Ended, es ...journal.Event) error {
	defer m.lock()()
	for _, old := range ended {
		delete(m.consents, old.ID)
	}
	return m.write(es)
}

func (m *memory) ListConsents(_ context.Context, party []signing.Lookup, at time.Time, limit int) ([]consent.Record, error) {
	defer m.lock()()
	m.queries++
	var list []consent.Record
	for _, c := range m.consents {
		if leadsTo(c.Party, party) && c.Expires.After(at) {
			c.Party = nil
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b consent.Record) int { return b.Created.Compare(a.Created) })
	return list[:min(limit, len(list))], m.fails
}

func (m *memory) Spend(_ context.Context, hash [32]byte, keep time.Time) error {
	defer m.lock()()
	if _, ok := m.spent[hash]; ok {
		return token.ErrSpent
	}
	m.spent[hash] = spentRow{"", keep}
	return m.write(nil)
}

func (m *memory) IsSpent(_ context.Context, hash [32]byte) (bool, error) {
	defer m.lock()()
	m.queries++
	_, ok := m.spent[hash]
	return ok, m.fails
}

func (m *memory) Purge(context.Context, time.Time, int) (int, error) { return 0, m.fails }

func (m *memory) ClaimSetting(_ context.Context, name, value string) (string, error) {
	defer m.lock()()
	if _, ok := m.settings[name]; !ok {
		m.settings[name] = value
	}
	return m.settings[name], m.fails
}

func (m *memory) CreateParty(_ context.Context, p identity.PartyRecord) error {
	defer m.lock()()
	p.Revision = 1
	m.parties[p.ID] = p
	return m.fails
}

func (m *memory) LoadParty(_ context.Context, id string) (identity.PartyRecord, error) {
	defer m.lock()()
	m.queries++
	p, ok := m.parties[id]
	if !ok {
		return p, identity.ErrNotFound
	}
	return p, m.fails
}

func (m *memory) FindParty(_ context.Context, keys []signing.Lookup) (identity.PartyRecord, error) {
	defer m.lock()()
	for _, p := range m.parties {
		if leadsTo(p.Codes, keys) {
			return p, m.fails
		}
	}
	return identity.PartyRecord{}, identity.ErrNotFound
}

func (m *memory) UpdateParty(_ context.Context, p identity.PartyRecord) error {
	defer m.lock()()
	if m.parties[p.ID].Revision != p.Revision {
		return identity.ErrConflict
	}
	p.Revision++
	m.parties[p.ID] = p
	return m.fails
}

func (m *memory) ListParties(context.Context, string, int) ([]identity.PartyRecord, error) {
	return nil, m.fails
}

func (m *memory) CreateAccount(_ context.Context, a identity.AccountRecord) error {
	defer m.lock()()
	a.Revision = 1
	m.accounts[a.ID] = a
	return m.fails
}

func (m *memory) LoadAccount(_ context.Context, id string) (identity.AccountRecord, error) {
	defer m.lock()()
	m.queries++
	a, ok := m.accounts[id]
	if !ok {
		return a, identity.ErrNotFound
	}
	return a, m.fails
}

func (m *memory) LoadAccountOf(_ context.Context, party string) (identity.AccountRecord, error) {
	defer m.lock()()
	for _, a := range m.accounts {
		if a.Party == party {
			return a, m.fails
		}
	}
	return identity.AccountRecord{}, identity.ErrNotFound
}

func (m *memory) FindAccount(_ context.Context, keys []signing.Lookup) (identity.AccountRecord, error) {
	defer m.lock()()
	for _, a := range m.accounts {
		if leadsTo(a.Logins, keys) {
			return a, m.fails
		}
	}
	return identity.AccountRecord{}, identity.ErrNotFound
}

func (m *memory) UpdateAccount(_ context.Context, a identity.AccountRecord) error {
	defer m.lock()()
	if m.accounts[a.ID].Revision != a.Revision {
		return identity.ErrConflict
	}
	a.Revision++
	m.accounts[a.ID] = a
	return m.fails
}

func (m *memory) ListAccounts(_ context.Context, after string, limit int) ([]identity.AccountRecord, error) {
	defer m.lock()()
	var list []identity.AccountRecord
	for _, a := range m.accounts {
		if a.ID > after {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b identity.AccountRecord) int { return strings.Compare(a.ID, b.ID) })
	return list[:min(limit, len(list))], m.fails
}
