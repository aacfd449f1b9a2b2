package oidc

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// deniedHash is under which a revoked access token is spent.
func deniedHash(tokenID string) [32]byte {
	return sha256.Sum256([]byte("yizheng access token\x00" + tokenID))
}

// deny revokes an access token that belongs to no family. It is written down
// until the token has expired, also by the slowest clock of our nodes.
func (p *Provider) deny(ctx context.Context, c Client, t *claims, requestID string) error {
	if p.c.Spent == nil {
		return errors.New("revoking an access token: there is nowhere to write it down")
	}
	keep := time.Unix(t.Expires+clockSkew, 0)
	if err := p.c.Spent.Spend(ctx, deniedHash(t.TokenID), keep); err != nil && !errors.Is(err, ErrSpent) {
		return unavailable(fmt.Errorf("revoking an access token: %w", err))
	}
	p.denied.drop(t.TokenID)
	e := newEvent(Actor{c.ID, requestID}, ActionTokenRevoke, c.ID, ResultOK)
	if err := p.c.Events.AppendEvents(ctx, e); err != nil {
		return unavailable(fmt.Errorf("recording %s: %w", ActionTokenRevoke, err))
	}
	return nil
}

// readDenied reports whether an access token was revoked.
func (p *Provider) readDenied(ctx context.Context, tokenID string) (bool, error) {
	spent, err := p.c.Spent.IsSpent(ctx, deniedHash(tokenID))
	if err != nil {
		return false, unavailable(fmt.Errorf("looking for a revoked access token: %w", err))
	}
	return spent, nil
}

// checkDenied refuses an access token that was revoked.
func (p *Provider) checkDenied(ctx context.Context, tokenID string) error {
	if p.c.Spent == nil {
		return nil
	}
	denied, err := p.denied.since(ctx, tokenID, standingFresh)
	if err != nil {
		return err
	}
	if denied {
		return invalidToken("token_revoked", "the access token was revoked", nil)
	}
	return nil
}
