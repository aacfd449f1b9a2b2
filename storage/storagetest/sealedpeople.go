package storagetest

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
)

// people lets a person be registered, log in with two factors and set another
// password. It returns what must not be found afterwards; it isn't in what was
// kept where it may be lost either.
func people(t *testing.T, db Database, vault *signing.Vault) []string {
	t.Helper()
	ctx := t.Context()
	const name, login, phone = "司徒样例㛃", "situ.yangli", "+8613900001234"
	const password, another = "correct horse 样例 battery", "another horse 样例 battery"
	code := party.Code{Type: party.Citizen, Value: "990101194912310036"}
	kept := &seen{values: map[string]value{}}
	var sent identity.Message
	s, err := identity.NewService(identity.Config{
		Parties: db.Provider, Accounts: db.Provider, Ephemeral: kept, Vault: vault,
		Sender: sender(func(m identity.Message) { sent = m }),
		Record: func(context.Context, identity.Fact) error { return nil },
	})
	must(t, "people", err)
	a, _, err := s.Register(ctx, identity.Registration{Name: name, Code: code, LoginName: login, Phone: phone, Password: password,
		Actor: "cli", Proofing: &identity.Proofing{Level: 2, Method: "in_person", Source: "样例派出所窗口", At: time.Now()}})
	must(t, "registering", err)
	_, err = s.CheckPassword(ctx, identity.Attempt{Login: phone, Password: password, Address: netip.MustParseAddr("192.0.2.77")})
	must(t, "logging in", err)
	_, err = s.SendCode(ctx, a.ID, "binding-of-a-login", "zh-CN", "")
	must(t, "sending a code", err)
	must(t, "checking it", s.CheckCode(ctx, a.ID, "binding-of-a-login", sent.Code, ""))
	ticket, err := s.SetupTicket(ctx, "cli", a.ID)
	must(t, "making a ticket", err)
	_, err = s.SetPassword(ctx, ticket, another, "")
	must(t, "setting a password", err)
	secrets := []string{name, login, phone, phone[1:], phone[3:], password, another, code.Value, "样例派出所窗口", "binding-of-a-login", ticket[27:]}
	if len(kept.all) == 0 {
		t.Fatal("logging in kept nothing where it may be lost")
	}
	if hits := found(kept.all, append(secrets, "192.0.2.77")); hits != nil {
		t.Errorf("where it may be lost, readable: %q", hits)
	}
	return secrets
}

type sender func(identity.Message)

func (s sender) Send(_ context.Context, m identity.Message) error { s(m); return nil }

// seen is an identity.Ephemeral that remembers all that it ever saw.
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

func (s *seen) Put(_ context.Context, key string, v []byte, _, expires time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.see(key, v)
	s.values[key] = value{bytes: bytes.Clone(v), expires: expires}
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
		return nil, identity.ErrGone
	}
	return v.bytes, nil
}

func (s *seen) Swap(ctx context.Context, key string, old, new []byte, now time.Time) error {
	got, err := s.Load(ctx, key, now)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, old) {
		return identity.ErrChanged
	}
	return s.Put(ctx, key, new, now, s.values[key].expires)
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
