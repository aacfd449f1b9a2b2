package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// believed is how far a clock may be from what the database knows to be
	// believed at once. Beyond it nothing is purged.
	believed = time.Minute
	// doubtful is the longest that a clock must go on steadily to be believed, however
	// far it jumped; one that jumped less must go on as long as it jumped.
	doubtful = 7 * 24 * time.Hour
	// resumed is the longest pause after which steadiness is counted on.
	resumed = 10 * time.Minute
)

// clock is what this process knows of the database's time.
type clock struct {
	mu       sync.Mutex
	at       time.Time     // the database's time; zero: not known yet
	seen     time.Duration // when it was, as this process measures
	mark     time.Time     // as it was last read
	reported time.Duration // when ReportClock was called last, likewise; 0: not yet
}

// Clock returns the database's clock. SQLite has none of its own, and the
// machine's may be a year ahead after a restart. So it is the newest time that was
// believed (see [DB.ReportClock]), and what has passed since this process first
// read that, as it measured it. A database that was never used has ours.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	// Under the lock: a mark that was read before a report of this process, and is
	// looked at after it, would seem one that was put back.
	k := &db.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	var mark time.Time
	err := db.readers.do(ctx, func(c *conn) error {
		return c.query("SELECT mark FROM clock WHERE only = 1", func(r *row) { mark = r.time() })
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the database's clock: %w", err)
	}
	if mark.IsZero() {
		return time.Now().UTC(), nil
	}
	measured := db.c.measured()
	at := k.at.Add(measured - k.seen)
	// One that was put back is believed too: see ReportClock.
	if k.at.IsZero() || mark.After(at) || mark.Before(k.mark) {
		at, k.at, k.seen = mark, mark, measured
	}
	k.mark = mark
	return at.UTC(), nil
}

// ReportClock takes note that this process's clock shows now while the database's
// shows at. If they agree within a minute the database's goes on from there. If not,
// either nobody used it for that long, or the machine's clock is wrong: it is
// believed when it has gone on steadily for as long as it jumped, at most a week.
// Until then nothing is purged by it, however often the process begins anew. A
// process whose clock agrees ends the doubt about another's, so that one cannot
// become believed beside it.
func (db *DB) ReportClock(ctx context.Context, _ string, now, at time.Time, _ time.Duration) ([]time.Duration, error) {
	gap := now.Sub(at)
	k := &db.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	measured := db.c.measured()
	step, first := measured-k.reported, k.reported == 0
	err := db.writer.do(ctx, func(c *conn) error {
		if gap.Abs() > believed {
			sure, err := doubtOf(c, now, step, first)
			if err != nil || !sure {
				return err
			}
		}
		_, err := c.exec("UPDATE clock SET mark = ?, doubt = NULL, steady = 0 WHERE only = 1", now)
		if err == nil {
			k.at, k.seen, k.mark = now, measured, now.Truncate(time.Microsecond)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reporting the clock: %w", err)
	}
	k.reported = measured
	return nil, nil
}

// doubtOf counts for how long a clock that isn't believed goes on steadily, and
// reports whether that is long enough.
func doubtOf(c *conn, now time.Time, step time.Duration, first bool) (bool, error) {
	var mark, doubt time.Time
	var steady time.Duration
	err := c.query("SELECT mark, doubt, steady FROM clock WHERE only = 1", func(r *row) {
		mark, doubt, steady = r.time(), r.time(), time.Duration(r.int64())*time.Microsecond
	})
	if err != nil {
		return false, err
	}
	passed := now.Sub(doubt) // by the clock that is doubted
	switch {
	case doubt.IsZero(), passed < -believed, passed > resumed && (first || passed > step+believed):
		steady = 0 // it jumped again
	case !first:
		steady += max(0, min(step, passed)) // another process may have counted some of it
	}
	jump := now.Sub(mark) - steady // what has passed since is no part of it
	if steady >= min(jump.Abs(), doubtful) {
		return true, nil
	}
	_, err = c.exec("UPDATE clock SET doubt = ?, steady = ? WHERE only = 1", now, steady.Microseconds())
	return false, err
}
