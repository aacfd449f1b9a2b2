package oidc

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// boundedCache keeps at most max values, those used lately. It has two halves:
// when the new one is full, it becomes the old one and what was in that is
// forgotten. Nothing needs sweeping. Safe for concurrent use.
type boundedCache[K comparable, V any] struct {
	mu       sync.Mutex
	half     int
	new, old map[K]V
}

func newBoundedCache[K comparable, V any](max int) *boundedCache[K, V] {
	return &boundedCache[K, V]{half: max / 2, new: make(map[K]V)}
}

// load returns the value of a key, if it is there.
func (c *boundedCache[K, V]) load(k K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.new[k]; ok {
		return v, true
	}
	v, ok := c.old[k]
	if ok {
		c.storeLocked(k, v) // still in use: keep it through the next turn
	}
	return v, ok
}

// store keeps a value.
func (c *boundedCache[K, V]) store(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storeLocked(k, v)
}

func (c *boundedCache[K, V]) storeLocked(k K, v V) {
	if _, ok := c.new[k]; !ok && len(c.new) >= c.half {
		c.old, c.new = c.new, make(map[K]V)
	}
	c.new[k] = v
}

// drop forgets the value of a key.
func (c *boundedCache[K, V]) drop(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.new, k)
	delete(c.old, k)
}

// forget drops everything.
func (c *boundedCache[K, V]) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.new, c.old = make(map[K]V), nil
}

// freshCache keeps what it read by an id for a short while. When it is time to
// read anew, one caller does and the others wait. Errors aren't kept, so that
// made-up ids push nothing out. Safe for concurrent use.
type freshCache[V any] struct {
	changes atomic.Int64 // counts forget and drop
	read    func(ctx context.Context, id string) (V, error)
	slots   *boundedCache[string, *slot[V]]
}

// slot is the place of one id.
type slot[V any] struct {
	turn chan struct{} // holds a token while somebody reads
	mu   sync.Mutex
	v    V
	at   time.Time // when the reading of v began; zero if there is none
}

func newFreshCache[V any](max int, read func(context.Context, string) (V, error)) *freshCache[V] {
	return &freshCache[V]{read: read, slots: newBoundedCache[string, *slot[V]](max)}
}

// since returns a reading of id that isn't older than age.
func (c *freshCache[V]) since(ctx context.Context, id string, age time.Duration) (V, error) {
	s, ok := c.slots.load(id)
	if ok {
		if v, ok := s.within(age); ok {
			return v, nil
		}
	} else {
		s = &slot[V]{turn: make(chan struct{}, 1)}
	}
	select {
	case <-ctx.Done():
		return *new(V), context.Cause(ctx)
	case s.turn <- struct{}{}:
	}
	defer func() { <-s.turn }()
	if v, ok := s.within(age); ok { // somebody read it while we waited
		return v, nil
	}
	began, changes := time.Now(), c.changes.Load()
	v, err := c.read(ctx, id)
	if err != nil {
		return *new(V), err
	}
	s.mu.Lock()
	s.v, s.at = v, began
	s.mu.Unlock()
	if !ok {
		c.slots.store(id, s)
		if c.changes.Load() != changes { // what we read may be from before the change
			c.slots.drop(id)
		}
	}
	return v, nil
}

// drop makes the next caller for an id read anew: this process changed it.
func (c *freshCache[V]) drop(id string) {
	c.changes.Add(1)
	c.slots.drop(id)
}

// forget makes the next caller read anew: this process changed something.
func (c *freshCache[V]) forget() {
	c.changes.Add(1)
	c.slots.forget()
}

// within returns the slot's value if its reading began no longer than age ago.
func (s *slot[V]) within(age time.Duration) (V, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.v, !s.at.IsZero() && time.Since(s.at) < age
}
