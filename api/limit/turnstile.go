package limit

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Turnstile lets a number of callers in at a time, in the order in which they came. A second
// number of callers may wait. Safe for concurrent use.
type Turnstile struct {
	inside, waiting chan struct{}
	bytes           atomic.Int64 // of the bodies that wait
}

// NewTurnstile returns a Turnstile with so many callers inside, and so many waiting.
func NewTurnstile(inside, waiting int) *Turnstile {
	return &Turnstile{inside: make(chan struct{}, inside), waiting: make(chan struct{}, waiting)}
}

const (
	maxWait         = 5 * time.Second // at a turnstile
	maxWaitingBytes = 64 << 20        // what all that wait hold in memory
)

// ErrBusy says that too many callers are inside or waiting.
var ErrBusy = errors.New("too many at once")

// Enter waits for a turn, and returns the function that ends it. size is how many bytes the
// caller holds in memory while it waits. The error is ErrBusy if there is no turn within five
// seconds, or the context's error.
func (t *Turnstile) Enter(ctx context.Context, size int) (leave func(), err error) {
	leave = func() { <-t.inside }
	select {
	case t.inside <- struct{}{}:
		return leave, nil
	default:
	}
	defer t.bytes.Add(-int64(size))
	if t.bytes.Add(int64(size)) > maxWaitingBytes {
		return nil, ErrBusy
	}
	select {
	case t.waiting <- struct{}{}:
		defer func() { <-t.waiting }()
	default:
		return nil, ErrBusy
	}
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	select {
	case t.inside <- struct{}{}:
		return leave, nil
	case <-timeout.C:
		return nil, ErrBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
