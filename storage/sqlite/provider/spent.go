package provider

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/oidc/token"
	"yizheng.internal/storage/sqlite/engine"
)

// Spent implements [token.Spent].
type Spent struct{ DB *engine.DB }

// Spend implements [token.Spent].
func (s *Spent) Spend(ctx context.Context, hash [32]byte, keep time.Time) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec("INSERT INTO spent (hash, keep) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING", hash[:], keep)
		if err == nil && n == 0 {
			return token.ErrSpent
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("spending: %w", err)
	}
	return nil
}

const IsSpent = `SELECT 1 FROM spent WHERE hash = ?`

// IsSpent implements [token.Spent].
func (s *Spent) IsSpent(ctx context.Context, hash [32]byte) (spent bool, err error) {
	err = s.DB.Read(ctx, func(c *engine.Conn) (err error) {
		spent, err = c.Exists(IsSpent, hash[:])
		return err
	})
	if err != nil {
		return false, fmt.Errorf("asking whether something is spent: %w", err)
	}
	return spent, nil
}

// overs delete up to some rows that are over, a statement a table. Lookup keys
// go with the rows that they lead to.
var overs = []string{
	`DELETE FROM spent WHERE hash IN (SELECT hash FROM spent WHERE keep < ? LIMIT ?)`,
	`DELETE FROM sessions WHERE id IN
		(SELECT id FROM sessions WHERE coalesce(min(ended, expires), expires) < ? LIMIT ?)`,
	`DELETE FROM families WHERE id IN
		(SELECT id FROM families WHERE coalesce(min(ended, expires), expires) < ? LIMIT ?)`,
}

// Purge implements [token.Spent].
func (s *Spent) Purge(ctx context.Context, before time.Time, limit int) (int, error) {
	purged := 0
	for _, sql := range overs {
		// Each in an operation of its own: what others wait to write comes between.
		var n int64
		err := s.DB.Write(ctx, func(c *engine.Conn) (err error) {
			n, err = c.Exec(sql, before, max(limit, 0))
			return err
		})
		if err != nil {
			return purged, fmt.Errorf("purging what is over: %w", err)
		}
		purged += int(n)
	}
	return purged, nil
}
