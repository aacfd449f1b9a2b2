package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yizheng.internal/storage/postgres/engine"
)

// ErrCorrupt says that the database's files are damaged.
var ErrCorrupt = errors.New("the database is damaged: restore a backup")

// Check reads every row of every table, with the values that are stored outside of it (TOAST),
// and returns ErrCorrupt (wrapped) if the server says that it can't. Where the server has data
// checksums, it compares those of the pages that it reads from disk.
func (db *DB) Check(ctx context.Context) error {
	err := db.engine.InSnapshot(ctx, func(conn *pgx.Conn) error {
		var failures int64
		// NULL without checksums.
		err := conn.QueryRow(ctx, `SELECT coalesce(sum(checksum_failures), 0)::bigint FROM pg_stat_database WHERE datname = current_database()`).Scan(&failures)
		if err != nil {
			return err
		}
		if failures > 0 {
			return fmt.Errorf("%w: the server has counted %d pages with a wrong checksum (pg_stat_database)", ErrCorrupt, failures)
		}
		all, err := listTables(ctx, conn)
		if err != nil {
			return err
		}
		for _, t := range all.Tables {
			if err := copyOut(ctx, conn, io.Discard, t, nil); err != nil {
				return fmt.Errorf("table %s: %w", t.Name, sayCorrupt(err))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("checking the database: %w", engine.Explain(ctx, err))
	}
	return nil
}

// sayCorrupt wraps the server's own errors about damaged files.
func sayCorrupt(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch e.Code {
	case "XX001", "XX002", "58P01", "58030": // data_corrupted, index_corrupted, undefined_file, io_error
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}
