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

// IsHandle reports whether the secret has the form of NewHandle, so that what
// can't be one isn't looked up.
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

// HandleHash is the SHA-256 of a handle, under which it is kept.
type HandleHash [sha256.Size]byte

// Hash returns the SHA-256 of the secret as that of a handle.
func (s Secret) Hash() HandleHash { return sha256.Sum256([]byte(s.text)) }

// String returns the hash as 43 characters of base64url.
func (h HandleHash) String() string { return base64.RawURLEncoding.EncodeToString(h[:]) }

// Derive returns the HMAC-SHA-256 of a use and its parts under a random key of
// 256 bits, as 43 characters of base64url.
func Derive(key, use string, parts ...string) string {
	return DeriveUnder(hmac.New(sha256.New, []byte(key)), use, parts...)
}

// DeriveUnder is Derive with an HMAC-SHA-256 that nothing was written to.
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

// FormToken returns what a form carries so that no other site can send it: bound
// to the browser, the session and the form's purpose, such as "login" or
// "logout". Without a browser cookie there is none: "".
//
// It is a MAC under the two cookies themselves, which no other site can read: so
// every node makes the same one and none is kept. Who can plant a browser cookie
// still doesn't know the session's.
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
