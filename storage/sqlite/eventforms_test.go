package sqlite

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/storagetest/ledger"
)

func TestEventForms(t *testing.T) {
	db, err := Open(t.Context(), Config{Path: filepath.Join(t.TempDir(), "test.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.withProvider(func(p *goose.Provider) error { _, err := p.UpTo(t.Context(), 85); return err }); err != nil {
		t.Fatal(err)
	}
	ledger.EventForms(t, func(table string, columns []string, values []any) error {
		marks := strings.Join(strings.Split(strings.Repeat("?", len(columns)), ""), ", ")
		return db.engine.Write(t.Context(), func(c *engine.Conn) error {
			_, err := c.Exec(`INSERT INTO `+table+` (`+strings.Join(columns, ", ")+`) VALUES (`+marks+`)`, values...)
			return err
		})
	}, func() (journal.Store, error) {
		_, err := db.Migrate(t.Context())
		return db.Journal(), err
	})
}
