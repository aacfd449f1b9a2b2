package licenses

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
	"yizheng.internal/storage/postgres/engine"
)

// Status keeps status lists: [status.Store] and [status.MendStore].
type Status struct{ DB *engine.DB }

// revisionShards is how many changes of a list may commit at the same time.
const revisionShards = 16

// queueStatus sets values and counts those that really change.
func queueStatus(b *pgx.Batch, changes []status.Change) {
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(x, y status.Change) int {
		return cmp.Or(cmp.Compare(x.List, y.List), cmp.Compare(shardOf(x), shardOf(y)),
			cmp.Compare(x.Index, y.Index))
	})
	for _, c := range changes {
		b.Queue(`WITH changed AS (
				UPDATE status_entries SET value = $3, serial = $5, auth = $6
				WHERE list = $1 AND index = $2 AND (value <> $3 OR auth IS DISTINCT FROM $6) RETURNING list
			), `+countChange+`
			SELECT EXISTS (SELECT FROM status_entries WHERE list = $1 AND index = $2)`,
			c.List, c.Index, int16(c.Value), shardOf(c), c.Serial, c.Auth).QueryRow(func(row pgx.Row) error {
			var reserved bool
			if err := row.Scan(&reserved); err != nil {
				return err
			}
			if !reserved {
				return &status.UnreservedError{List: c.List, Index: c.Index}
			}
			return nil
		})
	}
}

func shardOf(c status.Change) int { return c.Index % revisionShards }

// countChange counts the entries of changed in a shard, parameter 4, of their list's revision.
const countChange = `counted AS (
				INSERT INTO status_revisions (list, shard, changes) SELECT list, $4::smallint, 1 FROM changed
				ON CONFLICT (list, shard) DO UPDATE SET changes = status_revisions.changes + 1
			)`

// Reserve implements [status.Store]. The newest list's row is locked, so
// that nodes reserve one after the other.
func (s *Status) Reserve(ctx context.Context, indexes []int, most int, now time.Time) (list int64, taken []int, err error) {
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *pgx.Conn) error {
		if list, err = newestList(ctx, tx, most, now); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `INSERT INTO status_entries (list, index, value)
			SELECT $1, index, 0 FROM unnest($2::integer[]) AS index
			ON CONFLICT (list, index) DO NOTHING RETURNING index`, list, indexes)
		if err != nil {
			return err
		}
		if taken, err = pgx.CollectRows(rows, pgx.RowTo[int]); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE status_lists SET taken = taken + $2 WHERE list = $1`, list, len(taken))
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("reserving status entries: %w", err)
	}
	return list, taken, nil
}

// newestList locks the newest list that has less than most entries taken,
// beginning one if need be. Whoever waited for a lock looks again: another may
// have begun the next list meanwhile.
func newestList(ctx context.Context, tx *pgx.Conn, most int, now time.Time) (int64, error) {
	for {
		var list int64
		var taken int
		err := tx.QueryRow(ctx, `SELECT list, taken FROM status_lists ORDER BY list DESC LIMIT 1 FOR UPDATE`).
			Scan(&list, &taken)
		if engine.Missing(err, nil) != nil {
			return 0, err
		}
		if err == nil && taken < most {
			return list, nil
		}
		tag, err := tx.Exec(ctx, `INSERT INTO status_lists (list, taken, created) VALUES ($1, 0, $2)
			ON CONFLICT (list) DO NOTHING`, list+1, now)
		if err != nil {
			return 0, err
		}
		if tag.RowsAffected() == 1 {
			return list + 1, nil
		}
	}
}

// LoadList reads a list's revision and entries in one statement, so that they
// belong together. Of a list that is as it was seen no entry is read: what is
// asked of the revision stands inside, where it is asked first.
const LoadList = `WITH at AS (
		SELECT coalesce(sum(changes), 0)::bigint AS revision FROM status_revisions WHERE list = $1
	)
	SELECT at.revision, e.index, e.value, e.serial, e.auth
	FROM status_lists l CROSS JOIN at
	LEFT JOIN LATERAL (SELECT index, value, serial, auth FROM status_entries
		WHERE list = $1 AND (value <> 0 OR auth IS NOT NULL) AND at.revision <> $2 OFFSET 0) e ON true
	WHERE l.list = $1 ORDER BY e.index`

// LoadList implements [status.Store].
func (s *Status) LoadList(ctx context.Context, list int64, seen int64) (int64, []status.Entry, error) {
	var revision int64
	var entries []status.Entry
	exists := false
	err := s.DB.Read(ctx, func(b *pgx.Batch) {
		entries, exists = nil, false
		b.Queue(LoadList, list, seen).Query(func(rows pgx.Rows) error {
			var index *int
			var value *int16
			var serial *int64
			var auth []byte
			_, err := pgx.ForEachRow(rows, []any{&revision, &index, &value, &serial, &auth}, func() error {
				exists = true
				if index != nil && value != nil {
					entries = append(entries, statusEntry(*index, *value, serial, auth))
				}
				return nil
			})
			return err
		})
	})
	if err == nil && !exists {
		err = status.ErrNotFound
	}
	if err != nil {
		return 0, nil, fmt.Errorf("loading status list %d: %w", list, err)
	}
	return revision, entries, nil
}

// statusEntry is an entry of a status list from its columns.
func statusEntry(index int, value int16, serial *int64, auth []byte) status.Entry {
	e := status.Entry{Index: index, Value: credential.StatusValue(value), Auth: auth}
	if serial != nil {
		e.Serial = *serial
	}
	return e
}

const LoadStatus = `SELECT value, serial, auth FROM status_entries WHERE list = $1 AND index = $2`

// LoadStatus implements [status.Store].
func (s *Status) LoadStatus(ctx context.Context, list int64, index int) (status.Entry, error) {
	var value int16
	var serial *int64
	var auth []byte
	err := s.DB.Read(ctx, func(b *pgx.Batch) {
		b.Queue(LoadStatus, list, index).QueryRow(func(row pgx.Row) error { return row.Scan(&value, &serial, &auth) })
	})
	if err != nil {
		return status.Entry{}, fmt.Errorf("loading entry %d of status list %d: %w", index, list, engine.Missing(err, status.ErrNotFound))
	}
	return statusEntry(index, value, serial, auth), nil
}

// StatusLists implements [status.Store].
func (s *Status) StatusLists(ctx context.Context) (lists []int64, err error) {
	err = s.DB.Read(ctx, func(b *pgx.Batch) {
		b.Queue(`SELECT list FROM status_lists ORDER BY list`).Query(func(rows pgx.Rows) error {
			lists, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing status lists: %w", err)
	}
	return lists, nil
}
