package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// deadlines bound what a caller may wait for, whatever its context allows: a
// server that is stopped, or a network that swallows packets, answers nothing,
// not even an error. Then the error is license.ErrUnavailable.
type deadlines struct {
	acquire time.Duration // a connection: all are in use, or the server doesn't let us in
	read    time.Duration // one batch of queries, with the wait for its connection
	write   time.Duration // a transaction under way, which the caller's context no longer interrupts
	lock    time.Duration // a migration for a table that others use: who comes after it waits as well
	locks   time.Duration // and for all tables together, trying again
}

// usual are the deadlines of a DB; tests have shorter ones.
var usual = deadlines{acquire: 5 * time.Second, read: 8 * time.Second, write: 10 * time.Second, lock: 3 * time.Second, locks: 10 * time.Minute}

// patient is db for upkeep, for which nobody waits: a partition that gets many
// rows takes its time.
func (db *DB) patient() *DB {
	patient := *db
	patient.deadlines.write = 10 * time.Minute
	return &patient
}

// leastWrite is what a transaction gets that begins just before its caller's
// deadline: else it would be cut off at its first statement.
const leastWrite = time.Second

// acquire returns a connection of the pool, or an error soon.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, db.deadlines.acquire)
	defer cancel()
	conn, err := db.pool.Acquire(limited)
	if err != nil {
		return nil, fmt.Errorf("waiting for a connection: %w", err)
	}
	return conn, nil
}

// begun is the context of a transaction that has begun: the caller's
// cancellation no longer ends it, for a change that has begun completes; the
// caller's deadline and that of writing do.
func (db *DB) begun(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(db.deadlines.write)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
		if least := time.Now().Add(leastWrite); least.After(until) {
			until = least
		}
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}
