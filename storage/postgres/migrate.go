package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema up to date and returns its version. Nodes that start
// together may all call it: they take turns. A schema that is newer than this
// program is an error, for an older program would not keep the newer one's rules.
// It makes the coming months' partitions as well: see [DB.EnsurePartitions].
func (db *DB) Migrate(ctx context.Context) (int64, error) {
	have, want, err := db.SchemaVersion(ctx)
	if err != nil {
		return 0, err
	}
	if have > want {
		return have, fmt.Errorf("the database's schema has version %d and this program knows %d: install the newer program", have, want)
	}
	if have < want {
		if have, err = db.migrateUp(ctx); err != nil {
			return 0, fmt.Errorf("migrating the database: %w", explain(ctx, err))
		}
	}
	return have, db.EnsurePartitions(ctx, time.Now())
}

func (db *DB) migrateUp(ctx context.Context) (version int64, err error) {
	// The lock belongs to a session: if this process dies, it goes with it.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 30))
	if err != nil {
		return 0, err
	}
	return version, db.withProvider(func(p *goose.Provider) error {
		if _, err := p.Up(ctx); err != nil {
			return err
		}
		version, err = p.GetDBVersion(ctx)
		return err
	}, goose.WithSessionLocker(locker))
}

// withProvider hands goose the pool in the form that it takes.
func (db *DB) withProvider(use func(*goose.Provider) error, options ...goose.ProviderOption) (err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	pool := stdlib.OpenDBFromPool(db.pool)
	defer func(pool *sql.DB) { err = errors.Join(err, pool.Close()) }(pool)
	p, err := goose.NewProvider(goose.DialectPostgres, pool, files, append(options, goose.WithDisableGlobalRegistry(true))...)
	if err != nil {
		return err
	}
	return use(p)
}

// SchemaVersion returns the schema's version, 0 for an empty database, and the
// one this program needs.
func (db *DB) SchemaVersion(ctx context.Context) (have, want int64, err error) {
	err = db.withProvider(func(p *goose.Provider) error {
		sources := p.ListSources()
		want = sources[len(sources)-1].Version
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("reading this program's migrations: %w", err)
	}
	err = db.reading(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&have)
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42P01" { // undefined_table
		return 0, want, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("reading the schema's version: %w", explain(ctx, err))
	}
	return have, want, nil
}
