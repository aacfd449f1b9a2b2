package engine

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yizheng.internal/license"
)

const (
	// groupWriters is how many groups of a kind are written at the same time: while
	// one waits for the disk, others go on.
	groupWriters = 3
	// GroupMost is how many jobs a transaction takes.
	GroupMost = 32
	// groupNext is how many jobs must wait for each writer at work before one more begins.
	// Fewer go with the next group: the larger a group is, the less each of its jobs costs.
	groupNext = 8
	// GroupRefusals is how many jobs of a group may be refused one after another: the
	// rest goes together again. After more each is written alone.
	GroupRefusals = 3
	// groupPatience is how long a job waits before one more writer begins for it
	// alone: those at work hang, or the disk is slow.
	groupPatience = 100 * time.Millisecond
)

// Group writes jobs that callers wait for, several in one transaction: those that come while
// its writers are at work go together. A job that comes while no writer is at work is written
// alone, at once.
//
// Each of a group's statements has rows of all its jobs, and COMMIT travels with them. So the
// server itself must refuse what a job must not do; then nothing of the group was written. If
// the error names a job, that is written alone, so that its caller learns what was wrong with
// it, and the others go together again. If it names none, each job is written alone.
type Group[T any] struct {
	db      *DB
	Writers int // at the same time
	Least   int // fewer jobs than these are written alone; 1 in some tests
	// queue adds the statements that write jobs, without BEGIN and COMMIT. They take
	// locks in the order in which writing alone takes them, by table and then by key.
	queue func(*pgx.Batch, []T)
	// keys names what no two jobs of one transaction may have.
	keys func(T) [][32]byte
	// ids are what the server calls a job's rows by in an error, beside the keys.
	ids      func(T) []string
	Refusals int // groupRefusals; 0 in some tests

	// alone has a place for each job that is being written alone after its group failed, so
	// that a group's callers don't take the whole pool at once.
	alone chan struct{}

	mu      sync.Mutex
	waiting []*job[T]
	writing int       // writers at work
	callers int       // that wait, or write
	idle    sync.Cond // when there is neither
}

// job is what a caller waits for.
type job[T any] struct {
	what  T
	begun time.Time  // when its transaction began; guarded by the group's lock
	done  chan error // buffered, for the caller may have left
}

// A caller gets one of these instead of its job's result: it shall write the job alone, and
// with errTurn it is a writer while it does.
var (
	errAlone = errors.New("to be written alone")
	errTurn  = errors.New("to be written alone, as a writer")
)

// NewGroup returns a group that uses at most a fifth of the pool's connections: there are three
// groups.
func NewGroup[T any](db *DB, queue func(*pgx.Batch, []T), keys func(T) [][32]byte, ids func(T) []string) *Group[T] {
	g := &Group[T]{db: db, Writers: max(1, min(groupWriters, int(db.most)/5)), Least: 2, queue: queue, keys: keys, ids: ids, Refusals: GroupRefusals}
	g.alone, g.idle.L = make(chan struct{}, g.Writers), &g.mu
	return g
}

// Write has a job written, by alone or among others. When it returns nil, all of it
// is on disk. A caller whose context ends while its job waits takes it back, and
// nothing is written; what has begun completes. If it hasn't by the caller's
// deadline, or its connection is lost, nobody knows: license.ErrUnavailable, as
// when a COMMIT is lost.
func (g *Group[T]) Write(ctx context.Context, what T, alone func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job[T]{what: what, done: make(chan error, 1)}
	writer := g.enter(j)
	defer g.exit()
	if writer {
		// Whoever is ready to run, and about to bring a job, does so first; nobody
		// is when the service is idle.
		runtime.Gosched()
		if g.only(j) {
			defer g.leave()
			return alone(ctx)
		}
		go g.run()
	}
	err := g.await(ctx, j)
	switch {
	case errors.Is(err, errTurn):
		defer g.leave()
		return alone(ctx)
	case errors.Is(err, errAlone):
		select {
		case g.alone <- struct{}{}:
			defer func() { <-g.alone }()
			return alone(ctx)
		case <-ctx.Done():
			return ctx.Err() // nothing of it was written
		}
	}
	return err
}

// await waits for what becomes of a job.
func (g *Group[T]) await(ctx context.Context, j *job[T]) error {
	if err, ok := g.patiently(ctx, j); ok {
		return err
	}
	begun, taken := g.withdraw(j)
	if !taken {
		return Explain(ctx, fmt.Errorf("waiting to be written: %w", cmp.Or(ctx.Err(), context.DeadlineExceeded)))
	}
	var late <-chan time.Time // never, without a deadline: the transaction has one
	if deadline, ok := ctx.Deadline(); ok {
		if least := begun.Add(LeastWrite); least.After(deadline) {
			deadline = least
		}
		timer := time.NewTimer(time.Until(deadline))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case err := <-j.done:
		return err
	case <-late:
	}
	select {
	case err := <-j.done: // it may be the turn to write, which must not get lost
		return err
	default:
		return fmt.Errorf("%w: %w", license.ErrUnavailable, &commitError{context.DeadlineExceeded})
	}
}

// patiently waits for what becomes of a job, for as long as one may wait for a
// connection, and reports whether it came.
func (g *Group[T]) patiently(ctx context.Context, j *job[T]) (became error, ok bool) {
	timer := time.NewTimer(groupPatience)
	defer timer.Stop()
	for _, then := range []time.Duration{g.db.Deadlines.Acquire - groupPatience, 0} {
		select {
		case err := <-j.done:
			return err, true
		case <-ctx.Done():
			return nil, false
		case <-timer.C:
			if then > 0 {
				g.help()
				timer.Reset(then)
			}
		}
	}
	return nil, false
}

// help begins one more writer, if it may.
func (g *Group[T]) help() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.writing < g.Writers && len(g.waiting) > 0 {
		g.writing++
		go g.run()
	}
}

// enter has a job wait, and reports whether its caller became a writer.
func (g *Group[T]) enter(j *job[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting, g.callers = append(g.waiting, j), g.callers+1
	if g.writing == g.Writers || len(g.waiting) <= g.writing*groupNext {
		return false
	}
	g.writing++
	return true
}

// exit is what a caller does at the end.
func (g *Group[T]) exit() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.callers--
	g.signal()
}

// signal tells who drains that there is nothing more, under the lock.
func (g *Group[T]) signal() {
	if g.writing == 0 && g.callers == 0 {
		g.idle.Broadcast()
	}
}

// only takes a job back if no other waits, and reports whether it did.
func (g *Group[T]) only(j *job[T]) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.Least < 2 || len(g.waiting) != 1 || g.waiting[0] != j {
		return false
	}
	g.waiting = nil
	return true
}

// withdraw takes a job back, unless a writer has taken it: then it says when.
func (g *Group[T]) withdraw(j *job[T]) (begun time.Time, taken bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.Index(g.waiting, j)
	if i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return j.begun, i < 0
}

// leave ends a writer, or has it go on with what came meanwhile.
func (g *Group[T]) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) > 0 {
		go g.run()
		return
	}
	g.stop()
}

// stop ends a writer, under the lock.
func (g *Group[T]) stop() {
	g.writing--
	g.signal()
}

// Drain waits until nothing waits to be written, and nothing is.
func (g *Group[T]) Drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.writing > 0 || g.callers > 0 {
		g.idle.Wait()
	}
}

// run is a writer: it writes what waits until nothing does.
func (g *Group[T]) run() {
	for !g.handOver() {
		g.round()
	}
}

// handOver ends a writer if nothing waits, or one job, whose caller goes on as the
// writer.
func (g *Group[T]) handOver() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch n := len(g.waiting); {
	case n == 0:
		g.stop()
	case n < g.Least:
		j := g.waiting[0]
		g.waiting, j.begun = nil, time.Now()
		j.done <- errTurn
	default:
		return false
	}
	return true
}

// round writes one group. Jobs are taken when there is a connection: until then
// their callers may leave.
func (g *Group[T]) round() {
	g.mu.Lock()
	first := slices.Clone(g.waiting)
	g.mu.Unlock()
	ctx := context.Background() // the callers' contexts are theirs
	conn, err := g.db.acquire(ctx)
	if err != nil {
		for _, j := range first {
			if _, taken := g.withdraw(j); !taken {
				j.done <- Explain(ctx, err)
			}
		}
		return
	}
	defer conn.Release() // which closes a connection that is still in a transaction
	jobs := g.take()
	if len(jobs) == 0 {
		return
	}
	jobs, err = g.together(ctx, conn.Conn(), jobs)
	switch {
	case err == nil:
	case undone(err):
		err = errAlone
	default:
		if broken(err) {
			g.db.Conns.Reset() // as retry does
		}
		err = Explain(ctx, &commitError{err})
	}
	for _, j := range jobs {
		j.done <- err
	}
}

// together writes jobs in one transaction. One that is refused is left to its caller,
// and the others are tried again: it returns those, and their error.
func (g *Group[T]) together(ctx context.Context, conn *pgx.Conn, jobs []*job[T]) ([]*job[T], error) {
	for refused := 0; ; refused++ {
		whats := make([]T, len(jobs))
		for i, j := range jobs {
			whats[i] = j.what
		}
		err := g.db.commitAtOnce(ctx, conn, func(b *pgx.Batch) { g.queue(b, whats) })
		if err == nil || !undone(err) || refused >= g.Refusals {
			return jobs, err
		}
		i := g.named(err, jobs)
		if i < 0 || len(jobs) == 1 {
			return jobs, err
		}
		jobs[i].done <- errAlone
		jobs = slices.Delete(jobs, i, i+1)
	}
}

// named returns which job an error of the server's names by what its row holds, or
// less than 0.
func (g *Group[T]) named(err error, jobs []*job[T]) int {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || e.Detail == "" {
		return -1
	}
	return slices.IndexFunc(jobs, func(j *job[T]) bool {
		return slices.ContainsFunc(g.ids(j.what), func(id string) bool { return strings.Contains(e.Detail, id) }) ||
			slices.ContainsFunc(g.keys(j.what), func(k [32]byte) bool { return strings.Contains(e.Detail, hex.EncodeToString(k[:])) })
	})
}

// take takes the jobs of one transaction. A job that has a key in common with
// another one is left to its caller: it will see what becomes of the other.
func (g *Group[T]) take() []*job[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := min(GroupMost, len(g.waiting))
	jobs := make([]*job[T], 0, n)
	seen := make(map[[32]byte]bool, 4*n)
	now := time.Now()
	for _, j := range g.waiting[:n] {
		j.begun = now
		keys := g.keys(j.what)
		if slices.ContainsFunc(keys, func(k [32]byte) bool { return seen[k] }) {
			j.done <- errAlone
			continue
		}
		for _, k := range keys {
			seen[k] = true
		}
		jobs = append(jobs, j)
	}
	g.waiting = slices.Delete(g.waiting, 0, n)
	return jobs
}

// commitAtOnce runs a transaction whose COMMIT travels with its statements.
func (db *DB) commitAtOnce(ctx context.Context, conn *pgx.Conn, build func(*pgx.Batch)) error {
	ctx, cancel := db.begun(ctx)
	defer cancel()
	for _, name := range []string{"tx.begin", "tx.write", "tx.commit"} {
		db.step(name)
	}
	b := db.newBatch()
	build(b)
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return errors.New("the transaction was rolled back")
		}
		return nil
	})
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		if !conn.IsClosed() {
			_, _ = conn.Exec(ctx, "ROLLBACK")
		}
		return err
	}
	db.step("tx.committed")
	return nil
}

// undone reports whether a transaction whose COMMIT was sent with it has surely
// left nothing: the server refused a statement, or saw none. Anything worse than an
// error may have come at COMMIT.
func undone(err error) bool {
	if _, ok := errors.AsType[pgx.ErrPreprocessingBatch](err); ok {
		return true // COMMIT comes last, and nothing was sent after this
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.SeverityUnlocalized == "ERROR"
	}
	return pgconn.SafeToRetry(err)
}
