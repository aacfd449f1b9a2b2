package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/signing/highwater"
)

// HighWater is what of the database is compared with what a node saw of it. It
// implements [highwater.Store].
type HighWater struct{ db *DB }

// HighWater returns what is compared with what a node saw.
func (db *DB) HighWater() *HighWater { return &HighWater{db} }

const (
	registersOf = `SELECT id, mark, 0::bigint FROM registers WHERE kind = $1 AND id > $2 ORDER BY id LIMIT $3`
	// The versions of types and items have no registers; there are few of them.
	versionsOfTypes = `SELECT id, NULL::bytea, revision FROM (SELECT (code || '/' || version) COLLATE "C" AS id, revision FROM types) v
		WHERE id > $2 AND $1::text <> '' ORDER BY id LIMIT $3`
	versionsOfItems = `SELECT id, NULL::bytea, revision FROM (SELECT (code || '/' || version) COLLATE "C" AS id, revision FROM service_items) v
		WHERE id > $2 AND $1::text <> '' ORDER BY id LIMIT $3`
)

// Registers implements [highwater.Store].
func (s *HighWater) Registers(ctx context.Context, table, after string, limit int) ([]highwater.Register, error) {
	sql := registersOf
	switch table {
	case "license_types":
		sql = versionsOfTypes
	case "service_items":
		sql = versionsOfItems
	}
	all, err := collect(ctx, s.db, func(row pgx.CollectableRow) (r highwater.Register, err error) {
		err = row.Scan(&r.ID, &r.Mark, &r.Revision)
		return r, err
	}, sql, table, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("reading registers: %w", err)
	}
	return all, nil
}

// logTables are the tables of the logs, and the streams of who appends to them.
var logTables = map[highwater.Log]struct {
	name   string
	stream int64
}{
	highwater.Events:         {"events", stream("")},
	highwater.ProviderEvents: {"provider_events", providerStream},
}

func scanLogRow(row pgx.CollectableRow) (r highwater.Row, err error) {
	var hash []byte
	if err := row.Scan(&r.Seq, &r.At, &hash); err != nil {
		return r, err
	}
	r.Hash, err = sum(hash)
	return r, err
}

// Newest implements [highwater.Store]. Nobody is appending meanwhile; and nobody waits
// to append for long, if somebody holds this up: then it is an error.
func (s *HighWater) Newest(ctx context.Context, log highwater.Log) (highwater.Row, error) {
	var newest highwater.Row
	err := s.db.read(ctx, func(b *pgx.Batch) {
		b.Queue(begin)
		b.Queue(`SET LOCAL lock_timeout = '500ms'`)
		b.Queue(followLock, logTables[log].stream)
		b.Queue(`SELECT seq, at, hash FROM ` + logTables[log].name + ` ORDER BY seq DESC LIMIT 1`).Query(func(rows pgx.Rows) error {
			all, err := pgx.CollectRows(rows, scanLogRow)
			if len(all) > 0 {
				newest = all[0]
			}
			return err
		})
		b.Queue("COMMIT")
	})
	if err != nil {
		return highwater.Row{}, fmt.Errorf("reading the newest event: %w", err)
	}
	return newest, nil
}

// Rows implements [highwater.Store].
func (s *HighWater) Rows(ctx context.Context, log highwater.Log, after, upTo int64, limit int) ([]highwater.Row, error) {
	rows, err := collect(ctx, s.db, scanLogRow,
		`SELECT seq, at, hash FROM `+logTables[log].name+` WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`, after, upTo, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return rows, nil
}

// Standing implements [highwater.Store]. Each is sought by its id in one partition:
// see sessionsOf.
func (s *HighWater) Standing(ctx context.Context, table string, ids []string) ([]highwater.Standing, error) {
	if table != "families" {
		table = "sessions"
	}
	all, err := collect(ctx, s.db, func(row pgx.CollectableRow) (r highwater.Standing, err error) {
		err = row.Scan(&r.ID, &r.Revision, &r.Ended)
		return r, err
	}, `SELECT k.id, s.revision, s.ended IS NOT NULL FROM unnest($1::text[]) AS k (id)
		CROSS JOIN LATERAL (SELECT revision, ended FROM `+table+` WHERE id = k.id COLLATE "C" OFFSET 0) s ORDER BY k.id COLLATE "C"`, ids)
	if err != nil {
		return nil, fmt.Errorf("reading what ended: %w", err)
	}
	return all, nil
}

// Missing implements [highwater.Store].
func (s *HighWater) Missing(ctx context.Context, hashes [][32]byte) ([][32]byte, error) {
	keys := make([][]byte, len(hashes))
	for n := range hashes {
		keys[n] = hashes[n][:]
	}
	missing, err := collect(ctx, s.db, func(row pgx.CollectableRow) (hash [32]byte, err error) {
		var b []byte
		if err := row.Scan(&b); err != nil {
			return hash, err
		}
		return sum(b)
	}, `SELECT k.hash FROM unnest($1::bytea[]) AS k (hash)
		LEFT JOIN LATERAL (SELECT true AS spent FROM spent WHERE hash = k.hash OFFSET 0) s ON true WHERE s.spent IS NULL`, keys)
	if err != nil {
		return nil, fmt.Errorf("asking what is spent: %w", err)
	}
	return missing, nil
}
