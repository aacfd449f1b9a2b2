// Package keystore keeps private and secret keys in a directory, each in an encrypted file, and uses them. It is a
// [signing.Module] in software. The files are encrypted under keys that come from a passphrase, which was generated
// or typed. No key leaves the package, and none can be printed.
package keystore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/emmansun/gmsm/sm2"

	"yizheng.internal/signing"
	"yizheng.internal/signing/durable"
	"yizheng.internal/signing/gcm"
	"yizheng.internal/signing/jose"
)

// Keystore is a [signing.Module] in software: a directory with one file a key, each
// encrypted under the passphrase. Asymmetric keys are PKCS#8 with SM4; another
// process may add keys while this one runs. Safe for concurrent use.
type Keystore struct {
	dir  string
	key  []byte   // the key files' keys are derived from it
	keys sync.Map // KeyID → heldKey: read once, as key files never change
}

// ErrPassphrase says that a passphrase does not open the keystore.
var ErrPassphrase = errors.New("wrong passphrase")

// Create makes an empty keystore in a directory. If there is one already, it returns
// ErrExists (wrapped). With a passphrase of GeneratePassphrase opening it is fast; any other
// passphrase must have at least 12 bytes, and goes through scrypt.
func Create(dir string, passphrase []byte) (*Keystore, error) {
	return create(dir, passphrase, typedCost)
}

func create(dir string, passphrase []byte, typed kdf) (*Keystore, error) {
	m, key, err := newManifest(passphrase, typed)
	if err != nil {
		return nil, fmt.Errorf("making the keystore %s: %w", dir, err)
	}
	b, err := m.marshal()
	if err != nil {
		return nil, fmt.Errorf("making the keystore %s: %w", dir, err)
	}
	if err := durable.MakeDir(dir); err != nil {
		return nil, fmt.Errorf("making the keystore: %w", err)
	}
	err = durable.Create(filepath.Join(dir, ManifestName), b)
	if errors.Is(err, fs.ErrExist) {
		err = signing.ErrExists
	}
	if err != nil {
		return nil, fmt.Errorf("making the keystore %s: %w", dir, err)
	}
	return &Keystore{dir: dir, key: key}, nil
}

// Open opens a keystore. It returns ErrPassphrase (wrapped) when the
// passphrase is not the one it was made with.
func Open(dir string, passphrase []byte) (*Keystore, error) {
	b, err := durable.Read(filepath.Join(dir, ManifestName), maxManifest)
	if err != nil {
		return nil, fmt.Errorf("opening the keystore: %w", err)
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("opening the keystore: %s: %w", filepath.Join(dir, ManifestName), err)
	}
	key, err := m.open(passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening the keystore %s: %w", dir, err)
	}
	return &Keystore{dir: dir, key: key}, nil
}

// Format implements [fmt.Formatter], so that no key can be printed by accident.
func (k *Keystore) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, "keystore "+k.dir)
}

// MarshalText implements [encoding.TextMarshaler] for the same reason.
func (k *Keystore) MarshalText() ([]byte, error) { return []byte("keystore " + k.dir), nil }

// newRSABits is the size of RSA keys made here, which RFC 7518 section 3.3 asks for and NIST
// SP 800-57 allows until 2030. The keys sign tokens that are valid for minutes, and are
// rotated yearly. With 3072 bits a signature would take 3.2 ms instead of 1.0.
const newRSABits = 2048

// GenerateSigner makes a key pair and returns its public key. The private key is on disk
// then. It returns ErrExists (wrapped) if the id is taken.
func (k *Keystore) GenerateSigner(id signing.KeyID, a jose.Algorithm) (crypto.PublicKey, error) {
	var private any
	var signer crypto.MessageSigner
	switch a {
	case jose.SM2:
		key, err := sm2.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("making key %s: %w", id, err)
		}
		private, signer = key, &sm2Signer{key}
	case jose.ES256:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("making key %s: %w", id, err)
		}
		private, signer = key, &es256Signer{key}
	case jose.RS256:
		key, err := rsa.GenerateKey(rand.Reader, newRSABits)
		if err != nil {
			return nil, fmt.Errorf("making key %s: %w", id, err)
		}
		private, signer = key, &rs256Signer{key}
	default:
		return nil, fmt.Errorf("making key %s: algorithm %q is not known here", id, a)
	}
	file, err := encodePrivateKey(k.key, id, private)
	if err != nil {
		return nil, fmt.Errorf("making key %s: %w", id, err)
	}
	if err := k.save(id, file, heldKey{signer: signer}); err != nil {
		return nil, err
	}
	return signer.Public(), nil
}

// GenerateSecret makes a 256-bit secret for Wrap and MAC. It returns ErrExists (wrapped) if
// the id is taken.
func (k *Keystore) GenerateSecret(id signing.KeyID) error {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	held, err := newSecretKey(secret)
	if err != nil {
		return fmt.Errorf("making secret %s: %w", id, err)
	}
	file, err := encodeSecret(k.key, id, secret)
	if err != nil {
		return fmt.Errorf("making secret %s: %w", id, err)
	}
	return k.save(id, file, heldKey{secret: held})
}

func (k *Keystore) save(id signing.KeyID, file []byte, held heldKey) error {
	if err := id.Check(); err != nil {
		return err
	}
	err := durable.Create(k.path(id), file)
	if errors.Is(err, fs.ErrExist) {
		err = signing.ErrExists
	}
	if err != nil {
		return fmt.Errorf("saving key %s: %w", id, err)
	}
	k.keys.Store(id, held)
	return nil
}

// Signer implements [signing.Module].
func (k *Keystore) Signer(id signing.KeyID) (crypto.MessageSigner, error) {
	held, err := k.load(id)
	if err != nil {
		return nil, err
	}
	if held.signer == nil {
		return nil, fmt.Errorf("key %s is a secret and signs nothing: %w", id, signing.ErrNoKey)
	}
	return held.signer, nil
}

const wrapFormat = 1

// Wrap implements [signing.Module] with SM4-GCM under a random nonce.
func (k *Keystore) Wrap(id signing.KeyID, secret, ad []byte) ([]byte, error) {
	s, err := k.secret(id)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(s.wrap, []byte{wrapFormat}, secret, wrapData(id, ad)), nil
}

// Unwrap implements [signing.Module]. What does not open is ErrSealed (wrapped).
func (k *Keystore) Unwrap(id signing.KeyID, wrapped, ad []byte) ([]byte, error) {
	s, err := k.secret(id)
	if err != nil {
		return nil, err
	}
	if len(wrapped) == 0 || wrapped[0] != wrapFormat {
		return nil, fmt.Errorf("unwrapping with key %s: %w", id, signing.ErrSealed)
	}
	secret, ok := gcm.Open(s.wrap, wrapped[1:], wrapData(id, ad))
	if !ok {
		return nil, fmt.Errorf("unwrapping with key %s: %w", id, signing.ErrSealed)
	}
	return secret, nil
}

func wrapData(id signing.KeyID, ad []byte) []byte {
	return gcm.AppendParts([]byte{wrapFormat}, []byte(id), ad)
}

// MAC implements [signing.Module].
func (k *Keystore) MAC(id signing.KeyID, message []byte) ([]byte, error) {
	s, err := k.secret(id)
	if err != nil {
		return nil, err
	}
	return s.mac(message), nil
}

func (k *Keystore) secret(id signing.KeyID) (*secretKey, error) {
	held, err := k.load(id)
	if err != nil {
		return nil, err
	}
	if held.secret == nil {
		return nil, fmt.Errorf("key %s is a signing key and no secret: %w", id, signing.ErrNoKey)
	}
	return held.secret, nil
}

// load returns a key from memory or, the first time, from its file.
func (k *Keystore) load(id signing.KeyID) (heldKey, error) {
	if held, ok := k.keys.Load(id); ok {
		return held.(heldKey), nil
	}
	if err := id.Check(); err != nil {
		return heldKey{}, err
	}
	file, err := durable.Read(k.path(id), maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return heldKey{}, fmt.Errorf("key %s is not in keystore %s: %w", id, k.dir, signing.ErrNoKey)
	}
	if err != nil {
		return heldKey{}, fmt.Errorf("loading key %s: %w", id, err)
	}
	held, err := decodeKeyFile(k.key, id, file)
	if err != nil {
		return heldKey{}, fmt.Errorf("loading %s: %w", k.path(id), err)
	}
	actual, _ := k.keys.LoadOrStore(id, held)
	return actual.(heldKey), nil
}

func (k *Keystore) path(id signing.KeyID) string { return filepath.Join(k.dir, string(id)+".key") }
