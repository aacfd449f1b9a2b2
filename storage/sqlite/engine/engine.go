// Package engine has what all stores of the SQLite driver share: one connection that
// writes in groups, a few that read, statements with their values and rows, and the errors
// that callers test for. It knows no table but those of SQLite itself.
package engine

import (
	"cmp"
	"context"
	"database/sql"
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
	"github.com/ncruces/go-sqlite3/driver"

	"yizheng.internal/license"
)

// Config says which file to open, and how.
type Config struct {
	Path string            // the file, made if there is none; its folder must be there
	Log  *slog.Logger      // default: discards
	Step func(name string) // called before each step of a commit; default: none
	VFS  string            // the name of a registered VFS; default: the operating system's

	Tuning Tuning // for tests
}

// Tuning is what only tests set differently.
type Tuning struct {
	Synchronous  string        // default: FULL; the durability test shows that less is not enough
	CheckpointAt int           // pages (of 4 KiB) in the log from which a checkpoint is tried; default: 1000
	RestartAt    int           // pages from which it waits for readers, a moment; default: 16,000
	BusyTimeout  time.Duration // how long to wait for another process's lock; default: 10 s
}

// DB is an open file: one connection that writes, and a few that read. It is safe
// for concurrent use.
type DB struct {
	c       Config
	uri     string
	writer  *writer
	readers *readers
}

// Sizes keep an idle program small: the operating system caches the file as well.
const (
	maxReaders  = 4
	WriterCache = 4096     // KiB
	readerCache = 1024     // KiB
	logKept     = 16 << 20 // bytes of the log's file that are kept for reuse
)

// ErrClosed is the error of calls after Close.
var ErrClosed = fmt.Errorf("database is closed: %w", license.ErrUnavailable)

// Open opens a file, or makes an empty one. It starts no goroutine. Errors of
// storage wrap [license.ErrUnavailable].
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
	c.Tuning.Synchronous = cmp.Or(c.Tuning.Synchronous, "FULL")
	c.Tuning.CheckpointAt = cmp.Or(c.Tuning.CheckpointAt, 1000)
	c.Tuning.RestartAt = cmp.Or(c.Tuning.RestartAt, 16_000)
	c.Tuning.BusyTimeout = cmp.Or(c.Tuning.BusyTimeout, 10*time.Second)
	if err := MakeFile(path); err != nil {
		return nil, fmt.Errorf("opening the SQLite database: %w", err)
	}
	// Links are followed here, for SQLite refuses them.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, fmt.Errorf("opening the SQLite database: %w", err)
	}
	db := &DB{c: c, uri: uri(path, c.VFS)}
	db.writer = newWriter(db.openWriter, c)
	db.readers = newReaders(db.openReader)
	// What is wrong with the file should show now, not at the first request.
	if err := db.writer.connect(ctx); err != nil {
		return nil, fmt.Errorf("opening the SQLite database %s: %w", path, Explain(ctx, sayCorrupt(err)))
	}
	return db, nil
}

// Read runs queries on a connection that only reads. The context ends them.
func (db *DB) Read(ctx context.Context, run func(*Conn) error) error {
	return db.readers.do(ctx, run)
}

// Write runs a change in a transaction and returns when it is on disk. The error is
// that of the change, which is rolled back then, or that of the commit. The context
// ends the waiting only while the change has not begun.
func (db *DB) Write(ctx context.Context, run func(*Conn) error) error {
	return db.writer.do(ctx, run)
}

// SQL returns the file as database/sql has it, for migrations; the caller closes it.
// Immediate transactions wait for each other, instead of failing halfway.
func (db *DB) SQL() (*sql.DB, error) {
	return driver.Open(db.uri+"&_txlock=immediate", func(s *sqlite3.Conn) error {
		return db.c.configure(s, readerCache)
	})
}

// MakeFile makes an empty database that only its owner may read. SQLite gives
// its log the same mode, as the URI asks it to.
func MakeFile(path string) error {
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

func (db *DB) openWriter(ctx context.Context) (*Conn, error) {
	c, err := openConn(ctx, db.uri, func(s *sqlite3.Conn) error { return db.c.configure(s, WriterCache) })
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

func (db *DB) openReader(ctx context.Context) (*Conn, error) {
	return openConn(ctx, db.uri, func(s *sqlite3.Conn) error {
		if err := db.c.configure(s, readerCache); err != nil {
			return err
		}
		return s.Exec("PRAGMA query_only = ON")
	})
}

// configure prepares a new connection. The order matters: with a busy timeout,
// the others wait where another process is just making the database.
func (c Config) configure(s *sqlite3.Conn, cache int) error {
	if err := s.BusyTimeout(c.Tuning.BusyTimeout); err != nil {
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
		PRAGMA journal_size_limit = %d;`, c.Tuning.Synchronous, cache, logKept))
}

// logMode turns on write-ahead logging, which stays on for good. It can be turned on only while
// nobody else uses the file, and SQLite does not always wait for that by itself.
func (c Config) logMode(s *sqlite3.Conn) error {
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		mode, err := pragma(s, "journal_mode = WAL")
		switch {
		case err == nil && mode != "wal":
			return fmt.Errorf("write-ahead logging can't be turned on here: the mode stays %s", mode)
		case err == nil || !errors.Is(err, sqlite3.BUSY) || time.Since(start) > c.Tuning.BusyTimeout:
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
