// Package ledger keeps in SQLite what an installation can prove itself by: its keys and
// revocation lists, the events of all logs and their months, the registers beside records,
// what a node compares with what it saw, and settings that must not change. All other stores
// append their events and write their registers here, in their own transactions.
package ledger

import (
	"context"
	"fmt"
	"strings"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/sqlite/engine"
)

// Journal implements [journal.Store].
type Journal struct{ DB *engine.DB }

// logs are the logs' tables, and their columns in the order in which events are read.
var logs = map[journal.Log]struct{ table, actor, subject, columns string }{
	journal.Provider: {"provider_events", "actor", "object", `seq, form, id, at, action, actor, '', object, 0, request_id, result, NULL, hash`},
	journal.Registry: {"events", "client", "''", `seq, form, id, at, action, client, participant, '', version, request_id, result, detail, hash`},
	journal.License:  {"history", "client", "license", `seq, form, id, at, action, client, participant, license, version, request_id, result, detail, hash`},
}

// AppendEvents implements [journal.Store].
func (s *Journal) AppendEvents(ctx context.Context, es ...journal.Event) error {
	if err := s.DB.Write(ctx, func(c *engine.Conn) error { return AppendEvents(c, es...) }); err != nil {
		return fmt.Errorf("appending events: %w", err)
	}
	return nil
}

// AppendEvents stores events, each in its log.
func AppendEvents(c *engine.Conn, es ...journal.Event) error {
	for _, e := range es {
		var err error
		switch e.Log {
		case journal.Provider:
			_, err = c.Exec(`
				INSERT INTO provider_events (form, id, at, action, actor, object, request_id, result, hash)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				int(e.Form), e.ID, e.At, string(e.Action), e.Actor.ID, e.Subject, e.RequestID, e.Result, e.Hash[:])
		case journal.Registry:
			_, err = c.Exec(`
				INSERT INTO events (form, id, at, action, client, participant, request_id, version, result, detail, hash)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				int(e.Form), e.ID, e.At, string(e.Action), e.Actor.ID, e.Actor.Participant, e.RequestID, e.Version, e.Result, e.Sealed, e.Hash[:])
		case journal.License:
			_, err = c.Exec(`
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
	if logs[of.Log].table == "" {
		return nil, fmt.Errorf("no log %q", of.Log)
	}
	var values []any
	if of.Log == journal.License {
		values = append(values, of.License)
	}
	es, err := engine.Many(ctx, s.DB, ListOf(of.Log), scanEventOf(of.Log), append(values, after, max(limit, 0))...)
	if err != nil {
		return nil, fmt.Errorf("listing events: %w", err)
	}
	return es, nil
}

// ListOf returns the query of a log's stream: of which license, what follows a number, and
// so much of it.
func ListOf(log journal.Log) string {
	of := logs[log]
	where := "seq > ?"
	if log == journal.License {
		where = "license = ? AND seq > ?"
	}
	return `SELECT ` + of.columns + ` FROM ` + of.table + ` WHERE ` + where + ` ORDER BY seq LIMIT ?`
}

// SearchEvents implements [journal.Store].
func (s *Journal) SearchEvents(ctx context.Context, of journal.Log, f journal.Filter) ([]journal.Event, error) {
	log, ok := logs[of]
	if !ok {
		return nil, fmt.Errorf("no log %q", of)
	}
	where, values := EventCondition(f, log.actor, log.subject)
	es, err := engine.Many(ctx, s.DB, `SELECT `+log.columns+` FROM `+log.table+` `+where, scanEventOf(of), values...)
	if err != nil {
		return nil, fmt.Errorf("searching events: %w", err)
	}
	return es, nil
}

// scanEventOf returns what reads an event of a log.
func scanEventOf(log journal.Log) func(*engine.Row) journal.Event {
	return func(r *engine.Row) journal.Event {
		return journal.Event{
			Log: log, Seq: r.Int64(), Form: journal.Form(r.Int()), ID: r.Text(), At: r.Time(), Action: journal.Action(r.Text()),
			Actor: journal.Actor{ID: r.Text(), Participant: r.Text()}, Subject: r.Text(), Version: r.Int(), RequestID: r.Text(),
			Result: r.Text(), Sealed: r.Bytes(), Hash: r.Sum(),
		}
	}
}

// EventCondition puts a filter into words, for a table with these columns.
func EventCondition(f journal.Filter, actor, subject string) (sql string, values []any) {
	conditions := []string{"true"}
	where := func(condition string, v ...any) {
		conditions, values = append(conditions, condition), append(values, v...)
	}
	if !f.From.IsZero() {
		where("at >= ?", f.From)
	}
	if !f.Until.IsZero() {
		where("at < ?", f.Until)
	}
	order, than := "", ">"
	if f.Newest {
		order, than = " DESC", "<"
	}
	if !f.After.At.IsZero() {
		where("(at, seq) "+than+" (?, ?)", f.After.At, f.After.Seq)
	}
	if len(f.Actions) > 0 {
		var any []string
		for _, a := range f.Actions {
			if begin, all := strings.CutSuffix(a, "*"); all {
				any, values = append(any, "substr(action, 1, length(?)) = ?"), append(values, begin, begin)
			} else {
				any, values = append(any, "action = ?"), append(values, a)
			}
		}
		conditions = append(conditions, "("+strings.Join(any, " OR ")+")")
	}
	if f.Actor == "cli" {
		where("(" + actor + " = 'cli' OR substr(" + actor + ", 1, 4) = 'cli:')")
	} else if f.Actor != "" {
		where(actor+" = ?", f.Actor)
	}
	if f.Subject != "" {
		where(subject+" = ?", f.Subject)
	}
	if f.Result != "" {
		where("result = ?", f.Result)
	}
	return "WHERE " + strings.Join(conditions, " AND ") + " ORDER BY at" + order + ", seq" + order + " LIMIT ?", append(values, max(f.Limit, 0))
}
