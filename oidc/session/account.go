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
	Party    string
	Disabled bool // or deleted
	Proofing int
	Factors  []factor.Name // factors that the account can be asked for
	Password time.Time     // when the password was set; sessions from before end
	Barred   time.Time     // when the account was disabled last; everything from before ends
}

const maxCachedAccounts = 16384

// readAccount reads an account's state. A deleted account counts as disabled.
func (p *Service) readAccount(ctx context.Context, id string) (AccountState, error) {
	a, err := p.c.Identity.Account(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		return AccountState{Disabled: true}, nil
	}
	if err != nil {
		return AccountState{}, oidc.Unavailable(fmt.Errorf("account %s: %w", id, err))
	}
	return AccountState{a.Party, a.Disabled, a.Proofing.Level, factor.All().Of(a), a.Password.Set, a.Barred}, nil
}

// Account returns an account's state, at most 2 seconds old.
func (p *Service) Account(ctx context.Context, id string) (AccountState, error) {
	return p.accounts.Since(ctx, id, fresh.Age)
}

// Party returns a person.
func (p *Service) Party(ctx context.Context, id string) (identity.Party, error) {
	n, err := p.c.Identity.Party(ctx, id)
	if err != nil {
		return identity.Party{}, oidc.Unavailable(fmt.Errorf("party %s: %w", id, err))
	}
	return n, nil
}
