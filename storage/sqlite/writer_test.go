package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/storage/sqlite/engine"
)

// TestGroups commits the saves of many writers with few syncs, on a disk whose
// syncs are slow; an error stays its caller's.
func TestGroups(t *testing.T) {
	const writers, each = 64, 4
	d := newDisk(t)
	db := openTest(t, Config{VFS: d.name})
	taken := newLicense(0, 0)
	if err := db.Licenses().Save(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	d.onEach(func(op diskOp) error {
		if op.kind == "sync" {
			time.Sleep(3 * time.Millisecond)
		}
		return nil
	})
	before := d.syncs.Load()
	errs := make([][]error, writers)
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				r := newLicense(0, 0)
				if (w+i)%4 == 0 {
					r.Lookups[0] = taken.Lookups[0]
				}
				errs[w] = append(errs[w], db.Licenses().Save(t.Context(), r))
			}
		})
	}
	wg.Wait()
	for w := range errs {
		for i, err := range errs[w] {
			var want error
			if (w+i)%4 == 0 {
				want = license.ErrIdentifierTaken
			}
			if !errors.Is(err, want) {
				t.Errorf("writer %d, save %d: got %v, want %v", w, i, err, want)
			}
		}
	}
	syncs := d.syncs.Load() - before
	t.Logf("%d saves, %d syncs", writers*each, syncs)
	if syncs > writers*each/8 {
		t.Errorf("%d saves took %d syncs", writers*each, syncs)
	}
	sound(t, db)
}

// steps counts the operations of each transaction, and can hold up one step.
type steps struct {
	mu     sync.Mutex
	groups []int
	names  []string
	hold   string
	held   chan struct{} // closed when it is held up
	resume chan struct{}
}

func (s *steps) step(name string) {
	s.mu.Lock()
	s.names = append(s.names, name)
	switch name {
	case "tx.begin":
		s.groups = append(s.groups, 0)
	case "tx.write":
		s.groups[len(s.groups)-1]++
	}
	hold, resume := s.hold == name, s.resume
	if hold {
		s.hold = ""
		close(s.held)
	}
	s.mu.Unlock()
	if hold {
		<-resume
	}
}

// holdUp makes the next step of a name wait for resume.
func (s *steps) holdUp(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold, s.held, s.resume, s.groups, s.names = name, make(chan struct{}), make(chan struct{}), nil, nil
}

// waiting waits until that many operations queue.
func waiting(t *testing.T, db *DB, n int) {
	t.Helper()
	for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(time.Millisecond) {
		if db.engine.Queued() == n {
			return
		}
	}
	t.Fatalf("there never were %d operations in the queue", n)
}

// TestGroupSize queues 150 operations behind one: they are committed by 64.
func TestGroupSize(t *testing.T) {
	var s steps
	db := openTest(t, Config{Step: s.step})
	s.holdUp("tx.commit")
	var wg sync.WaitGroup
	write := func() {
		if err := db.Ping(t.Context(), true); err != nil {
			t.Error(err)
		}
	}
	wg.Go(write)
	<-s.held
	for range 150 {
		wg.Go(write)
	}
	waiting(t, db, 150)
	close(s.resume)
	wg.Wait()
	if got := fmt.Sprint(s.groups); got != "[1 64 64 22]" {
		t.Errorf("groups of %s, want [1 64 64 22]", got)
	}
}

// TestSteps looks at the order of things: nobody has an answer before the
// commit is done.
func TestSteps(t *testing.T) {
	var s steps
	db := openTest(t, Config{Step: s.step})
	s.holdUp("tx.committed")
	r := newLicense(0, 0)
	answer := make(chan error, 1)
	go func() { answer <- db.Licenses().Save(t.Context(), r) }()
	<-s.held
	select {
	case err := <-answer:
		t.Fatalf("answered before the commit was done: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	// Committed it is, though: anybody else sees it.
	if p := present(t, openTest(t, Config{Path: db.engine.Path()}), r); p != whole {
		t.Error("at tx.committed the license is not there")
	}
	close(s.resume)
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if got := strings.Join(s.names, " "); got != "tx.begin tx.write tx.commit tx.committed" {
		t.Errorf("the steps are %s", got)
	}
}

// TestCancel ends contexts before and after an operation has begun.
func TestCancel(t *testing.T) {
	var s steps
	db := openTest(t, Config{Step: s.step})
	s.holdUp("tx.commit")
	begun, queued := newLicense(0, 0), newLicense(0, 0)
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- db.Licenses().Save(ctx, begun) }()
	<-s.held
	go func() { second <- db.Licenses().Save(ctx, queued) }()
	waiting(t, db, 1)
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("an operation that waits: got %v, want Canceled", err)
	}
	waiting(t, db, 0)
	select {
	case err := <-first:
		t.Errorf("an operation that has begun was answered before its commit: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(s.resume)
	if err := <-first; err != nil {
		t.Errorf("an operation that has begun: got %v, want success", err)
	}
	if present(t, db, begun) != whole || present(t, db, queued) != absent {
		t.Error("what is stored isn't what was answered")
	}
}

// TestCancelFollower ends the context of operations that another caller commits:
// they have begun, so they wait.
func TestCancelFollower(t *testing.T) {
	var s steps
	db := openTest(t, Config{Step: s.step})
	s.holdUp("tx.commit")
	go db.Ping(context.Background(), true)
	<-s.held
	resume := s.resume
	ctx, cancel := context.WithCancel(t.Context())
	answers := make(chan error, 3)
	rs := []license.SaveRequest{newLicense(0, 0), newLicense(0, 0), newLicense(0, 0)}
	for _, r := range rs {
		go func() { answers <- db.Licenses().Save(ctx, r) }()
	}
	waiting(t, db, len(rs))
	s.holdUp("tx.commit")
	close(resume)
	<-s.held // a group of three
	cancel()
	select {
	case err := <-answers:
		t.Errorf("answered before the commit: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(s.resume)
	for range rs {
		if err := <-answers; err != nil {
			t.Errorf("got %v, want success", err)
		}
	}
	for _, r := range rs {
		if present(t, db, r) != whole {
			t.Error("what was answered is not there")
		}
	}
}

// TestReadCancel ends a long read.
func TestReadCancel(t *testing.T) {
	db := openTest(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := db.engine.Read(ctx, func(c *engine.Conn) error {
		return c.Query("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n", func(*engine.Row) {})
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want DeadlineExceeded", err)
	}
	if err := db.Ping(t.Context(), false); err != nil {
		t.Errorf("the next read: %v", err)
	}
	// All connections are in use: the context ends the waiting.
	_, _, readers, _, _ := db.Pool()
	release := make(chan struct{})
	var wg sync.WaitGroup
	var busy atomic.Int32
	for range readers {
		wg.Go(func() {
			db.engine.Read(context.Background(), func(*engine.Conn) error { busy.Add(1); <-release; return nil })
		})
	}
	for busy.Load() < int32(readers) {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if err := db.Ping(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a connection: got %v, want DeadlineExceeded", err)
	}
	close(release)
	wg.Wait()
}

// TestPanic lets an operation panic among others: it goes on in its caller, and
// nowhere else.
func TestPanic(t *testing.T) {
	var s steps
	step := s.step
	db := openTest(t, Config{Step: func(name string) { step(name) }})
	s.holdUp("tx.commit")
	var wg sync.WaitGroup
	wg.Go(func() { db.Ping(context.Background(), true) })
	<-s.held
	r := newLicense(0, 0)
	errs := make(chan error, 10)
	for range 10 {
		wg.Go(func() { errs <- db.Licenses().Save(t.Context(), newLicense(0, 0)) })
	}
	panicked := make(chan any, 1)
	wg.Go(func() {
		defer func() { panicked <- recover() }()
		db.engine.Write(context.Background(), func(c *engine.Conn) error {
			_, err := c.Exec(`INSERT INTO licenses (id, revision, type, authority, version, state, created, updated)
				VALUES (?, 1, '', '', 1, '', 0, 0)`, string(r.Record.ID))
			if err != nil {
				return err
			}
			panic("something is wrong")
		})
	})
	waiting(t, db, 11)
	close(s.resume)
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Errorf("an operation beside the panic: %v", err)
		}
	}
	if p := fmt.Sprint(<-panicked); !strings.Contains(p, "something is wrong") || !strings.Contains(p, "writer_test.go") {
		t.Errorf("the caller saw the panic %.200s", p)
	}
	if present(t, db, r) != absent {
		t.Error("what was written before the panic is there")
	}
	if err := db.Ping(t.Context(), true); err != nil {
		t.Error(err)
	}
	// Also when the program's own step panics, outside of any operation.
	step = func(name string) {
		if name == "tx.commit" {
			panic("a step")
		}
	}
	if err := db.Licenses().Save(t.Context(), r); !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("Save: got %v, want ErrUnavailable", err)
	}
	step = s.step
	if present(t, db, r) != absent {
		t.Error("what was written before the step's panic is there")
	}
	if err := db.Licenses().Save(t.Context(), r); err != nil {
		t.Error(err)
	}
}

// TestLogStaysShort writes much beside readers that never pause: the log is
// begun anew now and then, and does not grow with all that is written.
func TestLogStaysShort(t *testing.T) {
	db := openTest(t, Config{tuning: tuning{file: engine.Tuning{CheckpointAt: 50, RestartAt: 200}}})
	_, _, readers, _, _ := db.Pool()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					db.Licenses().Search(context.Background(), license.Query{Limit: 20})
				}
			}
		})
	}
	for range 150 {
		if err := db.Licenses().Save(t.Context(), newLicense(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
	info, err := os.Stat(db.engine.Path() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the log has %d KiB", info.Size()>>10)
	if info.Size() > 5<<20 { // 150 saves write some 9 MiB
		t.Errorf("the log has %d KiB", info.Size()>>10)
	}
	if m := info.Mode().Perm(); m != 0o600 {
		t.Errorf("the log has mode %v, want 0600", m)
	}
}

// BenchmarkSave saves new licenses, on the disk as it is and on one whose syncs
// take 20 ms longer.
func BenchmarkSave(b *testing.B) {
	for _, delay := range []time.Duration{0, 20 * time.Millisecond} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("delay=%v/writers=%d", delay, writers), func(b *testing.B) {
				c := Config{Path: filepath.Join(b.TempDir(), "bench.db")}
				if delay > 0 {
					d := newDisk(b)
					d.delay, c.VFS = delay, d.name
				}
				benchmarkSave(b, openTest(b, c), writers)
			})
		}
	}
}

func benchmarkSave(b *testing.B, db *DB, writers int) {
	rs := make([]license.SaveRequest, b.N)
	for i := range rs {
		rs[i] = newLicense(0, 0)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ReportAllocs()
	b.ResetTimer()
	for range writers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(rs) {
					return
				}
				if err := db.Licenses().Save(context.Background(), rs[i]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
