// Package provider keeps in SQLite what the OpenID provider needs: clients, sessions,
// families of tokens, spent codes, and what people agreed to show.
package provider

import (
	"context"
	"fmt"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Clients implements [client.Store].
type Clients struct{ DB *engine.DB }

// CreateClient implements [client.Store].
func (s *Clients) CreateClient(ctx context.Context, cl client.Record) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		_, err := c.Exec(`
			INSERT INTO clients (id, participant, disabled, revision, body, created, updated, auth)
			VALUES (?, ?, ?, 1, ?, ?, ?, ?)`,
			cl.ID, cl.Participant, cl.Disabled, cl.Body, cl.Created, cl.Updated, cl.Auth)
		return engine.Taken(err, oidc.ErrExists)
	})
	if err != nil {
		return fmt.Errorf("creating client %s: %w", cl.ID, err)
	}
	return nil
}

// UpdateClient implements [client.Store].
func (s *Clients) UpdateClient(ctx context.Context, cl client.Record) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`
			UPDATE clients SET participant = ?, disabled = ?, revision = revision + 1, body = ?, updated = ?, auth = ?
			WHERE id = ? AND revision = ?`,
			cl.Participant, cl.Disabled, cl.Body, cl.Updated, cl.Auth, cl.ID, cl.Revision)
		if err == nil && n == 0 {
			return oidc.ErrConflict
		}
		if err != nil {
			return err
		}
		return ledger.SaveMark(c, "clients", cl.ID, cl.Mark)
	})
	if err != nil {
		return fmt.Errorf("updating client %s: %w", cl.ID, err)
	}
	return nil
}

const clientColumns = `id, participant, disabled, revision, body, created, updated, auth,
	(SELECT mark FROM registers WHERE kind = 'clients' AND registers.id = clients.id)`

func scanClient(r *engine.Row) client.Record {
	return client.Record{
		ID: r.Text(), Participant: r.Text(), Disabled: r.Bool(), Revision: r.Int64(),
		Body: r.Bytes(), Created: r.Time(), Updated: r.Time(), Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

const LoadClient = "SELECT " + clientColumns + " FROM clients WHERE id = ?"

// LoadClient implements [client.Store].
func (s *Clients) LoadClient(ctx context.Context, id string) (client.Record, error) {
	var cl client.Record
	err := engine.One(ctx, s.DB, oidc.ErrNotFound, LoadClient, func(r *engine.Row) { cl = scanClient(r) }, id)
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
func (s *Clients) ListClients(ctx context.Context, participant, after string, limit int) ([]client.Record, error) {
	sql, values := listClients, []any{after, max(limit, 0)}
	if participant != "" {
		sql, values = listClientsOf, []any{participant, after, max(limit, 0)}
	}
	cs, err := engine.Many(ctx, s.DB, sql, scanClient, values...)
	if err != nil {
		return nil, fmt.Errorf("listing clients: %w", err)
	}
	return cs, nil
}
