package highwater

import (
	"context"
	"slices"
	"time"
)

// GivenUp names everything that Accept gives up: all that Compare found, and what was
// found earlier and stays until somebody has looked.
func (w *Watch) GivenUp() []string {
	found, lost := w.findings.all()
	all := make([]string, 0, len(found))
	for _, one := range found {
		all = append(all, one.text)
	}
	slices.Sort(all) // as they were read, by the hash
	all = slices.Compact(all)
	for _, one := range lost {
		if !slices.Contains(all, one) {
			all = append(all, "found earlier: "+one)
		}
	}
	return all
}

// Accept has what is remembered agree with the database in what GivenUp names, and in
// nothing else: what fits is remembered as before, so that it can't be put back after.
// The service on this memory goes on within seconds. Call Compare before. ErrLost
// (wrapped) if more was lost since: then nothing is accepted.
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
	// Whoever is stopped in between finds it again, and accepts again. The service reads
	// the other files once they are of another era, and must not find this one then.
	if err := w.c.Memory.Forget(lostName); err != nil {
		return err
	}
	return w.past.save(w.c.Memory, true)
}
