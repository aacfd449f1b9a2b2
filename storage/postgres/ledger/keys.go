package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
)

// Keys implements [signing.Records] and [signing.RevocationLists].
type Keys struct{ DB *engine.DB }

const (
	keyNames = `id, purpose, owner, serial, algorithm, state, public_key, chain, wrapped, wrapped_by, created,
	activated, retired, revoked, reason, thumbprint, revision, auth`
	keyMark = `(SELECT mark FROM registers WHERE kind = 'keys' AND registers.id = keys.id)`
)

// CreateKey implements [signing.Records].
func (s *Keys) CreateKey(ctx context.Context, k signing.KeyRecord) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO keys (`+keyNames+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 1, $17)`,
			k.ID, k.Purpose, k.Owner, k.Serial, k.Algorithm, k.State, k.PublicKey, k.Chain, k.Wrapped, k.WrappedBy,
			k.Created, engine.Optional(k.Activated), engine.Optional(k.Retired), engine.Optional(k.Revoked), k.Reason, k.Thumbprint, k.Auth)
	})
	switch {
	case engine.Violates(err, "keys_active"):
		err = signing.ErrConflict
	case engine.Violates(err, "keys_"):
		err = signing.ErrExists
	}
	if err != nil {
		return fmt.Errorf("creating key %s: %w", k.ID, err)
	}
	return nil
}

// LoadKey implements [signing.Records].
func (s *Keys) LoadKey(ctx context.Context, id signing.KeyID) (signing.KeyRecord, error) {
	ks, err := engine.Collect(ctx, s.DB, scanKey, `SELECT `+keyNames+`, `+keyMark+` FROM keys WHERE id = $1`, id)
	if err == nil && len(ks) == 0 {
		err = signing.ErrNoKey
	}
	if err != nil {
		return signing.KeyRecord{}, fmt.Errorf("loading key %s: %w", id, err)
	}
	return ks[0], nil
}

// ListKeys implements [signing.Records].
func (s *Keys) ListKeys(ctx context.Context, purpose signing.Purpose) ([]signing.KeyRecord, error) {
	ks, err := engine.Collect(ctx, s.DB, scanKey, `SELECT `+keyNames+`, `+keyMark+` FROM keys
		WHERE purpose = $1 OR $1 = '' ORDER BY purpose, owner, serial`, purpose)
	if err != nil {
		return nil, fmt.Errorf("listing keys: %w", err)
	}
	return ks, nil
}

// UpdateKeys implements [signing.Records]. It locks all rows by id first, for
// two calls may name the same keys in different orders.
func (s *Keys) UpdateKeys(ctx context.Context, ks ...signing.KeyRecord) error {
	if len(ks) == 0 {
		return ctx.Err()
	}
	var ids []string
	for _, k := range ks {
		ids = append(ids, string(k.ID))
	}
	slices.Sort(ids)
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		for _, id := range slices.Compact(slices.Clone(ids)) {
			b.Queue(`SELECT id FROM keys WHERE id = $1 FOR UPDATE`, id)
		}
		for _, k := range ks {
			b.Queue(Marked(`UPDATE keys SET purpose = $3, owner = $4, serial = $5, algorithm = $6, state = $7,
					public_key = $8, chain = $9, wrapped = $10, wrapped_by = $11, created = $12, activated = $13,
					retired = $14, revoked = $15, reason = $16, auth = $17, revision = revision + 1
				WHERE id = $1 AND revision = $2`, "keys", 18),
				k.ID, k.Revision, k.Purpose, k.Owner, k.Serial, k.Algorithm, k.State, k.PublicKey, k.Chain, k.Wrapped,
				k.WrappedBy, k.Created, engine.Optional(k.Activated), engine.Optional(k.Retired), engine.Optional(k.Revoked), k.Reason, k.Auth, k.Mark).
				Exec(engine.Changed(signing.ErrConflict))
		}
	})
	if engine.Violates(err, "keys_") {
		err = signing.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("updating keys: %w", err)
	}
	return nil
}

func scanKey(row pgx.CollectableRow) (k signing.KeyRecord, err error) {
	var activated, retired, revoked *time.Time
	err = row.Scan(&k.ID, &k.Purpose, &k.Owner, &k.Serial, &k.Algorithm, &k.State, &k.PublicKey, &k.Chain, &k.Wrapped,
		&k.WrappedBy, &k.Created, &activated, &retired, &revoked, &k.Reason, &k.Thumbprint, &k.Revision, &k.Auth, &k.Mark)
	for _, t := range []struct{ from, to *time.Time }{{activated, &k.Activated}, {retired, &k.Retired}, {revoked, &k.Revoked}} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	return k, err
}
