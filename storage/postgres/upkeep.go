package postgres

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/storage/retention"
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
			if err := db.purgeAt(ctx, now); err != nil && ctx.Err() == nil {
				db.engine.Log.WarnContext(ctx, "purging the database", "error", err)
			}
		case now := <-partitions.C:
			if err := db.EnsurePartitions(ctx, now); err != nil && ctx.Err() == nil {
				db.engine.Log.WarnContext(ctx, "database partitions", "error", err)
			}
		}
	}
}

// purgeAt purges by a node's clock and the database's: by the earlier of them, and
// only if they agree within a minute. A node whose clock is a year ahead would end
// everybody's sessions, and forget which codes were spent.
func (db *DB) purgeAt(ctx context.Context, now time.Time) error {
	at, err := db.Clock(ctx)
	if err != nil {
		return err
	}
	if now.Sub(at).Abs() > believed {
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
	return db.keeper.Clean(ctx, db, now, db.engine.Log, purgeLimit, func() (int, error) {
		return db.Provider().Purge(ctx, now.Add(-afterlife), purgeLimit)
	})
}

// Kept counts what this process deleted.
func (db *DB) Kept() *retention.Counters { return &db.keeper.Counters }
