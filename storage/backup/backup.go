// Package backup writes and reads the folders that a backup is made of. It has
// two parts, each a folder of its own, so that they can be kept apart: the data,
// in which everything personal is sealed, and the keys that open it. The
// passphrase of the keys is in neither.
//
//	data/manifest.json   what is in the folder, with each file's hash
//	data/…               as the database's driver wrote it
//	keys/manifest.json
//	keys/anchors.pem, keys/keys/…
//
// The manifest is written last: a folder without one is no backup. It carries a
// MAC under a key of the installation, so that nobody who has the folder, but
// not the keys with their passphrase, can exchange what is restored.
package backup

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/strictjson"
)

// Part says which half of a backup a folder is.
type Part string

// The parts of a backup.
const (
	Data Part = "data"
	Keys Part = "keys"
)

// Manifest says what a folder holds.
type Manifest struct {
	Format  int       `json:"format"`
	Backup  string    `json:"backup"` // the same random id in both parts
	Part    Part      `json:"part"`
	Made    time.Time `json:"made"`            // everything answered before is in it
	Newest  time.Time `json:"newest,omitzero"` // time of the newest event that is surely in it; zero: there was none
	Program string    `json:"program"`         // version of the program that made it
	Driver  string    `json:"driver"`          // of the database: sqlite or postgres
	Schema  int64     `json:"schema"`          // version of its schema, in that driver's lineage
	Key     string    `json:"key"`             // id of the key under which the MAC is
	Files   []File    `json:"files"`           // all of them, by name
}

// File is one file of a folder.
type File struct {
	Name   string `json:"name"` // with slashes, below the folder
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// MAC returns a keyed hash of a message; see [yizheng.internal/signing.Module].
type MAC func(message []byte) ([]byte, error)

const (
	manifestName = "manifest.json"
	format       = 1
	maxManifest  = 8 << 20 // bytes
	maxFiles     = 100_000
	macPrefix    = "yizheng backup manifest v1\n"
)

// ErrDamaged says that a folder is no backup, or not as it was made.
var ErrDamaged = errors.New("this is not a whole backup")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// NewID returns a random id for a backup.
func NewID() string { return strings.ToLower(rand.Text()) }

// Begin makes the folder of a part, for its owner alone. One that is there must be
// empty.
func Begin(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return fmt.Errorf("%s is not empty: a backup goes into a new directory", dir)
	}
	return nil
}

// Finish hashes the files that lie in a folder, has all of it on disk, and writes
// the manifest, which makes it a backup. It fills in m's Format and Files.
func Finish(ctx context.Context, dir string, m Manifest, mac MAC) error {
	m.Format, m.Files = format, nil
	names, err := list(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := look(ctx, dir, name, nil)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, f)
	}
	text, err := seal(m, mac)
	if err != nil {
		return err
	}
	if err := write(filepath.Join(dir, manifestName), text); err != nil {
		return err
	}
	return syncTree(dir)
}

// envelope is manifest.json: the MAC is over the manifest's bytes as they stand there.
type envelope struct {
	Manifest jsontext.Value `json:"manifest"`
	MAC      []byte         `json:"mac"`
}

func seal(m Manifest, mac MAC) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
	body, err := strictjson.Marshal(m)
	if err != nil {
		return nil, err
	}
	sum, err := mac(append([]byte(macPrefix), body...))
	if err != nil {
		return nil, fmt.Errorf("authenticating the manifest: %w", err)
	}
	return json.Marshal(envelope{body, sum})
}

// Sealed is a manifest whose MAC is still to be checked.
type Sealed struct {
	Manifest
	body, mac []byte
}

// Read reads a folder's manifest. Errors wrap ErrDamaged where the folder is at
// fault.
func Read(dir string, part Part) (Sealed, error) {
	f, err := os.Open(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return Sealed{}, damaged("%s has no %s: it is another directory, or a backup that was not finished", dir, manifestName)
	}
	if err != nil {
		return Sealed{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return Sealed{}, err
	}
	s, err := Parse(text)
	if err != nil {
		return Sealed{}, fmt.Errorf("%s: %w", filepath.Join(dir, manifestName), err)
	}
	if s.Part != part {
		return Sealed{}, damaged("%s is the %s of a backup, not its %s", dir, s.Part, part)
	}
	return s, nil
}

// Parse reads the text of a manifest.json. What it returns names only files that
// lie below the folder.
func Parse(text []byte) (Sealed, error) {
	if len(text) > maxManifest {
		return Sealed{}, damaged("the manifest is larger than %d bytes", maxManifest)
	}
	var e envelope
	if err := strictjson.Decode(text, &e); err != nil {
		return Sealed{}, damaged("the manifest is not JSON as expected")
	}
	var m Manifest
	// The format first: another one has other members.
	var f struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(e.Manifest, &f); err == nil && f.Format != format && f.Format > 0 {
		return Sealed{}, damaged("its format is %d, and this program knows %d: use the program that made it", f.Format, format)
	}
	if err := strictjson.Decode(e.Manifest, &m); err != nil {
		return Sealed{}, damaged("the manifest is not JSON as expected")
	}
	if err := m.check(); err != nil {
		return Sealed{}, err
	}
	return Sealed{m, e.Manifest, e.MAC}, nil
}

// fileName is the form of a file's name: a file, or one in a folder.
var fileName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,100}/)?[A-Za-z0-9][A-Za-z0-9._-]{0,100}$`)

func (m *Manifest) check() error {
	switch {
	case m.Format != format:
		return damaged("its format is %d, not %d", m.Format, format)
	case m.Part != Data && m.Part != Keys:
		return damaged("its part is %.20q", m.Part)
	case m.Backup == "" || len(m.Backup) > 64 || m.Key == "" || len(m.Key) > 64 || m.Made.IsZero() || m.Schema < 1:
		return damaged("the manifest lacks an id, a key, a time or a version")
	case len(m.Files) == 0 || len(m.Files) > maxFiles:
		return damaged("the manifest names %d files", len(m.Files))
	}
	for i, f := range m.Files {
		sum, err := hex.DecodeString(f.SHA256)
		if !fileName.MatchString(f.Name) || !filepath.IsLocal(f.Name) || f.Name == manifestName || f.Size < 0 || err != nil || len(sum) != sha256.Size {
			return damaged("the manifest's file %d is malformed", i+1)
		}
		if i > 0 && m.Files[i-1].Name >= f.Name {
			return damaged("the manifest's files are not in order")
		}
	}
	return nil
}

// Size returns how many bytes the files have together.
func (m *Manifest) Size() (n int64) {
	for _, f := range m.Files {
		n += f.Size
	}
	return n
}

// Check checks that the manifest was made with a key of the installation.
func (s *Sealed) Check(mac MAC) error {
	sum, err := mac(append([]byte(macPrefix), s.body...))
	if err != nil {
		return fmt.Errorf("checking the manifest: %w", err)
	}
	if !hmac.Equal(sum, s.mac) {
		return damaged("the manifest was not made with these keys, or was changed since")
	}
	return nil
}

// Verify reads all of a folder and compares it with the manifest: each file is
// there, as it was, and no other. progress, if it isn't nil, gets the number of
// bytes read.
func (s *Sealed) Verify(ctx context.Context, dir string, progress func(n int64)) error {
	names, err := list(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(s.Files, func(f File) bool { return f.Name == name }) {
			return damaged("%s is not named in the manifest", path.Join(dir, name))
		}
	}
	for _, want := range s.Files {
		got, err := look(ctx, dir, want.Name, progress)
		if errors.Is(err, fs.ErrNotExist) {
			return damaged("%s is missing", path.Join(dir, want.Name))
		}
		if err != nil {
			return err
		}
		if got != want {
			return damaged("%s has changed since the backup was made", path.Join(dir, want.Name))
		}
	}
	return nil
}

// Fits checks that two parts are of one backup.
func (s *Sealed) Fits(other *Sealed) error {
	if s.Backup != other.Backup {
		return damaged("the data are of one backup, made at %s, and the keys of another, made at %s",
			s.Made.Format(time.RFC3339), other.Made.Format(time.RFC3339))
	}
	return nil
}
