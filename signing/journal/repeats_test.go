package journal

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// written collects what a Repeats writes.
type written struct {
	mu    sync.Mutex
	count map[string]int64
	rows  int
	fails atomic.Bool
}

func (w *written) write(_ context.Context, d Repeated[string]) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fails.Load() {
		return errors.New("away")
	}
	if w.count == nil {
		w.count = map[string]int64{}
	}
	w.count[d.Kind] += d.Count
	w.rows++
	return nil
}

func (w *written) want(t *testing.T, when string, rows int, a, b int64) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rows != rows || w.count["a"] != a || w.count["b"] != b {
		t.Errorf("%s: %d rows, %v; want %d rows, a %d, b %d", when, w.rows, w.count, rows, a, b)
	}
}

func TestRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Repeats[string]
		var w written
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.Run(ctx, slog.New(slog.DiscardHandler), w.write); close(ended) }()
		admitted := func(kind string, n int) (by int) {
			for range n {
				if r.Admit(kind, time.Now()) {
					by++
				}
			}
			return by
		}
		if a, b := admitted("a", 1000), admitted("b", RepeatsWritten); a != RepeatsWritten || b != RepeatsWritten {
			t.Errorf("%d and %d are written one by one", a, b)
		}
		time.Sleep(50 * time.Second)
		w.want(t, "within the minute", 0, 0, 0)
		if n := admitted("a", 10); n != 0 {
			t.Errorf("%d more are written in the same minute", n)
		}
		time.Sleep(RepeatsWithin + lookForDue - 50*time.Second)
		w.want(t, "after the minute", 1, 1000, 0)
		if a := admitted("a", 15); a != RepeatsWritten {
			t.Errorf("%d are written one by one in another minute", a)
		}
		w.fails.Store(true)
		time.Sleep(3 * time.Minute)
		w.want(t, "while nothing can be written", 1, 1000, 0)
		w.fails.Store(false)
		time.Sleep(2 * time.Minute)
		w.want(t, "afterwards", 2, 1005, 0)
		if len(r.kinds) != 0 {
			t.Errorf("remembers %d kinds of which there are no more", len(r.kinds))
		}
		admitted("b", 25)
		stop()
		<-ended
		w.want(t, "at the end", 3, 1005, 15)
	})
}

// A constant flood is written once a minute: no window's count waits for its end.
func TestRepeatsOfAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r Repeats[string]
		var w written
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { r.Run(ctx, slog.New(slog.DiscardHandler), w.write); close(ended) }()
		by, all := 0, 0
		for range 60 * 10 { // ten minutes, ten a second
			for range 10 {
				if all++; r.Admit("a", time.Now()) {
					by++
				}
			}
			time.Sleep(time.Second)
		}
		stop()
		<-ended
		if total := int64(by) + w.count["a"]; total != int64(all) || by != 10*RepeatsWritten || w.rows > 10 {
			t.Errorf("%d one by one, and %d in %d rows; want %d in all, in 110 at most", by, w.count["a"], w.rows, all)
		}
	})
}

// Whoever counts while somebody writes is counted once.
func TestRepeatsRace(t *testing.T) {
	var r Repeats[string]
	var w written
	var by sync.WaitGroup
	var mu sync.Mutex
	single := int64(0)
	begin := time.Now()
	for i := range 8 {
		by.Go(func() {
			for n := range 5000 {
				// The clocks of requests differ a little, and time passes quickly.
				if r.Admit("a", begin.Add(time.Duration(n+i)*20*time.Millisecond)) {
					mu.Lock()
					single++
					mu.Unlock()
				}
			}
		})
	}
	by.Go(func() {
		for n := range 200 {
			for _, d := range r.due(begin.Add(time.Duration(n)*time.Second), false) {
				if n%3 == 0 {
					r.putBack(d, begin)
				} else {
					_ = w.write(t.Context(), d)
				}
			}
		}
	})
	by.Wait()
	for _, d := range r.due(begin.Add(time.Hour), true) {
		_ = w.write(t.Context(), d)
	}
	if got := single + w.count["a"]; got != 8*5000 {
		t.Errorf("%d of %d are counted", got, 8*5000)
	}
}

// What can't be written when a process ends is said.
func TestRepeatsLost(t *testing.T) {
	var r Repeats[string]
	for range RepeatsWritten + 7 {
		r.Admit("a", time.Now())
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var log bytes.Buffer
	var w written
	w.fails.Store(true)
	r.Run(ctx, slog.New(slog.NewTextHandler(&log, nil)), w.write)
	if !strings.Contains(log.String(), "count=7") {
		t.Errorf("the log says %s", log.String())
	}
}

// With more kinds than anybody can have, new ones are written one by one: none is lost.
func TestRepeatsManyKinds(t *testing.T) {
	r := Repeats[int]{kinds: make(map[int]*repeats, maxKinds)}
	now := time.Now()
	for i := range maxKinds + 1000 {
		r.Admit(i, now)
	}
	if len(r.kinds) != maxKinds {
		t.Errorf("%d kinds", len(r.kinds))
	}
	for range 2 * RepeatsWritten {
		if !r.Admit(maxKinds+1, now) {
			t.Error("one of a kind that isn't counted is lost")
		}
	}
}

func TestMergedRequest(t *testing.T) {
	if e := (Entry{}).Requested(MergedRequest(9990)); e.Merged != 9990 || e.RequestID != "" {
		t.Errorf("%+v", e)
	}
	for _, id := range []string{"", "merged", "merged:", "merged:x", "merged:-1", "merged:0", "0123456789abcdef"} {
		if e := (Entry{}).Requested(id); e.Merged != 0 || e.RequestID != id {
			t.Errorf("%q: %+v", id, e)
		}
	}
}
