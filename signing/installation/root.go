package installation

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"yizheng.internal/signing"
	"yizheng.internal/signing/durable"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/pki"
)

// OpenRoot opens the root. dir is its keystore's directory (DIR/root of an installation, or
// wherever it was moved to), which holds its certificate too. By default the passphrase file
// stands beside it, as DIR/root.pass. Only commands that certify open the root; serve never
// does.
func OpenRoot(dir, passphraseFile string) (*pki.CA, error) {
	if passphraseFile == "" {
		passphraseFile = filepath.Clean(dir) + passSuffix
	}
	there, err := durable.Exists(filepath.Join(dir, keystore.ManifestName))
	if err != nil {
		return nil, fmt.Errorf("opening the root: %w", err)
	}
	if !there {
		return nil, fmt.Errorf("opening the root: its keystore is not in %s; if it was moved away, bring it back for the time of this command: %w", dir, fs.ErrNotExist)
	}
	passphrase, err := keystore.ReadPassphraseFile(passphraseFile)
	if err != nil {
		return nil, fmt.Errorf("opening the root: %w", err)
	}
	keys, err := keystore.Open(dir, passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening the root: %w", err)
	}
	ca, err := loadRoot(keys)
	if err != nil {
		return nil, fmt.Errorf("opening the root: %w", err)
	}
	return ca, nil
}

func rootCertificatePath(dir string) string { return filepath.Join(dir, string(rootID)+".pem") }

// loadRoot returns the CA of a root's keystore.
func loadRoot(keys *keystore.Keystore) (*pki.CA, error) {
	path := rootCertificatePath(keys.Dir())
	file, err := durable.Read(path, pki.MaxAnchors)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(file)
	if block == nil || block.Type != pki.PEMType || len(bytes.TrimSpace(rest)) != 0 {
		return nil, fmt.Errorf("%s is not one PEM certificate", path)
	}
	certificate, err := pki.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, err := keys.Signer(rootID)
	if err != nil {
		return nil, err
	}
	if !signing.SamePublicKey(signer.Public(), certificate.PublicKey) {
		return nil, errors.New("the root's certificate is of another key than its keystore's")
	}
	return &pki.CA{Certificate: certificate, Signer: signer}, nil
}
