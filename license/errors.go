package license

import (
	"errors"
	"fmt"
)

// Conditions of stores that the registry tests for.
var (
	ErrNotFound        = errors.New("not found")
	ErrConflict        = errors.New("changed since it was read")
	ErrRequestTaken    = errors.New("idempotency key was used already")
	ErrIdentifierTaken = errors.New("identifier is in use")
	ErrNumberTaken     = errors.New("number is in use")
	ErrExhausted       = errors.New("used as often as it may be")
	// ErrUnavailable says that storage can't take the write now: a full disk,
	// a read-only or unreachable database. Nothing was done.
	ErrUnavailable = errors.New("storage is unavailable")
)

// UnreservedError says that a change was to set an entry of a status list that was
// never reserved, or that somebody deleted.
type UnreservedError struct {
	List  int64
	Index int
}

func (e *UnreservedError) Error() string {
	return fmt.Sprintf("entry %d of status list %d was never reserved", e.Index, e.List)
}
