package signing

import (
	"crypto"
	"fmt"
	"strings"
)

// KeyID names one key of a [Module]: lower-case letters, digits and hyphens,
// at most 64. It is unique for all time and appears in JWS "kid".
type KeyID string

const maxKeyID = 64

// Check returns ErrNoKey (wrapped) for what is no id. It is called before an id is used as a
// file name.
func (id KeyID) Check() error {
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	if id == "" || len(id) > maxKeyID || strings.ContainsFunc(string(id), odd) {
		return fmt.Errorf("key id %.80q: lower-case letters, digits and hyphens, at most %d: %w", id, maxKeyID, ErrNoKey)
	}
	return nil
}

// Module keeps private and secret keys and uses them. No key ever leaves it.
// signing/keystore is a module in software; a hardware module can be another one. Each
// method returns ErrNoKey (wrapped) for an id it doesn't hold.
type Module interface {
	// Signer returns the private key of that id. It signs messages: its
	// SignMessage returns DER for SM2 and ECDSA alike, and for RSA the
	// signature of PKCS #1 v1.5, as long as the modulus.
	Signer(id KeyID) (crypto.MessageSigner, error)
	// Wrap encrypts and authenticates a short secret, binding ad to it.
	Wrap(id KeyID, secret, ad []byte) ([]byte, error)
	// Unwrap reverses Wrap; it fails if either input was changed.
	Unwrap(id KeyID, wrapped, ad []byte) ([]byte, error)
	// MAC returns HMAC-SM3 of the message under the key, 32 bytes.
	MAC(id KeyID, message []byte) ([]byte, error)
}

// WrapPlace returns the associated data of a wrapped data key, which binds it to its id.
func WrapPlace(id KeyID) []byte { return []byte("yizheng data key\x00" + string(id)) }

// SamePublicKey reports whether two public keys are equal.
func SamePublicKey(a, b crypto.PublicKey) bool {
	pub, ok := a.(interface{ Equal(crypto.PublicKey) bool }) // as crypto.PublicKey asks of every key
	return ok && pub.Equal(b)
}
