package ephemeral

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage/storagetest/suite"
)

// EphemeralParts tests the parts of an [ephemeral.Store]: whoever fills one keeps
// nobody out of another. The stores that open returns are empty and keep no more
// than so many values and bytes.
func EphemeralParts(t *testing.T, open func(t *testing.T, values int, bytes int64) ephemeral.Store) {
	room := func(t *testing.T, values int, bytes int64) *rooms { return &rooms{t, open(t, values, bytes)} }
	t.Run("Flood", func(t *testing.T) { t.Parallel(); partsFlood(room(t, 400, 64<<20)) })
	t.Run("FloodOfBytes", func(t *testing.T) { t.Parallel(); partsFloodOfBytes(room(t, 1e6, 4<<20)) })
	t.Run("Fairness", func(t *testing.T) { t.Parallel(); partsFairness(room(t, 300, 64<<20)) })
	t.Run("Reserved", func(t *testing.T) { t.Parallel(); partsReserved(room(t, 500, 64<<20)) })
	t.Run("Surplus", func(t *testing.T) { t.Parallel(); partsSurplus(room(t, 1e6, 4<<20)) })
	t.Run("Moving", func(t *testing.T) { t.Parallel(); partsMoving(room(t, 1000, 64<<20)) })
	t.Run("Limits", func(t *testing.T) { t.Parallel(); partsLimits(room(t, 1000, 64<<20)) })
}

type rooms struct {
	t *testing.T
	s ephemeral.Store
}

func (r *rooms) put(part ephemeral.Part, owner, key string, size int) error {
	now := time.Now()
	return r.s.Put(r.t.Context(), key, make([]byte, size), ephemeral.Keeping{Part: part, Owner: owner, Until: now.Add(time.Hour)}, now)
}

// fill puts n values, and returns how many of them are still there.
func (r *rooms) fill(part ephemeral.Part, n, size int, owner func(i int) string) int {
	r.t.Helper()
	for i := range n {
		if err := r.put(part, owner(i), fmt.Sprintf("fill-%d-%d", part, i), size); err != nil {
			r.t.Fatalf("value %d of %d: %v", i, n, err)
		}
	}
	there := 0
	for i := range n {
		if r.has(fmt.Sprintf("fill-%d-%d", part, i)) {
			there++
		}
	}
	return there
}

// evicted returns how many values of each part gave way.
func (r *rooms) evicted() [ephemeral.PartReserved]uint64 {
	r.t.Helper()
	s, ok := r.s.(interface {
		Evicted() [ephemeral.PartReserved]uint64
	})
	if !ok {
		r.t.Fatal("the store doesn't say what gave way")
	}
	return s.Evicted()
}

func (r *rooms) has(key string) bool {
	r.t.Helper()
	_, err := r.s.Load(r.t.Context(), key, time.Now())
	if err != nil && !errors.Is(err, ephemeral.ErrGone) {
		r.t.Fatalf("Load: %v", err)
	}
	return err == nil
}

// settled puts a value of everybody who doesn't flood, and returns a check that all are there.
func (r *rooms) settled(but ephemeral.Part) (check func()) {
	r.t.Helper()
	for part := ephemeral.PartUnopened; part <= ephemeral.PartReserved; part++ {
		suite.Must(r.t, "Put", r.put(part, "somebody", fmt.Sprint("settled-", part), 100))
	}
	return func() {
		r.t.Helper()
		for part := ephemeral.PartUnopened; part <= ephemeral.PartReserved; part++ {
			if part != but && !r.has(fmt.Sprint("settled-", part)) {
				r.t.Errorf("the value in part %d gave way to others", part)
			}
		}
	}
}

// partsFlood has 15 owners fill each part that anybody can fill: always the new
// value is kept, never more than the share, and nobody else's is lost, in the same
// part either.
func partsFlood(r *rooms) {
	check := r.settled(0)
	for _, c := range []struct {
		part ephemeral.Part
		most int
	}{{ephemeral.PartUnopened, 120}, {ephemeral.PartOpened, 120}, {ephemeral.PartPushed, 60}} {
		before := r.evicted()[c.part-1]
		there := r.fill(c.part, 1200, 10, func(i int) string { return fmt.Sprint("many-", i%15) })
		if gone := r.evicted()[c.part-1] - before; gone != uint64(1200-there) {
			r.t.Errorf("part %d: %d of 1,200 are there, and %d are said to have given way", c.part, there, gone)
		}
		if there >= c.most || there < c.most-20 {
			r.t.Errorf("part %d keeps %d of them, want nearly %d", c.part, there, c.most)
		}
		check()
	}
}

func partsFloodOfBytes(r *rooms) {
	check := r.settled(0)
	for part := ephemeral.PartUnopened; part <= ephemeral.PartPushed; part++ {
		there := r.fill(part, 300, 16<<10, func(i int) string { return fmt.Sprint("few-", i%10) })
		if most := 4 << 20 / (16 << 10) * 3 / 10; there > most || there < 20 {
			r.t.Errorf("part %d keeps %d of them, want at most %d", part, there, most)
		}
		check()
	}
	if err := r.put(ephemeral.PartPushed, "o", "large", 64<<10); err != nil {
		r.t.Errorf("the largest value: %v", err)
	}
}

// partsFairness lets one owner push its own out and nobody else's.
func partsFairness(r *rooms) {
	for i := range 30 {
		suite.Must(r.t, "Put", r.put(ephemeral.PartOpened, fmt.Sprint("one-of-", i), fmt.Sprint("own-", i), 50))
	}
	r.fill(ephemeral.PartOpened, 1000, 50, func(int) string { return "greedy" })
	for i := range 30 {
		if !r.has(fmt.Sprint("own-", i)) {
			r.t.Errorf("the value of owner %d gave way to those of one who has many", i)
		}
	}
}

// partsReserved fills all room with what is reserved: the others give way, and then
// it is full, until something is deleted.
func partsReserved(r *rooms) {
	for part := ephemeral.PartUnopened; part <= ephemeral.PartPushed; part++ {
		r.fill(part, 200, 10, func(i int) string { return fmt.Sprint("many-", i%40) })
	}
	there := r.fill(ephemeral.PartReserved, 500, 10, func(i int) string { return fmt.Sprint("each-", i) })
	if there != 500 {
		r.t.Errorf("%d of 500 values are kept", there)
	}
	for part := ephemeral.PartUnopened; part <= ephemeral.PartReserved; part++ {
		suite.Is(r.t, fmt.Sprint("Put in part ", part, " of a full store"), r.put(part, "late", "late", 10), ephemeral.ErrFull)
	}
	if !r.has("fill-4-0") || !r.has("fill-4-499") || r.has("late") {
		r.t.Error("a full store changed")
	}
	suite.Must(r.t, "Put in the place of another", r.put(ephemeral.PartReserved, "late", "fill-4-7", 10))
	suite.Must(r.t, "Delete", r.s.Delete(r.t.Context(), "fill-4-0"))
	suite.Must(r.t, "Put after Delete", r.put(ephemeral.PartReserved, "late", "late", 10))
}

// partsSurplus lets one owner have more of what is reserved than anybody needs: it
// loses that to others.
func partsSurplus(r *rooms) {
	check := r.settled(0)
	if there := r.fill(ephemeral.PartReserved, 1000, 8<<10, func(int) string { return "greedy" }); there < 300 || there > 512 {
		r.t.Errorf("%d are kept", there)
	}
	if !r.has("settled-4") {
		r.t.Error("a reserved value gave way to those of one who has many")
	}
	for i := range 100 {
		suite.Must(r.t, "Put of another owner", r.put(ephemeral.PartReserved, fmt.Sprint("o", i), fmt.Sprint("other-", i), 8<<10))
	}
	for i := range 100 {
		if !r.has(fmt.Sprint("other-", i)) {
			r.t.Error("a value gave way to those of one who has many")
		}
	}
	_ = check // the other parts had to give way
}

// partsMoving moves a value from part to part, with another end.
func partsMoving(r *rooms) {
	ctx, now := r.t.Context(), time.Now()
	life := 200 * time.Millisecond
	for _, key := range []string{"moved", "left"} {
		suite.Must(r.t, "Put", r.s.Put(ctx, key, []byte("a"), ephemeral.Keeping{Part: ephemeral.PartUnopened, Owner: "o", Until: now.Add(life)}, now))
	}
	suite.Must(r.t, "Swap", r.s.Swap(ctx, "moved", []byte("a"), []byte("b"), ephemeral.Keeping{Part: ephemeral.PartOpened, Owner: "o", Until: now.Add(time.Hour)}, now))
	time.Sleep(life + 20*time.Millisecond)
	if r.has("left") || !r.has("moved") {
		r.t.Error("a value that was moved didn't get another end, or one that wasn't did")
	}
	now = time.Now()
	suite.Is(r.t, "Swap of another", r.s.Swap(ctx, "moved", []byte("a"), []byte("c"), ephemeral.Keeping{Part: ephemeral.PartReserved, Until: now.Add(time.Hour)}, now), ephemeral.ErrChanged)
	suite.Must(r.t, "Swap", r.s.Swap(ctx, "moved", []byte("b"), []byte("c"), ephemeral.Keeping{Part: ephemeral.PartReserved, Owner: "p", Until: now.Add(time.Hour)}, now))
	for part := ephemeral.PartUnopened; part <= ephemeral.PartPushed; part++ {
		r.fill(part, 500, 10, func(i int) string { return fmt.Sprint("each-", i) })
	}
	keeps(r.t, r.s, "moved", []byte("c"))
	suite.Must(r.t, "Swap to an end that is over", r.s.Swap(ctx, "moved", []byte("c"), []byte("d"), ephemeral.Keeping{Part: ephemeral.PartReserved, Until: now.Add(-time.Hour)}, time.Now()))
	gone(r.t, r.s, "a value whose end was moved before now", "moved")
}

func partsLimits(r *rooms) {
	ctx, now := r.t.Context(), time.Now()
	suite.Must(r.t, "Put", r.put(ephemeral.PartOpened, "o", "k", 0))
	for what, k := range map[string]ephemeral.Keeping{
		"no part": {Until: now.Add(time.Hour)}, "an unknown part": {Part: 5, Until: now.Add(time.Hour)},
		"an owner with a space": {Part: 1, Owner: "a b", Until: now.Add(time.Hour)}, "an owner of two lines": {Part: 1, Owner: "a\nb", Until: now.Add(time.Hour)},
		"a long owner": {Part: 1, Owner: string(make([]byte, 65)), Until: now.Add(time.Hour)},
	} {
		if err := r.s.Put(ctx, "k", nil, k, now); err == nil {
			r.t.Errorf("Put with %s is taken", what)
		}
		if err := r.s.Swap(ctx, "k", []byte{}, nil, k, now); err == nil {
			r.t.Errorf("Swap with %s is taken", what)
		}
	}
	if !r.has("k") {
		r.t.Error("a refused call changed what was kept")
	}
}
