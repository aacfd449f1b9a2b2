// Package identities keeps in SQLite who there is: participants, parties with their codes,
// and accounts.
package identities

import (
	"context"
	"fmt"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Parties implements [identity.Parties].
type Parties struct{ DB *engine.DB }

// CreateParty implements [identity.Parties].
func (s *Parties) CreateParty(ctx context.Context, p identity.PartyRecord) error {
	if err := s.DB.Write(ctx, func(c *engine.Conn) error { return createParty(c, p) }); err != nil {
		return fmt.Errorf("creating party %s: %w", p.ID, err)
	}
	return nil
}

func createParty(c *engine.Conn, p identity.PartyRecord) error {
	_, err := c.Exec("INSERT INTO parties (id, kind, revision, body, created, updated, auth) VALUES (?, ?, 1, ?, ?, ?, ?)",
		p.ID, string(p.Kind), p.Body, p.Created, p.Updated, p.Auth)
	if err != nil {
		return engine.Taken(err, identity.ErrExists)
	}
	return saveCodes(c, p)
}

// UpdateParty implements [identity.Parties].
func (s *Parties) UpdateParty(ctx context.Context, p identity.PartyRecord) error {
	if err := s.DB.Write(ctx, func(c *engine.Conn) error { return updateParty(c, p) }); err != nil {
		return fmt.Errorf("updating party %s: %w", p.ID, err)
	}
	return nil
}

func updateParty(c *engine.Conn, p identity.PartyRecord) error {
	n, err := c.Exec(`
		UPDATE parties SET kind = ?, revision = revision + 1, body = ?, updated = ?, auth = ?
		WHERE id = ? AND revision = ?`, string(p.Kind), p.Body, p.Updated, p.Auth, p.ID, p.Revision)
	if err != nil {
		return err
	}
	if n == 0 {
		return identity.ErrConflict
	}
	if err := ledger.SaveMark(c, "parties", p.ID, p.Mark); err != nil {
		return err
	}
	if _, err := c.Exec("DELETE FROM party_codes WHERE party = ?", p.ID); err != nil {
		return err
	}
	return saveCodes(c, p)
}

func saveCodes(c *engine.Conn, p identity.PartyRecord) error {
	return lead(c, `
		INSERT INTO party_codes (serial, sum, party) VALUES (?, ?, ?)
		ON CONFLICT (serial, sum) DO UPDATE SET party = excluded.party WHERE party = excluded.party`, p.Codes, p.ID)
}

const partyColumns = `p.id, p.kind, p.revision, p.body, p.created, p.updated, p.auth,
	(SELECT mark FROM registers WHERE kind = 'parties' AND registers.id = p.id)`

func scanParty(r *engine.Row) identity.PartyRecord {
	return identity.PartyRecord{
		ID: r.Text(), Kind: identity.Kind(r.Text()), Revision: r.Int64(), Body: r.Bytes(), Created: r.Time(), Updated: r.Time(),
		Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

const (
	LoadParty   = `SELECT ` + partyColumns + ` FROM parties p WHERE p.id = ?`
	FindParty   = `SELECT ` + partyColumns + ` FROM party_codes k CROSS JOIN parties p ON p.id = k.party WHERE k.serial = ? AND k.sum = ?`
	listParties = `SELECT ` + partyColumns + ` FROM parties p WHERE p.id > ? ORDER BY p.id LIMIT ?`
)

// LoadParty implements [identity.Parties].
func (s *Parties) LoadParty(ctx context.Context, id string) (p identity.PartyRecord, err error) {
	err = engine.One(ctx, s.DB, identity.ErrNotFound, LoadParty, func(r *engine.Row) { p = scanParty(r) }, id)
	if err != nil {
		return identity.PartyRecord{}, fmt.Errorf("loading a party: %w", err)
	}
	return p, nil
}

// FindParty implements [identity.Parties].
func (s *Parties) FindParty(ctx context.Context, keys []signing.Lookup) (identity.PartyRecord, error) {
	p, err := byKeys(ctx, s.DB, keys, FindParty, scanParty)
	if err != nil {
		return identity.PartyRecord{}, fmt.Errorf("finding a party: %w", err)
	}
	return p, nil
}

// ListParties implements [identity.Parties].
func (s *Parties) ListParties(ctx context.Context, after string, limit int) ([]identity.PartyRecord, error) {
	ps, err := engine.Many(ctx, s.DB, listParties, scanParty, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing parties: %w", err)
	}
	return ps, nil
}

// byKeys reads the row of the first key that has one. It asks for each key,
// whatever came before: how long that takes says nothing of who is there.
func byKeys[T any](ctx context.Context, db *engine.DB, keys []signing.Lookup, sql string, scan func(*engine.Row) T) (T, error) {
	var result T
	found := false
	err := db.Read(ctx, func(c *engine.Conn) error {
		for _, key := range keys {
			err := c.Query(sql, func(r *engine.Row) {
				if !found {
					result, found = scan(r), true
				}
			}, key.Serial, key.Sum[:])
			if err != nil {
				return err
			}
		}
		if !found {
			return identity.ErrNotFound
		}
		return nil
	})
	return result, err
}
