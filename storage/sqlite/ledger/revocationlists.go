package ledger

import (
	"context"
	"fmt"

	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
)

// SaveRevocationList implements [signing.RevocationLists].
func (s *Keys) SaveRevocationList(ctx context.Context, root signing.KeyID, number int64, der []byte) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`
			INSERT INTO revocation_lists (root, number, list) VALUES (?, ?, ?)
			ON CONFLICT (root) DO UPDATE SET number = excluded.number, list = excluded.list
			WHERE excluded.number > revocation_lists.number`, string(root), number, der)
		if err == nil && n == 0 {
			return signing.ErrConflict
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("saving the revocation list of %s: %w", root, err)
	}
	return nil
}

// LoadRevocationList implements [signing.RevocationLists].
func (s *Keys) LoadRevocationList(ctx context.Context, root signing.KeyID) (der []byte, err error) {
	err = engine.One(ctx, s.DB, signing.ErrNoList, "SELECT list FROM revocation_lists WHERE root = ?",
		func(r *engine.Row) { der = r.Bytes() }, string(root))
	if err != nil {
		return nil, fmt.Errorf("loading the revocation list of %s: %w", root, err)
	}
	return der, nil
}
