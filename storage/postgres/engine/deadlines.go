package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Deadlines bound what a caller may wait for, whatever its context allows: a
// server that is stopped, or a network that swallows packets, answers nothing,
// not even an error. Then the error is license.ErrUnavailable.
type Deadlines struct {
	Acquire time.Duration // a connection: all are in use, or the server doesn't let us in
	Read    time.Duration // one batch of queries, with the wait for its connection
	Write   time.Duration // a transaction under way, which the caller's context no longer interrupts
	Lock    time.Duration // a migration for a table that others use: who comes after it waits as well
	Locks   time.Duration // and for all tables together, trying again
}

// Usual are the deadlines of a DB; tests have shorter ones.
var Usual = Deadlines{Acquire: 5 * time.Second, Read: 8 * time.Second, Write: 10 * time.Second, Lock: 3 * time.Second, Locks: 10 * time.Minute}

// Patient is db for upkeep, for which nobody waits: a partition that gets many
// rows takes its time.
func (db *DB) Patient() *DB {
	patient := *db
	patient.Deadlines.Write = 10 * time.Minute
	return &patient
}

// LeastWrite is what a transaction gets that begins just before its caller's
// deadline: else it would be cut off at its first statement.
const LeastWrite = time.Second

// acquire returns a connection of the pool, or an error after the time for that.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, db.Deadlines.Acquire)
	defer cancel()
	conn, err := db.Conns.Acquire(limited)
	if err != nil {
		return nil, fmt.Errorf("waiting for a connection: %w", err)
	}
	return conn, nil
}

// begun returns the context of a transaction that has begun. The caller's cancellation no
// longer ends it, for a change that has begun completes; the caller's deadline and the time for
// writing do.
func (db *DB) begun(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(db.Deadlines.Write)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
		if least := time.Now().Add(LeastWrite); least.After(until) {
			until = least
		}
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}
