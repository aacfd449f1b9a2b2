package licenses

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/status"
)

const anyPlain = `SELECT EXISTS (SELECT FROM status_entries WHERE value <> 0 AND auth IS NULL)`

const plainOwners = `SELECT v.license, v.version, e.list, e.index, e.value, e.serial, e.auth
	FROM license_versions v JOIN status_entries e ON e.list = v.status_list AND e.index = v.status_index
	WHERE (v.license, v.version) > ($1, $2) AND e.value <> 0 AND e.auth IS NULL
	ORDER BY v.license, v.version LIMIT $3`

// PlainOwners implements [status.MendStore].
func (s *Status) PlainOwners(ctx context.Context, after status.Version, limit int) (owners []status.Owner, err error) {
	plain := false
	err = s.DB.Read(ctx, func(b *pgx.Batch) {
		b.Queue(anyPlain).QueryRow(func(row pgx.Row) error { return row.Scan(&plain) })
	})
	if err == nil && plain {
		owners, err = s.owners(ctx, plainOwners, after.License, after.Number, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("finding versions of status entries without authenticators: %w", err)
	}
	return owners, nil
}

// StatusOwners implements [status.MendStore]. What is gone comes back as an entry
// without a value.
func (s *Status) StatusOwners(ctx context.Context, list int64, indexes []int) ([]status.Owner, error) {
	owners, err := s.owners(ctx, `SELECT v.license, v.version, v.status_list, v.status_index,
			coalesce(e.value, 0::smallint), e.serial, e.auth
		FROM license_versions v LEFT JOIN status_entries e ON e.list = v.status_list AND e.index = v.status_index
		WHERE v.status_list = $1 AND v.status_index = ANY ($2::integer[])
		ORDER BY v.license, v.version`, list, indexes)
	if err != nil {
		return nil, fmt.Errorf("finding versions of status list %d: %w", list, err)
	}
	return owners, nil
}

func (s *Status) owners(ctx context.Context, sql string, values ...any) (owners []status.Owner, err error) {
	err = s.DB.Read(ctx, func(b *pgx.Batch) {
		b.Queue(sql, values...).Query(func(rows pgx.Rows) error {
			owners, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (status.Owner, error) {
				var o status.Owner
				var index int
				var value int16
				var serial *int64
				var auth []byte
				err := row.Scan(&o.License, &o.Number, &o.List, &index, &value, &serial, &auth)
				o.Entry = statusEntry(index, value, serial, auth)
				return o, err
			})
			return err
		})
	})
	return owners, err
}

// MendStatus implements [status.MendStore].
func (s *Status) MendStatus(ctx context.Context, was status.Entry, to status.Change) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`WITH changed AS (
				INSERT INTO status_entries (list, index, value, serial, auth) VALUES ($1, $2, $3, $5, $6)
				ON CONFLICT (list, index) DO UPDATE SET value = excluded.value, serial = excluded.serial, auth = excluded.auth
				WHERE status_entries.value = $7 AND status_entries.auth IS NOT DISTINCT FROM $8 RETURNING list
			), `+countChange+` SELECT`,
			to.List, to.Index, int16(to.Value), shardOf(to), to.Serial, to.Auth, int16(was.Value), was.Auth)
	})
	if err != nil {
		return fmt.Errorf("mending entry %d of status list %d: %w", to.Index, to.List, err)
	}
	return nil
}
