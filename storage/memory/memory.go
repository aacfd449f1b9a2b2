// Package memory keeps in the process what may be lost: it implements
// ephemeral.Store. A restart forgets everything, and another node sees nothing
// of it, so it is for one node alone.
package memory

import (
	"bytes"
	"cmp"
	"container/heap"
	"container/list"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"yizheng.internal/oidc/ephemeral"
)

// Config says how much is kept at most. The parts' shares are in parts.go.
type Config struct {
	MaxValues   int   // default: 200,000
	MaxBytes    int64 // of values, with their keys and what keeping them takes; default: 256 MiB
	MaxCounters int   // default: 300,000, which take some 90 MiB
}

// overhead is about what an entry takes beside its key and value.
const overhead = 300

// Limits of [ephemeral.Store].
const (
	maxKey   = 200
	maxValue = 64 << 10
)

// Ephemeral implements [ephemeral.Store]. It is safe for concurrent use.
//
// No goroutine forgets what has expired. Each call that needs room does, in the order of
// expiry, so nothing expired is ever in the way. If there is still no room for a value, another
// one gives way as parts.go says, or the call returns ErrFull. A new counter replaces the one
// that was counted longest ago: otherwise whoever makes up names to count could keep everybody
// from logging in.
//
// One mutex guards all: it is held for some hundred nanoseconds, and values are
// copied outside.
type Ephemeral struct {
	c Config

	mu       sync.Mutex
	values   map[string]*entry
	counters map[string]*entry
	order    order     // all entries, the soonest to expire on top
	counted  list.List // of counters' entries, the last counted first
	parts    [parts]part
	bytes    int64 // of values
	evicted  [parts]uint64
	closed   bool
}

// entry is a value or a counter.
type entry struct {
	key     string
	value   []byte // never changed in place: readers copy it outside the lock
	count   int64
	expires time.Time
	place   int            // in order
	counted *list.Element  // of a counter
	part    ephemeral.Part // of a value
	owner   string         // of a value
	index   int            // of a value: in its part
}

func (e *entry) size() int64 { return int64(len(e.key)+len(e.value)+len(e.owner)) + overhead }

// errClosed is the error of calls after Close.
var errClosed = errors.New("the store in memory is closed")

// New returns an empty store.
func New(c Config) *Ephemeral {
	c.MaxValues = cmp.Or(max(c.MaxValues, 0), 200_000)
	c.MaxBytes = cmp.Or(max(c.MaxBytes, 0), 256<<20)
	c.MaxCounters = cmp.Or(max(c.MaxCounters, 0), 300_000)
	s := &Ephemeral{c: c, values: map[string]*entry{}, counters: map[string]*entry{}}
	for i := range s.parts {
		s.parts[i].owners = map[string]int64{}
	}
	return s
}

// Put implements [ephemeral.Store].
func (s *Ephemeral) Put(ctx context.Context, key string, value []byte, k ephemeral.Keeping, now time.Time) error {
	if err := errors.Join(check(ctx, key, value), checkKeeping(k)); err != nil {
		return err
	}
	value = copied(value)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if !k.Until.After(now) {
		s.forget(s.values[key])
		return nil
	}
	return s.keep(&entry{key: key, value: value, expires: k.Until, part: k.Part, owner: k.Owner}, now)
}

// Load implements [ephemeral.Store].
func (s *Ephemeral) Load(ctx context.Context, key string, now time.Time) ([]byte, error) {
	if err := check(ctx, key, nil); err != nil {
		return nil, err
	}
	e, err := s.find(key, now)
	if err != nil {
		return nil, err
	}
	return copied(e.value), nil
}

func (s *Ephemeral) find(key string, now time.Time) (*entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	return s.live(key, now)
}

// live returns the entry of a value that has not expired, or ErrGone.
func (s *Ephemeral) live(key string, now time.Time) (*entry, error) {
	e := s.values[key]
	if e == nil || !e.expires.After(now) {
		return nil, ephemeral.ErrGone
	}
	return e, nil
}

// Swap implements [ephemeral.Store].
func (s *Ephemeral) Swap(ctx context.Context, key string, old, new []byte, k ephemeral.Keeping, now time.Time) error {
	err := check(ctx, key, new)
	if k != (ephemeral.Keeping{}) {
		err = errors.Join(err, checkKeeping(k))
	}
	if err != nil {
		return err
	}
	new = copied(new)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	e, err := s.live(key, now)
	if err != nil {
		return err
	}
	if !bytes.Equal(e.value, old) {
		return ephemeral.ErrChanged
	}
	if k == (ephemeral.Keeping{}) {
		k = ephemeral.Keeping{Part: e.part, Owner: e.owner, Until: e.expires}
	}
	if !k.Until.After(now) {
		s.forget(e)
		return nil
	}
	return s.keep(&entry{key: key, value: new, expires: k.Until, part: k.Part, owner: k.Owner}, now)
}

// Delete implements [ephemeral.Store].
func (s *Ephemeral) Delete(ctx context.Context, key string) error {
	if err := check(ctx, key, nil); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.forget(s.values[key])
	return nil
}

// Count implements [ephemeral.Store].
func (s *Ephemeral) Count(ctx context.Context, key string, n int64, window time.Duration, now time.Time) (int64, error) {
	if err := check(ctx, key, nil); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	e := s.counters[key]
	if e != nil && e.expires.After(now) {
		if n > 0 && e.count > math.MaxInt64-n || n < 0 && e.count < math.MinInt64-n {
			return 0, errors.New("a counter would overflow")
		}
		s.counted.MoveToFront(e.counted)
		e.count += n
		return e.count, nil
	}
	if n == 0 || window <= 0 {
		return n, nil
	}
	s.begin(&entry{key: key, count: n, expires: now.Add(window)}, now)
	return n, nil
}

// Ping reports that the store is open.
func (s *Ephemeral) Ping(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	return ctx.Err()
}

// Close forgets everything. Later calls fail.
func (s *Ephemeral) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.values, s.counters, s.order, s.bytes, s.parts = nil, nil, nil, 0, [parts]part{}
	s.counted.Init()
	return nil
}

// keep stores a value's entry in the place of one with its key, or returns ErrFull
// and leaves that.
func (s *Ephemeral) keep(e *entry, now time.Time) error {
	s.purge(now)
	old := s.values[e.key]
	for !s.fits(e, old) {
		if !s.makeRoom(e, old) {
			return ephemeral.ErrFull
		}
	}
	s.forget(old)
	s.values[e.key] = e
	heap.Push(&s.order, e)
	s.bytes += e.size()
	s.parts[e.part-1].add(e)
	return nil
}

// begin stores a counter's entry.
func (s *Ephemeral) begin(e *entry, now time.Time) {
	s.purge(now)
	s.forget(s.counters[e.key]) // which is over, by another caller's clock
	if len(s.counters) >= s.c.MaxCounters {
		s.forget(s.counted.Back().Value.(*entry))
	}
	s.counters[e.key] = e
	e.counted = s.counted.PushFront(e)
	heap.Push(&s.order, e)
}

// purge forgets what has expired.
func (s *Ephemeral) purge(now time.Time) {
	for len(s.order) > 0 && !s.order[0].expires.After(now) {
		s.forget(s.order[0])
	}
}

// forget takes an entry out, if there is one.
func (s *Ephemeral) forget(e *entry) {
	if e == nil {
		return
	}
	heap.Remove(&s.order, e.place)
	if e.counted != nil {
		s.counted.Remove(e.counted)
		delete(s.counters, e.key)
		return
	}
	s.bytes -= e.size()
	s.parts[e.part-1].remove(e)
	delete(s.values, e.key)
}

// check holds a call to the limits of [ephemeral.Store]. Keys are not shown:
// they may be a secret.
func check(ctx context.Context, key string, value []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(key) == 0 || len(key) > maxKey {
		return fmt.Errorf("a key of %d bytes: must be 1 to %d", len(key), maxKey)
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return errors.New("a key has a character that is not visible ASCII")
		}
	}
	if len(value) > maxValue {
		return fmt.Errorf("a value of %d bytes: must be at most %d", len(value), maxValue)
	}
	return nil
}

// copied returns a copy that is never nil.
func copied(b []byte) []byte { return append([]byte{}, b...) }

// order is a heap of entries by their expiry.
type order []*entry

func (o order) Len() int           { return len(o) }
func (o order) Less(i, j int) bool { return o[i].expires.Before(o[j].expires) }
func (o order) Swap(i, j int) {
	o[i], o[j] = o[j], o[i]
	o[i].place, o[j].place = i, j
}

// Push adds an entry at the end; see [heap.Interface].
func (o *order) Push(x any) {
	e := x.(*entry)
	e.place = len(*o)
	*o = append(*o, e)
}

// Pop takes the last entry out; see [heap.Interface].
func (o *order) Pop() any {
	last := len(*o) - 1
	e := (*o)[last]
	(*o)[last] = nil
	*o = (*o)[:last]
	return e
}
