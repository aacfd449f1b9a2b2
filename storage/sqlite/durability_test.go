package sqlite

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/storage/sqlite/engine"
)

// TestDurability cuts the power at random moments of concurrent saving: every
// license that was answered is there, and of the others all or nothing. The
// same test fails if commits are not synced, so it can see what it is about.
func TestDurability(t *testing.T) {
	t.Run("FULL", func(t *testing.T) {
		if lost := powerFailures(t, "FULL"); lost > 0 {
			t.Errorf("%d answered licenses were lost", lost)
		}
	})
	t.Run("NORMAL", func(t *testing.T) {
		if lost := powerFailures(t, "NORMAL"); lost == 0 {
			t.Error("without syncing commits nothing was lost: the test sees nothing")
		}
	})
}

// failure is a power failure: what had been answered, and what the disk has.
type failure struct {
	answered map[audit.ID]bool
	files    map[string][]byte
}

// powerFailures saves licenses, cuts the power many times, and returns how many
// answered licenses were lost.
func powerFailures(t *testing.T, synchronous string) int {
	const writers = 8
	each, most := soak(12, 100), soak(12, 100)
	d := newDisk(t)
	var mu sync.Mutex
	answered := map[audit.ID]bool{}
	var failures []failure
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	ops, next := 0, 1+dice.IntN(150)
	d.onEach(func(diskOp) error {
		// Seldom, so that the cuts spread over the whole of the saving; and
		// before an operation, so that one is cut off at every kind of it.
		if ops++; len(failures) < most && ops == next {
			next += 1 + dice.IntN(150)
			mu.Lock()
			defer mu.Unlock()
			torn := dice
			if len(failures)%2 == 0 {
				torn = nil
			}
			failures = append(failures, failure{maps.Clone(answered), d.afterPowerFailure(torn)})
		}
		return nil
	})
	db := openTest(t, Config{VFS: d.name, tuning: tuning{file: engine.Tuning{Synchronous: synchronous, CheckpointAt: 200}}})
	l := db.Licenses()
	list, _, err := l.Reserve(t.Context(), slices.Collect(func(yield func(int) bool) {
		for i := range writers * each {
			yield(i)
		}
	}), 1<<16, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var all []license.SaveRequest
	for i := range writers * each {
		all = append(all, newLicense(list, i))
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for _, r := range all[w*each : (w+1)*each] {
				if err := l.Save(t.Context(), r); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				answered[r.Record.ID] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	d.onEach(nil)
	t.Logf("%d power failures in %d operations of the disk", len(failures), ops)
	if len(failures) < most/2 {
		t.Errorf("only %d power failures", len(failures))
	}
	return losses(t, failures, all)
}

// losses opens what each power failure left, and returns how many answered
// licenses are not there.
func losses(t *testing.T, failures []failure, all []license.SaveRequest) (lost int) {
	late := 0
	for _, f := range failures {
		after := openTest(t, Config{Path: restore(t, f.files, "test.db")})
		sound(t, after)
		for _, r := range all {
			switch p := present(t, after, r); {
			case p == half:
				t.Errorf("after a power failure, half of license %s is there", r.Record.ID)
			case p == absent && f.answered[r.Record.ID]:
				lost++
			case p == whole && !f.answered[r.Record.ID]:
				late++ // was on its way
			}
		}
	}
	t.Logf("%d answered licenses lost; %d not answered yet and there", lost, late)
	return lost
}
