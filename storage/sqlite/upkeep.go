package sqlite

import (
	"context"
	"time"
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
	tick := time.NewTicker(db.c.purgeEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-tick.C:
			if err := db.purge(ctx, now); err != nil && ctx.Err() == nil {
				db.c.Log.WarnContext(ctx, "purging the database", "error", err)
			}
		}
	}
}

// purge forgets what is over for long enough, until little is left to do.
func (db *DB) purge(ctx context.Context, now time.Time) error {
	for {
		n, err := db.Provider().Purge(ctx, now.Add(-afterlife), purgeLimit)
		if err != nil || n < purgeLimit {
			return err
		}
	}
}
