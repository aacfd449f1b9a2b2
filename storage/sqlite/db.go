// Package sqlite keeps the stores of license, oidc and signing in one SQLite
// file. It needs no server and no cgo, and other processes may use the file at
// the same time.
//
// Writes are committed in groups, by one connection, and are on disk when they
// are answered: the write-ahead log is synced at each commit. Reads have a few
// connections of their own and wait for nobody.
package sqlite

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"yizheng.internal/storage/retention"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Config says which database to open, and how.
type Config struct {
	Path string       // the file, made if there is none; its folder must be there
	Log  *slog.Logger // default: discards

	// Step is called before each step of a commit, for tests that stop the
	// program there: tx.begin, tx.write (one operation), tx.commit, and
	// tx.committed, when the operations are on disk and not answered yet.
	Step func(name string) // default: none

	// Terms say when months of events and access records go. Default: never.
	Terms retention.Terms

	VFS string // the name of a registered VFS; default: the operating system's

	tuning // for this package's tests
}

// tuning is what only tests set differently.
type tuning struct {
	file       engine.Tuning
	purgeEvery time.Duration        // see Run; default: 3 minutes
	measured   func() time.Duration // default: since Open, which no setting of the clock alters
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	*Clocks
	*ledger.Months
	*ledger.Registers
	*Sweeper

	engine     *engine.DB
	log        *slog.Logger
	purgeEvery time.Duration
	keeper     *retention.Keeper
}

// What callers test for.
var (
	ErrClosed  = engine.ErrClosed
	ErrCorrupt = engine.ErrCorrupt
)

// Open opens a database, or makes an empty one, which needs [DB.Migrate]. It
// starts no goroutine. Errors of storage wrap license.ErrUnavailable.
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if began := time.Now(); c.measured == nil {
		c.measured = func() time.Duration { return time.Since(began) }
	}
	e, err := engine.Open(ctx, engine.Config{Path: c.Path, Log: c.Log, Step: c.Step, VFS: c.VFS, Tuning: c.file})
	if err != nil {
		return nil, err
	}
	return &DB{
		Clocks: newClocks(e, c.measured), Months: &ledger.Months{DB: e}, Registers: &ledger.Registers{DB: e}, Sweeper: newSweeper(e),
		engine: e, log: c.Log, purgeEvery: cmp.Or(c.purgeEvery, 3*time.Minute), keeper: &retention.Keeper{Terms: c.Terms},
	}, nil
}

// Close waits for the write that is under way and closes the connections. Calls
// that come later return ErrClosed.
func (db *DB) Close() error { return db.engine.Close() }

// Pool returns how many connections for reading are in use, idle, and open at most,
// how many queries have waited for one, and how long together.
func (db *DB) Pool() (inUse, idle, most int, waits int64, waited time.Duration) {
	return db.engine.Pool()
}

// Check reads the whole database and sees that it is sound: ErrCorrupt (wrapped)
// if not. It takes about as long as reading the file; others go on meanwhile.
func (db *DB) Check(ctx context.Context) error { return db.engine.Check(ctx) }
