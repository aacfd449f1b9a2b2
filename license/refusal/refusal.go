// Package refusal has what the rooms of the registry refuse: the table of all reason codes, the [Error] with such
// a code that the caller may see, and the [Violations] that say where an input is wrong. What HTTP itself is
// refused for stands in package api/openapi, what the OpenID provider refuses in package api/oauth.
package refusal

import "yizheng.internal/license/schema"

// Error is a refusal that the caller may see. Its texts hold no personal data
// and echo no value.
type Error struct {
	Kind       Kind
	Reason     Reason
	Detail     string // one sentence: what is wrong and what to do
	Violations []schema.Violation
}

// Reason says what is wrong: a code in snake_case that never changes. The code that refuses writes the reason in
// place. A reason that somebody tests for is a constant.
type Reason string

// Kind groups reasons by what the caller can do about them.
type Kind int

const (
	KindInvalid       Kind = iota + 1 // the input is wrong
	KindForbidden                     // the caller may not do this
	KindMissing                       // there is no such thing, or none that the caller may see
	KindConflict                      // it doesn't fit the present state
	KindLimited                       // too many tries
	KindChanged                       // it has changed since the caller saw it
	KindUnconditional                 // the caller must say what it saw
)

func (e *Error) Error() string { return string(e.Reason) + ": " + e.Detail }

// Invalid returns an [*Error] that says that the input is wrong, and where.
func Invalid(reason Reason, detail string, vs ...schema.Violation) error {
	return &Error{KindInvalid, reason, detail, vs}
}

// Forbidden returns an [*Error] that says that the caller may not do this.
func Forbidden(reason Reason, detail string) error { return &Error{KindForbidden, reason, detail, nil} }

// Missing returns an [*Error] that says that there is no such thing, or none that the
// caller may see.
func Missing(reason Reason, detail string) error { return &Error{KindMissing, reason, detail, nil} }

// Conflict returns an [*Error] that says that it doesn't fit the present state.
func Conflict(reason Reason, detail string) error { return &Error{KindConflict, reason, detail, nil} }

// Limited returns an [*Error] that says that there were too many tries.
func Limited(reason Reason, detail string) error { return &Error{KindLimited, reason, detail, nil} }

// Changed returns an [*Error] that says that it has changed since the caller saw it.
func Changed(reason Reason, detail string) error { return &Error{KindChanged, reason, detail, nil} }

// Unconditional returns an [*Error] that says that the caller must say what it saw.
func Unconditional(reason Reason, detail string) error {
	return &Error{KindUnconditional, reason, detail, nil}
}

// ChangedMeanwhile returns an [*Error] that says that somebody else was faster.
func ChangedMeanwhile() error {
	return Conflict("changed_meanwhile", "It was changed by someone else at the same time. Read it again and repeat if still wanted.")
}
