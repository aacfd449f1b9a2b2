package postgres

import (
	"context"
	"time"
)

const (
	partitionsEvery = 24 * time.Hour
	purgeEvery      = 3 * time.Minute
	// afterlife is how long what is over stays before it is purged: longer than
	// nodes' clocks differ, and than anybody takes to ask what became of it.
	afterlife = time.Hour
	// purgeLimit is how many rows of a table one transaction purges.
	purgeLimit = 500
)

// Run keeps the coming months' partitions, looking once a day, and purges what is
// over every few minutes, until ctx ends; then it returns ctx's error. It begins
// after the first of them: who starts has better to do. Nodes may all do so: they
// share the work. What fails is logged and tried again: nothing is refused for it.
func (db *DB) Run(ctx context.Context) error {
	partitions, purge := time.NewTicker(partitionsEvery), time.NewTicker(db.purgeEvery)
	defer partitions.Stop()
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case now := <-purge.C:
			if err := db.purge(ctx, now); err != nil && ctx.Err() == nil {
				db.log.WarnContext(ctx, "purging the database", "error", err)
			}
		case now := <-partitions.C:
			if err := db.EnsurePartitions(ctx, now); err != nil && ctx.Err() == nil {
				db.log.WarnContext(ctx, "database partitions", "error", err)
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
