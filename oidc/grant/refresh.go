package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// refreshToken goes on with what a login yielded (RFC 6749 section 6).
var refreshToken = grantType{
	oidc.GrantRule{Type: oidc.GrantRefresh, People: true, With: oidc.GrantCode},
	func(ctx context.Context, p *Service, c oidc.Client, q Request) (token.Tokens, error) {
		scopes, err := oidc.ParseScopes(q.Form.Get("scope"))
		if err != nil {
			return token.Tokens{}, err
		}
		return p.Refresh(ctx, c, RefreshRequest{
			Token: q.Form.Get("refresh_token"), Scopes: scopes, Resources: q.Form["resource"], RequestID: q.RequestID,
		})
	},
}

// refreshGrace is how long the token before the newest gets the newest once
// more: the answer that brought it may have been lost.
const refreshGrace = 10 * time.Second

// RefreshRequest redeems a refresh token (RFC 6749 section 6).
type RefreshRequest struct {
	Token     string
	Scopes    []oidc.Scope // none: those before; more than those is invalid_scope
	Resources []string
	RequestID string
}

// Refresh redeems a refresh token for the authenticated client. The token is
// rotated; the one before it works once more within 10 seconds and gets the same
// successor, only while that is unused. Any earlier one ends the family, even if
// its thief hangs up at once. Refusals are *Error and leave an event.
func (p *Service) Refresh(ctx context.Context, c oidc.Client, q RefreshRequest) (token.Tokens, error) {
	ctx, cancel := journal.ToTheEnd(ctx)
	defer cancel()
	t, err := p.refresh(ctx, c, q)
	return t, p.tokenRefused(ctx, c, q.RequestID, err)
}

func (p *Service) refresh(ctx context.Context, c oidc.Client, q RefreshRequest) (token.Tokens, error) {
	if err := p.checkGrantType(c, oidc.GrantRefresh, q.Resources); err != nil {
		return token.Tokens{}, err
	}
	id, number, err := p.c.Families.ReadToken(ctx, q.Token)
	if err != nil {
		return token.Tokens{}, err
	}
	if id == "" {
		return token.Tokens{}, token.BadRefresh("refresh_malformed")
	}
	s, err := p.c.Clients.Standing(ctx, c.ID)
	if err != nil {
		return token.Tokens{}, err
	}
	f, err := p.rotate(ctx, c, id, number, q, s.Client.Floor(s.Participant.Class))
	if err != nil {
		return token.Tokens{}, err
	}
	scopes := f.About().Scopes
	if len(q.Scopes) > 0 {
		scopes = q.Scopes
	}
	t := token.Tokens{}
	if err := p.c.Tokens.Issue(ctx, c, f, scopes, "", &t); err != nil {
		return token.Tokens{}, err
	}
	return t, nil
}

// rotate makes the family's next refresh token the newest, and returns the
// family as it is then.
func (p *Service) rotate(ctx context.Context, c oidc.Client, id string, number int64, q RefreshRequest, floor factor.Assurance) (*token.Family, error) {
	for try := 1; ; try++ {
		f, err := p.c.Families.Read(ctx, id)
		if errors.Is(err, oidc.ErrNotFound) {
			return nil, token.BadRefresh("refresh_unknown")
		}
		if err != nil {
			return nil, err
		}
		if f.Client == c.ID && f.EndedBy == session.EndedByRefresh {
			// Perhaps in a process that died before the grant ended.
			if err := p.c.Families.RevokeGrant(ctx, c, f, oidc.GrantTokenRevoked); err != nil {
				return nil, err
			}
		}
		if err := p.c.Families.CheckRefresh(ctx, c, f); err != nil {
			return nil, err
		}
		if f.About().Assurance < floor { // it was set higher since the login
			return nil, token.BadRefresh("refresh_assurance")
		}
		now := time.Now()
		again := number == f.Number-1 && now.Sub(f.Rotated) <= refreshGrace
		switch {
		case again || number == f.Number:
			if slices.ContainsFunc(q.Scopes, func(s oidc.Scope) bool { return !slices.Contains(f.About().Scopes, s) }) {
				return nil, &oidc.Error{Code: oidc.InvalidScope, Description: "a refresh token brings no more scopes than were granted", Reason: "scope_not_granted"}
			}
		case number < f.Number:
			if err := p.c.Families.Revoke(ctx, c, f, oidc.Actor{ID: c.ID, RequestID: q.RequestID}, journal.ActionRefreshReuse, session.EndedByRefresh, oidc.GrantTokenRevoked); err != nil {
				return nil, err
			}
			return nil, token.BadRefresh("refresh_reuse")
		case number > f.Number: // of a database that was set back
			return nil, token.BadRefresh("refresh_unknown")
		}
		if again {
			return f, nil
		}
		if err = p.c.Families.Advance(ctx, f, now); err == nil {
			return f, nil
		}
		if errors.Is(err, oidc.ErrConflict) && try == oidc.ChangeTries {
			return nil, oidc.Unavailable(fmt.Errorf("rotating family %s: %w", id, err))
		}
		if !errors.Is(err, oidc.ErrConflict) {
			return nil, err
		}
	}
}
