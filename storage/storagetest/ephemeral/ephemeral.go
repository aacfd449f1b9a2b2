// Package ephemeral has the suites of what may be lost, which memory and Redis keep.
package ephemeral

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage/storagetest/suite"
)

// Ephemeral tests [ephemeral.Store]. The stores that open returns may share a
// server: the tests' keys are their own. Times are those of the clock, for a
// server has no other.
func Ephemeral(t *testing.T, open func(*testing.T) ephemeral.Store) {
	s := open(t)
	t.Run("Values", func(t *testing.T) { t.Parallel(); ephemeralValues(t, s) })
	t.Run("Copies", func(t *testing.T) { t.Parallel(); ephemeralCopies(t, s) })
	t.Run("Limits", func(t *testing.T) { t.Parallel(); ephemeralLimits(t, s) })
	t.Run("Expiry", func(t *testing.T) { t.Parallel(); ephemeralExpiry(t, s) })
	t.Run("Swap", func(t *testing.T) { t.Parallel(); ephemeralSwap(t, s) })
	t.Run("Count", func(t *testing.T) { t.Parallel(); ephemeralCount(t, s) })
	t.Run("Window", func(t *testing.T) { t.Parallel(); ephemeralWindow(t, s) })
	t.Run("RaceOfSwaps", func(t *testing.T) { t.Parallel(); ephemeralRaceOfSwaps(t, s) })
	t.Run("RaceOfCounts", func(t *testing.T) { t.Parallel(); ephemeralRaceOfCounts(t, s) })
	t.Run("Ended", func(t *testing.T) { t.Parallel(); ephemeralEnded(t, s) })
}

// racers is how many race for what is kept here.
const racers = 64

func keeps(t *testing.T, s ephemeral.Store, key string, want []byte) {
	t.Helper()
	got, err := s.Load(t.Context(), key, time.Now())
	suite.Must(t, "Load", err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s: kept are %d bytes, %.80q, want %d, %.80q", key, len(got), got, len(want), want)
	}
}

func gone(t *testing.T, s ephemeral.Store, what, key string) {
	t.Helper()
	got, err := s.Load(t.Context(), key, time.Now())
	suite.Is(t, what, err, ephemeral.ErrGone)
	if got != nil {
		t.Errorf("%s: and yet there is %.80q", what, got)
	}
}

// until keeps a value in the reserved part, where nothing gives way.
func until(t time.Time) ephemeral.Keeping {
	return ephemeral.Keeping{Part: ephemeral.PartReserved, Until: t}
}

// asBefore leaves a value where it is kept.
var asBefore ephemeral.Keeping

func put(t *testing.T, s ephemeral.Store, key string, value []byte) {
	t.Helper()
	now := time.Now()
	suite.Must(t, "Put", s.Put(t.Context(), key, value, until(now.Add(time.Hour)), now))
}

func ephemeralValues(t *testing.T, s ephemeral.Store) {
	key := suite.NewText()
	gone(t, s, "a value that never was", key)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, value := range [][]byte{[]byte("one"), all, {}, nil, []byte("\r\n"), bytes.Repeat([]byte{0}, 64<<10)} {
		put(t, s, key, value)
		keeps(t, s, key, value)
	}
	other := suite.NewText()
	put(t, s, other, []byte("other"))
	suite.Must(t, "Delete", s.Delete(t.Context(), key))
	gone(t, s, "a value that was deleted", key)
	suite.Must(t, "Delete of nothing", s.Delete(t.Context(), key))
	keeps(t, s, other, []byte("other"))
	put(t, s, key, []byte("again"))
	keeps(t, s, key, []byte("again"))

	now := time.Now()
	suite.Must(t, "Put for 200 years", s.Put(t.Context(), key, []byte("long"), until(now.AddDate(200, 0, 0)), now))
	keeps(t, s, key, []byte("long"))
}

// ephemeralCopies changes what was handed over, and what was handed out.
func ephemeralCopies(t *testing.T, s ephemeral.Store) {
	key, value := suite.NewText(), []byte("kept as it was")
	put(t, s, key, value)
	value[0] = 'X'
	keeps(t, s, key, []byte("kept as it was"))
	got, err := s.Load(t.Context(), key, time.Now())
	suite.Must(t, "Load", err)
	got[0] = 'Y'
	keeps(t, s, key, []byte("kept as it was"))
	value = []byte("swapped")
	suite.Must(t, "Swap", s.Swap(t.Context(), key, []byte("kept as it was"), value, asBefore, time.Now()))
	value[0] = 'Z'
	keeps(t, s, key, []byte("swapped"))
}

// ephemeralLimits holds every method to the limits of keys and values. What is
// beyond them is an error, and none that callers test for.
func ephemeralLimits(t *testing.T, s ephemeral.Store) {
	ctx, now := t.Context(), time.Now()
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || errors.Is(err, ephemeral.ErrGone) || errors.Is(err, ephemeral.ErrChanged) || errors.Is(err, ephemeral.ErrFull) {
			t.Errorf("%s: %v, want an error of its own", what, err)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: the error shows the key: %v", what, err)
		}
	}
	for _, key := range []string{"", strings.Repeat("k", 201), "SECRET KEY", "SECRET\n", "SECRET\x7f", "SECRET\x00", "SECRET键", "\xff"} {
		_, load := s.Load(ctx, key, now)
		_, count := s.Count(ctx, key, 1, time.Second, now)
		for name, err := range map[string]error{
			"Put": s.Put(ctx, key, nil, until(now.Add(time.Second)), now), "Load": load, "Swap": s.Swap(ctx, key, nil, nil, asBefore, now),
			"Delete": s.Delete(ctx, key), "Count": count,
		} {
			refused(fmt.Sprintf("%s of the key %q", name, key), err)
		}
	}
	var visible []byte
	for c := byte('!'); c <= '~'; c++ {
		visible = append(visible, c)
	}
	for _, key := range []string{suite.NewText()[:1], string(visible), suite.NewText() + strings.Repeat("k", 174)} {
		put(t, s, key, []byte(key))
		keeps(t, s, key, []byte(key))
	}

	key := suite.NewText()
	put(t, s, key, make([]byte, 64<<10))
	refused("a value that is too long", s.Put(ctx, key, make([]byte, 64<<10+1), until(now.Add(time.Second)), now))
	refused("a new value that is too long", s.Swap(ctx, key, make([]byte, 64<<10), make([]byte, 64<<10+1), asBefore, now))
	keeps(t, s, key, make([]byte, 64<<10))
}

func ephemeralExpiry(t *testing.T, s ephemeral.Store) {
	ctx := t.Context()
	const life = 300 * time.Millisecond
	now := time.Now()
	short, long, swapped, replaced := suite.NewText(), suite.NewText(), suite.NewText(), suite.NewText()
	for key, life := range map[string]time.Duration{short: life, long: time.Hour, swapped: life, replaced: life} {
		suite.Must(t, "Put", s.Put(ctx, key, []byte("v"), until(now.Add(life)), now))
	}
	suite.Must(t, "Swap", s.Swap(ctx, swapped, []byte("v"), []byte("w"), asBefore, time.Now()))
	put(t, s, replaced, []byte("v"))
	time.Sleep(time.Until(now.Add(life / 2)))
	for _, key := range []string{short, long, replaced} {
		keeps(t, s, key, []byte("v"))
	}
	keeps(t, s, swapped, []byte("w"))
	time.Sleep(time.Until(now.Add(life + 20*time.Millisecond)))
	gone(t, s, "a value that has expired", short)
	gone(t, s, "a swapped value, with its expiry", swapped)
	suite.Is(t, "Swap of one that has expired", s.Swap(ctx, short, []byte("v"), []byte("w"), asBefore, time.Now()), ephemeral.ErrGone)
	gone(t, s, "a value that has expired, after Swap", short)
	suite.Must(t, "Delete of one that has expired", s.Delete(ctx, short))
	keeps(t, s, long, []byte("v"))
	keeps(t, s, replaced, []byte("v"))
	put(t, s, short, []byte("again"))
	keeps(t, s, short, []byte("again"))

	for what, expires := range map[string]time.Time{"an expiry of now": now, "an expiry before": now.Add(-time.Hour), "no expiry": {}} {
		key := suite.NewText()
		suite.Must(t, what, s.Put(ctx, key, []byte("v"), until(expires), now))
		gone(t, s, what, key)
		put(t, s, key, []byte("before it"))
		suite.Must(t, what, s.Put(ctx, key, []byte("v"), until(expires), now))
		gone(t, s, what+", in place of another", key)
	}
	key := suite.NewText()
	now = time.Now()
	suite.Must(t, "Put for a microsecond", s.Put(ctx, key, []byte("v"), until(now.Add(time.Microsecond)), now))
	time.Sleep(20 * time.Millisecond)
	gone(t, s, "a value kept for a microsecond", key)
}

func ephemeralSwap(t *testing.T, s ephemeral.Store) {
	ctx, now, key := t.Context(), time.Now(), suite.NewText()
	suite.Is(t, "Swap of nothing", s.Swap(ctx, key, nil, []byte("new"), asBefore, now), ephemeral.ErrGone)
	gone(t, s, "after that", key)
	put(t, s, key, []byte("one"))
	for _, old := range []string{"", "on", "one ", "One", "two"} {
		suite.Is(t, "Swap of another", s.Swap(ctx, key, []byte(old), []byte("new"), asBefore, now), ephemeral.ErrChanged)
	}
	keeps(t, s, key, []byte("one"))
	values := [][]byte{[]byte("one"), []byte("two"), {}, {0, 1, 255}, bytes.Repeat([]byte("x"), 64<<10), []byte("same"), []byte("same")}
	for i := range values[1:] {
		suite.Must(t, "Swap", s.Swap(ctx, key, values[i], values[i+1], asBefore, now))
		keeps(t, s, key, values[i+1])
	}
	suite.Must(t, "Delete", s.Delete(ctx, key))
	suite.Is(t, "Swap of one that was deleted", s.Swap(ctx, key, []byte("same"), []byte("new"), asBefore, now), ephemeral.ErrGone)
}

// counted checks what a counter is after n was added.
func counted(t *testing.T, s ephemeral.Store, key string, n int64, window time.Duration, want int64) {
	t.Helper()
	got, err := s.Count(t.Context(), key, n, window, time.Now())
	suite.Must(t, "Count", err)
	if got != want {
		t.Errorf("%s after %+d: %d, want %d", key, n, got, want)
	}
}

func ephemeralCount(t *testing.T, s ephemeral.Store) {
	key := suite.NewText()
	for _, c := range []struct{ n, want int64 }{{0, 0}, {1, 1}, {0, 1}, {5, 6}, {-2, 4}, {-7, -3}, {3, 0}, {1, 1}, {1<<62 + 1, 1<<62 + 2}, {-1 << 62, 2}} {
		counted(t, s, key, c.n, time.Hour, c.want)
	}
	below := suite.NewText()
	counted(t, s, below, -1, time.Hour, -1)
	counted(t, s, below, 0, time.Hour, -1)

	// Counters and values have keys of their own.
	gone(t, s, "a value under a counter's key", key)
	put(t, s, key, []byte("7"))
	counted(t, s, key, 1, time.Hour, 3)
	keeps(t, s, key, []byte("7"))
	suite.Must(t, "Delete", s.Delete(t.Context(), key))
	counted(t, s, key, 1, time.Hour, 4)

	most := suite.NewText()
	counted(t, s, most, math.MaxInt64, time.Hour, math.MaxInt64)
	if n, err := s.Count(t.Context(), most, 1, time.Hour, time.Now()); err == nil {
		t.Errorf("a counter went beyond its end, to %d", n)
	}
	counted(t, s, most, 0, time.Hour, math.MaxInt64)

	for _, window := range []time.Duration{0, -time.Second} {
		key := suite.NewText()
		counted(t, s, key, 5, window, 5)
		counted(t, s, key, 1, window, 1)
		counted(t, s, key, 0, time.Hour, 0)
	}
}

func ephemeralWindow(t *testing.T, s ephemeral.Store) {
	const window = 300 * time.Millisecond
	key, late, looked := suite.NewText(), suite.NewText(), suite.NewText()
	began := time.Now()
	counted(t, s, key, 1, window, 1)
	counted(t, s, looked, 0, window, 0) // looking begins no window
	time.Sleep(window / 2)
	counted(t, s, key, 1, time.Hour, 2) // nor does counting on move its end
	counted(t, s, late, 1, window, 1)
	counted(t, s, looked, 1, window, 1)
	time.Sleep(time.Until(began.Add(window + 20*time.Millisecond)))
	counted(t, s, key, 0, window, 0)
	counted(t, s, key, 1, time.Hour, 1)
	counted(t, s, late, 1, window, 2)
	counted(t, s, looked, 1, window, 2)
	time.Sleep(time.Until(began.Add(2*window + 20*time.Millisecond)))
	counted(t, s, key, 1, window, 2)
	counted(t, s, late, 1, window, 1)
}

// ephemeralRaceOfSwaps lets many swap one value at once: one succeeds, and the
// others learn that it changed.
func ephemeralRaceOfSwaps(t *testing.T, s ephemeral.Store) {
	key := suite.NewText()
	value := []byte("begin")
	put(t, s, key, value)
	for round := range 10 {
		errs := suite.Race(racers, func(i int) error {
			return s.Swap(t.Context(), key, value, fmt.Append(nil, "of ", i, " in ", round), asBefore, time.Now())
		})
		winner := suite.OneWins(t, "swapping", errs, ephemeral.ErrChanged)
		value = fmt.Append(nil, "of ", winner, " in ", round)
		keeps(t, s, key, value)
	}
	// Some delete meanwhile: then it is gone, and nobody brings it back.
	errs := suite.Race(racers, func(i int) error {
		if i%8 == 0 {
			return s.Delete(t.Context(), key)
		}
		err := s.Swap(t.Context(), key, value, []byte("new"), asBefore, time.Now())
		if errors.Is(err, ephemeral.ErrGone) || errors.Is(err, ephemeral.ErrChanged) {
			return nil
		}
		return err
	})
	suite.Must(t, "swapping and deleting", errors.Join(errs...))
	gone(t, s, "after that", key)
}

// ephemeralRaceOfCounts lets many count at once: each sees a number of its own.
func ephemeralRaceOfCounts(t *testing.T, s ephemeral.Store) {
	key := suite.NewText()
	seen := make([]int64, racers)
	errs := suite.Race(racers, func(i int) (err error) {
		seen[i], err = s.Count(t.Context(), key, 1, time.Hour, time.Now())
		return err
	})
	suite.Must(t, "Count", errors.Join(errs...))
	slices.Sort(seen)
	for i, n := range seen {
		if n != int64(i+1) {
			t.Fatalf("the counters seen are %v, want 1 to %d", seen, racers)
		}
	}
	errs = suite.Race(racers, func(i int) error {
		_, err := s.Count(t.Context(), key, int64(1-2*(i%2)), time.Hour, time.Now())
		return err
	})
	suite.Must(t, "Count", errors.Join(errs...))
	counted(t, s, key, 0, time.Hour, racers)
}

func ephemeralEnded(t *testing.T, s ephemeral.Store) {
	key, now := suite.NewText(), time.Now()
	put(t, s, key, []byte("v"))
	suite.Is(t, "Put", s.Put(suite.Ended(), key, []byte("w"), until(now.Add(time.Hour)), now), context.Canceled)
	_, err := s.Load(suite.Ended(), key, now)
	suite.Is(t, "Load", err, context.Canceled)
	suite.Is(t, "Swap", s.Swap(suite.Ended(), key, []byte("v"), []byte("w"), asBefore, now), context.Canceled)
	suite.Is(t, "Delete", s.Delete(suite.Ended(), key), context.Canceled)
	keeps(t, s, key, []byte("v"))
	_, err = s.Count(suite.Ended(), key, 1, time.Hour, now)
	suite.Is(t, "Count", err, context.Canceled)
	counted(t, s, key, 0, time.Hour, 0)
}
