package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// list returns the names of the files below a folder but for the manifest, in
// order. Anything but files and folders is an error.
func list(dir string) ([]string, error) {
	var names []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is not a file", p)
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if name = filepath.ToSlash(name); name != manifestName {
			names = append(names, name)
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}

// look hashes a file.
func look(ctx context.Context, dir, name string, progress func(n int64)) (File, error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	sum, size := sha256.New(), int64(0)
	for buffer := make([]byte, 1<<20); ; {
		if err := ctx.Err(); err != nil {
			return File{}, err
		}
		n, err := f.Read(buffer)
		sum.Write(buffer[:n])
		size += int64(n)
		if progress != nil {
			progress(int64(n))
		}
		if errors.Is(err, io.EOF) {
			return File{name, size, hex.EncodeToString(sum.Sum(nil))}, nil
		}
		if err != nil {
			return File{}, err
		}
	}
}

// write writes a new file for its owner alone.
func write(name string, text []byte) (err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// syncTree has all of a folder on disk, and its name.
func syncTree(dir string) error {
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncOne(p)
	})
	return errors.Join(err, syncOne(filepath.Dir(filepath.Clean(dir))))
}

func syncOne(p string) error {
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
