package provider

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/vault"
)

// interrupted is a store in which something happens before a session is found.
type interrupted struct {
	session.Store
	before func()
}

func (s *interrupted) FindSession(ctx context.Context, c [32]byte) (session.Record, error) {
	if f := s.before; f != nil {
		s.before = nil
		f()
	}
	return s.Store.FindSession(ctx, c)
}

// What changes an account between the reading of it and the beginning of its session ends that session.
func TestAttackChangeDuringLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		keys, err := keystore.Open(template.dir+"/keys", template.passphrase)
		must(err)
		rings, err := signing.NewKeyrings(signing.KeyringsConfig{Records: w.memory, Module: keys})
		must(err)
		v, err := vault.Open(t.Context(), rings, keys)
		must(err)
		p, err := people.New(people.Config{Parties: w.memory, Accounts: w.memory, Ephemeral: w.kept, Vault: v, Journal: oidc.NewRecorder(w.memory, nil), Proofer: register(2)})
		must(err)
		store := &interrupted{Store: w.memory}
		node, err := New(Config{
			Issuer: issuer, Clients: w.memory, Participants: w.memory, Events: w.memory, Keyrings: rings,
			Sessions: store, Families: w.memory, Consents: w.memory, Spent: w.memory, Settings: w.memory, Ephemeral: w.kept,
			Identity: p.Service, Factors: everybody{p.Factors, p, w}, Vault: v, Resolver: w.resolver, Step: w.passed,
		})
		must(err)
		w.provider = rooms(node)
		b := w.browser()
		step, err := w.Visit(t.Context(), flow.Page{Path: "/"}, b.Browser)
		must(err)
		store.before = func() {
			time.Sleep(time.Millisecond)
			_, _, err := p.ChangePhone(t.Context(), identity.PhoneChange{Account: w.zhang.ID, To: "13900139000"})
			must(err)
			time.Sleep(time.Millisecond)
		}
		b.logIn(t, step.Handle, w.zhang)
		time.Sleep(5 * time.Second) // until nothing is cached any more
		if s, err := w.Session(t.Context(), b.Browser); !errors.Is(err, oidc.ErrNoSession) {
			t.Errorf("the session goes on with strength %d, %v", s.Strength, err)
		}
	})
}
