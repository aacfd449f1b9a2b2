// Package session keeps the sessions of people who are logged in, from the first factor to
// the logout.
package session

import (
	"context"
	"time"

	"yizheng.internal/oidc/fresh"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Config says what a Service works with.
type Config struct {
	Store    Store // as Authentic returns it; nil: nobody is ever logged in
	Vault    *vault.Vault
	Identity *identity.Service
	Journal  *journal.Recorder
	Idle     time.Duration     // a session that is unused for so long ends
	Life     time.Duration     // the longest life of a session, even if it is used
	Step     func(name string) // called at each step of a request, for failpoints in tests
}

// Service keeps the sessions of people who are logged in. Safe for concurrent use.
//
// If another process ends a session, or any process disables an account, the service sees it
// 2 seconds later at the latest. If this process ends a session, the service sees it at once.
type Service struct {
	c        Config
	ended    func(ctx context.Context, party, session, reason string) error
	accounts *fresh.Cache[AccountState]
	records  *fresh.Cache[Record] // without their bodies
}

// New returns the service.
func New(c Config) *Service {
	s := &Service{c: c, ended: func(context.Context, string, string, string) error { return nil }}
	s.accounts = fresh.NewCache(maxCachedAccounts, s.c.readAccount)
	s.records = fresh.NewCache(maxCachedAccounts, s.c.readSessionRecord)
	return s
}

// OnEnd sets the function that is called after a session of a party has ended, with the ids of
// both and the reason. Call it once, before the service is used.
func (s *Service) OnEnd(f func(ctx context.Context, party, session, reason string) error) {
	s.ended = f
}
