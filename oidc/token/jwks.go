package token

import (
	"context"
	"fmt"

	"yizheng.internal/oidc"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

// KeySet is a JWK set (RFC 7517 section 5).
type KeySet struct {
	Keys []jose.Key `json:"keys"`
}

// published are the purposes of the keys in the key set.
var published = []signing.Purpose{signing.PurposeIDToken, signing.PurposeIDTokenRSA, signing.PurposeAccessToken}

// KeySet returns the public keys of ID tokens and access tokens: the next, active and retired
// keys, without the revoked ones. Each key has its ring's algorithm, ES256 or RS256. SM2 keys are
// never in the set: their curve isn't registered, and common relying parties would reject the
// whole set because of it.
func (p *Service) KeySet(ctx context.Context) (KeySet, error) {
	set := KeySet{Keys: []jose.Key{}} // an empty set has the member too
	for _, purpose := range published {
		ring, err := p.c.Keyrings.Ring(ctx, purpose, "")
		if err != nil {
			return KeySet{}, oidc.Unavailable(fmt.Errorf("key set: %w", err))
		}
		for _, key := range ring {
			if key.State == signing.KeyRevoked || key.Public == nil {
				continue
			}
			alg, err := jose.AlgorithmOf(key.Public)
			if err != nil || alg != purpose.Algorithm() {
				continue
			}
			jwk, err := jose.NewKey(key.Public)
			if err != nil {
				return KeySet{}, fmt.Errorf("key set: key %s: %w", key.ID, err)
			}
			jwk.KeyID, jwk.Use, jwk.Algorithm = key.KID(), "sig", string(alg)
			set.Keys = append(set.Keys, jwk)
		}
	}
	return set, nil
}
