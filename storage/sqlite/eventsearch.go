package sqlite

import (
	"context"
	"fmt"
	"strings"

	"yizheng.internal/license"
	"yizheng.internal/signing/journal"
)

// SearchHistory implements [license.EventSearch].
func (s *Licenses) SearchHistory(ctx context.Context, f journal.Filter) ([]license.EventRecord, error) {
	where, values := eventCondition(f, "client", "license")
	return s.searchEvents(ctx, `SELECT seq, license, id, at, action, client, participant, request_id, version, result, detail, hash FROM history `+where, values)
}

// SearchApart implements [license.EventSearch].
func (s *Licenses) SearchApart(ctx context.Context, f journal.Filter) ([]license.EventRecord, error) {
	where, values := eventCondition(f, "client", "''")
	return s.searchEvents(ctx, `SELECT seq, '', id, at, action, client, participant, request_id, version, result, detail, hash FROM events `+where, values)
}

func (s *Licenses) searchEvents(ctx context.Context, sql string, values []any) ([]license.EventRecord, error) {
	es, err := many(ctx, s.db, sql, scanEvent, values...)
	if err != nil {
		return nil, fmt.Errorf("searching events: %w", err)
	}
	return es, nil
}

// eventCondition puts a filter into words, for a table with these columns.
func eventCondition(f journal.Filter, actor, subject string) (sql string, values []any) {
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
