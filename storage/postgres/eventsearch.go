package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/signing/journal"
)

// SearchHistory implements [license.EventSearch].
func (s *Licenses) SearchHistory(ctx context.Context, f journal.Filter) ([]license.EventRecord, error) {
	where, args := eventCondition(f, "client", "license")
	return s.searchEvents(ctx, `SELECT seq, id, at, action, client, participant, request_id, license, version, result, detail, hash FROM history `+where, args)
}

// SearchApart implements [license.EventSearch].
func (s *Licenses) SearchApart(ctx context.Context, f journal.Filter) ([]license.EventRecord, error) {
	where, args := eventCondition(f, "client", "''")
	return s.searchEvents(ctx, `SELECT seq, id, at, action, client, participant, request_id, '', version, result, detail, hash FROM events `+where, args)
}

func (s *Licenses) searchEvents(ctx context.Context, sql string, args []any) ([]license.EventRecord, error) {
	es, err := forValues(ctx, s.db, func(row pgx.CollectableRow) (license.EventRecord, error) { return scanEvent(row) }, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("searching events: %w", err)
	}
	return es, nil
}

// eventCondition puts a filter into words, for a table with these columns.
func eventCondition(f journal.Filter, actor, subject string) (sql string, args []any) {
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
