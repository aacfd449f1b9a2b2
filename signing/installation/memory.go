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

// seenName is the folder of what this node saw last of the database: what nobody can
// put back who can write the database alone. It belongs to the node, not to the keys.
const seenName = "seen"

// Memory keeps data beside the keys, authenticated under them: what this node saw of its
// database.
type Memory struct {
	dir  string
	auth *signing.Authenticator
}

const maxSeen = 128 << 20 // bytes of one file

// Remember keeps data beside the keys under a name of lower-case letters, digits and
// hyphens, in place of what was kept before. When it returns nil, it is on disk.
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

// Remembered returns what Remember kept, nil if nothing was; ErrAltered (wrapped) if
// the file is another.
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
		if fits, err := m.auth.Fits(signing.NewFacts(seenName, name, 0).Bytes(data), auth); err != nil || fits {
			return data, err
		}
	}
	return nil, m.auth.Refuse(seenName, name, "the file "+filepath.Join(m.dir, name)+" was altered")
}

// Forget keeps no longer what Remember kept under a name.
func (m *Memory) Forget(name string) error {
	err := durable.Remove(filepath.Join(m.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forgetting %s: %w", name, err)
	}
	return nil
}

// AllRemembered returns the names under which something is kept and that begin with a
// prefix, in their order.
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
