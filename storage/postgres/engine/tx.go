package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// tries is how often something runs at most that may run again: see again.
	tries = 3

	// Begin begins a transaction, whatever the database's default is.
	Begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
)

// Write runs the statements that build queues in one transaction. They travel together; their
// callbacks run in order, and Write returns the first error, a callback's or the server's, and
// then nothing was written. So statements are queued in the order of precedence of the errors
// they lead to. build may be called several times.
//
// When Write returns nil, all is on disk. If the connection is lost in COMMIT
// nobody knows; that is license.ErrUnavailable too, and an idempotency key or a
// revision tells at the next try.
func (db *DB) Write(ctx context.Context, build func(*pgx.Batch)) error {
	return db.Retry(ctx, func() error {
		return db.underway(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			b := db.newBatch()
			build(b)
			return conn.SendBatch(ctx, b).Close()
		})
	})
}

// WriteOne runs one statement, which is a transaction by itself, in one round trip; check
// judges what it changed. Otherwise it is like Write.
func (db *DB) WriteOne(ctx context.Context, check func(pgconn.CommandTag) error, sql string, args ...any) error {
	if db.Pooled { // a transaction sets what the session doesn't
		return db.Write(ctx, func(b *pgx.Batch) { b.Queue(sql, args...).Exec(check) })
	}
	return db.Retry(ctx, func() error {
		conn, err := db.acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		ctx, cancel := db.begun(ctx)
		defer cancel()

		for _, name := range []string{"tx.begin", "tx.write", "tx.commit"} {
			db.step(name)
		}
		tag, err := conn.Exec(ctx, sql, args...)
		if err != nil {
			// Unless the server refused it, or never saw it, nobody knows.
			if _, answered := errors.AsType[*pgconn.PgError](err); (!answered || broken(err)) && !pgconn.SafeToRetry(err) {
				return &commitError{err}
			}
			return err
		}
		db.step("tx.committed")
		return check(tag)
	})
}

// commitError says that a COMMIT was sent and its outcome is not known, so that
// its transaction must not simply run again.
type commitError struct{ err error }

func (e *commitError) Error() string { return "committing: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// newBatch is a batch that begins a transaction.
func (db *DB) newBatch() *pgx.Batch {
	b := new(pgx.Batch)
	b.Queue(Begin)
	if db.Pooled {
		b.Queue(WaitForDisk, true)
	}
	return b
}

// underway runs the statements of a transaction, which run begins, and commits
// it. Once there is a connection the caller's cancellation interrupts nothing: a
// change that has begun completes, or runs into its deadline.
func (db *DB) underway(ctx context.Context, run func(context.Context, *pgx.Conn) error) error {
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // which closes a connection that is still in a transaction
	ctx, cancel := db.begun(ctx)
	defer cancel()

	db.step("tx.begin")
	if err := run(ctx, conn.Conn()); err != nil {
		if !conn.Conn().IsClosed() {
			_, _ = conn.Exec(ctx, "ROLLBACK") // on failure Release closes the connection, which rolls back as well
		}
		return err
	}
	db.step("tx.write")
	db.step("tx.commit")
	tag, err := conn.Exec(ctx, "COMMIT")
	if err != nil {
		return &commitError{err}
	}
	if tag.String() != "COMMIT" { // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK
		return errors.New("the transaction was rolled back")
	}
	db.step("tx.committed")
	return nil
}

// InTx runs fn in a transaction, for what needs an answer before it knows the next statement.
// fn may run several times, as with Write.
func (db *DB) InTx(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	return db.Retry(ctx, func() error {
		return db.underway(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			if err := conn.SendBatch(ctx, db.newBatch()).Close(); err != nil {
				return err
			}
			return fn(ctx, conn)
		})
	})
}

// Retry runs something, and runs it again if it failed and left nothing in the database.
func (db *DB) Retry(ctx context.Context, run func() error) error {
	for n := 1; ; n++ {
		err := run()
		if err == nil || n == tries || !again(err) {
			return Explain(ctx, err)
		}
		if broken(err) {
			db.Conns.Reset() // the server restarted, most likely: the other connections are broken too
		}
		// Two transactions that met shall not meet again at once.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(n)*5*time.Millisecond + rand.N(10*time.Millisecond)):
		}
	}
}

// Read runs the queries that build queues, in one round trip. build may be called several
// times, as with Write.
func (db *DB) Read(ctx context.Context, build func(*pgx.Batch)) error {
	return db.Retry(ctx, func() error {
		b := new(pgx.Batch)
		build(b)
		if b.Len() == 0 {
			return ctx.Err()
		}
		return db.Reading(ctx, func(ctx context.Context, conn *pgx.Conn) error { return conn.SendBatch(ctx, b).Close() })
	})
}

// Reading runs queries on a connection, within the time for reading.
func (db *DB) Reading(ctx context.Context, run func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, db.Deadlines.Read)
	defer cancel()
	conn, err := db.acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return run(ctx, conn.Conn())
}

// Collect runs one query and scans its rows.
func Collect[T any](ctx context.Context, db *DB, scan pgx.RowToFunc[T], sql string, args ...any) (all []T, err error) {
	err = db.Retry(ctx, func() error {
		return db.Reading(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			rows, err := conn.Query(ctx, sql, args...)
			if err != nil {
				return err
			}
			all, err = pgx.CollectRows(rows, scan)
			return err
		})
	})
	return all, err
}

// ourSession makes a session plan each statement once, for any values, and isolate single
// statements like transactions; see Begin. Left to itself, PostgreSQL plans a look-up by id
// anew each time, because it expects to read one partition of sixteen then. But a plan for any
// values also reads only one, chosen when it runs, and planning takes longer than all the rest.
const ourSession = `SET plan_cache_mode = force_generic_plan; SET default_transaction_isolation = 'read committed'`

// ForValues runs a query that is planned for its values: what they hold says which
// partitions to read, or how many rows to expect.
func ForValues[T any](ctx context.Context, db *DB, scan pgx.RowToFunc[T], sql string, args ...any) ([]T, error) {
	var all []T
	err := db.Read(ctx, func(b *pgx.Batch) {
		b.Queue(Begin)
		if !db.Pooled { // else nothing is prepared, and everything is planned for its values
			b.Queue(`SET LOCAL plan_cache_mode = force_custom_plan`)
		}
		b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
			all, err = pgx.CollectRows(rows, scan)
			return err
		})
		b.Queue("COMMIT")
	})
	return all, err
}

// show reads a setting as a transaction that writes would find it.
func (db *DB) show(ctx context.Context, name string) (string, error) {
	var value string
	err := db.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`SELECT current_setting($1)`, name).QueryRow(func(row pgx.Row) error { return row.Scan(&value) })
	})
	if err != nil {
		return "", fmt.Errorf("reading the database's %s: %w", name, err)
	}
	return value, nil
}

// One runs a query that has at most one row. If it has none, it returns the error none.
func One[T any](ctx context.Context, db *DB, none error, scan pgx.RowToFunc[T], sql string, args ...any) (T, error) {
	rows, err := Collect(ctx, db, scan, sql, args...)
	if err == nil && len(rows) == 0 {
		err = none
	}
	if err != nil {
		var zero T
		return zero, err
	}
	return rows[0], nil
}
