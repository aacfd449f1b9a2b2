package rows

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// scratch is a directory for what is unpacked, which nobody else can read. It is locked for as long
// as its process lives, so one that isn't locked was left behind.
type scratch struct {
	path string
	lock *os.File
}

// scratchPrefix begins the names of such directories.
const scratchPrefix = "yizheng-import-"

// scratchYoung is how long a directory may exist before it is locked.
const scratchYoung = time.Minute

// newScratch makes a directory, after it has removed those that killed processes left behind.
func newScratch() (*scratch, error) {
	removeScratch(os.TempDir())
	path, err := os.MkdirTemp("", scratchPrefix) // 0700
	if err != nil {
		return nil, err
	}
	s := &scratch{path: path}
	if s.lock, err = os.Open(path); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	if !hold(s.lock) {
		return nil, errors.Join(errors.New("a directory can't be locked"), s.remove())
	}
	return s, nil
}

func (s *scratch) remove() error { return errors.Join(os.RemoveAll(s.path), s.lock.Close()) }

// removeScratch removes the directories in parent that this user's processes left behind. What can't
// be removed stays: another process may be removing it.
func removeScratch(parent string) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), scratchPrefix) && e.IsDir() {
			removeLeft(filepath.Join(parent, e.Name()))
		}
	}
}

func removeLeft(path string) {
	info, err := os.Lstat(path) // it follows no symbolic link
	if err != nil || !info.IsDir() || !ours(info) || time.Since(info.ModTime()) < scratchYoung {
		return
	}
	dir, err := os.Open(path)
	if err != nil {
		return
	}
	defer dir.Close()
	if opened, err := dir.Stat(); err == nil && os.SameFile(info, opened) && hold(dir) {
		_ = os.RemoveAll(path)
	}
}
