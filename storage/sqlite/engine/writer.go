package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"yizheng.internal/license"
)

// groupSize is how many operations one transaction has at the most.
const groupSize = 64

// writer commits operations in groups, so that many callers share the cost of
// one sync. Callers queue; whichever gets the turn leads: it runs what is queued
// in one transaction, each operation in a savepoint of its own.
type writer struct {
	c    Config
	open func(context.Context) (*Conn, error)
	turn chan struct{} // holds one token: who took it leads

	mu     sync.Mutex // guards queue
	queue  []*operation
	closed atomic.Bool

	// Used by the leader alone:
	conn     *Conn // nil: to be opened
	logPages int   // in the write-ahead log after the last commit
	waitAt   int   // pages from which a checkpoint waits for readers
}

// operation is a caller's change.
type operation struct {
	run     func(*Conn) error
	claimed atomic.Bool // by the leader that runs it, or the caller that gives up
	failed  error       // of this operation alone; rolled back
	panic   any         // likewise, to go on in the caller
	done    chan struct{}
}

func newWriter(open func(context.Context) (*Conn, error), c Config) *writer {
	w := &writer{c: c, open: open, turn: make(chan struct{}, 1), waitAt: c.Tuning.RestartAt}
	w.turn <- struct{}{}
	return w
}

// do runs a change: see [DB.Write].
func (w *writer) do(ctx context.Context, run func(*Conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := &operation{run: run, done: make(chan struct{})}
	w.mu.Lock()
	w.queue = append(w.queue, op)
	w.mu.Unlock()
	for {
		select {
		case <-op.done:
			return op.result()
		case <-ctx.Done():
			if op.claimed.CompareAndSwap(false, true) {
				w.leave(op)
				return ctx.Err()
			}
			<-op.done // begun: it is decided by the commit
			return op.result()
		case <-w.turn:
			// There may be more than one group before this operation.
			w.lead(ctx, op)
		}
	}
}

// leave takes an operation that was given up out of the queue.
func (w *writer) leave(op *operation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = slices.DeleteFunc(w.queue, func(o *operation) bool { return o == op })
}

func (op *operation) result() error {
	if op.panic != nil {
		panic(op.panic)
	}
	return op.failed
}

// lead commits a group, if the caller's own operation still waits, and passes
// the turn on.
func (w *writer) lead(ctx context.Context, own *operation) {
	defer func() { w.turn <- struct{}{} }()
	select {
	case <-own.done:
		return
	default:
	}
	if ctx.Err() != nil {
		return // do sees it next
	}
	// Whoever is about to queue shall come along: while one processor is busy
	// with the leader, nobody else gets to it.
	runtime.Gosched()
	group := w.take()
	if len(group) == 0 {
		return
	}
	err := w.commit(group)
	for _, op := range group {
		// Also whoever was refused: the reason may be what another one of the group
		// had stored, and that isn't there.
		if err != nil {
			op.failed = err
		}
		close(op.done)
	}
	w.checkpoint()
}

// take claims the operations that have waited longest.
func (w *writer) take() []*operation {
	w.mu.Lock()
	defer w.mu.Unlock()
	var group []*operation
	n := 0
	for ; n < len(w.queue) && len(group) < groupSize; n++ {
		if w.queue[n].claimed.CompareAndSwap(false, true) {
			group = append(group, w.queue[n])
		}
	}
	w.queue = slices.Delete(w.queue, 0, n)
	return group
}

// commit runs a group's operations and commits them. Its error is everyone's:
// nothing of the group is stored then.
func (w *writer) commit(group []*operation) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: panic while committing: %v\n%s", license.ErrUnavailable, p, debug.Stack())
		}
		if err != nil {
			w.rollback()
		}
	}()
	ctx := context.Background() // what has begun is decided by the commit alone
	if w.closed.Load() {
		return ErrClosed
	}
	if err := w.connect(ctx); err != nil {
		return Explain(ctx, err)
	}
	w.c.Step("tx.begin")
	// Immediate: a transaction that reads first and is then refused the lock,
	// because another process wrote, could not go on.
	if _, err := w.conn.Exec("BEGIN IMMEDIATE"); err != nil {
		return Explain(ctx, err)
	}
	for _, op := range group {
		w.c.Step("tx.write")
		if err := w.apply(op); err != nil {
			return Explain(ctx, err)
		}
	}
	w.c.Step("tx.commit")
	// A COMMIT that fails when it syncs has left its pages in the log, where the
	// next commit overwrites them. Should the power fail before that, the group
	// may be found whole although its callers were told otherwise; an idempotency
	// key tells them.
	if _, err := w.conn.Exec("COMMIT"); err != nil {
		return Explain(ctx, err)
	}
	w.c.Step("tx.committed")
	return nil
}

// apply runs an operation in a savepoint. It returns an error only if the
// transaction can't go on.
func (w *writer) apply(op *operation) error {
	if _, err := w.conn.Exec("SAVEPOINT operation"); err != nil {
		return err
	}
	op.guard(w.conn)
	if op.failed == nil && op.panic == nil {
		_, err := w.conn.Exec("RELEASE operation")
		return err
	}
	// After some errors SQLite has rolled back the whole transaction itself; and
	// after others nothing more should be asked of that disk.
	if w.conn.db.GetAutocommit() || inTheWay(op.failed) {
		err := op.failed
		op.failed = nil // commit's error is everyone's, also of this one
		if err == nil {
			err = fmt.Errorf("%w: the transaction ended early", license.ErrUnavailable)
		}
		return err
	}
	if _, err := w.conn.Exec("ROLLBACK TO operation"); err != nil {
		return err
	}
	_, err := w.conn.Exec("RELEASE operation")
	return err
}

// guard runs the operation and keeps its panic for its caller: the others wait
// for this goroutine.
func (op *operation) guard(c *Conn) {
	defer func() {
		if p := recover(); p != nil {
			op.panic = fmt.Sprintf("%v\n\nin a storage operation:\n%s", p, debug.Stack())
		}
	}()
	op.failed = op.run(c)
}

// rollback makes the connection fit for the next group, or drops it.
func (w *writer) rollback() {
	if w.conn == nil || w.conn.db.GetAutocommit() {
		return
	}
	if _, err := w.conn.Exec("ROLLBACK"); err == nil || w.conn.db.GetAutocommit() {
		return
	}
	w.c.Log.Warn("a connection can't be rolled back; it is replaced")
	if err := w.conn.close(); err != nil {
		w.c.Log.Error("closing a broken connection", "error", err)
	}
	w.conn = nil
}

// connect opens the connection if there is none. The caller leads.
func (w *writer) connect(ctx context.Context) (err error) {
	if w.conn == nil {
		w.conn, err = w.open(ctx)
	}
	return err
}

// checkpoint writes the log back into the database once it is long enough. The
// callers have their answers: an error here loses nothing, for the log stays.
func (w *writer) checkpoint() {
	pages := w.logPages
	if w.conn == nil || pages < w.c.Tuning.CheckpointAt {
		return
	}
	w.logPages = 0 // until the next commit says
	var err error
	if pages < w.waitAt {
		_, _, err = w.conn.db.WALCheckpoint("main", sqlite3.CHECKPOINT_PASSIVE)
	} else if err = w.restartLog(); err == nil {
		w.waitAt = w.c.Tuning.RestartAt
	} else {
		w.waitAt = pages + w.c.Tuning.CheckpointAt
	}
	if err != nil && !errors.Is(err, sqlite3.BUSY) {
		w.c.Log.Warn("checkpoint of the write-ahead log; it is tried again later", "error", err)
	}
}

// restartLog waits a moment for readers to leave the log, so that it can begin
// anew: readers that never pause together would make it grow forever.
func (w *writer) restartLog() error {
	if err := w.conn.db.BusyTimeout(50 * time.Millisecond); err != nil {
		return err
	}
	_, _, err := w.conn.db.WALCheckpoint("main", sqlite3.CHECKPOINT_RESTART)
	return errors.Join(err, w.conn.db.BusyTimeout(w.c.Tuning.BusyTimeout))
}

// close waits for its turn and closes the connection.
func (w *writer) close() error {
	w.closed.Store(true)
	<-w.turn
	defer func() { w.turn <- struct{}{} }()
	if w.conn == nil {
		return nil
	}
	c := w.conn
	w.conn = nil
	return c.close()
}
