package license

import (
	"errors"
	"fmt"

	"yizheng.internal/license/schema"
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

// Error is a refusal that the caller may see. Its texts hold no personal data
// and echo no value.
type Error struct {
	Kind       ErrorKind
	Reason     string // a code in snake_case, stable
	Detail     string // one sentence: what is wrong and what to do
	Violations []schema.Violation
}

// ErrorKind groups reasons by what the caller can do about them.
type ErrorKind int

const (
	KindInvalid       ErrorKind = iota + 1 // the input is wrong
	KindForbidden                          // the caller may not do this
	KindMissing                            // there is no such thing, or none that the caller may see
	KindConflict                           // it doesn't fit the present state
	KindLimited                            // too many tries
	KindChanged                            // it isn't as the caller saw it any more
	KindUnconditional                      // the caller must say what it saw
)

func (e *Error) Error() string { return e.Reason + ": " + e.Detail }

func invalid(reason, detail string, vs ...schema.Violation) error {
	return &Error{KindInvalid, reason, detail, vs}
}
func forbidden(reason, detail string) error { return &Error{KindForbidden, reason, detail, nil} }
func missing(reason, detail string) error   { return &Error{KindMissing, reason, detail, nil} }
func conflict(reason, detail string) error  { return &Error{KindConflict, reason, detail, nil} }
