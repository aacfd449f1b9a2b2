package licenses

import (
	"cmp"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"yizheng.internal/license"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
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

// queueIssues adds what saving each license alone adds: see [Records.Save]. What
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
	ledger.QueueFirstEvents(b, engine.Column(rs, func(r *save) journal.Event { return r.Event }))
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
	slices.SortStableFunc(all, func(x, y placed) int { return engine.CompareLookups(x.Lookup, y.Lookup) })
	return all
}

func sums(all []placed) [][]byte {
	return engine.Column(all, func(p *placed) []byte { return p.Sum[:] })
}

func serials(all []placed) []int32 {
	return engine.Column(all, func(p *placed) int32 { return p.Serial })
}

func licenses(all []placed) []string {
	return engine.Column(all, func(p *placed) string { return string(p.of.Record.ID) })
}

func queueRequests(b *pgx.Batch, rs []save) {
	var all []placed
	for i := range rs {
		if r := rs[i].Request; r != nil {
			for _, key := range engine.Sorted(r.Keys) {
				all = append(all, placed{lookup{Lookup: key}, &rs[i]})
			}
		}
	}
	if len(all) == 0 {
		return
	}
	slices.SortStableFunc(all, func(x, y placed) int { return engine.CompareLookups(x.Lookup, y.Lookup) })
	b.Queue(`INSERT INTO requests (sum, serial, fingerprint, fingerprint_serial, license, version, state, revision,
			created)
		SELECT * FROM unnest($1::bytea[], $2::integer[], $3::bytea[], $4::integer[], $5::text[], $6::integer[],
			$7::text[], $8::bigint[], $9::timestamptz[])`,
		sums(all), serials(all),
		engine.Column(all, func(p *placed) []byte { return p.of.Request.Fingerprint.Sum[:] }),
		engine.Column(all, func(p *placed) int32 { return p.of.Request.Fingerprint.Serial }),
		engine.Column(all, func(p *placed) string { return string(p.of.Request.License) }),
		engine.Column(all, func(p *placed) int32 { return int32(p.of.Request.Version) }),
		engine.Column(all, func(p *placed) string { return string(p.of.Request.State) }),
		engine.Column(all, func(p *placed) int64 { return p.of.Request.Revision }),
		engine.Column(all, func(p *placed) time.Time { return p.of.Request.Created }))
}

func queueNewRecords(b *pgx.Batch, rs []save) {
	b.Queue(`INSERT INTO licenses (id, revision, type, authority, version, state, created, updated, auth)
		SELECT id, 1, type, authority, version, state, created, updated, auth
		FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[], $7::timestamptz[],
			$8::bytea[]) AS r (id, type, authority, version, state, created, updated, auth)`,
		engine.Column(rs, func(r *save) string { return string(r.Record.ID) }),
		engine.Column(rs, func(r *save) string { return string(r.Record.Type) }),
		engine.Column(rs, func(r *save) string { return string(r.Record.Authority) }),
		engine.Column(rs, func(r *save) int32 { return int32(r.Record.Version) }),
		engine.Column(rs, func(r *save) string { return string(r.Record.State) }),
		engine.Column(rs, func(r *save) time.Time { return r.Record.Created }),
		engine.Column(rs, func(r *save) time.Time { return r.Record.Updated }),
		engine.Column(rs, func(r *save) []byte { return r.Record.Auth }))
}

func queueNewIdentifiers(b *pgx.Batch, rs []save) {
	all := places(rs, license.LookupIdentifier, license.LookupVerification)
	if len(all) == 0 {
		return
	}
	b.Queue(`INSERT INTO identifiers (sum, serial, kind, license, version)
		SELECT * FROM unnest($1::bytea[], $2::integer[], $3::text[], $4::text[], $5::integer[])`,
		sums(all), serials(all),
		engine.Column(all, func(p *placed) string { return string(p.kind) }),
		licenses(all),
		engine.Column(all, func(p *placed) int32 { return int32(p.of.Record.Version) }))
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
		engine.Column(all, func(p *placed) int64 { return engine.LockKey("number", string(p.Sum[:])) }))
	b.Queue(`INSERT INTO numbers (sum, serial, license, exclusive, former)
		SELECT CASE WHEN EXISTS (SELECT FROM numbers t WHERE t.serial = n.serial AND t.sum = n.sum
				AND NOT t.former AND NOT n.former AND (t.exclusive OR n.exclusive)) THEN NULL ELSE sum END,
			serial, license, exclusive, former
		FROM unnest($1::bytea[], $2::integer[], $3::text[], $4::boolean[], $5::boolean[])
			AS n (sum, serial, license, exclusive, former)`,
		sums(all), serials(all), licenses(all),
		engine.Column(all, func(p *placed) bool { return p.exclusive }),
		engine.Column(all, func(p *placed) bool { return p.former }))
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
		engine.Column(rs, func(r *save) string { return string(r.Add.License) }),
		engine.Column(rs, func(r *save) int32 { return int32(r.Add.Version) }),
		engine.Column(rs, func(r *save) string { return string(r.Add.State) }),
		engine.Column(rs, func(r *save) int32 { return int32(r.Add.TypeVersion) }),
		engine.Column(rs, func(r *save) string { return string(r.Add.Origin) }),
		engine.Column(rs, func(r *save) string { return string(r.Add.TrustGrade) }),
		engine.Column(rs, func(r *save) pgtype.Date { return engine.Date(r.Add.ValidFrom) }),
		engine.Column(rs, func(r *save) pgtype.Date { return engine.Date(r.Add.ValidUntil) }),
		engine.Column(rs, func(r *save) int64 { return r.Add.StatusList }),
		engine.Column(rs, func(r *save) int32 { return int32(r.Add.StatusIndex) }),
		engine.Column(rs, func(r *save) time.Time { return r.Add.Issued }),
		engine.Column(rs, func(r *save) []byte { return r.Add.Body }),
		engine.Column(rs, func(r *save) []byte { return r.Add.Credential }),
		engine.Column(rs, func(r *save) []byte { return r.Add.HolderKey }),
		engine.Column(rs, func(r *save) []byte { return r.Add.Ending }),
		engine.Column(rs, func(r *save) []byte { return r.Add.Suspension }),
		engine.Column(rs, func(r *save) []byte { return r.Add.Auth }))
}
