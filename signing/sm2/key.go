package sm2

import (
	"crypto"
	"crypto/ecdsa"
	"errors"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
)

// ErrKey says that a public key is not a good one of SM2.
var ErrKey = errors.New("not a point of the SM2 curve")

// HasCurve reports whether a public key claims to be one of SM2. [PublicKey] checks whether it
// is a good one.
func HasCurve(pub *ecdsa.PublicKey) bool { return pub.Curve == sm2.P256() }

// PublicKey returns pub as a key of SM2, checked after GB/T 32918.1 section 6.2:
// coordinates within the field, on the curve, not at infinity. The curve has
// cofactor 1, so nothing else needs checking. For a bad key it returns ErrKey.
func PublicKey(pub crypto.PublicKey) (*ecdsa.PublicKey, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key == nil || !HasCurve(key) {
		return nil, ErrKey
	}
	//lint:ignore SA1019 SM2 is not among the curves of ecdsa.PublicKey.Bytes, so its coordinates are all there is
	if x, y := key.X, key.Y; x == nil || y == nil || !key.Curve.IsOnCurve(x, y) {
		return nil, ErrKey
	}
	return key, nil
}

// MarshalPoint returns a checked key as 04 ‖ X ‖ Y, 65 bytes.
func MarshalPoint(key *ecdsa.PublicKey) []byte {
	point := make([]byte, 65)
	point[0] = 4
	//lint:ignore SA1019 as in PublicKey
	key.X.FillBytes(point[1:33])
	//lint:ignore SA1019 as in PublicKey
	key.Y.FillBytes(point[33:])
	return point
}

// ParsePoint reverses [MarshalPoint]. It accepts only points on the curve.
func ParsePoint(point []byte) (*ecdsa.PublicKey, error) {
	return sm2.ParseUncompressedPublicKey(point)
}

// Digest returns e = SM3(ZA ‖ message) with the default user id (GB/T 32918.2
// section 5.5). The library caches ZA of keys that are in use, but its functions that
// take a message compute ZA each time.
func Digest(pub *ecdsa.PublicKey, message []byte) ([]byte, error) {
	za, err := sm2.CalculateZA(pub, nil)
	if err != nil {
		return nil, err
	}
	h := sm3.New()
	h.Write(za)
	h.Write(message)
	return h.Sum(nil), nil
}
