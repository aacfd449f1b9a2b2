package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/fresh"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// AccountState is what matters about an account while somebody is logged in.
type AccountState struct {
	identity.Standing
	Party    string
	Proofing int
	Can      []factor.Proof // the strongest that the account's owner can prove now, of each factor
	Waits    bool           // the phone is no second factor yet; see [identity.Account].PhoneWaits
}

const maxCachedAccounts = 16384

// readAccount reads an account's state. A deleted account counts as disabled.
func (c *Config) readAccount(ctx context.Context, id string) (AccountState, error) {
	a, err := c.Identity.Account(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		return AccountState{Standing: identity.Standing{Disabled: true}}, nil
	}
	if err != nil {
		return AccountState{}, oidc.Unavailable(fmt.Errorf("account %s: %w", id, err))
	}
	now := time.Now()
	return AccountState{a.Standing(), a.Party, a.Proofing.Level, factor.All().Best(a, now), a.Phone != "" && a.Waits(now)}, nil
}

// Account returns an account's state, at most 2 seconds old.
func (p *Service) Account(ctx context.Context, id string) (AccountState, error) {
	return p.accounts.Since(ctx, id, fresh.Age)
}

// Changed has this process read an account's state again, because it has just changed it. Others see the change
// within 2 seconds.
func Changed(p *Service, account string) { p.accounts.Drop(account) }

// Party returns a person.
func (p *Service) Party(ctx context.Context, id string) (identity.Party, error) {
	n, err := p.c.Identity.Party(ctx, id)
	if err != nil {
		return identity.Party{}, oidc.Unavailable(fmt.Errorf("party %s: %w", id, err))
	}
	return n, nil
}
