package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pressly/goose/v3"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/storagetest/ledger"
)

func TestEventForms(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: createDatabase(t, "template0")})
	if err := withProvider(db.engine.Conns, func(p *goose.Provider) error { _, err := p.UpTo(t.Context(), 85); return err }); err != nil {
		t.Fatal(err)
	}
	ledger.EventForms(t, func(table string, columns []string, values []any) error {
		var marks []string
		for i := range columns {
			marks = append(marks, fmt.Sprintf("$%d", i+1))
		}
		_, err := db.engine.Conns.Exec(t.Context(), `INSERT INTO `+table+` (`+strings.Join(columns, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, values...)
		return err
	}, func() (journal.Store, error) {
		_, err := db.Migrate(t.Context())
		return db.Journal(), err
	})
}
