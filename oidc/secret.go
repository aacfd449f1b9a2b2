package oidc

import (
	"fmt"
	"io"
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

// SecretHash is a client's secret as it is kept.
type SecretHash struct {
	Algorithm string    `json:"alg"`
	Sum       []byte    `json:"sum"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"` // zero: never
}
