package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// waitForDisk makes a commit's answer mean that it is on disk, for a session or,
// with $1, for a transaction. A role or database may be set to less (off, local);
// those that are set to more (remote_apply and so on) stay. Set by the session it
// can't be weakened by a reload of the server's configuration either.
const waitForDisk = `SELECT set_config('synchronous_commit',
	CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
	ELSE current_setting('synchronous_commit') END, $1::boolean)`

// SynchronousCommit returns the setting with which this program's transactions
// commit. Anything but off and local means that what was answered is on disk.
func (db *DB) SynchronousCommit(ctx context.Context) (string, error) {
	return db.show(ctx, "synchronous_commit")
}

// Standby reports whether the server is a standby, which takes no writes and may lag
// behind its primary.
func (db *DB) Standby(ctx context.Context) (bool, error) {
	all, err := collect(ctx, db, pgx.RowTo[bool], `SELECT pg_is_in_recovery()`)
	if err != nil {
		return false, fmt.Errorf("asking whether the server is a standby: %w", err)
	}
	return all[0], nil
}

// FSync returns the server's fsync: with off, a crash of the machine may
// destroy the database.
func (db *DB) FSync(ctx context.Context) (string, error) { return db.show(ctx, "fsync") }

// FullPageWrites returns the server's full_page_writes: with off, a crash of the
// machine may leave torn pages, unless the file system itself prevents them.
func (db *DB) FullPageWrites(ctx context.Context) (string, error) {
	return db.show(ctx, "full_page_writes")
}

// show reads a setting as a transaction that writes would find it.
func (db *DB) show(ctx context.Context, name string) (string, error) {
	var value string
	err := db.write(ctx, func(b *pgx.Batch) {
		b.Queue(`SELECT current_setting($1)`, name).QueryRow(func(row pgx.Row) error { return row.Scan(&value) })
	})
	if err != nil {
		return "", fmt.Errorf("reading the database's %s: %w", name, err)
	}
	return value, nil
}
