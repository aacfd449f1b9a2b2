// Package engine has what all stores of the PostgreSQL driver share: the pool, transactions
// in as few round trips as they need, groups of jobs that are written together, deadlines, and
// the errors that callers test for. It knows no table.
package engine

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
)

// Config says which server's database to open.
type Config struct {
	URL      string       // see postgres.Config
	Log      *slog.Logger // default: slog.Default()
	Step     func(string) // called at each step of a transaction that writes; default: nothing
	MaxConns int          // default: pool_max_conns of the URL, else 20
}

// maxConns is enough for one node: commits wait for the disk together.
const maxConns = 20

// DB is an open pool of connections, and what every store does with one. Safe for
// concurrent use.
type DB struct {
	Conns  *pgxpool.Pool
	most   int32 // how many connections the pool has at most
	Log    *slog.Logger
	step   func(string)
	Pooled bool // sessions aren't ours: set in each transaction what matters

	Deadlines Deadlines // shorter in tests
}

// Open opens the pool and checks that the server answers. An unreachable one is
// license.ErrUnavailable. No error holds the URL, for that may hold a password.
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
		cfg.ConnConfig.ConnectTimeout = Usual.Acquire
	}
	db := &DB{most: cfg.MaxConns, Log: c.Log, step: c.Step, Deadlines: Usual}
	if db.Log == nil {
		db.Log = slog.Default()
	}
	if db.step == nil {
		db.step = func(string) {}
	}
	mode := cfg.ConnConfig.DefaultQueryExecMode
	db.Pooled = mode != pgx.QueryExecModeCacheStatement
	cfg.AfterConnect = db.Prepare
	if db.Conns, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, fmt.Errorf("opening the database: %w", Explain(ctx, err))
	}
	err = db.checkServer(ctx)
	if err == nil && !db.Pooled && cfg.MaxConns > 1 {
		err = db.checkPooler(ctx)
	}
	if err != nil {
		db.Conns.Close()
		return nil, err
	}
	return db, nil
}

// checkPooler finds out at once whether connections keep what was prepared on
// them: a pooler that shares the server's among them answers with ErrPooler.
func (db *DB) checkPooler(ctx context.Context) error {
	check := func() error {
		return db.Reading(ctx, func(ctx context.Context, first *pgx.Conn) error {
			return db.Reading(ctx, func(ctx context.Context, second *pgx.Conn) error {
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
	if err := db.Retry(ctx, check); err != nil {
		return fmt.Errorf("reaching the database: %w", err)
	}
	return nil
}

// Prepare readies a new connection: times come back in UTC, commits wait for the
// disk, and statements are planned once.
func (db *DB) Prepare(ctx context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID,
		Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
	if db.Pooled {
		return nil // the session isn't ours; see Write
	}
	if _, err := conn.PgConn().Exec(ctx, ourSession).ReadAll(); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, WaitForDisk, false)
	return err
}
