package identity

import (
	"context"
	"errors"
	"time"
)

// Conditions of [Ephemeral].
var (
	// ErrGone says that nothing is kept under a key: it never was, has expired, or
	// was lost.
	ErrGone = errors.New("nothing is kept under this key")
	// ErrChanged says that a value is no longer the one that was read.
	ErrChanged = errors.New("the kept value changed since it was read")
	// ErrFull says that there is no room now.
	ErrFull = errors.New("no room for another value")
)

// Ephemeral keeps what may be lost at any time and costs a fresh start then:
// logins and authorization requests under way, payloads of codes, counters of
// tries. It may delay and never decides: what must not happen twice is spent in
// the database ([yizheng.internal/oidc.Families]).
//
// Keys are 1 to 200 visible ASCII characters, values up to 64 KiB; values are
// sealed by who keeps them. Every driver passes storagetest.Ephemeral. When a
// server behind it doesn't answer, methods return an error that is none of the
// above.
type Ephemeral interface {
	// Put keeps a value until it expires, in place of any before it. An expiry
	// that isn't after now keeps nothing. ErrFull if there is no room: then what
	// was kept before stays.
	Put(ctx context.Context, key string, value []byte, now, expires time.Time) error
	// Load returns the value that is kept, or ErrGone.
	Load(ctx context.Context, key string, now time.Time) ([]byte, error)
	// Swap puts a new value in the place of old, in one step, and leaves the
	// expiry as it is: ErrGone if nothing is kept, ErrChanged if it isn't old,
	// ErrFull as Put.
	Swap(ctx context.Context, key string, old, new []byte, now time.Time) error
	// Delete forgets a value, if there is one.
	Delete(ctx context.Context, key string) error
	// Count adds n, which may be 0 or negative, to a counter and returns its new
	// value. The counter begins at 0, with the first n that isn't 0, and is
	// forgotten a window after it began; a window that isn't positive keeps
	// nothing. Counters and values have keys of their own.
	Count(ctx context.Context, key string, n int64, window time.Duration, now time.Time) (int64, error)
}
