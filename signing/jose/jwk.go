package jose

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"

	"github.com/emmansun/gmsm/sm3"
)

// CurveP256 is the JWK "crv" value of an ES256 key (RFC 7518 section 6.2.1.1).
const CurveP256 = "P-256"

// The JWK "kty" values of the keys used here (RFC 7518 section 6.1).
const (
	keyTypeEC  = "EC"
	keyTypeRSA = "RSA"
)

// Key is a public JSON Web Key (RFC 7517) of P-256, SM2 or RSA.
type Key struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv,omitempty"` // with X and Y: EC
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
	N         string `json:"n,omitempty"` // with E: RSA
	E         string `json:"e,omitempty"`
	KeyID     string `json:"kid,omitempty"`
	Use       string `json:"use,omitempty"`
	Algorithm string `json:"alg,omitempty"`
}

// NewKey returns the JWK of a public key: kty, and crv, x and y or n and e. The
// other members are the caller's to add. It is an error if [AlgorithmOf] refuses
// the key.
func NewKey(pub crypto.PublicKey) (Key, error) {
	if key, ok := pub.(*rsa.PublicKey); ok {
		return newRSAJWK(key)
	}
	point, alg, err := PointOf(pub)
	if err != nil {
		return Key{}, err
	}
	if alg == SM2 {
		return pointJWK(CurveSM2, point), nil
	}
	return pointJWK(CurveP256, point), nil
}

// pointJWK returns the JWK of a point of a curve, 04 ‖ X ‖ Y.
func pointJWK(curve string, point []byte) Key {
	return Key{
		KeyType: keyTypeEC,
		Curve:   curve,
		X:       base64.RawURLEncoding.EncodeToString(point[1:33]),
		Y:       base64.RawURLEncoding.EncodeToString(point[33:]),
	}
}

func newRSAJWK(key *rsa.PublicKey) (Key, error) {
	if err := checkRSA(key); err != nil {
		return Key{}, err
	}
	return Key{
		KeyType: keyTypeRSA,
		N:       base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		E:       base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}, nil
}

// PublicKey returns the key, checked as by [AlgorithmOf]. Coordinates have
// exactly 32 bytes (RFC 7518 section 6.2.1.2), n and e no leading zeros
// (section 6.3.1); members of another kty may not be there, and "alg", if it
// is, must fit.
func (j Key) PublicKey() (crypto.PublicKey, error) {
	alg, err := j.algorithm()
	if err != nil {
		return nil, err
	}
	if alg == RS256 {
		return j.rsaKey()
	}
	point := []byte{4}
	for _, text := range []string{j.X, j.Y} {
		// 43 characters are 32 bytes and leave no room for skipped line breaks.
		n, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(text) != 43 || len(n) != 32 {
			return nil, fmt.Errorf("%w: a coordinate is not 32 bytes in base64url", ErrKey)
		}
		point = append(point, n...)
	}
	return parsePoint(alg, point)
}

func (j Key) rsaKey() (*rsa.PublicKey, error) {
	n, err := unsigned(j.N, maxRSABits)
	if err != nil {
		return nil, fmt.Errorf("%w: n is %w", ErrKey, err)
	}
	e, err := unsigned(j.E, 31)
	if err != nil {
		return nil, fmt.Errorf("%w: e is %w", ErrKey, err)
	}
	key := &rsa.PublicKey{N: n, E: int(e.Int64())}
	if err := checkRSA(key); err != nil {
		return nil, err
	}
	return key, nil
}

// unsigned reads a Base64urlUInt (RFC 7518 section 2) of at most so many bits.
func unsigned(text string, bits int) (*big.Int, error) {
	n, err := base64.RawURLEncoding.Strict().DecodeString(text)
	switch {
	case err != nil || len(text) != base64.RawURLEncoding.EncodedLen(len(n)): // Go skips line breaks
		return nil, errors.New("not base64url")
	case len(n) == 0 || n[0] == 0:
		return nil, errors.New("missing, or has leading zeros")
	case len(n) > (bits+7)/8:
		return nil, fmt.Errorf("larger than %d bits", bits)
	}
	return new(big.Int).SetBytes(n), nil
}

// algorithm returns what kty, crv and alg say.
func (j Key) algorithm() (Algorithm, error) {
	var alg Algorithm
	switch {
	case j.KeyType == keyTypeRSA && j.Curve == "" && j.X == "" && j.Y == "":
		alg = RS256
	case j.KeyType != keyTypeEC || j.N != "" || j.E != "":
		return "", fmt.Errorf("%w: kty is neither EC nor RSA, or the members are of both", ErrKey)
	case j.Curve == CurveP256:
		alg = ES256
	case j.Curve == CurveSM2:
		alg = SM2
	default:
		return "", fmt.Errorf("%w: crv is neither %s nor %s", ErrKey, CurveP256, CurveSM2)
	}
	if j.Algorithm != "" && j.Algorithm != string(alg) {
		return "", fmt.Errorf("%w: alg does not fit crv", ErrKey)
	}
	return alg, nil
}

// Thumbprint is the RFC 7638 thumbprint: SHA-256, base64url. SM2 keys use SM3.
// The members hashed are those of RFC 7638 section 3.2: crv, kty, x, y of an EC
// key, and so of SM2; e, kty, n of an RSA key. It is an error if the key is not
// good.
func (j Key) Thumbprint() (string, error) {
	if _, err := j.PublicKey(); err != nil {
		return "", err
	}
	// No member can hold a character that JSON escapes: crv and kty are known,
	// the others base64url.
	text := []byte(`{"crv":"` + j.Curve + `","kty":"EC","x":"` + j.X + `","y":"` + j.Y + `"}`)
	if j.KeyType == keyTypeRSA {
		text = []byte(`{"e":"` + j.E + `","kty":"RSA","n":"` + j.N + `"}`)
	}
	var sum [32]byte
	if j.Curve == CurveSM2 {
		sum = sm3.Sum(text)
	} else {
		sum = sha256.Sum256(text)
	}
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
