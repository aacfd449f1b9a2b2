package postgres

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"yizheng.internal/license"
	"yizheng.internal/signing/journal"
)

// Nodes that start together all migrate.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	address := createDatabase(t, "template0")
	nodes := []*DB{openDB(t, Config{URL: address}), openDB(t, Config{URL: address}), openDB(t, Config{URL: address})}
	have, want, err := nodes[0].SchemaVersion(t.Context())
	if err != nil || have != 0 || want < 2 {
		t.Fatalf("an empty database has schema %d of %d: %v", have, want, err)
	}
	var wg sync.WaitGroup
	for _, db := range nodes {
		wg.Go(func() {
			if version, err := db.Migrate(t.Context()); err != nil || version != want {
				t.Errorf("Migrate returned %d, %v, want %d", version, err, want)
			}
		})
	}
	wg.Wait()
	for _, db := range nodes {
		if have, _, err := db.SchemaVersion(t.Context()); err != nil || have != want {
			t.Errorf("the schema is %d, want %d: %v", have, want, err)
		}
		mustSave(t, db, newSave())
	}

	if _, err := nodes[0].engine.Conns.Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`); err != nil {
		t.Fatal(err)
	}
	if _, err := nodes[0].Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("Migrate of a newer schema: %v", err)
	}
}

// TestPartitions lets months pass without anybody making their partitions.
func TestPartitions(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	a, b := openDB(t, Config{URL: address}), openDB(t, Config{URL: address})
	months := []time.Time{
		time.Date(2031, 1, 31, 23, 59, 59, 0, time.UTC), time.Date(2031, 2, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2031, 3, 31, 16, 0, 0, 0, time.UTC), time.Date(2030, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
	}
	var want []string
	for _, at := range months {
		e := newEvent("")
		e.At = at
		want = append(want, e.ID)
		if err := a.Journal().AppendEvents(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	count := func(table string) (n int) {
		t.Helper()
		if err := a.engine.Conns.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count("events_rest"); n != 4 {
		t.Fatalf("%d events lie in the rest, want all 4", n)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	written := 0
	wg.Go(func() { // while others write to the very months
		for {
			select {
			case <-stop:
				return
			default:
			}
			e := newEvent("")
			e.At = months[1]
			if err := b.Journal().AppendEvents(t.Context(), e); err != nil {
				t.Errorf("appending meanwhile: %v", err)
			}
			want = append(want, e.ID)
			written++
		}
	})
	var makers sync.WaitGroup
	for _, db := range []*DB{a, b, a, b} {
		makers.Go(func() {
			if err := db.EnsurePartitions(t.Context(), time.Date(2031, 1, 1, 7, 0, 0, 0, time.FixedZone("UTC+8", 8*60*60))); err != nil {
				t.Errorf("EnsurePartitions: %v", err)
			}
		})
	}
	makers.Wait()
	close(stop)
	wg.Wait()

	// In UTC it was still December: December to March.
	for table, n := range map[string]int{"events_rest": 0, "events_203012": 1, "events_203101": 1, "events_203102": 1 + written,
		"events_203103": 1, "provider_events_203102": 0} {
		if got := count(table); got != n {
			t.Errorf("%s has %d rows, want %d", table, got, n)
		}
	}
	es, err := a.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, 0, 100_000)
	if err != nil || len(es) != len(want) {
		t.Fatalf("%d events, want %d: %v", len(es), len(want), err)
	}
	for i, e := range es {
		if e.ID != want[i] {
			t.Fatalf("event %d is %s, want %s", i, e.ID, want[i])
		}
	}
}

// TestMigrateWaits brings an old schema up to date while somebody uses tables that
// change. The migrations wait for none of them for long, so that nobody waits behind
// them: they are undone, tried again, and done when the tables are free.
func TestMigrateWaits(t *testing.T) {
	t.Parallel()
	address := createDatabase(t, "template0")
	tried := make(chan string, 1)
	db := openDB(t, Config{URL: address, Log: slog.New(slog.NewTextHandler(lines(tried), nil))})
	if err := withProvider(db.engine.Conns, func(p *goose.Provider) error { _, err := p.UpTo(t.Context(), 54); return err }); err != nil {
		t.Fatal(err)
	}
	db.engine.Deadlines.Lock, db.engine.Deadlines.Locks = 50*time.Millisecond, time.Minute
	// Of the migrations 55, 60, 66, 70, 75 and 85, each has a table that is used now.
	used := []struct{ version, table string }{
		{"version:55)", "license_versions"}, {"version:60)", "session_parties"}, {"version:66)", "keys"}, {"version:70)", "provider_events"}, {"version:75)", "participants"}, {"version:85)", "types"},
	}
	conns := make([]*pgx.Conn, len(used))
	for i, u := range used {
		conn, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.WithoutCancel(t.Context()))
		if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE "+u.table+" IN ROW EXCLUSIVE MODE"); err != nil {
			t.Fatal(err)
		}
		conns[i] = conn
	}
	done := make(chan error, 1)
	go func() {
		_, err := db.Migrate(t.Context())
		done <- err
	}()
	for i, u := range used {
		for waits := false; !waits; {
			select {
			case line := <-tried: // or one of the table before
				waits = strings.Contains(line, u.version)
			case err := <-done:
				t.Fatalf("with %s in use, Migrate returned %v", u.table, err)
			}
		}
		// Who uses it goes on, though a migration waits for it again and again.
		if _, err := conns[i].Exec(t.Context(), "SELECT count(*) FROM "+u.table+"; COMMIT"); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	mustSave(t, db, newSave())
	var timeout string
	if err := db.engine.Conns.QueryRow(t.Context(), "SHOW lock_timeout").Scan(&timeout); err != nil || timeout != "0" {
		t.Errorf("afterwards everybody waits for locks for %q at most: %v", timeout, err)
	}

	// It gives up at last, with an error that says so.
	late := openDB(t, Config{URL: createDatabase(t, "template0"), Log: slog.New(slog.DiscardHandler)})
	if err := withProvider(late.engine.Conns, func(p *goose.Provider) error { _, err := p.UpTo(t.Context(), 54); return err }); err != nil {
		t.Fatal(err)
	}
	tx, err := late.engine.Conns.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "LOCK TABLE grants IN ROW EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	late.engine.Deadlines.Lock, late.engine.Deadlines.Locks = 10*time.Millisecond, 50*time.Millisecond
	if _, err := late.Migrate(t.Context()); !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("with a table that stays in use: %v, want ErrUnavailable", err)
	}
}

// lines hands on what is written to it, and drops what nobody takes.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default:
	}
	return len(p), nil
}
