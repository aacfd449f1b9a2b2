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
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"yizheng.internal/license"
	"yizheng.internal/storage/retention"
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
	synchronous  string        // default: FULL; the durability test shows that less is not enough
	checkpointAt int           // pages (of 4 KiB) in the log from which a checkpoint is tried; default: 1000
	restartAt    int           // pages from which it waits for readers, a moment; default: 16,000
	busyTimeout  time.Duration // how long to wait for another process's lock; default: 10 s
	purgeEvery   time.Duration // see Run; default: 3 minutes

	measured func() time.Duration // default: since Open, which no setting of the clock alters
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	c       Config
	uri     string
	writer  *writer
	readers *readers
	clock   clock
	swept   swept
	keeper  *retention.Keeper
}

// Sizes keep an idle program small: the operating system caches the file as well.
const (
	maxReaders  = 4
	writerCache = 4096     // KiB
	readerCache = 1024     // KiB
	logKept     = 16 << 20 // bytes of the log's file that are kept for reuse
)

// ErrClosed is the error of calls after Close.
var ErrClosed = fmt.Errorf("database is closed: %w", license.ErrUnavailable)

// Open opens a database, or makes an empty one, which needs [DB.Migrate]. It
// starts no goroutine. Errors of storage wrap [license.ErrUnavailable].
func Open(ctx context.Context, c Config) (*DB, error) {
	if c.Path == "" {
		return nil, errors.New("opening a SQLite database: no path was given")
	}
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return nil, fmt.Errorf("opening the SQLite database %s: %w", c.Path, err)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Step == nil {
		c.Step = func(string) {}
	}
	c.synchronous = cmp.Or(c.synchronous, "FULL")
	c.checkpointAt = cmp.Or(c.checkpointAt, 1000)
	c.restartAt = cmp.Or(c.restartAt, 16_000)
	c.busyTimeout = cmp.Or(c.busyTimeout, 10*time.Second)
	c.purgeEvery = cmp.Or(c.purgeEvery, 3*time.Minute)
	if began := time.Now(); c.measured == nil {
		c.measured = func() time.Duration { return time.Since(began) }
	}
	if err := makeFile(path); err != nil {
		return nil, fmt.Errorf("opening the SQLite database: %w", err)
	}
	// Links are followed here, for SQLite refuses them.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, fmt.Errorf("opening the SQLite database: %w", err)
	}
	db := &DB{c: c, uri: uri(path, c.VFS), swept: swept{at: map[string][]any{}, due: map[string]time.Time{}}, keeper: &retention.Keeper{Terms: c.Terms}}
	db.writer = newWriter(db.openWriter, c)
	db.readers = newReaders(db.openReader)
	// What is wrong with the file should show now, not at the first request.
	if err := db.writer.connect(ctx); err != nil {
		return nil, fmt.Errorf("opening the SQLite database %s: %w", path, explain(ctx, sayCorrupt(err)))
	}
	return db, nil
}

// makeFile makes an empty database that only its owner may read. SQLite gives
// its log the same mode, as the URI asks it to.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	// The file's name must be on disk as well.
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// uri returns the path as SQLite takes it, whatever characters it has.
func uri(path, vfs string) string {
	q := url.Values{"modeof": {path}}
	if vfs != "" {
		q.Set("vfs", vfs)
	}
	// SQLite reads a plus as a plus.
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query}
	return u.String()
}

// Close waits for the write that is under way and closes the connections. Calls
// that come later return ErrClosed.
func (db *DB) Close() error {
	return errors.Join(db.readers.close(), db.writer.close())
}

// Licenses returns the stores of package license.
func (db *DB) Licenses() *Licenses { return &Licenses{db} }

// Provider returns the stores of packages oidc and identity.
func (db *DB) Provider() *Provider { return &Provider{db} }

// Keys returns the store of package signing.
func (db *DB) Keys() *Keys { return &Keys{db} }

// Licenses implements the stores of package license.
type Licenses struct{ db *DB }

// Provider implements the stores of packages oidc and identity.
type Provider struct{ db *DB }

// Keys implements [yizheng.internal/signing.Records].
type Keys struct{ db *DB }

func (db *DB) openWriter(ctx context.Context) (*conn, error) {
	c, err := open(ctx, db.uri, func(s *sqlite3.Conn) error { return db.c.configure(s, writerCache) })
	if err != nil {
		return nil, err
	}
	// The writer runs its own checkpoints, when the callers have their answers.
	c.db.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
		db.writer.logPages = pages
		return nil
	})
	return c, nil
}

func (db *DB) openReader(ctx context.Context) (*conn, error) {
	return open(ctx, db.uri, func(s *sqlite3.Conn) error {
		if err := db.c.configure(s, readerCache); err != nil {
			return err
		}
		return s.Exec("PRAGMA query_only = ON")
	})
}

// configure prepares a new connection. The order matters: with a busy timeout,
// the others wait where another process is just making the database.
func (c Config) configure(s *sqlite3.Conn, cache int) error {
	if err := s.BusyTimeout(c.busyTimeout); err != nil {
		return err
	}
	if err := c.logMode(s); err != nil {
		return err
	}
	return s.Exec(fmt.Sprintf(`
		PRAGMA synchronous = %s;
		PRAGMA foreign_keys = ON;
		PRAGMA trusted_schema = OFF;
		PRAGMA temp_store = MEMORY;
		PRAGMA cache_size = -%d;
		PRAGMA journal_size_limit = %d;`, c.synchronous, cache, logKept))
}

// logMode turns on write-ahead logging, which stays on for good. Turning it on
// needs the file alone, and SQLite does not always wait for that by itself.
func (c Config) logMode(s *sqlite3.Conn) error {
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		mode, err := pragma(s, "journal_mode = WAL")
		switch {
		case err == nil && mode != "wal":
			return fmt.Errorf("write-ahead logging can't be turned on here: the mode stays %s", mode)
		case err == nil || !errors.Is(err, sqlite3.BUSY) || time.Since(start) > c.busyTimeout:
			return err
		}
	}
}

func pragma(s *sqlite3.Conn, text string) (string, error) {
	stmt, _, err := s.Prepare("PRAGMA " + text)
	if err != nil {
		return "", err
	}
	var value string
	if stmt.Step() {
		value = stmt.ColumnText(0)
	}
	return value, errors.Join(stmt.Err(), stmt.Close())
}
