package sqlite

import (
	"fmt"
	"testing"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/storage/sqlite/engine"
)

// TestSettingsOfConnections looks at what each connection is told: durability
// and integrity hang on it.
func TestSettingsOfConnections(t *testing.T) {
	db := openTest(t, Config{})
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2" /* FULL */, "foreign_keys": "1", "trusted_schema": "0", "query_only": "0",
	}
	check := func(c *engine.Conn) error {
		for name, value := range want {
			got := ""
			if err := c.Query("PRAGMA "+name, func(r *engine.Row) { got = r.Text() }); err != nil || got != value {
				t.Errorf("%s is %s, error %v, want %s", name, got, err, value)
			}
		}
		return nil
	}
	if err := db.engine.Write(t.Context(), check); err != nil {
		t.Error(err)
	}
	want["query_only"] = "1"
	if err := db.engine.Read(t.Context(), check); err != nil {
		t.Error(err)
	}
}

// TestReadSeesOneState writes between two queries of one read.
func TestReadSeesOneState(t *testing.T) {
	db := openTest(t, Config{})
	count := func(c *engine.Conn) (n int) {
		if err := c.Query("SELECT writes FROM readiness", func(r *engine.Row) { n = r.Int() }); err != nil {
			t.Error(err)
		}
		return n
	}
	err := db.engine.Read(t.Context(), func(c *engine.Conn) error {
		return c.Read(func() error {
			before := count(c)
			if err := db.Ping(t.Context(), true); err != nil {
				return err
			}
			if after := count(c); after != before {
				t.Errorf("one read saw %d and then %d", before, after)
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	db.engine.Read(t.Context(), func(c *engine.Conn) error {
		if n := count(c); n != 1 {
			t.Errorf("the next read saw %d, want 1", n)
		}
		return nil
	})
}

// TestStatementsAreBounded prepares more statements than a connection keeps.
func TestStatementsAreBounded(t *testing.T) {
	db := openTest(t, Config{})
	err := db.engine.Read(t.Context(), func(c *engine.Conn) error {
		for i := range 3 * engine.MaxStatements {
			if _, err := c.Exists(fmt.Sprint("SELECT ", i)); err != nil {
				return err
			}
		}
		if c.Prepared() > engine.MaxStatements {
			t.Errorf("%d statements are kept", c.Prepared())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestStoredNonsense reads what nobody can have stored: it is an error, and no panic.
func TestStoredNonsense(t *testing.T) {
	db := openTest(t, Config{})
	for name, c := range map[string]struct {
		sql  string
		read func(*engine.Row)
	}{
		"a short sum":       {"SELECT x'00'", func(r *engine.Row) { r.Sum() }},
		"no sum":            {"SELECT NULL", func(r *engine.Row) { r.Sum() }},
		"a date that isn't": {"SELECT '2026-02-30'", func(r *engine.Row) { r.Date() }},
	} {
		err := db.engine.Read(t.Context(), func(conn *engine.Conn) error { return conn.Query(c.sql, c.read) })
		if err == nil {
			t.Errorf("%s was read", name)
		}
	}
	err := db.engine.Read(t.Context(), func(c *engine.Conn) error {
		return c.Query("SELECT ?, ?", func(r *engine.Row) {
			if d, at := r.Date(), r.Time(); d != (party.Date{}) || !at.IsZero() {
				t.Errorf("no date and no time came back as %v and %v", d, at)
			}
		}, party.Date{}, engine.Optional(time.Time{}))
	})
	if err != nil {
		t.Error(err)
	}
	if err := db.engine.Read(t.Context(), func(c *engine.Conn) error { _, err := c.Exists("SELECT ?", struct{}{}); return err }); err == nil {
		t.Error("a struct was bound")
	}
}
