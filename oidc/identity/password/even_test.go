package password

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
)

// In a bubble a hash takes no time, so the tests below note how long checks took, and see how long the next one waits.

// evened returns how long the check of a hash of ours takes.
func evened(t *testing.T, h *Hasher) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := h.Matches(t.Context(), h.Blank(), "password", LaneKnown); err != nil {
		t.Fatal(err)
	}
	return time.Since(began)
}

// took notes a check that ends now.
func took(h *Hasher, d time.Duration, foreign bool) {
	h.even.note(time.Now().Add(-d), time.Now(), foreign)
}

func TestEven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Memory: 64, Time: 1})
		expect := func(what string, want time.Duration) {
			t.Helper()
			if got := evened(t, h); got != want {
				t.Errorf("%s: a check takes %s, want %s", what, got, want)
			}
		}
		took(h, 20*time.Millisecond, false)
		expect("with hashes of ours only", 0)
		took(h, 10*time.Millisecond, true)
		expect("after a foreign hash that is quicker than ours", 20*time.Millisecond)
		took(h, 60*time.Millisecond, true)
		took(h, 30*time.Millisecond, true)
		expect("after a slow foreign hash and a quicker one", 60*time.Millisecond)
		took(h, time.Hour, true)
		expect("after one that took very long", evenMost)
	})
}

// TestEvenFor: as long as a foreign hash is checked now and then, checks are evened, without a gap;
// and no single slow check slows them for longer than it must.
func TestEvenFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Memory: 64, Time: 1})
		took(h, 300*time.Millisecond, true)
		time.Sleep(evenFor - time.Minute) // shortly before its half ends
		took(h, 800*time.Millisecond, true)
		began := time.Now()
		for minute := range 240 {
			took(h, 300*time.Millisecond, true)
			got := evened(t, h)
			age := time.Since(began)
			switch {
			case got != 300*time.Millisecond && got != 800*time.Millisecond:
				t.Fatalf("in minute %d a check takes %s", minute, got)
			case age < evenFor && got != 800*time.Millisecond:
				t.Fatalf("in minute %d the slowest check is forgotten", minute)
			case age > 2*evenFor+time.Minute && got != 300*time.Millisecond:
				t.Fatalf("in minute %d the slowest check still counts", minute)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(2 * evenFor)
		if got := evened(t, h); got != 0 {
			t.Errorf("long after the last foreign hash a check takes %s", got)
		}
	})
}

// TestEvenQueue: the time in the queue comes on top, and is the same for every account.
func TestEvenQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Slots: 1, Memory: 64, Time: 1})
		foreign, ok := h.Foreign("$sm3$before$YQ==$" + strings.Repeat("0", 64))
		if !ok {
			t.Fatal("it isn't read")
		}
		const slow, queued = 500 * time.Millisecond, 2 * time.Second
		took(h, slow, true)
		for name, p := range map[string]identity.PasswordHash{"foreign": foreign, "ours": h.Blank()} {
			leave, err := h.Enter(t.Context(), LaneNew)
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				began := time.Now()
				if _, err := h.Matches(t.Context(), p, "password", LaneNew); err != nil {
					t.Error(err)
				}
				if got := time.Since(began); got != queued+slow {
					t.Errorf("%s: a check takes %s, want %s", name, got, queued+slow)
				}
			})
			time.Sleep(queued)
			leave()
			wg.Wait()
		}
		if got := evened(t, h); got != slow {
			t.Errorf("after the queue a check takes %s, want %s", got, slow)
		}
	})
}

// TestEvenLane: a check that waits to be even with others holds no place.
func TestEvenLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{Slots: 1, Memory: 64, Time: 1})
		took(h, evenMost, true)
		began := time.Now()
		var wg sync.WaitGroup
		for range Waiting {
			wg.Go(func() { evened(t, h) })
		}
		wg.Wait()
		if got := time.Since(began); got != evenMost {
			t.Errorf("%d checks take %s, want %s", Waiting, got, evenMost)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began = time.Now()
		h.even.wait(ctx, began)
		if got := time.Since(began); got != time.Millisecond {
			t.Errorf("a caller who went waits %s", got)
		}
	})
}
