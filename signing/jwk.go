package signing

import "crypto"

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

// NewJWK returns the JWK of a public key.
func NewJWK(pub crypto.PublicKey) (JWK, error) { return JWK{}, errUnbuilt }

// PublicKey returns the key, checked to be a point on its curve and not at infinity.
func (j JWK) PublicKey() (crypto.PublicKey, error) { return nil, errUnbuilt }

// Thumbprint is the RFC 7638 thumbprint: SHA-256, base64url. SM2 keys use SM3.
func (j JWK) Thumbprint() (string, error) { return "", errUnbuilt }
