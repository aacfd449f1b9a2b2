package token

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing/journal"
)

// Introspection is the answer of RFC 7662. If the token isn't valid, or isn't the asking
// client's, Active is false and all else is empty.
type Introspection struct {
	Active    bool   `json:"active"`
	Scope     string `json:"scope,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	TokenType string `json:"token_type,omitempty"`
	Expires   int64  `json:"exp,omitzero"`
	Issued    int64  `json:"iat,omitzero"`
	Subject   string `json:"sub,omitempty"`
	Audience  string `json:"aud,omitempty"`
	Issuer    string `json:"iss,omitempty"`
	TokenID   string `json:"jti,omitempty"`
	AuthTime  int64  `json:"auth_time,omitzero"`
	ACR       string `json:"acr,omitempty"`
	Grant     string `json:"grant_id,omitempty"`
	BehalfClaims
}

// Introspect tells the authenticated client about a token of its own: an access token or
// the newest refresh token. Errors: *Error invalid_client for a public client, since anybody
// can pose as one; and temporarily_unavailable.
func (p *Service) Introspect(ctx context.Context, c oidc.Client, token string) (Introspection, error) {
	if c.Public() {
		return Introspection{}, &oidc.Error{Code: oidc.InvalidClient, Description: "a client without a secret cannot introspect tokens", Reason: "public_client"}
	}
	if family, number, err := p.readRefresh(ctx, token); family != "" || err != nil {
		return p.introspectRefresh(ctx, c, family, number, err)
	}
	t, _, err := p.checkToken(ctx, token)
	if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code == oidc.InvalidToken {
		return Introspection{}, nil
	}
	if err != nil || t.ClientID != c.ID {
		return Introspection{}, err
	}
	return Introspection{
		Active: true, Scope: t.Scope, ClientID: t.ClientID, TokenType: "Bearer", Expires: t.Expires, Issued: t.Issued,
		Subject: t.Subject, Audience: t.Audience, Issuer: t.Issuer, TokenID: t.TokenID,
		AuthTime: t.AuthTime, ACR: t.ACR, Grant: t.Grant, BehalfClaims: t.BehalfClaims,
	}, nil
}

// readRefresh returns the family and number of a genuine refresh token. For anything else, the
// family is "".
func (p *Service) readRefresh(ctx context.Context, token string) (family string, number int64, err error) {
	if p.c.Families == nil {
		return "", 0, nil
	}
	return p.c.Families.ReadToken(ctx, token)
}

func (p *Service) introspectRefresh(ctx context.Context, c oidc.Client, id string, number int64, err error) (Introspection, error) {
	if err != nil {
		return Introspection{}, err
	}
	f, err := p.c.Families.Read(ctx, id)
	if errors.Is(err, oidc.ErrNotFound) {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, err
	}
	if number != f.Number {
		return Introspection{}, nil
	}
	err = p.c.Families.CheckRefresh(ctx, c, f)
	if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code == oidc.InvalidGrant {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, err
	}
	who := &f.body.About
	subject, err := p.c.Subjects.Of(ctx, c, who.Party)
	if err != nil {
		return Introspection{}, err
	}
	behalf, err := p.behalfClaims(ctx, c, who, who.Scopes)
	return Introspection{
		Active: err == nil, Scope: oidc.JoinScopes(who.Scopes), ClientID: c.ID, TokenType: "refresh_token",
		Expires: f.Expires.Unix(), Issued: f.Rotated.Unix(), Subject: subject, Issuer: p.c.Issuer,
		AuthTime: oidc.AuthTime(who.AuthTime, who.Factors), ACR: oidc.ACR(who.Assurance), Grant: who.Grant, BehalfClaims: behalf,
	}, err
}

// RevokeToken ends a token of the authenticated client (RFC 7009). A refresh token or a
// person's access token ends together with its family and license grant; any other access
// token ends alone. A token that is unknown, or another client's, is no error.
func (p *Service) RevokeToken(ctx context.Context, c oidc.Client, token, requestID string) error {
	family, _, err := p.readRefresh(ctx, token)
	if err != nil {
		return err
	}
	if family != "" {
		return p.revokeByClient(ctx, c, family, requestID)
	}
	t, err := p.genuine(ctx, token)
	if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code == oidc.InvalidToken {
		return nil
	}
	if err != nil {
		return err
	}
	if t.ClientID != c.ID || time.Now().Unix() >= t.Expires {
		return nil
	}
	if t.Family != "" {
		return p.revokeByClient(ctx, c, t.Family, requestID)
	}
	return p.deny(ctx, c, &t, requestID)
}

// revokeByClient ends a family of the client, and the family's license grant.
func (p *Service) revokeByClient(ctx context.Context, c oidc.Client, id, requestID string) error {
	if p.c.Families == nil {
		return nil
	}
	f, err := p.c.Families.Read(ctx, id)
	if errors.Is(err, oidc.ErrNotFound) || err == nil && f.Client != c.ID {
		return nil
	}
	if err != nil {
		return err
	}
	if !f.Ended.IsZero() { // the process that ended the family may have died before it ended the grant
		return p.c.Families.RevokeGrant(ctx, c, f, oidc.GrantTokenRevoked)
	}
	return p.c.Families.Revoke(ctx, c, f, oidc.Actor{ID: c.ID, RequestID: requestID}, journal.ActionTokenRevoke, session.EndedByClient, oidc.GrantTokenRevoked)
}
