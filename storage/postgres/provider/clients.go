// Package provider keeps in PostgreSQL what the OpenID provider needs: clients, sessions,
// families of tokens, spent codes, and what people agreed to show.
package provider

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Clients implements [client.Store].
type Clients struct{ DB *engine.DB }

const (
	clientNames = `id, participant, disabled, revision, body, created, updated, auth`
	clientMark  = `(SELECT mark FROM registers WHERE kind = 'clients' AND registers.id = clients.id)`
)

// CreateClient implements [client.Store].
func (s *Clients) CreateClient(ctx context.Context, c client.Record) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO clients (`+clientNames+`) VALUES ($1, $2, $3, 1, $4, $5, $6, $7)
			ON CONFLICT (id) DO NOTHING`, c.ID, c.Participant, c.Disabled, c.Body, c.Created, c.Updated, c.Auth).
			Exec(engine.Changed(oidc.ErrExists))
	})
	if err != nil {
		return fmt.Errorf("creating client %s: %w", c.ID, err)
	}
	return nil
}

// LoadClient implements [client.Store].
func (s *Clients) LoadClient(ctx context.Context, id string) (client.Record, error) {
	cs, err := engine.Collect(ctx, s.DB, scanClient, `SELECT `+clientNames+`, `+clientMark+` FROM clients WHERE id = $1`, id)
	if err == nil && len(cs) == 0 {
		err = oidc.ErrNotFound
	}
	if err != nil {
		return client.Record{}, fmt.Errorf("loading client: %w", err)
	}
	return cs[0], nil
}

// ListClients implements [client.Store].
func (s *Clients) ListClients(ctx context.Context, participant, after string, limit int) ([]client.Record, error) {
	where, args := "", []any{after, limit}
	if participant != "" {
		where, args = "AND participant = $3 ", append(args, participant)
	}
	cs, err := engine.Collect(ctx, s.DB, scanClient, `SELECT `+clientNames+`, `+clientMark+` FROM clients
		WHERE id > $1 `+where+`ORDER BY id LIMIT $2`, args...)
	if err != nil {
		return nil, fmt.Errorf("listing clients: %w", err)
	}
	return cs, nil
}

// UpdateClient implements [client.Store].
func (s *Clients) UpdateClient(ctx context.Context, c client.Record) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(ledger.Marked(`UPDATE clients SET participant = $3, disabled = $4, body = $5, updated = $6, auth = $7, revision = revision + 1
			WHERE id = $1 AND revision = $2`, "clients", 8), c.ID, c.Revision, c.Participant, c.Disabled, c.Body, c.Updated, c.Auth, c.Mark).
			Exec(engine.Changed(oidc.ErrConflict))
	})
	if err != nil {
		return fmt.Errorf("updating client %s: %w", c.ID, err)
	}
	return nil
}

func scanClient(row pgx.CollectableRow) (c client.Record, err error) {
	return c, row.Scan(&c.ID, &c.Participant, &c.Disabled, &c.Revision, &c.Body, &c.Created, &c.Updated, &c.Auth, &c.Mark)
}
