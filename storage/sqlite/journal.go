package sqlite

import (
	"context"
	"fmt"

	"yizheng.internal/signing/journal"
)

// Journal implements [journal.Store].
type Journal struct{ db *DB }

// Journal returns the store of events.
func (db *DB) Journal() *Journal { return &Journal{db} }

// logs are the logs' tables, and their columns in the order in which events are read.
var logs = map[journal.Log]struct{ table, actor, subject, columns string }{
	journal.Provider: {"provider_events", "actor", "object", `seq, form, id, at, action, actor, '', object, 0, request_id, result, NULL, hash`},
	journal.Registry: {"events", "client", "''", `seq, form, id, at, action, client, participant, '', version, request_id, result, detail, hash`},
	journal.License:  {"history", "client", "license", `seq, form, id, at, action, client, participant, license, version, request_id, result, detail, hash`},
}

// AppendEvents implements [journal.Store].
func (s *Journal) AppendEvents(ctx context.Context, es ...journal.Event) error {
	if err := s.db.writer.do(ctx, func(c *conn) error { return appendEvents(c, es...) }); err != nil {
		return fmt.Errorf("appending events: %w", err)
	}
	return nil
}

// appendEvents stores events, each in its log.
func appendEvents(c *conn, es ...journal.Event) error {
	for _, e := range es {
		var err error
		switch e.Log {
		case journal.Provider:
			_, err = c.exec(`
				INSERT INTO provider_events (form, id, at, action, actor, object, request_id, result, hash)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				int(e.Form), e.ID, e.At, string(e.Action), e.Actor.ID, e.Subject, e.RequestID, e.Result, e.Hash[:])
		case journal.Registry:
			_, err = c.exec(`
				INSERT INTO events (form, id, at, action, client, participant, request_id, version, result, detail, hash)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				int(e.Form), e.ID, e.At, string(e.Action), e.Actor.ID, e.Actor.Participant, e.RequestID, e.Version, e.Result, e.Sealed, e.Hash[:])
		case journal.License:
			_, err = c.exec(`
				INSERT INTO history (form, license, id, at, action, client, participant, request_id, version, result, detail, hash)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				int(e.Form), e.Subject, e.ID, e.At, string(e.Action), e.Actor.ID, e.Actor.Participant, e.RequestID, e.Version, e.Result, e.Sealed, e.Hash[:])
		default:
			err = fmt.Errorf("event %s is of no log: %q", e.ID, e.Log)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ListEvents implements [journal.Store].
func (s *Journal) ListEvents(ctx context.Context, of journal.Stream, after int64, limit int) ([]journal.Event, error) {
	log, ok := logs[of.Log]
	if !ok {
		return nil, fmt.Errorf("no log %q", of.Log)
	}
	where, values := "", []any{}
	if of.Log == journal.License {
		where, values = "license = ? AND ", []any{of.License}
	}
	es, err := many(ctx, s.db, `SELECT `+log.columns+` FROM `+log.table+` WHERE `+where+`seq > ? ORDER BY seq LIMIT ?`,
		scanEventOf(of.Log), append(values, after, max(limit, 0))...)
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
	where, values := eventCondition(f, log.actor, log.subject)
	es, err := many(ctx, s.db, `SELECT `+log.columns+` FROM `+log.table+` `+where, scanEventOf(of), values...)
	if err != nil {
		return nil, fmt.Errorf("searching events: %w", err)
	}
	return es, nil
}

// scanEventOf returns what reads an event of a log.
func scanEventOf(log journal.Log) func(*row) journal.Event {
	return func(r *row) journal.Event {
		return journal.Event{
			Log: log, Seq: r.int64(), Form: journal.Form(r.int()), ID: r.text(), At: r.time(), Action: journal.Action(r.text()),
			Actor: journal.Actor{ID: r.text(), Participant: r.text()}, Subject: r.text(), Version: r.int(), RequestID: r.text(),
			Result: r.text(), Sealed: r.bytes(), Hash: r.sum(),
		}
	}
}
