package sqlite

import (
	"context"
	"fmt"

	"yizheng.internal/license"
)

// SaveItems implements [license.ItemStore], as SaveTypes does for types.
func (s *Licenses) SaveItems(ctx context.Context, e license.EventRecord, is ...license.ItemRecord) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		for _, i := range is {
			if err := saveItem(c, i); err != nil {
				return fmt.Errorf("service item %s version %d: %w", i.Code, i.Version, taken(err, license.ErrConflict))
			}
		}
		return appendEvent(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving service items: %w", err)
	}
	return nil
}

func saveItem(c *conn, i license.ItemRecord) error {
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
		return license.ErrConflict
	}
	return err
}

const itemColumns = `code, version, state, revision, owner, body, updated, auth`

func scanItem(r *row) license.ItemRecord {
	return license.ItemRecord{
		Code: license.ItemCode(r.text()), Version: r.int(), State: license.ItemState(r.text()),
		Revision: r.int64(), Owner: r.text(), Body: r.bytes(), Updated: r.time(), Auth: r.bytes(),
	}
}

const loadItems = `SELECT ` + itemColumns + ` FROM service_items WHERE code = ? ORDER BY version`

// LoadItems implements [license.ItemStore].
func (s *Licenses) LoadItems(ctx context.Context, code license.ItemCode) ([]license.ItemRecord, error) {
	is, err := many(ctx, s.db, loadItems, scanItem, string(code))
	if err != nil {
		return nil, fmt.Errorf("loading service item %s: %w", code, err)
	}
	return is, nil
}

const listItems = `
	SELECT ` + itemColumns + ` FROM service_items AS i
	WHERE code > ? AND version = (SELECT max(version) FROM service_items WHERE code = i.code)
	ORDER BY code LIMIT ?`

// ListItems implements [license.ItemStore].
func (s *Licenses) ListItems(ctx context.Context, after license.ItemCode, limit int) ([]license.ItemRecord, error) {
	is, err := many(ctx, s.db, listItems, scanItem, string(after), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing service items: %w", err)
	}
	return is, nil
}
