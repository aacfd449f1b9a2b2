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

// published are the rings whose keys stand in the key set.
var published = []signing.Purpose{signing.PurposeIDToken, signing.PurposeIDTokenRSA, signing.PurposeAccessToken}

// KeySet returns the public keys that ID tokens and access tokens are or will
// soon be or were signed with: those next, active and retired, not the revoked.
// Each is of its ring's algorithm, ES256 or RS256. A key of a curve that is
// registered nowhere, as SM2 is, would make common relying parties fail on the
// whole set, so SM2 keys never stand here.
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
