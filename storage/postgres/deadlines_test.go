package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/storage/postgres/engine"
)

// TestDeadlines: nobody waits longer than is said for a connection, an answer or
// a commit, and whoever waited learns that the database is not available now.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t), MaxConns: 1})
	db.engine.Deadlines = engine.Deadlines{Acquire: 200 * time.Millisecond, Read: 300 * time.Millisecond, Write: 400 * time.Millisecond}
	sleep := func(b *pgx.Batch) { b.Queue("SELECT pg_sleep(30)") }
	within := func(name string, most time.Duration, do func(context.Context) error) {
		t.Helper()
		began := time.Now()
		if err := do(t.Context()); !errors.Is(err, license.ErrUnavailable) || t.Context().Err() != nil {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
		if took := time.Since(began); took > most+3*time.Second {
			t.Errorf("%s took %v", name, took)
		}
	}
	within("a slow query", db.engine.Deadlines.Read, func(ctx context.Context) error { return db.engine.Read(ctx, sleep) })
	within("a slow transaction", db.engine.Deadlines.Write, func(ctx context.Context) error { return db.engine.Write(ctx, sleep) })
	within("a slow statement", db.engine.Deadlines.Write, func(ctx context.Context) error {
		return db.engine.WriteOne(ctx, engine.Changed(nil), "SELECT pg_sleep(30)")
	})
	// A caller's deadline is a begun change's as well, but its cancellation isn't.
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	db.engine.Deadlines.Write = time.Minute
	began := time.Now()
	if err := db.engine.Write(soon, sleep); err == nil || time.Since(began) > engine.LeastWrite+3*time.Second {
		t.Errorf("a transaction after its caller's deadline: %v after %v", err, time.Since(began))
	}
	gone, leave := context.WithCancel(t.Context())
	err := db.engine.Write(gone, func(b *pgx.Batch) {
		b.Queue("SELECT pg_sleep(0.1)")
		time.AfterFunc(20*time.Millisecond, leave)
	})
	if err != nil {
		t.Errorf("a change that had begun when its caller left: %v", err)
	}

	held, err := db.engine.Conns.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer held.Release()
	for name, do := range map[string]func(context.Context) error{
		"reading": func(ctx context.Context) error { return db.engine.Read(ctx, sleep) },
		"writing": func(ctx context.Context) error { return db.Ping(ctx, true) },
		"looking": func(ctx context.Context) error { return db.Ping(ctx, false) },
		"one":     func(ctx context.Context) error { return db.engine.WriteOne(ctx, engine.Changed(nil), "SELECT 1") },
	} {
		within(name+" without a connection", db.engine.Deadlines.Acquire, do)
	}
}
