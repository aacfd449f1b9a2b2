// Package storage opens a database by its URL. The drivers implement the stores
// that license, oidc and signing declare; they share tests, not code.
package storage

import (
	"context"
	"time"

	"yizheng.internal/license/library"
	"yizheng.internal/oidc/provider"
	"yizheng.internal/signing"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/retention"
)

// Database is an open database.
type Database interface {
	Licenses() library.Stores
	Provider() provider.Stores
	Journal() journal.Store
	Keys() Keys
	Admin() Admin
	HighWater() highwater.Store
	// Run does what the database needs from time to time until ctx ends, and
	// returns its error: it forgets what is over, and makes the next months'
	// partitions.
	Run(ctx context.Context) error
	// Close ends what is under way and closes the database. Later calls fail.
	Close() error
}

// Keys is what package signing needs stored.
type Keys interface {
	signing.Records
	signing.RevocationLists
}

// Admin is what operators need of a database.
type Admin interface {
	Clocks
	signing.AuthStore
	retention.Months
	// Kept counts what this process deleted of what is over.
	Kept() *retention.Counters
	// Migrate brings the schema up to date and returns its version.
	Migrate(ctx context.Context) (int64, error)
	// SchemaVersion returns the schema's version and the one this program needs.
	SchemaVersion(ctx context.Context) (have, want int64, err error)
	// Ping tells whether the database answers, and takes writes if write is set.
	Ping(ctx context.Context, write bool) error
	// Pool returns how many connections (SQLite's: for reading) are in use, idle, and
	// open at most; how many callers have waited for one, and how long together.
	Pool() (inUse, idle, most int, waits int64, waited time.Duration)
	// Check reads all of the database: ErrCorrupt (wrapped) if that shows damage.
	// It takes its time, and keeps nobody from reading and writing.
	Check(ctx context.Context) error
	// Save copies the whole database, as it is at one moment, into an empty folder,
	// for [Restore]. It keeps nobody from reading and writing. progress may be nil.
	Save(ctx context.Context, dir string, progress func(done, total int64)) error
}
