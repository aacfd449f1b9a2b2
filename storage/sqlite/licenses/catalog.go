package licenses

import (
	"context"
	"fmt"
	"math"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Catalog implements [entry.Store].
type Catalog struct{ DB *engine.DB }

// SaveEntries implements [entry.Store]. That a code has one draft and one
// published version at most is a matter of unique indexes.
func (s *Catalog) SaveEntries(ctx context.Context, k entry.Kind, e journal.Event, rs ...entry.Record) error {
	table, err := ledger.CatalogTable(k)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(c *engine.Conn) error {
		for _, r := range rs {
			if err := saveCatalog(c, table, r); err != nil {
				return fmt.Errorf("%s version %d: %w", r.Code, r.Version, engine.Taken(err, entry.ErrConflict))
			}
		}
		return ledger.AppendEvents(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving %s: %w", k, err)
	}
	return nil
}

func saveCatalog(c *engine.Conn, table string, r entry.Record) error {
	if r.Revision == 0 {
		_, err := c.Exec(`
			INSERT INTO `+table+` (code, version, state, revision, owner, body, updated, auth)
			VALUES (?, ?, ?, 1, ?, ?, ?, ?)`,
			r.Code, r.Version, string(r.State), r.Owner, r.Body, r.Updated, r.Auth)
		return err
	}
	n, err := c.Exec(`
		UPDATE `+table+` SET state = ?, revision = revision + 1, owner = ?, body = ?, updated = ?, auth = ?
		WHERE code = ? AND version = ? AND revision = ?`,
		string(r.State), r.Owner, r.Body, r.Updated, r.Auth, r.Code, r.Version, r.Revision)
	if err == nil && n == 0 {
		return entry.ErrConflict
	}
	return err
}

const catalogColumns = `code, version, state, revision, owner, body, updated, auth`

func scanCatalog(r *engine.Row) entry.Record {
	return entry.Record{
		Code: r.Text(), Version: r.Int(), State: entry.State(r.Text()),
		Revision: r.Int64(), Owner: r.Text(), Body: r.Bytes(), Updated: r.Time(), Auth: r.Bytes(),
	}
}

func loadCatalog(table string) string {
	return `SELECT ` + catalogColumns + ` FROM ` + table + ` WHERE code = ? AND version < ? ORDER BY version DESC LIMIT ?`
}

// LoadEntries implements [entry.Store].
func (s *Catalog) LoadEntries(ctx context.Context, k entry.Kind, code string, before, limit int) ([]entry.Record, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	table, err := ledger.CatalogTable(k)
	if err != nil {
		return nil, err
	}
	rs, err := engine.Many(ctx, s.DB, loadCatalog(table), scanCatalog, code, before, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("loading %s of %s: %w", code, k, err)
	}
	return rs, nil
}

func listCatalog(table string) string {
	return `
	SELECT ` + catalogColumns + ` FROM ` + table + ` AS e
	WHERE code > ?1 AND version = (
		SELECT max(version) FROM ` + table + ` WHERE code = e.code AND (state <> 'draft' OR ?2 OR owner = ?3))
	ORDER BY code LIMIT ?4`
}

// ListEntries implements [entry.Store].
func (s *Catalog) ListEntries(ctx context.Context, k entry.Kind, d entry.Drafts, after string, limit int) ([]entry.Record, error) {
	table, err := ledger.CatalogTable(k)
	if err != nil {
		return nil, err
	}
	rs, err := engine.Many(ctx, s.DB, listCatalog(table), scanCatalog, after, d.All, d.Of, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", k, err)
	}
	return rs, nil
}

func useOfCatalog(table string) string {
	return `SELECT coalesce(sum(state = 'draft'), 0), coalesce(sum(length(body)), 0) FROM ` + table + ` WHERE owner = ?`
}

// UseOfEntries implements [entry.Store].
func (s *Catalog) UseOfEntries(ctx context.Context, k entry.Kind, owner string) (entry.Use, error) {
	table, err := ledger.CatalogTable(k)
	if err != nil {
		return entry.Use{}, err
	}
	us, err := engine.Many(ctx, s.DB, useOfCatalog(table), scanUse, owner)
	if err != nil {
		return entry.Use{}, fmt.Errorf("adding up %s: %w", k, err)
	}
	return us[0], nil
}

func scanUse(r *engine.Row) entry.Use { return entry.Use{Drafts: r.Int(), Bytes: r.Int64()} }
