package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"yizheng.internal/storage/postgres"
	"yizheng.internal/storage/sqlite"
)

// Drivers, as backups name them.
const (
	SQLite     = "sqlite"
	PostgreSQL = "postgres"
)

// IsCorrupt reports whether an error says that a database is damaged.
func IsCorrupt(err error) bool {
	return errors.Is(err, sqlite.ErrCorrupt) || errors.Is(err, postgres.ErrCorrupt)
}

// Driver returns the driver of the database that a URL names, and for SQLite the
// file's path.
func Driver(rawURL string) (driver, path string, err error) {
	scheme, rest, _ := strings.Cut(rawURL, ":")
	switch strings.ToLower(scheme) {
	case "sqlite":
		return SQLite, rest, nil
	case "file":
		path, err := filePath(rawURL)
		return SQLite, path, err
	case "postgres", "postgresql":
		return PostgreSQL, "", nil
	}
	return "", "", errors.New("the database URL has an unknown scheme: it begins with sqlite: or postgres://")
}

// Saved is what [Admin].Save wrote.
type Saved struct {
	Dir    string
	Driver string
	Schema int64 // version of the schema that was saved
}

// CheckEmpty returns an error that says what is in the database, unless that is
// nothing: then a backup can be restored there. SQLite's file must not exist.
func CheckEmpty(ctx context.Context, rawURL string, o Options) (err error) {
	driver, path, err := Driver(rawURL)
	if err != nil {
		return err
	}
	if driver == SQLite {
		_, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return errors.Join(fmt.Errorf("%s exists: a backup is restored only where there is no database", path), err)
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: rawURL, Log: o.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Empty(ctx)
}

// listGap is how far the first status list of a restored database is beyond its
// newest one at most, by chance: nobody knows how many lists were begun since the
// backup, and the same backup may be restored again.
const listGap = 1 << 32

// Restore makes the database that a URL names out of a saved one, brought up to
// date, and returns the schema's version. The database must be empty; it is filled
// whole, or not at all. Logins and tokens don't come back, for they may have ended
// since, and no entry of an earlier status list is given out any more.
func Restore(ctx context.Context, rawURL string, o Options, from Saved, now time.Time, progress func(done, total int64)) (version int64, err error) {
	driver, path, err := Driver(rawURL)
	if err != nil {
		return 0, err
	}
	if driver != from.Driver {
		return 0, fmt.Errorf("the backup is of a database of driver %s, and this one's is %s: restore it with --database-url of the same kind", from.Driver, driver)
	}
	list := 1 + rand.Int64N(listGap)
	if driver == SQLite {
		return sqlite.Restore(ctx, sqlite.Config{Path: path, Log: o.Log}, from.Dir, list, now, progress)
	}
	db, err := postgres.Open(ctx, postgres.Config{URL: rawURL, Log: o.Log})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Restore(ctx, from.Dir, from.Schema, list, now, progress)
}
