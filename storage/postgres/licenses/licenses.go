// Package licenses keeps in PostgreSQL the records of licenses, what leads to them, their status
// lists, and the catalog that says of which types they are.
package licenses

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/party"
	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/ledger"
)

// Records keeps licenses: [license.Store] and [license.LookupStore].
type Records struct {
	db     *engine.DB
	Issues *engine.Group[save] // see Save
}

func NewRecords(db *engine.DB) *Records {
	return &Records{db, engine.NewGroup(db, queueIssues, issueKeys, issueIDs)}
}

// Drain waits until nothing waits to be written.
func (s *Records) Drain() { s.Issues.Drain() }

// Save implements [license.Store]. Every Save takes its locks in the same order
// (request, license, lookups by table and sum, versions, status, history), so
// that two don't wait for each other; should they, write tries again. New licenses
// are saved in groups.
func (s *Records) Save(ctx context.Context, r license.SaveRequest) error {
	alone := func(ctx context.Context) error { return s.SaveAlone(ctx, r) }
	if issues(r) {
		return s.Saved(r, s.Issues.Write(ctx, r, alone))
	}
	return s.Saved(r, alone(ctx))
}

// SaveAlone saves one license in a transaction of its own.
func (s *Records) SaveAlone(ctx context.Context, r license.SaveRequest) error {
	id := r.Record.ID
	return s.db.Write(ctx, func(b *pgx.Batch) {
		if r.Request != nil {
			queueRequest(b, *r.Request)
		}
		queueRecord(b, r.Record)
		queueLookups(b, license.Located{License: id, Version: r.Record.Version}, r.Lookups, true)
		if r.Add != nil {
			queueVersion(b, *r.Add)
		}
		for _, state := range r.States {
			b.Queue(`UPDATE license_versions SET state = $3, ending = coalesce($4, ending),
				suspension = coalesce($5, suspension), auth = $6
				WHERE license = $1 AND version = $2`, id, state.Version, state.State, state.Ending, state.Suspension, state.Auth).
				Exec(engine.Changed(fmt.Errorf("version %d: %w", state.Version, license.ErrNotFound)))
		}
		queueStatus(b, r.Status)
		ledger.QueueEvents(b, r.Event)
	})
}

// Saved turns an error of saving into one that the registry knows.
func (s *Records) Saved(r license.SaveRequest, err error) error {
	switch {
	case engine.Violates(err, "numbers_"):
		err = license.ErrNumberTaken
	case engine.Violates(err, "license_versions_"):
		err = license.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("saving license %s: %w", r.Record.ID, err)
	}
	return nil
}

// queueRecord stores a new license, or locks a stored one and changes it.
func queueRecord(b *pgx.Batch, r license.Record) {
	if r.Revision == 0 {
		b.Queue(`INSERT INTO licenses (id, revision, type, authority, version, state, created, updated, auth)
			VALUES ($1, 1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING`,
			r.ID, r.Type, r.Authority, r.Version, r.State, r.Created, r.Updated, r.Auth).
			Exec(engine.Changed(license.ErrConflict))
		return
	}
	b.Queue(`SELECT revision FROM licenses WHERE id = $1 FOR UPDATE`, r.ID).QueryRow(func(row pgx.Row) error {
		var revision int64
		if err := row.Scan(&revision); err != nil {
			return engine.Missing(err, license.ErrNotFound)
		}
		if revision != r.Revision {
			return license.ErrConflict
		}
		return nil
	})
	b.Queue(ledger.Marked(`UPDATE licenses SET revision = revision + 1, type = $3, authority = $4, version = $5, state = $6,
			updated = $7, auth = $8
		WHERE id = $1 AND revision = $2`, "licenses", 9),
		r.ID, r.Revision, r.Type, r.Authority, r.Version, r.State, r.Updated, r.Auth, r.Mark).
		Exec(engine.Changed(license.ErrConflict))
}

func queueVersion(b *pgx.Batch, v license.VersionRecord) {
	b.Queue(`INSERT INTO license_versions (license, version, state, type_version, origin, trust_grade,
			valid_from, valid_until, status_list, status_index, issued, body, credential, holder_key, ending,
			suspension, auth)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		v.License, v.Version, v.State, v.TypeVersion, v.Origin, v.TrustGrade, engine.Date(v.ValidFrom), engine.Date(v.ValidUntil),
		v.StatusList, v.StatusIndex, v.Issued, v.Body, v.Credential, v.HolderKey, v.Ending, v.Suspension, v.Auth)
}

const LoadLicense = `SELECT ` + RecordNames + `, ` + VersionNames + `
	FROM licenses l JOIN license_versions v ON v.license = l.id
	WHERE l.id = $1 AND v.license = $1 AND v.version = coalesce(nullif($2::integer, 0), l.version)`

// Load implements [license.Store].
func (s *Records) Load(ctx context.Context, id audit.ID, version int) (license.Record, license.VersionRecord, error) {
	var r license.Record
	var v license.VersionRecord
	var c VersionColumns
	err := s.db.Read(ctx, func(b *pgx.Batch) {
		b.Queue(LoadLicense, id, version).QueryRow(func(row pgx.Row) error {
			return row.Scan(append(RecordTargets(&r), c.Targets(&v)...)...)
		})
	})
	if err != nil {
		return license.Record{}, license.VersionRecord{}, fmt.Errorf("loading license %s: %w", id, engine.Missing(err, license.ErrNotFound))
	}
	c.Fill(&v)
	return r, v, nil
}

// RecordNames are the columns that recordTargets takes, of licenses AS l.
const RecordNames = `l.id, l.revision, l.type, l.authority, l.version, l.state, l.created, l.updated, l.auth,
	(SELECT mark FROM registers WHERE kind = 'licenses' AND registers.id = l.id)`

func RecordTargets(r *license.Record) []any {
	return []any{&r.ID, &r.Revision, &r.Type, &r.Authority, &r.Version, &r.State, &r.Created, &r.Updated, &r.Auth,
		&r.Mark}
}

// VersionNames are the columns that versionColumns takes, of license_versions AS v.
const VersionNames = `v.license, v.version, v.state, v.type_version, v.origin, v.trust_grade, v.valid_from,
	v.valid_until, v.status_list, v.status_index, v.issued, v.body, v.credential, v.holder_key, v.ending,
	v.suspension, v.auth`

// VersionColumns holds the dates of a version while it is read.
type VersionColumns struct{ from, until pgtype.Date }

func (c *VersionColumns) Targets(v *license.VersionRecord) []any {
	return []any{&v.License, &v.Version, &v.State, &v.TypeVersion, &v.Origin, &v.TrustGrade, &c.from, &c.until,
		&v.StatusList, &v.StatusIndex, &v.Issued, &v.Body, &v.Credential, &v.HolderKey, &v.Ending, &v.Suspension, &v.Auth}
}

func (c *VersionColumns) Fill(v *license.VersionRecord) {
	v.ValidFrom, v.ValidUntil = civil(c.from), civil(c.until)
}

// civil reverses date.
func civil(d pgtype.Date) party.Date {
	if !d.Valid {
		return party.Date{}
	}
	civil, err := party.NewDate(d.Time.Date())
	if err != nil {
		return party.Date{} // no calendar's: only date writes the column
	}
	return civil
}
