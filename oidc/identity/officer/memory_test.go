package officer_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/officer"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// memory has the stores of posts and participants, for tests that need a bubble's clock. The real drivers
// have a suite of their own.
type memory struct {
	mu     sync.Mutex
	posts  map[string]officer.Record
	events []journal.Event
	in     map[string]identity.Participant
	before func() // called before the next save, once
}

func (m *memory) SavePost(_ context.Context, c officer.Change) error {
	m.mu.Lock()
	before := m.before
	m.before = nil
	m.mu.Unlock()
	if before != nil {
		before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	stored, there := m.posts[c.Record.ID]
	switch {
	case c.Record.Revision == 0 && there:
		return identity.ErrExists
	case c.Record.Revision != stored.Revision:
		return identity.ErrConflict
	}
	for _, other := range m.posts {
		if other.ID != c.Record.ID && leads(other.Claims, c.Record.Claims) {
			return identity.ErrExists
		}
	}
	c.Record.Revision++
	m.posts[c.Record.ID] = c.Record
	m.events = append(m.events, c.Events...)
	return nil
}

func leads(keys, wanted []signing.Lookup) bool {
	return slices.ContainsFunc(keys, func(k signing.Lookup) bool { return slices.Contains(wanted, k) })
}

func (m *memory) LoadPost(_ context.Context, id string) (officer.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.posts[id]; ok {
		return r, nil
	}
	return officer.Record{}, identity.ErrNotFound
}

func (m *memory) where(newest bool, limit int, fits func(officer.Record) bool) (all []officer.Record, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.posts {
		if fits(r) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b officer.Record) int { return cmp.Compare(a.ID, b.ID) })
	if newest {
		slices.Reverse(all)
	}
	return all[:min(limit, len(all))], nil
}

func (m *memory) FindPosts(_ context.Context, of officer.Whose, limit int) ([]officer.Record, error) {
	return m.where(true, limit, func(r officer.Record) bool {
		return of.Party != "" && r.Party == of.Party || leads(r.Claims, of.Claims) || leads(r.Offered, of.Offered)
	})
}

func (m *memory) ListPosts(_ context.Context, f officer.Filter, after string, limit int) ([]officer.Record, error) {
	return m.where(false, limit, func(r officer.Record) bool {
		return r.ID > after && (f.Participant == "" || r.Participant == f.Participant) && (!f.Live || r.State != officer.Ended) &&
			(f.Role == "" || slices.Contains(strings.Fields(r.Roles), string(f.Role)))
	})
}

func (m *memory) CountPosts(_ context.Context, participant string, since time.Time) (live, made int, err error) {
	all, err := m.where(false, 1<<20, func(r officer.Record) bool { return r.Participant == participant })
	for _, r := range all {
		if r.State != officer.Ended {
			live++
		}
		if !r.Created.Before(since) {
			made++
		}
	}
	return live, made, err
}

func (m *memory) CreateParticipant(_ context.Context, p identity.Participant) error {
	p.Revision = 1
	m.in[p.ID] = p
	return nil
}

func (m *memory) LoadParticipant(_ context.Context, id string) (identity.Participant, error) {
	if p, ok := m.in[id]; ok {
		return p, nil
	}
	return identity.Participant{}, identity.ErrNotFound
}

func (m *memory) UpdateParticipant(_ context.Context, p identity.Participant) error {
	p.Revision++
	m.in[p.ID] = p
	return nil
}

func (m *memory) FindParticipant(context.Context, party.USCC) (identity.Participant, error) {
	return identity.Participant{}, identity.ErrNotFound
}

func (m *memory) ListParticipants(context.Context, string, int) ([]identity.Participant, error) {
	return nil, nil
}

func (m *memory) AppendEvents(_ context.Context, es ...journal.Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, es...)
	return nil
}

// place is where a party's body is sealed.
func place(id string) vault.Place { return vault.Place{Table: "parties", Row: id, Column: "body"} }

// said returns the actions and results of the events since the last said.
func (m *memory) said() (all []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.events {
		all = append(all, string(e.Action)+" "+e.Result)
	}
	m.events = nil
	return all
}
