package doctor

import (
	"context"
	"time"

	"yizheng.internal/cmd/yizheng/internal/install"
	"yizheng.internal/storage"
)

// Limits of a clock that is believed.
const (
	clockAhead = time.Minute
	clockStale = 30 * 24 * time.Hour
)

// clock compares the machine's clock with the newest event: one from the
// future shows that a clock was, or is, wrong.
func (e *examination) clock(ctx context.Context, in *install.Installation) {
	const about = "clock"
	if err := e.databaseClock(ctx, in); err != nil {
		e.fail(about, "doctor.check_database.todo", "%v", err)
	}
	newest, err := install.NewestEvent(ctx, in)
	switch {
	case err != nil:
		e.fail(about, "doctor.check_database.todo", "%v", err)
	case newest.IsZero():
		e.ok(about, "doctor.clock_alone", e.now)
	case newest.After(e.now.Add(clockAhead)):
		e.fail(about, "doctor.clock_future.todo", "doctor.clock_future", e.now, newest)
	case e.now.Sub(newest) > clockStale:
		e.warn(about, "doctor.clock.todo", "doctor.clock", e.now, newest)
	default:
		e.ok(about, "doctor.clock", e.now, newest)
	}
}

// databaseClock compares the machine's clock with the database's. SQLite's is behind
// by as long as the service wasn't running, which is no fault.
func (e *examination) databaseClock(ctx context.Context, in *install.Installation) error {
	const about, todo = "clock", "doctor.clocks.todo"
	at, err := in.DB.Admin().Clock(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	unused, until, err := in.DB.Admin().Unused(ctx, now, at)
	if err != nil {
		return err
	}
	ahead := now.Sub(at)
	shown := ahead.Round(time.Second)
	driver, _, _ := storage.Driver(e.Database()) // it was opened: the URL is right
	switch {
	case !until.IsZero():
		e.warn(about, "doctor.clock_unused.todo", "doctor.clock_unused", unused.Round(time.Second), until)
	case unused > 0: // a moment
	case driver == storage.SQLite && ahead > storage.ClockWarns:
		e.warn(about, "doctor.clock_jumped.todo", "doctor.clock_jumped", shown, at)
	case driver == storage.SQLite && ahead < -storage.ClockWarns:
		e.fail(about, "doctor.clock_behind.todo", "doctor.clock_behind", -shown, at)
	case ahead.Abs() > storage.ClockUnready:
		e.fail(about, todo, "doctor.clocks_differ", shown, at)
	case ahead.Abs() > storage.ClockWarns:
		e.warn(about, todo, "doctor.clocks_differ", shown, at)
	case driver != storage.SQLite:
		e.ok(about, "doctor.clocks_agree")
	}
	return nil
}
