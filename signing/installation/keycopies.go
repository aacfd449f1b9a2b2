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

// CopyKeys copies a keystore's files and the anchors from one data directory, or
// copy of one, to another place, where none of them may be: what a further node
// needs, but for the passphrase. anchors.pem comes last: with it the copy is whole.
// Neither the root nor a passphrase is copied.
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
	// The manifest after the keys, as when they were made.
	var names []string
	for _, e := range entries {
		switch {
		case strings.HasPrefix(e.Name(), "."), e.Name() == keystore.ManifestName: // the former is a file that is being written
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
