package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/retention"
)

// Months implements [retention.Months].
type Months struct{ DB *engine.DB }

// PartitionOf returns the name of a month's partition.
func PartitionOf(table string, month time.Time) string { return table + month.Format("_200601") }

// ListMonths implements [retention.Months].
func (s *Months) ListMonths(ctx context.Context, table retention.Table, until retention.Month) ([]retention.State, error) {
	if !table.Valid() {
		return nil, fmt.Errorf("no log %q", table)
	}
	// What came before its month had a partition, or after that was deleted, gets one.
	if err := s.PartitionRest(ctx, string(table), until.End()); err != nil {
		return nil, err
	}
	for again := 0; ; again++ {
		months, err := s.statesOf(ctx, table, until)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "42P01" && again < 100 && ctx.Err() == nil {
			continue // undefined_table: another node deleted a month meanwhile, and may delete the next
		}
		if err != nil {
			return nil, fmt.Errorf("listing the months of %s: %w", table, err)
		}
		return retention.InOrder(months), nil
	}
}

func (s *Months) statesOf(ctx context.Context, table retention.Table, until retention.Month) (map[retention.Month]*retention.State, error) {
	// Partitions are named after their months, so names in order are months in order.
	partitions, err := engine.Collect(ctx, s.DB, pgx.RowTo[string], `SELECT part.relname::text FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
		WHERE inhparent = $1::text::regclass AND part.relname >= $2 AND part.relname <= $3 ORDER BY 1`,
		table, string(table)+"_000000", PartitionOf(string(table), until.Begin()))
	if err != nil {
		return nil, err
	}
	months := map[retention.Month]*retention.State{}
	err = s.DB.Read(ctx, func(b *pgx.Batch) {
		clear(months)
		b.Queue(`SELECT month, parts, rows, last, digest, archived, dropped FROM months WHERE log = $1 AND month <= $2`, table, until.String()).
			Query(func(rows pgx.Rows) error {
				all, err := pgx.CollectRows(rows, scanState)
				for _, state := range all {
					months[state.Month] = &state
				}
				return err
			})
		for _, name := range partitions {
			begin, err := time.Parse("200601", strings.TrimPrefix(name, string(table)+"_"))
			if err != nil {
				continue // none of ours
			}
			m := retention.MonthOf(begin)
			b.Queue(`SELECT EXISTS (SELECT FROM ` + name + `)`).QueryRow(func(row pgx.Row) error {
				var some bool
				if err := row.Scan(&some); err != nil || !some {
					return err
				}
				if months[m] == nil {
					months[m] = &retention.State{Month: m}
				}
				months[m].Rows = true
				return nil
			})
		}
	})
	return months, err
}

func scanState(row pgx.CollectableRow) (s retention.State, err error) {
	var month string
	var digest []byte
	var archived, dropped *time.Time
	if err := row.Scan(&month, &s.Archive.Parts, &s.Archive.Rows, &s.Archive.Last, &digest, &archived, &dropped); err != nil {
		return s, err
	}
	if archived != nil {
		s.Archive.At = *archived
	}
	if dropped != nil {
		s.Dropped = *dropped
	}
	if digest != nil {
		if s.Archive.Digest, err = engine.Sum(digest); err != nil {
			return s, err
		}
	}
	s.Month, err = retention.ParseMonth(month)
	return s, err
}

// MonthRows reads a month in the order of its partition's primary key.
func MonthRows(table retention.Table) string {
	var names []string
	for _, c := range table.Columns() {
		names = append(names, c.Name)
	}
	return `SELECT ` + strings.Join(names, ", ") + ` FROM ` + string(table) + ` WHERE at >= $1 AND at < $2 AND seq > $3 ORDER BY seq LIMIT $4`
}

// MonthRows implements [retention.Months], in the order of seq.
func (s *Months) MonthRows(ctx context.Context, table retention.Table, m retention.Month, above int64, after retention.Place, limit int) ([]retention.Row, error) {
	if !table.Valid() {
		return nil, fmt.Errorf("no log %q", table)
	}
	rows, err := engine.ForValues(ctx, s.DB, func(row pgx.CollectableRow) (retention.Row, error) {
		values, err := row.Values()
		for i, v := range values {
			switch v := v.(type) {
			case int32:
				values[i] = int64(v)
			case time.Time:
				values[i] = v.UTC()
			case nil:
				values[i] = []byte(nil)
			}
		}
		return values, err
	}, MonthRows(table), m.Begin(), m.End(), max(above, after.Seq), max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", table, m, err)
	}
	return rows, nil
}

// MarkArchived implements [retention.Months].
func (s *Months) MarkArchived(ctx context.Context, table retention.Table, m retention.Month, a retention.Archive) error {
	err := s.DB.Write(ctx, func(b *pgx.Batch) {
		b.Queue(`INSERT INTO months (log, month, parts, rows, last, digest, archived) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (log, month) DO UPDATE SET parts = $3, rows = $4, last = $5, digest = $6, archived = $7`,
			table, m.String(), a.Parts, a.Rows, a.Last, a.Digest[:], a.At)
	})
	if err != nil {
		return fmt.Errorf("remembering the archive of %s of %s: %w", table, m, err)
	}
	return nil
}

// dropWithin is how long deleting a month waits for those who use the table; who
// comes after it waits for as long. A backup under way may take longer: then the
// month goes another time.
const dropWithin = `SET LOCAL lock_timeout = '500ms'`

// DropMonth implements [retention.Months]: the month's partition goes as a whole.
// Keys of access records lead nowhere then, and a sweep deletes them.
func (s *Months) DropMonth(ctx context.Context, table retention.Table, m retention.Month, unarchived bool, now time.Time) (gone int64, done bool, err error) {
	if !table.Valid() {
		return 0, false, fmt.Errorf("no log %q", table)
	}
	if err := s.PartitionRest(ctx, string(table), m.End()); err != nil {
		return 0, false, err
	}
	name := PartitionOf(string(table), m.Begin())
	err = s.DB.InTx(ctx, func(ctx context.Context, tx *pgx.Conn) error {
		done = false
		if _, err := tx.Exec(ctx, dropWithin); err != nil {
			return err
		}
		// Nobody makes or deletes partitions of the table meanwhile.
		if _, err := tx.Exec(ctx, followLock, engine.LockKey("partitions", string(table))); err != nil {
			return err
		}
		var there bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
			WHERE inhparent = $1::text::regclass AND part.relname = $2)`, table, name).Scan(&there); err != nil {
			return err
		}
		if !there { // another node was first, and counts it
			return nil
		}
		if !unarchived {
			if err := archivedAll(ctx, tx, table, m, name); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `DROP TABLE `+name); err != nil {
			return err
		}
		done = true
		_, err := tx.Exec(ctx, `INSERT INTO months (log, month, parts, rows, last, dropped) VALUES ($1, $2, 0, 0, 0, $3)
			ON CONFLICT (log, month) DO UPDATE SET dropped = $3`, table, m.String(), now)
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("deleting %s of %s: %w", table, m, err)
	}
	return 0, done, nil
}

// archivedAll returns an error unless all rows of a month's partition were
// archived: later ones have higher numbers.
func archivedAll(ctx context.Context, tx *pgx.Conn, table retention.Table, m retention.Month, name string) error {
	var last, newest int64
	err := tx.QueryRow(ctx, `SELECT last FROM months WHERE log = $1 AND month = $2 AND parts > 0`, table, m.String()).Scan(&last)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if err := tx.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM `+name).Scan(&newest); err != nil {
		return err
	}
	if newest > last {
		return retention.ErrUnarchived
	}
	return nil
}
