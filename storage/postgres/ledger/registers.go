package ledger

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
)

// Registers implements [signing.AuthStore].
type Registers struct{ DB *engine.DB }

// The entries of each kind lie in a table of its own, with the same columns and indexes as
// the others. It is named like the kind, but for that of types. A kind's name is never
// anybody's input.

// CatalogTable returns the table of a kind of entries, if there is such a kind.
func CatalogTable(k entry.Kind) (string, error) {
	switch {
	case k == entry.KindType:
		return "types", nil
	case slices.Contains(entry.Kinds, k):
		return string(k), nil
	}
	return "", fmt.Errorf("there is no kind of entries %q", k)
}

// Marked returns an update of one record that writes its register too, in one
// statement: it changes one row if the update did, and the register is parameter n.
func Marked(update, kind string, n int) string {
	return `WITH marked AS (` + update + ` RETURNING id)
		INSERT INTO registers (kind, id, mark) SELECT '` + kind + `', id, $` + strconv.Itoa(n) + `::bytea FROM marked
		ON CONFLICT (kind, id) DO UPDATE SET mark = excluded.mark`
}

// setAuth are the statements that give records their authenticators, by the names
// that their facts carry. Those of the catalog's entries are [byVersion].
var setAuth = map[string]string{
	"keys":             byRevision("keys"),
	"participants":     byRevision("participants"),
	"clients":          byRevision("clients"),
	"parties":          byRevision("parties"),
	"accounts":         byRevision("accounts"),
	"sessions":         byRevision("sessions"),
	"families":         byRevision("families"),
	"licenses":         byRevision("licenses"),
	"grants":           byRevision("grants"),
	"license_versions": `UPDATE license_versions SET auth = $1 WHERE license = $2 AND version = $3 AND auth IS NULL`,
	"use_codes":        `UPDATE use_codes SET auth = $1 WHERE grant_id = $2 AND hash = $3 AND auth IS NULL`,
}

func byRevision(table string) string {
	return `UPDATE ` + table + ` SET auth = $1 WHERE id = $2 AND revision = $3 AND auth IS NULL`
}

func byVersion(table string) string {
	return `UPDATE ` + table + ` SET auth = $1 WHERE code = $2 AND revision = $3 AND version = $4 AND auth IS NULL`
}

// SetAuthenticators implements [signing.AuthStore].
func (s *Registers) SetAuthenticators(ctx context.Context, rows ...signing.AuthRow) error {
	for _, r := range rows {
		if _, err := CatalogTable(entry.Kind(r.Table)); err != nil && setAuth[r.Table] == "" {
			return fmt.Errorf("setting authenticators: no table %q", r.Table)
		}
	}
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		for _, r := range rows {
			sql, values := setAuth[r.Table], []any{r.Auth, r.ID, r.Revision}
			if table, err := CatalogTable(entry.Kind(r.Table)); err == nil {
				sql, values = byVersion(table), append(values, r.Part)
			}
			switch r.Table {
			case "license_versions":
				values[2] = r.Part
			case "use_codes":
				values[2] = r.Hash
			}
			b.Queue(sql, values...)
			if r.Mark != nil {
				b.Queue(`INSERT INTO registers (kind, id, mark) VALUES ($1, $2, $3) ON CONFLICT (kind, id) DO NOTHING`,
					r.Table, r.ID, r.Mark)
			}
		}
	})
	if err != nil {
		return fmt.Errorf("setting authenticators: %w", err)
	}
	return nil
}
