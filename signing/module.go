package signing

import "crypto"

// KeyID names one key of a [Module]: lower-case letters, digits and hyphens,
// at most 64. It is unique for all time and appears in JWS "kid".
type KeyID string

// Module keeps private and secret keys and uses them; none ever leaves it. A
// [Keystore] is the one in software; a hardware module can be the other. Each
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
