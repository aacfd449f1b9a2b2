package identities

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/representation"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Representations implements [representation.Store].
type Representations struct{ DB *engine.DB }

// CreateRepresentation implements [representation.Store].
func (s *Representations) CreateRepresentation(ctx context.Context, r representation.Record, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO representations (id, state, revision, body, created, updated, auth)
			VALUES ($1, $2, 1, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING`,
			r.ID, r.State, r.Body, r.Created, r.Updated, r.Auth).Exec(engine.Changed(identity.ErrExists))
		queueRepresentationKeys(b, r)
		ledger.QueueEvents(b, es...)
	})
	if err != nil {
		return fmt.Errorf("creating representation %s: %w", r.ID, err)
	}
	return nil
}

// UpdateRepresentation implements [representation.Store].
func (s *Representations) UpdateRepresentation(ctx context.Context, r representation.Record, es ...journal.Event) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(ledger.Marked(`UPDATE representations SET state = $3, revision = revision + 1, body = $4, updated = $5, auth = $6
			WHERE id = $1 AND revision = $2`, "representations", 7), r.ID, r.Revision, r.State, r.Body, r.Updated, r.Auth, r.Mark).
			Exec(engine.Changed(identity.ErrConflict))
		b.Queue(`DELETE FROM representation_keys WHERE representation = $1`, r.ID)
		b.Queue(`DELETE FROM representation_uniques WHERE representation = $1`, r.ID)
		queueRepresentationKeys(b, r)
		ledger.QueueEvents(b, es...)
	})
	if err != nil {
		return fmt.Errorf("updating representation %s: %w", r.ID, err)
	}
	return nil
}

// queueRepresentationKeys makes keys lead to the representation; of the unique ones, see queueCodes.
func queueRepresentationKeys(b *pgx.Batch, r representation.Record) {
	sums, serials := engine.Columns(r.Keys)
	b.Queue(`INSERT INTO representation_keys (sum, serial, ended, created, representation)
		SELECT k.sum, k.serial, $4, r.created, r.id FROM representations r, unnest($2::bytea[], $3::integer[]) AS k (sum, serial) WHERE r.id = $1
		ON CONFLICT (serial, sum, ended, created, representation) DO NOTHING`, r.ID, sums, serials, r.State == representation.Ended)
	sums, serials = engine.Columns(r.Unique)
	b.Queue(`INSERT INTO representation_uniques (sum, serial, representation)
		SELECT k.sum, k.serial, $1 FROM unnest($2::bytea[], $3::integer[]) AS k (sum, serial)
		ON CONFLICT (serial, sum) DO NOTHING`, r.ID, sums, serials).Exec(changedAll(len(sums), identity.ErrExists))
}

const (
	representationNames = `r.id, r.state, r.revision, r.body, r.created, r.updated, r.auth,
	(SELECT mark FROM registers WHERE kind = 'representations' AND registers.id = r.id)`
	// FindRepresentations reads what keys lead to.
	FindRepresentations = `SELECT ` + representationNames + ` FROM (
			SELECT DISTINCT f.ended, f.created, f.representation FROM unnest($1::bytea[], $2::integer[]) AS k (sum, serial)
			CROSS JOIN LATERAL (SELECT ended, created, representation FROM representation_keys
				WHERE serial = k.serial AND sum = k.sum ORDER BY ended, created DESC, representation DESC LIMIT $3) f
			ORDER BY f.ended, f.created DESC, f.representation DESC LIMIT $3
		) found CROSS JOIN LATERAL (SELECT * FROM representations WHERE id = found.representation) r
		ORDER BY found.ended, found.created DESC, found.representation DESC`
)

func scanRepresentation(row pgx.CollectableRow) (r representation.Record, err error) {
	return r, row.Scan(&r.ID, &r.State, &r.Revision, &r.Body, &r.Created, &r.Updated, &r.Auth, &r.Mark)
}

// LoadRepresentation implements [representation.Store].
func (s *Representations) LoadRepresentation(ctx context.Context, id string) (representation.Record, error) {
	r, err := engine.One(ctx, s.DB, identity.ErrNotFound, scanRepresentation, `SELECT `+representationNames+` FROM representations r WHERE r.id = $1`, id)
	if err != nil {
		return representation.Record{}, fmt.Errorf("loading representation %s: %w", id, err)
	}
	return r, nil
}

// FindRepresentations implements [representation.Store].
func (s *Representations) FindRepresentations(ctx context.Context, keys []signing.Lookup, limit int) ([]representation.Record, error) {
	sums, serials := engine.Columns(keys)
	all, err := engine.Collect(ctx, s.DB, scanRepresentation, FindRepresentations, sums, serials, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("finding representations: %w", err)
	}
	return all, nil
}

// ListRepresentations implements [representation.Store].
func (s *Representations) ListRepresentations(ctx context.Context, after string, limit int) ([]representation.Record, error) {
	all, err := engine.Collect(ctx, s.DB, scanRepresentation, `SELECT `+representationNames+` FROM representations r WHERE r.id > $1 ORDER BY r.id LIMIT $2`,
		after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing representations: %w", err)
	}
	return all, nil
}
