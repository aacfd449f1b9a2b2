package password

import (
	"context"
	"sync"
	"time"
)

// How long a check takes would tell whether a login is that of an account with another system's
// hash: that costs many times what ours does, or less. So while such hashes are checked, every
// check takes as long as the longest one of the last minutes. The time runs from where a hash's
// computation begins: whoever waits for a place before that waits the same for every account. A
// check that is evened waits outside of the lanes, and takes no processor.
//
// What remains to be measured: the first check of such a hash after evenFor without one, and one
// that takes longer than all before it, or than evenMost on a busy machine. And a slow hash holds
// its place longer, so many tries at a time for one account fill a lane sooner; their limits are
// those of tries. In return one account with a slow hash costs everybody that time, while people
// log in to it.
const (
	evenFor  = 15 * time.Minute // a check counts for this long, and at most twice as long
	evenMost = time.Second
)

// even remembers the longest checks. It forgets them in halves, so that a check counts for at
// least evenFor, however many shorter ones follow.
type even struct {
	mu           sync.Mutex
	began        time.Time // when this half began
	this, before half
}

// half is what was seen in a time of evenFor.
type half struct {
	longest time.Duration // of all checks
	foreign bool          // one was of another system's hash
}

// note notes a check.
func (e *even) note(began, ended time.Time, foreign bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.turn(ended)
	e.this.longest = max(e.this.longest, min(ended.Sub(began), evenMost))
	e.this.foreign = e.this.foreign || foreign
}

// turn begins a new half when it is time.
func (e *even) turn(now time.Time) {
	age := now.Sub(e.began)
	if age < evenFor {
		return
	}
	e.before, e.this, e.began = e.this, half{}, now
	if age >= 2*evenFor {
		e.before = half{}
	}
}

// longest returns how long a check has to take.
func (e *even) longest(now time.Time) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.turn(now)
	if !e.this.foreign && !e.before.foreign {
		return 0
	}
	return max(e.this.longest, e.before.longest)
}

// wait waits until a check that began then has taken as long as others.
func (e *even) wait(ctx context.Context, began time.Time) {
	now := time.Now()
	rest := e.longest(now) - now.Sub(began)
	if rest <= 0 {
		return
	}
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
