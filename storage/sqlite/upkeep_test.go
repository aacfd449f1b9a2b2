package sqlite

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/storage/sqlite/engine"
)

// TestRun lets the upkeep forget what is over, in several batches and again and
// again, while there is other work.
func TestRun(t *testing.T) {
	db := openTest(t, Config{tuning: tuning{purgeEvery: 5 * time.Millisecond}})
	s, now := db.Provider(), time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for round := range 2 {
		for i := range 3 * purgeLimit {
			keep := now.Add(-afterlife - time.Minute)
			if i%3 == 0 {
				keep = now.Add(-afterlife + time.Minute) // not yet
			}
			if err := s.Spend(t.Context(), hashOf(round, i), keep); err != nil {
				t.Fatal(err)
			}
		}
		if round == 0 {
			go func() { ended <- db.Run(ctx) }()
		}
		for start := time.Now(); count(t, db, "spent") != (round+1)*purgeLimit; time.Sleep(time.Millisecond) {
			if time.Since(start) > 10*time.Second {
				t.Fatalf("after 10 s %d are left, want %d", count(t, db, "spent"), (round+1)*purgeLimit)
			}
		}
	}
	for i := range 3 * purgeLimit {
		if spent, err := s.IsSpent(t.Context(), hashOf(0, i)); err != nil || spent != (i%3 == 0) {
			t.Fatalf("number %d is spent: %v, %v", i, spent, err)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v, want the context's error", err)
	}
}

// TestRunGoesOn breaks the database under the upkeep, which says so and goes on.
func TestRunGoesOn(t *testing.T) {
	var log lockedBuilder
	db := openTest(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil)), tuning: tuning{purgeEvery: time.Millisecond}})
	exec := func(sql string) {
		t.Helper()
		err := db.engine.Write(t.Context(), func(c *engine.Conn) error { _, err := c.Exec(sql); return err })
		if err != nil {
			t.Fatal(err)
		}
	}
	exec("ALTER TABLE spent RENAME TO hidden")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- db.Run(ctx) }()
	for start := time.Now(); strings.Count(log.String(), "purging the database") < 2; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("after 10 s the log has %q", log.String())
		}
	}
	exec("ALTER TABLE hidden RENAME TO spent")
	if err := db.Provider().Spend(t.Context(), [32]byte{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); count(t, db, "spent") > 0; time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatal("after 10 s nothing was purged")
		}
	}
	cancel()
	<-ended
}

// TestPurgeInPieces measures the longest that a writer waits while much is purged.
func TestPurgeInPieces(t *testing.T) {
	db := openTest(t, Config{})
	s := db.Provider()
	err := db.engine.Write(t.Context(), func(c *engine.Conn) error {
		_, err := c.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
			INSERT INTO spent (hash, keep) SELECT randomblob(32), 0 FROM n`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- db.purge(t.Context(), time.Now()) }()
	between := 0
	for ended := false; !ended; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			ended = true
		default:
			if err := s.Spend(t.Context(), hashOf(1, between), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			between++
		}
	}
	if n := count(t, db, "spent"); n != between {
		t.Errorf("%d are left, want the %d that are not over", n, between)
	}
	if between < 10 {
		t.Errorf("only %d writers came between", between)
	}
}

func hashOf(a, b int) (h [32]byte) {
	h[0], h[1], h[2] = byte(a), byte(b), byte(b>>8)
	return h
}

func count(t *testing.T, db *DB, table string) (n int) {
	t.Helper()
	err := db.engine.Read(t.Context(), func(c *engine.Conn) error {
		return c.Query("SELECT count(*) FROM "+table, func(r *engine.Row) { n = r.Int() })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type lockedBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuilder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuilder) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
