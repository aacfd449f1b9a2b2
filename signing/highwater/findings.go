package highwater

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

const maxLost = 20 // findings that are kept

// loss is something that the database lacks.
type loss struct {
	text string
	// accept changes what is remembered so that it agrees with the database. It is called
	// with the lock of past held. It is nil if there is nothing to change.
	accept func()
}

// findings collect what was found to be lost. Once there is something, they refuse. Safe for
// concurrent use.
type findings struct {
	memory Memory
	log    *slog.Logger

	mu      sync.Mutex // guards the rest
	lost    []string   // what was found; it stays until an operator accepts it
	more    int        // how many findings are not in lost, which is full
	looking bool       // Compare was called: nothing is written
	found   []loss     // all that was found since Compare was called
	altered bool       // the files can't be read
	refusal atomic.Pointer[error]
}

// look begins to collect everything that is found. From now on nothing is written.
func (f *findings) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looking, f.found = true, nil
}

// lookNoMore ends that.
func (f *findings) lookNoMore() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looking = false
}

// all returns what was found since Compare was called, and everything that is not accepted.
func (f *findings) all() (found []loss, lost []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.found), slices.Clone(f.lost)
}

// collected returns what was found since Compare was called, and whether the files can't be
// read.
func (f *findings) collected() (found []loss, altered bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.found), f.altered
}

// any reports whether there is a finding that is not accepted yet.
func (f *findings) any() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost != nil
}

// confirmed drops all findings, and so ends the refusal.
func (f *findings) confirmed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost, f.more, f.found, f.altered = nil, 0, nil, false
	f.refusal.Store(nil)
}

// restore takes over the findings of an earlier process, or of another one. What was found
// here while they were read stays.
func (f *findings) restore(lost []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range f.lost {
		if !slices.Contains(lost, text) {
			lost = append(lost, text)
		}
	}
	f.lost = lost
	f.refuse()
}

// unreadable notes that the files can't be read, which is a loss.
func (f *findings) unreadable(err error) {
	f.mu.Lock()
	f.altered = true
	f.mu.Unlock()
	f.lose([]loss{{text: "what this node remembered was altered, all of it is given up: " + err.Error()}})
}

// lose adds to the findings. What is new is logged and written to a file.
func (f *findings) lose(lost []loss) {
	if len(lost) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.looking {
		f.found = append(f.found, lost...)
	}
	news := 0
	for _, one := range lost {
		switch {
		case slices.Contains(f.lost, one.text):
		case len(f.lost) < maxLost:
			f.lost = append(f.lost, one.text)
			news++
		default:
			f.more++
		}
	}
	if news == 0 {
		return
	}
	f.refuse()
	if f.looking {
		return
	}
	f.log.Error("the database is not what this node saw of it: nothing is decided here until an operator has confirmed what was lost (yizheng integrity accept)",
		"lost", f.lost)
	if err := f.memory.Remember(lostName, []byte(strings.Join(f.lost, "\n"))); err != nil {
		f.log.Error("remembering that the database lost something", "error", err)
	}
}

// refuse sets the error that refused returns. The lock is held.
func (f *findings) refuse() {
	more := ""
	if n := len(f.lost) - 1; n > 0 {
		more = fmt.Sprintf(", and %d more", n)
	}
	err := fmt.Errorf("%w: %s%s; see yizheng doctor, find out what happened, then confirm what was lost with yizheng integrity accept", ErrLost, f.lost[0], more)
	f.refusal.Store(&err)
}

// refused returns ErrLost (wrapped) if there are findings, else nil.
func (f *findings) refused() error {
	if err := f.refusal.Load(); err != nil {
		return *err
	}
	return nil
}

// named says in words what was lost. The last line says that there is more, if there is.
func (f *findings) named() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := append([]string(nil), f.lost...)
	if f.more > 0 {
		found = append(found, fmt.Sprintf("and more, which isn't named: found %d times", f.more))
	}
	return found
}
