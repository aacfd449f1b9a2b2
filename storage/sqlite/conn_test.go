package sqlite

import (
	"fmt"
	"testing"
	"time"

	"yizheng.internal/license/party"
)

// TestSettingsOfConnections looks at what each connection is told: durability
// and integrity hang on it.
func TestSettingsOfConnections(t *testing.T) {
	db := openTest(t, Config{})
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2" /* FULL */, "foreign_keys": "1", "trusted_schema": "0", "query_only": "0",
	}
	check := func(c *conn) error {
		for name, value := range want {
			if got, err := pragma(c.db, name); err != nil || got != value {
				t.Errorf("%s is %s, error %v, want %s", name, got, err, value)
			}
		}
		return nil
	}
	if err := db.writer.do(t.Context(), check); err != nil {
		t.Error(err)
	}
	want["query_only"] = "1"
	if err := db.readers.do(t.Context(), check); err != nil {
		t.Error(err)
	}
}

// TestReadSeesOneState writes between two queries of one read.
func TestReadSeesOneState(t *testing.T) {
	db := openTest(t, Config{})
	count := func(c *conn) (n int) {
		if err := c.query("SELECT writes FROM readiness", func(r *row) { n = r.int() }); err != nil {
			t.Error(err)
		}
		return n
	}
	err := db.readers.do(t.Context(), func(c *conn) error {
		return c.read(func() error {
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
	db.readers.do(t.Context(), func(c *conn) error {
		if n := count(c); n != 1 {
			t.Errorf("the next read saw %d, want 1", n)
		}
		return nil
	})
}

// TestStatementsAreBounded prepares more statements than a connection keeps.
func TestStatementsAreBounded(t *testing.T) {
	db := openTest(t, Config{})
	err := db.readers.do(t.Context(), func(c *conn) error {
		for i := range 3 * maxStatements {
			if _, err := c.exists(fmt.Sprint("SELECT ", i)); err != nil {
				return err
			}
		}
		if len(c.statements) > maxStatements {
			t.Errorf("%d statements are kept", len(c.statements))
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
		read func(*row)
	}{
		"a short sum":       {"SELECT x'00'", func(r *row) { r.sum() }},
		"no sum":            {"SELECT NULL", func(r *row) { r.sum() }},
		"a date that isn't": {"SELECT '2026-02-30'", func(r *row) { r.date() }},
	} {
		err := db.readers.do(t.Context(), func(conn *conn) error { return conn.query(c.sql, c.read) })
		if err == nil {
			t.Errorf("%s was read", name)
		}
	}
	err := db.readers.do(t.Context(), func(c *conn) error {
		return c.query("SELECT ?, ?", func(r *row) {
			if d, at := r.date(), r.time(); d != (party.Date{}) || !at.IsZero() {
				t.Errorf("no date and no time came back as %v and %v", d, at)
			}
		}, party.Date{}, optional(time.Time{}))
	})
	if err != nil {
		t.Error(err)
	}
	if err := db.readers.do(t.Context(), func(c *conn) error { _, err := c.exists("SELECT ?", struct{}{}); return err }); err == nil {
		t.Error("a struct was bound")
	}
}
