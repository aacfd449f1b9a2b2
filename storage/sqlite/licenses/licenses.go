// Package licenses keeps in SQLite the records of licenses, what leads to them, their status
// lists, and the catalog that says of which types they are.
package licenses

import (
	"context"
	"errors"
	"fmt"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/ledger"
)

// Records keeps licenses: [license.Store] and [license.LookupStore].
type Records struct{ DB *engine.DB }

// Save implements [license.Store]. The writer is alone, so that what is checked
// first still holds when it is relied on.
func (s *Records) Save(ctx context.Context, r license.SaveRequest) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		if err := checkRequest(c, r.Request); err != nil {
			return err
		}
		if err := saveRecord(c, r.Record); err != nil {
			return err
		}
		if err := saveVersions(c, r); err != nil {
			return err
		}
		at := license.Located{License: r.Record.ID, Version: r.Record.Version}
		for _, row := range r.Lookups {
			if err := saveLookups(c, at, r.Record.Created, row); err != nil {
				return err
			}
		}
		for _, change := range r.Status {
			if err := setStatus(c, change); err != nil {
				return err
			}
		}
		if err := ledger.AppendEvents(c, r.Event); err != nil {
			return err
		}
		return saveRequest(c, r.Request)
	})
	if err != nil {
		return fmt.Errorf("saving license %s: %w", r.Record.ID, err)
	}
	return nil
}

// saveRecord stores a new license, or the change of one whose revision is the
// stored one. Type, authority and time of creation never change.
func saveRecord(c *engine.Conn, r license.Record) error {
	if r.Revision == 0 {
		n, err := c.Exec(`
			INSERT INTO licenses (id, revision, type, authority, version, state, created, updated, auth)
			VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`,
			string(r.ID), string(r.Type), string(r.Authority), r.Version, string(r.State), r.Created, r.Updated, r.Auth)
		if err == nil && n == 0 {
			return license.ErrConflict
		}
		return err
	}
	n, err := c.Exec(`
		UPDATE licenses SET revision = revision + 1, version = ?, state = ?, updated = ?, auth = ?
		WHERE id = ? AND revision = ?`,
		r.Version, string(r.State), r.Updated, r.Auth, string(r.ID), r.Revision)
	if err != nil {
		return err
	}
	if n == 1 {
		return ledger.SaveMark(c, "licenses", string(r.ID), r.Mark)
	}
	there, err := c.Exists("SELECT 1 FROM licenses WHERE id = ?", string(r.ID))
	if err != nil {
		return err
	}
	if there {
		return license.ErrConflict
	}
	return license.ErrNotFound
}

// saveVersions adds a version and changes the states of others.
func saveVersions(c *engine.Conn, r license.SaveRequest) error {
	if v := r.Add; v != nil {
		_, err := c.Exec(`
			INSERT INTO license_versions (license, version, state, type_version, origin, trust_grade,
				valid_from, valid_until, status_list, status_index, issued, body, credential, holder_key, ending, suspension, auth)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			string(v.License), v.Version, string(v.State), v.TypeVersion, string(v.Origin), string(v.TrustGrade),
			v.ValidFrom, v.ValidUntil, v.StatusList, v.StatusIndex, engine.Optional(v.Issued),
			v.Body, v.Credential, v.HolderKey, v.Ending, v.Suspension, v.Auth)
		if err != nil {
			return fmt.Errorf("version %d: %w", v.Version, err)
		}
	}
	for _, st := range r.States {
		n, err := c.Exec(`
			UPDATE license_versions SET state = ?, ending = coalesce(?, ending), suspension = coalesce(?, suspension), auth = ?
			WHERE license = ? AND version = ?`,
			string(st.State), st.Ending, st.Suspension, st.Auth, string(r.Record.ID), st.Version)
		if err == nil && n == 0 {
			err = errors.New("it is not stored")
		}
		if err != nil {
			return fmt.Errorf("state of version %d: %w", st.Version, err)
		}
	}
	return nil
}

const RecordColumns = `l.id, l.revision, l.type, l.authority, l.version, l.state, l.created, l.updated,
	l.auth, (SELECT mark FROM registers WHERE kind = 'licenses' AND registers.id = l.id)`

func ScanRecord(r *engine.Row) license.Record {
	return license.Record{
		ID: audit.ID(r.Text()), Revision: r.Int64(), Type: credential.TypeCode(r.Text()),
		Authority: party.USCC(r.Text()), Version: r.Int(), State: license.State(r.Text()),
		Created: r.Time(), Updated: r.Time(), Auth: r.Bytes(), Mark: r.Bytes(),
	}
}

const VersionColumns = `v.license, v.version, v.state, v.type_version, v.origin, v.trust_grade,
	v.valid_from, v.valid_until, v.status_list, v.status_index, v.issued, v.body, v.credential, v.holder_key, v.ending, v.suspension, v.auth`

func ScanVersion(r *engine.Row) license.VersionRecord {
	return license.VersionRecord{
		License: audit.ID(r.Text()), Version: r.Int(), State: license.State(r.Text()), TypeVersion: r.Int(),
		Origin: credential.Origin(r.Text()), TrustGrade: credential.TrustGrade(r.Text()),
		ValidFrom: r.Date(), ValidUntil: r.Date(), StatusList: r.Int64(), StatusIndex: r.Int(), Issued: r.Time(),
		Body: r.Bytes(), Credential: r.Bytes(), HolderKey: r.Bytes(), Ending: r.Bytes(), Suspension: r.Bytes(), Auth: r.Bytes(),
	}
}

const LoadLicense = `
	SELECT ` + RecordColumns + `, ` + VersionColumns + `
	FROM licenses l JOIN license_versions v
		ON v.license = l.id AND v.version = CASE ?2 WHEN 0 THEN l.version ELSE ?2 END
	WHERE l.id = ?1`

// Load implements [license.Store].
func (s *Records) Load(ctx context.Context, id audit.ID, version int) (license.Record, license.VersionRecord, error) {
	var rec license.Record
	var v license.VersionRecord
	err := engine.One(ctx, s.DB, license.ErrNotFound, LoadLicense, func(r *engine.Row) {
		rec, v = ScanRecord(r), ScanVersion(r)
	}, string(id), version)
	if err != nil {
		return license.Record{}, license.VersionRecord{}, fmt.Errorf("loading license %s: %w", id, err)
	}
	return rec, v, nil
}
