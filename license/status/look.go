package status

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
)

// lookAt reads list n. It returns the list if every entry has the authenticator that it needs, and if neither the
// list's revision nor an entry is behind what this node saw, and otherwise signing.ErrAltered. It returns nil if
// the list's revision is still seen.
func (l *Lists) lookAt(ctx context.Context, n, seen int64) (*seenList, error) {
	var d Loss
	for _, anew := range [...]bool{false, true} {
		// Load what was seen first, and the list second, never the other way round.
		before, err := l.seen.before(n, anew)
		if err != nil {
			return nil, err
		}
		var now *seenList
		if d, now, err = l.compare(ctx, n, seen, before); err != nil || now == nil {
			return nil, err
		}
		if !d.lost() {
			return now, l.seen.keep(n, now)
		}
	}
	return nil, l.seen.refuse(n, d.why())
}

// compare reads a list and compares it with what was seen of it; before is nil if nothing was. It returns no list
// if the revision is still seen.
func (l *Lists) compare(ctx context.Context, n, seen int64, before *seenList) (Loss, *seenList, error) {
	revision, entries, err := l.store.LoadList(ctx, n, seen)
	if err != nil {
		return Loss{}, nil, fmt.Errorf("loading status list %d: %w", n, err)
	}
	if revision == seen {
		return Loss{}, nil, nil
	}
	return before.against(l.c.Auth, n, revision, entries)
}

// against compares the list that was seen, nil if none was, with the list as it is.
func (l *seenList) against(auth *signing.Authenticator, n, revision int64, entries []Entry) (Loss, *seenList, error) {
	if l == nil {
		l = newSeenList(-1)
	}
	d := Loss{List: n, Seen: max(l.revision, 0), Stored: revision}
	there := make([]bool, credential.StatusListSize)
	for _, e := range entries {
		if e.Index < 0 || e.Index >= credential.StatusListSize {
			continue
		}
		there[e.Index] = true
		fits := true
		if l.judge(e) != entrySame && !e.unchanged() { // an entry that is as it was seen was checked then
			var err error
			if fits, err = auth.Fits(e.facts(n), e.Auth); err != nil {
				return Loss{}, nil, err
			}
		}
		d.add(l, e, fits)
	}
	for index := range l.changed {
		if !there[index] {
			d.add(l, Entry{Index: index}, true)
		}
	}
	return d, pack(revision, entries), nil
}

// changed yields the indexes of entries that had changed when the list was seen.
func (l *seenList) changed(yield func(int) bool) {
	for i, b := range l.values {
		for index := 4 * i; b != 0 && index < 4*i+4; index++ {
			if l.values.Value(index) != credential.StatusValid && !yield(index) {
				return
			}
		}
	}
	for index := range l.serials {
		if l.values.Value(index) == credential.StatusValid && !yield(index) {
			return
		}
	}
}

// add adds an entry to d if it is not as it should be. fits says that its authenticator fits.
func (d *Loss) add(before *seenList, e Entry, fits bool) {
	switch standing := before.judge(e); {
	case standing == entryRevived:
		d.Revived = append(d.Revived, e.Index)
	case standing == entryBehind:
		d.Behind = append(d.Behind, e.Index)
	case !fits:
		d.Forged = append(d.Forged, e.Index)
	case standing == entryLater && d.Stored <= before.revision && before.values.Value(e.Index) != e.Value:
		d.Changed = append(d.Changed, e.Index)
	}
}

// lookAtOne returns the value of one entry, which it checks as lookAt checks those of a list.
func (l *Lists) lookAtOne(ctx context.Context, n int64, index int) (credential.StatusValue, error) {
	var e Entry
	for _, anew := range [...]bool{false, true} {
		before, err := l.seen.before(n, anew)
		if err != nil {
			return 0, err
		}
		if e, err = l.store.LoadStatus(ctx, n, index); err != nil {
			return 0, err
		}
		if before == nil || index < 0 || index >= credential.StatusListSize {
			return e.Value, nil
		}
		if s := before.judge(e); s == entrySame || s == entryLater {
			return e.Value, nil
		}
	}
	return 0, l.c.Auth.Refuse("status_entries", entryID(n, index), "it had ended, was superseded or was suspended, and was put back to an earlier state")
}

func (s *seenLists) refuse(n int64, why string) error {
	return s.auth.Refuse("status_lists", strconv.FormatInt(n, 10), why)
}

// listsEvery is how often all status lists are looked at.
const listsEvery = time.Minute

// Watch looks at all status lists every minute until ctx ends, whether or not
// anybody asks for them, and returns its error. What does not fit is logged, counted, and
// refused to whoever asks.
func (l *Lists) Watch(ctx context.Context) error {
	tick := time.NewTicker(listsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := l.seen.keepNoted(); err != nil {
				l.c.Log.Warn("what this node changed in status lists last is not remembered", "error", err)
			}
			return ctx.Err()
		case <-tick.C:
			if err := l.Look(ctx); err != nil && ctx.Err() == nil {
				l.c.Log.Warn("status lists could not be compared with what this node saw of them; it is tried again", "error", err)
			}
		}
	}
}

// Look compares the status lists that changed with what this node saw of them, and
// remembers them. It returns the first thing that is wrong with one.
func (l *Lists) Look(ctx context.Context) error {
	lists, err := l.store.StatusLists(ctx)
	if err != nil {
		return err
	}
	pending := l.seen.pending()
	var first error
	for _, n := range lists {
		seen := int64(-1)
		if before, err := l.seen.before(n, false); err == nil && before != nil && !pending[n] {
			seen = before.revision
		}
		if _, err := l.lookAt(ctx, n, seen); err != nil && first == nil {
			first = err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(first, l.seen.keepNoted())
}

// Comparison returns a function that compares versions with their entries in status lists, and reads one list at
// a time. An entry that isn't what its version says is refused as altered, which is logged and counted. This
// needs nothing that the node remembers.
func (l *Lists) Comparison() func(context.Context, []Standing) error {
	lists := map[int64]*seenList{}
	return func(ctx context.Context, vs []Standing) error {
		for _, v := range vs {
			list, ok := lists[v.List]
			if !ok {
				revision, entries, err := l.store.LoadList(ctx, v.List, -1)
				if err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
				list = pack(revision, entries)
				lists[v.List] = list
			}
			if v.Index < 0 || v.Index >= credential.StatusListSize || list.values.Value(v.Index) == v.Value {
				continue
			}
			if err := l.differs(ctx, v); err != nil && !unreadable(err) {
				return err
			}
		}
		return nil
	}
}

// differs looks again at a version whose entry said something else: it may have changed
// between the two readings.
func (l *Lists) differs(ctx context.Context, v Standing) error {
	e, err := l.store.LoadStatus(ctx, v.List, v.Index)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	v, err = l.c.Standing(ctx, v.Version)
	if err != nil || e.Value == v.Value {
		return err
	}
	return l.c.Auth.Refuse("status_entries", entryID(v.List, v.Index), "it does not say that its license is "+v.State)
}
