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

// refreshToken renews the tokens of a login (RFC 6749 section 6).
var refreshToken = grantType{
	oidc.GrantRule{Type: oidc.GrantRefresh, People: true, With: oidc.GrantCode},
	(*Service).redeemRefresh,
}

// refreshGrace is how long the token before the newest one still gets the newest one: the
// first answer with it may have been lost.
const refreshGrace = 10 * time.Second

// rotation is a genuine refresh token, with what the client asks for.
type rotation struct {
	family    string // the family's id
	number    int64
	scopes    []oidc.Scope     // empty: those that were granted; any others are invalid_scope
	floor     factor.Assurance // the client's present floor
	requestID string
}

// redeemRefresh redeems a refresh token and rotates it. For 10 seconds the redeemed token still
// works and gets the same successor, as long as the successor is unused. After that it ends the
// family, as any older token does, even if its thief hangs up at once. Refusals are *Error.
func (p *Service) redeemRefresh(ctx context.Context, c oidc.Client, q Request) (token.Tokens, error) {
	ctx, cancel := journal.ToTheEnd(ctx)
	defer cancel()
	r := rotation{requestID: q.RequestID}
	var err error
	if r.scopes, err = oidc.ParseScopes(q.Form.Get("scope")); err != nil {
		return token.Tokens{}, err
	}
	if r.family, r.number, err = p.c.Families.ReadToken(ctx, q.Form.Get("refresh_token")); err != nil {
		return token.Tokens{}, err
	}
	if r.family == "" {
		return token.Tokens{}, token.BadRefresh("refresh_malformed")
	}
	s, err := p.c.Clients.Standing(ctx, c.ID)
	if err != nil {
		return token.Tokens{}, err
	}
	r.floor = s.Client.Floor(s.Participant.Class)
	f, err := p.rotate(ctx, c, r)
	if err != nil {
		return token.Tokens{}, err
	}
	scopes := f.About().Scopes
	if len(r.scopes) > 0 {
		scopes = r.scopes
	}
	t := token.Tokens{}
	if err := p.c.Tokens.Issue(ctx, c, f, scopes, "", &t); err != nil {
		return token.Tokens{}, err
	}
	return t, nil
}

// rotate makes the family's next refresh token the newest, and returns the
// family as it is then.
func (p *Service) rotate(ctx context.Context, c oidc.Client, r rotation) (*token.Family, error) {
	for try := 1; ; try++ {
		f, err := p.c.Families.Read(ctx, r.family)
		if errors.Is(err, oidc.ErrNotFound) {
			return nil, token.BadRefresh("refresh_unknown")
		}
		if err != nil {
			return nil, err
		}
		if f.Client == c.ID && f.EndedBy == session.EndedByRefresh {
			// The process that ended the family may have died before it ended the grant.
			if err := p.c.Families.RevokeGrant(ctx, c, f, oidc.GrantTokenRevoked); err != nil {
				return nil, err
			}
		}
		if err := p.c.Families.CheckRefresh(ctx, c, f); err != nil {
			return nil, err
		}
		if f.About().Assurance < r.floor { // the floor was raised after the login
			return nil, token.BadRefresh("refresh_assurance")
		}
		now := time.Now()
		again := r.number == f.Number-1 && now.Sub(f.Rotated) <= refreshGrace
		switch {
		case again || r.number == f.Number:
			if slices.ContainsFunc(r.scopes, func(s oidc.Scope) bool { return !slices.Contains(f.About().Scopes, s) }) {
				return nil, &oidc.Error{Code: oidc.InvalidScope, Description: "a refresh token brings no more scopes than were granted", Reason: "scope_not_granted"}
			}
		case r.number < f.Number:
			if err := p.c.Families.Revoke(ctx, c, f, oidc.Actor{ID: c.ID, RequestID: r.requestID}, journal.ActionRefreshReuse, session.EndedByRefresh, oidc.GrantTokenRevoked); err != nil {
				return nil, err
			}
			return nil, token.BadRefresh(oidc.ReasonRefreshReuse)
		case r.number > f.Number: // the database was restored from a backup
			return nil, token.BadRefresh("refresh_unknown")
		}
		if again {
			return f, nil
		}
		if err = p.c.Families.Advance(ctx, f, now); err == nil {
			return f, nil
		}
		if errors.Is(err, oidc.ErrConflict) && try == oidc.ChangeTries {
			return nil, oidc.Unavailable(fmt.Errorf("rotating family %s: %w", r.family, err))
		}
		if !errors.Is(err, oidc.ErrConflict) {
			return nil, err
		}
	}
}
