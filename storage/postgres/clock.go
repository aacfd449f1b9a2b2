package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/storage/postgres/engine"
)

// Clocks tells the server's time.
type Clocks struct{ db *engine.DB }

// believed is how far a node's clock may be from the database's for it to purge.
const believed = time.Minute

// forgotten is after how long a node's report of its clock is deleted.
const forgotten = 24 * time.Hour

// Clock returns the server's clock. Nothing else asks for it.
func (s *Clocks) Clock(ctx context.Context) (time.Time, error) {
	all, err := engine.Collect(ctx, s.db, pgx.RowTo[time.Time], `SELECT clock_timestamp()`)
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the database's clock: %w", err)
	}
	return all[0].UTC(), nil
}

// ReportClock stores that this node's clock shows now while the server's shows at,
// and returns how far the other nodes' were ahead of the server's when they last
// reported, those that did within fresh.
func (s *Clocks) ReportClock(ctx context.Context, node string, now, at time.Time, fresh time.Duration) ([]time.Duration, error) {
	var others []time.Duration
	err := s.db.Write(ctx, func(b *pgx.Batch) {
		others = nil
		b.Queue(`INSERT INTO node_clocks (node, shown, database) VALUES ($1, $2, $3)
			ON CONFLICT (node) DO UPDATE SET shown = $2, database = $3`, node, now, at)
		b.Queue(`DELETE FROM node_clocks WHERE database < $1`, at.Add(-forgotten))
		b.Queue(`SELECT shown, database FROM node_clocks WHERE node <> $1 AND database >= $2`, node, at.Add(-fresh)).Query(func(rows pgx.Rows) error {
			var shown, then time.Time
			_, err := pgx.ForEachRow(rows, []any{&shown, &then}, func() error {
				others = append(others, shown.Sub(then))
				return nil
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reporting the clock: %w", err)
	}
	return others, nil
}

// Unused returns 0: the server's clock goes on while nobody uses the database, so
// that a difference from it is never a pause.
func (s *Clocks) Unused(context.Context, time.Time, time.Time) (time.Duration, time.Time, error) {
	return 0, time.Time{}, nil
}
