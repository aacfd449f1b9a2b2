package postgres

import (
	"os/exec"
	"testing"

	"yizheng.internal/storage/storagetest"
)

// TestSealed searches what pg_dump gives.
func TestSealed(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	open := func(t *testing.T) storagetest.Database {
		db := openDB(t, Config{URL: url})
		return storagetest.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Lists: db.Keys(), Auth: db}
	}
	storagetest.Sealed(t, open, func(t *testing.T) []byte {
		dump, err := exec.CommandContext(t.Context(), "pg_dump", "--dbname", url).Output()
		if err != nil {
			t.Fatalf("pg_dump: %v", err)
		}
		return dump
	})
}
