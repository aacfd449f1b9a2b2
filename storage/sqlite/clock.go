package sqlite

import (
	"context"
	"fmt"
	"sync"
	"time"

	"yizheng.internal/storage/sqlite/engine"
)

const (
	// believed is how far a clock may differ from what the database knows and be believed at
	// once. Beyond that nothing is purged.
	believed = time.Minute
	// doubtful is how long a clock that jumped must go on steadily before it is believed. One
	// that jumped less far must go on for as long as it jumped.
	doubtful = 7 * 24 * time.Hour
	// resumed is the longest pause after which the count of steadiness goes on.
	resumed = 10 * time.Minute
)

// Clocks keeps the database's time.
type Clocks struct {
	db       *engine.DB
	measured func() time.Duration
	clock    clock
}

func newClocks(db *engine.DB, measured func() time.Duration) *Clocks {
	return &Clocks{db: db, measured: measured}
}

// clock is what this process knows of the database's time.
type clock struct {
	mu       sync.Mutex
	at       time.Time     // the database's time; zero: not known yet
	seen     time.Duration // when it was, as this process measures
	mark     time.Time     // as it was last read
	reported time.Duration // when ReportClock was called last, likewise; 0: not yet
	began    bool          // whether ReportClock was called more than once
	jumped   bool          // whether this process saw its clock jump, which isn't believed yet
}

// Clock returns the database's clock. SQLite has none of its own, and the machine's may be a
// year ahead after a restart. So it is the newest time that was believed (see
// [Clocks.ReportClock]), and what has passed since this process first read that, as it measured
// it. For a database that was never used it is this machine's clock.
func (s *Clocks) Clock(ctx context.Context) (time.Time, error) {
	// Under the lock: else a mark that was read before this process reports would be compared
	// after the report, and would seem to have been put back.
	k := &s.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	var mark time.Time
	err := s.db.Read(ctx, func(c *engine.Conn) error {
		return c.Query("SELECT mark FROM clock WHERE only = 1", func(r *engine.Row) { mark = r.Time() })
	})
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the database's clock: %w", err)
	}
	if mark.IsZero() {
		return time.Now().UTC(), nil
	}
	measured := s.measured()
	at := k.at.Add(measured - k.seen)
	// One that was put back is believed too: see ReportClock.
	if k.at.IsZero() || mark.After(at) || mark.Before(k.mark) {
		at, k.at, k.seen = mark, mark, measured
	}
	k.mark = mark
	return at.UTC(), nil
}

// ReportClock takes note that this process's clock shows now while the database's shows at. If
// they agree within a minute the database's goes on from there. If not, either nobody used the
// database for that long, or the machine's clock is wrong. Such a clock is believed when it has
// gone on steadily for as long as it jumped, at most a week. Until then nothing is purged by
// it, however often the process is restarted. When a process reports a clock that agrees, the
// count for a doubted clock ends, so that a wrong clock can't become believed beside a right
// one.
func (s *Clocks) ReportClock(ctx context.Context, _ string, now, at time.Time, _ time.Duration) ([]time.Duration, error) {
	gap := now.Sub(at)
	k := &s.clock
	k.mu.Lock()
	defer k.mu.Unlock()
	measured := s.measured()
	step, first, jumped := measured-k.reported, k.reported == 0, false
	err := s.db.Write(ctx, func(c *engine.Conn) error {
		if gap.Abs() > believed {
			sure, unsteady, err := doubtOf(c, now, step, first)
			if jumped = unsteady; err != nil || !sure {
				return err
			}
			jumped = false
		}
		_, err := c.Exec("UPDATE clock SET mark = ?, doubt = NULL, steady = 0, jumped = 0 WHERE only = 1", now)
		if err == nil {
			k.at, k.seen, k.mark = now, measured, now.Truncate(time.Microsecond)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reporting the clock: %w", err)
	}
	k.reported, k.began, k.jumped = measured, !first, jumped
	return nil, nil
}

// doubt is a row of the table clock.
type doubt struct {
	mark   time.Time
	at     time.Time     // what the clock that isn't believed showed last; zero: there is none
	steady time.Duration // for how long it went on steadily
	jumped bool          // while a process ran
}

func readDoubt(c *engine.Conn) (d doubt, err error) {
	err = c.Query("SELECT mark, doubt, steady, jumped FROM clock WHERE only = 1", func(r *engine.Row) {
		d = doubt{r.Time(), r.Time(), time.Duration(r.Int64()) * time.Microsecond, r.Bool()}
	})
	return d, err
}

// left returns by how much a clock that shows now jumped, and for how long it must
// go on steadily yet.
func (d doubt) left(now time.Time) (jump, left time.Duration) {
	jump = now.Sub(d.mark) - d.steady // what has passed since is no part of it
	return jump, min(jump.Abs(), doubtful) - d.steady
}

// doubtOf counts for how long a clock that isn't believed goes on steadily, and
// reports whether that is long enough, and whether it jumped while a process ran.
func doubtOf(c *engine.Conn, now time.Time, step time.Duration, first bool) (sure, jumped bool, err error) {
	d, err := readDoubt(c)
	if err != nil {
		return false, false, err
	}
	passed := now.Sub(d.at) // by the clock that is doubted
	switch {
	case d.at.IsZero(), passed < -believed, passed > resumed && (first || passed > step+believed):
		d.steady, d.jumped = 0, !first // it jumped again
	case !first:
		d.steady += max(0, min(step, passed)) // another process may have counted some of it
		d.jumped = d.jumped || passed > step+believed
	}
	if _, left := d.left(now); left <= 0 {
		return true, d.jumped, nil
	}
	_, err = c.Exec("UPDATE clock SET doubt = ?, steady = ?, jumped = ? WHERE only = 1", now, d.steady.Microseconds(), d.jumped)
	return false, d.jumped, err
}

// Unused returns for how long nobody used the database before a process began, if
// that may be why its clock is behind one that shows now, and when that one will be
// believed; the zero time if it is. The machine's clock may as well have jumped
// before the process began: nothing here tells. But one that jumps while a process
// runs, or is behind what was believed, is wrong: then it returns 0.
func (s *Clocks) Unused(ctx context.Context, now, at time.Time) (time.Duration, time.Time, error) {
	gap := now.Sub(at)
	k := &s.clock
	k.mu.Lock()
	began, jumped := k.began, k.jumped
	k.mu.Unlock()
	switch {
	case gap <= 0, jumped:
		return 0, time.Time{}, nil
	case gap <= believed && began:
		return 0, time.Time{}, nil
	case gap <= believed:
		return gap, time.Time{}, nil
	}
	var d doubt
	err := s.db.Read(ctx, func(c *engine.Conn) (err error) {
		d, err = readDoubt(c)
		return err
	})
	if err != nil {
		return 0, time.Time{}, fmt.Errorf("reading what is known of the clock: %w", err)
	}
	if d.jumped {
		return 0, time.Time{}, nil
	}
	if passed := now.Sub(d.at); passed < -believed || passed > resumed {
		d.steady = 0 // it will be counted anew
	}
	jump, left := d.left(now)
	return jump, now.Add(left).UTC(), nil
}
