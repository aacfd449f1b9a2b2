package ledger

import (
	"context"
	"fmt"
	"slices"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
)

// The entries of each kind lie in a table that is named like the kind, with the same
// columns and indexes as the others. A kind's name is never anybody's input.

// CatalogTable returns the table of a kind of entries, if there is such a kind.
func CatalogTable(k entry.Kind) (string, error) {
	if !slices.Contains(entry.Kinds, k) {
		return "", fmt.Errorf("there is no kind of entries %q", k)
	}
	return string(k), nil
}

// SaveMark writes a record's register, in the transaction that changes the record.
func SaveMark(c *engine.Conn, kind, id string, mark []byte) error {
	_, err := c.Exec(`
		INSERT INTO registers (kind, id, mark) VALUES (?, ?, ?)
		ON CONFLICT (kind, id) DO UPDATE SET mark = excluded.mark`, kind, id, mark)
	return err
}

// setAuth are the statements that give records their authenticators, by the names
// that their facts carry. Those of the catalog's entries are like each other.
var setAuth = map[string]string{
	"keys":             `UPDATE signing_keys SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"participants":     `UPDATE participants SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"clients":          `UPDATE clients SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"parties":          `UPDATE parties SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"accounts":         `UPDATE accounts SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"sessions":         `UPDATE sessions SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"families":         `UPDATE families SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"licenses":         `UPDATE licenses SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"grants":           `UPDATE grants SET auth = ?1 WHERE id = ?2 AND revision = ?3 AND auth IS NULL`,
	"license_versions": `UPDATE license_versions SET auth = ?1 WHERE license = ?2 AND 0 = ?3 AND version = ?4 AND auth IS NULL`,
	"use_codes":        `UPDATE use_codes SET auth = ?1 WHERE grant_id = ?2 AND 0 = ?3 AND 0 = ?4 AND hash = ?5 AND auth IS NULL`,
}

// Registers implements [signing.AuthStore].
type Registers struct{ DB *engine.DB }

// SetAuthenticators implements [signing.AuthStore].
func (s *Registers) SetAuthenticators(ctx context.Context, rows ...signing.AuthRow) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		for _, r := range rows {
			sql := setAuth[r.Table]
			if table, err := CatalogTable(entry.Kind(r.Table)); err == nil {
				sql = `UPDATE ` + table + ` SET auth = ?1 WHERE code = ?2 AND revision = ?3 AND version = ?4 AND auth IS NULL`
			}
			if sql == "" {
				return fmt.Errorf("no table %q", r.Table)
			}
			values := []any{r.Auth, r.ID, r.Revision, r.Part, r.Hash}
			n, err := c.Exec(sql, values[:parameters(sql)]...)
			if err != nil {
				return err
			}
			if n == 1 && r.Mark != nil {
				if err := SaveMark(c, r.Table, r.ID, r.Mark); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("setting authenticators: %w", err)
	}
	return nil
}

// parameters returns how many numbered parameters a statement of setAuth has.
func parameters(sql string) int {
	n := 3
	for _, c := range sql {
		switch c {
		case '4', '5':
			n = max(n, int(c-'0'))
		}
	}
	return n
}
