package sqlite

import (
	"context"
	"fmt"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
)

// CreateClient implements [client.Store].
func (s *Provider) CreateClient(ctx context.Context, cl client.Record) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		_, err := c.exec(`
			INSERT INTO clients (id, participant, disabled, revision, body, created, updated, auth)
			VALUES (?, ?, ?, 1, ?, ?, ?, ?)`,
			cl.ID, cl.Participant, cl.Disabled, cl.Body, cl.Created, cl.Updated, cl.Auth)
		return taken(err, oidc.ErrExists)
	})
	if err != nil {
		return fmt.Errorf("creating client %s: %w", cl.ID, err)
	}
	return nil
}

// UpdateClient implements [client.Store].
func (s *Provider) UpdateClient(ctx context.Context, cl client.Record) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		n, err := c.exec(`
			UPDATE clients SET participant = ?, disabled = ?, revision = revision + 1, body = ?, updated = ?, auth = ?
			WHERE id = ? AND revision = ?`,
			cl.Participant, cl.Disabled, cl.Body, cl.Updated, cl.Auth, cl.ID, cl.Revision)
		if err == nil && n == 0 {
			return oidc.ErrConflict
		}
		if err != nil {
			return err
		}
		return saveMark(c, "clients", cl.ID, cl.Mark)
	})
	if err != nil {
		return fmt.Errorf("updating client %s: %w", cl.ID, err)
	}
	return nil
}

const clientColumns = `id, participant, disabled, revision, body, created, updated, auth,
	(SELECT mark FROM registers WHERE kind = 'clients' AND registers.id = clients.id)`

func scanClient(r *row) client.Record {
	return client.Record{
		ID: r.text(), Participant: r.text(), Disabled: r.bool(), Revision: r.int64(),
		Body: r.bytes(), Created: r.time(), Updated: r.time(), Auth: r.bytes(), Mark: r.bytes(),
	}
}

const loadClient = "SELECT " + clientColumns + " FROM clients WHERE id = ?"

// LoadClient implements [client.Store].
func (s *Provider) LoadClient(ctx context.Context, id string) (client.Record, error) {
	var cl client.Record
	err := one(ctx, s.db, oidc.ErrNotFound, loadClient, func(r *row) { cl = scanClient(r) }, id)
	if err != nil {
		return client.Record{}, fmt.Errorf("loading a client: %w", err)
	}
	return cl, nil
}

const (
	listClients   = "SELECT " + clientColumns + " FROM clients WHERE id > ? ORDER BY id LIMIT ?"
	listClientsOf = "SELECT " + clientColumns + " FROM clients WHERE participant = ? AND id > ? ORDER BY id LIMIT ?"
)

// ListClients implements [client.Store].
func (s *Provider) ListClients(ctx context.Context, participant, after string, limit int) ([]client.Record, error) {
	sql, values := listClients, []any{after, max(limit, 0)}
	if participant != "" {
		sql, values = listClientsOf, []any{participant, after, max(limit, 0)}
	}
	cs, err := many(ctx, s.db, sql, scanClient, values...)
	if err != nil {
		return nil, fmt.Errorf("listing clients: %w", err)
	}
	return cs, nil
}
