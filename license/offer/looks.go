package offer

import (
	"context"
	"sync"
	"time"

	"yizheng.internal/license/audit"
	"yizheng.internal/signing/journal"
)

// What somebody is shown of their own licenses leaves one event an hour, however often they look. Otherwise
// anybody with a login could write events without end. How often somebody looks at their own licenses is nobody's
// business, so it isn't counted either.
const (
	looksWithin = time.Hour
	maxLooks    = 1 << 16 // looks that are remembered; a forgotten one leaves another event
)

// look is what somebody was shown.
type look struct {
	party, acting string
	license       audit.ID // empty: the list of them, or what a client asks for
	version       int
	offer         [32]byte // its hash
}

// looks remembers what was shown lately. It has two halves. When the new half is full, it becomes the old one,
// and what was in the old one is forgotten. The zero looks is ready.
type looks struct {
	mu       sync.Mutex
	new, old map[look]time.Time
}

// recorded reports whether a look has left its event already.
func (l *looks) recorded(k look, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.new[k]
	if !ok {
		at, ok = l.old[k]
	}
	return ok && now.Sub(at) < looksWithin
}

// looked records that somebody was shown what is theirs, unless that was recorded within the hour.
func (r *Service) looked(ctx context.Context, a audit.Actor, act journal.Action, k look, detail map[string]string) error {
	now := time.Now()
	if r.looks.recorded(k, now) {
		return nil
	}
	if err := r.c.Journal.Record(ctx, a.Did(act, k.license, k.version, journal.ResultOK, detail)); err != nil {
		return err
	}
	r.looks.add(k, now)
	return nil
}

// add remembers a look whose event is on disk.
func (l *looks) add(k look, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.new == nil || len(l.new) >= maxLooks/2 {
		l.old, l.new = l.new, make(map[look]time.Time)
	}
	l.new[k] = now
}
