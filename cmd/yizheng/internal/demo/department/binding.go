package department

import (
	"crypto/ecdsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"
)

// Names of the credential profile.
const (
	algorithmSM2 = "urn:oid:1.2.156.10197.1.501"
	curveSM2     = "urn:oid:1.2.156.10197.1.301"
)

// maxCredential bounds a credential, in bytes.
const maxCredential = 256 << 10

// Times of a key binding: how old it may be, and by how much clocks may differ.
const (
	bindingAge  = 5 * time.Minute
	bindingSkew = time.Minute
)

// checkBinding checks the key binding JWT at the end of a credential (RFC 9901
// section 7.3): signed by the key that the credential names, for this audience
// and nonce, over exactly what was released. Whether the credential itself is
// genuine is another question: without that, this one means nothing.
func checkBinding(credential, audience, nonce string) error {
	if len(credential) > maxCredential {
		return errors.New("the credential is too long")
	}
	end := strings.LastIndexByte(credential, '~') + 1
	released, binding := credential[:end], credential[end:]
	if end == 0 || binding == "" {
		return errors.New("the credential has no key binding")
	}
	jws, _, _ := strings.Cut(released, "~")
	var claims struct {
		HashAlgorithm string `json:"_sd_alg"`
		Confirmation  struct {
			Key jwk `json:"jwk"`
		} `json:"cnf"`
	}
	if _, err := decodeJWS(jws, nil, &claims); err != nil {
		return fmt.Errorf("the credential: %w", err)
	}
	if claims.HashAlgorithm != "sm3" {
		return errors.New("the credential's digests are not SM3")
	}
	key, err := claims.Confirmation.Key.public()
	if err != nil {
		return err
	}
	var header struct {
		Type      string `json:"typ"`
		Algorithm string `json:"alg"`
		Critical  any    `json:"crit"`
	}
	var bound struct {
		Audience string  `json:"aud"`
		Nonce    string  `json:"nonce"`
		Hash     string  `json:"sd_hash"`
		IssuedAt float64 `json:"iat"`
	}
	signature, err := decodeJWS(binding, &header, &bound)
	if err != nil {
		return fmt.Errorf("the key binding: %w", err)
	}
	digest := sm3.Sum([]byte(released))
	signed := binding[:strings.LastIndexByte(binding, '.')]
	age := time.Since(time.Unix(int64(bound.IssuedAt), 0))
	switch {
	case header.Type != "kb+jwt" || header.Algorithm != algorithmSM2 || header.Critical != nil:
		return errors.New("the key binding is of another kind")
	case bound.Audience != audience:
		return errors.New("the key binding is for another audience")
	case bound.Nonce != nonce:
		return errors.New("the key binding is for another nonce")
	case bound.Hash != base64.RawURLEncoding.EncodeToString(digest[:]):
		return errors.New("the key binding is over another release")
	case age > bindingAge || age < -bindingSkew:
		return errors.New("the key binding is not of now")
	case !verifySM2(key, []byte(signed), signature):
		return errors.New("the key binding's signature is wrong")
	}
	return nil
}

// decodeJWS decodes a compact JWS and returns its signature, unverified.
func decodeJWS(text string, header, claims any) (signature []byte, err error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a compact JWS")
	}
	for i, to := range []any{header, claims} {
		part, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		if to == nil {
			continue
		}
		if err := json.Unmarshal(part, to); err != nil {
			return nil, err
		}
	}
	return base64.RawURLEncoding.Strict().DecodeString(parts[2])
}

// jwk is a public SM2 key.
type jwk struct {
	Type  string `json:"kty"`
	Curve string `json:"crv"`
	X     string `json:"x"`
	Y     string `json:"y"`
}

func (k jwk) public() (*ecdsa.PublicKey, error) {
	x, errX := base64.RawURLEncoding.DecodeString(k.X)
	y, errY := base64.RawURLEncoding.DecodeString(k.Y)
	if k.Type != "EC" || k.Curve != curveSM2 || errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		return nil, errors.New("the credential names no SM2 key")
	}
	return sm2.NewPublicKey(append(append([]byte{4}, x...), y...)) // which must be a point of the curve
}

// verifySM2 verifies r ‖ s over a message, with the default user id.
func verifySM2(key *ecdsa.PublicKey, message, signature []byte) bool {
	if len(signature) != 64 {
		return false
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])})
	return err == nil && sm2.VerifyASN1WithSM2(key, nil, message, der)
}
