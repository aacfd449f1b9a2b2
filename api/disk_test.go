package api

import (
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// disk is a VFS over the operating system's that can be full, or read-only, or
// slow to sync.
type disk struct {
	vfs.VFSFilename
	name string
	full atomic.Bool
	ro   atomic.Bool
	slow atomic.Int64 // nanoseconds that a sync takes longer
}

// newDisk registers a disk for the test.
func newDisk(t testing.TB) *disk {
	d := &disk{VFSFilename: vfs.Find("").(vfs.VFSFilename), name: "api-" + filepath.Base(t.TempDir()) + t.Name()}
	vfs.Register(d.name, d)
	t.Cleanup(func() { vfs.Unregister(d.name) })
	return d
}

func (d *disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	f, out, err := d.VFSFilename.OpenFilename(name, flags)
	if err != nil {
		return nil, out, err
	}
	return &diskFile{f, d}, out, nil
}

// fault is the error of a write.
func (d *disk) fault() error {
	switch {
	case d.full.Load():
		return vfs.SystemError(syscall.ENOSPC, sqlite3.FULL)
	case d.ro.Load():
		return sqlite3.READONLY
	}
	return nil
}

type diskFile struct {
	vfs.File
	d *disk
}

func (f *diskFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.d.fault(); err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f *diskFile) Truncate(size int64) error {
	if err := f.d.fault(); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *diskFile) Sync(flags vfs.SyncFlag) error {
	time.Sleep(time.Duration(f.d.slow.Load()))
	return f.File.Sync(flags)
}
