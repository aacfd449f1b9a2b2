package license

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/signing"
)

// lookAt reads list n, and returns it if every entry has the authenticator it needs and
// nothing is behind what this node saw; else signing.ErrAltered. Nil if the revision is
// still seen.
func (r *Registry) lookAt(ctx context.Context, n, seen int64) (*seenList, error) {
	var d ListLoss
	for _, anew := range [...]bool{false, true} {
		// First what was seen, then what there is: never the other way round.
		before, err := r.seen.before(n, anew)
		if err != nil {
			return nil, err
		}
		var now *seenList
		if d, now, err = r.compare(ctx, n, seen, before); err != nil || now == nil {
			return nil, err
		}
		if !d.lost() {
			return now, r.seen.keep(n, now)
		}
	}
	return nil, r.seen.refuse(n, d.why())
}

// compare reads a list and compares it with what was seen of it, nil for nothing. It
// returns no list if the revision is still seen.
func (r *Registry) compare(ctx context.Context, n, seen int64, before *seenList) (ListLoss, *seenList, error) {
	revision, entries, err := r.c.Stores.LoadList(ctx, n, seen)
	if err != nil {
		return ListLoss{}, nil, fmt.Errorf("loading status list %d: %w", n, err)
	}
	if revision == seen {
		return ListLoss{}, nil, nil
	}
	return before.against(r.c.Vault.Auth(), n, revision, entries)
}

// against compares a list as it was seen, nil for not at all, with how it is.
func (l *seenList) against(auth *signing.Authenticator, n, revision int64, entries []StatusEntry) (ListLoss, *seenList, error) {
	if l == nil {
		l = newSeenList(-1)
	}
	d := ListLoss{List: n, Seen: max(l.revision, 0), Stored: revision}
	there := make([]bool, credential.StatusListSize)
	for _, e := range entries {
		if e.Index < 0 || e.Index >= credential.StatusListSize {
			continue
		}
		there[e.Index] = true
		fits := true
		if l.judge(e) != entrySame && !e.unchanged() { // what is as it was seen was looked at then
			var err error
			if fits, err = auth.Fits(e.facts(n), e.Auth); err != nil {
				return ListLoss{}, nil, err
			}
		}
		d.add(l, e, fits)
	}
	for index := range l.changed {
		if !there[index] {
			d.add(l, StatusEntry{Index: index}, true)
		}
	}
	return d, pack(revision, entries), nil
}

// changed yields the entries that were not as if they never changed.
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

// add takes up an entry as it is now.
func (d *ListLoss) add(before *seenList, e StatusEntry, fits bool) {
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

// lookAtOne returns one entry's value, as lookAt does those of a list.
func (r *Registry) lookAtOne(ctx context.Context, n int64, index int) (credential.StatusValue, error) {
	var e StatusEntry
	for _, anew := range [...]bool{false, true} {
		before, err := r.seen.before(n, anew)
		if err != nil {
			return 0, err
		}
		if e, err = r.c.Stores.LoadStatus(ctx, n, index); err != nil {
			return 0, err
		}
		if before == nil || index < 0 || index >= credential.StatusListSize {
			return e.Value, nil
		}
		if s := before.judge(e); s == entrySame || s == entryLater {
			return e.Value, nil
		}
	}
	return 0, r.c.Vault.Auth().Refuse("status_entries", entryID(n, index), "it had ended, was superseded or was suspended, and was put back to an earlier state")
}

func (s *seenLists) refuse(n int64, why string) error {
	return s.auth.Refuse("status_lists", strconv.FormatInt(n, 10), why)
}

// save makes a change, and notes what it set in status lists. The entry of a version that
// was refused is free again; one of which nobody knows whether it was stored is not.
func (r *Registry) save(ctx context.Context, q SaveRequest) error {
	err := r.c.Stores.Save(ctx, q)
	switch {
	case err == nil:
		r.seen.note(q.Status, q.Record.Revision+1)
	case q.Add != nil && nothingSaved(err):
		r.slots.give(q.Add.slot())
	}
	return err
}

// nothingSaved reports whether an error of [Store.Save] is one of those that say that the
// change was refused.
func nothingSaved(err error) bool {
	return errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrIdentifierTaken) ||
		errors.Is(err, ErrNumberTaken) || errors.Is(err, ErrRequestTaken) || errors.Is(err, signing.ErrAltered)
}

func (v *VersionRecord) slot() slot { return slot{v.StatusList, v.StatusIndex} }

// listsEvery is how often all status lists are looked at.
const listsEvery = time.Minute

// WatchLists looks at all status lists every minute until ctx ends, whether or not
// anybody asks for them, and returns its error. What does not fit is logged, counted, and
// refused to whoever asks.
func (r *Registry) WatchLists(ctx context.Context) error {
	tick := time.NewTicker(listsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if err := r.seen.keepNoted(); err != nil {
				r.c.Log.Warn("what this node changed in status lists last is not remembered", "error", err)
			}
			return ctx.Err()
		case <-tick.C:
			if err := r.LookAtLists(ctx); err != nil && ctx.Err() == nil {
				r.c.Log.Warn("status lists could not be compared with what this node saw of them; it is tried again", "error", err)
			}
		}
	}
}

// LookAtLists compares the status lists that changed with what this node saw of them, and
// remembers them. It returns the first thing that is wrong with one.
func (r *Registry) LookAtLists(ctx context.Context) error {
	lists, err := r.c.Stores.StatusLists(ctx)
	if err != nil {
		return err
	}
	pending := r.seen.pending()
	var first error
	for _, n := range lists {
		seen := int64(-1)
		if before, err := r.seen.before(n, false); err == nil && before != nil && !pending[n] {
			seen = before.revision
		}
		if _, err := r.lookAt(ctx, n, seen); err != nil && first == nil {
			first = err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return errors.Join(first, r.seen.keepNoted())
}

// EntryCheck returns what compares versions with their entries of status lists, which it
// reads a list at a time. An entry that isn't what its version says is refused as altered,
// which is logged and counted: nothing this node remembers is needed to see it.
func (r *Registry) EntryCheck() func(context.Context, []VersionRecord) error {
	lists := map[int64]*seenList{}
	return func(ctx context.Context, vs []VersionRecord) error {
		for _, v := range vs {
			l, ok := lists[v.StatusList]
			if !ok {
				revision, entries, err := r.c.Stores.LoadList(ctx, v.StatusList, -1)
				if err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
				l = pack(revision, entries)
				lists[v.StatusList] = l
			}
			want, err := statusOf(v.State)
			if err != nil || v.StatusIndex < 0 || v.StatusIndex >= credential.StatusListSize || l.values.Value(v.StatusIndex) == want {
				continue
			}
			if err := r.entryDiffers(ctx, v); err != nil && !unreadable(err) {
				return err
			}
		}
		return nil
	}
}

// entryDiffers looks again at a version whose entry said something else: it may have
// changed between the two readings.
func (r *Registry) entryDiffers(ctx context.Context, v VersionRecord) error {
	e, err := r.c.Stores.LoadStatus(ctx, v.StatusList, v.StatusIndex)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	_, v, err = r.c.Stores.Load(ctx, v.License, v.Version)
	if err != nil {
		return err
	}
	want, err := statusOf(v.State)
	if err != nil || e.Value == want {
		return err
	}
	return r.c.Vault.Auth().Refuse("status_entries", entryID(v.StatusList, v.StatusIndex), "it does not say that its license is "+string(v.State))
}
