package highwater

import (
	"context"
	"slices"
	"time"
)

// GivenUp names everything that Accept accepts as lost: all that Compare found, and what
// was found earlier and not accepted yet.
func (w *Watch) GivenUp() []string {
	found, lost := w.findings.all()
	all := make([]string, 0, len(found))
	for _, one := range found {
		all = append(all, one.text)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	for _, one := range lost {
		if !slices.Contains(all, one) {
			all = append(all, "found earlier: "+one)
		}
	}
	return all
}

// Accept changes what is remembered so that it agrees with the database in everything that
// GivenUp names, and in nothing else: what fits stays remembered, so that nobody can put it
// back later. The service that uses the same memory goes on within seconds. Call Compare
// first. If more was lost since then, Accept returns ErrLost (wrapped) and accepts nothing.
func (w *Watch) Accept(ctx context.Context) error {
	w.checking.Lock()
	defer w.checking.Unlock()
	w.past.accept(w.findings.collected())
	w.findings.confirmed()
	if err := w.compare(ctx); err != nil {
		return err
	}
	if err := w.Refusal(); err != nil {
		return err
	}
	w.findings.lookNoMore()
	w.past.begin(time.Now())
	// This file goes first: once the other files are of another era, the service reads them,
	// and must not find this one. If the process is stopped in between, the operator
	// finds the same loss again and accepts it again.
	if err := w.c.Memory.Forget(lostName); err != nil {
		return err
	}
	return w.past.save(w.c.Memory, true)
}
