package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"yizheng.internal/storage/sqlite/engine"
)

// savedName is the one file of a saved database: a database itself.
const savedName = "database.sqlite"

// walSuffix is that of the log beside a database in use.
const walSuffix = "-wal"

// Save copies the whole database, as it is at one moment, into a folder. Others
// read and write meanwhile; only the log isn't begun anew until it is done. The
// copy is checked.
func (db *DB) Save(ctx context.Context, dir string, progress func(done, total int64)) error {
	target, err := filepath.Abs(filepath.Join(dir, savedName))
	if err != nil {
		return err
	}
	if err := engine.MakeFile(target); err != nil {
		return fmt.Errorf("saving the database: %w", err)
	}
	if err := db.engine.CopyTo(ctx, target, progress); err != nil {
		return fmt.Errorf("saving the database: %w", engine.Explain(ctx, err))
	}
	if err := engine.Inspect(ctx, target); err != nil {
		return fmt.Errorf("the saved copy: %w", err)
	}
	return nil
}

// Restore makes a database of what Save wrote into a folder, brought up to date,
// at a path where there is none. It appears there whole, or not at all. list is
// the number of the status list from which new entries are given out, as a
// distance from the newest one; see [DB.afresh]. It returns the schema's version.
func Restore(ctx context.Context, c Config, dir string, list int64, now time.Time, progress func(done, total int64)) (version int64, err error) {
	path, err := filepath.Abs(c.Path)
	if err != nil {
		return 0, err
	}
	for _, name := range []string{path, path + walSuffix} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return 0, errors.Join(fmt.Errorf("%s exists: a backup is restored only where there is no database", name), err)
		}
	}
	c.Path = path + ".restoring"
	for _, name := range []string{c.Path, c.Path + walSuffix, c.Path + "-shm"} { // of one that was interrupted
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
	}
	if err := copyFile(ctx, c.Path, filepath.Join(dir, savedName), progress); err != nil {
		return 0, fmt.Errorf("restoring the database: %w", err)
	}
	if err := engine.Inspect(ctx, c.Path); err != nil {
		return 0, fmt.Errorf("restoring the database: %w", err)
	}
	if version, err = renew(ctx, c, list, now); err != nil {
		return 0, fmt.Errorf("restoring the database: %w", err)
	}
	if _, err := os.Lstat(c.Path + walSuffix); !errors.Is(err, fs.ErrNotExist) {
		return 0, errors.Join(errors.New("restoring the database: its log is still there"), err)
	}
	if err := os.Rename(c.Path, path); err != nil {
		return 0, err
	}
	return version, syncDir(filepath.Dir(path))
}

// renew brings a restored file up to date and makes it fit for use.
func renew(ctx context.Context, c Config, list int64, now time.Time) (version int64, err error) {
	db, err := Open(ctx, c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if version, err = db.Migrate(ctx); err != nil {
		return 0, err
	}
	return version, db.afresh(ctx, list, now)
}

// afresh takes out of a restored database what must not go on from where it was.
// Logins and tokens that ended since must not live again: they all end. Entries of
// the newest status list may have been given out since, to licenses that are lost:
// the next ones come from a list so far ahead that no process had begun it.
func (db *DB) afresh(ctx context.Context, list int64, now time.Time) error {
	return db.engine.Write(ctx, func(c *engine.Conn) error {
		for _, sql := range []string{
			"DELETE FROM session_parties", "DELETE FROM sessions", "DELETE FROM family_parties", "DELETE FROM families",
		} {
			if _, err := c.Exec(sql); err != nil {
				return err
			}
		}
		// Whoever restores has looked at the clock; see ReportClock.
		if _, err := c.Exec("UPDATE clock SET mark = ?, doubt = NULL, steady = 0, jumped = 0 WHERE only = 1", now); err != nil {
			return err
		}
		_, err := c.Exec(`INSERT INTO status_lists (list, revision, taken, created)
			SELECT coalesce(max(list), 0) + ?, 0, 0, ? FROM status_lists`, list, now)
		return err
	})
}

func copyFile(ctx context.Context, to, from string, progress func(done, total int64)) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	for done := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(out, in, 1<<20)
		if done += n; progress != nil {
			progress(done, info.Size())
		}
		if errors.Is(err, io.EOF) {
			return out.Sync()
		}
		if err != nil {
			return err
		}
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
