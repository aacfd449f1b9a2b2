package client

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"time"

	"yizheng.internal/oidc"
)

// hashSHA256 names the algorithm of every secret hash so far. A fast hash is right here:
// slow ones protect guessable secrets, and 256 random bits can't be guessed.
const hashSHA256 = "sha-256"

// hashOf returns the hash of a secret, as it is stored.
func hashOf(s oidc.Secret, now time.Time) oidc.SecretHash {
	sum := sha256.Sum256([]byte(s.Reveal()))
	return oidc.SecretHash{Algorithm: hashSHA256, Sum: sum[:], Created: now}
}

// liveAt reports whether the secret is valid at a time.
func liveAt(h oidc.SecretHash, t time.Time) bool {
	return h.Algorithm == hashSHA256 && (h.Expires.IsZero() || t.Before(h.Expires))
}

// maxSecrets is how many secrets of one client can be valid at a time, as in a rotation.
const maxSecrets = 2

// dummySum is compared with where a client has no hash. No secret that is ever made has
// this hash, and a match with it doesn't count anyway.
var dummySum = make([]byte, sha256.Size)

// matches reports whether s is one of the client's valid secrets. It does the same work
// for two secrets, one, or none (an unknown client is the zero Client), so that its time
// doesn't tell which it was.
func matches(c oidc.Client, s oidc.Secret, now time.Time) bool {
	sum := sha256.Sum256([]byte(s.Reveal()))
	found := 0
	for i := range maxSecrets {
		want, live := dummySum, 0
		if i < len(c.Secrets) && liveAt(c.Secrets[i], now) {
			want, live = c.Secrets[i].Sum, 1
		}
		found |= subtle.ConstantTimeCompare(sum[:], want) & live
	}
	return found == 1
}

// rotated puts a new secret before the others. The newest of the others that is still valid
// ends after the overlap, or earlier if it would end anyway. The rest is dropped, so that
// at most two are ever valid.
func rotated(c oidc.Client, s oidc.Secret, overlap time.Duration, now time.Time) oidc.Client {
	secrets := []oidc.SecretHash{hashOf(s, now)}
	if i := slices.IndexFunc(c.Secrets, func(h oidc.SecretHash) bool { return liveAt(h, now) }); i >= 0 && overlap > 0 {
		old := c.Secrets[i]
		if end := now.Add(overlap); old.Expires.IsZero() || end.Before(old.Expires) {
			old.Expires = end
		}
		secrets = append(secrets, old)
	}
	c.Secrets = secrets
	return c
}
