package engine

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

// Conn is a connection with its prepared statements. One goroutine uses it at a
// time.
type Conn struct {
	db         *sqlite3.Conn
	statements map[string]*sqlite3.Stmt
}

// MaxStatements is how many prepared statements a connection keeps: more than the program has,
// apart from those that searches put together.
const MaxStatements = 160

// openConn opens a connection and prepares it. The context ends the opening.
func openConn(ctx context.Context, uri string, configure func(*sqlite3.Conn) error) (*Conn, error) {
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
	return &Conn{db, map[string]*sqlite3.Stmt{}}, nil
}

func (c *Conn) close() error {
	return errors.Join(c.forget(), c.db.Close())
}

// forget drops all prepared statements.
func (c *Conn) forget() error {
	var errs []error
	for _, s := range c.statements {
		errs = append(errs, s.Close())
	}
	clear(c.statements)
	return errors.Join(errs...)
}

// prepare returns the statement for a text, with its values bound.
func (c *Conn) prepare(sql string, values []any) (*sqlite3.Stmt, error) {
	s := c.statements[sql]
	if s == nil {
		if len(c.statements) >= MaxStatements {
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
// for none where the column may be NULL: see [Optional].
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

// Optional returns the time as a value to bind, NULL for the zero time.
func Optional(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// Exec runs a statement and returns how many rows an INSERT, UPDATE or DELETE
// changed.
func (c *Conn) Exec(sql string, values ...any) (int64, error) {
	s, err := c.prepare(sql, values)
	if err != nil {
		return 0, err
	}
	if err := s.Exec(); err != nil {
		return 0, err
	}
	return c.db.Changes(), nil
}

// LastRow returns the number of the row that was inserted last.
func (c *Conn) LastRow() int64 { return c.db.LastInsertRowID() }

// Query runs a statement and calls f for each row. f reads the row and leaves
// the connection alone.
func (c *Conn) Query(sql string, f func(*Row), values ...any) (err error) {
	s, err := c.prepare(sql, values)
	if err != nil {
		return err
	}
	// An open read, also one that a panic left, would hold up checkpoints.
	defer func() { err = cmp.Or(err, s.Reset()) }()
	r := Row{s: s}
	for s.Step() {
		r.next = 0
		if f(&r); r.err != nil {
			return r.err
		}
	}
	return s.Err()
}

// Exists reports whether a query has a row.
func (c *Conn) Exists(sql string, values ...any) (bool, error) {
	found := false
	err := c.Query(sql, func(*Row) { found = true }, values...)
	return found, err
}

// Read runs queries that see one state of the database.
func (c *Conn) Read(queries func() error) error {
	if _, err := c.Exec("BEGIN"); err != nil {
		return err
	}
	// Nothing was written. The rollback must not be interrupted, for the connection goes back
	// to the pool.
	defer func() {
		c.db.SetInterrupt(context.Background())
		c.Exec("ROLLBACK")
	}()
	return queries()
}

// Row reads a result's columns, one after the other. The first error stays.
type Row struct {
	s    *sqlite3.Stmt
	next int
	err  error
}

func (r *Row) column() int {
	r.next++
	return r.next - 1
}

func (r *Row) Text() string { return r.s.ColumnText(r.column()) }
func (r *Row) Int64() int64 { return r.s.ColumnInt64(r.column()) }
func (r *Row) Int() int     { return int(r.Int64()) }
func (r *Row) Bool() bool   { return r.Int64() != 0 }

// Bytes returns a copy, nil for NULL.
func (r *Row) Bytes() []byte {
	i := r.column()
	if r.s.ColumnType(i) == sqlite3.NULL {
		return nil
	}
	return r.s.ColumnBlob(i, []byte{})
}

func (r *Row) Sum() (sum [32]byte) {
	if b := r.s.ColumnRawBlob(r.column()); copy(sum[:], b) != len(sum) || len(b) != len(sum) {
		r.Fail(fmt.Errorf("a stored sum has %d bytes, not 32", len(b)))
	}
	return sum
}

// Time returns the zero time for NULL.
func (r *Row) Time() time.Time {
	i := r.column()
	if r.s.ColumnType(i) == sqlite3.NULL {
		return time.Time{}
	}
	return time.UnixMicro(r.s.ColumnInt64(i)).UTC()
}

// Date returns no date for NULL.
func (r *Row) Date() party.Date {
	text := r.Text()
	if text == "" {
		return party.Date{}
	}
	d, err := party.ParseDate(text)
	r.Fail(err)
	return d
}

// Key reads a key of the same types as another one.
func (r *Row) Key(like []any) []any {
	key := make([]any, len(like))
	for i, v := range like {
		switch v.(type) {
		case string:
			key[i] = r.Text()
		case []byte:
			key[i] = r.Bytes()
		default:
			key[i] = r.Int64()
		}
	}
	return key
}

// Fail says that a column can't be what was written here.
func (r *Row) Fail(err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("a stored column is malformed: %w: %w", signing.ErrAltered, err)
	}
}
