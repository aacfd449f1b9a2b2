package engine

import (
	"context"
	"maps"
	"slices"

	"github.com/ncruces/go-sqlite3"
)

// What this driver's tests ask of an open file.

// Path returns where the file is.
func (db *DB) Path() string { return db.c.Path }

// Queued returns how many operations wait for the writer.
func (db *DB) Queued() int {
	db.writer.mu.Lock()
	defer db.writer.mu.Unlock()
	return len(db.writer.queue)
}

// Statements returns what the writer and the reader that was used last have prepared.
func (db *DB) Statements() []string {
	db.readers.mu.Lock()
	defer db.readers.mu.Unlock()
	return slices.Concat(slices.Collect(maps.Keys(db.writer.conn.statements)),
		slices.Collect(maps.Keys(db.readers.idle[len(db.readers.idle)-1].statements)))
}

// Renew closes the idle connections for reading: new ones know newer statistics of the
// tables.
func (db *DB) Renew() {
	db.readers.mu.Lock()
	defer db.readers.mu.Unlock()
	for _, c := range db.readers.idle {
		c.close()
	}
	db.readers.idle = nil
}

// Work runs a query, and returns how many rows it has and how many of its steps SQLite
// made for them.
func (db *DB) Work(ctx context.Context, sql string, values []any) (rows, steps int, err error) {
	err = db.Read(ctx, func(c *Conn) error {
		s, err := c.prepare(sql, values)
		if err != nil {
			return err
		}
		s.Status(sqlite3.STMTSTATUS_VM_STEP, true)
		if err := c.Query(sql, func(*Row) { rows++ }, values...); err != nil {
			return err
		}
		steps = s.Status(sqlite3.STMTSTATUS_VM_STEP, false)
		return nil
	})
	return rows, steps, err
}

// Prepared returns how many statements a connection keeps.
func (c *Conn) Prepared() int { return len(c.statements) }
