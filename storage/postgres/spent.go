package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc"
)

// Spend implements [oidc.Spent]. The unique hash makes the second caller lose,
// also on another node.
func (s *Provider) Spend(ctx context.Context, hash [32]byte, keep time.Time) error {
	err := s.db.writeOne(ctx, changed(oidc.ErrSpent),
		`INSERT INTO spent (hash, keep) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`, hash[:], keep)
	if err != nil {
		return fmt.Errorf("spending: %w", err)
	}
	return nil
}

const isSpent = `SELECT true FROM spent WHERE hash = $1`

// IsSpent implements [oidc.Spent].
func (s *Provider) IsSpent(ctx context.Context, hash [32]byte) (bool, error) {
	rows, err := collect(ctx, s.db, pgx.RowTo[bool], isSpent, hash[:])
	if err != nil {
		return false, fmt.Errorf("asking whether something is spent: %w", err)
	}
	return len(rows) > 0, nil
}

// overs delete up to some rows that are over, a statement a table, and return how
// many. What is locked is left to who holds it: another node that purges. Keys
// and cookies go with the rows that they lead to. ARRAY keeps the planner from
// reading a whole table for a join.
var overs = []string{
	`WITH gone AS (
		DELETE FROM spent WHERE hash = ANY (ARRAY(SELECT hash FROM spent WHERE keep < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
		RETURNING 1
	) SELECT count(*) FROM gone`,
	`WITH gone AS (
		DELETE FROM sessions WHERE id = ANY (ARRAY(
			SELECT id FROM sessions WHERE LEAST(ended, expires) < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
		RETURNING id, cookie
	), cookies AS (
		DELETE FROM session_cookies WHERE cookie = ANY (ARRAY(SELECT cookie FROM gone))
	), parties AS (
		DELETE FROM session_parties WHERE session = ANY (ARRAY(SELECT id FROM gone))
	) SELECT count(*) FROM gone`,
	`WITH gone AS (
		DELETE FROM families WHERE id = ANY (ARRAY(
			SELECT id FROM families WHERE LEAST(ended, expires) < $1 LIMIT $2 FOR UPDATE SKIP LOCKED))
		RETURNING id
	), parties AS (
		DELETE FROM family_parties WHERE family = ANY (ARRAY(SELECT id FROM gone))
	) SELECT count(*) FROM gone`,
}

// Purge implements [oidc.Spent].
func (s *Provider) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	purged := 0
	for _, sql := range overs {
		var n int
		err := s.db.write(ctx, func(b *pgx.Batch) {
			b.Queue(sql, before, max(limit, 0)).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
		})
		if err != nil {
			return purged, fmt.Errorf("purging what is over: %w", err)
		}
		purged += n
	}
	return purged, nil
}
