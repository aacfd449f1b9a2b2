package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// readers are a few connections for reading, opened when they are needed.
type readers struct {
	open  func(context.Context) (*Conn, error)
	slots chan struct{} // one token for each connection that may be in use

	waits  atomic.Int64 // queries that waited for a slot
	waited atomic.Int64 // nanoseconds that they did

	mu     sync.Mutex // guards the rest
	idle   []*Conn    // the last one was used last, so its cache is the warmest
	closed bool
}

func newReaders(open func(context.Context) (*Conn, error)) *readers {
	return &readers{open: open, slots: make(chan struct{}, maxReaders)}
}

// do runs queries on one connection: see [DB.Read].
func (r *readers) do(ctx context.Context, run func(*Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.slot(ctx); err != nil {
		return err
	}
	defer func() { <-r.slots }()
	c, err := r.take(ctx)
	if err != nil {
		return Explain(ctx, err)
	}
	defer r.put(c)
	c.db.SetInterrupt(ctx)
	return Explain(ctx, run(c))
}

// slot waits for a connection that may be used.
func (r *readers) slot(ctx context.Context) error {
	select {
	case r.slots <- struct{}{}:
		return nil
	default:
	}
	began := time.Now()
	r.waits.Add(1)
	defer func() { r.waited.Add(int64(time.Since(began))) }()
	select {
	case r.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pool returns how many connections for reading are in use, idle, and open at most,
// how many queries have waited for one, and how long together.
func (db *DB) Pool() (inUse, idle, most int, waits int64, waited time.Duration) {
	r := db.readers
	r.mu.Lock()
	idle = len(r.idle)
	r.mu.Unlock()
	return len(r.slots), idle, cap(r.slots), r.waits.Load(), time.Duration(r.waited.Load())
}

func (r *readers) take(ctx context.Context) (*Conn, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, ErrClosed
	}
	if n := len(r.idle); n > 0 {
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	return r.open(ctx)
}

// put takes a connection back.
func (r *readers) put(c *Conn) {
	c.db.SetInterrupt(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		c.close()
		return
	}
	r.idle = append(r.idle, c)
}

func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for _, c := range r.idle {
		errs = append(errs, c.close())
	}
	r.idle = nil
	return errors.Join(errs...)
}
