package sqlite

import (
	"context"
	"fmt"
	"math"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing/journal"
)

// SaveTypes implements [catalog.TypeStore]. That a code has one draft and one
// published version at most is a matter of unique indexes.
func (s *Licenses) SaveTypes(ctx context.Context, e journal.Event, ts ...catalog.TypeRecord) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		for _, t := range ts {
			if err := saveType(c, t); err != nil {
				return fmt.Errorf("type %s version %d: %w", t.Code, t.Version, taken(err, catalog.ErrConflict))
			}
		}
		return appendEvents(c, e)
	})
	if err != nil {
		return fmt.Errorf("saving types: %w", err)
	}
	return nil
}

func saveType(c *conn, t catalog.TypeRecord) error {
	if t.Revision == 0 {
		_, err := c.exec(`
			INSERT INTO license_types (code, version, state, revision, owner, body, updated, auth)
			VALUES (?, ?, ?, 1, ?, ?, ?, ?)`,
			string(t.Code), t.Version, string(t.State), t.Owner, t.Body, t.Updated, t.Auth)
		return err
	}
	n, err := c.exec(`
		UPDATE license_types SET state = ?, revision = revision + 1, owner = ?, body = ?, updated = ?, auth = ?
		WHERE code = ? AND version = ? AND revision = ?`,
		string(t.State), t.Owner, t.Body, t.Updated, t.Auth, string(t.Code), t.Version, t.Revision)
	if err == nil && n == 0 {
		return catalog.ErrConflict
	}
	return err
}

const typeColumns = `code, version, state, revision, owner, body, updated, auth`

func scanType(r *row) catalog.TypeRecord {
	return catalog.TypeRecord{
		Code: credential.TypeCode(r.text()), Version: r.int(), State: catalog.TypeState(r.text()),
		Revision: r.int64(), Owner: r.text(), Body: r.bytes(), Updated: r.time(), Auth: r.bytes(),
	}
}

const loadTypes = `SELECT ` + typeColumns + ` FROM license_types WHERE code = ? AND version < ? ORDER BY version DESC LIMIT ?`

// LoadTypes implements [catalog.TypeStore].
func (s *Licenses) LoadTypes(ctx context.Context, code credential.TypeCode, before, limit int) ([]catalog.TypeRecord, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	ts, err := many(ctx, s.db, loadTypes, scanType, string(code), before, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("loading type %s: %w", code, err)
	}
	return ts, nil
}

const listTypes = `
	SELECT ` + typeColumns + ` FROM license_types AS t
	WHERE code > ?1 AND version = (
		SELECT max(version) FROM license_types WHERE code = t.code AND (state <> 'draft' OR ?2 OR owner = ?3))
	ORDER BY code LIMIT ?4`

// ListTypes implements [catalog.TypeStore].
func (s *Licenses) ListTypes(ctx context.Context, d catalog.Drafts, after credential.TypeCode, limit int) ([]catalog.TypeRecord, error) {
	ts, err := many(ctx, s.db, listTypes, scanType, string(after), d.All, d.Of, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing types: %w", err)
	}
	return ts, nil
}

const useOfTypes = `SELECT coalesce(sum(state = 'draft'), 0), coalesce(sum(length(body)), 0) FROM license_types WHERE owner = ?`

// UseOfTypes implements [catalog.TypeStore].
func (s *Licenses) UseOfTypes(ctx context.Context, owner string) (catalog.Use, error) {
	us, err := many(ctx, s.db, useOfTypes, scanUse, owner)
	if err != nil {
		return catalog.Use{}, fmt.Errorf("adding up types: %w", err)
	}
	return us[0], nil
}

func scanUse(r *row) catalog.Use { return catalog.Use{Drafts: r.int(), Bytes: r.int64()} }
