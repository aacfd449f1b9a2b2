package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/storage/postgres/engine"
)

// Settings implements [license.SettingStore], and [yizheng.internal/oidc/token.Settings]
// in the same table.
type Settings struct{ DB *engine.DB }

// ClaimSetting implements [license.SettingStore]. The second of two callers waits
// for the first, and then reads what that stored. What is there already is only read,
// so that commands that look at a standby can do so.
func (s *Settings) ClaimSetting(ctx context.Context, name, value string) (string, error) {
	stored, err := s.LoadSetting(ctx, name)
	if err == nil {
		return stored, nil
	}
	if !errors.Is(err, license.ErrNotFound) {
		return "", fmt.Errorf("claiming setting %s: %w", name, err)
	}
	err = s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING`, name, value)
		b.Queue(`SELECT value FROM settings WHERE name = $1`, name).
			QueryRow(func(row pgx.Row) error { return row.Scan(&stored) })
	})
	if err != nil {
		return "", fmt.Errorf("claiming setting %s: %w", name, err)
	}
	return stored, nil
}

// LoadSetting implements [license.SettingStore].
func (s *Settings) LoadSetting(ctx context.Context, name string) (string, error) {
	value, err := engine.One(ctx, s.DB, license.ErrNotFound, pgx.RowTo[string], `SELECT value FROM settings WHERE name = $1`, name)
	if err != nil {
		return "", fmt.Errorf("loading setting %s: %w", name, err)
	}
	return value, nil
}

// ReplaceSetting implements [license.SettingStore].
func (s *Settings) ReplaceSetting(ctx context.Context, name, old, value string) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`UPDATE settings SET value = $3 WHERE name = $1 AND value = $2`, name, old, value).
			Exec(engine.Changed(license.ErrConflict))
	})
	if err != nil {
		return fmt.Errorf("replacing setting %s: %w", name, err)
	}
	return nil
}
