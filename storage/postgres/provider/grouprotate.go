package provider

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/token"
	"yizheng.internal/storage/postgres/engine"
)

// Rotation is a family whose refresh token was rotated.
type Rotation struct {
	Family token.FamilyRecord
	// saved is set when the group that it went with has saved it. One whose revision
	// is no longer the stored one changes nothing, and disturbs none of its group.
	saved *bool
}

func rotationKeys(r Rotation) [][32]byte { return [][32]byte{sha256.Sum256([]byte(r.Family.ID))} }

func rotationIDs(r Rotation) []string { return []string{r.Family.ID} }

// UpdateFamilies is [UpdateFamily] for many, with their registers.
const UpdateFamilies = `WITH marked AS (
		UPDATE families SET session = n.session, revision = families.revision + 1, number = n.number, rotated = n.rotated,
			expires = n.expires, ended = n.ended, ended_by = n.ended_by, body = n.body, auth = n.auth
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
				$7::timestamptz[], $8::text[], $9::bytea[], $10::bytea[], $11::bytea[])
			AS n (id, revision, session, number, rotated, expires, ended, ended_by, body, auth, mark)
		WHERE families.id = n.id AND families.revision = n.revision
		RETURNING families.id, n.mark)
	INSERT INTO registers (kind, id, mark) SELECT 'families', id, mark FROM marked
	ON CONFLICT (kind, id) DO UPDATE SET mark = excluded.mark
	RETURNING id`

// queueRotations adds what updating each family alone does.
func queueRotations(b *pgx.Batch, rs []Rotation) {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(x, y Rotation) int { return cmp.Compare(x.Family.ID, y.Family.ID) })
	b.Queue(UpdateFamilies, RotationColumns(rs)...).Query(func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, r := range rs {
			*r.saved = slices.Contains(ids, r.Family.ID)
		}
		return nil
	})
}

func RotationColumns(rs []Rotation) []any {
	return []any{
		engine.Column(rs, func(r *Rotation) string { return r.Family.ID }),
		engine.Column(rs, func(r *Rotation) int64 { return r.Family.Revision }),
		engine.Column(rs, func(r *Rotation) string { return r.Family.Session }),
		engine.Column(rs, func(r *Rotation) int64 { return r.Family.Number }),
		engine.Column(rs, func(r *Rotation) *time.Time { return engine.Optional(r.Family.Rotated) }),
		engine.Column(rs, func(r *Rotation) time.Time { return r.Family.Expires }),
		engine.Column(rs, func(r *Rotation) *time.Time { return engine.Optional(r.Family.Ended) }),
		engine.Column(rs, func(r *Rotation) string { return r.Family.EndedBy }),
		engine.Column(rs, func(r *Rotation) []byte { return r.Family.Body }),
		engine.Column(rs, func(r *Rotation) []byte { return r.Family.Auth }),
		engine.Column(rs, func(r *Rotation) []byte { return r.Family.Mark }),
	}
}
