package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// conn is a connection with its prepared statements. One goroutine uses it at a
// time.
type conn struct {
	db         *sqlite3.Conn
	statements map[string]*sqlite3.Stmt
}

// maxStatements is how many prepared statements a connection keeps: more than
// the program has, but for those that searches make up.
const maxStatements = 160

// open opens a connection and prepares it. The context ends the opening.
func open(ctx context.Context, uri string, configure func(*sqlite3.Conn) error) (*conn, error) {
	db, err := sqlite3.OpenContext(ctx, uri)
	if err != nil {
		return nil, err
	}
	db.SetInterrupt(ctx)
	err = configure(db)
	db.SetInterrupt(context.Background())
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &conn{db, map[string]*sqlite3.Stmt{}}, nil
}

func (c *conn) close() error {
	return errors.Join(c.forget(), c.db.Close())
}

// forget drops all prepared statements.
func (c *conn) forget() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	clear(c.statements)
	return errors.Join(errs...)
}

// prepare returns the statement for a text, with its values bound.
func (c *conn) prepare(sql string, values []any) (*sqlite3.Stmt, error) {
	s := c.statements[sql]
	if s == nil {
		if len(c.statements) >= maxStatements {
			if err := c.forget(); err != nil {
				return nil, err
			}
		}
		var err error
		if s, _, err = c.db.PrepareFlags(sql, sqlite3.PREPARE_PERSISTENT); err != nil {
			return nil, err
		}
		c.statements[sql] = s
	}
	for i, v := range values {
		if err := bind(s, i+1, v); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// bind binds a value. Times and dates are bound as the tables keep them, NULL
// for none where the column may be NULL: see optional.
func bind(s *sqlite3.Stmt, i int, value any) error {
	switch v := value.(type) {
	case nil:
		return s.BindNull(i)
	case string:
		return s.BindText(i, v)
	case []byte: // nil is NULL
		return s.BindBlob(i, v)
	case int:
		return s.BindInt64(i, int64(v))
	case int32:
		return s.BindInt64(i, int64(v))
	case int64:
		return s.BindInt64(i, v)
	case bool:
		return s.BindBool(i, v)
	case time.Time:
		return s.BindInt64(i, v.UnixMicro())
	case party.Date:
		if v.IsZero() {
			return s.BindNull(i)
		}
		return s.BindText(i, v.String())
	}
	return fmt.Errorf("a value of type %T can't be bound", value)
}

// optional returns the time as a value to bind, NULL for the zero time.
func optional(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// exec runs a statement and returns how many rows an INSERT, UPDATE or DELETE
// changed.
func (c *conn) exec(sql string, values ...any) (int64, error) {
	s, err := c.prepare(sql, values)
	if err != nil {
		return 0, err
	}
	if err := s.Exec(); err != nil {
		return 0, err
	}
	return c.db.Changes(), nil
}

// query runs a statement and calls f for each row. f reads the row and leaves
// the connection alone.
func (c *conn) query(sql string, f func(*row), values ...any) (err error) {
	s, err := c.prepare(sql, values)
	if err != nil {
		return err
	}
	// An open read, also one that a panic left, would hold up checkpoints.
	defer func() { err = cmp.Or(err, s.Reset()) }()
	r := row{s: s}
	for s.Step() {
		r.next = 0
		if f(&r); r.err != nil {
			return r.err
		}
	}
	return s.Err()
}

// exists reports whether a query has a row.
func (c *conn) exists(sql string, values ...any) (bool, error) {
	found := false
	err := c.query(sql, func(*row) { found = true }, values...)
	return found, err
}

// read runs queries that see one state of the database.
func (c *conn) read(queries func() error) error {
	if _, err := c.exec("BEGIN"); err != nil {
		return err
	}
	// Nothing was written, and nothing must end the ending: the connection goes
	// back to the pool.
	defer func() {
		c.db.SetInterrupt(context.Background())
		c.exec("ROLLBACK")
	}()
	return queries()
}

// row reads a result's columns, one after the other. The first error stays.
type row struct {
	s    *sqlite3.Stmt
	next int
	err  error
}

func (r *row) column() int {
	r.next++
	return r.next - 1
}

func (r *row) text() string { return r.s.ColumnText(r.column()) }
func (r *row) int64() int64 { return r.s.ColumnInt64(r.column()) }
func (r *row) int() int     { return int(r.int64()) }
func (r *row) bool() bool   { return r.int64() != 0 }

// bytes returns a copy, nil for NULL.
func (r *row) bytes() []byte {
	i := r.column()
	if r.s.ColumnType(i) == sqlite3.NULL {
		return nil
	}
	return r.s.ColumnBlob(i, []byte{})
}

func (r *row) sum() (sum [32]byte) {
	if b := r.s.ColumnRawBlob(r.column()); copy(sum[:], b) != len(sum) || len(b) != len(sum) {
		r.fail(fmt.Errorf("a stored sum has %d bytes, not 32", len(b)))
	}
	return sum
}

// time returns the zero time for NULL.
func (r *row) time() time.Time {
	i := r.column()
	if r.s.ColumnType(i) == sqlite3.NULL {
		return time.Time{}
	}
	return time.UnixMicro(r.s.ColumnInt64(i)).UTC()
}

// date returns no date for NULL.
func (r *row) date() party.Date {
	text := r.text()
	if text == "" {
		return party.Date{}
	}
	d, err := party.ParseDate(text)
	r.fail(err)
	return d
}

// fail says that a column can't be what was written here.
func (r *row) fail(err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("a stored column is malformed: %w: %w", signing.ErrAltered, err)
	}
}
