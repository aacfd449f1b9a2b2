package ledger

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"yizheng.internal/storage/retention"
	"yizheng.internal/storage/sqlite/engine"
)

// dropLimit is how many rows of a month one transaction deletes.
const dropLimit = 200

// Months implements [retention.Months].
type Months struct{ DB *engine.DB }

// ListMonths implements [retention.Months].
func (s *Months) ListMonths(ctx context.Context, table retention.Table, until retention.Month) ([]retention.State, error) {
	if !table.Valid() {
		return nil, fmt.Errorf("no log %q", table)
	}
	months := map[retention.Month]*retention.State{}
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		return c.Read(func() error {
			var failed error
			err := c.Query(`SELECT month, parts, rows, last, digest, archived, dropped FROM months WHERE log = ? AND month <= ?`, func(r *engine.Row) {
				m, err := retention.ParseMonth(r.Text())
				if err != nil {
					failed = err
				}
				state := &retention.State{Month: m, Archive: retention.Archive{Parts: r.Int(), Rows: r.Int64(), Last: r.Int64()}}
				if digest := r.Bytes(); digest != nil {
					state.Archive.Digest = [32]byte(digest)
				}
				state.Archive.At, state.Dropped = r.Time(), r.Time()
				months[m] = state
			}, string(table), until.String())
			if err != nil || failed != nil {
				return cmp.Or(err, failed)
			}
			// From each month that has rows to the next one's first row.
			for begin := (time.Time{}); ; {
				var at time.Time
				err := c.Query(`SELECT at FROM `+string(table)+` WHERE at >= ? AND at < ? ORDER BY at LIMIT 1`, func(r *engine.Row) { at = r.Time() }, begin, until.End())
				if err != nil || at.IsZero() {
					return err
				}
				m := retention.MonthOf(at)
				if months[m] == nil {
					months[m] = &retention.State{Month: m}
				}
				months[m].Rows = true
				begin = m.End()
			}
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing the months of %s: %w", table, err)
	}
	return retention.InOrder(months), nil
}

// monthRows reads a month in the order of the index over its times.
func monthRows(table retention.Table) string {
	var names []string
	for _, c := range table.Columns() {
		names = append(names, c.Name)
	}
	return `SELECT ` + strings.Join(names, ", ") + ` FROM ` + string(table) + ` WHERE (at, seq) > (?, ?) AND at < ? AND seq > ? ORDER BY at, seq LIMIT ?`
}

// MonthRows implements [retention.Months], in the order of time.
func (s *Months) MonthRows(ctx context.Context, table retention.Table, m retention.Month, above int64, after retention.Place, limit int) ([]retention.Row, error) {
	if !table.Valid() {
		return nil, fmt.Errorf("no log %q", table)
	}
	if after.At.IsZero() {
		after = retention.Place{At: m.Begin()}
	}
	rows, err := engine.Many(ctx, s.DB, monthRows(table), func(r *engine.Row) retention.Row {
		var values retention.Row
		for _, c := range table.Columns() {
			switch c.Kind {
			case retention.Number, retention.Form:
				values = append(values, r.Int64())
			case retention.Time:
				values = append(values, r.Time())
			case retention.Bytes:
				values = append(values, r.Bytes())
			default:
				values = append(values, r.Text())
			}
		}
		return values
	}, after.At, after.Seq, m.End(), above, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("reading %s of %s: %w", table, m, err)
	}
	return rows, nil
}

// MarkArchived implements [retention.Months].
func (s *Months) MarkArchived(ctx context.Context, table retention.Table, m retention.Month, a retention.Archive) error {
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		_, err := c.Exec(`
			INSERT INTO months (log, month, parts, rows, last, digest, archived, dropping) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)
			ON CONFLICT (log, month) DO UPDATE SET parts = ?3, rows = ?4, last = ?5, digest = ?6, archived = ?7`,
			string(table), m.String(), a.Parts, a.Rows, a.Last, a.Digest[:], a.At)
		return err
	})
	if err != nil {
		return fmt.Errorf("remembering the archive of %s of %s: %w", table, m, err)
	}
	return nil
}

// DropMonth implements [retention.Months]: some rows at a time.
func (s *Months) DropMonth(ctx context.Context, table retention.Table, m retention.Month, unarchived bool, now time.Time) (gone int64, done bool, err error) {
	if !table.Valid() {
		return 0, false, fmt.Errorf("no log %q", table)
	}
	err = s.DB.Write(ctx, func(c *engine.Conn) error {
		gone, done = 0, false
		if begun, err := beginDropping(c, table, m, unarchived); err != nil || !begun {
			return err
		}
		some := ` WHERE seq IN (SELECT seq FROM ` + string(table) + ` WHERE at >= ? AND at < ? ORDER BY at LIMIT ?)`
		statements := []string{`DELETE FROM ` + string(table) + some}
		if table == retention.AccessRecords {
			statements = []string{`DELETE FROM access_parties` + some, `DELETE FROM use_requests` + some, statements[0]}
		}
		for _, sql := range statements {
			if gone, err = c.Exec(sql, m.Begin(), m.End(), dropLimit); err != nil {
				return err
			}
		}
		if done = gone < dropLimit; done {
			_, err = c.Exec(`UPDATE months SET dropping = 0, dropped = ? WHERE log = ? AND month = ?`, now, string(table), m.String())
		}
		return err
	})
	if err != nil {
		return 0, false, fmt.Errorf("deleting %s of %s: %w", table, m, err)
	}
	return gone, done, nil
}

// beginDropping lets the rows of a month be deleted, but for one with the newest
// row of all: SQLite gives a row the number after the highest that there is, and if
// that went, numbers would begin anew. What was begun is gone on with. A month without
// rows isn't begun: somebody else deleted it, and counts it.
func beginDropping(c *engine.Conn, table retention.Table, m retention.Month, unarchived bool) (begun bool, err error) {
	var last, newest int64
	err = c.Query(`SELECT last, dropping FROM months WHERE log = ? AND month = ?`, func(r *engine.Row) { last, begun = r.Int64(), r.Bool() }, string(table), m.String())
	if err != nil {
		return false, err
	}
	if !begun {
		// Rows that came after the archive have higher numbers.
		err = c.Query(`SELECT coalesce(max(seq), 0) FROM `+string(table)+` WHERE at >= ? AND at < ?`, func(r *engine.Row) { newest = r.Int64() }, m.Begin(), m.End())
		if err == nil && newest > last && !unarchived {
			err = retention.ErrUnarchived
		}
		if err != nil || newest == 0 {
			return false, err
		}
	}
	highest, err := c.Exists(`SELECT 1 FROM `+string(table)+` WHERE seq = (SELECT max(seq) FROM `+string(table)+`) AND at >= ? AND at < ?`, m.Begin(), m.End())
	if err != nil || highest || begun {
		return begun && !highest, err
	}
	_, err = c.Exec(`
		INSERT INTO months (log, month, parts, rows, last, dropping) VALUES (?, ?, 0, 0, 0, 1)
		ON CONFLICT (log, month) DO UPDATE SET dropping = 1`, string(table), m.String())
	return err == nil, err
}
