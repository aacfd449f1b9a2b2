package storage

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// How far a node's clock may be from the others'.
const (
	// ClockWarns is the difference from which a node logs that its clock is wrong.
	ClockWarns = 5 * time.Second
	// ClockUnready is the difference beyond which a node isn't ready, if most of the other
	// nodes don't show the same.
	ClockUnready = 30 * time.Second
	// ClockStopsPurge is the difference beyond which this node purges nothing.
	ClockStopsPurge = time.Minute

	clockEvery = 15 * time.Second // how often a node compares
	clockFresh = time.Minute      // how long what a node said counts
	clockSaid  = 10 * time.Minute // how often the log has the same difference
)

// Clocks is what a database knows of time. Drivers implement it.
type Clocks interface {
	// Clock returns the database's clock: with PostgreSQL the server's. SQLite has
	// none of its own: it is the newest time that a clock showed which was believed,
	// and what has passed since, as this process measured it.
	Clock(ctx context.Context) (time.Time, error)
	// ReportClock stores that this node's clock shows now while the database's shows at, and
	// returns how far the other nodes' were ahead of it when they last reported, within fresh
	// of at. SQLite has no other machines and returns none; there, reporting is how a clock
	// that goes on steadily comes to be believed.
	ReportClock(ctx context.Context, node string, now, at time.Time, fresh time.Duration) (others []time.Duration, err error)
	// Unused returns for how long nobody used the database before this process began, if that
	// may be why its clock, which showed at, is behind one that shows now; else 0. It also
	// returns when the clock that shows now will be believed, so that things are purged again:
	// the zero time if it is believed already. It is called after ReportClock. PostgreSQL's
	// clock never stands still, so there it returns 0. SQLite can't tell such a pause from a
	// clock that jumped before the process began. A clock that is behind, or that jumped while
	// a process ran, is wrong.
	Unused(ctx context.Context, now, at time.Time) (unused time.Duration, until time.Time, err error)
}

// Clock compares this node's clock with the database's and the other nodes'. It
// is safe for concurrent use.
type Clock struct {
	db   Clocks
	log  *slog.Logger
	node string

	mu     sync.Mutex
	ahead  time.Duration   // of the database's clock; negative: behind
	others []time.Duration // the other nodes', likewise
	known  bool
	said   time.Time     // when the difference was last logged; zero: there is none
	unused time.Duration // for how long the database wasn't used, while nothing is purged for it
	paused bool          // whether that was logged
}

// NewClock returns a Clock that has compared nothing yet.
func NewClock(db Clocks, log *slog.Logger) *Clock {
	return &Clock{db: db, log: log, node: rand.Text()}
}

// Run compares again and again until ctx ends; then it returns ctx's error.
func (c *Clock) Run(ctx context.Context) error {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		if err := c.Compare(ctx, time.Now()); err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "comparing the clocks", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Compare compares the clocks once. now is what this node's shows. It logs a difference that is
// too large, once in ten minutes while it lasts, and when nothing is purged any more. That the
// database wasn't used for a while it logs once.
func (c *Clock) Compare(ctx context.Context, now time.Time) error {
	began := time.Now()
	at, err := c.db.Clock(ctx)
	if err != nil {
		return err
	}
	// The answer was on its way for a while: half of that is the best guess.
	ahead := now.Add(time.Since(began) / 2).Sub(at)
	others, err := c.db.ReportClock(ctx, c.node, now, at, clockFresh)
	if err != nil {
		return err
	}
	unused, until, err := c.db.Unused(ctx, now, at)
	if err != nil {
		return err
	}
	slices.Sort(others)
	if unused > 0 {
		c.pause(ctx, unused, at, until)
	} else {
		c.differ(ctx, ahead, others, now, at)
	}
	return nil
}

// pause notes that nobody used the database for a while before this node began, or that its
// clock jumped meanwhile. Then nobody can know how far it is ahead.
func (c *Clock) pause(ctx context.Context, unused time.Duration, at, until time.Time) {
	c.mu.Lock()
	c.known, c.unused, c.said = false, unused, time.Time{}
	if until.IsZero() { // it is believed, and the database's goes on from there
		c.ahead, c.known, c.unused = 0, true, 0
	}
	say := c.unused > 0 && !c.paused
	c.paused = c.paused || say
	c.mu.Unlock()
	if say {
		c.log.WarnContext(ctx, "the database was not used for a while, or this machine's clock jumped: nothing is purged until that is made up for",
			"unused", unused.Round(time.Second).String(), "last_used", at.UTC().Format(time.RFC3339), "until", until.UTC().Format(time.RFC3339))
	}
}

// differ notes how far this node's clock is ahead of the database's.
func (c *Clock) differ(ctx context.Context, ahead time.Duration, others []time.Duration, now, at time.Time) {
	stopped := ahead.Abs() > ClockStopsPurge
	c.mu.Lock()
	worse := stopped && !(c.known && c.ahead.Abs() > ClockStopsPurge)
	c.ahead, c.others, c.known, c.unused = ahead, others, true, 0
	say := ahead.Abs() > ClockWarns && (worse || c.said.IsZero() || time.Since(c.said) >= clockSaid)
	if say {
		c.said = time.Now()
	} else if ahead.Abs() <= ClockWarns {
		c.said = time.Time{}
	}
	c.mu.Unlock()
	if !say {
		return
	}
	level, purge := slog.LevelWarn, "goes on"
	if stopped {
		level, purge = slog.LevelError, "stopped on this node"
	}
	c.log.Log(ctx, level, "this node's clock differs from the database's: set both by NTP",
		"ahead_seconds", ahead.Seconds(), "shows", now.UTC().Format(time.RFC3339), "database", at.UTC().Format(time.RFC3339), "purge", purge)
}

// Ahead returns how far this node's clock is ahead of the database's, behind it if negative,
// and whether that is known. It isn't before the first comparison, nor after a pause.
func (c *Clock) Ahead() (ahead time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.known
}

// Unused returns for how long nobody used the database before this node began, or by
// how much its clock jumped meanwhile, as long as nothing is purged for it.
func (c *Clock) Unused() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unused
}

// PurgeStopped reports whether this node purges nothing because its clock isn't believed.
func (c *Clock) PurgeStopped() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.unused > 0 || c.known && c.ahead.Abs() > ClockStopsPurge
}

// Ready returns an error if this node's clock is the wrong one: if it differs from
// the database's and from what most of the other nodes last showed. A node without
// others stays ready, for it may be the database's that is wrong.
func (c *Clock) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known || c.ahead.Abs() <= ClockUnready || len(c.others) == 0 {
		return nil
	}
	if most := c.others[len(c.others)/2]; (c.ahead - most).Abs() <= ClockUnready {
		return nil
	}
	return fmt.Errorf("this node's clock is %v off the database's and the other nodes': set it by NTP", c.ahead.Round(time.Second))
}
