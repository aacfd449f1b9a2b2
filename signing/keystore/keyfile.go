package keystore

import (
	"bytes"
	"crypto"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/pkcs"
	"github.com/emmansun/gmsm/pkcs8"
	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/sm3"

	"yizheng.internal/signing"
	"yizheng.internal/signing/gcm"
	"yizheng.internal/signing/jose"
)

// A key file is one PEM block: PKCS#8 EncryptedPrivateKeyInfo (RFC 5958) for a
// private key, or a sealed secret. Each is encrypted under a key of its own,
// derived from the keystore's key and the key's id: a file renamed to another
// id does not open.
const (
	pemPrivateKey = "ENCRYPTED PRIVATE KEY"
	pemSecret     = "YIZHENG SEALED SECRET"
	maxKeyFile    = 8 << 10 // bytes; a real one has about 500, or 1,900 for RSA
)

// keyEncryption is PBES2 with PBKDF2-HMAC-SM3 and SM4-GCM. One iteration is
// right here: what goes in is no passphrase but 256 derived bits, and slowness
// protects only what can be guessed. It keeps a thousand keys loading in no time.
var keyEncryption = pkcs.NewPBESEncrypter(pkcs.SM4GCM, pkcs.NewPBKDF2Opts(pkcs.SM3, 16, keyIterations))

const keyIterations = 1

var errKeyFile = errors.New("key file is damaged, or belongs to another key or keystore")

// fileKey derives the key of one key file.
func fileKey(storeKey []byte, id signing.KeyID, kind string) ([]byte, error) {
	return hkdf.Key(sm3.New, storeKey, nil, "yizheng keystore v1 file\x00"+kind+"\x00"+string(id), 32)
}

func encodePrivateKey(storeKey []byte, id signing.KeyID, private any) ([]byte, error) {
	key, err := fileKey(storeKey, id, pemPrivateKey)
	if err != nil {
		return nil, err
	}
	der, err := pkcs8.MarshalPrivateKey(private, key, keyEncryption)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der}), nil
}

func encodeSecret(storeKey []byte, id signing.KeyID, secret []byte) ([]byte, error) {
	aead, err := secretFileCipher(storeKey, id)
	if err != nil {
		return nil, err
	}
	sealed := gcm.Seal(aead, nil, secret, []byte(id))
	return pem.EncodeToMemory(&pem.Block{Type: pemSecret, Bytes: sealed}), nil
}

// heldKey is what a key file holds: one of the two.
type heldKey struct {
	signer crypto.MessageSigner
	secret *secretKey
}

// decodeKeyFile opens a key file's bytes.
func decodeKeyFile(storeKey []byte, id signing.KeyID, file []byte) (heldKey, error) {
	if len(file) > maxKeyFile {
		return heldKey{}, fmt.Errorf("key file holds more than %d bytes", maxKeyFile)
	}
	block, rest := pem.Decode(file)
	if block == nil || len(rest) != 0 || len(block.Headers) != 0 || !bytes.HasPrefix(file, []byte("-----BEGIN")) {
		return heldKey{}, errKeyFile
	}
	switch block.Type {
	case pemPrivateKey:
		signer, err := decodePrivateKey(storeKey, id, block.Bytes)
		return heldKey{signer: signer}, err
	case pemSecret:
		aead, err := secretFileCipher(storeKey, id)
		if err != nil {
			return heldKey{}, err
		}
		secret, ok := gcm.Open(aead, block.Bytes, []byte(id))
		if !ok {
			return heldKey{}, errKeyFile
		}
		s, err := newSecretKey(secret)
		return heldKey{secret: s}, err
	}
	return heldKey{}, errKeyFile
}

func secretFileCipher(storeKey []byte, id signing.KeyID) (cipher.AEAD, error) {
	key, err := fileKey(storeKey, id, pemSecret)
	if err != nil {
		return nil, err
	}
	return gcm.New(key[:16])
}

func decodePrivateKey(storeKey []byte, id signing.KeyID, der []byte) (_ crypto.MessageSigner, err error) {
	// The library's parser panics on some inputs (v0.44.0). What it panics with
	// is left out: it could hold a piece of the key.
	defer func() {
		if recover() != nil {
			err = errKeyFile
		}
	}()
	if err := checkKeyEncryption(der); err != nil {
		return nil, err
	}
	key, err := fileKey(storeKey, id, pemPrivateKey)
	if err != nil {
		return nil, err
	}
	private, err := pkcs8.ParsePKCS8PrivateKey(der, key)
	if err != nil {
		return nil, errKeyFile
	}
	switch k := private.(type) {
	case *sm2.PrivateKey:
		return &sm2Signer{k}, nil
	case *ecdsa.PrivateKey:
		if k.Curve == elliptic.P256() {
			return &es256Signer{k}, nil
		}
	case *rsa.PrivateKey:
		if _, err := jose.AlgorithmOf(&k.PublicKey); err == nil && len(k.Primes) == 2 {
			return &rs256Signer{k}, nil
		}
	}
	return nil, fmt.Errorf("key file holds a %T, which is not used here", private)
}

var (
	oidPBES2   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidHMACSM3 = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 401, 2}
	oidSM4GCM  = asn1.ObjectIdentifier{1, 2, 156, 10197, 1, 104, 8}
)

// encryptedKey is PKCS#8's EncryptedPrivateKeyInfo as keyEncryption makes it:
// PBES2 (RFC 8018 appendix A.4) with PBKDF2 and SM4-GCM (parameters of RFC 5084).
type encryptedKey struct {
	Algorithm struct {
		ID     asn1.ObjectIdentifier
		Params struct {
			KDF struct {
				ID     asn1.ObjectIdentifier
				Params struct {
					Salt       []byte
					Iterations int
					KeyLength  int
					PRF        struct {
						ID     asn1.ObjectIdentifier
						Params asn1.RawValue // NULL
					}
				}
			}
			Cipher struct {
				ID     asn1.ObjectIdentifier
				Params struct {
					Nonce []byte
					Tag   int
				}
			}
		}
	}
	Data []byte
}

// checkKeyEncryption reports whether a PKCS#8 file is encrypted exactly as
// keyEncryption does it. The library would follow whatever the file says, also
// a billion iterations.
func checkKeyEncryption(der []byte) error {
	var k encryptedKey
	if rest, err := asn1.Unmarshal(der, &k); err != nil || len(rest) != 0 {
		return errKeyFile
	}
	kdf, cipher := k.Algorithm.Params.KDF, k.Algorithm.Params.Cipher
	if !k.Algorithm.ID.Equal(oidPBES2) || !kdf.ID.Equal(oidPBKDF2) ||
		!kdf.Params.PRF.ID.Equal(oidHMACSM3) || !bytes.Equal(kdf.Params.PRF.Params.FullBytes, asn1.NullBytes) ||
		len(kdf.Params.Salt) != 16 || kdf.Params.Iterations != keyIterations || kdf.Params.KeyLength != 16 ||
		!cipher.ID.Equal(oidSM4GCM) || len(cipher.Params.Nonce) != gcm.Nonce || cipher.Params.Tag != gcm.Tag {
		return errKeyFile
	}
	return nil
}
