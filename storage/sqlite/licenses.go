package sqlite

import (
	"context"
	"errors"
	"fmt"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// Save implements [license.Store]. The writer is alone, so that what is checked
// first still holds when it is relied on.
func (s *Licenses) Save(ctx context.Context, r license.SaveRequest) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
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
		if err := appendEvents(c, r.Event); err != nil {
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
func saveRecord(c *conn, r license.Record) error {
	if r.Revision == 0 {
		n, err := c.exec(`
			INSERT INTO licenses (id, revision, type, authority, version, state, created, updated, auth)
			VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO NOTHING`,
			string(r.ID), string(r.Type), string(r.Authority), r.Version, string(r.State), r.Created, r.Updated, r.Auth)
		if err == nil && n == 0 {
			return license.ErrConflict
		}
		return err
	}
	n, err := c.exec(`
		UPDATE licenses SET revision = revision + 1, version = ?, state = ?, updated = ?, auth = ?
		WHERE id = ? AND revision = ?`,
		r.Version, string(r.State), r.Updated, r.Auth, string(r.ID), r.Revision)
	if err != nil {
		return err
	}
	if n == 1 {
		return saveMark(c, "licenses", string(r.ID), r.Mark)
	}
	there, err := c.exists("SELECT 1 FROM licenses WHERE id = ?", string(r.ID))
	if err != nil {
		return err
	}
	if there {
		return license.ErrConflict
	}
	return license.ErrNotFound
}

// saveVersions adds a version and changes the states of others.
func saveVersions(c *conn, r license.SaveRequest) error {
	if v := r.Add; v != nil {
		_, err := c.exec(`
			INSERT INTO license_versions (license, version, state, type_version, origin, trust_grade,
				valid_from, valid_until, status_list, status_index, issued, body, credential, holder_key, ending, suspension, auth)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			string(v.License), v.Version, string(v.State), v.TypeVersion, string(v.Origin), string(v.TrustGrade),
			v.ValidFrom, v.ValidUntil, v.StatusList, v.StatusIndex, optional(v.Issued),
			v.Body, v.Credential, v.HolderKey, v.Ending, v.Suspension, v.Auth)
		if err != nil {
			return fmt.Errorf("version %d: %w", v.Version, err)
		}
	}
	for _, st := range r.States {
		n, err := c.exec(`
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

const recordColumns = `l.id, l.revision, l.type, l.authority, l.version, l.state, l.created, l.updated,
	l.auth, (SELECT mark FROM registers WHERE kind = 'licenses' AND registers.id = l.id)`

func scanRecord(r *row) license.Record {
	return license.Record{
		ID: audit.ID(r.text()), Revision: r.int64(), Type: credential.TypeCode(r.text()),
		Authority: party.USCC(r.text()), Version: r.int(), State: license.State(r.text()),
		Created: r.time(), Updated: r.time(), Auth: r.bytes(), Mark: r.bytes(),
	}
}

const versionColumns = `v.license, v.version, v.state, v.type_version, v.origin, v.trust_grade,
	v.valid_from, v.valid_until, v.status_list, v.status_index, v.issued, v.body, v.credential, v.holder_key, v.ending, v.suspension, v.auth`

func scanVersion(r *row) license.VersionRecord {
	return license.VersionRecord{
		License: audit.ID(r.text()), Version: r.int(), State: license.State(r.text()), TypeVersion: r.int(),
		Origin: credential.Origin(r.text()), TrustGrade: credential.TrustGrade(r.text()),
		ValidFrom: r.date(), ValidUntil: r.date(), StatusList: r.int64(), StatusIndex: r.int(), Issued: r.time(),
		Body: r.bytes(), Credential: r.bytes(), HolderKey: r.bytes(), Ending: r.bytes(), Suspension: r.bytes(), Auth: r.bytes(),
	}
}

const loadLicense = `
	SELECT ` + recordColumns + `, ` + versionColumns + `
	FROM licenses l JOIN license_versions v
		ON v.license = l.id AND v.version = CASE ?2 WHEN 0 THEN l.version ELSE ?2 END
	WHERE l.id = ?1`

// Load implements [license.Store].
func (s *Licenses) Load(ctx context.Context, id audit.ID, version int) (license.Record, license.VersionRecord, error) {
	var rec license.Record
	var v license.VersionRecord
	err := one(ctx, s.db, license.ErrNotFound, loadLicense, func(r *row) {
		rec, v = scanRecord(r), scanVersion(r)
	}, string(id), version)
	if err != nil {
		return license.Record{}, license.VersionRecord{}, fmt.Errorf("loading license %s: %w", id, err)
	}
	return rec, v, nil
}

// one reads one row, or returns the error for none.
func one(ctx context.Context, db *DB, none error, sql string, f func(*row), values ...any) error {
	found := false
	err := db.readers.do(ctx, func(c *conn) error {
		return c.query(sql, func(r *row) { f(r); found = true }, values...)
	})
	if err == nil && !found {
		return none
	}
	return err
}

// many reads rows.
func many[T any](ctx context.Context, db *DB, sql string, scan func(*row) T, values ...any) ([]T, error) {
	var all []T
	err := db.readers.do(ctx, func(c *conn) error {
		all = nil
		return c.query(sql, func(r *row) { all = append(all, scan(r)) }, values...)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
