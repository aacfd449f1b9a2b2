// Package postgres keeps everything in PostgreSQL 14 or newer, through pgx's
// native pool. It implements the stores that license, oidc and signing declare.
//
// A change is one transaction in two round trips: all its statements travel
// together, then COMMIT. One of a single statement takes one. New licenses and
// redeemed codes are written in groups, if several wait: see group. What must not
// happen twice is decided by a unique index or a row lock, so any number of nodes
// may share a database.
//
// # Behind PgBouncer
//
// By default statements are prepared once per connection, which needs either a
// direct connection or a pooler that follows prepared statements (PgBouncer 1.21
// with max_prepared_statements, also in transaction mode): Open refuses another
// one with ErrPooler. For other poolers in
// transaction mode add default_query_exec_mode=cache_describe to the URL: then
// nothing relies on a session, and each transaction sets what it needs. Migrate
// takes a session's lock and wants a direct connection at any rate.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

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

// maxConns is enough for one node: commits wait for the disk together.
const maxConns = 20

// DB is an open database. Safe for concurrent use.
type DB struct {
	pool   *pgxpool.Pool
	log    *slog.Logger
	step   func(string)
	pooled bool // sessions aren't ours: set in each transaction what matters

	issues      *group[save] // see Licenses.Save
	redemptions *group[redemption]
	rotations   *group[rotation]

	deadlines  deadlines     // shorter in tests
	purgeEvery time.Duration // see Run; another one in tests
	keeper     *retention.Keeper
}

// Open returns the database and checks that it answers. It leaves the schema as
// it is: see [DB.Migrate]. An unreachable one is license.ErrUnavailable. No error
// holds the URL, for that may hold a password.
func Open(ctx context.Context, c Config) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		// pgx masks passwords as well as it can in a text that it can't parse;
		// that isn't well enough for a log.
		return nil, errors.New("the database URL is malformed: it has the form postgres://user:password@host:port/database?sslmode=verify-full, with special characters percent-encoded")
	}
	switch {
	case c.MaxConns < 0 || c.MaxConns > 10_000:
		return nil, fmt.Errorf("%d connections: must be within 1 to 10000, or 0 for the default", c.MaxConns)
	case c.MaxConns > 0:
		cfg.MaxConns = int32(c.MaxConns)
	case !strings.Contains(c.URL, "pool_max_conns"):
		cfg.MaxConns = maxConns
	}
	if !strings.Contains(c.URL, "connect_timeout") {
		cfg.ConnConfig.ConnectTimeout = usual.acquire
	}
	db := &DB{log: c.Log, step: c.Step, purgeEvery: purgeEvery, deadlines: usual, keeper: &retention.Keeper{Terms: c.Terms}}
	if db.log == nil {
		db.log = slog.Default()
	}
	if db.step == nil {
		db.step = func(string) {}
	}
	mode := cfg.ConnConfig.DefaultQueryExecMode
	db.pooled = mode != pgx.QueryExecModeCacheStatement
	cfg.AfterConnect = db.prepare
	db.issues = newGroup(db, cfg.MaxConns, queueIssues, issueKeys, issueIDs)
	db.redemptions = newGroup(db, cfg.MaxConns, queueRedemptions, redemptionKeys, redemptionIDs)
	db.rotations = newGroup(db, cfg.MaxConns, queueRotations, rotationKeys, rotationIDs)
	if db.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("opening the database: %w", explain(ctx, err))
	}
	err = db.checkServer(ctx)
	if err == nil && !db.pooled && cfg.MaxConns > 1 {
		err = db.checkPooler(ctx)
	}
	if err != nil {
		db.pool.Close()
		return nil, err
	}
	return db, nil
}

// checkPooler finds out at once whether connections keep what was prepared on
// them: a pooler that shares the server's among them answers with ErrPooler.
func (db *DB) checkPooler(ctx context.Context) error {
	check := func() error {
		return db.reading(ctx, func(ctx context.Context, first *pgx.Conn) error {
			return db.reading(ctx, func(ctx context.Context, second *pgx.Conn) error {
				for _, conn := range []*pgx.Conn{first, second, first} {
					var n int
					if err := conn.QueryRow(ctx, "SELECT $1::integer", 1).Scan(&n); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
	if err := db.retry(ctx, check); err != nil {
		return fmt.Errorf("reaching the database: %w", err)
	}
	return nil
}

// prepare readies a new connection: times come back in UTC, commits wait for the
// disk, and statements are planned once.
func (db *DB) prepare(ctx context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
	if db.pooled {
		return nil // the session isn't ours; see write
	}
	if _, err := conn.PgConn().Exec(ctx, ourSession).ReadAll(); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, waitForDisk, false)
	return err
}

// Close ends all connections, those in use when their operation has ended, after
// what waits to be written. It returns nil.
func (db *DB) Close() error {
	db.issues.drain()
	db.redemptions.drain()
	db.rotations.drain()
	db.pool.Close()
	return nil
}

// Licenses is the store of package license.
func (db *DB) Licenses() *Licenses { return &Licenses{db} }

// Provider is the store of packages oidc and identity.
func (db *DB) Provider() *Provider { return &Provider{db} }

// Keys is the store of package signing.
func (db *DB) Keys() *Keys { return &Keys{db} }

// Licenses implements the stores of package license.
type Licenses struct{ db *DB }

// Provider implements the stores of packages oidc and identity.
type Provider struct{ db *DB }

// Keys implements signing.Records.
type Keys struct{ db *DB }

// Ping tells whether the database answers, and commits a row if write is set, so
// that a full disk or a read-only database shows: license.ErrUnavailable. Only
// with write it needs the schema.
func (db *DB) Ping(ctx context.Context, write bool) error {
	if !write {
		if err := db.reading(ctx, func(ctx context.Context, conn *pgx.Conn) error { return conn.Ping(ctx) }); err != nil {
			return fmt.Errorf("reaching the database: %w", explain(ctx, err))
		}
		return nil
	}
	err := db.write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO pings (id, count) VALUES (1, 1)
			ON CONFLICT (id) DO UPDATE SET count = pings.count + 1`)
	})
	if err != nil {
		return fmt.Errorf("writing to the database: %w", err)
	}
	return nil
}
