package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"yizheng.internal/storage/retention"
)

const (
	// afterlife is how long what is over stays before it is purged: longer than
	// processes' clocks differ, and than anybody takes to ask what became of it.
	afterlife = time.Hour
	// purgeLimit is how many rows of a table one transaction purges: the others
	// who write wait that long.
	purgeLimit = 200
)

// Run purges what is over every few minutes, until ctx ends; then it returns
// ctx's error. It begins after the first of them: who starts has better to do.
// What fails is logged and tried again: nothing is refused for it.
func (db *DB) Run(ctx context.Context) error {
	tick := time.NewTicker(db.purgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			if err := db.purgeAt(ctx, now); err != nil && ctx.Err() == nil {
				level := slog.LevelWarn
				if errors.Is(err, errUnused) {
					level = slog.LevelDebug // who compares the clocks says it, and once is enough
				}
				db.log.Log(ctx, level, "purging the database", "error", err)
			}
		}
	}
}

// errUnused is why nothing is purged after a pause. See [Clocks.Unused].
var errUnused = errors.New("the database was not used for a while, or the machine's clock jumped")

// purgeAt purges by a node's clock and the database's: by the earlier of them, and
// only if they agree within a minute. A node whose clock is a year ahead would end
// everybody's sessions, and forget which codes were spent.
func (db *DB) purgeAt(ctx context.Context, now time.Time) error {
	at, err := db.Clock(ctx)
	if err != nil {
		return err
	}
	if now.Sub(at).Abs() > believed {
		if unused, until, err := db.Unused(ctx, now, at); err != nil {
			return err
		} else if unused > 0 {
			return fmt.Errorf("nothing is purged here until %s: %w", until.Format(time.RFC3339), errUnused)
		}
		return fmt.Errorf("nothing is purged here: this node's clock shows %s, and the database's %s",
			now.UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	}
	if at.Before(now) {
		now = at
	}
	return db.purge(ctx, now)
}

// purge forgets what is over for long enough, until little is left to do.
func (db *DB) purge(ctx context.Context, now time.Time) error {
	return db.keeper.Clean(ctx, db, now, db.log, purgeLimit, func() (int, error) {
		return db.Provider().Purge(ctx, now.Add(-afterlife), purgeLimit)
	})
}

// Kept counts what this process deleted.
func (db *DB) Kept() *retention.Counters { return &db.keeper.Counters }
