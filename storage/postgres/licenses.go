package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/party"
)

// Save implements [license.Store]. Every Save takes its locks in the same order
// (request, license, lookups by table and sum, versions, status, history), so
// that two don't wait for each other; should they, write tries again. New licenses
// are saved in groups.
func (s *Licenses) Save(ctx context.Context, r license.SaveRequest) error {
	alone := func(ctx context.Context) error { return s.save(ctx, r) }
	if issues(r) {
		return s.saved(r, s.db.issues.write(ctx, r, alone))
	}
	return s.saved(r, alone(ctx))
}

// save saves one license in a transaction of its own.
func (s *Licenses) save(ctx context.Context, r license.SaveRequest) error {
	id := r.Record.ID
	return s.db.write(ctx, func(b *pgx.Batch) {
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
				Exec(changed(fmt.Errorf("version %d: %w", state.Version, license.ErrNotFound)))
		}
		queueStatus(b, r.Status)
		queueEvents(b, r.Event)
	})
}

// saved turns an error of saving into one that the registry knows.
func (s *Licenses) saved(r license.SaveRequest, err error) error {
	switch {
	case violates(err, "numbers_"):
		err = license.ErrNumberTaken
	case violates(err, "license_versions_"):
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
			Exec(changed(license.ErrConflict))
		return
	}
	b.Queue(`SELECT revision FROM licenses WHERE id = $1 FOR UPDATE`, r.ID).QueryRow(func(row pgx.Row) error {
		var revision int64
		if err := row.Scan(&revision); err != nil {
			return missing(err, license.ErrNotFound)
		}
		if revision != r.Revision {
			return license.ErrConflict
		}
		return nil
	})
	b.Queue(marked(`UPDATE licenses SET revision = revision + 1, type = $3, authority = $4, version = $5, state = $6,
			updated = $7, auth = $8
		WHERE id = $1 AND revision = $2`, "licenses", 9),
		r.ID, r.Revision, r.Type, r.Authority, r.Version, r.State, r.Updated, r.Auth, r.Mark).
		Exec(changed(license.ErrConflict))
}

func queueVersion(b *pgx.Batch, v license.VersionRecord) {
	b.Queue(`INSERT INTO license_versions (license, version, state, type_version, origin, trust_grade,
			valid_from, valid_until, status_list, status_index, issued, body, credential, holder_key, ending,
			suspension, auth)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		v.License, v.Version, v.State, v.TypeVersion, v.Origin, v.TrustGrade, date(v.ValidFrom), date(v.ValidUntil),
		v.StatusList, v.StatusIndex, v.Issued, v.Body, v.Credential, v.HolderKey, v.Ending, v.Suspension, v.Auth)
}

const loadLicense = `SELECT ` + recordNames + `, ` + versionNames + `
	FROM licenses l JOIN license_versions v ON v.license = l.id
	WHERE l.id = $1 AND v.license = $1 AND v.version = coalesce(nullif($2::integer, 0), l.version)`

// Load implements [license.Store].
func (s *Licenses) Load(ctx context.Context, id audit.ID, version int) (license.Record, license.VersionRecord, error) {
	var r license.Record
	var v license.VersionRecord
	var c versionColumns
	err := s.db.read(ctx, func(b *pgx.Batch) {
		b.Queue(loadLicense, id, version).QueryRow(func(row pgx.Row) error {
			return row.Scan(append(recordTargets(&r), c.targets(&v)...)...)
		})
	})
	if err != nil {
		return license.Record{}, license.VersionRecord{}, fmt.Errorf("loading license %s: %w", id, missing(err, license.ErrNotFound))
	}
	c.fill(&v)
	return r, v, nil
}

// recordNames are the columns that recordTargets takes, of licenses AS l.
const recordNames = `l.id, l.revision, l.type, l.authority, l.version, l.state, l.created, l.updated, l.auth,
	(SELECT mark FROM registers WHERE kind = 'licenses' AND registers.id = l.id)`

func recordTargets(r *license.Record) []any {
	return []any{&r.ID, &r.Revision, &r.Type, &r.Authority, &r.Version, &r.State, &r.Created, &r.Updated, &r.Auth,
		&r.Mark}
}

// versionNames are the columns that versionColumns takes, of license_versions AS v.
const versionNames = `v.license, v.version, v.state, v.type_version, v.origin, v.trust_grade, v.valid_from,
	v.valid_until, v.status_list, v.status_index, v.issued, v.body, v.credential, v.holder_key, v.ending,
	v.suspension, v.auth`

// versionColumns holds the dates of a version while it is read.
type versionColumns struct{ from, until pgtype.Date }

func (c *versionColumns) targets(v *license.VersionRecord) []any {
	return []any{&v.License, &v.Version, &v.State, &v.TypeVersion, &v.Origin, &v.TrustGrade, &c.from, &c.until,
		&v.StatusList, &v.StatusIndex, &v.Issued, &v.Body, &v.Credential, &v.HolderKey, &v.Ending, &v.Suspension, &v.Auth}
}

func (c *versionColumns) fill(v *license.VersionRecord) {
	v.ValidFrom, v.ValidUntil = civil(c.from), civil(c.until)
}

// date is a civil date as a column, no date as NULL.
func date(d party.Date) pgtype.Date {
	if d.IsZero() {
		return pgtype.Date{}
	}
	return pgtype.Date{Time: time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, time.UTC), Valid: true}
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

// sum reads a 32-byte hash from its column.
func sum(column []byte) (sum [32]byte, err error) {
	if len(column) != len(sum) {
		return sum, errors.New("a stored hash does not have 32 bytes")
	}
	return [32]byte(column), nil
}
