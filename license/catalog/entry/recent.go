package entry

import (
	"container/list"
	"sync"
)

// Recent keeps the most recently used values, up to a number of values and of bytes. The caller estimates how
// many bytes a value takes. Safe for concurrent use.
type Recent[K comparable, V any] struct {
	most  int // values
	bytes int // of all of them

	mu     sync.Mutex
	order  list.List // of used, the last used first
	places map[K]*list.Element
	taken  int // bytes
}

type used[K comparable, V any] struct {
	key   K
	value V
	bytes int
}

// NewRecent returns a Recent for at most so many values, which take at most so many bytes together.
func NewRecent[K comparable, V any](most, bytes int) *Recent[K, V] {
	return &Recent[K, V]{most: most, bytes: bytes, places: map[K]*list.Element{}}
}

// get returns a value that is kept.
func (s *Recent[K, V]) get(key K) (v V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.places[key]
	if !ok {
		return v, false
	}
	s.order.MoveToFront(at)
	return at.Value.(used[K, V]).value, true
}

// put keeps a value in place of the one that the key had, and drops the least recently used values until there is
// room. A value that takes more than all the room isn't kept.
func (s *Recent[K, V]) put(key K, v V, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
	s.add(key, v, bytes)
}

// Share returns the value that is kept for the key. If there is none, it keeps this one and returns it.
func (s *Recent[K, V]) Share(key K, v V, bytes int) V {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.places[key]; ok {
		s.order.MoveToFront(at)
		return at.Value.(used[K, V]).value
	}
	s.add(key, v, bytes)
	return v
}

// forget drops a value.
func (s *Recent[K, V]) forget(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(key)
}

// Len returns how many values are kept.
func (s *Recent[K, V]) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.places)
}

func (s *Recent[K, V]) add(key K, v V, bytes int) {
	if bytes > s.bytes {
		return
	}
	s.places[key] = s.order.PushFront(used[K, V]{key, v, bytes})
	s.taken += bytes
	for len(s.places) > s.most || s.taken > s.bytes {
		s.drop(s.order.Back().Value.(used[K, V]).key)
	}
}

func (s *Recent[K, V]) drop(key K) {
	if at, ok := s.places[key]; ok {
		s.taken -= s.order.Remove(at).(used[K, V]).bytes
		delete(s.places, key)
	}
}
