package ledger

import (
	"context"
	"fmt"

	"yizheng.internal/license"
	"yizheng.internal/storage/sqlite/engine"
)

// Settings implements [license.SettingStore], and [yizheng.internal/oidc/token.Settings]
// in the same table.
type Settings struct{ DB *engine.DB }

// ClaimSetting implements [license.SettingStore].
func (s *Settings) ClaimSetting(ctx context.Context, name, value string) (string, error) {
	var stored string
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		_, err := c.Exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, value)
		if err != nil {
			return err
		}
		return c.Query("SELECT value FROM settings WHERE name = ?", func(r *engine.Row) { stored = r.Text() }, name)
	})
	if err != nil {
		return "", fmt.Errorf("claiming the setting %s: %w", name, err)
	}
	return stored, nil
}

// LoadSetting implements [license.SettingStore].
func (s *Settings) LoadSetting(ctx context.Context, name string) (value string, err error) {
	err = engine.One(ctx, s.DB, license.ErrNotFound, "SELECT value FROM settings WHERE name = ?", func(r *engine.Row) { value = r.Text() }, name)
	if err != nil {
		return "", fmt.Errorf("loading the setting %s: %w", name, err)
	}
	return value, nil
}

// ReplaceSetting implements [license.SettingStore].
func (s *Settings) ReplaceSetting(ctx context.Context, name, old, value string) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec("UPDATE settings SET value = ? WHERE name = ? AND value = ?", value, name, old)
		if err == nil && n == 0 {
			return license.ErrConflict
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("replacing the setting %s: %w", name, err)
	}
	return nil
}
