// Package postgres keeps everything in PostgreSQL 14 or newer, through pgx's
// native pool. It implements the stores that license, oidc and signing declare.
//
// A change is one transaction in two round trips: all its statements travel
// together, then COMMIT. One of a single statement takes one. New licenses and
// redeemed codes are written in groups, if several wait: see engine.Group. What must not
// happen twice is decided by a unique index or a row lock, so any number of nodes
// may share a database.
//
// # Behind PgBouncer
//
// By default statements are prepared once per connection, which needs either a
// direct connection or a pooler that follows prepared statements (PgBouncer 1.21
// with max_prepared_statements, also in transaction mode): Open refuses another
// one with engine.ErrPooler. For other poolers in
// transaction mode add default_query_exec_mode=cache_describe to the URL: then
// nothing relies on a session, and each transaction sets what it needs. Migrate
// takes a session's lock and wants a direct connection at any rate.
package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
	"yizheng.internal/storage/postgres/licenses"
	"yizheng.internal/storage/postgres/provider"
	"yizheng.internal/storage/retention"
)

// Config says which database to open.
type Config struct {
	// URL is a connection URL, postgres://user:password@host:port/database?…,
	// or a libpq connection string. pgx's parameters are understood, such as
	// pool_max_conns and default_query_exec_mode; what is missing comes from
	// the environment (PGHOST, PGPASSFILE, …) as with libpq.
	URL string
	// Log hears of what is repaired without an answer to anybody, such as a
	// partition that could not be made. Default: slog.Default().
	Log *slog.Logger
	// Step is called at tx.begin, tx.write, tx.commit and tx.committed of every
	// transaction that writes: before its first statement, after its last, before
	// its COMMIT, and after that was answered. Tests kill the process there.
	// Default: nothing.
	Step func(string)
	// Terms say when months of events and access records go. Default: never.
	Terms retention.Terms
	// MaxConns is how many connections are open at most. Default: pool_max_conns
	// of the URL, else 20.
	MaxConns int
}

// DB is an open database. Safe for concurrent use.
type DB struct {
	*Clocks
	*engine.Durability
	*ledger.Months
	*ledger.Registers
	*Sweeper

	engine   *engine.DB
	records  *licenses.Records
	families *provider.Families

	purgeEvery time.Duration // see Run; another one in tests
	keeper     *retention.Keeper
}

// doctor asks a server for these; see cmd/yizheng/internal/doctor. None of the rooms above may
// hide one of them.
var _ interface {
	Standby(context.Context) (bool, error)
	SynchronousCommit(context.Context) (string, error)
	FSync(context.Context) (string, error)
	FullPageWrites(context.Context) (string, error)
	DataChecksums(context.Context) (string, error)
} = (*DB)(nil)

// Open returns the database and checks that it answers. It leaves the schema as
// it is: see [DB.Migrate]. An unreachable one is license.ErrUnavailable. No error
// holds the URL, for that may hold a password.
func Open(ctx context.Context, c Config) (*DB, error) {
	e, err := engine.Open(ctx, engine.Config{URL: c.URL, Log: c.Log, Step: c.Step, MaxConns: c.MaxConns})
	if err != nil {
		return nil, err
	}
	return &DB{
		engine: e, Clocks: &Clocks{e}, Durability: &engine.Durability{DB: e}, Months: &ledger.Months{DB: e}, Registers: &ledger.Registers{DB: e}, Sweeper: &Sweeper{e},
		records: licenses.NewRecords(e), families: provider.NewFamilies(e), purgeEvery: purgeEvery, keeper: &retention.Keeper{Terms: c.Terms},
	}, nil
}

// Close ends all connections, those in use when their operation has ended, after
// what waits to be written. It returns nil.
func (db *DB) Close() error {
	db.records.Drain()
	db.families.Drain()
	db.engine.Conns.Close()
	return nil
}

// Ping tells whether the database answers, and commits a row if write is set, so
// that a full disk or a read-only database shows: license.ErrUnavailable. Only
// with write it needs the schema.
func (db *DB) Ping(ctx context.Context, write bool) error {
	if !write {
		if err := db.engine.Reading(ctx, func(ctx context.Context, conn *pgx.Conn) error { return conn.Ping(ctx) }); err != nil {
			return fmt.Errorf("reaching the database: %w", engine.Explain(ctx, err))
		}
		return nil
	}
	err := db.engine.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO pings (id, count) VALUES (1, 1)
			ON CONFLICT (id) DO UPDATE SET count = pings.count + 1`)
	})
	if err != nil {
		return fmt.Errorf("writing to the database: %w", err)
	}
	return nil
}

// Pool returns how many connections are in use, idle, and open at most, how many
// callers have waited for one, and how long together.
func (db *DB) Pool() (inUse, idle, most int, waits int64, waited time.Duration) {
	return db.engine.Pool()
}
