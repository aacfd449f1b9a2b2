package licenses

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Catalog implements [entry.Store].
type Catalog struct{ DB *engine.DB }

// SaveEntries implements [entry.Store]. Partial unique indexes keep a code
// to one draft and one published version, also among calls that race.
func (s *Catalog) SaveEntries(ctx context.Context, k entry.Kind, e journal.Event, rs ...entry.Record) error {
	table, err := ledger.CatalogTable(k)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, func(b *pgx.Batch) {
		for _, r := range rs {
			queueCatalog(b, table, r)
		}
		ledger.QueueEvents(b, e)
	})
	if engine.Violates(err, table+"_") {
		err = entry.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("saving %s: %w", k, err)
	}
	return nil
}

func queueCatalog(b *pgx.Batch, table string, r entry.Record) {
	if r.Revision == 0 {
		b.Queue(`INSERT INTO `+table+` (code, version, state, revision, owner, body, updated, auth)
			VALUES ($1, $2, $3, 1, $4, $5, $6, $7) ON CONFLICT (code, version) DO NOTHING`,
			r.Code, r.Version, r.State, r.Owner, r.Body, r.Updated, r.Auth).Exec(engine.Changed(entry.ErrConflict))
		return
	}
	b.Queue(`UPDATE `+table+` SET state = $4, revision = revision + 1, owner = $5, body = $6, updated = $7, auth = $8
		WHERE code = $1 AND version = $2 AND revision = $3`,
		r.Code, r.Version, r.Revision, r.State, r.Owner, r.Body, r.Updated, r.Auth).Exec(engine.Changed(entry.ErrConflict))
}

const catalogColumns = `code, version, state, revision, owner, body, updated, auth`

func scanCatalog(row pgx.CollectableRow) (r entry.Record, err error) {
	return r, row.Scan(&r.Code, &r.Version, &r.State, &r.Revision, &r.Owner, &r.Body, &r.Updated, &r.Auth)
}

// LoadEntries implements [entry.Store].
func (s *Catalog) LoadEntries(ctx context.Context, k entry.Kind, code string, before, limit int) ([]entry.Record, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	table, err := ledger.CatalogTable(k)
	if err != nil {
		return nil, err
	}
	rs, err := engine.Collect(ctx, s.DB, scanCatalog, `SELECT `+catalogColumns+` FROM `+table+`
		WHERE code = $1 AND version < $2::bigint ORDER BY version DESC LIMIT $3`, code, before, limit)
	if err != nil {
		return nil, fmt.Errorf("loading %s of %s: %w", code, k, err)
	}
	return rs, nil
}

// ListEntries implements [entry.Store].
func (s *Catalog) ListEntries(ctx context.Context, k entry.Kind, d entry.Drafts, after string, limit int) ([]entry.Record, error) {
	table, err := ledger.CatalogTable(k)
	if err != nil {
		return nil, err
	}
	rs, err := engine.Collect(ctx, s.DB, scanCatalog, `SELECT DISTINCT ON (code) `+catalogColumns+` FROM `+table+`
		WHERE code > $1 AND (state <> 'draft' OR $3 OR owner = $4) ORDER BY code, version DESC LIMIT $2`, after, limit, d.All, d.Of)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", k, err)
	}
	return rs, nil
}

// UseOfEntries implements [entry.Store].
func (s *Catalog) UseOfEntries(ctx context.Context, k entry.Kind, owner string) (entry.Use, error) {
	table, err := ledger.CatalogTable(k)
	if err != nil {
		return entry.Use{}, err
	}
	us, err := engine.Collect(ctx, s.DB, scanUse, `SELECT count(*) FILTER (WHERE state = 'draft'), coalesce(sum(octet_length(body)), 0)
		FROM `+table+` WHERE owner = $1`, owner)
	if err != nil {
		return entry.Use{}, fmt.Errorf("adding up %s: %w", k, err)
	}
	return us[0], nil
}

func scanUse(row pgx.CollectableRow) (u entry.Use, err error) {
	return u, row.Scan(&u.Drafts, &u.Bytes)
}
