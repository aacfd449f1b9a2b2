package trail

import (
	"cmp"
	"context"
	"slices"
	"time"

	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/journal"
)

// How much is read for one page.
const (
	batch     = 64 // events at a time
	batches   = 4  // at the most, of what was done
	beside    = 16 // how far apart the events of one request stand at the most
	fewTries  = 3  // of a day, told one by one
	mostTries = 50 // of a day, read and counted
)

// done returns the lines of what was done, in order, and the place up to which all of them
// are there.
func (r *reading) done(ctx context.Context) (lines []Line, to journal.Position, err error) {
	var es []journal.Event
	q := Query{Before: r.before, Limit: batch}
	for n := 0; n < batches && len(lines) <= r.limit; n++ {
		found, fit, err := r.ask(ctx, q)
		if err != nil {
			return nil, to, err
		}
		es = append(es, fit...)
		if len(found) < batch {
			lines, _ = r.told(es, len(es))
			return lines, theEnd, nil
		}
		q.Before = placeOf(found[batch-1])
		lines, to = r.told(es, len(es)-beside) // the events of the last request may go on in the next batch
	}
	if to == theEnd { // hardly any event is as it was written: this is all there is to tell
		lines, _ = r.told(es, len(es))
		to = q.Before
	}
	return lines, to, nil
}

// told returns the lines of the first n events, and the place of the last of these.
func (r *reading) told(es []journal.Event, n int) (lines []Line, to journal.Position) {
	for i, e := range es[:max(0, n)] {
		to = placeOf(e)
		d := decided[e.Action]
		if d.done == "" {
			continue // it was proved what somebody is
		}
		l := Line{What: d.done, At: e.At, By: by(e, r.account), place: to}
		same := sameRequest(e, es[i+1:min(len(es), i+1+beside)])
		switch d.done {
		case LoggedIn, Verified:
			l.Session, l.Factor = e.Subject, proved(same)
		case LoggedOut:
			l.Reason = e.Result
		case AccessKept:
			l.Client = e.Subject
		case AccessEnded:
			if slices.ContainsFunc(same, func(o journal.Event) bool { return decided[o.Action].done == AccessEnded }) {
				continue // all of a client's access ends together; the first event names the client
			}
			if !d.ends {
				l.Client = e.Subject
			}
		}
		lines = append(lines, l)
	}
	return lines, to
}

// sameRequest returns the events of a request among others.
func sameRequest(e journal.Event, others []journal.Event) (same []journal.Event) {
	if e.RequestID == "" || journal.Merged(e.RequestID) > 0 {
		return nil
	}
	for _, o := range others {
		if o.RequestID == e.RequestID {
			same = append(same, o)
		}
	}
	return same
}

// proved returns the factor that was proved by one of the events, or nothing.
func proved(es []journal.Event) factor.Name {
	for _, e := range es {
		if f := decided[e.Action].proves; f != "" {
			return f
		}
	}
	return ""
}

// tries returns the lines of refused tries, in order, and the place up to which all of them
// are there. A day is looked at as a whole, also for a page that begins in its middle: so it is
// told one by one, or in one line, whichever page it is on.
func (r *reading) tries(ctx context.Context) (lines []Line, to journal.Position, err error) {
	if to = r.before; to != theEnd {
		to = beforeDay(dayOf(to.At).AddDate(0, 0, 1))
	}
	for range r.limit + 2 { // each time it reads a day at least, and one may have been shown before
		found, fit, err := r.ask(ctx, Query{Tries: true, Before: to, Limit: mostTries + 1})
		if err != nil {
			return nil, to, err
		}
		all, more := len(found) <= mostTries, false
		if !all {
			// The last day goes on, perhaps. If it is the only one, that is enough of it.
			last := dayOf(found[mostTries].At)
			if more = dayOf(found[0].At).Equal(last); more {
				to, fit = beforeDay(last), fit[:min(len(fit), mostTries)]
			} else {
				to = beforeDay(last.AddDate(0, 0, 1))
				fit = slices.DeleteFunc(fit, func(e journal.Event) bool { return dayOf(e.At).Equal(last) })
			}
		}
		for len(fit) > 0 {
			n := 1
			for n < len(fit) && dayOf(fit[n].At).Equal(dayOf(fit[0].At)) {
				n++
			}
			lines = append(lines, r.dayOfTries(fit[:n], more)...)
			fit = fit[n:]
		}
		if all {
			return lines, theEnd, nil
		}
		if len(lines) > r.limit {
			break
		}
	}
	return lines, to, nil
}

// dayOfTries returns the lines of a day's refused tries that no earlier page had.
func (r *reading) dayOfTries(es []journal.Event, more bool) (lines []Line) {
	first, last := es[len(es)-1], es[0]
	if len(es) > fewTries || more {
		if !older(placeOf(last), r.before) {
			return nil
		}
		l := Line{What: TriedMany, At: last.At, First: first.At, More: more, place: placeOf(last)}
		for _, e := range es {
			what, count := decided[e.Action].tried, max(1, journal.Merged(e.RequestID))
			if i := slices.IndexFunc(l.Tries, func(t Tried) bool { return t.What == what }); i >= 0 {
				l.Tries[i].Count += count
			} else {
				l.Tries = append(l.Tries, Tried{what, count})
			}
		}
		slices.SortStableFunc(l.Tries, func(a, b Tried) int { return cmp.Compare(b.Count, a.Count) })
		return []Line{l}
	}
	for _, e := range es {
		if place := placeOf(e); older(place, r.before) {
			lines = append(lines, Line{What: decided[e.Action].tried, At: e.At, Reason: e.Result, By: by(e, r.account), place: place})
		}
	}
	return lines
}

// zone is that of all dates here.
var zone = time.FixedZone("UTC+8", 8*60*60)

// dayOf returns when a day began.
func dayOf(t time.Time) time.Time {
	t = t.In(zone)
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone)
}

// beforeDay is the place before which everything is of earlier days.
func beforeDay(begin time.Time) journal.Position { return journal.Position{At: begin.UTC()} }
