package engine

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Durability says what makes commits durable at the server.
type Durability struct{ DB *DB }

// WaitForDisk makes a commit's answer mean that it is on disk, for a session or,
// with $1, for a transaction. A role or database may be set to less (off, local);
// those that are set to more (remote_apply and so on) stay. Set by the session it
// can't be weakened by a reload of the server's configuration either.
const WaitForDisk = `SELECT set_config('synchronous_commit',
	CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
	ELSE current_setting('synchronous_commit') END, $1::boolean)`

// SynchronousCommit returns the setting with which this program's transactions
// commit. Anything but off and local means that what was answered is on disk.
func (s *Durability) SynchronousCommit(ctx context.Context) (string, error) {
	return s.DB.show(ctx, "synchronous_commit")
}

// Standby reports whether the server is a standby, which takes no writes and may lag
// behind its primary.
func (s *Durability) Standby(ctx context.Context) (bool, error) {
	all, err := Collect(ctx, s.DB, pgx.RowTo[bool], `SELECT pg_is_in_recovery()`)
	if err != nil {
		return false, fmt.Errorf("asking whether the server is a standby: %w", err)
	}
	return all[0], nil
}

// FSync returns the server's fsync: with off, a crash of the machine may
// destroy the database.
func (s *Durability) FSync(ctx context.Context) (string, error) { return s.DB.show(ctx, "fsync") }

// FullPageWrites returns the server's full_page_writes: with off, a crash of the
// machine may leave torn pages, unless the file system itself prevents them.
func (s *Durability) FullPageWrites(ctx context.Context) (string, error) {
	return s.DB.show(ctx, "full_page_writes")
}

// DataChecksums returns the server's data_checksums: with off, nobody notices what
// a disk alters.
func (s *Durability) DataChecksums(ctx context.Context) (string, error) {
	return s.DB.show(ctx, "data_checksums")
}
