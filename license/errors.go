package license

import "errors"

// Conditions of stores that the rooms test for.
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
