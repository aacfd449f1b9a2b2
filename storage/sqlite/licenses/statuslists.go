package licenses

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
	"yizheng.internal/storage/sqlite/engine"
)

// Status keeps status lists: [status.Store] and [status.MendStore].
type Status struct{ DB *engine.DB }

// Reserve implements [status.Store].
func (s *Status) Reserve(ctx context.Context, indexes []int, most int, now time.Time) (int64, []int, error) {
	var list int64
	var taken []int
	err := s.DB.Write(ctx, func(c *engine.Conn) error {
		var err error
		if list, err = openList(c, most, now); err != nil {
			return err
		}
		for _, index := range indexes {
			n, err := c.Exec(`
				INSERT INTO status_entries (list, position, value) VALUES (?, ?, 0)
				ON CONFLICT (list, position) DO NOTHING`, list, index)
			if err != nil {
				return err
			}
			if n == 1 {
				taken = append(taken, index)
			}
		}
		_, err = c.Exec("UPDATE status_lists SET taken = taken + ? WHERE list = ?", len(taken), list)
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("reserving status entries: %w", err)
	}
	return list, taken, nil
}

// openList returns the newest list, or begins the next if that has most entries.
func openList(c *engine.Conn, most int, now time.Time) (int64, error) {
	var list int64
	full := true
	err := c.Query("SELECT list, taken >= ? FROM status_lists ORDER BY list DESC LIMIT 1",
		func(r *engine.Row) { list, full = r.Int64(), r.Bool() }, most)
	if err != nil || !full {
		return list, err
	}
	_, err = c.Exec("INSERT INTO status_lists (list, revision, taken, created) VALUES (?, 0, 0, ?)", list+1, now)
	return list + 1, err
}

// setStatus changes an entry, which the list's revision counts.
func setStatus(c *engine.Conn, s status.Change) error {
	n, err := c.Exec(`UPDATE status_entries SET value = ?1, serial = ?4, auth = ?5
		WHERE list = ?2 AND position = ?3 AND (value <> ?1 OR auth IS NOT ?5)`,
		int(s.Value), s.List, s.Index, s.Serial, s.Auth)
	if err != nil {
		return err
	}
	if n == 1 {
		return countChange(c, s.List)
	}
	reserved, err := c.Exists(LoadStatus, s.List, s.Index)
	if err == nil && !reserved {
		err = &status.UnreservedError{List: s.List, Index: s.Index}
	}
	return err
}

func countChange(c *engine.Conn, list int64) error {
	_, err := c.Exec("UPDATE status_lists SET revision = revision + 1 WHERE list = ?", list)
	return err
}

// StatusLists implements [status.Store].
func (s *Status) StatusLists(ctx context.Context) ([]int64, error) {
	lists, err := engine.Many(ctx, s.DB, "SELECT list FROM status_lists ORDER BY list", (*engine.Row).Int64)
	if err != nil {
		return nil, fmt.Errorf("listing status lists: %w", err)
	}
	return lists, nil
}

const LoadList = `SELECT position, value, serial, auth FROM status_entries
	WHERE list = ? AND (value <> 0 OR auth IS NOT NULL) ORDER BY position`

func scanEntry(r *engine.Row) status.Entry {
	return status.Entry{Index: r.Int(), Value: credential.StatusValue(r.Int()), Serial: r.Int64(), Auth: r.Bytes()}
}

// LoadList implements [status.Store].
func (s *Status) LoadList(ctx context.Context, list, seen int64) (int64, []status.Entry, error) {
	var revision int64
	var entries []status.Entry
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		return c.Read(func() error {
			found := false
			err := c.Query("SELECT revision FROM status_lists WHERE list = ?",
				func(r *engine.Row) { revision, found = r.Int64(), true }, list)
			if err != nil {
				return err
			}
			if !found {
				return status.ErrNotFound
			}
			if revision == seen {
				return nil
			}
			return c.Query(LoadList, func(r *engine.Row) { entries = append(entries, scanEntry(r)) }, list)
		})
	})
	if err != nil {
		return 0, nil, fmt.Errorf("loading status list %d: %w", list, err)
	}
	return revision, entries, nil
}

const LoadStatus = `SELECT position, value, serial, auth FROM status_entries WHERE list = ? AND position = ?`

// LoadStatus implements [status.Store].
func (s *Status) LoadStatus(ctx context.Context, list int64, index int) (status.Entry, error) {
	var e status.Entry
	err := engine.One(ctx, s.DB, status.ErrNotFound, LoadStatus, func(r *engine.Row) { e = scanEntry(r) }, list, index)
	if err != nil {
		return status.Entry{}, fmt.Errorf("loading a status of list %d: %w", list, err)
	}
	return e, nil
}
