package sqlite

import (
	"context"
	"fmt"
	"time"

	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
)

// Reserve implements [status.Store].
func (s *Licenses) Reserve(ctx context.Context, indexes []int, most int, now time.Time) (int64, []int, error) {
	var list int64
	var taken []int
	err := s.db.writer.do(ctx, func(c *conn) error {
		var err error
		if list, err = openList(c, most, now); err != nil {
			return err
		}
		for _, index := range indexes {
			n, err := c.exec(`
				INSERT INTO status_entries (list, position, value) VALUES (?, ?, 0)
				ON CONFLICT (list, position) DO NOTHING`, list, index)
			if err != nil {
				return err
			}
			if n == 1 {
				taken = append(taken, index)
			}
		}
		_, err = c.exec("UPDATE status_lists SET taken = taken + ? WHERE list = ?", len(taken), list)
		return err
	})
	if err != nil {
		return 0, nil, fmt.Errorf("reserving status entries: %w", err)
	}
	return list, taken, nil
}

// openList returns the newest list, or begins the next if that has most entries.
func openList(c *conn, most int, now time.Time) (int64, error) {
	var list int64
	full := true
	err := c.query("SELECT list, taken >= ? FROM status_lists ORDER BY list DESC LIMIT 1",
		func(r *row) { list, full = r.int64(), r.bool() }, most)
	if err != nil || !full {
		return list, err
	}
	_, err = c.exec("INSERT INTO status_lists (list, revision, taken, created) VALUES (?, 0, 0, ?)", list+1, now)
	return list + 1, err
}

// setStatus changes an entry, which the list's revision counts.
func setStatus(c *conn, s status.Change) error {
	n, err := c.exec(`UPDATE status_entries SET value = ?1, serial = ?4, auth = ?5
		WHERE list = ?2 AND position = ?3 AND (value <> ?1 OR auth IS NOT ?5)`,
		int(s.Value), s.List, s.Index, s.Serial, s.Auth)
	if err != nil {
		return err
	}
	if n == 1 {
		return countChange(c, s.List)
	}
	reserved, err := c.exists(loadStatus, s.List, s.Index)
	if err == nil && !reserved {
		err = &status.UnreservedError{List: s.List, Index: s.Index}
	}
	return err
}

func countChange(c *conn, list int64) error {
	_, err := c.exec("UPDATE status_lists SET revision = revision + 1 WHERE list = ?", list)
	return err
}

// StatusLists implements [status.Store].
func (s *Licenses) StatusLists(ctx context.Context) ([]int64, error) {
	lists, err := many(ctx, s.db, "SELECT list FROM status_lists ORDER BY list", (*row).int64)
	if err != nil {
		return nil, fmt.Errorf("listing status lists: %w", err)
	}
	return lists, nil
}

const loadList = `SELECT position, value, serial, auth FROM status_entries
	WHERE list = ? AND (value <> 0 OR auth IS NOT NULL) ORDER BY position`

func scanEntry(r *row) status.Entry {
	return status.Entry{Index: r.int(), Value: credential.StatusValue(r.int()), Serial: r.int64(), Auth: r.bytes()}
}

// LoadList implements [status.Store].
func (s *Licenses) LoadList(ctx context.Context, list, seen int64) (int64, []status.Entry, error) {
	var revision int64
	var entries []status.Entry
	err := s.db.readers.do(ctx, func(c *conn) error {
		return c.read(func() error {
			found := false
			err := c.query("SELECT revision FROM status_lists WHERE list = ?",
				func(r *row) { revision, found = r.int64(), true }, list)
			if err != nil {
				return err
			}
			if !found {
				return status.ErrNotFound
			}
			if revision == seen {
				return nil
			}
			return c.query(loadList, func(r *row) { entries = append(entries, scanEntry(r)) }, list)
		})
	})
	if err != nil {
		return 0, nil, fmt.Errorf("loading status list %d: %w", list, err)
	}
	return revision, entries, nil
}

const loadStatus = `SELECT position, value, serial, auth FROM status_entries WHERE list = ? AND position = ?`

// LoadStatus implements [status.Store].
func (s *Licenses) LoadStatus(ctx context.Context, list int64, index int) (status.Entry, error) {
	var e status.Entry
	err := one(ctx, s.db, status.ErrNotFound, loadStatus, func(r *row) { e = scanEntry(r) }, list, index)
	if err != nil {
		return status.Entry{}, fmt.Errorf("loading a status of list %d: %w", list, err)
	}
	return e, nil
}
