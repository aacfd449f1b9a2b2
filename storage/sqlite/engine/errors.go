package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"yizheng.internal/license"
)

// Explain turns SQLite's errors into those that callers test for: the context's where that
// interrupted a read, [license.ErrUnavailable] where the disk, the file or a lock is in the
// way. SQLite's texts name tables and columns, never values.
func Explain(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, license.ErrUnavailable):
		return err
	case errors.Is(err, sqlite3.INTERRUPT) && ctx.Err() != nil:
		return ctx.Err()
	case inTheWay(err):
		return fmt.Errorf("%w: %w", license.ErrUnavailable, err)
	}
	return err
}

// inTheWay reports whether an error is about the disk, the file or somebody
// else's lock, and not about what was asked.
func inTheWay(err error) bool {
	code, ok := errors.AsType[sqlite3.ErrorCode](err)
	if !ok {
		return false
	}
	switch code {
	case sqlite3.FULL, sqlite3.IOERR, sqlite3.READONLY, sqlite3.CANTOPEN, sqlite3.BUSY, sqlite3.LOCKED,
		sqlite3.PROTOCOL, sqlite3.PERM, sqlite3.NOMEM, sqlite3.NOLFS, sqlite3.CORRUPT, sqlite3.NOTADB:
		return true
	}
	return false
}

// Taken returns exists if err says that a key is there already, else err.
func Taken(err, exists error) error {
	for _, code := range []sqlite3.ExtendedErrorCode{
		sqlite3.CONSTRAINT_UNIQUE, sqlite3.CONSTRAINT_PRIMARYKEY, sqlite3.CONSTRAINT_ROWID,
	} {
		if errors.Is(err, code) {
			return exists
		}
	}
	return err
}
