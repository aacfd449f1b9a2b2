package sqlite

import (
	"context"
	"fmt"
	"math"

	"yizheng.internal/license/catalog"
	"yizheng.internal/signing/journal"
)

// SaveItems implements [catalog.ItemStore], as SaveTypes does for types.
func (s *Licenses) SaveItems(ctx context.Context, e journal.Event, is ...catalog.ItemRecord) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		for _, i := range is {
			if err := saveItem(c, i); err != nil {
				return fmt.Errorf("service item %s version %d: %w", i.Code, i.Version, taken(err, catalog.ErrConflict))
			}
		}
		return appendEvents(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving service items: %w", err)
	}
	return nil
}

func saveItem(c *conn, i catalog.ItemRecord) error {
	if i.Revision == 0 {
		_, err := c.exec(`
			INSERT INTO service_items (code, version, state, revision, owner, body, updated, auth)
			VALUES (?, ?, ?, 1, ?, ?, ?, ?)`,
			string(i.Code), i.Version, string(i.State), i.Owner, i.Body, i.Updated, i.Auth)
		return err
	}
	n, err := c.exec(`
		UPDATE service_items SET state = ?, revision = revision + 1, owner = ?, body = ?, updated = ?, auth = ?
		WHERE code = ? AND version = ? AND revision = ?`,
		string(i.State), i.Owner, i.Body, i.Updated, i.Auth, string(i.Code), i.Version, i.Revision)
	if err == nil && n == 0 {
		return catalog.ErrConflict
	}
	return err
}

const itemColumns = `code, version, state, revision, owner, body, updated, auth`

func scanItem(r *row) catalog.ItemRecord {
	return catalog.ItemRecord{
		Code: catalog.ItemCode(r.text()), Version: r.int(), State: catalog.ItemState(r.text()),
		Revision: r.int64(), Owner: r.text(), Body: r.bytes(), Updated: r.time(), Auth: r.bytes(),
	}
}

const loadItems = `SELECT ` + itemColumns + ` FROM service_items WHERE code = ? AND version < ? ORDER BY version DESC LIMIT ?`

// LoadItems implements [catalog.ItemStore].
func (s *Licenses) LoadItems(ctx context.Context, code catalog.ItemCode, before, limit int) ([]catalog.ItemRecord, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	is, err := many(ctx, s.db, loadItems, scanItem, string(code), before, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("loading service item %s: %w", code, err)
	}
	return is, nil
}

const listItems = `
	SELECT ` + itemColumns + ` FROM service_items AS i
	WHERE code > ?1 AND version = (
		SELECT max(version) FROM service_items WHERE code = i.code AND (state <> 'draft' OR ?2 OR owner = ?3))
	ORDER BY code LIMIT ?4`

// ListItems implements [catalog.ItemStore].
func (s *Licenses) ListItems(ctx context.Context, d catalog.Drafts, after catalog.ItemCode, limit int) ([]catalog.ItemRecord, error) {
	is, err := many(ctx, s.db, listItems, scanItem, string(after), d.All, d.Of, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing service items: %w", err)
	}
	return is, nil
}

const useOfItems = `SELECT coalesce(sum(state = 'draft'), 0), coalesce(sum(length(body)), 0) FROM service_items WHERE owner = ?`

// UseOfItems implements [catalog.ItemStore].
func (s *Licenses) UseOfItems(ctx context.Context, owner string) (catalog.Use, error) {
	us, err := many(ctx, s.db, useOfItems, scanUse, owner)
	if err != nil {
		return catalog.Use{}, fmt.Errorf("adding up service items: %w", err)
	}
	return us[0], nil
}
