package identities

import (
	"context"
	"fmt"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Sources implements [intake.Sources].
type Sources struct{ DB *engine.DB }

// CreateSource implements [intake.Sources].
func (s *Sources) CreateSource(ctx context.Context, of intake.Source) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`
			INSERT INTO sources (id, display_name, level, created, updated, revision, auth) VALUES (?, ?, ?, ?, ?, 1, ?)
			ON CONFLICT (id) DO NOTHING`, of.Name, of.DisplayName, of.Level, of.Created, of.Updated, of.Auth)
		if err == nil && n == 0 {
			return identity.ErrExists
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("creating source %s: %w", of.Name, err)
	}
	return nil
}

// UpdateSource implements [intake.Sources].
func (s *Sources) UpdateSource(ctx context.Context, of intake.Source) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`
			UPDATE sources SET display_name = ?, level = ?, updated = ?, revision = revision + 1, auth = ?
			WHERE id = ? AND revision = ?`, of.DisplayName, of.Level, of.Updated, of.Auth, of.Name, of.Revision)
		if err == nil && n == 0 {
			return identity.ErrConflict
		}
		if err != nil {
			return err
		}
		return ledger.SaveMark(c, "sources", of.Name, of.Mark)
	})
	if err != nil {
		return fmt.Errorf("updating source %s: %w", of.Name, err)
	}
	return nil
}

const (
	sourceColumns = `id, display_name, level, created, updated, revision, auth,
	(SELECT mark FROM registers WHERE kind = 'sources' AND registers.id = sources.id)`
	loadSource  = "SELECT " + sourceColumns + " FROM sources WHERE id = ?"
	listSources = "SELECT " + sourceColumns + " FROM sources WHERE id > ? ORDER BY id LIMIT ?"
)

func scanSource(r *engine.Row) intake.Source {
	return intake.Source{
		Name: r.Text(), DisplayName: r.Text(), Level: r.Int(), Created: r.Time(), Updated: r.Time(), Revision: r.Int64(),
		Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

// LoadSource implements [intake.Sources].
func (s *Sources) LoadSource(ctx context.Context, name string) (of intake.Source, err error) {
	err = engine.One(ctx, s.DB, identity.ErrNotFound, loadSource, func(r *engine.Row) { of = scanSource(r) }, name)
	if err != nil {
		return intake.Source{}, fmt.Errorf("loading a source: %w", err)
	}
	return of, nil
}

// ListSources implements [intake.Sources].
func (s *Sources) ListSources(ctx context.Context, after string, limit int) ([]intake.Source, error) {
	all, err := engine.Many(ctx, s.DB, listSources, scanSource, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing sources: %w", err)
	}
	return all, nil
}

// Links implements [intake.Links].
type Links struct{ DB *engine.DB }

// Arrive implements [intake.Links].
func (s *Links) Arrive(ctx context.Context, a intake.Arrival) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		if err := createLink(c, a.Link); err != nil || a.Made == nil {
			return err
		}
		if a.Made.Party != nil {
			if err := createParty(c, *a.Made.Party); err != nil {
				return err
			}
		}
		if err := createAccount(c, a.Made.Account); err != nil {
			return err
		}
		return ledger.AppendEvents(c, a.Event)
	})
	if err != nil {
		return fmt.Errorf("storing an arrival: %w", err)
	}
	return nil
}

func createLink(c *engine.Conn, l intake.LinkRecord) error {
	n, err := c.Exec(`INSERT INTO links (id, body, created) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING`, l.ID, l.Body, l.Created)
	if err == nil && n == 0 {
		return identity.ErrExists
	}
	if err != nil {
		return err
	}
	return saveKeys(c, l)
}

func saveKeys(c *engine.Conn, l intake.LinkRecord) error {
	return lead(c, `
		INSERT INTO link_keys (serial, sum, link) VALUES (?, ?, ?)
		ON CONFLICT (serial, sum) DO UPDATE SET link = excluded.link WHERE link = excluded.link`, l.Keys, l.ID)
}

// UpdateLink implements [intake.Links].
func (s *Links) UpdateLink(ctx context.Context, l intake.LinkRecord, old []byte) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`UPDATE links SET body = ? WHERE id = ? AND body = ?`, l.Body, l.ID, old)
		if err == nil && n == 0 {
			return identity.ErrConflict
		}
		if err != nil {
			return err
		}
		if _, err := c.Exec(`DELETE FROM link_keys WHERE link = ?`, l.ID); err != nil {
			return err
		}
		return saveKeys(c, l)
	})
	if err != nil {
		return fmt.Errorf("updating link %s: %w", l.ID, err)
	}
	return nil
}

const (
	findLink  = `SELECT l.id, l.body, l.created FROM link_keys k CROSS JOIN links l ON l.id = k.link WHERE k.serial = ? AND k.sum = ?`
	listLinks = `SELECT id, body, created FROM links WHERE id > ? ORDER BY id LIMIT ?`
)

func scanLink(r *engine.Row) intake.LinkRecord {
	return intake.LinkRecord{ID: r.Text(), Body: r.Bytes(), Created: r.Time()}
}

// FindLink implements [intake.Links].
func (s *Links) FindLink(ctx context.Context, keys []signing.Lookup) (intake.LinkRecord, error) {
	l, err := byKeys(ctx, s.DB, keys, findLink, scanLink)
	if err != nil {
		return intake.LinkRecord{}, fmt.Errorf("finding a link: %w", err)
	}
	return l, nil
}

// ListLinks implements [intake.Links].
func (s *Links) ListLinks(ctx context.Context, after string, limit int) ([]intake.LinkRecord, error) {
	all, err := engine.Many(ctx, s.DB, listLinks, scanLink, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing links: %w", err)
	}
	return all, nil
}
