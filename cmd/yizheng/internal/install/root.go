package install

import (
	"bytes"
	"context"
	"path/filepath"

	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/pki"

	"yizheng.internal/signing"
)

// OpenRoot opens the root's keystore, for commands that certify keys and publish
// lists. Certificates that it makes say where its lists are.
func (in *Installation) OpenRoot(ctx context.Context, r RootStore) (*pki.CA, error) {
	ca, err := r.open(in.Settings.Data)
	if err != nil {
		return nil, err
	}
	id, err := in.RootID(ctx, ca)
	if id != "" {
		ca.ListURL = in.URL + installation.RevocationListPath(id)
	}
	return ca, err
}

// RootID returns the id under which a root's certificate is known here, or none.
func (in *Installation) RootID(ctx context.Context, ca *pki.CA) (signing.KeyID, error) {
	ring, err := in.Keys.Keyrings().Ring(ctx, signing.PurposeRoot, "")
	for _, k := range ring {
		if len(k.Chain) > 0 && bytes.Equal(k.Chain[0], ca.Certificate.Raw) {
			return k.ID, err
		}
	}
	return "", err
}

// openRoot opens the root's keystore, for commands that certify keys.
func (r RootStore) open(data string) (*pki.CA, error) {
	dir := r.Root
	if dir == "" {
		dir = filepath.Join(data, "root")
	}
	return installation.OpenRoot(dir, r.RootPassphraseFile)
}

// RootStore names the root's keystore for commands that certify keys.
type RootStore struct {
	Root               string `help:"Directory of the root's keystore; without it DATA/root." env:"YIZHENG_ROOT" placeholder:"DIR" group:"Settings:"`
	RootPassphraseFile string `help:"File with its passphrase; without it the directory's name with .pass." env:"YIZHENG_ROOT_PASSPHRASE_FILE" placeholder:"FILE" group:"Settings:"`
}
