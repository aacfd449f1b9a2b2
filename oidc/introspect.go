package oidc

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/signing/journal"
)

// Introspection is the answer of RFC 7662. Only Active is set if the token is
// not good, or none of the asking client's business.
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
}

// Introspect tells the authenticated client of a token of its own: an access
// token or the newest refresh token. It is *Error invalid_client for a public
// client, since anybody could be that, and temporarily_unavailable.
func (p *Provider) Introspect(ctx context.Context, c Client, token string) (Introspection, error) {
	if c.Public() {
		return Introspection{}, &Error{Code: InvalidClient, Description: "a client without a secret can not introspect tokens", Reason: "public_client"}
	}
	if family, number, err := p.readRefresh(ctx, token); family != "" || err != nil {
		return p.introspectRefresh(ctx, c, family, number, err)
	}
	t, _, err := p.checkToken(ctx, token)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == InvalidToken {
		return Introspection{}, nil
	}
	if err != nil || t.ClientID != c.ID {
		return Introspection{}, err
	}
	return Introspection{
		Active: true, Scope: t.Scope, ClientID: t.ClientID, TokenType: "Bearer", Expires: t.Expires, Issued: t.Issued,
		Subject: t.Subject, Audience: t.Audience, Issuer: t.Issuer, TokenID: t.TokenID,
		AuthTime: t.AuthTime, ACR: t.ACR, Grant: t.Grant,
	}, nil
}

// readRefresh is readRefreshToken where there may be no logins.
func (p *Provider) readRefresh(ctx context.Context, token string) (family string, number int64, err error) {
	if p.c.Sessions == nil {
		return "", 0, nil
	}
	return p.readRefreshToken(ctx, token)
}

func (p *Provider) introspectRefresh(ctx context.Context, c Client, id string, number int64, err error) (Introspection, error) {
	if err != nil {
		return Introspection{}, err
	}
	f, err := p.readFamily(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, err
	}
	if number != f.Number {
		return Introspection{}, nil
	}
	err = p.checkRefresh(ctx, c, f)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == InvalidGrant {
		return Introspection{}, nil
	}
	if err != nil {
		return Introspection{}, err
	}
	who := &f.body.About
	subject, err := p.subject(ctx, c, who.Party)
	return Introspection{
		Active: err == nil, Scope: JoinScopes(who.Scopes), ClientID: c.ID, TokenType: "refresh_token",
		Expires: f.Expires.Unix(), Issued: f.Rotated.Unix(), Subject: subject, Issuer: p.c.Issuer,
		AuthTime: who.AuthTime, ACR: ACR(who.Assurance), Grant: who.Grant,
	}, err
}

// RevokeToken ends a token of the authenticated client (RFC 7009): a refresh
// token or a person's access token with its family and license grant, any other
// access token alone. A token that is unknown, or another client's, is no error.
func (p *Provider) RevokeToken(ctx context.Context, c Client, token, requestID string) error {
	family, _, err := p.readRefresh(ctx, token)
	if err != nil {
		return err
	}
	if family != "" {
		return p.revokeByClient(ctx, c, family, requestID)
	}
	t, err := p.genuine(ctx, token)
	if e, ok := errors.AsType[*Error](err); ok && e.Code == InvalidToken {
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

// revokeByClient ends a family of the client's, and its license grant.
func (p *Provider) revokeByClient(ctx context.Context, c Client, id, requestID string) error {
	if p.c.Sessions == nil {
		return nil
	}
	f, err := p.readFamily(ctx, id)
	if errors.Is(err, ErrNotFound) || err == nil && f.Client != c.ID {
		return nil
	}
	if err != nil {
		return err
	}
	if !f.Ended.IsZero() { // perhaps in a process that died before the grant ended
		return p.revokeGrant(ctx, c, f, GrantTokenRevoked)
	}
	return p.revokeFamily(ctx, c, f, Actor{c.ID, requestID}, journal.ActionTokenRevoke, EndedByClient, GrantTokenRevoked)
}
