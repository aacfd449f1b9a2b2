package licenses

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
)

// saveLookups makes lookup keys lead to a license's version. Identifiers that
// lead to the license already move to that version.
func saveLookups(c *engine.Conn, at license.Located, created time.Time, r license.LookupRow) error {
	for _, key := range r.Keys {
		var err error
		switch r.Kind {
		case license.LookupIdentifier, license.LookupVerification:
			var n int64
			n, err = c.Exec(`
				INSERT INTO identifiers (serial, sum, kind, license, version) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (serial, sum) DO UPDATE SET version = excluded.version
				WHERE license = excluded.license AND kind = excluded.kind`,
				key.Serial, key.Sum[:], string(r.Kind), string(at.License), at.Version)
			if err == nil && n == 0 {
				return license.ErrIdentifierTaken
			}
		case license.LookupNumber:
			err = saveNumber(c, at.License, key, r.Exclusive && !r.Former, r.Former)
		case license.LookupHolder:
			_, err = c.Exec(`
				INSERT INTO holdings (serial, sum, created, license) VALUES (?, ?, ?, ?)
				ON CONFLICT (serial, sum, created, license) DO NOTHING`,
				key.Serial, key.Sum[:], created, string(at.License))
		default:
			return fmt.Errorf("a lookup key of kind %q can't be stored", r.Kind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// saveNumber stores a number of a license. Two licenses share one only if it is
// exclusive to neither, or former to one of them.
func saveNumber(c *engine.Conn, id audit.ID, key signing.Lookup, exclusive, former bool) error {
	taken, err := c.Exists(`
		SELECT 1 FROM numbers
		WHERE serial = ? AND sum = ? AND license <> ? AND NOT former AND NOT ? AND (exclusive OR ?) LIMIT 1`,
		key.Serial, key.Sum[:], string(id), former, exclusive)
	if err != nil {
		return err
	}
	if taken {
		return license.ErrNumberTaken
	}
	_, err = c.Exec(`
		INSERT INTO numbers (serial, sum, license, exclusive, former) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (serial, sum, license) DO UPDATE SET exclusive = excluded.exclusive, former = excluded.former`,
		key.Serial, key.Sum[:], string(id), exclusive, former)
	return err
}

const Locate = `SELECT license, version FROM identifiers WHERE serial = ? AND sum = ? AND kind = ?`

// Locate implements [license.Store].
func (s *Records) Locate(ctx context.Context, kind license.LookupKind, keys []signing.Lookup) (license.Located, error) {
	l, err := first(ctx, s.DB, keys, Locate, func(r *engine.Row) license.Located {
		return license.Located{License: audit.ID(r.Text()), Version: r.Int()}
	}, string(kind))
	if err != nil {
		return license.Located{}, fmt.Errorf("locating a license: %w", err)
	}
	return l, nil
}

const versionsAfter = `
	SELECT ` + VersionColumns + ` FROM license_versions v
	WHERE (v.license, v.version) > (?, ?) ORDER BY v.license, v.version LIMIT ?`

// Versions implements [license.LookupStore].
func (s *Records) Versions(ctx context.Context, after license.Located, limit int) ([]license.VersionRecord, error) {
	vs, err := engine.Many(ctx, s.DB, versionsAfter, ScanVersion, string(after.License), after.Version, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing versions: %w", err)
	}
	return vs, nil
}

// AddLookups implements [license.LookupStore].
func (s *Records) AddLookups(ctx context.Context, at license.Located, revision int64, rows []license.LookupRow) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		var created time.Time
		var stored int64
		found := false
		err := c.Query(`
			SELECT l.created, l.revision FROM licenses l JOIN license_versions v ON v.license = l.id AND v.version = ?2
			WHERE l.id = ?1`, func(r *engine.Row) { created, stored, found = r.Time(), r.Int64(), true }, string(at.License), at.Version)
		if err != nil {
			return err
		}
		if !found {
			return license.ErrNotFound
		}
		if stored != revision {
			return license.ErrConflict
		}
		for _, row := range rows {
			if row, err = missingKeys(c, at, row); err != nil {
				return err
			}
			if err := saveLookups(c, at, created, row); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("adding lookup keys of license %s: %w", at.License, err)
	}
	return nil
}

// missingKeys leaves out the identifiers' keys that lead to the license
// already, for saveLookups would move them to another version.
func missingKeys(c *engine.Conn, at license.Located, r license.LookupRow) (license.LookupRow, error) {
	if r.Kind != license.LookupIdentifier && r.Kind != license.LookupVerification {
		return r, nil
	}
	keys := r.Keys
	r.Keys = nil
	for _, key := range keys {
		there, err := c.Exists("SELECT 1 FROM identifiers WHERE serial = ? AND sum = ? AND kind = ? AND license = ?",
			key.Serial, key.Sum[:], string(r.Kind), string(at.License))
		if err != nil {
			return r, err
		}
		if !there {
			r.Keys = append(r.Keys, key)
		}
	}
	return r, nil
}

// purges deletes up to some lookup keys of a serial, a statement a table. The
// tables begin with the serial, so that none is searched.
var purges = []string{
	`DELETE FROM identifiers WHERE (serial, sum) IN
		(SELECT serial, sum FROM identifiers WHERE serial = ? LIMIT ?)`,
	`DELETE FROM numbers WHERE (serial, sum, license) IN
		(SELECT serial, sum, license FROM numbers WHERE serial = ? LIMIT ?)`,
	`DELETE FROM holdings WHERE (serial, sum, created, license) IN
		(SELECT serial, sum, created, license FROM holdings WHERE serial = ? LIMIT ?)`,
	`DELETE FROM requests WHERE (serial, sum) IN
		(SELECT serial, sum FROM requests WHERE serial = ? LIMIT ?)`,
	`DELETE FROM grant_parties WHERE (serial, sum, created, grant_id) IN
		(SELECT serial, sum, created, grant_id FROM grant_parties WHERE serial = ? LIMIT ?)`,
	`DELETE FROM access_parties WHERE (serial, sum, seq) IN
		(SELECT serial, sum, seq FROM access_parties WHERE serial = ? LIMIT ?)`,
	`DELETE FROM party_codes WHERE (serial, sum) IN
		(SELECT serial, sum FROM party_codes WHERE serial = ? LIMIT ?)`,
	`DELETE FROM account_logins WHERE (serial, sum) IN
		(SELECT serial, sum FROM account_logins WHERE serial = ? LIMIT ?)`,
	`DELETE FROM link_keys WHERE (serial, sum) IN
		(SELECT serial, sum FROM link_keys WHERE serial = ? LIMIT ?)`,
	`DELETE FROM representation_keys WHERE (serial, sum) IN
		(SELECT serial, sum FROM representation_keys WHERE serial = ? LIMIT ?)`,
	`DELETE FROM representation_uniques WHERE (serial, sum) IN
		(SELECT serial, sum FROM representation_uniques WHERE serial = ? LIMIT ?)`,
	`DELETE FROM session_parties WHERE (serial, sum, created, session) IN
		(SELECT serial, sum, created, session FROM session_parties WHERE serial = ? LIMIT ?)`,
	`DELETE FROM family_parties WHERE (serial, sum, created, family) IN
		(SELECT serial, sum, created, family FROM family_parties WHERE serial = ? LIMIT ?)`,
}

// PurgeLookups implements [license.LookupStore].
func (s *Records) PurgeLookups(ctx context.Context, serial int32, limit int) (int, error) {
	purged := 0
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		for _, purge := range purges {
			n, err := c.Exec(purge, serial, max(limit-purged, 0))
			if err != nil {
				return err
			}
			purged += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("purging lookup keys of serial %d: %w", serial, err)
	}
	return purged, nil
}
