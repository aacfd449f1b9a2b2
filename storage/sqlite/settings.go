package sqlite

import (
	"context"
	"fmt"

	"yizheng.internal/license"
)

// ClaimSetting implements [license.SettingStore].
func (s *Licenses) ClaimSetting(ctx context.Context, name, value string) (string, error) {
	var stored string
	err := s.db.writer.do(ctx, func(c *conn) error {
		_, err := c.exec("INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", name, value)
		if err != nil {
			return err
		}
		return c.query("SELECT value FROM settings WHERE name = ?", func(r *row) { stored = r.text() }, name)
	})
	if err != nil {
		return "", fmt.Errorf("claiming the setting %s: %w", name, err)
	}
	return stored, nil
}

// LoadSetting implements [license.SettingStore].
func (s *Licenses) LoadSetting(ctx context.Context, name string) (value string, err error) {
	err = one(ctx, s.db, license.ErrNotFound, "SELECT value FROM settings WHERE name = ?", func(r *row) { value = r.text() }, name)
	if err != nil {
		return "", fmt.Errorf("loading the setting %s: %w", name, err)
	}
	return value, nil
}

// ClaimSetting implements [token.Settings], in the same table.
func (s *Provider) ClaimSetting(ctx context.Context, name, value string) (string, error) {
	return s.db.Licenses().ClaimSetting(ctx, name, value)
}

// ReplaceSetting implements [license.SettingStore].
func (s *Licenses) ReplaceSetting(ctx context.Context, name, old, value string) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		n, err := c.exec("UPDATE settings SET value = ? WHERE name = ? AND value = ?", value, name, old)
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
