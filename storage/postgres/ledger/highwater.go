package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/signing/highwater"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
)

// HighWater is what of the database is compared with what a node saw of it. It
// implements [highwater.Store].
type HighWater struct {
	db *engine.DB
	// How long a reading waits for a lock, and takes in all; shorter in tests.
	Lock, Statement time.Duration
}

func NewHighWater(db *engine.DB) *HighWater {
	return &HighWater{db, 500 * time.Millisecond, 5 * time.Second}
}

// look runs a query for a comparison, in a transaction: on a primary alone, and no
// longer than is allowed, for whoever writes the database may hold it up. That is said
// first, for preparing a statement waits for locks too.
func look[T any](ctx context.Context, s *HighWater, before func(*pgx.Batch), scan pgx.RowToFunc[T], sql string, args ...any) (all []T, err error) {
	err = s.db.Retry(ctx, func() error {
		return s.db.Reading(ctx, func(ctx context.Context, conn *pgx.Conn) error {
			err := s.begin(ctx, conn)
			if err == nil {
				b := new(pgx.Batch)
				if before != nil {
					before(b)
				}
				b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
					all, err = pgx.CollectRows(rows, scan)
					return err
				})
				b.Queue("COMMIT")
				err = conn.SendBatch(ctx, b).Close()
			}
			if err != nil && !conn.IsClosed() {
				_, _ = conn.Exec(ctx, "ROLLBACK") // on failure the connection is closed, which rolls back as well
			}
			return err
		})
	})
	return all, err
}

// begin begins such a transaction.
func (s *HighWater) begin(ctx context.Context, conn *pgx.Conn) error {
	b := new(pgx.Batch)
	b.Queue(engine.Begin)
	b.Queue(`SELECT pg_is_in_recovery() FROM set_config('lock_timeout', $1, true) l, set_config('statement_timeout', $2, true) s`,
		milliseconds(s.Lock), milliseconds(s.Statement)).QueryRow(func(row pgx.Row) error {
		var replica bool
		if err := row.Scan(&replica); err != nil {
			return err
		}
		if replica {
			return highwater.ErrReplica
		}
		return nil
	})
	return conn.SendBatch(ctx, b).Close()
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// What is longer than anything that was written here is left out: see highwater.MaxText.
const (
	registersOf = `SELECT id, CASE WHEN octet_length(mark) <= 64 THEN mark END, 0::bigint FROM registers
		WHERE kind = $1 AND id > $2 AND octet_length(id) <= 200 ORDER BY id LIMIT $3`
)

// versionsOf reads the versions of the catalog's entries: they have no registers, and
// there are few of them.
func versionsOf(table string) string {
	return `SELECT id, NULL::bytea, revision FROM (SELECT (code || '/' || version) COLLATE "C" AS id, revision FROM ` + table + `
			WHERE octet_length(code) <= 180) v
		WHERE id > $2 AND $1::text <> '' ORDER BY id LIMIT $3`
}

// Registers implements [highwater.Store].
func (s *HighWater) Registers(ctx context.Context, table, after string, limit int) ([]highwater.Register, error) {
	sql := registersOf
	if entries, err := CatalogTable(entry.Kind(table)); err == nil {
		sql = versionsOf(entries)
	}
	all, err := look(ctx, s, nil, func(row pgx.CollectableRow) (r highwater.Register, err error) {
		err = row.Scan(&r.ID, &r.Mark, &r.Revision)
		return r, err
	}, sql, table, after, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("reading registers: %w", err)
	}
	return all, nil
}

// logColumns are the columns that scanLogRow takes.
const (
	logColumns     = `seq, at, substring(hash FROM 1 FOR 33)`
	noEnds         = `, '', ''`
	ends           = `, ` + sessionEnds + familyEnds + `ELSE '' END, CASE WHEN action IN (` + endingActions + `) THEN left(object, 200) ELSE '' END`
	sessionEnds    = `CASE WHEN action = '` + string(journal.ActionSessionEnd) + `' THEN 'sessions' `
	familyEnds     = `WHEN action IN (` + endingActions + `) THEN 'families' `
	endingActions  = `'` + string(journal.ActionSessionEnd) + `', '` + string(journal.ActionFamilyEnd) + `', '` + string(journal.ActionTokenRevoke) + `', '` + string(journal.ActionRefreshReuse) + `', '` + string(journal.ActionCodeReuse) + `'`
	eventRows      = `SELECT ` + logColumns + noEnds + ` FROM events `
	providerRows   = `SELECT ` + logColumns + ends + ` FROM provider_events `
	newestRow      = `ORDER BY seq DESC LIMIT 1`
	rowsOfAStretch = `WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3`
)

// LogTables are how logs are read, and the streams of who appends to them.
var LogTables = map[highwater.Log]struct {
	rows   string
	Stream int64
}{
	highwater.Events:         {eventRows, stream("")},
	highwater.ProviderEvents: {providerRows, providerStream},
}

func scanLogRow(row pgx.CollectableRow) (r highwater.Row, err error) {
	var hash []byte
	if err := row.Scan(&r.Seq, &r.At, &hash, &r.Table, &r.Ended); err != nil {
		return r, err
	}
	r.Hash, err = engine.Sum(hash)
	return r, err
}

// Newest implements [highwater.Store]. Nobody is appending meanwhile; and nobody waits
// to append for long, if somebody holds this up: then it is an error.
func (s *HighWater) Newest(ctx context.Context, log highwater.Log) (highwater.Row, error) {
	all, err := look(ctx, s, func(b *pgx.Batch) { b.Queue(followLock, LogTables[log].Stream) }, scanLogRow, LogTables[log].rows+newestRow)
	if err != nil {
		return highwater.Row{}, fmt.Errorf("reading the newest event: %w", err)
	}
	if len(all) == 0 {
		return highwater.Row{}, nil
	}
	return all[0], nil
}

// Rows implements [highwater.Store].
func (s *HighWater) Rows(ctx context.Context, log highwater.Log, after, upTo int64, limit int) ([]highwater.Row, error) {
	rows, err := look(ctx, s, nil, scanLogRow, LogTables[log].rows+rowsOfAStretch, after, upTo, max(limit, 0))
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	return rows, nil
}

// Standing implements [highwater.Store]. Each is sought by its id in one partition,
// as provider.SessionsOf does.
func (s *HighWater) Standing(ctx context.Context, table string, ids []string) ([]highwater.Standing, error) {
	if table != "families" {
		table = "sessions"
	}
	all, err := look(ctx, s, nil, func(row pgx.CollectableRow) (r highwater.Standing, err error) {
		err = row.Scan(&r.ID, &r.Revision, &r.Ended, &r.Expires)
		return r, err
	}, `SELECT k.id, s.revision, s.ended IS NOT NULL, s.expires FROM unnest($1::text[]) AS k (id)
		CROSS JOIN LATERAL (SELECT revision, ended, expires FROM `+table+` WHERE id = k.id COLLATE "C" OFFSET 0) s ORDER BY k.id COLLATE "C"`, ids)
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
	missing, err := look(ctx, s, nil, func(row pgx.CollectableRow) (hash [32]byte, err error) {
		var b []byte
		if err := row.Scan(&b); err != nil {
			return hash, err
		}
		return engine.Sum(b)
	}, `SELECT k.hash FROM unnest($1::bytea[]) AS k (hash)
		LEFT JOIN LATERAL (SELECT true AS spent FROM spent WHERE hash = k.hash OFFSET 0) s ON true WHERE s.spent IS NULL`, keys)
	if err != nil {
		return nil, fmt.Errorf("asking what is spent: %w", err)
	}
	return missing, nil
}
