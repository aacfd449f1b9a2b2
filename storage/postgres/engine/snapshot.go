package engine

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// snapshot begins a transaction that sees the database as it is at one moment. NoLimits
	// frees it from limits of time that the session may have.
	snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	NoLimits = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL lock_timeout = 0"
)

// InSnapshot runs queries that see one state of the database, however long they take.
func (db *DB) InSnapshot(ctx context.Context, run func(*pgx.Conn) error) error {
	conn, err := db.Conns.Acquire(ctx)
	if err != nil {
		return err
	}
	defer endSnapshot(ctx, conn)
	for _, sql := range []string{snapshot, NoLimits} {
		if _, err := conn.Conn().PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	return run(conn.Conn())
}

// endSnapshot gives a connection back; Release closes one that is still in a transaction.
func endSnapshot(ctx context.Context, conn *pgxpool.Conn) {
	if !conn.Conn().IsClosed() && ctx.Err() == nil {
		_, _ = conn.Exec(ctx, "ROLLBACK")
	}
	conn.Release()
}
