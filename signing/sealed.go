package signing

import "yizheng.internal/signing/gcm"

// A sealed value, as signing/vault makes it, is
//
//	format (1 byte) ‖ serial of the data key (4, big-endian) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//
// with SM4-GCM. The header and the place are its associated data.
const (
	// SealedHeader is how long format and serial are, in bytes.
	SealedHeader = 1 + 4
	// SealedExtra is how much longer than its contents a sealed value is, in bytes.
	SealedExtra = SealedHeader + gcm.Nonce + gcm.Tag
)

// Lookup is a lookup key: what stands in the database in place of a value that
// must be found but not read.
type Lookup struct {
	Serial int32    // of the lookup key that made it
	Sum    [32]byte // HMAC-SM3 over domain and values, each with its length
}
