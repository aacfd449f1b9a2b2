package engine

import (
	"context"
	"errors"

	"github.com/ncruces/go-sqlite3"
)

// savePages is how many pages are copied at a time.
const savePages = 256

// CopyTo copies page by page under one read transaction: without that, a write
// between two steps would make SQLite begin again.
func (db *DB) CopyTo(ctx context.Context, target string, progress func(done, total int64)) (err error) {
	c, err := db.openReader(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	return c.Read(func() (err error) {
		if _, err := c.Exists("SELECT 1 FROM sqlite_schema LIMIT 1"); err != nil { // here the moment is fixed
			return err
		}
		b, err := c.db.BackupInit("main", uri(target, ""))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.Close()) }()
		for done := false; !done; {
			if err := ctx.Err(); err != nil {
				return err
			}
			if done, err = b.Step(savePages); err != nil {
				return err
			}
			if progress != nil {
				progress(int64(b.PageCount()-b.Remaining()), int64(b.PageCount()))
			}
		}
		return nil
	})
}

// Inspect checks a file that nobody uses.
func Inspect(ctx context.Context, path string) (err error) {
	c, err := openConn(ctx, uri(path, "")+"&immutable=1", func(s *sqlite3.Conn) error { return s.Exec("PRAGMA query_only = ON") })
	if err != nil {
		return Explain(ctx, err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	c.db.SetInterrupt(ctx)
	return Explain(ctx, quickCheck(c))
}
