package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yizheng.internal/license"
	"yizheng.internal/signing"
)

// Explain turns an error of pgx into one of the stores' conditions where it is
// one: whatever says that the database can't take the operation now wraps
// license.ErrUnavailable. The caller's own cancellation stays what it is.
func Explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case poolerInBetween(err):
		return fmt.Errorf("%w: %w", ErrPooler, err)
	case readOnly(err):
		return fmt.Errorf("%w: %w: %w", license.ErrUnavailable, errReadOnly, err)
	case unavailable(err):
		return fmt.Errorf("%w: %w", license.ErrUnavailable, err)
	}
	if _, malformed := errors.AsType[pgx.ScanArgError](err); malformed {
		return fmt.Errorf("a stored column is malformed: %w: %w", signing.ErrAltered, err)
	}
	return err
}

// errReadOnly says what to do where a standby, or one that its administrator made so,
// is asked to write.
var errReadOnly = errors.New("the server takes no writes, for it is a standby or read-only: the database's URL must lead to the primary")

func readOnly(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "25006" // read_only_sql_transaction
}

// ErrPooler says that a pooler stands before the database, in transaction or
// statement mode, and mixes up prepared statements.
var ErrPooler = errors.New("a pooler before the database mixes up prepared statements: add default_query_exec_mode=cache_describe to the database's URL, " +
	"or use PgBouncer 1.21 or newer with max_prepared_statements")

// poolerInBetween reports whether an error is one that only a pooler can cause, for
// this program prepares each statement once on each connection.
func poolerInBetween(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "26000" || e.Code == "42P05") // invalid_sql_statement_name, duplicate_prepared_statement
}

// unavailable reports whether an error is the database's state or the way to
// it, and not what was asked of it.
func unavailable(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code[:min(2, len(e.Code))] {
		case "08", // connection exception
			"53", // insufficient resources: disk full, out of memory, too many connections
			"58": // system error, such as an I/O error
			return true
		}
		switch e.Code {
		case "25006", // read_only_sql_transaction: also a standby
			"57P01", "57P02", "57P03", "57P04", "57P05", // shut down, starting, dropped, idle too long
			"57014",          // query_canceled: not by the caller, so by the server's timeout
			"25P03",          // idle_in_transaction_session_timeout
			"55P03",          // lock_not_available, by the server's lock_timeout
			"40001", "40P01", // lost, and again at each further try
			"XX001", "XX002": // data or index corrupted
			return true
		}
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	for _, target := range []error{io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed,
		context.DeadlineExceeded, context.Canceled} {
		if errors.Is(err, target) {
			return true
		}
	}
	return pgconn.SafeToRetry(err)
}

// again reports whether something failed by no fault of its own and left nothing in the
// database, so that it may simply run again: it lost against another transaction, or its
// connection broke before COMMIT was sent.
func again(err error) bool {
	if _, ok := errors.AsType[*commitError](err); ok {
		return false
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "40001", "40P01": // serialization_failure, deadlock_detected
			return true
		case "23514": // check_violation: the month of an event got its partition under the insert
			return true
		}
	}
	return broken(err)
}

// broken reports whether an open connection was lost.
func broken(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "57P01" || e.Code == "57P02" || e.Code == "57P05" // shut down, crashed, idle too long
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return false // there is nobody to try again with
	}
	if e, ok := errors.AsType[net.Error](err); ok {
		return !e.Timeout()
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, pgconn.ErrConnClosed)
}

// Violates reports whether err is the violation of a unique index whose name, or
// whose partition's table, begins so.
func Violates(err error, prefix string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" &&
		(strings.HasPrefix(e.ConstraintName, prefix) || strings.HasPrefix(e.TableName, prefix))
}

// Missing returns e if err says that there is no row, else err.
func Missing(err, e error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return e
	}
	return err
}

// Changed returns a callback that returns e unless its statement changed a row.
func Changed(e error) func(pgconn.CommandTag) error {
	return func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() == 0 {
			return e
		}
		return nil
	}
}
