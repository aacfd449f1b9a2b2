package jose

import (
	"crypto/rand"
	"fmt"

	"github.com/emmansun/gmsm/ecdh"
)

// NewHolderKey makes an SM2 key pair by which a holder proves possession (RFC
// 7800). It returns the public key, and the private one as its scalar, 32 bytes.
func NewHolderKey() (Key, []byte, error) {
	// Not sm2.GenerateKey: numbers of math/big would be made of the bytes, and
	// bytes of the numbers, and each license version needs such a key.
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, nil, fmt.Errorf("making an SM2 key pair: %w", err)
	}
	return pointJWK(CurveSM2, key.PublicKey().Bytes()), key.Bytes(), nil
}
