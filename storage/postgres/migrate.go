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
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"yizheng.internal/storage/postgres/engine"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the schema up to date and returns its version. Nodes that start
// together may all call it: they take turns. A schema that is newer than this
// program is an error, for an older program would not keep the newer one's rules.
// It makes the coming months' partitions as well: see [ledger.Months.EnsurePartitions].
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
			return 0, fmt.Errorf("migrating the database: %w", engine.Explain(ctx, err))
		}
	}
	return have, db.EnsurePartitions(ctx, time.Now())
}

// migrateUp runs what is missing. A migration that doesn't get a table within a few
// seconds, for a backup reads it or a transaction was left open, is undone and tried
// again: nobody else waits behind it for longer than that.
func (db *DB) migrateUp(ctx context.Context) (version int64, err error) {
	for until := time.Now().Add(db.engine.Deadlines.Locks); ; {
		version, err = db.tryMigrations(ctx)
		e, ok := errors.AsType[*pgconn.PgError](err)
		if !ok || e.Code != "55P03" || !time.Now().Before(until) { // lock_not_available
			return version, err
		}
		db.engine.Log.WarnContext(ctx, "a migration waits for a table that others use: another transaction is open, or a backup is made; it is tried again", "error", err)
		select { // as long as it waited itself, others have their turn
		case <-ctx.Done():
			return version, ctx.Err()
		case <-time.After(db.engine.Deadlines.Lock):
		}
	}
}

func (db *DB) tryMigrations(ctx context.Context) (version int64, err error) {
	// The lock belongs to a session: if this process dies, it goes with it.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 30))
	if err != nil {
		return 0, err
	}
	// Connections of their own, which wait for a lock for so long and no longer.
	cfg := db.engine.Conns.Config()
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if err := db.engine.Prepare(ctx, conn); err != nil || db.engine.Pooled { // else the session isn't ours
			return err
		}
		_, err := conn.Exec(ctx, `SELECT set_config('lock_timeout', $1, false)`, fmt.Sprint(db.engine.Deadlines.Lock.Milliseconds()))
		return err
	}
	conns, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer conns.Close()
	return version, withProvider(conns, func(p *goose.Provider) error {
		if _, err := p.Up(ctx); err != nil {
			return err
		}
		version, err = p.GetDBVersion(ctx)
		return err
	}, goose.WithSessionLocker(locker))
}

// withProvider hands goose a pool in the form that it takes.
func withProvider(conns *pgxpool.Pool, use func(*goose.Provider) error, options ...goose.ProviderOption) (err error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	pool := stdlib.OpenDBFromPool(conns)
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
	err = withProvider(db.engine.Conns, func(p *goose.Provider) error {
		sources := p.ListSources()
		want = sources[len(sources)-1].Version
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("reading this program's migrations: %w", err)
	}
	err = db.engine.Reading(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&have)
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42P01" { // undefined_table
		return 0, want, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("reading the schema's version: %w", engine.Explain(ctx, err))
	}
	return have, want, nil
}
