package installation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"yizheng.internal/signing"
	"yizheng.internal/signing/durable"
)

// seenName is the folder for what this node saw last of the database. Somebody who can write
// the database alone can't put an earlier state of it back. It belongs to the node, and
// isn't copied with the keys.
const seenName = "seen"

// Memory keeps what this node saw of its database, in files beside the keys. The files are
// authenticated under the keys.
type Memory struct {
	dir  string
	auth *signing.Authenticator
}

const maxSeen = 128 << 20 // bytes of one file

// Remember keeps data under a name of lower-case letters, digits and hyphens. It replaces
// what was kept under that name. When it returns nil, the data are on disk.
func (m *Memory) Remember(name string, data []byte) error {
	auth, _, err := m.auth.Stamp(signing.NewFacts(seenName, name, 0).Bytes(data))
	if err != nil {
		return err
	}
	if err := durable.MakeDir(m.dir); err != nil {
		return fmt.Errorf("remembering %s: %w", name, err)
	}
	if err := durable.Replace(filepath.Join(m.dir, name), append(auth, data...)); err != nil {
		return fmt.Errorf("remembering %s: %w", name, err)
	}
	return nil
}

// Remembered returns what Remember kept under a name, or nil if there is nothing. If the file
// is not as Remember wrote it, it returns ErrAltered (wrapped).
func (m *Memory) Remembered(name string) ([]byte, error) {
	b, err := durable.Read(filepath.Join(m.dir, name), maxSeen)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was seen of %s: %w", name, err)
	}
	if len(b) >= signing.AuthLength {
		auth, data := b[:signing.AuthLength], b[signing.AuthLength:]
		fits, err := m.auth.Fits(signing.NewFacts(seenName, name, 0).Bytes(data), auth)
		if err != nil {
			return nil, err
		}
		if fits {
			return data, nil
		}
	}
	return nil, m.auth.Refuse(seenName, name, "the file "+filepath.Join(m.dir, name)+" was altered")
}

// Forget removes what Remember kept under a name.
func (m *Memory) Forget(name string) error {
	err := durable.Remove(filepath.Join(m.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting %s: %w", name, err)
	}
	return nil
}

// AllRemembered returns, sorted, the names that begin with a prefix and under which something
// is kept.
func (m *Memory) AllRemembered(prefix string) ([]string, error) {
	entries, err := os.ReadDir(m.dir)
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
