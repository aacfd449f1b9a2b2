package postgres

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/token"
)

// rotation is a family whose refresh token was rotated.
type rotation struct {
	family token.FamilyRecord
	// saved is set when the group that it went with has saved it. One whose revision
	// is no longer the stored one changes nothing, and disturbs none of its group.
	saved *bool
}

func rotationKeys(r rotation) [][32]byte { return [][32]byte{sha256.Sum256([]byte(r.family.ID))} }

func rotationIDs(r rotation) []string { return []string{r.family.ID} }

// updateFamilies is [updateFamily] for many, with their registers.
const updateFamilies = `WITH marked AS (
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
func queueRotations(b *pgx.Batch, rs []rotation) {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(x, y rotation) int { return cmp.Compare(x.family.ID, y.family.ID) })
	b.Queue(updateFamilies, rotationColumns(rs)...).Query(func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, r := range rs {
			*r.saved = slices.Contains(ids, r.family.ID)
		}
		return nil
	})
}

func rotationColumns(rs []rotation) []any {
	return []any{
		column(rs, func(r *rotation) string { return r.family.ID }),
		column(rs, func(r *rotation) int64 { return r.family.Revision }),
		column(rs, func(r *rotation) string { return r.family.Session }),
		column(rs, func(r *rotation) int64 { return r.family.Number }),
		column(rs, func(r *rotation) *time.Time { return optional(r.family.Rotated) }),
		column(rs, func(r *rotation) time.Time { return r.family.Expires }),
		column(rs, func(r *rotation) *time.Time { return optional(r.family.Ended) }),
		column(rs, func(r *rotation) string { return r.family.EndedBy }),
		column(rs, func(r *rotation) []byte { return r.family.Body }),
		column(rs, func(r *rotation) []byte { return r.family.Auth }),
		column(rs, func(r *rotation) []byte { return r.family.Mark }),
	}
}
