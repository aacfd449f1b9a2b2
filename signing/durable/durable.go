// Package durable writes small files so that they survive a power failure, either whole or not at all. It also
// takes locks that other processes wait for. It is for keys, and for what a node remembers beside them.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Create writes a new file that only its owner can read, whole or not at all. When it returns
// nil, the file's name and contents survive a power failure. It returns fs.ErrExist
// (wrapped) if the name is taken, also if another process takes it at the same time: that is
// why it links and doesn't rename.
func Create(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	name, err := newFile(dir, data)
	if err != nil {
		return err
	}
	defer func() {
		if e := os.Remove(name); err == nil && e != nil {
			err = e
		}
	}()
	if err := os.Link(name, path); err != nil {
		return err
	}
	return syncDir(dir)
}

// newFile writes a file under a new name to the disk, and returns the name.
func newFile(dir string, data []byte) (name string, err error) {
	f, err := os.CreateTemp(dir, ".new-*") // mode 0600
	if err != nil {
		return "", err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// MakeDir makes a directory that only its owner can use, unless there is one.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// Read reads a file of at most max bytes.
func Read(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > max {
		return nil, fmt.Errorf("%s holds more than %d bytes", path, max)
	}
	return b, nil
}

// Exists reports whether a file or directory is there.
func Exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Replace writes a file whole, or leaves the one that was there.
func Replace(path string, data []byte) error {
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

// Remove removes a file for good: when it returns nil, the name is gone from the disk.
func Remove(path string) error {
	if err := os.Remove(path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
