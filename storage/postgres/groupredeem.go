package postgres

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// redemption is a code that leads to a family.
type redemption struct {
	code   [32]byte
	keep   time.Time
	family token.FamilyRecord
	events []journal.Event
}

func redemptionKeys(r redemption) [][32]byte { return [][32]byte{r.code} }

func redemptionIDs(r redemption) []string { return []string{r.family.ID} }

// queueRedemptions adds what redeeming each code alone adds: see
// [Provider.RedeemCode]. A code that was spent violates an index here.
func queueRedemptions(b *pgx.Batch, rs []redemption) {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(x, y redemption) int { return bytes.Compare(x.code[:], y.code[:]) })
	b.Queue(`INSERT INTO spent (hash, keep, family) SELECT * FROM unnest($1::bytea[], $2::timestamptz[], $3::text[])`,
		column(rs, func(r *redemption) []byte { return r.code[:] }),
		column(rs, func(r *redemption) time.Time { return r.keep }),
		column(rs, func(r *redemption) string { return r.family.ID }))
	fs := column(rs, func(r *redemption) token.FamilyRecord { return r.family })
	slices.SortFunc(fs, func(x, y token.FamilyRecord) int { return cmp.Compare(x.ID, y.ID) })
	queueFamilies(b, fs)
	queueFamilyParties(b, fs)
	var es []journal.Event
	for _, r := range rs {
		es = append(es, r.events...)
	}
	queueEvents(b, es...)
}

func queueFamilies(b *pgx.Batch, fs []token.FamilyRecord) {
	type family = token.FamilyRecord
	b.Queue(`INSERT INTO families (id, client, session, revision, number, rotated, created, expires, ended, ended_by, body, auth)
		SELECT id, client, session, 1, number, rotated, created, expires, ended, ended_by, body, auth
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
				$7::timestamptz[], $8::timestamptz[], $9::text[], $10::bytea[], $11::bytea[])
			AS f (id, client, session, number, rotated, created, expires, ended, ended_by, body, auth)`,
		column(fs, func(f *family) string { return f.ID }),
		column(fs, func(f *family) string { return f.Client }),
		column(fs, func(f *family) string { return f.Session }),
		column(fs, func(f *family) int64 { return f.Number }),
		column(fs, func(f *family) *time.Time { return optional(f.Rotated) }),
		column(fs, func(f *family) time.Time { return f.Created }),
		column(fs, func(f *family) time.Time { return f.Expires }),
		column(fs, func(f *family) *time.Time { return optional(f.Ended) }),
		column(fs, func(f *family) string { return f.EndedBy }),
		column(fs, func(f *family) []byte { return f.Body }),
		column(fs, func(f *family) []byte { return f.Auth }))
}

func queueFamilyParties(b *pgx.Batch, fs []token.FamilyRecord) {
	var sums [][]byte
	var serials []int32
	var created []time.Time
	var families []string
	for _, f := range fs {
		s, n := columns(f.Party)
		sums, serials = append(sums, s...), append(serials, n...)
		for range s {
			created, families = append(created, f.Created), append(families, f.ID)
		}
	}
	if len(sums) == 0 {
		return
	}
	b.Queue(`INSERT INTO family_parties (sum, serial, created, family)
		SELECT * FROM unnest($1::bytea[], $2::integer[], $3::timestamptz[], $4::text[])`, sums, serials, created, families)
}
