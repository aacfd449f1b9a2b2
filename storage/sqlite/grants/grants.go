// Package grants keeps in SQLite what holders agreed to, the use codes of that, and the
// records of who read what.
package grants

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
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Grants implements [grant.Stores].
type Grants struct{ DB *engine.DB }

// SaveGrant implements [grant.Store].
func (s *Grants) SaveGrant(ctx context.Context, g grant.Record, codes []grant.UseCodeRecord, e journal.Event) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		if err := saveGrant(c, g); err != nil {
			return err
		}
		for _, code := range codes {
			_, err := c.Exec(`
				INSERT INTO use_codes (grant_id, hash, license, version, number, created, first, auth)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
				string(code.Grant), code.Hash[:], string(code.License), code.Version, code.Number, code.Created, engine.Optional(code.First), code.Auth)
			if err != nil {
				return engine.Taken(err, license.ErrConflict)
			}
		}
		return ledger.AppendEvents(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving grant %s: %w", g.ID, err)
	}
	return nil
}

// saveGrant stores a new grant with its party's keys, or the change of one whose
// revision is the stored one. Client, item, basis and times of creation never change.
func saveGrant(c *engine.Conn, g grant.Record) error {
	if g.Revision > 0 {
		n, err := c.Exec(`
			UPDATE grants SET revision = revision + 1, state = ?, expires = ?, body = ?, code = ?, auth = ?
			WHERE id = ? AND revision = ?`,
			string(g.State), g.Expires, g.Body, g.Code, g.Auth, string(g.ID), g.Revision)
		if err != nil {
			return err
		}
		if n == 1 {
			return ledger.SaveMark(c, "grants", string(g.ID), g.Mark)
		}
		there, err := c.Exists("SELECT 1 FROM grants WHERE id = ?", string(g.ID))
		if err == nil && there {
			return license.ErrConflict
		}
		return cmp.Or(err, license.ErrNotFound)
	}
	n, err := c.Exec(`
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

func scanGrant(r *engine.Row) grant.Record {
	return grant.Record{
		ID: grant.ID(r.Text()), Revision: r.Int64(), State: grant.State(r.Text()), Client: r.Text(),
		Item: catalog.ItemCode(r.Text()), Basis: grant.Basis(r.Text()), Recurring: r.Bool(),
		Created: r.Time(), Expires: r.Time(), Body: r.Bytes(), Code: r.Bytes(),
		Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

const codeColumns = `c.grant_id, c.hash, c.license, c.version, c.number, c.created, c.first, c.auth`

func scanCode(r *engine.Row) grant.UseCodeRecord {
	return grant.UseCodeRecord{
		Grant: grant.ID(r.Text()), Hash: r.Sum(), License: audit.ID(r.Text()), Version: r.Int(),
		Number: r.Int(), Created: r.Time(), First: r.Time(), Auth: r.Bytes(),
	}
}

const (
	LoadGrant  = `SELECT ` + grantColumns + ` FROM grants g WHERE g.id = ?`
	GrantCodes = `SELECT ` + codeColumns + ` FROM use_codes c WHERE c.grant_id = ? ORDER BY c.license, c.number`
)

// LoadGrant implements [grant.Store].
func (s *Grants) LoadGrant(ctx context.Context, id grant.ID) (grant.Record, []grant.UseCodeRecord, error) {
	var g grant.Record
	var codes []grant.UseCodeRecord
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		return c.Read(func() error {
			found := false
			err := c.Query(LoadGrant, func(r *engine.Row) { g, found = scanGrant(r), true }, string(id))
			if err != nil || !found {
				return cmp.Or(err, license.ErrNotFound)
			}
			return c.Query(GrantCodes, func(r *engine.Row) { codes = append(codes, scanCode(r)) }, string(id))
		})
	})
	if err != nil {
		return grant.Record{}, nil, fmt.Errorf("loading grant %s: %w", id, err)
	}
	return g, codes, nil
}

const (
	GrantsFirst = `
		SELECT ` + grantColumns + ` FROM grant_parties k CROSS JOIN grants g ON g.id = k.grant_id
		WHERE k.serial = ? AND k.sum = ?
		ORDER BY k.created DESC, k.grant_id LIMIT ?`
	// The first condition on created is what an index can use.
	GrantsAfter = `
		SELECT ` + grantColumns + ` FROM grant_parties k CROSS JOIN grants g ON g.id = k.grant_id
		WHERE k.serial = ?1 AND k.sum = ?2 AND k.created <= ?3 AND (k.created < ?3 OR k.grant_id > ?4)
		ORDER BY k.created DESC, k.grant_id LIMIT ?5`
)

// ListGrants implements [grant.Store], with a query for each key.
func (s *Grants) ListGrants(ctx context.Context, party []signing.Lookup, before license.Cursor, limit int) ([]grant.Record, error) {
	var all []grant.Record
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		for _, key := range party {
			sql, values := GrantsFirst, []any{key.Serial, key.Sum[:], max(limit, 0)}
			if before != (license.Cursor{}) {
				sql, values = GrantsAfter, []any{key.Serial, key.Sum[:], before.Created, string(before.ID), max(limit, 0)}
			}
			if err := c.Query(sql, func(r *engine.Row) { all = append(all, scanGrant(r)) }, values...); err != nil {
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
