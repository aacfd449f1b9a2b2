package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// LeastServer is the oldest server that this package works with, as its
// server_version_num. Sweeps read a table by the places of its rows, a range at a
// time, which PostgreSQL can from version 14 on: before, each step reads all of it.
const LeastServer = 14_00_00

// ErrOldServer says that the server is older than what this package works with.
var ErrOldServer = errors.New("PostgreSQL is too old")

// checkServer makes sure that the server answers, and is new enough.
func (db *DB) checkServer(ctx context.Context) error {
	var version int
	err := db.Reading(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::integer`).Scan(&version)
	})
	if err != nil {
		return fmt.Errorf("reaching the database: %w", Explain(ctx, err))
	}
	return OldServer(version)
}

// OldServer returns ErrOldServer, wrapped, if a server's version is too low.
func OldServer(version int) error {
	if version >= LeastServer {
		return nil
	}
	name := fmt.Sprintf("%d", version/10_000)
	if version < 10_00_00 { // until then a version was two numbers
		name = fmt.Sprintf("%d.%d", version/10_000, version/100%100)
	}
	return fmt.Errorf("%w: the server is version %s, and %d or newer is needed; update it (pg_upgrade), or use another server", ErrOldServer, name, LeastServer/10_000)
}
