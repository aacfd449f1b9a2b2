package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/postgres/provider"
	"yizheng.internal/storage/retention"
)

// Sweeper implements [retention.Sweeper].
type Sweeper struct{ db *engine.DB }

// sweptBlocks is how much of a table one transaction looks at: half a megabyte of
// blocks of 8 kB, some 5,000 short rows.
const sweptBlocks = 64

// sweep looks through a table by the places of its rows, so that what is over is
// found without an index that every insert would have to fill. _NN is the
// partition's number; $1 and $2 are the places between which it looks, $3 and $4
// the times before which things are over. It returns how many rows it deleted.
//
// What lies in partitions by the same id has the same suffix as its grant. Rows
// of other tables are sought in their partition alone, one by one: OFFSET 0, ARRAY
// and sub-selects keep the planner from reading a whole table for a join.
type sweep struct {
	table string
	parts int           // partitions; 0: the table has none
	every time.Duration // from the begin of a round until the next
	kept  []time.Duration
	sql   string
}

// sweeps are in the order in which things lead to each other. Their names stand in
// the table sweeps.
var sweeps = []sweep{
	{"requests", provider.HashPartitions, time.Hour, []time.Duration{retention.Requests}, `WITH gone AS (
		DELETE FROM requests_NN WHERE ctid >= $1 AND ctid < $2 AND created < $3 RETURNING 1
	) SELECT count(*) FROM gone`},

	// The newest code for a license stays while its grant does: the next one's number
	// follows from it, and a code is derived from its number.
	{"use_codes", provider.HashPartitions, 6 * time.Hour, []time.Duration{retention.UseCodes}, `WITH over AS MATERIALIZED (
		SELECT c.ctid AS place, c.grant_id, c.hash, c.license, c.number, g.expires < $3 AS ended
		FROM use_codes_NN c CROSS JOIN LATERAL (SELECT expires FROM grants_NN WHERE id = c.grant_id OFFSET 0) g
		WHERE c.ctid >= $1 AND c.ctid < $2 AND c.created < $3 AND (c.first < $3 OR g.expires < $3)
	), requests AS (
		DELETE FROM use_requests_NN WHERE ctid = ANY (ARRAY(
			SELECT r.ctid FROM over o CROSS JOIN LATERAL (
				SELECT ctid FROM use_requests_NN WHERE grant_id = o.grant_id AND hash = o.hash OFFSET 0) r))
	), gone AS (
		DELETE FROM use_codes_NN WHERE ctid = ANY (ARRAY(
			SELECT place FROM over o WHERE ended OR EXISTS (
				SELECT FROM use_codes_NN WHERE grant_id = o.grant_id AND license = o.license AND number > o.number OFFSET 0)))
		RETURNING 1
	) SELECT count(*) FROM gone`},

	{"grants", provider.HashPartitions, 24 * time.Hour, []time.Duration{retention.Lapsed, retention.Grants}, `WITH gone AS (
		DELETE FROM grants_NN WHERE ctid >= $1 AND ctid < $2 AND expires < CASE state WHEN 'pending' THEN $3::timestamptz ELSE $4::timestamptz END
		RETURNING id
	), requests AS (
		DELETE FROM use_requests_NN WHERE grant_id = ANY (ARRAY(SELECT id FROM gone))
	), codes AS (
		DELETE FROM use_codes_NN WHERE grant_id = ANY (ARRAY(SELECT id FROM gone))
	), marks AS (
		DELETE FROM registers WHERE kind = 'grants' AND id = ANY (ARRAY(SELECT id FROM gone))
	) SELECT count(*) FROM gone`},

	{"consents", 0, time.Hour, []time.Duration{retention.Consents}, `WITH gone AS (
		DELETE FROM consents WHERE ctid >= $1 AND ctid < $2 AND expires < $3 RETURNING id
	), led AS (
		DELETE FROM consent_parties WHERE consent = ANY (ARRAY(SELECT id FROM gone))
	), marks AS (
		DELETE FROM registers WHERE kind = 'consents' AND id = ANY (ARRAY(SELECT id FROM gone))
	) SELECT count(*) FROM gone`},

	{"grant_parties", provider.HashPartitions, 24 * time.Hour, []time.Duration{retention.Lapsed}, orphans("grant_parties", "grants WHERE id = k.grant_id", "created")},
	{"session_parties", provider.HashPartitions, time.Hour, []time.Duration{retention.Keys}, orphans("session_parties", "sessions WHERE id = k.session", "created")},
	{"family_parties", provider.HashPartitions, time.Hour, []time.Duration{retention.Keys}, orphans("family_parties", "families WHERE id = k.family", "created")},
	{"access_parties", provider.HashPartitions, 24 * time.Hour, []time.Duration{retention.Keys}, orphans("access_parties", "access_records WHERE seq = k.seq AND at = k.at", "at")},
}

// orphans deletes lookup keys that lead nowhere any more. They lie by the key's
// sum, which what they led to doesn't know.
func orphans(table, parent, age string) string {
	return `WITH gone AS (
		DELETE FROM ` + table + `_NN k WHERE ctid >= $1 AND ctid < $2 AND ` + age + ` < $3
			AND (SELECT true FROM ` + parent + `) IS NULL
		RETURNING 1
	) SELECT count(*) FROM gone`
}

// suffix returns how a partition's name ends.
func (s sweep) suffix(part int) string {
	if s.parts == 0 {
		return ""
	}
	return fmt.Sprintf("_%02d", part)
}

// in returns the statement for a partition.
func (s sweep) in(part int) string { return strings.ReplaceAll(s.sql, "_NN", s.suffix(part)) }

// Sweep implements [retention.Sweeper].
func (w *Sweeper) Sweep(ctx context.Context, now time.Time) (gone int, done bool, err error) {
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

// nextPart looks at the next part of a table, and remembers how far it came. It is
// done when the table isn't due, or another node is at it.
func (w *Sweeper) nextPart(ctx context.Context, s sweep, now time.Time) (gone int, done bool, err error) {
	err = w.db.InTx(ctx, func(ctx context.Context, tx *pgx.Conn) error {
		gone, done = 0, false
		var part int
		var block int64
		err := tx.QueryRow(ctx, `SELECT part, block FROM sweeps WHERE name = $1 AND due <= $2 FOR UPDATE SKIP LOCKED`, s.table, now).Scan(&part, &block)
		if errors.Is(err, pgx.ErrNoRows) {
			done = true
			return nil
		} else if err != nil {
			return err
		}
		for left := int64(sweptBlocks); left > 0 && part < max(s.parts, 1); {
			n, blocks, err := s.look(ctx, tx, part, block, left, now)
			if err != nil {
				return err
			}
			gone, block, left = gone+n, block+left, left-max(1, min(left, blocks-block))
			if block >= blocks {
				part, block = part+1, 0
			}
		}
		due := now
		if part >= max(s.parts, 1) {
			part, block, due, done = 0, 0, now.Add(s.every), true
		}
		_, err = tx.Exec(ctx, `UPDATE sweeps SET part = $2, block = $3, due = $4 WHERE name = $1`, s.table, part, block, due)
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return gone, done, nil
}

// look deletes what is over in some blocks of a partition, from one on, and
// returns how many blocks the partition has.
func (s sweep) look(ctx context.Context, tx *pgx.Conn, part int, block, most int64, now time.Time) (gone int, blocks int64, err error) {
	const size = `SELECT pg_relation_size($1::text::regclass) / current_setting('block_size')::bigint`
	if err := tx.QueryRow(ctx, size, s.table+s.suffix(part)).Scan(&blocks); err != nil || block >= blocks {
		return 0, blocks, err
	}
	args := []any{place(block), place(block + most)}
	for _, kept := range s.kept {
		args = append(args, now.Add(-kept))
	}
	err = tx.QueryRow(ctx, s.in(part), args...).Scan(&gone)
	return gone, blocks, err
}

// place is the first place of a block.
func place(block int64) pgtype.TID {
	return pgtype.TID{BlockNumber: uint32(min(block, 1<<32-1)), Valid: true}
}
