package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"yizheng.internal/signing/durable"
	"yizheng.internal/signing/keystore"
	"yizheng.internal/signing/pki"
)

// CopyKeys copies a keystore's files and the anchors from one data directory to another
// place, which must have neither. Both may be copies that CopyKeys made. A further node
// needs these files and the passphrase; CopyKeys copies no passphrase, and nothing of the
// root. anchors.pem comes last: a copy with it is whole.
func CopyKeys(to, from string) error {
	entries, err := os.ReadDir(filepath.Join(from, keysName))
	if err != nil {
		return err
	}
	for _, name := range []string{keysName, anchorsName} {
		if there, err := durable.Exists(filepath.Join(to, name)); err != nil || there {
			return errors.Join(fmt.Errorf("%s is there already", filepath.Join(to, name)), err)
		}
	}
	if err := durable.MakeDir(filepath.Join(to, keysName)); err != nil {
		return err
	}
	// The manifest comes after the keys, as when they were made.
	var names []string
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), "."), e.Name() == keystore.ManifestName: // a file with a dot is being written
		case !e.Type().IsRegular():
			return fmt.Errorf("%s is not a file", filepath.Join(from, keysName, e.Name()))
		default:
			names = append(names, filepath.Join(keysName, e.Name()))
		}
	}
	for _, name := range append(names, filepath.Join(keysName, keystore.ManifestName), anchorsName) {
		data, err := durable.Read(filepath.Join(from, name), pki.MaxAnchors)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is missing: %w", filepath.Join(from, name), ErrNotWhole)
		}
		if err != nil {
			return err
		}
		if err := durable.Create(filepath.Join(to, name), data); err != nil {
			return err
		}
	}
	return nil
}
