package oidc

import (
	"context"
	"crypto"
	"errors"

	"github.com/go-json-experiment/json"

	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// readHint verifies an id_token_hint: an ID token of ours, expired or not.
// *Error invalid_request, temporarily_unavailable.
func (p *Provider) readHint(ctx context.Context, token string) (idClaims, error) {
	refused := &Error{Code: InvalidRequest, Description: "id_token_hint is not an ID token of this provider", Reason: "hint_invalid"}
	header, payload, err := jose.Verify(ctx, token, jose.Expectation{
		Typ: jose.TypIDToken, Max: maxHintBytes, Verifier: p.c.Verifier,
		Key: func(h jose.Header) (crypto.PublicKey, error) {
			return p.publicKey(ctx, h.KeyID, 0, signing.PurposeIDToken, signing.PurposeIDTokenRSA)
		},
	})
	if err != nil {
		return idClaims{}, hintError(refused, err)
	}
	var t idClaims
	if err := json.Unmarshal(payload, &t); err != nil || t.Issuer != p.c.Issuer || t.Subject == "" {
		return idClaims{}, refused
	}
	if _, err := p.publicKey(ctx, header.KeyID, t.Issued, signing.PurposeIDToken, signing.PurposeIDTokenRSA); err != nil {
		return idClaims{}, hintError(refused, err)
	}
	return t, nil
}

// hintError is the refusal, unless the key could not be read.
func hintError(refused *Error, err error) error {
	if e, ok := errors.AsType[*Error](keyError(err)); ok && e.Code == TemporarilyUnavailable {
		return e
	}
	refused.Err = err
	return refused
}
