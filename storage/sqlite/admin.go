package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/pressly/goose/v3"

	"yizheng.internal/storage/sqlite/engine"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrateTries is how often Migrate goes on after another process was faster.
const migrateTries = 5

// Migrate brings the schema up to date and returns its version. Another process
// may do the same at the same time: each migration is one transaction, and only
// one process's succeeds; the other looks again.
func (db *DB) Migrate(ctx context.Context) (int64, error) {
	for try := 1; ; try++ {
		have, want, err := db.SchemaVersion(ctx)
		switch {
		case err != nil:
			return 0, err
		case have > want:
			return have, fmt.Errorf("the schema has version %d, and this program knows versions up to %d: use a newer program", have, want)
		case have == want:
			return have, nil
		}
		err = db.applyMissing(ctx)
		if err != nil && (try == migrateTries || ctx.Err() != nil || errors.Is(err, sqlite3.FULL) || errors.Is(err, sqlite3.READONLY)) {
			return have, fmt.Errorf("migrating the schema from version %d to %d: %w", have, want, engine.Explain(ctx, err))
		}
		if err != nil {
			db.log.Info("migrating the schema, again", "try", try, "error", err)
			time.Sleep(time.Duration(try) * 20 * time.Millisecond)
		} else {
			db.log.Info("migrated the schema", "from", have, "to", want)
		}
	}
}

// applyMissing applies what is missing.
func (db *DB) applyMissing(ctx context.Context) error {
	return db.withProvider(func(p *goose.Provider) error {
		_, err := p.Up(ctx)
		return err
	})
}

// withProvider hands the database to goose, which wants database/sql.
func (db *DB) withProvider(use func(*goose.Provider) error) error {
	pool, err := db.engine.SQL()
	if err != nil {
		return err
	}
	defer pool.Close()
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, pool, files, goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return err
	}
	return use(p)
}

// SchemaVersion returns the schema's version, 0 for an empty database, and the
// one this program needs.
func (db *DB) SchemaVersion(ctx context.Context) (have, want int64, err error) {
	if want, err = newestMigration(); err != nil {
		return 0, 0, err
	}
	err = db.engine.Read(ctx, func(c *engine.Conn) error {
		there, err := c.Exists("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'goose_db_version'")
		if err != nil || !there {
			return err
		}
		return c.Query("SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied",
			func(r *engine.Row) { have = r.Int64() })
	})
	if err != nil {
		return 0, want, fmt.Errorf("reading the schema's version: %w", err)
	}
	return have, want, nil
}

// newestMigration returns the highest number of the embedded files.
func newestMigration() (int64, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return 0, err
	}
	var newest int64
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		newest = max(newest, n)
	}
	return newest, nil
}

// Ping tells whether the database answers. With write, it changes one row and
// has that synced, so that a full or read-only disk shows.
func (db *DB) Ping(ctx context.Context, write bool) error {
	var err error
	if write {
		err = db.engine.Write(ctx, func(c *engine.Conn) error {
			_, err := c.Exec("UPDATE readiness SET writes = writes + 1")
			return err
		})
	} else {
		err = db.engine.Read(ctx, func(c *engine.Conn) error {
			_, err := c.Exists("SELECT 1 FROM sqlite_schema LIMIT 1")
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("pinging the database: %w", err)
	}
	return nil
}
