package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
)

// HighWater is what of the database is compared with what a node saw of it. It
// implements [highwater.Store].
type HighWater struct{ DB *engine.DB }

// What is longer than anything that was written here is left out: see highwater.MaxText.
const (
	registersOf = `SELECT id, CASE WHEN length(mark) <= 64 THEN mark END, 0 FROM registers
		WHERE kind = ?1 AND id > ?2 AND length(id) <= 200 ORDER BY id LIMIT ?3`
)

// versionsOf reads the versions of the catalog's entries: they have no registers, and
// there are few of them.
func versionsOf(table string) string {
	return `SELECT code || '/' || version AS id, NULL, revision FROM ` + table + ` WHERE id > ?2 AND ?1 <> '' AND length(code) <= 180 ORDER BY id LIMIT ?3`
}

// Registers implements [highwater.Store].
func (s *HighWater) Registers(ctx context.Context, table, after string, limit int) ([]highwater.Register, error) {
	sql := registersOf
	if entries, err := CatalogTable(entry.Kind(table)); err == nil {
		sql = versionsOf(entries)
	}
	all, err := engine.Many(ctx, s.DB, sql, func(r *engine.Row) highwater.Register {
		return highwater.Register{ID: r.Text(), Mark: r.Bytes(), Revision: r.Int64()}
	}, table, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("reading registers: %w", err)
	}
	return all, nil
}

const endingActions = `'` + string(journal.ActionSessionEnd) + `', '` + string(journal.ActionFamilyEnd) + `', '` + string(journal.ActionTokenRevoke) + `', '` +
	string(journal.ActionRefreshReuse) + `', '` + string(journal.ActionCodeReuse) + `'`

// logRows are how logs are read.
var logRows = map[highwater.Log]string{
	highwater.Events: `SELECT seq, at, substr(hash, 1, 33), '', '' FROM events `,
	highwater.ProviderEvents: `SELECT seq, at, substr(hash, 1, 33),
		CASE WHEN action = '` + string(journal.ActionSessionEnd) + `' THEN 'sessions' WHEN action IN (` + endingActions + `) THEN 'families' ELSE '' END,
		CASE WHEN action IN (` + endingActions + `) THEN substr(object, 1, 200) ELSE '' END FROM provider_events `,
}

func scanRow(r *engine.Row) highwater.Row {
	return highwater.Row{Seq: r.Int64(), At: r.Time(), Hash: r.Sum(), Table: r.Text(), Ended: r.Text()}
}

// Newest implements [highwater.Store].
func (s *HighWater) Newest(ctx context.Context, log highwater.Log) (highwater.Row, error) {
	rows, err := engine.Many(ctx, s.DB, logRows[log]+`ORDER BY seq DESC LIMIT 1`, scanRow)
	if err != nil {
		return highwater.Row{}, fmt.Errorf("reading the newest event: %w", err)
	}
	if len(rows) == 0 {
		return highwater.Row{}, nil
	}
	return rows[0], nil
}

// Rows implements [highwater.Store].
func (s *HighWater) Rows(ctx context.Context, log highwater.Log, after, upTo int64, limit int) ([]highwater.Row, error) {
	rows, err := engine.Many(ctx, s.DB, logRows[log]+`WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?`,
		scanRow, after, upTo, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return rows, nil
}

// Standing implements [highwater.Store].
func (s *HighWater) Standing(ctx context.Context, table string, ids []string) (all []highwater.Standing, err error) {
	sql := `SELECT id, revision, ended IS NOT NULL, expires FROM sessions WHERE id = ?`
	if table == "families" {
		sql = `SELECT id, revision, ended IS NOT NULL, expires FROM families WHERE id = ?`
	}
	err = s.DB.Read(ctx, func(c *engine.Conn) error {
		all = nil
		for _, id := range ids {
			err := c.Query(sql, func(r *engine.Row) {
				all = append(all, highwater.Standing{ID: r.Text(), Revision: r.Int64(), Ended: r.Bool(), Expires: r.Time()})
			}, id)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading what ended: %w", err)
	}
	slices.SortFunc(all, func(a, b highwater.Standing) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Missing implements [highwater.Store].
func (s *HighWater) Missing(ctx context.Context, hashes [][32]byte) (missing [][32]byte, err error) {
	err = s.DB.Read(ctx, func(c *engine.Conn) error {
		missing = nil
		for _, hash := range hashes {
			spent, err := c.Exists(`SELECT 1 FROM spent WHERE hash = ?`, hash[:])
			if err != nil {
				return err
			}
			if !spent {
				missing = append(missing, hash)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("asking what is spent: %w", err)
	}
	return missing, nil
}
