package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/storage/postgres/engine"
)

// monthsAhead is how many months have their partition before they begin.
const monthsAhead = 3

// Monthly are the tables with a partition for each month of UTC.
var Monthly = []string{"events", "provider_events", "access_records"}

// EnsurePartitions makes the partitions of the month of now and of the coming
// ones, where they are missing. Nodes may call it at the same time. Until a month
// has its partition, its rows go to the table's partition for the rest, from
// where they are moved.
func (s *Months) EnsurePartitions(ctx context.Context, now time.Time) error {
	y, m, _ := now.UTC().Date()
	for _, table := range Monthly {
		for n := range 1 + monthsAhead {
			month := time.Date(y, m+time.Month(n), 1, 0, 0, 0, 0, time.UTC)
			if err := s.EnsurePartition(ctx, table, month); err != nil {
				return fmt.Errorf("making the partition of %s for %s: %w", table, month.Format("2006-01"), err)
			}
		}
	}
	return nil
}

// EnsurePartition makes one. The table is made apart and then attached, which
// stops neither reads nor writes of the other months.
func (s *Months) EnsurePartition(ctx context.Context, table string, month time.Time) error {
	name := table + month.Format("_200601")
	exists := func(q interface {
		QueryRow(context.Context, string, ...any) pgx.Row
	}) (ok bool, err error) {
		// By a query, whose snapshot is new, and not by to_regclass, whose cache
		// doesn't know what was committed while we waited for the lock.
		err = q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
			WHERE inhparent = $1::text::regclass AND part.relname = $2)`, table, name).Scan(&ok)
		return ok, engine.Explain(ctx, err)
	}
	if ok, err := exists(s.DB.Conns); ok || err != nil {
		return err
	}
	from, to := month.Format("'2006-01-02Z'"), month.AddDate(0, 1, 0).Format("'2006-01-02Z'")
	return s.DB.Patient().InTx(ctx, func(ctx context.Context, tx *pgx.Conn) error {
		if _, err := tx.Exec(ctx, followLock, engine.LockKey("partitions", table)); err != nil {
			return err
		}
		if ok, err := exists(tx); ok || err != nil {
			return err
		}
		for _, sql := range []string{
			`CREATE TABLE ` + name + ` (LIKE ` + table + ` INCLUDING ALL)`,
			`LOCK TABLE ` + table + `_rest IN ACCESS EXCLUSIVE MODE`,
			`WITH moved AS (DELETE FROM ` + table + `_rest WHERE at >= ` + from + ` AND at < ` + to + ` RETURNING *)
				INSERT INTO ` + name + ` SELECT * FROM moved`,
			`ALTER TABLE ` + table + ` ATTACH PARTITION ` + name + ` FOR VALUES FROM (` + from + `) TO (` + to + `)`,
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// PartitionRest makes the partitions of the months before a time whose rows went to
// the rest.
func (s *Months) PartitionRest(ctx context.Context, table string, until time.Time) error {
	months, err := engine.Collect(ctx, s.DB, pgx.RowTo[time.Time],
		`SELECT DISTINCT date_trunc('month', at, 'UTC') FROM `+table+`_rest WHERE at < $1`, until)
	if err != nil {
		return err
	}
	for _, m := range months {
		if err := s.EnsurePartition(ctx, table, m.UTC()); err != nil {
			return fmt.Errorf("making the partition of %s for %s: %w", table, m.UTC().Format("2006-01"), err)
		}
	}
	return nil
}
