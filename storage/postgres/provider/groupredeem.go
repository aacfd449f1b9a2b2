package provider

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Redemption is a code that leads to a family.
type Redemption struct {
	Code   [32]byte
	Keep   time.Time
	Family token.FamilyRecord
	Events []journal.Event
}

func redemptionKeys(r Redemption) [][32]byte { return [][32]byte{r.Code} }

func redemptionIDs(r Redemption) []string { return []string{r.Family.ID} }

// queueRedemptions adds what redeeming each code alone adds: see
// [Families.RedeemCode]. A code that was spent violates an index here.
func queueRedemptions(b *pgx.Batch, rs []Redemption) {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(x, y Redemption) int { return bytes.Compare(x.Code[:], y.Code[:]) })
	b.Queue(`INSERT INTO spent (hash, keep, family) SELECT * FROM unnest($1::bytea[], $2::timestamptz[], $3::text[])`,
		engine.Column(rs, func(r *Redemption) []byte { return r.Code[:] }),
		engine.Column(rs, func(r *Redemption) time.Time { return r.Keep }),
		engine.Column(rs, func(r *Redemption) string { return r.Family.ID }))
	fs := engine.Column(rs, func(r *Redemption) token.FamilyRecord { return r.Family })
	slices.SortFunc(fs, func(x, y token.FamilyRecord) int { return cmp.Compare(x.ID, y.ID) })
	queueFamilies(b, fs)
	queueFamilyParties(b, fs)
	var es []journal.Event
	for _, r := range rs {
		es = append(es, r.Events...)
	}
	ledger.QueueEvents(b, es...)
}

func queueFamilies(b *pgx.Batch, fs []token.FamilyRecord) {
	type family = token.FamilyRecord
	b.Queue(`INSERT INTO families (id, client, session, revision, number, rotated, created, expires, ended, ended_by, body, auth)
		SELECT id, client, session, 1, number, rotated, created, expires, ended, ended_by, body, auth
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[],
				$7::timestamptz[], $8::timestamptz[], $9::text[], $10::bytea[], $11::bytea[])
			AS f (id, client, session, number, rotated, created, expires, ended, ended_by, body, auth)`,
		engine.Column(fs, func(f *family) string { return f.ID }),
		engine.Column(fs, func(f *family) string { return f.Client }),
		engine.Column(fs, func(f *family) string { return f.Session }),
		engine.Column(fs, func(f *family) int64 { return f.Number }),
		engine.Column(fs, func(f *family) *time.Time { return engine.Optional(f.Rotated) }),
		engine.Column(fs, func(f *family) time.Time { return f.Created }),
		engine.Column(fs, func(f *family) time.Time { return f.Expires }),
		engine.Column(fs, func(f *family) *time.Time { return engine.Optional(f.Ended) }),
		engine.Column(fs, func(f *family) string { return f.EndedBy }),
		engine.Column(fs, func(f *family) []byte { return f.Body }),
		engine.Column(fs, func(f *family) []byte { return f.Auth }))
}

func queueFamilyParties(b *pgx.Batch, fs []token.FamilyRecord) {
	var sums [][]byte
	var serials []int32
	var created []time.Time
	var families []string
	for _, f := range fs {
		s, n := engine.Columns(f.Party)
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
