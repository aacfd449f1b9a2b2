// Package signing has the keys that the registry and the provider sign, seal and find with:
// what is recorded of a key, the keyrings that find the key for a purpose and change its
// state, and authenticators, which show whether a stored record was altered. Private and
// secret keys themselves stay in a [Module].
//
// SM2 (GB/T 32918) is everywhere used with SM3 and the default user id. A
// private key is a [crypto.MessageSigner]: SM2 hashes the signer's identity
// with the message, so there is no bare digest to pass.
package signing

import "errors"

var (
	// ErrNoKey says that no such key is held, or none is active.
	ErrNoKey = errors.New("no such key")
	// ErrExists says that a key of that id is there already.
	ErrExists = errors.New("key exists already")
	// ErrConflict says that a record changed since it was read.
	ErrConflict = errors.New("key record changed since it was read")
	// ErrSealed says that a sealed value does not open: it was changed, moved to
	// another place, or sealed under another key.
	ErrSealed = errors.New("sealed value does not open")
)
