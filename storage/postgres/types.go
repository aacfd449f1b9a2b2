package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing/journal"
)

// SaveTypes implements [catalog.TypeStore]. Partial unique indexes keep a code
// to one draft and one published version, also among calls that race.
func (s *Licenses) SaveTypes(ctx context.Context, e journal.Event, ts ...catalog.TypeRecord) error {
	err := s.db.write(ctx, func(b *pgx.Batch) {
		for _, t := range ts {
			queueType(b, t)
		}
		queueEvents(b, e)
	})
	if violates(err, "types_") {
		err = catalog.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("saving license types: %w", err)
	}
	return nil
}

func queueType(b *pgx.Batch, t catalog.TypeRecord) {
	if t.Revision == 0 {
		b.Queue(`INSERT INTO types (code, version, state, revision, owner, body, updated, auth)
			VALUES ($1, $2, $3, 1, $4, $5, $6, $7) ON CONFLICT (code, version) DO NOTHING`,
			t.Code, t.Version, t.State, t.Owner, t.Body, t.Updated, t.Auth).Exec(changed(catalog.ErrConflict))
		return
	}
	b.Queue(`UPDATE types SET state = $4, revision = revision + 1, owner = $5, body = $6, updated = $7, auth = $8
		WHERE code = $1 AND version = $2 AND revision = $3`,
		t.Code, t.Version, t.Revision, t.State, t.Owner, t.Body, t.Updated, t.Auth).Exec(changed(catalog.ErrConflict))
}

const typeNames = `code, version, state, revision, owner, body, updated, auth`

func scanType(row pgx.CollectableRow) (t catalog.TypeRecord, err error) {
	return t, row.Scan(&t.Code, &t.Version, &t.State, &t.Revision, &t.Owner, &t.Body, &t.Updated, &t.Auth)
}

// LoadTypes implements [catalog.TypeStore].
func (s *Licenses) LoadTypes(ctx context.Context, code credential.TypeCode, before, limit int) ([]catalog.TypeRecord, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	ts, err := collect(ctx, s.db, scanType, `SELECT `+typeNames+` FROM types
		WHERE code = $1 AND version < $2::bigint ORDER BY version DESC LIMIT $3`, code, before, limit)
	if err != nil {
		return nil, fmt.Errorf("loading license type %s: %w", code, err)
	}
	return ts, nil
}

// ListTypes implements [catalog.TypeStore].
func (s *Licenses) ListTypes(ctx context.Context, d catalog.Drafts, after credential.TypeCode, limit int) ([]catalog.TypeRecord, error) {
	ts, err := collect(ctx, s.db, scanType, `SELECT DISTINCT ON (code) `+typeNames+` FROM types
		WHERE code > $1 AND (state <> 'draft' OR $3 OR owner = $4) ORDER BY code, version DESC LIMIT $2`, after, limit, d.All, d.Of)
	if err != nil {
		return nil, fmt.Errorf("listing license types: %w", err)
	}
	return ts, nil
}

// UseOfTypes implements [catalog.TypeStore].
func (s *Licenses) UseOfTypes(ctx context.Context, owner string) (catalog.Use, error) {
	us, err := collect(ctx, s.db, scanUse, `SELECT count(*) FILTER (WHERE state = 'draft'), coalesce(sum(octet_length(body)), 0)
		FROM types WHERE owner = $1`, owner)
	if err != nil {
		return catalog.Use{}, fmt.Errorf("adding up license types: %w", err)
	}
	return us[0], nil
}

func scanUse(row pgx.CollectableRow) (u catalog.Use, err error) {
	return u, row.Scan(&u.Drafts, &u.Bytes)
}
