package journal

import (
	"context"
	"slices"
	"time"
)

// Source reads one log: up to f.Limit entries that f admits, ordered by time and then by
// Seq, or the other way round with f.Newest. It answers quickly for a few days, but not for
// years, so a Reader asks for a short span at a time.
type Source func(ctx context.Context, f Filter) ([]Entry, error)

// Reader reads several logs as one list.
type Reader struct {
	Sources map[Log]Source
	// Begin and End bound the list where its filter doesn't: nothing is older than
	// the one, and newer than the other. Little is expected after Now.
	Begin, Now, End time.Time
	// Slow reports whether an error of a source's is that it was asked for more than it
	// could answer in time. Default: none is.
	Slow func(error) bool
}

// The span that a log is asked for. It is doubled as long as few entries come, and quickly.
const (
	shortest = time.Minute
	longest  = 30 * 24 * time.Hour
	soon     = 500 * time.Millisecond
	least    = time.Second // of a while that a source didn't answer for
)

// List calls show, in order, for up to f.Limit entries after a place, or for all of them if
// f.Limit is 0. It ignores f.After. It returns the place after which the next list goes on,
// also with an error, so that the next list repeats neither what was shown nor a search that
// found nothing.
//
// If a log has so many entries that its source answers slowly, or not within its deadline,
// List asks it for less at a time, down to a second.
func (r Reader) List(ctx context.Context, f Filter, after Place, show func(Entry) error) (Place, error) {
	from, until := r.bounds(f, after)
	left, span := f.Limit, shortest
	for from.Before(until) {
		w := f
		w.From, w.Until = r.while(from, until, span, f.Newest)
		w.Limit = batch
		if f.Limit > 0 {
			w.Limit = min(batch, left)
		}
		began := time.Now()
		found, err := r.window(ctx, w, after)
		if err != nil && ctx.Err() == nil && r.Slow != nil && r.Slow(err) && span > least {
			span = max(min(span, w.Until.Sub(w.From))/16, least)
			continue
		}
		if err != nil {
			return after, err
		}
		for _, e := range found {
			if err := show(e); err != nil {
				return after, err
			}
			after = e.Place()
		}
		if left -= len(found); f.Limit > 0 && left <= 0 {
			return after, nil
		}
		slow := time.Since(began) > soon
		if len(found) == w.Limit { // there may be more in the same while
			if span = max(span/2, least); f.Newest {
				until = after.At.Add(time.Microsecond)
			} else {
				from = after.At
			}
			continue
		}
		if f.Newest {
			until = w.From
			after = edge(until)
		} else {
			from = w.Until
			after = edge(from)
		}
		if span = min(2*span, longest); slow {
			span = max(span/4, least)
		}
	}
	return after, nil
}

// bounds returns the time to be looked through, which begins at a place.
func (r Reader) bounds(f Filter, after Place) (from, until time.Time) {
	from, until = r.Begin, r.End
	if f.From.After(from) {
		from = f.From
	}
	if !f.Until.IsZero() && f.Until.Before(until) {
		until = f.Until
	}
	if !after.At.IsZero() { // what is before it was seen
		if f.Newest && after.At.Before(until) {
			until = after.At.Add(time.Microsecond)
		} else if !f.Newest && after.At.After(from) {
			from = after.At
		}
	}
	return from, until
}

// edge returns the place between entries that are older than a time and those that are not.
// Entries' times are whole microseconds.
func edge(at time.Time) Place {
	if whole := at.Truncate(time.Microsecond); whole.Before(at) {
		at = whole.Add(time.Microsecond)
	}
	return Place{At: at, Log: Logs[0]}
}

// while returns the next part of the time between from and until that is asked for.
func (r Reader) while(from, until time.Time, span time.Duration, newest bool) (time.Time, time.Time) {
	switch {
	case newest && until.After(r.Now): // all the future at once
		return later(from, r.Now.Add(-span)), until
	case newest:
		return later(from, until.Add(-span)), until
	case from.Before(r.Now) && from.Add(span).Before(until):
		return from, from.Add(span)
	}
	return from, until
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// batch is how many entries are read at a time.
const batch = 500

// window returns the first w.Limit entries of all logs.
func (r Reader) window(ctx context.Context, w Filter, after Place) ([]Entry, error) {
	var all []Entry
	for _, log := range Logs {
		source := r.Sources[log]
		if source == nil {
			continue
		}
		w.After = after.in(log)
		found, err := source(ctx, w)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b Entry) int {
		if w.Newest {
			a, b = b, a
		}
		return compare(a.Place(), b.Place())
	})
	return all[:min(len(all), w.Limit)], nil
}
