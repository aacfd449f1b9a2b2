package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/token"
	"yizheng.internal/storage/postgres/engine"
)

// Spent implements [token.Spent].
type Spent struct{ DB *engine.DB }

// Spend implements [token.Spent]. The unique hash makes the second caller lose,
// also on another node.
func (s *Spent) Spend(ctx context.Context, hash [32]byte, keep time.Time) error {
	err := s.DB.WriteOne(ctx, engine.Changed(token.ErrSpent),
		`INSERT INTO spent (hash, keep) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`, hash[:], keep)
	if err != nil {
		return fmt.Errorf("spending: %w", err)
	}
	return nil
}

const IsSpent = `SELECT true FROM spent WHERE hash = $1`

// IsSpent implements [token.Spent].
func (s *Spent) IsSpent(ctx context.Context, hash [32]byte) (bool, error) {
	rows, err := engine.Collect(ctx, s.DB, pgx.RowTo[bool], IsSpent, hash[:])
	if err != nil {
		return false, fmt.Errorf("asking whether something is spent: %w", err)
	}
	return len(rows) > 0, nil
}

// over is what is purged of a table, one of its partitions (%02d) at a time: a row
// is sought where it was found, and not in all sixteen. What is locked is left to who
// holds it: another node that purges. Lookup keys, which lie by their own sums, lead
// nowhere from then on, and a sweep deletes them. ARRAY keeps the planner from
// reading a whole table for a join. gone deletes up to some rows and returns how
// many, and the cookies of those that have one, which are deleted after it.
type over struct {
	gone   string
	Cookie string
}

var Overs = []over{
	{gone: `WITH gone AS (
		DELETE FROM spent_%02[1]d WHERE hash = ANY (ARRAY(
			SELECT hash FROM spent_%02[1]d WHERE keep < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
		RETURNING 1
	) SELECT count(*), '{}'::bytea[] FROM gone`},
	{gone: `WITH gone AS (
		DELETE FROM sessions_%02[1]d WHERE id = ANY (ARRAY(
			SELECT id FROM sessions_%02[1]d WHERE LEAST(ended, expires) < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
		RETURNING id, cookie
	), marks AS (
		DELETE FROM registers WHERE kind = 'sessions' AND id = ANY (ARRAY(SELECT id FROM gone))
	) SELECT count(*), coalesce(array_agg(cookie), '{}') FROM gone`,
		Cookie: `DELETE FROM session_cookies WHERE cookie = $1`},
	{gone: `WITH gone AS (
		DELETE FROM families_%02[1]d WHERE id = ANY (ARRAY(
			SELECT id FROM families_%02[1]d WHERE LEAST(ended, expires) < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
		RETURNING id
	), marks AS (
		DELETE FROM registers WHERE kind = 'families' AND id = ANY (ARRAY(SELECT id FROM gone))
	) SELECT count(*), '{}'::bytea[] FROM gone`},
}

// HashPartitions is how many each table that is partitioned by a hash has.
const HashPartitions = 16

// In returns the statement that purges a partition.
func (o over) In(partition int) string { return fmt.Sprintf(o.gone, partition) }

// Purge implements [token.Spent].
func (s *Spent) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	purged := 0
	for _, o := range Overs {
		left := max(limit, 0)
		for p := 0; p < HashPartitions && left > 0; p++ {
			n, err := s.purgePartition(ctx, o, p, before, left)
			purged, left = purged+n, left-n
			if err != nil {
				return purged, fmt.Errorf("purging what is over: %w", err)
			}
		}
	}
	return purged, nil
}

// purgePartition purges a partition.
func (s *Spent) purgePartition(ctx context.Context, o over, partition int, before time.Time, limit int) (n int, err error) {
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *pgx.Conn) error {
		var cookies [][]byte
		if err := tx.QueryRow(ctx, o.In(partition), before, limit).Scan(&n, &cookies); err != nil || o.Cookie == "" || len(cookies) == 0 {
			return err
		}
		b := new(pgx.Batch)
		for _, cookie := range cookies { // each in its own partition
			b.Queue(o.Cookie, cookie)
		}
		return tx.SendBatch(ctx, b).Close()
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
