// Package ledger keeps in PostgreSQL what an installation can prove itself by: its keys and
// revocation lists, the events of all logs and their months, the registers beside records,
// what a node compares with what it saw, and settings that must not change. All other stores
// append their events and write their registers here, in their own transactions.
package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/postgres/engine"
)

// Journal implements [journal.Store].
type Journal struct{ DB *engine.DB }

// logs are the logs' tables, and their columns in the order in which events are read.
var logs = map[journal.Log]struct{ table, actor, subject, columns string }{
	journal.Provider: {"provider_events", "actor", "object", `seq, form, id, at, action, actor, '', object, 0, request_id, result, NULL::bytea, hash`},
	journal.Registry: {"events", "client", "''", `seq, form, id, at, action, client, participant, '', version, request_id, result, detail, hash`},
	journal.License:  {"history", "client", "license", `seq, form, id, at, action, client, participant, license, version, request_id, result, detail, hash`},
}

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
func stream(license string) int64 { return engine.LockKey("history", license) }

// providerStream is the lock of the provider's events.
var providerStream = engine.LockKey("provider_events", "")

// streamOf returns the lock key of the stream that an event belongs to.
func streamOf(e journal.Event) int64 {
	switch e.Log {
	case journal.Provider:
		return providerStream
	case journal.License:
		return stream(e.Subject)
	}
	return stream("")
}

// AppendEvents implements [journal.Store].
func (s *Journal) AppendEvents(ctx context.Context, es ...journal.Event) error {
	if len(es) == 0 {
		return ctx.Err()
	}
	if err := s.DB.Write(ctx, func(b *pgx.Batch) { QueueEvents(b, es...) }); err != nil {
		return fmt.Errorf("appending events: %w", err)
	}
	return nil
}

// QueueEvents appends events, each to its log; those who read wait for it, see appendLock.
func QueueEvents(b *pgx.Batch, es ...journal.Event) {
	streams := map[int64]bool{}
	for _, e := range es {
		streams[streamOf(e)] = true
	}
	for _, key := range slices.Sorted(maps.Keys(streams)) {
		b.Queue(appendLock, key)
	}
	if slices.ContainsFunc(es, func(e journal.Event) bool { return logs[e.Log].table == "" }) {
		b.Queue(noLog) // and nothing of the transaction is done
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

// noLog fails, saying why.
const noLog = `SELECT 'an event is of no log'::integer`

func insertProviderEvents(b *pgx.Batch, es []journal.Event) {
	type event = journal.Event
	b.Queue(`INSERT INTO provider_events (form, id, at, action, actor, object, request_id, result, hash)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::bytea[])`,
		engine.Column(es, func(e *event) int32 { return int32(e.Form) }),
		engine.Column(es, func(e *event) string { return e.ID }),
		engine.Column(es, func(e *event) time.Time { return e.At }),
		engine.Column(es, func(e *event) string { return string(e.Action) }),
		engine.Column(es, func(e *event) string { return e.Actor.ID }),
		engine.Column(es, func(e *event) string { return e.Subject }),
		engine.Column(es, func(e *event) string { return e.RequestID }),
		engine.Column(es, func(e *event) string { return e.Result }),
		engine.Column(es, func(e *event) []byte { return e.Hash[:] }))
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

// QueueFirstEvents appends the first event of each of several licenses. Nobody
// follows the history of a license that isn't there yet: so there is no stream to
// lock.
func QueueFirstEvents(b *pgx.Batch, es []journal.Event) {
	type event = journal.Event
	b.Queue(`INSERT INTO history (form, id, at, action, client, participant, request_id, license, version, result,
			detail, hash)
		SELECT * FROM unnest($1::integer[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
			$9::integer[], $10::text[], $11::bytea[], $12::bytea[])`,
		engine.Column(es, func(e *event) int32 { return int32(e.Form) }),
		engine.Column(es, func(e *event) string { return e.ID }),
		engine.Column(es, func(e *event) time.Time { return e.At }),
		engine.Column(es, func(e *event) string { return string(e.Action) }),
		engine.Column(es, func(e *event) string { return e.Actor.ID }),
		engine.Column(es, func(e *event) string { return e.Actor.Participant }),
		engine.Column(es, func(e *event) string { return e.RequestID }),
		engine.Column(es, func(e *event) string { return e.Subject }),
		engine.Column(es, func(e *event) int32 { return int32(e.Version) }),
		engine.Column(es, func(e *event) string { return e.Result }),
		engine.Column(es, func(e *event) []byte { return e.Sealed }),
		engine.Column(es, func(e *event) []byte { return e.Hash[:] }))
}

// ListEvents implements [journal.Store].
func (s *Journal) ListEvents(ctx context.Context, of journal.Stream, after int64, limit int) ([]journal.Event, error) {
	if logs[of.Log].table == "" {
		return nil, fmt.Errorf("no log %q", of.Log)
	}
	args := []any{after, max(limit, 0)}
	if of.Log == journal.License {
		args = append(args, of.License)
	}
	var es []journal.Event
	err := s.follow(ctx, streamOf(journal.Event{Log: of.Log, Subject: of.License}), func(b *pgx.Batch) {
		b.Queue(ListOf(of.Log), args...).
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

// ListOf returns the query of a log's stream: what follows a number, so much of it, and of
// which license.
func ListOf(log journal.Log) string {
	of := logs[log]
	where := "seq > $1"
	if log == journal.License {
		where = "license = $3 AND seq > $1"
	}
	return `SELECT ` + of.columns + ` FROM ` + of.table + ` WHERE ` + where + ` ORDER BY seq LIMIT $2`
}

// SearchEvents implements [journal.Store].
func (s *Journal) SearchEvents(ctx context.Context, of journal.Log, f journal.Filter) ([]journal.Event, error) {
	log, ok := logs[of]
	if !ok {
		return nil, fmt.Errorf("no log %q", of)
	}
	where, args := EventCondition(f, log.actor, log.subject)
	es, err := engine.ForValues(ctx, s.DB, scanEventOf(of), `SELECT `+log.columns+` FROM `+log.table+` `+where, args...)
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
			e.Hash, err = engine.Sum(hash)
		}
		return e, err
	}
}

// follow queries a stream of events while nobody is appending to it. The lock
// goes first and the query has a snapshot of its own, taken under the lock.
func (s *Journal) follow(ctx context.Context, stream int64, build func(*pgx.Batch)) error {
	return s.DB.Read(ctx, func(b *pgx.Batch) {
		b.Queue(engine.Begin)
		b.Queue(followLock, stream)
		build(b)
		b.Queue("COMMIT")
	})
}

// EventCondition puts a filter into words, for a table with these columns.
func EventCondition(f journal.Filter, actor, subject string) (sql string, args []any) {
	bind := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	conditions := []string{"true"}
	where := func(parts ...string) { conditions = append(conditions, strings.Join(parts, "")) }
	if !f.From.IsZero() {
		where("at >= ", bind(f.From))
	}
	if !f.Until.IsZero() {
		where("at < ", bind(f.Until))
	}
	order, than := "", ">"
	if f.Newest {
		order, than = " DESC", "<"
	}
	if !f.After.At.IsZero() {
		where("(at, seq) ", than, " (", bind(f.After.At), ", ", bind(f.After.Seq), ")")
	}
	var actions []string
	for _, a := range f.Actions {
		if begin, all := strings.CutSuffix(a, "*"); all {
			actions = append(actions, "starts_with(action, "+bind(begin)+")")
		} else {
			actions = append(actions, "action = "+bind(a))
		}
	}
	if len(actions) > 0 {
		where("(", strings.Join(actions, " OR "), ")")
	}
	if f.Actor == "cli" {
		where("(", actor, " = 'cli' OR starts_with(", actor, ", 'cli:'))")
	} else if f.Actor != "" {
		where(actor, " = ", bind(f.Actor))
	}
	if f.Subject != "" {
		where(subject, " = ", bind(f.Subject))
	}
	if f.Result != "" {
		where("result = ", bind(f.Result))
	}
	return "WHERE " + strings.Join(conditions, " AND ") + " ORDER BY at" + order + ", seq" + order + " LIMIT " + bind(max(f.Limit, 0)), args
}
