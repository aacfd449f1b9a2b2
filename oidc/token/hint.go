package token

import (
	"context"
	"crypto"
	"errors"

	"yizheng.internal/oidc"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// MaxHint is the longest id_token_hint, in bytes.
const MaxHint = 4 << 10

// ReadHint verifies an id_token_hint: an ID token that this provider issued, expired or
// not. Errors: *Error invalid_request or temporarily_unavailable.
func (p *Service) ReadHint(ctx context.Context, token string) (IDClaims, error) {
	refused := &oidc.Error{Code: oidc.InvalidRequest, Description: "id_token_hint is not an ID token of this provider", Reason: "hint_invalid"}
	var t IDClaims
	header, err := jose.ParseToken(ctx, token, jose.Expectation{
		Typ: jose.TypIDToken, Max: MaxHint, Verifier: p.c.Verifier,
		Key: func(h jose.Header, _ []byte) (crypto.PublicKey, error) {
			return p.publicKey(ctx, h.KeyID, 0, signing.PurposeIDToken, signing.PurposeIDTokenRSA)
		},
	}, jose.Rule{Issuer: p.c.Issuer, Expired: true}, &t)
	if err != nil {
		return IDClaims{}, hintError(refused, err)
	}
	if t.Subject == "" {
		return IDClaims{}, refused
	}
	if _, err := p.publicKey(ctx, header.KeyID, t.Issued, signing.PurposeIDToken, signing.PurposeIDTokenRSA); err != nil {
		return IDClaims{}, hintError(refused, err)
	}
	return t, nil
}

// hintError returns the refusal, or temporarily_unavailable if the key could not be read.
func hintError(refused *oidc.Error, err error) error {
	if e, ok := errors.AsType[*oidc.Error](keyError(err)); ok && e.Code == oidc.TemporarilyUnavailable {
		return e
	}
	refused.Err = err
	return refused
}
