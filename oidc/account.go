package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc/identity"
)

// accountState is what counts of an account while somebody is logged in.
type accountState struct {
	party    string
	disabled bool // or gone
	proofing int
	phone    bool      // a second factor can be asked for
	password time.Time // when it was set: sessions from before it are over
	barred   time.Time // when it was disabled last: whatever is from before it is over
}

const maxCachedAccounts = 16384

// readAccount reads an account's state. One that is gone counts as disabled.
func (p *Provider) readAccount(ctx context.Context, id string) (accountState, error) {
	a, err := p.c.Identity.Account(ctx, id)
	if errors.Is(err, identity.ErrNotFound) {
		return accountState{disabled: true}, nil
	}
	if err != nil {
		return accountState{}, unavailable(fmt.Errorf("account %s: %w", id, err))
	}
	return accountState{a.Party, a.Disabled, a.Proofing.Level, a.Phone != "", a.Password.Set, a.Barred}, nil
}

// account returns an account's state, at most 2 seconds old.
func (p *Provider) account(ctx context.Context, id string) (accountState, error) {
	return p.accounts.since(ctx, id, standingFresh)
}

// party returns a person.
func (p *Provider) party(ctx context.Context, id string) (identity.Party, error) {
	n, err := p.c.Identity.Party(ctx, id)
	if err != nil {
		return identity.Party{}, unavailable(fmt.Errorf("party %s: %w", id, err))
	}
	return n, nil
}
