package postgres

import (
	"os/exec"
	"testing"

	"yizheng.internal/storage/storagetest"
	"yizheng.internal/storage/storagetest/suite"
)

// TestSealed searches what pg_dump gives.
func TestSealed(t *testing.T) {
	t.Parallel()
	url := newDatabase(t)
	open := func(t *testing.T) suite.Database {
		db := openDB(t, Config{URL: url})
		return suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Lists: db.Keys(), Auth: db}
	}
	storagetest.Sealed(t, open, func(t *testing.T) []byte {
		dump, err := exec.CommandContext(t.Context(), "pg_dump", "--dbname", url).Output()
		if err != nil {
			t.Fatalf("pg_dump: %v", err)
		}
		return dump
	})
}
