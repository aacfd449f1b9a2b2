package entry

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// kept returns the keys of what is kept, the last used first.
func (s *Recent[K, V]) kept() (keys []K) {
	for at := s.order.Front(); at != nil; at = at.Next() {
		keys = append(keys, at.Value.(used[K, V]).key)
	}
	return keys
}

func TestRecent(t *testing.T) {
	t.Parallel()
	s := NewRecent[string, int](3, 100)
	want := func(what string, used int, keys ...string) {
		t.Helper()
		if got := s.kept(); !slices.Equal(got, keys) || s.taken != used || len(s.places) != len(keys) {
			t.Errorf("%s: %v with %d bytes in %d places, want %v with %d", what, got, s.taken, len(s.places), keys, used)
		}
	}
	for i, key := range []string{"a", "b", "c"} {
		s.put(key, i, 10)
	}
	if v, ok := s.get("a"); !ok || v != 0 {
		t.Errorf("a is %d, %v", v, ok)
	}
	want("three", 30, "a", "c", "b")
	s.put("d", 3, 10)
	want("a fourth drops what was not used for longest", 30, "d", "a", "c")
	if _, ok := s.get("b"); ok {
		t.Error("b is still there")
	}
	s.put("a", 7, 85)
	want("bytes drop others", 95, "a", "d")
	s.put("d", 3, 95)
	want("also when one grows", 95, "d")
	s.put("e", 4, 101)
	want("what is larger than all isn't kept", 95, "d")
	if v := s.Share("d", 9, 1); v != 3 {
		t.Errorf("shared d is %d", v)
	}
	if v := s.Share("f", 5, 5); v != 5 {
		t.Errorf("shared f is %d", v)
	}
	want("shared", 100, "f", "d")
	s.forget("d")
	s.forget("nothing")
	want("forgotten", 5, "f")
}

// TestRecentRaces lets many use one at once: it stays within its bounds.
func TestRecentRaces(t *testing.T) {
	t.Parallel()
	s := NewRecent[string, *int](5, 50)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := range 500 {
				key := fmt.Sprint((g + i) % 9)
				s.put(key, &i, i%20)
				s.get(key)
				s.Share(key, &i, 3)
				if i%7 == 0 {
					s.forget(key)
				}
			}
		})
	}
	all.Wait()
	sum := 0
	for at := s.order.Front(); at != nil; at = at.Next() {
		sum += at.Value.(used[string, *int]).bytes
	}
	if s.taken != sum || sum > 50 || len(s.places) > 5 || s.order.Len() != len(s.places) {
		t.Errorf("%d bytes of %d, %d places of %d values", sum, s.taken, len(s.places), s.order.Len())
	}
}
