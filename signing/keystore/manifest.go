package keystore

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/scrypt"

	"yizheng.internal/signing/strictjson"
)

// ManifestName is the file of a keystore that is written last when it is made: a directory
// with one is whole.
const ManifestName = "keystore.json"

const (
	manifestFormat = 1
	maxManifest    = 4 << 10 // bytes
)

// kdf says how the keystore's key comes from its passphrase.
type kdf struct {
	// Name is "hkdf-sm3" for a generated passphrase, which needs no slowing
	// down, or "scrypt" (RFC 7914) for a typed one.
	Name string `json:"name"`
	Salt []byte `json:"salt"`
	N    int    `json:"n,omitzero"`
	R    int    `json:"r,omitzero"`
	P    int    `json:"p,omitzero"`
}

const (
	kdfGenerated = "hkdf-sm3"
	kdfTyped     = "scrypt"
)

// typedCost is the cost for new keystores: 128 MiB, and most of a second at each start.
var typedCost = kdf{Name: kdfTyped, N: 1 << 17, R: 8, P: 1}

// manifest is keystore.json.
type manifest struct {
	Format int    `json:"format"`
	KDF    kdf    `json:"kdf"`
	Check  []byte `json:"check"` // tells a wrong passphrase from a damaged key
}

// newManifest makes a manifest for a passphrase, and the keystore's key.
func newManifest(passphrase []byte, typed kdf) (manifest, []byte, error) {
	_, generated, err := generatedSecret(passphrase)
	if err != nil {
		return manifest{}, nil, err
	}
	m := manifest{Format: manifestFormat, KDF: typed}
	switch {
	case generated:
		m.KDF = kdf{Name: kdfGenerated}
	case len(passphrase) < minTypedPassphrase:
		return manifest{}, nil, fmt.Errorf("passphrase has fewer than %d characters", minTypedPassphrase)
	case len(passphrase) > maxPassphrase:
		return manifest{}, nil, fmt.Errorf("passphrase holds more than %d bytes", maxPassphrase)
	}
	m.KDF.Salt = make([]byte, 16)
	_, _ = rand.Read(m.KDF.Salt)
	key, check, err := m.KDF.derive(passphrase)
	if err != nil {
		return manifest{}, nil, err
	}
	m.Check = check
	return m, key, nil
}

// parseManifest reads keystore.json. Its limits keep a damaged file from
// asking for more memory or time than there is.
func parseManifest(b []byte) (manifest, error) {
	var m manifest
	if len(b) > maxManifest {
		return m, errors.New("too large")
	}
	if err := strictjson.Decode(b, &m); err != nil {
		return m, err
	}
	if m.Format != manifestFormat {
		return m, fmt.Errorf("format %d is not known here (only %d)", m.Format, manifestFormat)
	}
	if len(m.KDF.Salt) < 16 || len(m.KDF.Salt) > 64 || len(m.Check) != 32 {
		return m, errors.New("salt or check has a wrong length")
	}
	switch k := m.KDF; k.Name {
	case kdfGenerated:
		if k.N != 0 || k.R != 0 || k.P != 0 {
			return m, errors.New("hkdf-sm3 has no cost")
		}
	case kdfTyped:
		powerOfTwo := k.N > 1 && k.N&(k.N-1) == 0
		if !powerOfTwo || k.N > 1<<20 || k.R < 1 || k.R > 16 || k.P < 1 || k.P > 8 {
			return m, errors.New("scrypt cost is out of range")
		}
	default:
		return m, fmt.Errorf("key derivation %q is not known here", k.Name)
	}
	return m, nil
}

func (m manifest) marshal() ([]byte, error) {
	return json.Marshal(m, jsontext.WithIndent("  "))
}

// open returns the keystore's key, or ErrPassphrase.
func (m manifest) open(passphrase []byte) ([]byte, error) {
	key, check, err := m.KDF.derive(passphrase)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(check, m.Check) != 1 {
		return nil, ErrPassphrase
	}
	return key, nil
}

// derive returns the keystore's key, and the value by which a right passphrase is recognized.
func (k kdf) derive(passphrase []byte) (key, check []byte, err error) {
	secret, generated, err := generatedSecret(passphrase)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	case generated != (k.Name == kdfGenerated):
		return nil, nil, ErrPassphrase // it is of the other kind
	case !generated:
		if secret, err = scrypt.Key(passphrase, k.Salt, k.N, k.R, k.P, 32); err != nil {
			return nil, nil, err
		}
	}
	if key, err = hkdf.Key(sm3.New, secret, k.Salt, "yizheng keystore v1 key", 32); err != nil {
		return nil, nil, err
	}
	check, err = hkdf.Key(sm3.New, secret, k.Salt, "yizheng keystore v1 check", 32)
	return key, check, err
}
