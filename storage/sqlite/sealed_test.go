package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"yizheng.internal/storage/storagetest"
	"yizheng.internal/storage/storagetest/suite"
)

// TestSealed searches the file, the log beside it and whatever else lies there.
func TestSealed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open := func(t *testing.T) suite.Database {
		c := quick
		c.Path = filepath.Join(dir, "test.db")
		db := openTest(t, c)
		return suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Lists: db.Keys(), Auth: db}
	}
	storagetest.Sealed(t, open, func(t *testing.T) []byte {
		var all []byte
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, "test.db"+suffix))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return all
	})
}
