package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
)

// A reader that pages by Seq must not miss an event that drew its number early
// and committed late. So whoever appends to a stream (a license's history, or the
// events of no license) holds the stream's lock, shared with other writers, from
// before it draws a number until it has committed; and a reader takes that lock
// alone for the moment of its query. Writers never wait for each other.
const (
	appendLock = `SELECT pg_advisory_xact_lock_shared($1)`
	followLock = `SELECT pg_advisory_xact_lock($1)`
)

// stream is the lock key of the stream that an event of a license belongs to, of
// none if that is empty.
func stream(id license.ID) int64 { return lockKey("history", string(id)) }

// queueEvents appends events: those of a license to its history, the others by month.
func queueEvents(b *pgx.Batch, es ...license.EventRecord) {
	streams := map[int64]bool{}
	for _, e := range es {
		streams[stream(e.License)] = true
	}
	for _, key := range slices.Sorted(maps.Keys(streams)) {
		b.Queue(appendLock, key)
	}
	for _, e := range es {
		if e.License == "" {
			b.Queue(`INSERT INTO events (id, at, action, client, participant, request_id, version, result, detail, hash)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
				e.ID, e.At, e.Action, e.Client, e.Participant, e.RequestID, e.Version, e.Result, e.Detail, e.Hash[:])
			continue
		}
		b.Queue(`INSERT INTO history (id, at, action, client, participant, request_id, license, version, result,
				detail, hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			e.ID, e.At, e.Action, e.Client, e.Participant, e.RequestID, e.License, e.Version, e.Result,
			e.Detail, e.Hash[:])
	}
}

// queueFirstEvents appends the first event of each of several licenses. Nobody
// follows the history of a license that isn't there yet: so there is no stream to
// lock.
func queueFirstEvents(b *pgx.Batch, es []license.EventRecord) {
	type event = license.EventRecord
	b.Queue(`INSERT INTO history (id, at, action, client, participant, request_id, license, version, result,
			detail, hash)
		SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
			$8::integer[], $9::text[], $10::bytea[], $11::bytea[])`,
		column(es, func(e *event) string { return e.ID }),
		column(es, func(e *event) time.Time { return e.At }),
		column(es, func(e *event) string { return string(e.Action) }),
		column(es, func(e *event) string { return e.Client }),
		column(es, func(e *event) string { return e.Participant }),
		column(es, func(e *event) string { return e.RequestID }),
		column(es, func(e *event) string { return string(e.License) }),
		column(es, func(e *event) int32 { return int32(e.Version) }),
		column(es, func(e *event) string { return e.Result }),
		column(es, func(e *event) []byte { return e.Detail }),
		column(es, func(e *event) []byte { return e.Hash[:] }))
}

// AppendEvents implements [license.EventStore].
func (s *Licenses) AppendEvents(ctx context.Context, es ...license.EventRecord) error {
	if len(es) == 0 {
		return ctx.Err()
	}
	err := s.db.write(ctx, func(b *pgx.Batch) { queueEvents(b, es...) })
	if err != nil {
		return fmt.Errorf("appending events: %w", err)
	}
	return nil
}

const loadHistory = `SELECT seq, id, at, action, client, participant, request_id, license, version, result, detail, hash
	FROM history WHERE license = $1 AND seq > $2 ORDER BY seq LIMIT $3`

// History implements [license.EventStore].
func (s *Licenses) History(ctx context.Context, id license.ID, after int64, limit int) ([]license.EventRecord, error) {
	es, err := s.follow(ctx, id, loadHistory, id, after, limit)
	if err != nil {
		return nil, fmt.Errorf("loading the history of %s: %w", id, err)
	}
	return es, nil
}

// Events implements [license.EventStore].
func (s *Licenses) Events(ctx context.Context, after int64, limit int) ([]license.EventRecord, error) {
	es, err := s.follow(ctx, "", `SELECT seq, id, at, action, client, participant, request_id, '', version, result,
			detail, hash
		FROM events WHERE seq > $1 ORDER BY seq LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("loading events: %w", err)
	}
	return es, nil
}

// follow reads a stream's events with none missing in between.
func (s *Licenses) follow(ctx context.Context, id license.ID, sql string, args ...any) ([]license.EventRecord, error) {
	var es []license.EventRecord
	err := s.db.follow(ctx, stream(id), func(b *pgx.Batch) {
		b.Queue(sql, args...).Query(func(rows pgx.Rows) (err error) {
			es, err = pgx.CollectRows(rows, scanEvent)
			return err
		})
	})
	return es, err
}

// follow queries a stream of events while nobody is appending to it. The lock
// goes first and the query has a snapshot of its own, taken under the lock.
func (db *DB) follow(ctx context.Context, stream int64, build func(*pgx.Batch)) error {
	return db.read(ctx, func(b *pgx.Batch) {
		b.Queue(begin)
		b.Queue(followLock, stream)
		build(b)
		b.Queue("COMMIT")
	})
}

func scanEvent(row pgx.CollectableRow) (e license.EventRecord, err error) {
	var hash []byte
	err = row.Scan(&e.Seq, &e.ID, &e.At, &e.Action, &e.Client, &e.Participant, &e.RequestID, &e.License, &e.Version,
		&e.Result, &e.Detail, &hash)
	if err == nil {
		e.Hash, err = sum(hash)
	}
	return e, err
}
