package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/catalog"
	"yizheng.internal/signing/journal"
)

// SaveItems implements [catalog.ItemStore], as SaveTypes does for types.
func (s *Licenses) SaveItems(ctx context.Context, e journal.Event, is ...catalog.ItemRecord) error {
	err := s.db.write(ctx, func(b *pgx.Batch) {
		for _, i := range is {
			queueItem(b, i)
		}
		queueEvents(b, e)
	})
	if violates(err, "service_items_") {
		err = catalog.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("saving service items: %w", err)
	}
	return nil
}

func queueItem(b *pgx.Batch, i catalog.ItemRecord) {
	if i.Revision == 0 {
		b.Queue(`INSERT INTO service_items (code, version, state, revision, owner, body, updated, auth)
			VALUES ($1, $2, $3, 1, $4, $5, $6, $7) ON CONFLICT (code, version) DO NOTHING`,
			i.Code, i.Version, i.State, i.Owner, i.Body, i.Updated, i.Auth).Exec(changed(catalog.ErrConflict))
		return
	}
	b.Queue(`UPDATE service_items SET state = $4, revision = revision + 1, owner = $5, body = $6, updated = $7, auth = $8
		WHERE code = $1 AND version = $2 AND revision = $3`,
		i.Code, i.Version, i.Revision, i.State, i.Owner, i.Body, i.Updated, i.Auth).Exec(changed(catalog.ErrConflict))
}

const itemNames = `code, version, state, revision, owner, body, updated, auth`

func scanItem(row pgx.CollectableRow) (i catalog.ItemRecord, err error) {
	return i, row.Scan(&i.Code, &i.Version, &i.State, &i.Revision, &i.Owner, &i.Body, &i.Updated, &i.Auth)
}

// LoadItems implements [catalog.ItemStore].
func (s *Licenses) LoadItems(ctx context.Context, code catalog.ItemCode, before, limit int) ([]catalog.ItemRecord, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	is, err := collect(ctx, s.db, scanItem, `SELECT `+itemNames+` FROM service_items
		WHERE code = $1 AND version < $2::bigint ORDER BY version DESC LIMIT $3`, code, before, limit)
	if err != nil {
		return nil, fmt.Errorf("loading service item %s: %w", code, err)
	}
	return is, nil
}

// ListItems implements [catalog.ItemStore].
func (s *Licenses) ListItems(ctx context.Context, d catalog.Drafts, after catalog.ItemCode, limit int) ([]catalog.ItemRecord, error) {
	is, err := collect(ctx, s.db, scanItem, `SELECT DISTINCT ON (code) `+itemNames+` FROM service_items
		WHERE code > $1 AND (state <> 'draft' OR $3 OR owner = $4) ORDER BY code, version DESC LIMIT $2`, after, limit, d.All, d.Of)
	if err != nil {
		return nil, fmt.Errorf("listing service items: %w", err)
	}
	return is, nil
}

// UseOfItems implements [catalog.ItemStore].
func (s *Licenses) UseOfItems(ctx context.Context, owner string) (catalog.Use, error) {
	us, err := collect(ctx, s.db, scanUse, `SELECT count(*) FILTER (WHERE state = 'draft'), coalesce(sum(octet_length(body)), 0)
		FROM service_items WHERE owner = $1`, owner)
	if err != nil {
		return catalog.Use{}, fmt.Errorf("adding up service items: %w", err)
	}
	return us[0], nil
}
