package signing

import (
	"crypto"
	"errors"
)

var errUnbuilt = errors.New("not built yet")

// Keystore is a [Module] in software: a directory with one file a key, each
// encrypted under the passphrase. Asymmetric keys are PKCS#8 with SM4; another
// process may add keys while this one runs. Safe for concurrent use.
type Keystore struct{ dir string }

// CreateKeystore makes an empty keystore in a directory that must not hold one.
func CreateKeystore(dir string, passphrase []byte) (*Keystore, error) { return nil, errUnbuilt }

// OpenKeystore opens a keystore. It returns ErrPassphrase (wrapped) when the
// passphrase is not the one it was made with.
func OpenKeystore(dir string, passphrase []byte) (*Keystore, error) { return nil, errUnbuilt }

// GenerateSigner makes a key pair and returns its public key, when the private
// key is on disk. ErrExists if the id is taken.
func (k *Keystore) GenerateSigner(id KeyID, a Algorithm) (crypto.PublicKey, error) {
	return nil, errUnbuilt
}

// GenerateSecret makes a 256-bit secret for Wrap and MAC.
func (k *Keystore) GenerateSecret(id KeyID) error { return errUnbuilt }

func (k *Keystore) Signer(id KeyID) (crypto.MessageSigner, error)       { return nil, errUnbuilt }
func (k *Keystore) Wrap(id KeyID, secret, ad []byte) ([]byte, error)    { return nil, errUnbuilt }
func (k *Keystore) Unwrap(id KeyID, wrapped, ad []byte) ([]byte, error) { return nil, errUnbuilt }
func (k *Keystore) MAC(id KeyID, message []byte) ([]byte, error)        { return nil, errUnbuilt }
