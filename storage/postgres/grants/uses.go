package grants

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
	"yizheng.internal/storage/postgres/licenses"
)

// Readings implements [access.Stores].
type Readings struct{ DB *engine.DB }

const LoadUse = `SELECT ` + codeNames + `, ` + grantNames + `,
	c.first IS NULL AND EXISTS (SELECT FROM use_requests WHERE grant_id = $1 AND hash = $2)
	FROM use_codes c JOIN grants g ON g.id = c.grant_id
	WHERE c.grant_id = $1 AND g.id = $1 AND c.hash = $2`

// UsedLicense asks for the license apart: in a join with the code, PostgreSQL
// would read all licenses when it plans for any values.
const UsedLicense = `SELECT ` + licenses.RecordNames + `, ` + licenses.VersionNames + `
	FROM licenses l JOIN license_versions v ON v.license = l.id
	WHERE l.id = (SELECT license FROM use_codes WHERE grant_id = $1 AND hash = $2)
		AND v.license = (SELECT license FROM use_codes WHERE grant_id = $1 AND hash = $2)
		AND v.version = (SELECT version FROM use_codes WHERE grant_id = $1 AND hash = $2)`

// accessNames are the columns that scanAccess takes, of access_records AS a.
const accessNames = `a.seq, a.id, a.at, a.grant_id, a.license, a.version, a.client, a.participant, a.item, a.basis,
	a.channel, a.result, a.disclosure, a.body`

const EarlierUse = `SELECT ` + accessNames + ` FROM use_requests q JOIN access_records a ON a.seq = q.seq AND a.at = q.at
	WHERE q.grant_id = $1 AND q.hash = $2 AND q.request = $3`

func scanAccess(row pgx.CollectableRow) (a access.Record, err error) {
	return a, row.Scan(&a.Seq, &a.ID, &a.At, &a.Grant, &a.License, &a.Version, &a.Client, &a.Participant, &a.Item,
		&a.Basis, &a.Channel, &a.Result, &a.Disclosure, &a.Body)
}

// LoadUse implements [access.Store], in one round trip. The license with its
// version is one statement, the code with its grant another.
func (s *Readings) LoadUse(ctx context.Context, grant grant.ID, code [32]byte, request string) (access.Used, error) {
	var u access.Used
	err := s.DB.Read(ctx, func(b *pgx.Batch) {
		b.Queue(LoadUse, grant, code[:]).QueryRow(func(row pgx.Row) error {
			var cs codeColumns
			if err := row.Scan(append(append(cs.targets(&u.Code), grantTargets(&u.Grant)...), &u.PutBack)...); err != nil {
				return engine.Missing(err, license.ErrNotFound)
			}
			return cs.fill(&u.Code)
		})
		b.Queue(UsedLicense, grant, code[:]).QueryRow(func(row pgx.Row) error {
			var vs licenses.VersionColumns
			err := row.Scan(append(licenses.RecordTargets(&u.License), vs.Targets(&u.Version)...)...)
			vs.Fill(&u.Version)
			return engine.Missing(err, license.ErrNotFound)
		})
		b.Queue(EarlierUse, grant, code[:], request).Query(func(rows pgx.Rows) error {
			found, err := pgx.CollectRows(rows, scanAccess)
			if len(found) > 0 {
				u.Earlier = &found[0]
			}
			return err
		})
	})
	if err != nil {
		return access.Used{}, fmt.Errorf("loading a use code of grant %s: %w", grant, err)
	}
	return u, nil
}

// SaveUse implements [access.Store]. Its locks come in the order of
// SaveGrant's and Save's: grant, use code, license. The grant's and the license's
// are shared, so that readings by different codes don't wait for each other.
func (s *Readings) SaveUse(ctx context.Context, u access.Reading) error {
	a := u.Record
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`SELECT revision FROM grants WHERE id = $1 FOR SHARE`, a.Grant).QueryRow(revisionIs(u.GrantRevision))
		b.Queue(`SELECT first FROM use_codes WHERE grant_id = $1 AND hash = $2 FOR UPDATE`, a.Grant, u.Code[:]).
			QueryRow(firstIs(u.First))
		b.Queue(`SELECT revision FROM licenses WHERE id = $1 FOR SHARE`, a.License).QueryRow(revisionIs(u.LicenseRevision))
		queueAccess(b, u) // with a request id that is there this fails, whatever the count says
		queueCount(b, u)
		ledger.QueueEvents(b, u.Event)
	})
	if engine.Violates(err, "use_requests_") {
		err = license.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("saving a reading by grant %s: %w", a.Grant, err)
	}
	return nil
}

// queueCount counts a reading at its use code, if there is room for it, and opens the
// code's window with the first one that is allowed.
func queueCount(b *pgx.Batch, u access.Reading) {
	grant, code := u.Record.Grant, u.Code[:]
	sql, values := `UPDATE use_codes SET refused = refused + 1 WHERE grant_id = $1 AND hash = $2 AND refused < $3`, []any{grant, code, access.MaxRefusedReadings}
	if u.Record.Result == access.ResultOK {
		sql = `UPDATE use_codes SET readings = readings + 1, first = coalesce(first, $4), auth = CASE WHEN first IS NULL THEN $5 ELSE auth END
			WHERE grant_id = $1 AND hash = $2 AND readings < $3`
		values = []any{grant, code, access.MaxReadings, u.Record.At, u.CodeAuth}
	}
	b.Queue(sql, values...).Exec(func(done pgconn.CommandTag) error {
		if done.RowsAffected() == 0 {
			return license.ErrExhausted
		}
		return nil
	})
}

// firstIs is revisionIs for a use code's first use.
func firstIs(want time.Time) func(pgx.Row) error {
	return func(row pgx.Row) error {
		var first *time.Time
		if err := row.Scan(&first); err != nil {
			return engine.Missing(err, license.ErrNotFound)
		}
		if first == nil && !want.IsZero() || first != nil && !first.Equal(want) {
			return license.ErrConflict
		}
		return nil
	}
}

// queueAccess stores an access record with its keys, and the request id of an
// allowed reading: one statement, because the parts share the record's number.
func queueAccess(b *pgx.Batch, u access.Reading) {
	a := u.Record
	sums, serials := engine.Columns(a.Party)
	b.Queue(`WITH a AS (
			INSERT INTO access_records (id, at, grant_id, license, version, client, participant, item, basis, channel,
				result, disclosure, body)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING seq, at
		), r AS (
			INSERT INTO use_requests (grant_id, hash, request, seq, at) SELECT $14, $15, $16, seq, at FROM a WHERE $17
		)
		INSERT INTO access_parties (sum, serial, seq, at)
		SELECT k.sum, k.serial, a.seq, a.at FROM a, unnest($18::bytea[], $19::integer[]) AS k (sum, serial)`,
		a.ID, a.At, a.Grant, a.License, a.Version, a.Client, a.Participant, a.Item, a.Basis, a.Channel, a.Result,
		a.Disclosure, a.Body, a.Grant, u.Code[:], u.Request, a.Result == access.ResultOK, sums, serials)
}

const AccessOf = `SELECT seq, at FROM access_parties WHERE serial = $1 AND sum = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4`

// AccessRecords implements [access.Store]. The keys are followed first, and
// then the records that they lead to are sought in their months.
func (s *Readings) AccessRecords(ctx context.Context, party []signing.Lookup, before int64, limit int) ([]access.Record, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	all, err := s.recordsOf(ctx, party, before, limit)
	if err != nil {
		return nil, fmt.Errorf("listing access records: %w", err)
	}
	slices.SortFunc(all, func(a, b access.Record) int { return cmp.Compare(b.Seq, a.Seq) })
	return all[:min(len(all), limit)], nil
}

func (s *Readings) recordsOf(ctx context.Context, party []signing.Lookup, before int64, limit int) ([]access.Record, error) {
	found := map[int64]time.Time{}
	err := s.DB.Read(ctx, func(b *pgx.Batch) {
		for _, key := range engine.Sorted(party) {
			b.Queue(AccessOf, key.Serial, key.Sum[:], before, limit).Query(func(rows pgx.Rows) error {
				var seq int64
				var at time.Time
				_, err := pgx.ForEachRow(rows, []any{&seq, &at}, func() error { found[seq] = at; return nil })
				return err
			})
		}
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	seqs, times := make([]int64, 0, len(found)), make([]time.Time, 0, len(found))
	for seq, at := range found {
		seqs, times = append(seqs, seq), append(times, at)
	}
	return engine.ForValues(ctx, s.DB, scanAccess,
		`SELECT `+accessNames+` FROM access_records a WHERE a.seq = ANY($1) AND a.at = ANY($2)`, seqs, times)
}

const AccessOfLicense = `SELECT ` + accessNames + ` FROM access_records a WHERE a.license = $1 AND a.seq < $2 ORDER BY a.seq DESC LIMIT $3`

// LicenseAccessRecords implements [access.Store]. It looks into the index of every
// month: somebody looks at a page, and nothing waits for it.
func (s *Readings) LicenseAccessRecords(ctx context.Context, id audit.ID, before int64, limit int) ([]access.Record, error) {
	all, err := engine.ForValues(ctx, s.DB, scanAccess, AccessOfLicense, id, cmp.Or(before, int64(math.MaxInt64)), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing access records of license %s: %w", id, err)
	}
	return all, nil
}
