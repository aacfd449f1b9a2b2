package oidc

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"slices"
	"time"
)

// Secret is something whose holder is believed: a client's secret or a token.
// It prints, logs and marshals as [secret]. The zero Secret is none.
type Secret struct{ text string }

// secretPrefix lets a scanner recognize a client's secret in a place where it
// doesn't belong.
const secretPrefix = "yzs_"

// NewSecret returns a new client secret: "yzs_" and 256 random bits as 43
// characters of base64url, which no encoding of HTTP changes.
func NewSecret() Secret {
	return Secret{secretPrefix + NewHandle().text}
}

// SecretOf takes what a caller presented.
func SecretOf(text string) Secret { return Secret{text} }

// Reveal returns the secret itself, for the one place that must show or send it.
func (s Secret) Reveal() string { return s.text }

// Format implements [fmt.Formatter]: whatever the verb, the secret is not shown.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText implements [encoding.TextMarshaler], which encoders and slog ask.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// hashSHA256 names the algorithm of every secret hash so far. A fast hash is
// right here: slow ones protect guessable secrets, and 256 random bits aren't.
const hashSHA256 = "sha-256"

// SecretHash is a client's secret as it is kept.
type SecretHash struct {
	Algorithm string    `json:"alg"`
	Sum       []byte    `json:"sum"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"` // zero: never
}

// hash returns the secret as it is kept.
func (s Secret) hash(now time.Time) SecretHash {
	sum := sha256.Sum256([]byte(s.text))
	return SecretHash{Algorithm: hashSHA256, Sum: sum[:], Created: now}
}

// liveAt reports whether the secret is good at a time.
func (h SecretHash) liveAt(t time.Time) bool {
	return h.Algorithm == hashSHA256 && (h.Expires.IsZero() || t.Before(h.Expires))
}

// maxSecrets is how many secrets of one client are live during a rotation.
const maxSecrets = 2

// dummySum stands in where there is no hash to compare with. No secret that is
// ever made has it, and a match with it doesn't count anyway.
var dummySum = make([]byte, sha256.Size)

// matches reports whether one of the client's live secrets is s. It does the
// same work for one secret, two, or none (an unknown client is the zero
// Client), so that its time says nothing of which it was.
func (c Client) matches(s Secret, now time.Time) bool {
	sum := sha256.Sum256([]byte(s.text))
	found := 0
	for i := range maxSecrets {
		want, live := dummySum, 0
		if i < len(c.Secrets) && c.Secrets[i].liveAt(now) {
			want, live = c.Secrets[i].Sum, 1
		}
		found |= subtle.ConstantTimeCompare(sum[:], want) & live
	}
	return found == 1
}

// rotate puts a new secret before the others. Of those the newest that is
// still live ends after the overlap, if it wouldn't end earlier; the rest is
// dropped, so that never more than two are live.
func (c Client) rotate(s Secret, overlap time.Duration, now time.Time) Client {
	secrets := []SecretHash{s.hash(now)}
	if i := slices.IndexFunc(c.Secrets, func(h SecretHash) bool { return h.liveAt(now) }); i >= 0 && overlap > 0 {
		old := c.Secrets[i]
		if end := now.Add(overlap); old.Expires.IsZero() || end.Before(old.Expires) {
			old.Expires = end
		}
		secrets = append(secrets, old)
	}
	c.Secrets = secrets
	return c
}
