package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// Relayed reports whether the login rests on proofs of another device.
func (l *Login) Relayed() bool { return factor.Relayed(l.About.Factors) }

// Lending lends what somebody proved in a session to another browser of theirs.
type Lending struct{ p *Service }

// NewLending returns the Lending of a service's sessions.
func NewLending(p *Service) *Lending { return &Lending{p} }

// Lender returns the live session with an id, of an account, that may lend its proofs to another
// browser: the account stands as it did when somebody logged in, and what was proved was proved
// in that session itself. ErrNoSession if it isn't such a session.
func (s *Lending) Lender(ctx context.Context, id, account string) (*Login, error) {
	p := s.p
	if p.c.Store == nil || !identity.ValidID(id) {
		return nil, oidc.ErrNoSession
	}
	r, err := p.c.Store.LoadSession(ctx, id)
	if errors.Is(err, oidc.ErrNotFound) || err == nil && !p.live(&r, time.Now()) {
		return nil, oidc.ErrNoSession
	}
	if err != nil {
		return nil, oidc.Unavailable(fmt.Errorf("session %s: %w", id, err))
	}
	p.accounts.Drop(account) // another node may have disabled it a second ago
	l, err := p.openSession(ctx, r)
	if err != nil {
		return nil, err
	}
	if l.About.Account != account || l.State.Over(l.About.AuthTime, l.About.Since) != "" || l.Relayed() || l.Strength() == 0 {
		return nil, oidc.ErrNoSession
	}
	return l, nil
}

// Start begins a session at a browser with what the session of a lender proved, which
// [Lending.Lender] returned just now. It is as old as that one, ends no later, and its proofs are
// marked as relayed. What becomes of the browser's own session is as of [Service.Start]. It returns
// the session with its cookie.
func (s *Lending) Start(ctx context.Context, b oidc.Browser, lender *Login) (*Login, oidc.Secret, error) {
	account := identity.Account{ID: lender.About.Account, Party: lender.About.Party}
	return s.p.newLogin(ctx, b, account, lender.State, oidc.NewHandle(), proved{factor.Relay(lender.About.Factors), time.Now().UTC(), lender})
}

// borrow takes over of a lender's login when it was, and when it ends.
func (l *Login) borrow(lender *Login) {
	l.About.AuthTime, l.About.Since = lender.About.AuthTime, lender.About.Since
	if lender.Expires.Before(l.Expires) {
		l.Expires = lender.Expires
	}
}
