package keystore

import (
	"crypto"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	gmsm "github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/signing/gcm"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/sm2"
)

var (
	errDigest  = errors.New("this key signs messages, not digests: use crypto.SignMessage")
	errOptions = errors.New("this key takes no other hash or user id")
	errEmpty   = errors.New("nothing to sign: the message is empty")
)

// sm2Signer signs with SM2, SM3 and the default user id (GB/T 35276), always
// over the message: the hash begins with the signer's identity Z.
type sm2Signer struct{ key *gmsm.PrivateKey }

func (s *sm2Signer) Public() crypto.PublicKey { return &s.key.PublicKey }

// Sign is there because [crypto.MessageSigner] asks for it, and refuses.
func (s *sm2Signer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errDigest
}

// SignMessage returns the DER of GB/T 35276. The options may be nil, no hash,
// or those that smx509 passes when it makes a certificate.
func (s *sm2Signer) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	switch o := opts.(type) {
	case nil:
	case *gmsm.SM2SignerOption:
		if o != gmsm.DefaultSM2SignerOpts { // it may name another user id, and won't say
			return nil, errOptions
		}
	default:
		if o.HashFunc() != 0 {
			return nil, errOptions
		}
	}
	if len(message) == 0 {
		return nil, errEmpty
	}
	e, err := sm2.Digest(&s.key.PublicKey, message)
	if err != nil {
		return nil, err
	}
	return s.key.Sign(orSystem(random), e, nil)
}

// es256Signer signs with ECDSA, P-256 and SHA-256 (RFC 7518 section 3.4).
type es256Signer struct{ key *ecdsa.PrivateKey }

func (s *es256Signer) Public() crypto.PublicKey { return &s.key.PublicKey }

// Sign is there because [crypto.MessageSigner] asks for it, and refuses.
func (s *es256Signer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errDigest
}

// SignMessage returns an ASN.1 ECDSA signature of the message's SHA-256. The
// options may be nil or crypto.SHA256.
func (s *es256Signer) SignMessage(random io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts != nil && opts.HashFunc() != crypto.SHA256 {
		return nil, errOptions
	}
	sum := sha256.Sum256(message)
	return ecdsa.SignASN1(orSystem(random), s.key, sum[:])
}

// rs256Signer signs with RSASSA-PKCS1-v1_5 and SHA-256 (RFC 7518 section 3.3).
type rs256Signer struct{ key *rsa.PrivateKey }

func (s *rs256Signer) Public() crypto.PublicKey { return &s.key.PublicKey }

// Sign is there because [crypto.MessageSigner] asks for it, and refuses.
func (s *rs256Signer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errDigest
}

// SignMessage returns the signature of the message's SHA-256, as long as the
// modulus. The options may be nil or crypto.SHA256, and never those of PSS. Go
// checks the result before it is returned: a fault in one half of the
// computation by the Chinese remainder theorem would give the key away.
func (s *rs256Signer) SignMessage(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	if hash, ok := opts.(crypto.Hash); opts != nil && (!ok || hash != crypto.SHA256) {
		return nil, errOptions
	}
	sum := sha256.Sum256(message)
	return rsa.SignPKCS1v15(nil, s.key, crypto.SHA256, sum[:]) // nothing in it is random
}

// orSystem returns r, or the system's randomness if r is nil. With a nil reader the
// libraries would sign without randomness.
func orSystem(r io.Reader) io.Reader {
	if r == nil {
		return rand.Reader
	}
	return r
}

// Algorithm tells jose with which algorithm the key signs, which was checked when it was
// loaded.
func (*sm2Signer) Algorithm() jose.Algorithm   { return jose.SM2 }
func (*es256Signer) Algorithm() jose.Algorithm { return jose.ES256 }
func (*rs256Signer) Algorithm() jose.Algorithm { return jose.RS256 }

func (s *sm2Signer) Format(f fmt.State, _ rune)     { printSecret(f) }
func (s *es256Signer) Format(f fmt.State, _ rune)   { printSecret(f) }
func (s *rs256Signer) Format(f fmt.State, _ rune)   { printSecret(f) }
func (s *secretKey) Format(f fmt.State, _ rune)     { printSecret(f) }
func (s *sm2Signer) MarshalText() ([]byte, error)   { return []byte(secretText), nil }
func (s *es256Signer) MarshalText() ([]byte, error) { return []byte(secretText), nil }
func (s *rs256Signer) MarshalText() ([]byte, error) { return []byte(secretText), nil }
func (s *secretKey) MarshalText() ([]byte, error)   { return []byte(secretText), nil }

// secretKey is a 256-bit secret for MAC and Wrap.
type secretKey struct {
	wrap cipher.AEAD
	macs sync.Pool // of hash.Hash: HMAC-SM3 with the key already absorbed
}

// newSecretKey uses the secret itself as the HMAC key. The SM4 key is derived from it, so
// that neither use can be turned against the other.
func newSecretKey(secret []byte) (*secretKey, error) {
	if len(secret) != 32 {
		return nil, fmt.Errorf("secret has %d bytes, not 32", len(secret))
	}
	wrap, err := hkdf.Key(sm3.New, secret, nil, "yizheng wrap v1", 16)
	if err != nil {
		return nil, err
	}
	s := new(secretKey)
	if s.wrap, err = gcm.New(wrap); err != nil {
		return nil, err
	}
	key := append([]byte(nil), secret...)
	s.macs.New = func() any { return hmac.New(sm3.New, key) }
	return s, nil
}

func (s *secretKey) mac(message []byte) []byte {
	h := s.macs.Get().(hash.Hash)
	defer s.macs.Put(h)
	h.Reset()
	h.Write(message)
	return h.Sum(make([]byte, 0, sm3.Size))
}
