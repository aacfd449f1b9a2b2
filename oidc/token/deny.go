package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/fresh"
	"yizheng.internal/signing/journal"
)

// Two hashes are spent to revoke an access token that belongs to no family: one of the
// token, and one that stands for all tokens of its client from the same minute. Hardly any
// token is ever revoked, so a check mostly asks once for a whole minute. Only if the
// minute's hash is spent does it ask for each token.

// deniedHash returns the hash that is spent for a name: a token's id, or minuteOf.
func deniedHash(name string) [32]byte {
	return sha256.Sum256([]byte("yizheng access token\x00" + name))
}

// minuteOf returns the name for all access tokens of a client that were issued in the same
// minute as t. No token's id has this form.
func minuteOf(t *claims) string { return t.ClientID + " " + strconv.FormatInt(t.Issued/60, 10) }

// deny revokes an access token that belongs to no family. The hashes stay stored until all
// tokens of that minute have expired, even by the slowest clock of our nodes.
func (p *Service) deny(ctx context.Context, c oidc.Client, t *claims, requestID string) error {
	if p.c.Spent == nil {
		return errors.New("revoking an access token: there is nowhere to write it down")
	}
	minute := minuteOf(t)
	keep := time.Unix(t.Issued-t.Issued%60+60, 0).Add(MaxTTL + clockSkew*time.Second)
	// The minute comes last: when it is stored, the token's own hash is stored, too.
	again := false
	for _, name := range []string{t.TokenID, minute} {
		err := p.c.Spent.Spend(ctx, deniedHash(name), keep)
		if err != nil && !errors.Is(err, ErrSpent) {
			return oidc.Unavailable(fmt.Errorf("revoking an access token: %w", err))
		}
		again = again || name == t.TokenID && err != nil
	}
	p.denied.Drop(t.TokenID)
	p.denied.Drop(minute)
	record := p.c.Journal.Record
	if again { // a process may have spent it and died before the event
		record = p.c.Journal.Repeating
	}
	if err := record(ctx, oidc.Actor{ID: c.ID, RequestID: requestID}.Did(journal.ActionTokenRevoke, c.ID, journal.ResultOK)); err != nil {
		return oidc.Unavailable(err)
	}
	return nil
}

// readDenied reports whether the hash of a name is spent: a token's id, or minuteOf.
func (p *Service) readDenied(ctx context.Context, name string) (bool, error) {
	spent, err := p.c.Spent.IsSpent(ctx, deniedHash(name))
	if err != nil {
		return false, oidc.Unavailable(fmt.Errorf("looking for a revoked access token: %w", err))
	}
	return spent, nil
}

// checkDenied refuses an access token that was revoked.
func (p *Service) checkDenied(ctx context.Context, t *claims) error {
	if p.c.Spent == nil {
		return nil
	}
	for _, name := range []string{minuteOf(t), t.TokenID} {
		denied, err := p.denied.Since(ctx, name, fresh.Age)
		if err != nil || !denied {
			return err
		}
	}
	return invalidToken("token_revoked", "the access token was revoked", nil)
}
