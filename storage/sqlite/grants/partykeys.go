package grants

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/grant"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
)

// GrantsAfter implements [grant.KeyStore].
func (s *Grants) GrantsAfter(ctx context.Context, after grant.ID, limit int) ([]grant.Record, error) {
	gs, err := engine.Many(ctx, s.DB, "SELECT "+grantColumns+" FROM grants g WHERE g.id > ? ORDER BY g.id LIMIT ?",
		scanGrant, string(after), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all grants: %w", err)
	}
	return gs, nil
}

// AddGrantKeys implements [grant.KeyStore].
func (s *Grants) AddGrantKeys(ctx context.Context, id grant.ID, party []signing.Lookup) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		var created time.Time
		found := false
		err := c.Query("SELECT created FROM grants WHERE id = ?", func(r *engine.Row) { created, found = r.Time(), true }, string(id))
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

// AccessAfter implements [access.KeyStore].
func (s *Readings) AccessAfter(ctx context.Context, after int64, limit int) ([]access.Record, error) {
	as, err := engine.Many(ctx, s.DB, "SELECT "+accessColumns+" FROM access_records a WHERE a.seq > ? ORDER BY a.seq LIMIT ?",
		scanAccess, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("listing all access records: %w", err)
	}
	return as, nil
}

// AddAccessKeys implements [access.KeyStore].
func (s *Readings) AddAccessKeys(ctx context.Context, a access.Record, party []signing.Lookup) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		there, err := c.Exists("SELECT 1 FROM access_records WHERE seq = ?", a.Seq)
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

func saveGrantKeys(c *engine.Conn, id grant.ID, created time.Time, party []signing.Lookup) error {
	for _, key := range party {
		_, err := c.Exec(`
			INSERT INTO grant_parties (serial, sum, created, grant_id) VALUES (?, ?, ?, ?)
			ON CONFLICT (serial, sum, created, grant_id) DO NOTHING`,
			key.Serial, key.Sum[:], created, string(id))
		if err != nil {
			return err
		}
	}
	return nil
}

func saveAccessKeys(c *engine.Conn, seq int64, party []signing.Lookup) error {
	for _, key := range party {
		_, err := c.Exec(`
			INSERT INTO access_parties (serial, sum, seq) VALUES (?, ?, ?)
			ON CONFLICT (serial, sum, seq) DO NOTHING`, key.Serial, key.Sum[:], seq)
		if err != nil {
			return err
		}
	}
	return nil
}
