package sqlite

import (
	"testing"
	"time"
)

// A new refresh token changes a family in the table alone: no index is written.
func TestRotationsWriteNoIndex(t *testing.T) {
	db := openTest(t, Config{})
	written := func(sql string, values ...any) (indexes int) {
		err := db.readers.do(t.Context(), func(c *conn) error {
			return c.query("EXPLAIN "+sql, func(r *row) {
				r.int64() // the instruction's address
				if r.text() == "IdxInsert" {
					indexes++
				}
			}, values...)
		})
		if err != nil {
			t.Fatal(err)
		}
		return indexes
	}
	now := time.Now()
	if n := written(updateFamily, "s", 1, now, now, nil, "", []byte{}, []byte{}, "id", 1); n != 1 {
		t.Errorf("changing a family writes %d indexes, not that of what is over", n)
	}
	if n := written(keepDates, "s", 1, now, "", []byte{}, []byte{}, "id", 1, now); n != 0 {
		t.Errorf("a rotation writes %d indexes", n)
	}
}
