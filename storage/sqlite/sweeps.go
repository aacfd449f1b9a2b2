package sqlite

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"yizheng.internal/storage/retention"
	"yizheng.internal/storage/sqlite/engine"
)

// sweptRows is how many rows of a table one transaction looks at: the others who
// write wait that long.
const sweptRows = 500

// sweep looks through a table in the order of its primary key, so that what is over
// is found without an index that every insert would have to fill.
type sweep struct {
	table string
	every time.Duration // from the begin of a round until the next
	kept  []time.Duration
	first []any // what is before every key
	last  []any // what is after every key
	// next returns the key to which a part of the table goes that begins after the
	// key of the first parameters; the last one is how many rows that is.
	next string
	// forget delete what is over between two keys, the first parameters, before the
	// times that follow. What the last of them deletes is counted.
	forget []string
}

// What is before and after all ids, sums and serials.
var (
	maxID  = "\U0010FFFF"
	maxSum = bytes.Repeat([]byte{0xFF}, 64)
)

// sweptCodes and sweptGrants are what is over of a part of the table. A use code's
// request ids go with it; the newest code for a license stays while its grant does:
// the next one's number follows from it, and a code is derived from its number.
const (
	sweptCodes = `
		SELECT c.grant_id, c.hash FROM use_codes c CROSS JOIN grants g ON g.id = c.grant_id
		WHERE (c.grant_id, c.hash) > (?1, ?2) AND (c.grant_id, c.hash) <= (?3, ?4)`
	sweptGrants = `
		SELECT id FROM grants WHERE id > ?1 AND id <= ?2 AND expires < CASE state WHEN 'pending' THEN ?3 ELSE ?4 END`
)

var sweeps = []sweep{
	{
		table: "requests", every: time.Hour, kept: []time.Duration{retention.Requests},
		first: []any{math.MinInt64, []byte{}}, last: []any{math.MaxInt64, maxSum},
		next:   `SELECT serial, sum FROM requests WHERE (serial, sum) > (?1, ?2) ORDER BY serial, sum LIMIT 1 OFFSET ?3`,
		forget: []string{`DELETE FROM requests WHERE (serial, sum) > (?1, ?2) AND (serial, sum) <= (?3, ?4) AND created < ?5`},
	}, {
		table: "use_codes", every: 6 * time.Hour, kept: []time.Duration{retention.UseCodes},
		first: []any{"", []byte{}}, last: []any{maxID, maxSum},
		next: `SELECT grant_id, hash FROM use_codes WHERE (grant_id, hash) > (?1, ?2) ORDER BY grant_id, hash LIMIT 1 OFFSET ?3`,
		forget: []string{
			`DELETE FROM use_requests WHERE (grant_id, hash) IN (` + sweptCodes + ` AND (c.first < ?5 OR g.expires < ?5))`,
			`DELETE FROM use_codes WHERE (grant_id, hash) IN (` + sweptCodes + ` AND (g.expires < ?5 OR c.first < ?5 AND EXISTS (
				SELECT 1 FROM use_codes n WHERE n.grant_id = c.grant_id AND n.license = c.license AND n.number > c.number)))`,
		},
	}, {
		table: "grants", every: 24 * time.Hour, kept: []time.Duration{retention.Lapsed, retention.Grants},
		first: []any{""}, last: []any{maxID},
		next: `SELECT id FROM grants WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2`,
		forget: []string{
			`DELETE FROM use_requests WHERE grant_id IN (` + sweptGrants + `)`,
			`DELETE FROM use_codes WHERE grant_id IN (` + sweptGrants + `)`,
			`DELETE FROM grant_parties WHERE grant_id IN (` + sweptGrants + `)`,
			`DELETE FROM grants WHERE id IN (` + sweptGrants + `)`,
		},
	}, {
		table: "consents", every: time.Hour, kept: []time.Duration{retention.Consents},
		first: []any{""}, last: []any{maxID},
		next: `SELECT id FROM consents WHERE id > ?1 ORDER BY id LIMIT 1 OFFSET ?2`,
		forget: []string{
			`DELETE FROM registers WHERE kind = 'consents' AND id IN (SELECT id FROM consents WHERE id > ?1 AND id <= ?2 AND expires < ?3)`,
			`DELETE FROM consents WHERE id > ?1 AND id <= ?2 AND expires < ?3`,
		},
	},
}

// Sweeper implements [retention.Sweeper]. It remembers how far this process looked
// through each table; a restart begins anew.
type Sweeper struct {
	db *engine.DB

	mu  sync.Mutex
	at  map[string][]any     // the last key of the part before
	due map[string]time.Time // nothing is looked at before
}

func newSweeper(db *engine.DB) *Sweeper {
	return &Sweeper{db: db, at: map[string][]any{}, due: map[string]time.Time{}}
}

// Sweep implements [retention.Sweeper].
func (w *Sweeper) Sweep(ctx context.Context, now time.Time) (gone int, done bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	done = true
	for _, s := range sweeps {
		n, ended, err := w.nextPart(ctx, s, now)
		if err != nil {
			return gone, false, fmt.Errorf("sweeping %s: %w", s.table, err)
		}
		gone += n
		done = done && ended
	}
	return gone, done, nil
}

// nextPart looks at the next part of a table, and remembers how far it came.
func (w *Sweeper) nextPart(ctx context.Context, s sweep, now time.Time) (gone int, done bool, err error) {
	if err := ctx.Err(); err != nil || now.Before(w.due[s.table]) {
		return 0, true, err
	}
	from, ok := w.at[s.table]
	if !ok {
		from = s.first
	}
	to := s.last
	err = w.db.Read(ctx, func(c *engine.Conn) error {
		return c.Query(s.next, func(r *engine.Row) { to = r.Key(s.first) }, append(from[:len(from):len(from)], sweptRows-1)...)
	})
	if err != nil {
		return 0, false, err
	}
	values := append(from[:len(from):len(from)], to...)
	for _, kept := range s.kept {
		values = append(values, now.Add(-kept))
	}
	var n int64
	err = w.db.Write(ctx, func(c *engine.Conn) (err error) {
		for _, sql := range s.forget {
			if n, err = c.Exec(sql, values...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, err
	}
	w.at[s.table] = to
	if done = fmt.Sprint(to) == fmt.Sprint(s.last); done {
		w.at[s.table], w.due[s.table] = s.first, now.Add(s.every)
	}
	return int(n), done, nil
}
