// Package jose signs and verifies what JOSE defines: tokens in compact form (JWS, RFC
// 7515), with one type of token a purpose; public keys as JSON (JWK, RFC 7517); and
// the algorithms of both, with SM2 beside the registered ones.
//
// The key decides the algorithm, never a token's header, and no reference to a key
// in a header is followed but a name or a certificate that the caller asks for.
package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"

	"yizheng.internal/signing/sm2"
)

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

// ErrKey says that a public key is of no kind used here, or not a good one of its kind.
var ErrKey = errors.New("public key is not one of SM2, P-256 or RSA")

// AlgorithmOf returns the algorithm with which a public key verifies: [SM2],
// [ES256] or [RS256]. The key decides, never a token's header. It is an error
// if the key is of another kind; if it is not a point of its curve, or the
// point at infinity; or if it is an RSA key of other than 2048 to 4096 bits, or
// with a public exponent that is even or below 65537.
func AlgorithmOf(pub crypto.PublicKey) (Algorithm, error) {
	if key, ok := pub.(*rsa.PublicKey); ok {
		if err := checkRSA(key); err != nil {
			return "", err
		}
		return RS256, nil
	}
	_, a, err := checkedKey(pub)
	return a, err
}

// signerAlgorithm is implemented by keys that were checked when they were made or
// loaded, as those of a keystore are.
type signerAlgorithm interface{ Algorithm() Algorithm }

// algorithmOf returns the algorithm of a signer's key.
func algorithmOf(s crypto.MessageSigner) (Algorithm, error) {
	if known, ok := s.(signerAlgorithm); ok {
		return known.Algorithm(), nil
	}
	return AlgorithmOf(s.Public())
}

// Sizes of an RSA key's modulus. RFC 7518 section 3.3 asks for at least 2048
// bits; whoever sends more than 4096 wants to see us compute.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// checkRSA checks the form of an RSA key: odd modulus and exponent (RFC 8017
// section 3.1) of sizes used here. Go itself allows exponents of 31 bits.
func checkRSA(key *rsa.PublicKey) error {
	switch {
	case key == nil || key.N == nil || key.N.Sign() <= 0 || key.N.BitLen() < minRSABits || key.N.BitLen() > maxRSABits:
		return fmt.Errorf("%w: an RSA modulus has %d to %d bits", ErrKey, minRSABits, maxRSABits)
	case key.N.Bit(0) == 0:
		return fmt.Errorf("%w: an RSA modulus is odd", ErrKey)
	case key.E < 65537 || key.E > 1<<31-1 || key.E%2 == 0:
		return fmt.Errorf("%w: an RSA exponent is odd, at least 65537, and of 31 bits", ErrKey)
	}
	return nil
}

// checkedKey returns a key on a curve with its algorithm after GB/T 32918.1 section 6.2
// (SEC 1 section 3.2.2): coordinates within the field, on the curve, not at
// infinity. Both curves have cofactor 1, so nothing else needs checking.
func checkedKey(pub crypto.PublicKey) (*ecdsa.PublicKey, Algorithm, error) {
	key, ok := pub.(*ecdsa.PublicKey)
	if !ok || key == nil {
		return nil, "", ErrKey
	}
	switch {
	case sm2.HasCurve(key):
		if _, err := sm2.PublicKey(key); err != nil {
			return nil, "", fmt.Errorf("%w: %w", ErrKey, err)
		}
		return key, SM2, nil
	case key.Curve == elliptic.P256():
		if _, err := key.Bytes(); err != nil {
			return nil, "", fmt.Errorf("%w: %w", ErrKey, err)
		}
		return key, ES256, nil
	}
	return nil, "", ErrKey
}

// PointOf returns a key on a curve, checked as by [AlgorithmOf], as 04 ‖ X ‖ Y, 65
// bytes. RSA keys are an error.
func PointOf(pub crypto.PublicKey) ([]byte, Algorithm, error) {
	key, a, err := checkedKey(pub)
	if err != nil {
		return nil, "", err
	}
	if a == ES256 {
		point, err := key.Bytes()
		return point, a, err
	}
	return sm2.MarshalPoint(key), a, nil
}

// parsePoint reverses PointOf. It accepts only points on the curve.
func parsePoint(a Algorithm, point []byte) (*ecdsa.PublicKey, error) {
	var pub *ecdsa.PublicKey
	var err error
	switch a {
	case SM2:
		pub, err = sm2.ParsePoint(point)
	case ES256:
		pub, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	default:
		return nil, ErrKey
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return pub, nil
}
