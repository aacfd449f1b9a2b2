package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yizheng.internal/signing/highwater"
	"yizheng.internal/storage/postgres/ledger"
)

// held opens a database and another connection, which holds something up.
func held(t *testing.T, sql ...string) *DB {
	t.Helper()
	address := newDatabase(t)
	db := openDB(t, Config{URL: address})
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	for _, one := range sql {
		if _, err := conn.Exec(t.Context(), one); err != nil {
			t.Fatalf("%s: %v", one, err)
		}
	}
	return db
}

// wantCode checks that the server itself ended a statement, so that nothing waits for it.
func wantCode(t *testing.T, what string, err error, code, message string) {
	t.Helper()
	if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != code || !strings.Contains(e.Message, message) {
		t.Errorf("%s: %v, want %s", what, err, code)
	}
}

// Whoever holds a lock can't hold up comparisons: the server ends them, and with the
// newest event nobody waits to append for longer than that either.
func TestComparisonsDontWait(t *testing.T) {
	t.Parallel()
	t.Run("the lock of a log", func(t *testing.T) {
		t.Parallel()
		s := held(t, "BEGIN", `SELECT pg_advisory_xact_lock_shared(`+strconv.FormatInt(ledger.LogTables[highwater.ProviderEvents].Stream, 10)+`)`).HighWater()
		s.Lock = 50 * time.Millisecond
		_, err := s.Newest(t.Context(), highwater.ProviderEvents)
		wantCode(t, "Newest", err, "55P03", "lock timeout")
		if _, err := s.Newest(t.Context(), highwater.Events); err != nil {
			t.Errorf("Newest of the other log: %v", err)
		}
	})
	t.Run("a table", func(t *testing.T) {
		t.Parallel()
		s := held(t, "BEGIN", "LOCK TABLE registers, provider_events, sessions, spent IN ACCESS EXCLUSIVE MODE").HighWater()
		s.Lock = 50 * time.Millisecond
		_, err := s.Registers(t.Context(), "clients", "", 10)
		wantCode(t, "Registers", err, "55P03", "lock timeout")
		_, err = s.Rows(t.Context(), highwater.ProviderEvents, 0, 10, 10)
		wantCode(t, "Rows", err, "55P03", "lock timeout")
		_, err = s.Standing(t.Context(), "sessions", []string{"a"})
		wantCode(t, "Standing", err, "55P03", "lock timeout")
		_, err = s.Missing(t.Context(), [][32]byte{{1}})
		wantCode(t, "Missing", err, "55P03", "lock timeout")
	})
	t.Run("a slow statement", func(t *testing.T) {
		t.Parallel()
		s := held(t, "ALTER TABLE registers RENAME TO registers_0",
			"CREATE VIEW registers AS SELECT kind, id, mark FROM registers_0 UNION ALL SELECT 'clients', 'x', ''::bytea FROM pg_sleep(600)").HighWater()
		s.Statement = 100 * time.Millisecond
		_, err := s.Registers(t.Context(), "clients", "", 10)
		wantCode(t, "Registers", err, "57014", "statement timeout")
	})
}

// What was never written here is not read: neither ids nor registers without end.
func TestComparisonsReadNothingHuge(t *testing.T) {
	t.Parallel()
	s := held(t, `INSERT INTO registers VALUES ('clients', 'a', repeat('x', 10000)::bytea), ('clients', repeat('b', 201), 'b'), ('clients', 'c', 'c')`,
		`INSERT INTO service_items (code, version, state, revision, owner, body, updated) VALUES (repeat('c', 181), 1, 'draft', 1, '', '', now())`).HighWater()
	all, err := s.Registers(t.Context(), "clients", "", 10)
	if err != nil || len(all) != 2 || all[0].Mark != nil || string(all[1].Mark) != "c" {
		t.Errorf("Registers: %+v, %v", all, err)
	}
	all, err = s.Registers(t.Context(), "service_items", "", 10)
	if err != nil || len(all) != 0 {
		t.Errorf("Registers of items: %+v, %v", all, err)
	}
}
