package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/storagetest/suite"
	"yizheng.internal/storage/storagetest/upkeep"
)

func TestBackups(t *testing.T) { upkeep.Backups(t, backed, restored) }

func backed(t *testing.T) upkeep.Backed {
	db := openTest(t, Config{})
	return upkeep.Backed{
		Database: suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys()}, Save: db.Save,
	}
}

func restored(t *testing.T, dir string, list int64) (suite.Database, error) {
	c := Config{Path: filepath.Join(t.TempDir(), "restored.db")}
	if _, err := Restore(t.Context(), c, dir, list, time.Now(), nil); err != nil {
		return suite.Database{}, err
	}
	if _, err := Restore(t.Context(), c, dir, list, time.Now(), nil); err == nil {
		t.Error("restored over a database")
	}
	db := openTest(t, c)
	sound(t, db)
	return suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys()}, nil
}

// TestRestoreInterrupted leaves nothing at the database's path before it is whole,
// and begins anew where an earlier try left its file.
func TestRestoreInterrupted(t *testing.T) {
	db, dir := openTest(t, Config{}), t.TempDir()
	if err := db.Save(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "restored.db")
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Restore(ctx, Config{Path: path}, dir, 1, time.Now(), func(int64, int64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after that: %v", err)
	}
	if _, err := os.Stat(path + ".restoring"); err != nil {
		t.Errorf("it was not interrupted: %v", err)
	}
	if _, err := Restore(t.Context(), Config{Path: path}, dir, 1, time.Now(), nil); err != nil {
		t.Errorf("then: %v", err)
	}
}

// TestCheck damages a database, under its user and in a copy: both are found.
func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db := openTest(t, Config{Path: path})
	for range 50 {
		if err := db.Licenses().Save(t.Context(), newLicense(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Check(t.Context()); err != nil {
		t.Fatalf("a sound one: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Check(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	dir := t.TempDir()
	if err := db.Save(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(dir, savedName)
	f, err := os.OpenFile(saved, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(strings.Repeat("\xa5", 4*4096)), info.Size()/4096/2*4096); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := engine.Inspect(t.Context(), saved); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged copy: %v", err)
	}
	if _, err := Restore(t.Context(), Config{Path: filepath.Join(t.TempDir(), "r.db")}, dir, 1, time.Now(), nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("restoring a damaged copy: %v", err)
	}
	damaged, err := Open(t.Context(), Config{Path: saved})
	if err != nil {
		t.Fatal(err)
	}
	defer damaged.Close()
	if err := damaged.Check(t.Context()); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a damaged database: %v", err)
	}
	if err := os.WriteFile(saved, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: saved}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("no database at all: %v", err)
	}
}
