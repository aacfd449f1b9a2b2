package sqlite

import (
	"testing"
	"time"

	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/sqlite/provider"
)

// A new refresh token changes a family in the table alone: no index is written.
func TestRotationsWriteNoIndex(t *testing.T) {
	db := openTest(t, Config{})
	written := func(sql string, values ...any) (indexes int) {
		err := db.engine.Read(t.Context(), func(c *engine.Conn) error {
			return c.Query("EXPLAIN "+sql, func(r *engine.Row) {
				r.Int64() // the instruction's address
				if r.Text() == "IdxInsert" {
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
	if n := written(provider.UpdateFamily, "s", 1, now, now, nil, "", []byte{}, []byte{}, "id", 1); n != 1 {
		t.Errorf("changing a family writes %d indexes, not that of what is over", n)
	}
	if n := written(provider.KeepDates, "s", 1, now, "", []byte{}, []byte{}, "id", 1, now); n != 0 {
		t.Errorf("a rotation writes %d indexes", n)
	}
}
