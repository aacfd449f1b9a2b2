package sqlite

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/signing"
)

// GrantsAfter implements [license.PartyKeyStore].
func (s *Licenses) GrantsAfter(ctx context.Context, after license.GrantID, limit int) ([]license.GrantRecord, error) {
	gs, err := many(ctx, s.db, "SELECT "+grantColumns+" FROM grants g WHERE g.id > ? ORDER BY g.id LIMIT ?",
		scanGrant, string(after), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all grants: %w", err)
	}
	return gs, nil
}

// AddGrantKeys implements [license.PartyKeyStore].
func (s *Licenses) AddGrantKeys(ctx context.Context, id license.GrantID, party []signing.Lookup) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		var created time.Time
		found := false
		err := c.query("SELECT created FROM grants WHERE id = ?", func(r *row) { created, found = r.time(), true }, string(id))
		if err != nil {
			return err
		}
		if !found {
			return license.ErrNotFound
		}
		return saveGrantKeys(c, id, created, party)
	})
	if err != nil {
		return fmt.Errorf("adding lookup keys of grant %s: %w", id, err)
	}
	return nil
}

// AccessAfter implements [license.PartyKeyStore].
func (s *Licenses) AccessAfter(ctx context.Context, after int64, limit int) ([]license.AccessRecord, error) {
	as, err := many(ctx, s.db, "SELECT "+accessColumns+" FROM access_records a WHERE a.seq > ? ORDER BY a.seq LIMIT ?",
		scanAccess, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all access records: %w", err)
	}
	return as, nil
}

// AddAccessKeys implements [license.PartyKeyStore].
func (s *Licenses) AddAccessKeys(ctx context.Context, a license.AccessRecord, party []signing.Lookup) error {
	err := s.db.writer.do(ctx, func(c *conn) error {
		there, err := c.exists("SELECT 1 FROM access_records WHERE seq = ?", a.Seq)
		if err != nil {
			return err
		}
		if !there {
			return license.ErrNotFound
		}
		return saveAccessKeys(c, a.Seq, party)
	})
	if err != nil {
		return fmt.Errorf("adding lookup keys of access record %d: %w", a.Seq, err)
	}
	return nil
}

func saveGrantKeys(c *conn, id license.GrantID, created time.Time, party []signing.Lookup) error {
	for _, key := range party {
		_, err := c.exec(`
			INSERT INTO grant_parties (serial, sum, created, grant_id) VALUES (?, ?, ?, ?)
			ON CONFLICT (serial, sum, created, grant_id) DO NOTHING`,
			key.Serial, key.Sum[:], created, string(id))
		if err != nil {
			return err
		}
	}
	return nil
}

func saveAccessKeys(c *conn, seq int64, party []signing.Lookup) error {
	for _, key := range party {
		_, err := c.exec(`
			INSERT INTO access_parties (serial, sum, seq) VALUES (?, ?, ?)
			ON CONFLICT (serial, sum, seq) DO NOTHING`, key.Serial, key.Sum[:], seq)
		if err != nil {
			return err
		}
	}
	return nil
}
