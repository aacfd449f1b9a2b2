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
	Store    Store // as Authentic returns them; nil: nobody ever is logged in
	Vault    *vault.Vault
	Identity *identity.Service
	Journal  *journal.Recorder
	Idle     time.Duration     // a session unused for so long is over
	Life     time.Duration     // the longest that a session lives, however much it is used
	Step     func(name string) // is called at each step of a request: failpoints of tests
}

// Service keeps the sessions of people who are logged in. Safe for concurrent use.
//
// A session that another process ends, and an account that is disabled, are seen 2 seconds
// later at the latest; a session that this process ends, at once.
type Service struct {
	c        Config
	ended    func(ctx context.Context, party, session, reason string) error
	accounts *fresh.Cache[AccountState]
	records  *fresh.Cache[Record] // without their bodies
}

// New returns the service.
func New(c Config) *Service {
	s := &Service{c: c, ended: func(context.Context, string, string, string) error { return nil }}
	s.accounts = fresh.NewCache(maxCachedAccounts, s.readAccount)
	s.records = fresh.NewCache(maxCachedAccounts, s.readSessionRecord)
	return s
}

// OnEnd has f called after a session of a party ended, with the ids of both and why. It is
// to be called once, before the service is used.
func (s *Service) OnEnd(f func(ctx context.Context, party, session, reason string) error) {
	s.ended = f
}
