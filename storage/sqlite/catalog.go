package sqlite

import (
	"context"
	"fmt"
	"math"
	"slices"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing/journal"
)

// The entries of each kind lie in a table that is named like the kind, with the same
// columns and indexes as the others. A kind's name is never anybody's input.

// catalogTable returns the table of a kind of entries, if there is such a kind.
func catalogTable(k entry.Kind) (string, error) {
	if !slices.Contains(entry.Kinds, k) {
		return "", fmt.Errorf("there is no kind of entries %q", k)
	}
	return string(k), nil
}

// SaveEntries implements [entry.Store]. That a code has one draft and one
// published version at most is a matter of unique indexes.
func (s *Licenses) SaveEntries(ctx context.Context, k entry.Kind, e journal.Event, rs ...entry.Record) error {
	table, err := catalogTable(k)
	if err != nil {
		return err
	}
	err = s.db.writer.do(ctx, func(c *conn) error {
		for _, r := range rs {
			if err := saveCatalog(c, table, r); err != nil {
				return fmt.Errorf("%s version %d: %w", r.Code, r.Version, taken(err, entry.ErrConflict))
			}
		}
		return appendEvents(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving %s: %w", k, err)
	}
	return nil
}

func saveCatalog(c *conn, table string, r entry.Record) error {
	if r.Revision == 0 {
		_, err := c.exec(`
			INSERT INTO `+table+` (code, version, state, revision, owner, body, updated, auth)
			VALUES (?, ?, ?, 1, ?, ?, ?, ?)`,
			r.Code, r.Version, string(r.State), r.Owner, r.Body, r.Updated, r.Auth)
		return err
	}
	n, err := c.exec(`
		UPDATE `+table+` SET state = ?, revision = revision + 1, owner = ?, body = ?, updated = ?, auth = ?
		WHERE code = ? AND version = ? AND revision = ?`,
		string(r.State), r.Owner, r.Body, r.Updated, r.Auth, r.Code, r.Version, r.Revision)
	if err == nil && n == 0 {
		return entry.ErrConflict
	}
	return err
}

const catalogColumns = `code, version, state, revision, owner, body, updated, auth`

func scanCatalog(r *row) entry.Record {
	return entry.Record{
		Code: r.text(), Version: r.int(), State: entry.State(r.text()),
		Revision: r.int64(), Owner: r.text(), Body: r.bytes(), Updated: r.time(), Auth: r.bytes(),
	}
}

func loadCatalog(table string) string {
	return `SELECT ` + catalogColumns + ` FROM ` + table + ` WHERE code = ? AND version < ? ORDER BY version DESC LIMIT ?`
}

// LoadEntries implements [entry.Store].
func (s *Licenses) LoadEntries(ctx context.Context, k entry.Kind, code string, before, limit int) ([]entry.Record, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	table, err := catalogTable(k)
	if err != nil {
		return nil, err
	}
	rs, err := many(ctx, s.db, loadCatalog(table), scanCatalog, code, before, max(limit, 0))
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
func (s *Licenses) ListEntries(ctx context.Context, k entry.Kind, d entry.Drafts, after string, limit int) ([]entry.Record, error) {
	table, err := catalogTable(k)
	if err != nil {
		return nil, err
	}
	rs, err := many(ctx, s.db, listCatalog(table), scanCatalog, after, d.All, d.Of, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", k, err)
	}
	return rs, nil
}

func useOfCatalog(table string) string {
	return `SELECT coalesce(sum(state = 'draft'), 0), coalesce(sum(length(body)), 0) FROM ` + table + ` WHERE owner = ?`
}

// UseOfEntries implements [entry.Store].
func (s *Licenses) UseOfEntries(ctx context.Context, k entry.Kind, owner string) (entry.Use, error) {
	table, err := catalogTable(k)
	if err != nil {
		return entry.Use{}, err
	}
	us, err := many(ctx, s.db, useOfCatalog(table), scanUse, owner)
	if err != nil {
		return entry.Use{}, fmt.Errorf("adding up %s: %w", k, err)
	}
	return us[0], nil
}

func scanUse(r *row) entry.Use { return entry.Use{Drafts: r.int(), Bytes: r.int64()} }
