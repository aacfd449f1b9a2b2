package signing

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// seenName is the folder of what this node saw last of the database: what nobody can
// put back who can write the database alone. It belongs to the node, not to the keys.
const seenName = "seen"

const maxSeen = 128 << 20 // bytes of one file

// Remember keeps data beside the keys under a name of lower-case letters, digits and
// hyphens, in place of what was kept before. When it returns nil, it is on disk.
func (i *Installation) Remember(name string, data []byte) error {
	auth, err := i.auth.sum(NewFacts(seenName, name, 0).Bytes(data))
	if err != nil {
		return err
	}
	dir := i.c.path(seenName)
	if err := makeDir(dir); err != nil {
		return fmt.Errorf("remembering %s: %w", name, err)
	}
	if err := replaceFile(filepath.Join(dir, name), append(auth[:], data...)); err != nil {
		return fmt.Errorf("remembering %s: %w", name, err)
	}
	return nil
}

// Remembered returns what Remember kept, nil if nothing was; ErrAltered (wrapped) if
// the file is another.
func (i *Installation) Remembered(name string) ([]byte, error) {
	b, err := readFile(i.c.path(seenName, name), maxSeen)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was seen of %s: %w", name, err)
	}
	if len(b) >= authLength {
		auth, err := i.auth.sum(NewFacts(seenName, name, 0).Bytes(b[authLength:]))
		if err != nil {
			return nil, err
		}
		if subtle.ConstantTimeCompare(auth[:], b[:authLength]) == 1 {
			return b[authLength:], nil
		}
	}
	return nil, i.auth.Refuse(seenName, name, "the file "+i.c.path(seenName, name)+" was altered")
}

// Forget keeps no longer what Remember kept under a name.
func (i *Installation) Forget(name string) error {
	err := removeFile(i.c.path(seenName, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting %s: %w", name, err)
	}
	return nil
}

// AllRemembered returns the names under which something is kept and that begin with a
// prefix, in their order.
func (i *Installation) AllRemembered(prefix string) ([]string, error) {
	entries, err := os.ReadDir(i.c.path(seenName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing what was seen: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// replaceFile writes a file whole, or leaves the one before.
func replaceFile(path string, data []byte) error {
	dir := filepath.Dir(path)
	name, err := newFile(dir, data)
	if err != nil {
		return err
	}
	if err := os.Rename(name, path); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return syncDir(dir)
}
