package status

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"yizheng.internal/license/credential"
)

// Slot is the place of an entry that a version is to have.
type Slot struct {
	List  int64
	Index int
}

// Take returns a slot that nobody else has. Whoever doesn't store a version with it gives
// it back.
func (l *Lists) Take(ctx context.Context) (Slot, error) { return l.slots.take(ctx) }

// Give takes slots back. What was signed with them must be neither stored nor shown.
func (l *Lists) Give(unused ...Slot) {
	for _, s := range unused {
		l.slots.give(s)
	}
}

// slots hands out entries of status lists. They are reserved in blocks, before the signature that names them, and
// come back if nothing that names them was stored. Entries that are unused when the process ends stay reserved,
// and valid, for good.
type slots struct {
	store Store
	mu    sync.Mutex
	ready []Slot
	block int
}

// most is how many entries of a list are ever taken.
const most = credential.StatusListSize / 2

// Blocks grow as they are used up, so that a short run wastes few entries.
const (
	firstBlock = 32
	lastBlock  = 1024
)

// take returns an entry that nobody else has.
func (s *slots) take(ctx context.Context) (Slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.ready) == 0 {
		s.block = min(max(firstBlock, 2*s.block), lastBlock)
		list, taken, err := s.store.Reserve(ctx, distinct(s.block, credential.StatusListSize), most, time.Now())
		if err != nil {
			return Slot{}, fmt.Errorf("reserving entries of a status list: %w", err)
		}
		// Shuffle them, whatever their order in the store: an index must not tell when it was given.
		rand.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
		for _, index := range taken {
			s.ready = append(s.ready, Slot{list, index})
		}
	}
	last := len(s.ready) - 1
	taken := s.ready[last]
	s.ready = s.ready[:last]
	return taken, nil
}

// give takes an entry back.
func (s *slots) give(unused Slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = append(s.ready, unused)
	last := len(s.ready) - 1
	i := rand.IntN(len(s.ready)) // an index must not tell that it was given back
	s.ready[i], s.ready[last] = s.ready[last], s.ready[i]
}

// distinct returns n different random numbers below limit. (math/rand/v2's
// global source is ChaCha8, seeded by the system.)
func distinct(n, limit int) []int {
	seen := make(map[int]bool, n)
	out := make([]int, 0, n)
	for len(out) < n {
		if i := rand.IntN(limit); !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	return out
}
