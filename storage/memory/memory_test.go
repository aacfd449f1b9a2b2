package memory

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"yizheng.internal/oidc/ephemeral"
)

var epoch = time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)

func reserved(until time.Time) ephemeral.Keeping {
	return ephemeral.Keeping{Part: ephemeral.PartReserved, Until: until}
}

// TestBounds fills the store to each of its bounds: then there is ErrFull, what
// is kept stays, and room comes back with expiry and deletion.
func TestBounds(t *testing.T) {
	for name, c := range map[string]Config{
		"values": {MaxValues: 10},
		"bytes":  {MaxBytes: 10 * (overhead + 2 + 100)},
	} {
		t.Run(name, func(t *testing.T) {
			s, ctx := New(c), t.Context()
			value := make([]byte, 100)
			put := func(i int, now time.Time) error {
				return s.Put(ctx, fmt.Sprintf("%02d", i), value, reserved(epoch.Add(time.Duration(i+1)*time.Second)), now)
			}
			for i := range 10 {
				if err := put(i, epoch); err != nil {
					t.Fatalf("value %d: %v", i, err)
				}
			}
			if err := put(10, epoch); !errors.Is(err, ephemeral.ErrFull) {
				t.Fatalf("one more: %v, want ErrFull", err)
			}
			if err := put(3, epoch); err != nil {
				t.Errorf("one in the place of another: %v", err)
			}
			if err := s.Swap(ctx, "03", value, value[:99], ephemeral.Keeping{}, epoch); err != nil {
				t.Errorf("a shorter value: %v", err)
			}
			if c.MaxBytes > 0 {
				if err := s.Swap(ctx, "04", value, make([]byte, 102), ephemeral.Keeping{}, epoch); !errors.Is(err, ephemeral.ErrFull) {
					t.Errorf("a longer value: %v, want ErrFull", err)
				}
			}
			if got, err := s.Load(ctx, "04", epoch); err != nil || len(got) != 100 {
				t.Errorf("after all that: %d bytes, %v", len(got), err)
			}
			if err := s.Delete(ctx, "09"); err != nil {
				t.Fatal(err)
			}
			if err := put(11, epoch); err != nil {
				t.Errorf("after one was deleted: %v", err)
			}
			now := epoch.Add(5 * time.Second) // 0 to 4 are over
			for i := range 5 {
				if err := put(20+i, now); err != nil {
					t.Errorf("after five expired: %v", err)
				}
			}
			if err := put(30, now); !errors.Is(err, ephemeral.ErrFull) {
				t.Errorf("a sixth: %v, want ErrFull", err)
			}
			if len(s.values)+len(s.counters) != len(s.order) || len(s.order) != 10 {
				t.Errorf("%d values, %d counters, %d in order", len(s.values), len(s.counters), len(s.order))
			}
		})
	}
}

// TestCounters begins more counters than there is room for: those that weren't
// counted for the longest time go, and no value does.
func TestCounters(t *testing.T) {
	s, ctx := New(Config{MaxCounters: 3, MaxValues: 1}), t.Context()
	count := func(key string, n, want int64) {
		t.Helper()
		if got, err := s.Count(ctx, key, n, time.Hour, epoch); got != want || err != nil {
			t.Errorf("%s is %d, want %d: %v", key, got, want, err)
		}
	}
	if err := s.Put(ctx, "value", nil, reserved(epoch.Add(time.Hour)), epoch); err != nil {
		t.Fatal(err)
	}
	count("a", 1, 1)
	count("b", 1, 1)
	count("c", 1, 1)
	count("a", 0, 1) // looked at, so b is the oldest
	count("d", 1, 1)
	count("a", 1, 2)
	count("c", 1, 2)
	count("d", 1, 2)
	count("b", 0, 0) // is gone; and looking begins nothing
	count("a", 1, 3)
	for i := range 1000 {
		count(fmt.Sprint(i), 1, 1)
	}
	count("a", 0, 0)
	count("999", 0, 1)
	if _, err := s.Load(ctx, "value", epoch); err != nil {
		t.Errorf("a value: %v", err)
	}
	if len(s.counters) != 3 || s.counted.Len() != 3 || len(s.order) != 4 {
		t.Errorf("%d counters, %d in turn, %d in order", len(s.counters), s.counted.Len(), len(s.order))
	}
}

// TestNothingStays counts bytes down to nothing when all has expired.
func TestNothingStays(t *testing.T) {
	s, ctx := New(Config{}), t.Context()
	for i := range 1000 {
		key := fmt.Sprint(i % 300)
		if err := s.Put(ctx, key, make([]byte, i), reserved(epoch.Add(time.Duration(i%17+1)*time.Second)), epoch); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Count(ctx, key, 1, time.Duration(i%13+1)*time.Second, epoch); err != nil {
			t.Fatal(err)
		}
	}
	later := epoch.Add(time.Minute)
	if err := s.Put(ctx, "last", nil, reserved(later.Add(time.Second)), later); err != nil {
		t.Fatal(err)
	}
	if len(s.values) != 1 || len(s.counters) != 0 || s.counted.Len() != 0 || len(s.order) != 1 || s.bytes != overhead+4 {
		t.Errorf("%d values, %d counters, %d in order, %d bytes are left", len(s.values), len(s.counters), len(s.order), s.bytes)
	}
	if err := s.Delete(ctx, "last"); err != nil || s.bytes != 0 {
		t.Errorf("%d bytes are left, %v", s.bytes, err)
	}
}

// TestClosed uses a store that is closed.
func TestClosed(t *testing.T) {
	s, ctx := New(Config{}), t.Context()
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, load := s.Load(ctx, "k", epoch)
	_, count := s.Count(ctx, "k", 1, time.Second, epoch)
	for name, err := range map[string]error{
		"Put": s.Put(ctx, "k", nil, reserved(epoch.Add(time.Second)), epoch), "Load": load, "Swap": s.Swap(ctx, "k", nil, nil, ephemeral.Keeping{}, epoch),
		"Delete": s.Delete(ctx, "k"), "Count": count, "Ping": s.Ping(ctx),
	} {
		if !errors.Is(err, errClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
