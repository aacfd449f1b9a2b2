package journal

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// RepeatsWritten is how many events of a kind are stored one by one within
	// RepeatsWithin. Those that follow are counted, and stored as one event.
	RepeatsWritten = 10
	RepeatsWithin  = time.Minute

	maxKinds    = 100_000 // how many kinds are counted at once
	lookForDue  = 15 * time.Second
	lastWriting = 5 * time.Second // for storing what is left when a process ends
)

// Repeats counts events that repeat, by their kind, so that nobody fills the log by
// asking for the same again and again. The zero Repeats is ready. Safe for concurrent use.
type Repeats[K comparable] struct {
	mu    sync.Mutex
	kinds map[K]*repeats
}

type repeats struct {
	begun   time.Time // when the window began
	written int       // events in it that were stored one by one
	merged  int64     // events that were counted and are not stored yet
	since   time.Time // when the first of those came
}

// Repeated says how many events of a kind are to be stored as one.
type Repeated[K comparable] struct {
	Kind  K
	Count int64
}

// Admit reports whether an event is to be stored by itself. Else it is counted: see Run.
func (r *Repeats[K]) Admit(kind K, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kinds[kind]
	if k == nil {
		if len(r.kinds) >= maxKinds { // more than clients and people can cause
			return true
		}
		if r.kinds == nil {
			r.kinds = map[K]*repeats{}
		}
		k = &repeats{begun: now}
		r.kinds[kind] = k
	}
	if now.Sub(k.begun) >= RepeatsWithin {
		k.begun, k.written = now, 0
	}
	if k.written < RepeatsWritten {
		k.written++
		return true
	}
	if k.merged++; k.since.IsZero() {
		k.since = now
	}
	return false
}

// due removes and returns what was counted for RepeatsWithin, or everything.
func (r *Repeats[K]) due(now time.Time, all bool) (due []Repeated[K]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for kind, k := range r.kinds {
		if k.merged > 0 && (all || now.Sub(k.since) >= RepeatsWithin) {
			due = append(due, Repeated[K]{kind, k.merged})
			k.merged, k.since = 0, time.Time{}
		}
		if k.merged == 0 && now.Sub(k.begun) >= RepeatsWithin {
			delete(r.kinds, kind)
		}
	}
	return due
}

// putBack counts again what could not be stored.
func (r *Repeats[K]) putBack(d Repeated[K], now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kinds[d.Kind] == nil {
		r.kinds[d.Kind] = &repeats{begun: now}
	}
	k := r.kinds[d.Kind]
	if k.merged += d.Count; k.since.IsZero() {
		k.since = now
	}
}

// Run calls write for what was counted, once a minute for each kind, and when ctx ends for
// all that is left. If write fails, it retries; at the end it logs what could not be stored.
func (r *Repeats[K]) Run(ctx context.Context, log *slog.Logger, write func(context.Context, Repeated[K]) error) {
	tick := time.NewTicker(lookForDue)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
			for _, d := range r.due(time.Now(), false) {
				if err := write(ctx, d); err != nil {
					r.putBack(d, time.Now())
				}
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWriting)
	defer cancel()
	for _, d := range r.due(time.Now(), true) {
		if err := write(ctx, d); err != nil {
			log.ErrorContext(ctx, "refusals that were counted could not be recorded", "kind", d.Kind, "count", d.Count, "error", err)
		}
	}
}

// mergedRequest begins the request id of an event that stands for many requests. No request
// has such an id.
const mergedRequest = "merged:"

// MergedRequest returns the request id of an event that stands for so many requests.
func MergedRequest(count int64) string { return mergedRequest + strconv.FormatInt(count, 10) }

// Merged returns for how many requests an event with this request id stands, or 0 if it is one
// request's own.
func Merged(requestID string) int64 {
	digits, ok := strings.CutPrefix(requestID, mergedRequest)
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 1 {
		return 0
	}
	return n
}

// Requested returns the entry with its request id, or with the number of requests for which
// it stands.
func (e Entry) Requested(id string) Entry {
	if e.Merged = Merged(id); e.Merged == 0 {
		e.RequestID = id
	}
	return e
}
