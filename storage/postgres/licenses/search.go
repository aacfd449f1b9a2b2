package licenses

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/license"
	"yizheng.internal/storage/postgres/engine"
)

// Search implements [license.Store]. Lookup keys are followed first, each in one
// partition of its table, and then the licenses that they lead to are sought by
// id: as a join, PostgreSQL would read all licenses until there are very many.
func (s *Records) Search(ctx context.Context, q license.Query) ([]license.Record, error) {
	found, err := s.find(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("searching licenses: %w", err)
	}
	return found, nil
}

func (s *Records) find(ctx context.Context, q license.Query) ([]license.Record, error) {
	var ids []string
	if len(q.Keys) > 0 {
		var err error
		if ids, err = s.ledTo(ctx, q); err != nil || len(ids) == 0 {
			return nil, err
		}
	}
	sql, args := SearchSQL(q, ids)
	return engine.ForValues(ctx, s.db, func(row pgx.CollectableRow) (r license.Record, err error) {
		return r, row.Scan(RecordTargets(&r)...)
	}, sql, args...)
}

// The ways from lookup keys to licenses.
const (
	ByIdentifier = `SELECT license FROM identifiers WHERE serial = $1 AND sum = $2 AND kind = $3`
	ByNumber     = `SELECT license FROM numbers WHERE serial = $1 AND sum = $2`
	ByHolder     = `SELECT license FROM holdings WHERE serial = $1 AND sum = $2`
)

// ledTo returns the licenses that a query's keys lead to, each once.
func (s *Records) ledTo(ctx context.Context, q license.Query) ([]string, error) {
	switch q.Kind {
	case license.LookupIdentifier, license.LookupVerification, license.LookupNumber, license.LookupHolder:
	default:
		return nil, fmt.Errorf("no search by lookup keys of kind %q", q.Kind)
	}
	var ids []string
	collect := func(rows pgx.Rows) error {
		more, err := pgx.CollectRows(rows, pgx.RowTo[string])
		ids = append(ids, more...)
		return err
	}
	err := s.db.Read(ctx, func(b *pgx.Batch) {
		ids = nil
		for _, key := range engine.Sorted(q.Keys) {
			switch args := []any{key.Serial, key.Sum[:]}; q.Kind {
			case license.LookupNumber:
				b.Queue(ByNumber, args...).Query(collect)
			case license.LookupHolder:
				b.Queue(ByHolder, args...).Query(collect)
			default:
				b.Queue(ByIdentifier, append(args, q.Kind)...).Query(collect)
			}
		}
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// SearchSQL puts a query into words. ids restricts it unless it is nil.
func SearchSQL(q license.Query, ids []string) (sql string, args []any) {
	bind := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	conditions := []string{"true"}
	where := func(parts ...string) { conditions = append(conditions, strings.Join(parts, "")) }
	from := "licenses l"
	if ids != nil {
		// Each is sought by its id, in its own partition, whatever else is asked and
		// however old they are: as a join or a condition, PostgreSQL would read the
		// index of times until it has found enough of them, which may be to its end.
		from = "unnest(" + bind(ids) + `::text[]) AS k (id) CROSS JOIN LATERAL (SELECT * FROM licenses WHERE id = k.id OFFSET 0) l`
	}
	if q.Authority != "" {
		where("l.authority = ", bind(q.Authority))
	}
	if q.Type != "" {
		where("l.type = ", bind(q.Type))
	}
	if q.State != "" {
		where("l.state = ", bind(q.State))
		if q.State != license.Active { // in words: the index that leaves active ones out is used only then
			where("l.state <> 'active'")
		}
	}
	if !q.From.IsZero() {
		where("l.created >= ", bind(q.From.Start()))
	}
	if !q.To.IsZero() {
		where("l.created < ", bind(q.To.End()))
	}
	if q.Before != (license.Cursor{}) {
		at := bind(q.Before.Created)
		where("l.created <= ", at, " AND (l.created < ", at, " OR l.id > ", bind(q.Before.ID), ")")
	}
	return `SELECT ` + RecordNames + ` FROM ` + from + ` WHERE ` + strings.Join(conditions, " AND ") +
		` ORDER BY l.created DESC, l.id LIMIT ` + bind(q.Limit), args
}
