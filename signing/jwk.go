package signing

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// CurveP256 is the JWK "crv" value of an ES256 key (RFC 7518 section 6.2.1.1).
const CurveP256 = "P-256"

// JWK is a public JSON Web Key (RFC 7517) of P-256 or SM2.
type JWK struct {
	KeyType   string   `json:"kty"`
	Curve     string   `json:"crv"`
	X         string   `json:"x"`
	Y         string   `json:"y"`
	KeyID     string   `json:"kid,omitempty"`
	Use       string   `json:"use,omitempty"`
	Algorithm string   `json:"alg,omitempty"`
	X5C       []string `json:"x5c,omitempty"`
}

// NewJWK returns the JWK of a public key: kty, crv, x and y. The other members
// are the caller's to add. It is an error if the key is not of SM2 or P-256.
func NewJWK(pub crypto.PublicKey) (JWK, error) {
	point, alg, err := marshalPoint(pub)
	if err != nil {
		return JWK{}, err
	}
	j := JWK{
		KeyType: "EC",
		Curve:   CurveP256,
		X:       base64.RawURLEncoding.EncodeToString(point[1:33]),
		Y:       base64.RawURLEncoding.EncodeToString(point[33:]),
	}
	if alg == SM2 {
		j.Curve = CurveSM2
	}
	return j, nil
}

// ParseJWK reads a JWK of at most 16 KiB as strict JSON: no duplicate names,
// nothing behind it. Members it doesn't know are ignored (RFC 7517 section 4),
// but a private key is refused: whoever sends one gave it away. Whether the key
// is good is for [JWK.PublicKey] to say.
func ParseJWK(data []byte) (JWK, error) {
	if len(data) > 16<<10 {
		return JWK{}, errors.New("JWK is larger than 16 KiB")
	}
	var in struct {
		JWK
		D jsontext.Value `json:"d"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return JWK{}, fmt.Errorf("JWK: %w", err)
	}
	if in.D != nil {
		return JWK{}, errors.New("JWK holds a private key")
	}
	return in.JWK, nil
}

// PublicKey returns the key, checked to be a point on its curve and not at
// infinity. Coordinates have exactly 32 bytes (RFC 7518 section 6.2.1.2); "alg",
// if there, must fit. "x5c" is not looked at.
func (j JWK) PublicKey() (crypto.PublicKey, error) {
	alg, err := j.algorithm()
	if err != nil {
		return nil, err
	}
	point := []byte{4}
	for _, text := range []string{j.X, j.Y} {
		// 43 characters are 32 bytes and leave no room for skipped line breaks.
		n, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err != nil || len(text) != 43 || len(n) != 32 {
			return nil, fmt.Errorf("%w: a coordinate is not 32 bytes in base64url", errKey)
		}
		point = append(point, n...)
	}
	return parsePoint(alg, point)
}

// algorithm returns what kty, crv and alg say.
func (j JWK) algorithm() (Algorithm, error) {
	var alg Algorithm
	switch {
	case j.KeyType != "EC":
		return "", fmt.Errorf("%w: kty is not EC", errKey)
	case j.Curve == CurveP256:
		alg = ES256
	case j.Curve == CurveSM2:
		alg = SM2
	default:
		return "", fmt.Errorf("%w: crv is neither %s nor %s", errKey, CurveP256, CurveSM2)
	}
	if j.Algorithm != "" && j.Algorithm != string(alg) {
		return "", fmt.Errorf("%w: alg does not fit crv", errKey)
	}
	return alg, nil
}

// Thumbprint is the RFC 7638 thumbprint: SHA-256, base64url. SM2 keys use SM3.
// The members hashed are, for both, those of an EC key in RFC 7638 section 3.2:
// crv, kty, x, y. It is an error if the key is not good.
func (j JWK) Thumbprint() (string, error) {
	if _, err := j.PublicKey(); err != nil {
		return "", err
	}
	// No member can hold a character that JSON escapes: crv and kty are known
	// and x and y are base64url.
	text := []byte(`{"crv":"` + j.Curve + `","kty":"EC","x":"` + j.X + `","y":"` + j.Y + `"}`)
	var sum [32]byte
	if j.Curve == CurveSM2 {
		sum = sm3.Sum(text)
	} else {
		sum = sha256.Sum256(text)
	}
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
