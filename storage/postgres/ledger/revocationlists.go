package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
)

// SaveRevocationList implements [signing.RevocationLists].
func (s *Keys) SaveRevocationList(ctx context.Context, root signing.KeyID, number int64, der []byte) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO revocation_lists (root, number, list) VALUES ($1, $2, $3)
			ON CONFLICT (root) DO UPDATE SET number = excluded.number, list = excluded.list
			WHERE excluded.number > revocation_lists.number`, root, number, der).
			Exec(engine.Changed(signing.ErrConflict))
	})
	if err != nil {
		return fmt.Errorf("saving the revocation list of %s: %w", root, err)
	}
	return nil
}

// LoadRevocationList implements [signing.RevocationLists].
func (s *Keys) LoadRevocationList(ctx context.Context, root signing.KeyID) ([]byte, error) {
	lists, err := engine.Collect(ctx, s.DB, pgx.RowTo[[]byte], `SELECT list FROM revocation_lists WHERE root = $1`, root)
	if err == nil && len(lists) == 0 {
		err = signing.ErrNoList
	}
	if err != nil {
		return nil, fmt.Errorf("loading the revocation list of %s: %w", root, err)
	}
	return lists[0], nil
}
