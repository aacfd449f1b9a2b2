package licenses

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"yizheng.internal/license"
	"yizheng.internal/signing"
	"yizheng.internal/storage/sqlite/engine"
)

// Search implements [license.Store]. With several keys it makes one query for
// each, which an index answers in order, and merges them.
func (s *Records) Search(ctx context.Context, q license.Query) ([]license.Record, error) {
	var all []license.Record
	err := s.DB.Read(ctx, func(c *engine.Conn) error {
		if q.Limit <= 0 {
			return nil
		}
		read := func(key *signing.Lookup) error {
			sql, values, err := SearchQuery(q, key)
			if err != nil {
				return err
			}
			return c.Query(sql, func(r *engine.Row) { all = append(all, ScanRecord(r)) }, values...)
		}
		if len(q.Keys) == 0 {
			return read(nil)
		}
		for _, key := range q.Keys {
			if err := read(&key); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("searching licenses: %w", err)
	}
	if len(q.Keys) > 1 {
		slices.SortFunc(all, func(a, b license.Record) int {
			return cmp.Or(b.Created.Compare(a.Created), strings.Compare(string(a.ID), string(b.ID)))
		})
		all = slices.CompactFunc(all, func(a, b license.Record) bool { return a.ID == b.ID })
		all = all[:min(len(all), q.Limit)]
	}
	return all, nil
}

// indexFor names the index for a department's search. SQLite by itself rates two
// bounds of time above a state that few licenses are in, with statistics too.
func indexFor(q license.Query) string {
	switch {
	case q.Authority == "":
		return ""
	case q.State != "" && q.State != license.Active:
		return " INDEXED BY licenses_by_authority_state"
	case q.Type != "":
		return " INDEXED BY licenses_by_authority_type"
	}
	return " INDEXED BY licenses_by_authority"
}

// SearchQuery returns the query for one key, or none. Values are always bound:
// there are no more texts than there are sets of conditions.
func SearchQuery(q license.Query, key *signing.Lookup) (string, []any, error) {
	from, created, id := "licenses l"+indexFor(q), "l.created", "l.id"
	var conditions []string
	var values []any
	where := func(condition string, vs ...any) {
		conditions, values = append(conditions, condition), append(values, vs...)
	}
	if key != nil {
		// CROSS JOIN: the key's rows first, then their licenses.
		switch q.Kind {
		case license.LookupHolder:
			from, created, id = "holdings k CROSS JOIN licenses l ON l.id = k.license", "k.created", "k.license"
		case license.LookupNumber:
			from = "numbers k CROSS JOIN licenses l ON l.id = k.license"
		case license.LookupIdentifier, license.LookupVerification:
			from = "identifiers k CROSS JOIN licenses l ON l.id = k.license"
			where("k.kind = ?", string(q.Kind))
		default:
			return "", nil, fmt.Errorf("there is no search by keys of kind %q", q.Kind)
		}
		where("k.serial = ? AND k.sum = ?", key.Serial, key.Sum[:])
	}
	if q.Authority != "" {
		where("l.authority = ?", string(q.Authority))
	}
	if q.Type != "" {
		where("l.type = ?", string(q.Type))
	}
	if q.State != "" {
		where("l.state = ?", string(q.State))
		if q.State != license.Active { // in words: the index that leaves active ones out is used only then
			where("l.state <> 'active'")
		}
	}
	if !q.From.IsZero() {
		where(created+" >= ?", q.From.Start())
	}
	// One upper bound, the lower of the two: SQLite would begin at whichever it likes.
	if b := q.Before; !q.To.IsZero() && (b == (license.Cursor{}) || !b.Created.Before(q.To.End())) {
		where(created+" < ?", q.To.End())
	} else if b != (license.Cursor{}) {
		// The first half is what an index can use.
		where(created+" <= ? AND ("+created+" < ? OR "+id+" > ?)", b.Created, b.Created, string(b.ID))
	}
	text := "SELECT " + RecordColumns + " FROM " + from
	if len(conditions) > 0 {
		text += " WHERE " + strings.Join(conditions, " AND ")
	}
	return text + " ORDER BY " + created + " DESC, " + id + " LIMIT ?", append(values, q.Limit), nil
}
