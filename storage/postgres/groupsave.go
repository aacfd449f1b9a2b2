package postgres

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"yizheng.internal/license"
	"yizheng.internal/signing/journal"
)

type save = license.SaveRequest

// issues reports whether a change is a new license with all that belongs to one,
// which [queueIssues] writes. Nothing leads to a license before it is there: so its
// rows meet none that they would have to renew, and nobody reads its history.
func issues(r save) bool {
	id := r.Record.ID
	return r.Record.Revision == 0 && r.Add != nil && r.Add.License == id && r.Event.Subject == string(id) &&
		len(r.States) == 0 && len(r.Status) == 0
}

// issueKeys are the keys that no two licenses of a group may have. Those of holders
// are anybody's.
func issueKeys(r save) [][32]byte {
	keys := make([][32]byte, 0, 4)
	if r.Request != nil {
		for _, key := range r.Request.Keys {
			keys = append(keys, key.Sum)
		}
	}
	for _, row := range r.Lookups {
		if row.Kind != license.LookupHolder {
			for _, key := range row.Keys {
				keys = append(keys, key.Sum)
			}
		}
	}
	return keys
}

func issueIDs(r save) []string { return []string{string(r.Record.ID)} }

// queueIssues adds what saving each license alone adds: see [Licenses.Save]. What
// is answered with an error there violates an index here, or a NOT NULL.
func queueIssues(b *pgx.Batch, rs []save) {
	rs = slices.Clone(rs)
	slices.SortFunc(rs, func(x, y save) int { return cmp.Compare(x.Record.ID, y.Record.ID) })
	queueRequests(b, rs)
	queueNewRecords(b, rs)
	queueNewIdentifiers(b, rs)
	queueNewNumbers(b, rs)
	queueNewHoldings(b, rs)
	queueNewVersions(b, rs)
	queueFirstEvents(b, column(rs, func(r *save) journal.Event { return r.Event }))
}

// column returns a value of each row, which together are an array's elements.
func column[R, V any](rows []R, value func(*R) V) []V {
	all := make([]V, len(rows))
	for i := range rows {
		all[i] = value(&rows[i])
	}
	return all
}

// placed is a lookup key of a request.
type placed struct {
	lookup
	of *save
}

// places returns all requests' lookup keys of some kinds, in the order in which
// everyone locks them.
func places(rs []save, kinds ...license.LookupKind) []placed {
	var all []placed
	for i := range rs {
		for _, l := range lookups(rs[i].Lookups, kinds...) {
			all = append(all, placed{l, &rs[i]})
		}
	}
	slices.SortStableFunc(all, func(x, y placed) int { return compareLookups(x.Lookup, y.Lookup) })
	return all
}

func sums(all []placed) [][]byte { return column(all, func(p *placed) []byte { return p.Sum[:] }) }

func serials(all []placed) []int32 { return column(all, func(p *placed) int32 { return p.Serial }) }

func licenses(all []placed) []string {
	return column(all, func(p *placed) string { return string(p.of.Record.ID) })
}

func queueRequests(b *pgx.Batch, rs []save) {
	var all []placed
	for i := range rs {
		if r := rs[i].Request; r != nil {
			for _, key := range sorted(r.Keys) {
				all = append(all, placed{lookup{Lookup: key}, &rs[i]})
			}
		}
	}
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(x, y placed) int { return compareLookups(x.Lookup, y.Lookup) })
	b.Queue(`INSERT INTO requests (sum, serial, fingerprint, fingerprint_serial, license, version, state, revision,
			created)
		SELECT * FROM unnest($1::bytea[], $2::integer[], $3::bytea[], $4::integer[], $5::text[], $6::integer[],
			$7::text[], $8::bigint[], $9::timestamptz[])`,
		sums(all), serials(all),
		column(all, func(p *placed) []byte { return p.of.Request.Fingerprint.Sum[:] }),
		column(all, func(p *placed) int32 { return p.of.Request.Fingerprint.Serial }),
		column(all, func(p *placed) string { return string(p.of.Request.License) }),
		column(all, func(p *placed) int32 { return int32(p.of.Request.Version) }),
		column(all, func(p *placed) string { return string(p.of.Request.State) }),
		column(all, func(p *placed) int64 { return p.of.Request.Revision }),
		column(all, func(p *placed) time.Time { return p.of.Request.Created }))
}

func queueNewRecords(b *pgx.Batch, rs []save) {
	b.Queue(`INSERT INTO licenses (id, revision, type, authority, version, state, created, updated, auth)
		SELECT id, 1, type, authority, version, state, created, updated, auth
		FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[], $7::timestamptz[],
			$8::bytea[]) AS r (id, type, authority, version, state, created, updated, auth)`,
		column(rs, func(r *save) string { return string(r.Record.ID) }),
		column(rs, func(r *save) string { return string(r.Record.Type) }),
		column(rs, func(r *save) string { return string(r.Record.Authority) }),
		column(rs, func(r *save) int32 { return int32(r.Record.Version) }),
		column(rs, func(r *save) string { return string(r.Record.State) }),
		column(rs, func(r *save) time.Time { return r.Record.Created }),
		column(rs, func(r *save) time.Time { return r.Record.Updated }),
		column(rs, func(r *save) []byte { return r.Record.Auth }))
}

func queueNewIdentifiers(b *pgx.Batch, rs []save) {
	all := places(rs, license.LookupIdentifier, license.LookupVerification)
	if len(all) == 0 {
		return
	}
	b.Queue(`INSERT INTO identifiers (sum, serial, kind, license, version)
		SELECT * FROM unnest($1::bytea[], $2::integer[], $3::text[], $4::text[], $5::integer[])`,
		sums(all), serials(all),
		column(all, func(p *placed) string { return string(p.kind) }),
		licenses(all),
		column(all, func(p *placed) int32 { return int32(p.of.Record.Version) }))
}

// queueNewNumbers keeps numbers apart as [queueNumbers] does. Of a number that is
// taken it makes NULL, which the table refuses. Two of one group never have the same
// number: see [issueKeys].
func queueNewNumbers(b *pgx.Batch, rs []save) {
	all := places(rs, license.LookupNumber)
	if len(all) == 0 {
		return
	}
	b.Queue(`SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key`,
		column(all, func(p *placed) int64 { return lockKey("number", string(p.Sum[:])) }))
	b.Queue(`INSERT INTO numbers (sum, serial, license, exclusive, former)
		SELECT CASE WHEN EXISTS (SELECT FROM numbers t WHERE t.serial = n.serial AND t.sum = n.sum
				AND NOT t.former AND NOT n.former AND (t.exclusive OR n.exclusive)) THEN NULL ELSE sum END,
			serial, license, exclusive, former
		FROM unnest($1::bytea[], $2::integer[], $3::text[], $4::boolean[], $5::boolean[])
			AS n (sum, serial, license, exclusive, former)`,
		sums(all), serials(all), licenses(all),
		column(all, func(p *placed) bool { return p.exclusive }),
		column(all, func(p *placed) bool { return p.former }))
}

func queueNewHoldings(b *pgx.Batch, rs []save) {
	all := places(rs, license.LookupHolder)
	if len(all) == 0 {
		return
	}
	b.Queue(`INSERT INTO holdings (sum, serial, license) SELECT * FROM unnest($1::bytea[], $2::integer[], $3::text[])`,
		sums(all), serials(all), licenses(all))
}

func queueNewVersions(b *pgx.Batch, rs []save) {
	b.Queue(`INSERT INTO license_versions (license, version, state, type_version, origin, trust_grade,
			valid_from, valid_until, status_list, status_index, issued, body, credential, holder_key, ending,
			suspension, auth)
		SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::integer[], $5::text[], $6::text[], $7::date[],
			$8::date[], $9::bigint[], $10::integer[], $11::timestamptz[], $12::bytea[], $13::bytea[], $14::bytea[],
			$15::bytea[], $16::bytea[], $17::bytea[])`,
		column(rs, func(r *save) string { return string(r.Add.License) }),
		column(rs, func(r *save) int32 { return int32(r.Add.Version) }),
		column(rs, func(r *save) string { return string(r.Add.State) }),
		column(rs, func(r *save) int32 { return int32(r.Add.TypeVersion) }),
		column(rs, func(r *save) string { return string(r.Add.Origin) }),
		column(rs, func(r *save) string { return string(r.Add.TrustGrade) }),
		column(rs, func(r *save) pgtype.Date { return date(r.Add.ValidFrom) }),
		column(rs, func(r *save) pgtype.Date { return date(r.Add.ValidUntil) }),
		column(rs, func(r *save) int64 { return r.Add.StatusList }),
		column(rs, func(r *save) int32 { return int32(r.Add.StatusIndex) }),
		column(rs, func(r *save) time.Time { return r.Add.Issued }),
		column(rs, func(r *save) []byte { return r.Add.Body }),
		column(rs, func(r *save) []byte { return r.Add.Credential }),
		column(rs, func(r *save) []byte { return r.Add.HolderKey }),
		column(rs, func(r *save) []byte { return r.Add.Ending }),
		column(rs, func(r *save) []byte { return r.Add.Suspension }),
		column(rs, func(r *save) []byte { return r.Add.Auth }))
}
