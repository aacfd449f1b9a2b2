package postgres

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/signing/journal"
)

// Journal implements [journal.Store].
type Journal struct{ db *DB }

// Journal returns the store of events.
func (db *DB) Journal() *Journal { return &Journal{db} }

// logs are the logs' tables, and their columns in the order in which events are read.
var logs = map[journal.Log]struct{ table, actor, subject, columns string }{
	journal.Provider: {"provider_events", "actor", "object", `seq, form, id, at, action, actor, '', object, 0, request_id, result, NULL::bytea, hash`},
	journal.Registry: {"events", "client", "''", `seq, form, id, at, action, client, participant, '', version, request_id, result, detail, hash`},
	journal.License:  {"history", "client", "license", `seq, form, id, at, action, client, participant, license, version, request_id, result, detail, hash`},
}

// providerStream is the lock of the provider's events; see appendLock.
var providerStream = lockKey("provider_events", "")

// streamOf returns the lock key of the stream that an event belongs to.
func streamOf(e journal.Event) int64 {
	switch e.Log {
	case journal.Provider:
		return providerStream
	case journal.License:
		return stream(license.ID(e.Subject))
	}
	return stream("")
}

// AppendEvents implements [journal.Store].
func (s *Journal) AppendEvents(ctx context.Context, es ...journal.Event) error {
	for _, e := range es {
		if _, ok := logs[e.Log]; !ok {
			return fmt.Errorf("event %s is of no log: %q", e.ID, e.Log)
		}
	}
	if len(es) == 0 {
		return ctx.Err()
	}
	if err := s.db.write(ctx, func(b *pgx.Batch) { queueJournal(b, es...) }); err != nil {
		return fmt.Errorf("appending events: %w", err)
	}
	return nil
}

// queueJournal appends events, each to its log; those who read wait for it, see appendLock.
func queueJournal(b *pgx.Batch, es ...journal.Event) {
	streams := map[int64]bool{}
	for _, e := range es {
		streams[streamOf(e)] = true
	}
	for _, key := range slices.Sorted(maps.Keys(streams)) {
		b.Queue(appendLock, key)
	}
	for _, log := range journal.Logs {
		of := slices.DeleteFunc(slices.Clone(es), func(e journal.Event) bool { return e.Log != log })
		switch {
		case len(of) == 0:
		case log == journal.Provider:
			insertProviderEvents(b, of)
		case log == journal.Registry:
			insertApart(b, of)
		case log == journal.License:
			insertHistory(b, of)
		}
	}
}

func insertProviderEvents(b *pgx.Batch, es []journal.Event) {
	type event = journal.Event
	b.Queue(`INSERT INTO provider_events (form, id, at, action, actor, object, request_id, result, hash)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::bytea[])`,
		column(es, func(e *event) int32 { return int32(e.Form) }),
		column(es, func(e *event) string { return e.ID }),
		column(es, func(e *event) time.Time { return e.At }),
		column(es, func(e *event) string { return string(e.Action) }),
		column(es, func(e *event) string { return e.Actor.ID }),
		column(es, func(e *event) string { return e.Subject }),
		column(es, func(e *event) string { return e.RequestID }),
		column(es, func(e *event) string { return e.Result }),
		column(es, func(e *event) []byte { return e.Hash[:] }))
}

func insertApart(b *pgx.Batch, es []journal.Event) {
	for _, e := range es {
		b.Queue(`INSERT INTO events (form, id, at, action, client, participant, request_id, version, result, detail, hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			e.Form, e.ID, e.At, e.Action, e.Actor.ID, e.Actor.Participant, e.RequestID, e.Version, e.Result, e.Sealed, e.Hash[:])
	}
}

func insertHistory(b *pgx.Batch, es []journal.Event) {
	for _, e := range es {
		b.Queue(`INSERT INTO history (form, id, at, action, client, participant, request_id, license, version, result, detail, hash)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
			e.Form, e.ID, e.At, e.Action, e.Actor.ID, e.Actor.Participant, e.RequestID, e.Subject, e.Version, e.Result, e.Sealed, e.Hash[:])
	}
}

// ListEvents implements [journal.Store].
func (s *Journal) ListEvents(ctx context.Context, of journal.Stream, after int64, limit int) ([]journal.Event, error) {
	log, ok := logs[of.Log]
	if !ok {
		return nil, fmt.Errorf("no log %q", of.Log)
	}
	where, args := "", []any{after, max(limit, 0)}
	if of.Log == journal.License {
		where, args = "license = $3 AND ", append(args, of.License)
	}
	var es []journal.Event
	err := s.db.follow(ctx, streamOf(journal.Event{Log: of.Log, Subject: of.License}), func(b *pgx.Batch) {
		b.Queue(`SELECT `+log.columns+` FROM `+log.table+` WHERE `+where+`seq > $1 ORDER BY seq LIMIT $2`, args...).
			Query(func(rows pgx.Rows) (err error) {
				es, err = pgx.CollectRows(rows, scanEventOf(of.Log))
				return err
			})
	})
	if err != nil {
		return nil, fmt.Errorf("listing events: %w", err)
	}
	return es, nil
}

// SearchEvents implements [journal.Store].
func (s *Journal) SearchEvents(ctx context.Context, of journal.Log, f journal.Filter) ([]journal.Event, error) {
	log, ok := logs[of]
	if !ok {
		return nil, fmt.Errorf("no log %q", of)
	}
	where, args := eventCondition(f, log.actor, log.subject)
	es, err := forValues(ctx, s.db, scanEventOf(of), `SELECT `+log.columns+` FROM `+log.table+` `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("searching events: %w", err)
	}
	return es, nil
}

// scanEventOf returns what reads an event of a log.
func scanEventOf(log journal.Log) pgx.RowToFunc[journal.Event] {
	return func(row pgx.CollectableRow) (journal.Event, error) {
		e, hash := journal.Event{Log: log}, []byte(nil)
		err := row.Scan(&e.Seq, &e.Form, &e.ID, &e.At, &e.Action, &e.Actor.ID, &e.Actor.Participant, &e.Subject, &e.Version, &e.RequestID,
			&e.Result, &e.Sealed, &hash)
		if err == nil {
			e.Hash, err = sum(hash)
		}
		return e, err
	}
}
