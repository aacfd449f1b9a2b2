package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"

	"yizheng.internal/license"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/oidc/client"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
)

// full is what the operating system's VFS returns where there is no room.
func full() error { return vfs.SystemError(syscall.ENOSPC, sqlite3.FULL) }

// TestFullDisk lets the k-th write fail, and those after it or not, for many k:
// each caller is told so, nothing is half done, and the database goes on as soon
// as there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	empty := template(t)
	for _, c := range []struct {
		name   string
		kinds  string // of the operations that count
		fail   func() error
		sticky bool // whether it stays so
	}{
		{"one write", "write truncate", full, false},
		{"all writes from then on", "write truncate", full, true},
		{"one sync", "sync", func() error { return syscall.EIO }, false},
		{"all syncs from then on", "sync", func() error { return syscall.EIO }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			failed := 0
			for k := 1; k < 400; k += 1 + k/soak(3, 20) {
				n := 0
				hit := failingAt(t, empty, func(op diskOp) error {
					if !strings.Contains(c.kinds, op.kind) {
						return nil
					}
					if n++; n == k || n > k && c.sticky {
						return c.fail()
					}
					return nil
				})
				if n < k {
					break // there are no more operations to fail
				}
				if hit {
					failed++
				}
			}
			t.Logf("%d faults reached callers", failed)
			if failed == 0 {
				t.Error("no fault reached a caller")
			}
		})
	}
}

// template returns a folder with a migrated database.
func template(t *testing.T) map[string][]byte {
	t.Helper()
	b, err := migrated()
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{"test.db": b}
}

// failingAt saves licenses on a disk with a fault, and reports whether a caller
// was told of it.
func failingAt(t *testing.T, files map[string][]byte, fault func(diskOp) error) bool {
	t.Helper()
	const writers, each = 3, 3
	d := newDisk(t)
	path := restore(t, files, "test.db")
	db := openTest(t, Config{Path: path, VFS: d.name, tuning: tuning{file: engine.Tuning{CheckpointAt: 60}}})
	all := make([]license.SaveRequest, writers*each)
	for i := range all {
		all[i] = newLicense(0, 0)
	}
	errs := make([]error, len(all))
	d.onEach(fault)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w * each; i < (w+1)*each; i++ {
				errs[i] = db.Licenses().Save(t.Context(), all[i])
			}
		})
	}
	wg.Wait()
	d.onEach(nil)

	told := false
	check := func(db *DB, when string) {
		t.Helper()
		for i, r := range all {
			switch p := present(t, db, r); {
			case errs[i] == nil && p != whole:
				t.Fatalf("%s: an answered license is not there", when)
			case errs[i] != nil && p != absent:
				t.Fatalf("%s: a license is there that was answered with %v", when, errs[i])
			}
		}
	}
	for _, err := range errs {
		if err != nil && !errors.Is(err, license.ErrUnavailable) {
			t.Fatalf("a fault was told as %v, want ErrUnavailable", err)
		}
		told = told || err != nil
	}
	check(db, "when the fault is over")
	more := newLicense(0, 0)
	if err := db.Licenses().Save(t.Context(), more); err != nil {
		t.Fatalf("saving when the fault is over: %v", err)
	}
	all, errs = append(all, more), append(errs, nil)
	check(db, "after saving more")
	sound(t, db)

	// Another program, which has to make sense of the log.
	d.mu.Lock()
	left := d.afterPowerFailure(nil)
	d.mu.Unlock()
	again := openTest(t, Config{Path: restore(t, left, "test.db")})
	check(again, "after a power failure")
	sound(t, again)
	return told
}

// TestFullDiskInside fills the disk while an operation is under way, which is
// so large that SQLite writes before the commit: the whole group is told.
func TestFullDiskInside(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	var s steps
	db := openTest(t, Config{VFS: d.name, Step: s.step})
	s.holdUp("tx.commit")
	go db.Ping(context.Background(), true)
	<-s.held
	rs := make([]license.SaveRequest, 3)
	answers := make(chan error, len(rs))
	for i := range rs {
		rs[i] = newLicense(0, 0)
		if i == 1 {
			rs[i].Add.Body = make([]byte, 3*engine.WriterCache<<10)
		}
		go func() { answers <- db.Licenses().Save(t.Context(), rs[i]) }()
		waiting(t, db, i+1)
	}
	resume := s.resume
	s.holdUp("tx.write")
	close(resume)
	<-s.held
	d.onEach(func(op diskOp) error {
		if op.kind == "write" {
			return full()
		}
		return nil
	})
	close(s.resume)
	for range rs {
		if err := <-answers; !errors.Is(err, license.ErrUnavailable) || !errors.Is(err, sqlite3.FULL) {
			t.Errorf("got %v, want ErrUnavailable for a full disk", err)
		}
	}
	d.onEach(nil)
	if slices.Contains(s.names, "tx.commit") {
		t.Error("the group went on to its commit")
	}
	for _, r := range rs {
		if present(t, db, r) != absent {
			t.Error("something of the group is there")
		}
		if err := db.Licenses().Save(t.Context(), r); err != nil {
			t.Errorf("saving when there is room again: %v", err)
		}
	}
	sound(t, db)
}

// TestEveryStoreSaysUnavailable tries a write of each store on a full disk.
func TestEveryStoreSaysUnavailable(t *testing.T) {
	d := newDisk(t)
	db := openTest(t, Config{VFS: d.name})
	d.onEach(func(op diskOp) error {
		if op.kind == "write" {
			return full()
		}
		return nil
	})
	ctx := t.Context()
	l, p := db.Licenses(), db.Provider()
	r := newLicense(0, 0)
	for name, write := range map[string]func() error{
		"Save": func() error { return l.Save(ctx, r) },
		"SaveTypes": func() error {
			return l.SaveEntries(ctx, entry.KindType, r.Event, entry.Record{Code: "t", Body: []byte("{}")})
		},
		"Reserve":            func() error { _, _, err := l.Reserve(ctx, []int{1}, 9, r.Record.Created); return err },
		"AppendEvents":       func() error { return db.Journal().AppendEvents(ctx, r.Event) },
		"ClaimSetting":       func() error { _, err := l.ClaimSetting(ctx, "a", "b"); return err },
		"CreateClient":       func() error { return p.CreateClient(ctx, client.Record{ID: "c", Body: []byte("{}")}) },
		"provider's events":  func() error { return db.Journal().AppendEvents(ctx, journal.Event{Log: journal.Provider, ID: "e"}) },
		"CreateKey":          func() error { return db.Keys().CreateKey(ctx, signing.KeyRecord{ID: "k"}) },
		"Ping with a write":  func() error { return db.Ping(ctx, true) },
		"Migrate, with none": func() error { _, err := db.Migrate(ctx); return err },
	} {
		err := write()
		if name == "Migrate, with none" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !errors.Is(err, license.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
	if err := db.Ping(ctx, false); err != nil {
		t.Errorf("reading from a full disk: %v", err)
	}
	d.onEach(nil)
	if err := db.Ping(ctx, true); err != nil {
		t.Errorf("writing when there is room again: %v", err)
	}
}

// TestReadOnly opens a database whose file can't be written.
func TestReadOnly(t *testing.T) {
	d := newDisk(t)
	path := restore(t, template(t), "test.db")
	d.readOnly.Store(true)
	db := openTest(t, Config{Path: path, VFS: d.name})
	r := newLicense(0, 0)
	if err := db.Licenses().Save(t.Context(), r); !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("Save: got %v, want ErrUnavailable", err)
	}
	if err := db.Ping(t.Context(), true); !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("Ping: got %v, want ErrUnavailable", err)
	}
	if _, _, err := db.Licenses().Load(t.Context(), r.Record.ID, 0); !errors.Is(err, license.ErrNotFound) {
		t.Errorf("Load: got %v, want ErrNotFound", err)
	}
}

// TestLocked holds the file's lock as another program would, for longer than
// anybody waits.
func TestLocked(t *testing.T) {
	db := openTest(t, Config{tuning: tuning{file: engine.Tuning{BusyTimeout: 50 * time.Millisecond}}})
	other := openTest(t, Config{Path: db.engine.Path()})
	locked, unlock := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := other.engine.Write(context.Background(), func(*engine.Conn) error {
			close(locked)
			<-unlock
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-locked
	err := db.Licenses().Save(t.Context(), newLicense(0, 0))
	if !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("Save beside a lock: got %v, want ErrUnavailable", err)
	}
	close(unlock)
	wg.Wait()
	if err := db.Licenses().Save(t.Context(), newLicense(0, 0)); err != nil {
		t.Error(err)
	}
}

func TestClosed(t *testing.T) {
	db := openTest(t, Config{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	r := newLicense(0, 0)
	if err := db.Licenses().Save(t.Context(), r); !errors.Is(err, ErrClosed) {
		t.Errorf("Save: got %v, want ErrClosed", err)
	}
	if _, _, err := db.Licenses().Load(t.Context(), r.Record.ID, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("Load: got %v, want ErrClosed", err)
	}
}

// TestNotADatabase opens files that are something else.
func TestNotADatabase(t *testing.T) {
	for name, content := range map[string]string{
		"text":      strings.Repeat("this is no database\n", 300),
		"truncated": string(template(t)["test.db"][:5000]),
		"garbage":   "SQLite format 3\x00" + strings.Repeat("\xff", 5000),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "test.db")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			db, err := Open(t.Context(), Config{Path: path})
			if err == nil {
				defer db.Close()
				_, err = db.Migrate(t.Context())
			}
			if err == nil {
				err = db.Licenses().Save(t.Context(), newLicense(0, 0))
			}
			if err == nil {
				t.Error("it was taken for a database")
			}
			if got, rerr := os.ReadFile(path); rerr != nil || string(got) != content {
				t.Error(fmt.Sprint("the file was changed, or is gone: ", rerr))
			}
		})
	}
}
