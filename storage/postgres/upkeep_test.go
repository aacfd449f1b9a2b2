package postgres

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestRun lets two nodes' upkeep forget what is over, in several batches and
// again and again, and nothing else.
func TestRun(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	nodes := []*DB{openDB(t, Config{URL: address}), openDB(t, Config{URL: address})}
	now := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	const each = 3 * purgeLimit
	left := func() (n int) {
		t.Helper()
		if err := nodes[0].engine.Conns.QueryRow(t.Context(), "SELECT count(*) FROM spent").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for round := range 2 {
		// A third is not over for long enough yet.
		_, err := nodes[0].engine.Conns.Exec(t.Context(), `INSERT INTO spent (hash, keep)
			SELECT sha256(($1::integer + n)::text::bytea), CASE WHEN n % 3 = 0 THEN $2::timestamptz ELSE $3::timestamptz END FROM generate_series(1, $4::integer) n`,
			round*each, now.Add(-afterlife+time.Minute), now.Add(-afterlife-time.Minute), each)
		if err != nil {
			t.Fatal(err)
		}
		for _, db := range nodes {
			if round == 0 {
				db.purgeEvery = 5 * time.Millisecond
				go func() { ended <- db.Run(ctx) }()
			}
		}
		for start := time.Now(); left() != (round+1)*each/3; time.Sleep(time.Millisecond) {
			if time.Since(start) > 10*time.Second {
				t.Fatalf("after 10 s %d are left, want %d", left(), (round+1)*each/3)
			}
		}
	}
	cancel()
	for range nodes {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v, want the context's error", err)
		}
	}
}
