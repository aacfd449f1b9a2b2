package licenses

import (
	"context"
	"encoding/json"
	"fmt"

	"yizheng.internal/license/status"
	"yizheng.internal/storage/sqlite/engine"
)

const anyPlain = `SELECT 1 FROM status_entries WHERE value <> 0 AND auth IS NULL LIMIT 1`

// PlainOwners implements [status.MendStore].
func (s *Status) PlainOwners(ctx context.Context, after status.Version, limit int) ([]status.Owner, error) {
	var owners []status.Owner
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		owners = nil
		if plain, err := c.Exists(anyPlain); err != nil || !plain {
			return err
		}
		// The unary + keeps the versions in their order, page after page.
		return c.Query(`SELECT v.license, v.version, e.list, e.position, e.value, e.serial, e.auth
			FROM license_versions v CROSS JOIN status_entries e ON e.list = v.status_list AND e.position = v.status_index
			WHERE (v.license, v.version) > (?, ?) AND +e.value <> 0 AND +e.auth IS NULL
			ORDER BY v.license, v.version LIMIT ?`, func(r *engine.Row) { owners = append(owners, scanOwner(r)) },
			after.License, after.Number, limit)
	})
	if err != nil {
		return nil, fmt.Errorf("finding versions of status entries without authenticators: %w", err)
	}
	return owners, nil
}

func scanOwner(r *engine.Row) status.Owner {
	return status.Owner{
		Version: status.Version{License: r.Text(), Number: r.Int()}, List: r.Int64(), Entry: scanEntry(r),
	}
}

// StatusOwners implements [status.MendStore]. What is gone comes back as an entry
// without a value.
func (s *Status) StatusOwners(ctx context.Context, list int64, indexes []int) ([]status.Owner, error) {
	wanted, err := json.Marshal(indexes)
	if err != nil {
		return nil, err
	}
	owners, err := engine.Many(ctx, s.DB, `SELECT v.license, v.version, v.status_list, v.status_index,
			coalesce(e.value, 0), e.serial, e.auth
		FROM license_versions v LEFT JOIN status_entries e ON e.list = v.status_list AND e.position = v.status_index
		WHERE v.status_list = ? AND v.status_index IN (SELECT value FROM json_each(?))
		ORDER BY v.license, v.version`, scanOwner, list, string(wanted))
	if err != nil {
		return nil, fmt.Errorf("finding versions of status list %d: %w", list, err)
	}
	return owners, nil
}

// MendStatus implements [status.MendStore].
func (s *Status) MendStatus(ctx context.Context, was status.Entry, to status.Change) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		n, err := c.Exec(`INSERT INTO status_entries (list, position, value, serial, auth) VALUES (?1, ?2, ?3, ?4, ?5)
			ON CONFLICT (list, position) DO UPDATE SET value = excluded.value, serial = excluded.serial, auth = excluded.auth
			WHERE value = ?6 AND auth IS ?7`,
			to.List, to.Index, int(to.Value), to.Serial, to.Auth, int(was.Value), was.Auth)
		if err == nil && n == 1 {
			err = countChange(c, to.List)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("mending entry %d of status list %d: %w", to.Index, to.List, err)
	}
	return nil
}
