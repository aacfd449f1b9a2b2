package sqlite

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/vfs"
)

// disk is a VFS over the operating system's that knows what a power failure
// would leave: what was synced, and of the rest anything or nothing. It can also
// fail, and be watched.
type disk struct {
	name string

	mu     sync.Mutex
	images map[string]*image // by path
	watch  func(op diskOp) error

	syncs    atomic.Int64
	delay    time.Duration // of syncs; then real ones, and nothing is noted
	readOnly atomic.Bool
}

// diskOp is an operation that is about to happen. An error from the watcher
// makes it fail. The watcher runs with the disk locked.
type diskOp struct {
	kind string // "write", "sync", "truncate", "delete"
	path string
}

// image is what is known of a file.
type image struct {
	durable []byte   // as of the last sync
	named   bool     // whether its name is on disk
	deleted bool     // whether its name is gone, though perhaps not on disk
	pending []change // since
}

// change is a write, or a truncation if data is nil.
type change struct {
	offset int64
	data   []byte
}

// newDisk registers a disk for the test.
func newDisk(t testing.TB) *disk {
	d := &disk{name: "disk-" + filepath.Base(t.TempDir()) + t.Name(), images: map[string]*image{}}
	vfs.Register(d.name, d)
	t.Cleanup(func() { vfs.Unregister(d.name) })
	return d
}

// onEach sets the watcher, nil for none.
func (d *disk) onEach(watch func(diskOp) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watch = watch
}

// do asks the watcher, then does the operation and notes the change.
func (d *disk) do(kind, path string, operation func() error, note func(*image)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.watch != nil {
		if err := d.watch(diskOp{kind, path}); err != nil {
			return err
		}
	}
	if err := operation(); err != nil || d.delay > 0 {
		return err
	}
	if i := d.images[path]; i != nil {
		note(i)
	}
	return nil
}

// syncFolder makes durable which files there are.
func (d *disk) syncFolder() {
	maps.DeleteFunc(d.images, func(_ string, i *image) bool { return i.deleted })
}

// apply makes a change to a file's bytes.
func (c change) apply(b []byte) []byte {
	if c.data == nil {
		return slices.Grow(b, int(max(c.offset-int64(len(b)), 0)))[:c.offset]
	}
	if grow := int(c.offset) + len(c.data) - len(b); grow > 0 {
		b = append(b, make([]byte, grow)...)
	}
	copy(b[c.offset:], c.data)
	return b
}

// afterPowerFailure returns the files as they may be, by name. With torn, any of
// the changes that weren't synced may be there, whole or in part; else none. The
// caller is a watcher.
func (d *disk) afterPowerFailure(torn *rand.Rand) map[string][]byte {
	files := map[string][]byte{}
	for path, i := range d.images {
		b := slices.Clone(i.durable)
		for _, c := range i.pending {
			if torn == nil || torn.IntN(2) == 0 {
				continue
			}
			if len(c.data) > 512 && torn.IntN(4) == 0 {
				c.data = c.data[:512*torn.IntN(len(c.data)/512)]
				if len(c.data) == 0 {
					continue
				}
			}
			b = c.apply(b)
		}
		if i.named || torn != nil && torn.IntN(2) == 0 {
			files[filepath.Base(path)] = b
		}
	}
	return files
}

// restore writes files into a new folder and returns the path of one.
func restore(t testing.TB, files map[string][]byte, name string) string {
	t.Helper()
	dir := t.TempDir()
	for f, b := range files {
		if err := os.WriteFile(filepath.Join(dir, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, name)
}

var base = vfs.Find("").(vfs.VFSFilename)

func (d *disk) Open(string, vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	panic("OpenFilename is called instead")
}

func (d *disk) Access(name string, flags vfs.AccessFlag) (bool, error) {
	return base.Access(name, flags)
}

func (d *disk) FullPathname(name string) (string, error) { return base.FullPathname(name) }

func (d *disk) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	if d.readOnly.Load() && flags&vfs.OPEN_MAIN_DB != 0 {
		flags = flags&^(vfs.OPEN_READWRITE|vfs.OPEN_CREATE) | vfs.OPEN_READONLY
	}
	path := name.String()
	d.mu.Lock()
	defer d.mu.Unlock()
	there, err := os.ReadFile(path)
	fresh := err != nil
	f, flags, err := base.OpenFilename(name, flags)
	if err != nil || path == "" {
		return f, flags, err
	}
	switch i := d.images[path]; {
	case i == nil && fresh:
		d.images[path] = &image{}
	case i == nil:
		d.images[path] = &image{durable: there, named: true}
	case fresh:
		// Deleted, but perhaps not for good: what comes now comes on top of it.
		i.pending, i.deleted = append(i.pending, change{}), false
	}
	return &diskFile{File: f, d: d, path: path}, flags, nil
}

func (d *disk) Delete(path string, syncDir bool) error {
	return d.do("delete", path, func() error { return base.Delete(path, syncDir) }, func(i *image) {
		if i.deleted = true; syncDir {
			d.syncFolder()
		}
	})
}

// diskFile is an open file. Of the optional interfaces it has the one that
// write-ahead logging needs.
type diskFile struct {
	vfs.File
	d    *disk
	path string
}

func (f *diskFile) SharedMemory() vfs.SharedMemory {
	return f.File.(vfs.FileSharedMemory).SharedMemory()
}

func (f *diskFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.d.do("write", f.path, func() error {
		n, err = f.File.WriteAt(p, off)
		return err
	}, func(i *image) { i.pending = append(i.pending, change{off, slices.Clone(p)}) })
	return n, err
}

func (f *diskFile) Truncate(size int64) error {
	return f.d.do("truncate", f.path, func() error { return f.File.Truncate(size) },
		func(i *image) { i.pending = append(i.pending, change{offset: size}) })
}

// Sync makes durable what was written. It does not sync the real file, which no
// test needs.
func (f *diskFile) Sync(flags vfs.SyncFlag) error {
	f.d.syncs.Add(1)
	if f.d.delay > 0 {
		time.Sleep(f.d.delay)
		return f.File.Sync(flags)
	}
	return f.d.do("sync", f.path, func() error { return nil }, func(i *image) {
		for _, c := range i.pending {
			i.durable = c.apply(i.durable)
		}
		if i.pending = nil; !i.named {
			i.named = true
			f.d.syncFolder() // as the operating system's VFS does for new logs and journals
		}
	})
}
