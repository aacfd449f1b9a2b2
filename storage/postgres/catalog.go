package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/catalog"
	"yizheng.internal/signing/journal"
)

// The entries of each kind lie in a table of its own, with the same columns and indexes as
// the others. It is named like the kind, but for that of types. A kind's name is never
// anybody's input.

// catalogTable returns the table of a kind of entries, if there is such a kind.
func catalogTable(k catalog.Kind) (string, error) {
	switch {
	case k == catalog.KindType:
		return "types", nil
	case slices.Contains(catalog.Kinds, k):
		return string(k), nil
	}
	return "", fmt.Errorf("there is no kind of entries %q", k)
}

// SaveEntries implements [catalog.EntryStore]. Partial unique indexes keep a code
// to one draft and one published version, also among calls that race.
func (s *Licenses) SaveEntries(ctx context.Context, k catalog.Kind, e journal.Event, rs ...catalog.Record) error {
	table, err := catalogTable(k)
	if err != nil {
		return err
	}
	err = s.db.write(ctx, func(b *pgx.Batch) {
		for _, r := range rs {
			queueCatalog(b, table, r)
		}
		queueEvents(b, e)
	})
	if violates(err, table+"_") {
		err = catalog.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("saving %s: %w", k, err)
	}
	return nil
}

func queueCatalog(b *pgx.Batch, table string, r catalog.Record) {
	if r.Revision == 0 {
		b.Queue(`INSERT INTO `+table+` (code, version, state, revision, owner, body, updated, auth)
			VALUES ($1, $2, $3, 1, $4, $5, $6, $7) ON CONFLICT (code, version) DO NOTHING`,
			r.Code, r.Version, r.State, r.Owner, r.Body, r.Updated, r.Auth).Exec(changed(catalog.ErrConflict))
		return
	}
	b.Queue(`UPDATE `+table+` SET state = $4, revision = revision + 1, owner = $5, body = $6, updated = $7, auth = $8
		WHERE code = $1 AND version = $2 AND revision = $3`,
		r.Code, r.Version, r.Revision, r.State, r.Owner, r.Body, r.Updated, r.Auth).Exec(changed(catalog.ErrConflict))
}

const catalogColumns = `code, version, state, revision, owner, body, updated, auth`

func scanCatalog(row pgx.CollectableRow) (r catalog.Record, err error) {
	return r, row.Scan(&r.Code, &r.Version, &r.State, &r.Revision, &r.Owner, &r.Body, &r.Updated, &r.Auth)
}

// LoadEntries implements [catalog.EntryStore].
func (s *Licenses) LoadEntries(ctx context.Context, k catalog.Kind, code string, before, limit int) ([]catalog.Record, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	table, err := catalogTable(k)
	if err != nil {
		return nil, err
	}
	rs, err := collect(ctx, s.db, scanCatalog, `SELECT `+catalogColumns+` FROM `+table+`
		WHERE code = $1 AND version < $2::bigint ORDER BY version DESC LIMIT $3`, code, before, limit)
	if err != nil {
		return nil, fmt.Errorf("loading %s of %s: %w", code, k, err)
	}
	return rs, nil
}

// ListEntries implements [catalog.EntryStore].
func (s *Licenses) ListEntries(ctx context.Context, k catalog.Kind, d catalog.Drafts, after string, limit int) ([]catalog.Record, error) {
	table, err := catalogTable(k)
	if err != nil {
		return nil, err
	}
	rs, err := collect(ctx, s.db, scanCatalog, `SELECT DISTINCT ON (code) `+catalogColumns+` FROM `+table+`
		WHERE code > $1 AND (state <> 'draft' OR $3 OR owner = $4) ORDER BY code, version DESC LIMIT $2`, after, limit, d.All, d.Of)
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", k, err)
	}
	return rs, nil
}

// UseOfEntries implements [catalog.EntryStore].
func (s *Licenses) UseOfEntries(ctx context.Context, k catalog.Kind, owner string) (catalog.Use, error) {
	table, err := catalogTable(k)
	if err != nil {
		return catalog.Use{}, err
	}
	us, err := collect(ctx, s.db, scanUse, `SELECT count(*) FILTER (WHERE state = 'draft'), coalesce(sum(octet_length(body)), 0)
		FROM `+table+` WHERE owner = $1`, owner)
	if err != nil {
		return catalog.Use{}, fmt.Errorf("adding up %s: %w", k, err)
	}
	return us[0], nil
}

func scanUse(row pgx.CollectableRow) (u catalog.Use, err error) {
	return u, row.Scan(&u.Drafts, &u.Bytes)
}
