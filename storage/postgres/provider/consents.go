package provider

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Consents implements [consent.Store].
type Consents struct{ DB *engine.DB }

// deleteConsents leaves of consents their registers, and rows from which it is known
// when those may go.
const deleteConsents = `WITH led AS (DELETE FROM consent_parties WHERE consent = ANY ($1::text[])),
	gone AS (UPDATE consents SET body = NULL FROM (SELECT DISTINCT ON (id) id, mark FROM unnest($1::text[], $2::bytea[]) AS k (id, mark)) k
		WHERE consents.id = k.id RETURNING consents.id, k.mark)
	INSERT INTO registers (kind, id, mark) SELECT 'consents', id, mark FROM gone
	ON CONFLICT (kind, id) DO UPDATE SET mark = excluded.mark`

func queueDeleteConsents(b *pgx.Batch, ended []consent.Ended) {
	if len(ended) > 0 {
		b.Queue(deleteConsents, engine.Column(ended, func(c *consent.Ended) string { return c.ID }), engine.Column(ended, func(c *consent.Ended) []byte { return c.Mark }))
	}
}

// CreateConsent implements [consent.Store].
func (s *Consents) CreateConsent(ctx context.Context, c consent.Record, instead []consent.Ended, es ...journal.Event) error {
	sums, serials := engine.Columns(c.Party)
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO consents (id, client, created, expires, body) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING`,
			c.ID, c.Client, c.Created, c.Expires, c.Body).Exec(engine.Changed(oidc.ErrExists))
		b.Queue(`INSERT INTO consent_parties (sum, serial, created, consent)
			SELECT DISTINCT k.sum, k.serial, $1::timestamptz, $2 FROM unnest($3::bytea[], $4::integer[]) AS k (sum, serial)`,
			c.Created, c.ID, sums, serials)
		queueDeleteConsents(b, instead)
		ledger.QueueEvents(b, es...)
	})
	if err != nil {
		return fmt.Errorf("creating consent %s: %w", c.ID, err)
	}
	return nil
}

// DeleteConsents implements [consent.Store].
func (s *Consents) DeleteConsents(ctx context.Context, ended []consent.Ended, es ...journal.Event) error {
	if len(ended)+len(es) == 0 {
		return ctx.Err()
	}
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		queueDeleteConsents(b, ended)
		ledger.QueueEvents(b, es...)
	})
	if err != nil {
		return fmt.Errorf("deleting consents: %w", err)
	}
	return nil
}

func scanConsent(row pgx.CollectableRow) (c consent.Record, err error) {
	err = row.Scan(&c.ID, &c.Client, &c.Created, &c.Expires, &c.Body, &c.Mark)
	return c, err
}

// consentsOf seeks each consent by its id; see [SessionsOf].
const consentsOf = `SELECT c.id, c.client, c.created, c.expires, c.body,
	(SELECT mark FROM registers WHERE kind = 'consents' AND id = c.id) FROM consent_parties k
	CROSS JOIN LATERAL (SELECT * FROM consents WHERE id = k.consent OFFSET 0) c
	WHERE k.serial = $1 AND k.sum = $2 AND c.expires > $3
	ORDER BY k.created DESC, k.consent DESC LIMIT $4`

// ListConsents implements [consent.Store], with a query for each key.
func (s *Consents) ListConsents(ctx context.Context, party []signing.Lookup, at time.Time, limit int) ([]consent.Record, error) {
	all, err := ofParty(ctx, s.DB, scanConsent, consentsOf, party, at, limit, func(r consent.Record) (time.Time, string) { return r.Created, r.ID })
	if err != nil {
		return nil, fmt.Errorf("listing consents: %w", err)
	}
	return all, nil
}
