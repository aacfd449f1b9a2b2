package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// ended are tables that a restored database does without: logins and tokens that
// ended since the backup must not live again.
var ended = []string{"sessions", "session_cookies", "session_parties", "families", "family_parties"}

// sequenceGap is how many numbers a restored sequence leaves out, beyond its last one.
const sequenceGap = 1 << 20

// Restore fills an empty database with what Save wrote into a folder, from a
// schema of the given version, and brings it up to date. The rows come in one
// transaction: all of them, or none. Logins end. list is the number of the status
// list from which new entries are given out, as a distance from the newest one:
// entries of that may have been given out since, to licenses that are lost. It
// returns the schema's version.
func (db *DB) Restore(ctx context.Context, dir string, version, list int64, now time.Time, progress func(done, total int64)) (int64, error) {
	f, err := os.Open(filepath.Join(dir, contentsName))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxContents+1))
	if err != nil {
		return 0, err
	}
	c, err := parseContents(text)
	if err != nil {
		return 0, err
	}
	if err := db.makeSchema(ctx, version); err != nil {
		return 0, err
	}
	if err := db.load(ctx, dir, c, list, now, progress); err != nil {
		return 0, fmt.Errorf("restoring the database: %w", engine.Explain(ctx, err))
	}
	if version, err = db.Migrate(ctx); err != nil {
		return version, err
	}
	for _, table := range ledger.Monthly {
		if err := db.PartitionRest(ctx, table, now.AddDate(1000, 0, 0)); err != nil {
			return version, err
		}
	}
	return version, nil
}

// Empty returns an error that says what is in the database, unless that is nothing.
func (db *DB) Empty(ctx context.Context) error {
	err := db.engine.InSnapshot(ctx, func(conn *pgx.Conn) error {
		all, err := listTables(ctx, conn)
		if err != nil {
			return err
		}
		have, _, err := db.SchemaVersion(ctx)
		if err != nil {
			return err
		}
		for _, t := range all.Tables {
			if have == 0 {
				return fmt.Errorf("the database has a table %s: a backup is restored only into an empty one", t.Name)
			}
			var some bool
			if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+t.name()+")").Scan(&some); err != nil {
				return err
			}
			if some {
				return fmt.Errorf("the database has rows in table %s: a backup is restored only into an empty one", t.Name)
			}
		}
		return nil
	})
	if err != nil {
		return engine.Explain(ctx, err)
	}
	return nil
}

// makeSchema brings an empty database to the version that the rows are of. It may
// have it already, from a restore that was interrupted.
func (db *DB) makeSchema(ctx context.Context, version int64) error {
	if err := db.Empty(ctx); err != nil {
		return err
	}
	have, want, err := db.SchemaVersion(ctx)
	switch {
	case err != nil:
		return err
	case version > want:
		return fmt.Errorf("the backup's schema has version %d, and this program knows versions up to %d: use the newer program", version, want)
	case have > version:
		return fmt.Errorf("the database's schema has version %d, and the backup's %d: use a database without any tables", have, version)
	}
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600), lock.WithUnlockTimeout(1, 30))
	if err != nil {
		return err
	}
	err = withProvider(db.engine.Conns, func(p *goose.Provider) error {
		_, err := p.UpTo(ctx, version)
		return err
	}, goose.WithSessionLocker(locker))
	if err != nil {
		return fmt.Errorf("making the schema of version %d: %w", version, engine.Explain(ctx, err))
	}
	if have, _, err = db.SchemaVersion(ctx); err == nil && have != version {
		err = fmt.Errorf("this program makes a schema of version %d, not %d", have, version)
	}
	return err
}

// load fills the tables.
func (db *DB) load(ctx context.Context, dir string, c contents, list int64, now time.Time, progress func(done, total int64)) error {
	conn, err := db.engine.Conns.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // which closes a connection that is still in a transaction
	pg := conn.Conn().PgConn()
	for _, sql := range []string{engine.Begin, engine.NoLimits} {
		if _, err := pg.Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, engine.WaitForDisk, true); err != nil {
		return err
	}
	there, err := listTables(ctx, conn.Conn())
	if err != nil {
		return err
	}
	if err := c.same(there); err != nil {
		return err
	}
	if err := loadTables(ctx, conn.Conn(), dir, c, progress); err != nil {
		return err
	}
	if err := afresh(ctx, conn.Conn(), c, list, now); err != nil {
		return err
	}
	tag, err := conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() != "COMMIT" {
		err = errors.New("the transaction was rolled back")
	}
	return err
}

// same checks that the saved tables are those of the schema.
func (c contents) same(there contents) error {
	if len(c.Tables) != len(there.Tables) {
		return fmt.Errorf("the backup has %d tables, and the schema %d", len(c.Tables), len(there.Tables))
	}
	for i, t := range there.Tables {
		if s := c.Tables[i]; s.Name != t.Name || !slices.Equal(slices.Sorted(slices.Values(s.Columns)), slices.Sorted(slices.Values(t.Columns))) {
			return fmt.Errorf("the backup's table %s is not the schema's table %s", s.Name, t.Name)
		}
	}
	return nil
}

func loadTables(ctx context.Context, conn *pgx.Conn, dir string, c contents, progress func(done, total int64)) error {
	total, done := int64(0), int64(0)
	for _, t := range c.Tables {
		if _, err := conn.Exec(ctx, "TRUNCATE "+t.name()); err != nil { // what a migration put there
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, t.Name+copySuffix)); err == nil { // else loadTable says it
			total += info.Size()
		}
	}
	for _, t := range c.Tables {
		if slices.Contains(ended, t.Name) {
			continue
		}
		n, err := loadTable(ctx, conn, dir, t, func(n int64) {
			if progress != nil {
				progress(done+n, total)
			}
		})
		if err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
		done += n
	}
	return nil
}

func loadTable(ctx context.Context, conn *pgx.Conn, dir string, t savedTable, progress func(n int64)) (int64, error) {
	f, err := os.Open(filepath.Join(dir, t.Name+copySuffix))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := &counted{r: f, progress: progress}
	_, err = conn.PgConn().CopyFrom(ctx, r, "COPY "+t.name()+" ("+t.columns()+") FROM STDIN (FORMAT binary)")
	return r.n, err
}

// afresh sets what must not go on from where it was; see Restore.
func afresh(ctx context.Context, conn *pgx.Conn, c contents, list int64, now time.Time) error {
	for _, s := range c.Sequences {
		if _, err := conn.Exec(ctx, `SELECT setval($1::text::regclass, $2::bigint)`, s.Name, s.Value+sequenceGap); err != nil {
			return fmt.Errorf("sequence %s: %w", s.Name, err)
		}
	}
	if slices.ContainsFunc(c.Tables, func(t savedTable) bool { return t.Name == "registers" }) {
		if _, err := conn.Exec(ctx, `DELETE FROM registers WHERE kind = ANY ($1)`, ended); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, `INSERT INTO status_lists (list, taken, created)
		SELECT coalesce(max(list), 0) + $1::bigint, 0, $2 FROM status_lists`, list, now)
	return err
}
