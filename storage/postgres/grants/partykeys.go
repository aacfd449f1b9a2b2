package grants

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
)

// GrantsAfter implements [grant.KeyStore].
func (s *Grants) GrantsAfter(ctx context.Context, after grant.ID, limit int) ([]grant.Record, error) {
	gs, err := engine.Collect(ctx, s.DB, scanGrant, `SELECT `+grantNames+` FROM grants g WHERE g.id > $1 ORDER BY g.id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing all grants: %w", err)
	}
	return gs, nil
}

// AddGrantKeys implements [grant.KeyStore].
func (s *Grants) AddGrantKeys(ctx context.Context, id grant.ID, party []signing.Lookup) error {
	sums, serials := engine.Columns(party)
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`SELECT 1 FROM grants WHERE id = $1`, id).QueryRow(there)
		b.Queue(`INSERT INTO grant_parties (sum, serial, created, grant_id)
			SELECT k.sum, k.serial, g.created, g.id FROM grants g, unnest($2::bytea[], $3::integer[]) AS k (sum, serial)
			WHERE g.id = $1
			ON CONFLICT (serial, sum, grant_id) DO NOTHING`, id, sums, serials)
	})
	if err != nil {
		return fmt.Errorf("adding lookup keys of grant %s: %w", id, err)
	}
	return nil
}

// AccessAfter implements [access.KeyStore].
func (s *Readings) AccessAfter(ctx context.Context, after int64, limit int) ([]access.Record, error) {
	as, err := engine.Collect(ctx, s.DB, scanAccess, `SELECT `+accessNames+` FROM access_records a WHERE a.seq > $1 ORDER BY a.seq LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("listing all access records: %w", err)
	}
	return as, nil
}

// AddAccessKeys implements [access.KeyStore].
func (s *Readings) AddAccessKeys(ctx context.Context, a access.Record, party []signing.Lookup) error {
	sums, serials := engine.Columns(party)
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`SELECT 1 FROM access_records WHERE seq = $1 AND at = $2`, a.Seq, a.At).QueryRow(there)
		b.Queue(`INSERT INTO access_parties (sum, serial, seq, at)
			SELECT k.sum, k.serial, $1, $2 FROM unnest($3::bytea[], $4::integer[]) AS k (sum, serial)
			ON CONFLICT (serial, sum, seq) DO NOTHING`, a.Seq, a.At, sums, serials)
	})
	if err != nil {
		return fmt.Errorf("adding lookup keys of access record %d: %w", a.Seq, err)
	}
	return nil
}

// there is a callback that returns ErrNotFound if there is no row.
func there(row pgx.Row) error { return engine.Missing(row.Scan(new(int)), license.ErrNotFound) }
