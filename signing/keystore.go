package signing

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
	"strings"
	"sync"

	"github.com/emmansun/gmsm/sm2"

	"yizheng.internal/signing/jose"
)

// Keystore is a [Module] in software: a directory with one file a key, each
// encrypted under the passphrase. Asymmetric keys are PKCS#8 with SM4; another
// process may add keys while this one runs. Safe for concurrent use.
type Keystore struct {
	dir  string
	key  []byte   // the key files' keys are derived from it
	keys sync.Map // KeyID → heldKey: read once, as key files never change
}

// CreateKeystore makes an empty keystore in a directory that must not hold one
// (else ErrExists, wrapped). A passphrase of GeneratePassphrase opens it at
// once; any other one, of at least 12 bytes, goes through scrypt.
func CreateKeystore(dir string, passphrase []byte) (*Keystore, error) {
	return createKeystore(dir, passphrase, typedCost)
}

func createKeystore(dir string, passphrase []byte, typed kdf) (*Keystore, error) {
	m, key, err := newManifest(passphrase, typed)
	if err != nil {
		return nil, fmt.Errorf("making the keystore %s: %w", dir, err)
	}
	b, err := m.marshal()
	if err != nil {
		return nil, fmt.Errorf("making the keystore %s: %w", dir, err)
	}
	if err := makeDir(dir); err != nil {
		return nil, fmt.Errorf("making the keystore: %w", err)
	}
	err = createFile(filepath.Join(dir, manifestName), b)
	if errors.Is(err, fs.ErrExist) {
		err = ErrExists
	}
	if err != nil {
		return nil, fmt.Errorf("making the keystore %s: %w", dir, err)
	}
	return &Keystore{dir: dir, key: key}, nil
}

// OpenKeystore opens a keystore. It returns ErrPassphrase (wrapped) when the
// passphrase is not the one it was made with.
func OpenKeystore(dir string, passphrase []byte) (*Keystore, error) {
	b, err := readFile(filepath.Join(dir, manifestName), maxManifest)
	if err != nil {
		return nil, fmt.Errorf("opening the keystore: %w", err)
	}
	m, err := parseManifest(b)
	if err != nil {
		return nil, fmt.Errorf("opening the keystore: %s: %w", filepath.Join(dir, manifestName), err)
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

// newRSABits is the size of RSA keys made here: what RFC 7518 section 3.3 asks
// for and NIST SP 800-57 allows to 2030. They sign tokens that live minutes and
// are rotated yearly, nothing that is to last, and 3072 bits would make each
// login three times as dear: 3.2 ms a signature against 1.0.
const newRSABits = 2048

// GenerateSigner makes a key pair and returns its public key, when the private
// key is on disk. ErrExists if the id is taken.
func (k *Keystore) GenerateSigner(id KeyID, a jose.Algorithm) (crypto.PublicKey, error) {
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

// GenerateSecret makes a 256-bit secret for Wrap and MAC. ErrExists if the id
// is taken.
func (k *Keystore) GenerateSecret(id KeyID) error {
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

func (k *Keystore) save(id KeyID, file []byte, held heldKey) error {
	if err := id.check(); err != nil {
		return err
	}
	err := createFile(k.path(id), file)
	if errors.Is(err, fs.ErrExist) {
		err = ErrExists
	}
	if err != nil {
		return fmt.Errorf("saving key %s: %w", id, err)
	}
	k.keys.Store(id, held)
	return nil
}

// discard removes a key that was made here just now and is of no use.
func (k *Keystore) discard(id KeyID) error {
	k.keys.Delete(id)
	return removeFile(k.path(id))
}

// Signer implements [Module].
func (k *Keystore) Signer(id KeyID) (crypto.MessageSigner, error) {
	held, err := k.load(id)
	if err != nil {
		return nil, err
	}
	if held.signer == nil {
		return nil, fmt.Errorf("key %s is a secret and signs nothing: %w", id, ErrNoKey)
	}
	return held.signer, nil
}

const wrapFormat = 1

// Wrap implements [Module] with SM4-GCM under a random nonce.
func (k *Keystore) Wrap(id KeyID, secret, ad []byte) ([]byte, error) {
	s, err := k.secret(id)
	if err != nil {
		return nil, err
	}
	return sealGCM(s.wrap, []byte{wrapFormat}, secret, wrapData(id, ad)), nil
}

// Unwrap implements [Module]. What does not open is ErrSealed (wrapped).
func (k *Keystore) Unwrap(id KeyID, wrapped, ad []byte) ([]byte, error) {
	s, err := k.secret(id)
	if err != nil {
		return nil, err
	}
	if len(wrapped) == 0 || wrapped[0] != wrapFormat {
		return nil, fmt.Errorf("unwrapping with key %s: %w", id, ErrSealed)
	}
	secret, err := openGCM(s.wrap, wrapped[1:], wrapData(id, ad))
	if err != nil {
		return nil, fmt.Errorf("unwrapping with key %s: %w", id, err)
	}
	return secret, nil
}

func wrapData(id KeyID, ad []byte) []byte {
	return appendParts([]byte{wrapFormat}, []byte(id), ad)
}

// MAC implements [Module].
func (k *Keystore) MAC(id KeyID, message []byte) ([]byte, error) {
	s, err := k.secret(id)
	if err != nil {
		return nil, err
	}
	return s.mac(message), nil
}

func (k *Keystore) secret(id KeyID) (*secretKey, error) {
	held, err := k.load(id)
	if err != nil {
		return nil, err
	}
	if held.secret == nil {
		return nil, fmt.Errorf("key %s is a signing key and no secret: %w", id, ErrNoKey)
	}
	return held.secret, nil
}

// load returns a key from memory or, the first time, from its file.
func (k *Keystore) load(id KeyID) (heldKey, error) {
	if held, ok := k.keys.Load(id); ok {
		return held.(heldKey), nil
	}
	if err := id.check(); err != nil {
		return heldKey{}, err
	}
	file, err := readFile(k.path(id), maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return heldKey{}, fmt.Errorf("key %s is not in keystore %s: %w", id, k.dir, ErrNoKey)
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

func (k *Keystore) path(id KeyID) string { return filepath.Join(k.dir, string(id)+".key") }

const maxKeyID = 64

// check reports what is wrong with an id. It comes before every use of an id
// as a file name.
func (id KeyID) check() error {
	odd := func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' }
	if id == "" || len(id) > maxKeyID || strings.ContainsFunc(string(id), odd) {
		return fmt.Errorf("key id %.80q: lower-case letters, digits and hyphens, at most %d: %w", id, maxKeyID, ErrNoKey)
	}
	return nil
}
