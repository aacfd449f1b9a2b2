package oidc

import (
	"fmt"
	"io"
	"time"
)

// Secret is a text that authenticates whoever presents it: a client's secret or a token.
// It prints, logs and marshals as [secret]. The zero Secret is none.
type Secret struct{ text string }

// secretPrefix lets a scanner recognize a client's secret in a place where it
// doesn't belong.
const secretPrefix = "yzs_"

// NewSecret returns a new client secret: "yzs_" and 256 random bits as 43
// characters of base64url, which every encoding in HTTP leaves unchanged.
func NewSecret() Secret {
	return Secret{secretPrefix + NewHandle().text}
}

// SecretOf returns the secret with a text, such as one that a caller presented.
func SecretOf(text string) Secret { return Secret{text} }

// Reveal returns the secret itself, for the one place that must show or send it.
func (s Secret) Reveal() string { return s.text }

// Format implements [fmt.Formatter]: it hides the secret for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText implements [encoding.TextMarshaler], which encoders and slog call.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// SecretHash is a client's secret as it is stored.
type SecretHash struct {
	Algorithm string    `json:"alg"`
	Sum       []byte    `json:"sum"`
	Created   time.Time `json:"created"`
	Expires   time.Time `json:"expires,omitzero"` // zero: never
}
