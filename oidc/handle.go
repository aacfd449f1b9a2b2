package oidc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"hash"
)

// HandleLength is the length of a handle, and of 32 bytes as base64url.
const HandleLength = 43

// NewHandle returns 256 random bits as 43 characters of base64url.
func NewHandle() Secret {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return Secret{base64.RawURLEncoding.EncodeToString(b[:])}
}

// NewBrowserID returns the value of a new browser cookie.
func NewBrowserID() Secret { return NewHandle() }

// IsHandle reports whether the secret has the form that NewHandle gives. Callers look
// up nothing else.
func (s Secret) IsHandle() bool {
	if len(s.text) != HandleLength {
		return false
	}
	for _, c := range []byte(s.text) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// HandleHash is the SHA-256 of a handle. Values are stored under this hash.
type HandleHash [sha256.Size]byte

// Hash returns the SHA-256 of the secret, which is a handle.
func (s Secret) Hash() HandleHash { return sha256.Sum256([]byte(s.text)) }

// String returns the hash as 43 characters of base64url.
func (h HandleHash) String() string { return base64.RawURLEncoding.EncodeToString(h[:]) }

// Derive returns the HMAC-SHA-256 of a use and its parts under key, a random key of
// 256 bits, as 43 characters of base64url.
func Derive(key, use string, parts ...string) string {
	return DeriveUnder(hmac.New(sha256.New, []byte(key)), use, parts...)
}

// DeriveUnder is Derive with mac in place of a key: a new HMAC-SHA-256 to which nothing
// was written.
func DeriveUnder(mac hash.Hash, use string, parts ...string) string {
	message := make([]byte, 0, 192)
	write := func(part string) {
		message = binary.BigEndian.AppendUint32(message, uint32(len(part)))
		message = append(message, part...)
	}
	write("yizheng")
	write(use)
	for _, part := range parts {
		write(part)
	}
	mac.Write(message)
	return base64.RawURLEncoding.EncodeToString(mac.Sum(message[:0]))
}

// FormToken returns the token that a form carries so that no other site can send the
// form. It is bound to the browser, the session and the form's purpose, such as "login"
// or "logout". It is "" without a browser cookie.
//
// The token is a MAC under the two cookies themselves, which no other site can read. So
// every node makes the same token, and none is stored. Somebody who plants a browser
// cookie still doesn't know the session cookie.
func (b Browser) FormToken(purpose string) string {
	if !b.ID.IsHandle() {
		return ""
	}
	return Derive(b.ID.text, "form", b.Session.text, purpose)
}

// CheckForm reports whether a form's token is good.
func (b Browser) CheckForm(purpose, token string) bool {
	want := b.FormToken(purpose)
	return want != "" && subtle.ConstantTimeCompare([]byte(want), []byte(token)) == 1
}
