package signing

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm2"
)

// errKey says that a public key is of no kind used here, or not a point of its curve.
var errKey = errors.New("public key is not one of SM2 or P-256")

// AlgorithmOf returns the algorithm with which a public key verifies: [SM2] or
// [ES256]. The key decides, never a token's header. It is an error if the key
// is of another kind, not a point of its curve, or the point at infinity.
func AlgorithmOf(pub crypto.PublicKey) (Algorithm, error) {
	_, a, err := checkedKey(pub)
	return a, err
}

// checkedKey returns the key with its algorithm after GB/T 32918.1 section 6.2
// (SEC 1 section 3.2.2): coordinates within the field, on the curve, not at
// infinity. Both curves have cofactor 1, so nothing else needs checking.
func checkedKey(pub crypto.PublicKey) (*ecdsa.PublicKey, Algorithm, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key == nil {
		return nil, "", errKey
	}
	switch key.Curve {
	case sm2.P256():
		//lint:ignore SA1019 SM2 is not among the curves of ecdsa.PublicKey.Bytes, so its coordinates are all there is
		if x, y := key.X, key.Y; x == nil || y == nil || !key.Curve.IsOnCurve(x, y) {
			return nil, "", fmt.Errorf("%w: not a point of the SM2 curve", errKey)
		}
		return key, SM2, nil
	case elliptic.P256():
		if _, err := key.Bytes(); err != nil {
			return nil, "", fmt.Errorf("%w: %w", errKey, err)
		}
		return key, ES256, nil
	}
	return nil, "", errKey
}

// marshalPoint returns a checked key as 04 ‖ X ‖ Y, 65 bytes.
func marshalPoint(pub crypto.PublicKey) ([]byte, Algorithm, error) {
	key, a, err := checkedKey(pub)
	if err != nil {
		return nil, "", err
	}
	if a == ES256 {
		point, err := key.Bytes()
		return point, a, err
	}
	point := make([]byte, 65)
	point[0] = 4
	//lint:ignore SA1019 as in checkedKey
	key.X.FillBytes(point[1:33])
	//lint:ignore SA1019 as in checkedKey
	key.Y.FillBytes(point[33:])
	return point, a, nil
}

// parsePoint reverses marshalPoint. It accepts only points on the curve.
func parsePoint(a Algorithm, point []byte) (*ecdsa.PublicKey, error) {
	var pub *ecdsa.PublicKey
	var err error
	switch a {
	case SM2:
		pub, err = sm2.ParseUncompressedPublicKey(point)
	case ES256:
		pub, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	default:
		return nil, errKey
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errKey, err)
	}
	return pub, nil
}
