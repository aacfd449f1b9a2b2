package identities

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Representations implements [representation.Store].
type Representations struct{ DB *engine.DB }

// CreateRepresentation implements [representation.Store].
func (s *Representations) CreateRepresentation(ctx context.Context, r representation.Record, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`
			INSERT INTO representations (id, state, revision, body, created, updated, auth) VALUES (?, ?, 1, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`, r.ID, string(r.State), r.Body, r.Created, r.Updated, r.Auth)
		if err == nil && n == 0 {
			return identity.ErrExists
		}
		if err != nil {
			return err
		}
		if err := saveRepresentationKeys(c, r); err != nil {
			return err
		}
		return ledger.AppendEvents(c, es...)
	})
	if err != nil {
		return fmt.Errorf("creating representation %s: %w", r.ID, err)
	}
	return nil
}

// UpdateRepresentation implements [representation.Store].
func (s *Representations) UpdateRepresentation(ctx context.Context, r representation.Record, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`
			UPDATE representations SET state = ?, revision = revision + 1, body = ?, updated = ?, auth = ?
			WHERE id = ? AND revision = ?`, string(r.State), r.Body, r.Updated, r.Auth, r.ID, r.Revision)
		if err == nil && n == 0 {
			return identity.ErrConflict
		}
		if err != nil {
			return err
		}
		if err := ledger.SaveMark(c, "representations", r.ID, r.Mark); err != nil {
			return err
		}
		for _, table := range []string{"representation_keys", "representation_uniques"} {
			if _, err := c.Exec("DELETE FROM "+table+" WHERE representation = ?", r.ID); err != nil {
				return err
			}
		}
		if err := saveRepresentationKeys(c, r); err != nil {
			return err
		}
		return ledger.AppendEvents(c, es...)
	})
	if err != nil {
		return fmt.Errorf("updating representation %s: %w", r.ID, err)
	}
	return nil
}

func saveRepresentationKeys(c *engine.Conn, r representation.Record) error {
	for _, key := range r.Keys {
		_, err := c.Exec(`
			INSERT INTO representation_keys (serial, sum, ended, created, representation)
			SELECT ?, ?, state = 'ended', created, id FROM representations WHERE id = ?
			ON CONFLICT (serial, sum, ended, created, representation) DO NOTHING`, key.Serial, key.Sum[:], r.ID)
		if err != nil {
			return err
		}
	}
	return lead(c, `
		INSERT INTO representation_uniques (serial, sum, representation) VALUES (?, ?, ?)
		ON CONFLICT (serial, sum) DO UPDATE SET representation = excluded.representation WHERE representation = excluded.representation`, r.Unique, r.ID)
}

const (
	representationColumns = `r.id, r.state, r.revision, r.body, r.created, r.updated, r.auth,
	(SELECT mark FROM registers WHERE kind = 'representations' AND registers.id = r.id)`
	loadRepresentation  = `SELECT ` + representationColumns + ` FROM representations r WHERE r.id = ?`
	listRepresentations = `SELECT ` + representationColumns + ` FROM representations r WHERE r.id > ? ORDER BY r.id LIMIT ?`
	// FindRepresentations reads what one key leads to.
	FindRepresentations = `SELECT ` + representationColumns + ` FROM representation_keys k CROSS JOIN representations r ON r.id = k.representation
		WHERE k.serial = ? AND k.sum = ? ORDER BY k.ended, k.created DESC, k.representation DESC LIMIT ?`
)

func scanRepresentation(r *engine.Row) representation.Record {
	return representation.Record{
		ID: r.Text(), State: representation.State(r.Text()), Revision: r.Int64(), Body: r.Bytes(), Created: r.Time(), Updated: r.Time(),
		Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

// LoadRepresentation implements [representation.Store].
func (s *Representations) LoadRepresentation(ctx context.Context, id string) (rec representation.Record, err error) {
	err = engine.One(ctx, s.DB, identity.ErrNotFound, loadRepresentation, func(r *engine.Row) { rec = scanRepresentation(r) }, id)
	if err != nil {
		return representation.Record{}, fmt.Errorf("loading a representation: %w", err)
	}
	return rec, nil
}

// FindRepresentations implements [representation.Store].
func (s *Representations) FindRepresentations(ctx context.Context, keys []signing.Lookup, limit int) (all []representation.Record, err error) {
	limit = max(limit, 0)
	err = s.DB.Read(ctx, func(c *engine.Conn) error {
		all = nil
		return c.Read(func() error {
			for _, key := range keys {
				if err := c.Query(FindRepresentations, func(r *engine.Row) { all = append(all, scanRepresentation(r)) }, key.Serial, key.Sum[:], limit); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("finding representations: %w", err)
	}
	ended := func(r representation.Record) int {
		if r.State == representation.Ended {
			return 1
		}
		return 0
	}
	slices.SortFunc(all, func(a, b representation.Record) int {
		return cmp.Or(ended(a)-ended(b), b.Created.Compare(a.Created), cmp.Compare(b.ID, a.ID))
	})
	all = slices.CompactFunc(all, func(a, b representation.Record) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)], nil
}

// ListRepresentations implements [representation.Store].
func (s *Representations) ListRepresentations(ctx context.Context, after string, limit int) ([]representation.Record, error) {
	all, err := engine.Many(ctx, s.DB, listRepresentations, scanRepresentation, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing representations: %w", err)
	}
	return all, nil
}
