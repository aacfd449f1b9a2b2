package api

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// turnstile lets so many through at a time, in the order in which they came,
// and so many more wait.
type turnstile struct {
	inside, waiting chan struct{}
	bytes           atomic.Int64 // of the bodies that wait
}

func newTurnstile(inside, waiting int) *turnstile {
	return &turnstile{inside: make(chan struct{}, inside), waiting: make(chan struct{}, waiting)}
}

const (
	maxWait         = 5 * time.Second // at a turnstile
	maxWaitingBytes = 64 << 20        // what all that wait hold in memory
)

// enter returns how to leave again, or a refusal if there is no room. The size
// is that of the body that waits, in bytes.
func (t *turnstile) enter(ctx context.Context, size int) (leave func(), err error) {
	leave = func() { <-t.inside }
	select {
	case t.inside <- struct{}{}:
		return leave, nil
	default:
	}
	busy := &problem{Status: http.StatusServiceUnavailable, Reason: "busy", Detail: "The service is busy. Try again in a few seconds.", retryAfter: 5}
	defer t.bytes.Add(-int64(size))
	if t.bytes.Add(int64(size)) > maxWaitingBytes {
		return nil, busy
	}
	select {
	case t.waiting <- struct{}{}:
		defer func() { <-t.waiting }()
	default:
		return nil, busy
	}
	timeout := time.NewTimer(maxWait)
	defer timeout.Stop()
	select {
	case t.inside <- struct{}{}:
		return leave, nil
	case <-timeout.C:
		return nil, busy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
