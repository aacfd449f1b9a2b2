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

// Limits of a node's clock, as a distance from others'.
const (
	// ClockWarns is from where on a node says that its clock is wrong.
	ClockWarns = 5 * time.Second
	// ClockUnready is beyond what a node isn't ready, if it stands alone with it.
	ClockUnready = 30 * time.Second
	// ClockStopsPurge is beyond what this node purges nothing.
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
	// ReportClock stores that this node's clock shows now while the database's shows
	// at, and returns how far the other nodes' were ahead of it when they last
	// reported, within fresh of at. With SQLite there are no other machines and so no
	// others: there it is what makes a clock believed that goes on steadily.
	ReportClock(ctx context.Context, node string, now, at time.Time, fresh time.Duration) (others []time.Duration, err error)
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
	said   time.Time // when the difference was last logged; zero: there is none
}

// NewClock returns one that has compared nothing yet.
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

// Compare compares the clocks once. now is what this node's shows. A difference
// that is too large stands in the log, once in ten minutes while it lasts.
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
	slices.Sort(others)
	c.mu.Lock()
	c.ahead, c.others, c.known = ahead, others, true
	say := ahead.Abs() > ClockWarns && (c.said.IsZero() || time.Since(c.said) >= clockSaid)
	if say {
		c.said = time.Now()
	} else if ahead.Abs() <= ClockWarns {
		c.said = time.Time{}
	}
	c.mu.Unlock()
	if !say {
		return nil
	}
	level, purge := slog.LevelWarn, "goes on"
	if ahead.Abs() > ClockStopsPurge {
		level, purge = slog.LevelError, "stopped on this node"
	}
	c.log.Log(ctx, level, "this node's clock differs from the database's: set both by NTP",
		"ahead_seconds", ahead.Seconds(), "shows", now.UTC().Format(time.RFC3339), "database", at.UTC().Format(time.RFC3339), "purge", purge)
	return nil
}

// Ahead returns how far this node's clock is ahead of the database's, behind it if
// negative, and whether that is known yet.
func (c *Clock) Ahead() (ahead time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.known
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
