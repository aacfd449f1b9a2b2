package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// ErrCorrupt says that the database's file is damaged.
var ErrCorrupt = errors.New("the database is damaged: restore a backup")

// maxComplaints is how many of SQLite's findings an error shows.
const maxComplaints = 3

// Check reads the whole database and sees that it is sound: ErrCorrupt (wrapped) if not. It
// takes about as long as reading the file; others go on meanwhile.
func (db *DB) Check(ctx context.Context) (err error) {
	c, err := db.openReader(ctx)
	if err != nil {
		return fmt.Errorf("checking the database: %w", Explain(ctx, sayCorrupt(err)))
	}
	defer func() { err = errors.Join(err, c.close()) }()
	c.db.SetInterrupt(ctx)
	if err := quickCheck(c); err != nil {
		return fmt.Errorf("checking the database: %w", Explain(ctx, err))
	}
	return nil
}

// quickCheck runs PRAGMA quick_check: all but the comparison of indexes with
// their tables, which takes many times as long.
func quickCheck(c *Conn) error {
	var complaints []string
	err := c.Query(fmt.Sprintf("PRAGMA quick_check(%d)", maxComplaints), func(r *Row) {
		if text := r.Text(); text != "ok" {
			complaints = append(complaints, text)
		}
	})
	if err = sayCorrupt(err); err == nil && len(complaints) > 0 {
		err = fmt.Errorf("%w: %w", ErrCorrupt, errors.New(strings.Join(complaints, "; ")))
	}
	return err
}

// sayCorrupt wraps SQLite's own errors about a damaged file.
func sayCorrupt(err error) error {
	if errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB) {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}
