package engine

import (
	"bytes"
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
)

// Column returns a value of each row, which together are an array's elements.
func Column[R, V any](rows []R, value func(*R) V) []V {
	all := make([]V, len(rows))
	for i := range rows {
		all[i] = value(&rows[i])
	}
	return all
}

// Columns returns lookup keys, each once and in the order in which everyone
// writes them, as two arrays.
func Columns(keys []signing.Lookup) (sums [][]byte, serials []int32) {
	for _, key := range Sorted(keys) {
		sums, serials = append(sums, key.Sum[:]), append(serials, key.Serial)
	}
	return sums, serials
}

func CompareLookups(a, b signing.Lookup) int {
	return cmp.Or(cmp.Compare(a.Serial, b.Serial), bytes.Compare(a.Sum[:], b.Sum[:]))
}

// Sorted returns the keys, each once, in the order in which everyone locks them.
func Sorted(keys []signing.Lookup) []signing.Lookup {
	keys = slices.Clone(keys)
	slices.SortFunc(keys, CompareLookups)
	return slices.Compact(keys)
}

// Optional is a time as a column, the zero time as NULL.
func Optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Moment reverses Optional.
func Moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Date is a civil date as a column, no date as NULL.
func Date(d party.Date) pgtype.Date {
	if d.IsZero() {
		return pgtype.Date{}
	}
	return pgtype.Date{Time: time.Date(d.Year(), d.Month(), d.Day(), 0, 0, 0, 0, time.UTC), Valid: true}
}

// Sum reads a 32-byte hash from its column.
func Sum(column []byte) (sum [32]byte, err error) {
	if len(column) != len(sum) {
		return sum, errors.New("a stored hash does not have 32 bytes")
	}
	return [32]byte(column), nil
}
