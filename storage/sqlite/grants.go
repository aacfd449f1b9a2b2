package sqlite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// SaveGrant implements [grant.Store].
func (s *Licenses) SaveGrant(ctx context.Context, g grant.Record, codes []grant.UseCodeRecord, e journal.Event) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		if err := saveGrant(c, g); err != nil {
			return err
		}
		for _, code := range codes {
			_, err := c.exec(`
				INSERT INTO use_codes (grant_id, hash, license, version, number, created, first, auth)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
				string(code.Grant), code.Hash[:], string(code.License), code.Version, code.Number, code.Created, optional(code.First), code.Auth)
			if err != nil {
				return taken(err, license.ErrConflict)
			}
		}
		return appendEvents(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving grant %s: %w", g.ID, err)
	}
	return nil
}

// saveGrant stores a new grant with its party's keys, or the change of one whose
// revision is the stored one. Client, item, basis and times of creation never change.
func saveGrant(c *conn, g grant.Record) error {
	if g.Revision > 0 {
		n, err := c.exec(`
			UPDATE grants SET revision = revision + 1, state = ?, expires = ?, body = ?, code = ?, auth = ?
			WHERE id = ? AND revision = ?`,
			string(g.State), g.Expires, g.Body, g.Code, g.Auth, string(g.ID), g.Revision)
		if err != nil {
			return err
		}
		if n == 1 {
			return saveMark(c, "grants", string(g.ID), g.Mark)
		}
		there, err := c.exists("SELECT 1 FROM grants WHERE id = ?", string(g.ID))
		if err == nil && there {
			return license.ErrConflict
		}
		return cmp.Or(err, license.ErrNotFound)
	}
	n, err := c.exec(`
		INSERT INTO grants (id, revision, state, client, item, basis, recurring, created, expires, body, code, auth)
		VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO NOTHING`,
		string(g.ID), string(g.State), g.Client, string(g.Item), string(g.Basis), g.Recurring, g.Created, g.Expires, g.Body, g.Code, g.Auth)
	if err != nil {
		return err
	}
	if n == 0 {
		return license.ErrConflict
	}
	return saveGrantKeys(c, g.ID, g.Created, g.Party)
}

const grantColumns = `g.id, g.revision, g.state, g.client, g.item, g.basis, g.recurring, g.created, g.expires, g.body, g.code,
	g.auth, (SELECT mark FROM registers WHERE kind = 'grants' AND registers.id = g.id)`

func scanGrant(r *row) grant.Record {
	return grant.Record{
		ID: grant.ID(r.text()), Revision: r.int64(), State: grant.State(r.text()), Client: r.text(),
		Item: catalog.ItemCode(r.text()), Basis: grant.Basis(r.text()), Recurring: r.bool(),
		Created: r.time(), Expires: r.time(), Body: r.bytes(), Code: r.bytes(),
		Auth: r.bytes(), Mark: r.bytes(),
	}
}

const codeColumns = `c.grant_id, c.hash, c.license, c.version, c.number, c.created, c.first, c.auth`

func scanCode(r *row) grant.UseCodeRecord {
	return grant.UseCodeRecord{
		Grant: grant.ID(r.text()), Hash: r.sum(), License: audit.ID(r.text()), Version: r.int(),
		Number: r.int(), Created: r.time(), First: r.time(), Auth: r.bytes(),
	}
}

const (
	loadGrant  = `SELECT ` + grantColumns + ` FROM grants g WHERE g.id = ?`
	grantCodes = `SELECT ` + codeColumns + ` FROM use_codes c WHERE c.grant_id = ? ORDER BY c.license, c.number`
)

// LoadGrant implements [grant.Store].
func (s *Licenses) LoadGrant(ctx context.Context, id grant.ID) (grant.Record, []grant.UseCodeRecord, error) {
	var g grant.Record
	var codes []grant.UseCodeRecord
	err := s.db.readers.do(ctx, func(c *conn) error {
		return c.read(func() error {
			found := false
			err := c.query(loadGrant, func(r *row) { g, found = scanGrant(r), true }, string(id))
			if err != nil || !found {
				return cmp.Or(err, license.ErrNotFound)
			}
			return c.query(grantCodes, func(r *row) { codes = append(codes, scanCode(r)) }, string(id))
		})
	})
	if err != nil {
		return grant.Record{}, nil, fmt.Errorf("loading grant %s: %w", id, err)
	}
	return g, codes, nil
}

const (
	grantsFirst = `
		SELECT ` + grantColumns + ` FROM grant_parties k CROSS JOIN grants g ON g.id = k.grant_id
		WHERE k.serial = ? AND k.sum = ?
		ORDER BY k.created DESC, k.grant_id LIMIT ?`
	// The first condition on created is what an index can use.
	grantsAfter = `
		SELECT ` + grantColumns + ` FROM grant_parties k CROSS JOIN grants g ON g.id = k.grant_id
		WHERE k.serial = ?1 AND k.sum = ?2 AND k.created <= ?3 AND (k.created < ?3 OR k.grant_id > ?4)
		ORDER BY k.created DESC, k.grant_id LIMIT ?5`
)

// ListGrants implements [grant.Store], with a query for each key.
func (s *Licenses) ListGrants(ctx context.Context, party []signing.Lookup, before license.Cursor, limit int) ([]grant.Record, error) {
	var all []grant.Record
	err := s.db.readers.do(ctx, func(c *conn) error {
		for _, key := range party {
			sql, values := grantsFirst, []any{key.Serial, key.Sum[:], max(limit, 0)}
			if before != (license.Cursor{}) {
				sql, values = grantsAfter, []any{key.Serial, key.Sum[:], before.Created, string(before.ID), max(limit, 0)}
			}
			if err := c.query(sql, func(r *row) { all = append(all, scanGrant(r)) }, values...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing grants: %w", err)
	}
	slices.SortFunc(all, func(a, b grant.Record) int {
		return cmp.Or(b.Created.Compare(a.Created), strings.Compare(string(a.ID), string(b.ID)))
	})
	all = slices.CompactFunc(all, func(a, b grant.Record) bool { return a.ID == b.ID })
	return all[:min(len(all), max(limit, 0))], nil
}
