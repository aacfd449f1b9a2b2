package oidc

import (
	"context"
	"fmt"

	"yizheng.internal/signing"
)

// KeySet is a JWK set (RFC 7517 section 5).
type KeySet struct {
	Keys []signing.JWK `json:"keys"`
}

// KeySet returns the public keys that access tokens are or will soon be or
// were signed with: those next, active and retired, not the revoked. All are
// ES256. A key of a curve that is registered nowhere, as SM2 is, would make
// common relying parties fail on the whole set, so SM2 keys never stand here.
func (p *Provider) KeySet(ctx context.Context) (KeySet, error) {
	ring, err := p.c.Keyrings.Ring(ctx, signing.PurposeAccessToken, "")
	if err != nil {
		return KeySet{}, unavailable(fmt.Errorf("key set: %w", err))
	}
	set := KeySet{Keys: []signing.JWK{}} // an empty set has the member too
	for _, key := range ring {
		if key.State == signing.KeyRevoked || key.Public == nil {
			continue
		}
		if alg, err := signing.AlgorithmOf(key.Public); err != nil || alg != signing.ES256 {
			continue
		}
		jwk, err := signing.NewJWK(key.Public)
		if err != nil {
			return KeySet{}, fmt.Errorf("key set: key %s: %w", key.ID, err)
		}
		jwk.KeyID, jwk.Use, jwk.Algorithm = string(key.ID), "sig", string(signing.ES256)
		set.Keys = append(set.Keys, jwk)
	}
	return set, nil
}
