// Package fresh caches what was read from a store for two seconds: long enough to spare most
// reads, short enough to refuse soon what another process ended or disabled.
package fresh

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Age is how long a value is cached, so a change by another process may stay unseen that long.
const Age = 2 * time.Second

// Bounded keeps at most max values, those used most recently. It has two halves: when
// the new half is full, it becomes the old half, and the values of the former old half
// are forgotten. So nothing needs sweeping. Safe for concurrent use.
type Bounded[K comparable, V any] struct {
	mu       sync.Mutex
	half     int
	new, old map[K]V
}

// NewBounded returns a Bounded for at most max values.
func NewBounded[K comparable, V any](max int) *Bounded[K, V] {
	return &Bounded[K, V]{half: max / 2, new: make(map[K]V)}
}

// Load returns the value of a key, if it is there.
func (c *Bounded[K, V]) Load(k K) (V, bool) {
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

// Store keeps a value.
func (c *Bounded[K, V]) Store(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storeLocked(k, v)
}

func (c *Bounded[K, V]) storeLocked(k K, v V) {
	if _, ok := c.new[k]; !ok && len(c.new) >= c.half {
		c.old, c.new = c.new, make(map[K]V)
	}
	c.new[k] = v
}

// Drop forgets the value of a key.
func (c *Bounded[K, V]) Drop(k K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.new, k)
	delete(c.old, k)
}

// Forget drops everything.
func (c *Bounded[K, V]) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.new, c.old = make(map[K]V), nil
}

// Cache keeps what it read by an id for a short while. When a cached value is too old, one
// caller reads it again and the others wait. An id that isn't cached is read by every caller.
// Errors aren't cached, so that made-up ids push nothing out. Safe for concurrent use.
type Cache[V any] struct {
	changes atomic.Int64 // counts calls of Drop and Forget
	read    func(ctx context.Context, id string) (V, error)
	slots   *Bounded[string, *slot[V]]
}

// slot holds the value of one id.
type slot[V any] struct {
	turn chan struct{} // holds a token while somebody reads
	mu   sync.Mutex
	v    V
	at   time.Time // when the read of v began; zero: v isn't read yet
}

// NewCache returns a Cache for at most max values; read reads a value by its id.
func NewCache[V any](max int, read func(context.Context, string) (V, error)) *Cache[V] {
	return &Cache[V]{read: read, slots: NewBounded[string, *slot[V]](max)}
}

// Since returns the value of id, read no longer than age ago.
func (c *Cache[V]) Since(ctx context.Context, id string, age time.Duration) (V, error) {
	s, ok := c.slots.Load(id)
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
		c.slots.Store(id, s)
		if c.changes.Load() != changes { // the value may have been read before the change
			c.slots.Drop(id)
		}
	}
	return v, nil
}

// Drop makes the next caller for an id read it again, because this process changed it.
func (c *Cache[V]) Drop(id string) {
	c.changes.Add(1)
	c.slots.Drop(id)
}

// Forget makes the next caller for any id read it again, because this process changed something.
func (c *Cache[V]) Forget() {
	c.changes.Add(1)
	c.slots.Forget()
}

// within returns the slot's value, and whether its read began less than age ago.
func (s *slot[V]) within(age time.Duration) (V, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.v, !s.at.IsZero() && time.Since(s.at) < age
}
