package main

import (
	"context"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/storage"
)

// Limits of a clock that is believed.
const (
	clockAhead = time.Minute
	clockStale = 30 * 24 * time.Hour
)

// clock compares the machine's clock with the newest event: one from the
// future shows that a clock was, or is, wrong.
func (e *examination) clock(ctx context.Context, in *installation) {
	const about = "clock"
	if err := e.databaseClock(ctx, in); err != nil {
		e.fail(about, "doctor.check_database.todo", "%v", err)
	}
	newest, err := newestEvent(ctx, in)
	switch {
	case err != nil:
		e.fail(about, "doctor.check_database.todo", "%v", err)
	case newest.IsZero():
		e.ok(about, "doctor.clock_alone", e.now.Format(time.RFC3339))
	case newest.After(e.now.Add(clockAhead)):
		e.fail(about, "doctor.clock_future.todo", "doctor.clock_future", e.now.Format(time.RFC3339), newest.Format(time.RFC3339))
	case e.now.Sub(newest) > clockStale:
		e.warn(about, "doctor.clock.todo", "doctor.clock", e.now.Format(time.RFC3339), newest.Format(time.RFC3339))
	default:
		e.ok(about, "doctor.clock", e.now.Format(time.RFC3339), newest.Format(time.RFC3339))
	}
}

// databaseClock compares the machine's clock with the database's. SQLite's is behind
// by as long as the service wasn't running, which is no fault.
func (e *examination) databaseClock(ctx context.Context, in *installation) error {
	const about, todo = "clock", "doctor.clocks.todo"
	at, err := in.db.Admin().Clock(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	unused, until, err := in.db.Admin().Unused(ctx, now, at)
	if err != nil {
		return err
	}
	ahead := now.Sub(at)
	shown := ahead.Round(time.Second)
	driver, _, _ := storage.Driver(e.databaseURL()) // it was opened: the URL is right
	switch {
	case !until.IsZero():
		e.warn(about, "doctor.clock_unused.todo", "doctor.clock_unused", unused.Round(time.Second), until.Format(time.RFC3339))
	case unused > 0: // a moment
	case driver == storage.SQLite && ahead > storage.ClockWarns:
		e.warn(about, "doctor.clock_jumped.todo", "doctor.clock_jumped", shown, at.Format(time.RFC3339))
	case driver == storage.SQLite && ahead < -storage.ClockWarns:
		e.fail(about, "doctor.clock_behind.todo", "doctor.clock_behind", -shown, at.Format(time.RFC3339))
	case ahead.Abs() > storage.ClockUnready:
		e.fail(about, todo, "doctor.clocks_differ", shown, at.Format(time.RFC3339))
	case ahead.Abs() > storage.ClockWarns:
		e.warn(about, todo, "doctor.clocks_differ", shown, at.Format(time.RFC3339))
	case driver != storage.SQLite:
		e.ok(about, "doctor.clocks_agree")
	}
	return nil
}

// newestEvent returns the time of the newest license, key, or event that is
// about no license, or the zero time.
func newestEvent(ctx context.Context, in *installation) (newest time.Time, err error) {
	later := func(t time.Time) {
		if t.After(newest) {
			newest = t
		}
	}
	keys, err := in.db.Keys().ListKeys(ctx, "")
	if err != nil {
		return newest, err
	}
	for _, k := range keys {
		later(k.Created)
	}
	licenses, err := in.db.Licenses().Search(ctx, license.Query{Limit: 1})
	if err != nil {
		return newest, err
	}
	for _, l := range licenses {
		later(l.Updated)
	}
	for _, read := range []func(after int64) (time.Time, bool, error){
		func(after int64) (time.Time, bool, error) {
			es, err := in.db.Licenses().Events(ctx, after, 1)
			if err != nil || len(es) == 0 {
				return time.Time{}, false, err
			}
			return es[0].At, true, nil
		},
		func(after int64) (time.Time, bool, error) {
			es, err := in.db.Provider().ListEvents(ctx, after, 1)
			if err != nil || len(es) == 0 {
				return time.Time{}, false, err
			}
			return es[0].At, true, nil
		},
	} {
		t, err := last(read)
		if err != nil {
			return newest, err
		}
		later(t)
	}
	return newest, nil
}

// last finds the last event by halving: next returns the first one with a
// sequence number greater than after, if there is one.
func last(next func(after int64) (time.Time, bool, error)) (time.Time, error) {
	var found time.Time
	low, high := int64(0), int64(1) // there is one after low-1 if found is set; none after high, once that is known
	for {
		t, there, err := next(high)
		if err != nil {
			return found, err
		}
		if !there {
			break
		}
		found, low, high = t, high, 2*high
	}
	for low < high {
		middle := low + (high-low)/2
		t, there, err := next(middle)
		if err != nil {
			return found, err
		}
		if !there {
			high = middle
			continue
		}
		found, low = t, middle+1
	}
	return found, nil
}
