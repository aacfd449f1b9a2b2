// Package signing holds what the registry and the provider sign, seal and
// verify with: keys and the module that keeps them, certificates and the root
// that makes them, keyrings, JWS and JWK, sealed columns and lookup keys.
//
// SM2 (GB/T 32918) is everywhere used with SM3 and the default user id. A
// private key is a [crypto.MessageSigner]: SM2 hashes the signer's identity
// with the message, so there is no bare digest to pass.
package signing

import "errors"

// Algorithm names a signature algorithm by its JWS "alg" value.
type Algorithm string

const (
	// SM2 is SM2 with SM3 and the default user id. IANA has registered no
	// name, so it is the URN of the algorithm's OID: private, but nobody
	// else's. The signature is r ‖ s, 64 bytes, over the JWS signing input.
	SM2 Algorithm = "urn:oid:1.2.156.10197.1.501"
	// ES256 is ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
	ES256 Algorithm = "ES256"
	// RS256 is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3): what
	// OpenID Connect has every relying party know, and for nothing else here.
	RS256 Algorithm = "RS256"
)

// CurveSM2 is the JWK "crv" value of an SM2 key, whose "kty" is EC.
const CurveSM2 = "urn:oid:1.2.156.10197.1.301"

var (
	// ErrNoKey says that no such key is held, or none is active.
	ErrNoKey = errors.New("no such key")
	// ErrExists says that a key of that id is there already.
	ErrExists = errors.New("key exists already")
	// ErrConflict says that a record changed since it was read.
	ErrConflict = errors.New("key record changed since it was read")
	// ErrPassphrase says that a passphrase does not open the keystore.
	ErrPassphrase = errors.New("wrong passphrase")
)
