package postgres

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"yizheng.internal/license"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/storage/porttest"
	"yizheng.internal/storage/postgres/engine"
)

// A password in the URL stays there, however wrong the rest is.
func TestPasswordNotEchoed(t *testing.T) {
	t.Parallel()
	closed := porttest.FreeAddress(t)
	for _, c := range []struct{ name, url string }{
		{"no URL at all", "hunter2 hunter2"},
		{"another scheme", "mysql://user:hunter2@localhost/db"},
		{"a percent sign", "postgres://user:hunter2%zz@localhost/db"},
		{"a slash", "postgres://user:a/hunter2@localhost/db"},
		{"a port that is none", "postgres://user:hunter2@localhost:port/db"},
		{"an unknown sslmode", "postgres://user:hunter2@localhost/db?sslmode=perhaps"},
		{"a wrong parameter", "postgres://user:hunter2@localhost/db?pool_max_conns=many"},
		{"keywords", "host=localhost password=hunter2 port=x"},
		{"nobody there", "postgres://user:hunter2@" + closed + "/db?sslmode=disable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(t.Context(), Config{URL: c.url})
			if err == nil {
				t.Fatal("opened")
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", e, e, e), "hunter2") && c.name != "nobody there" {
					t.Errorf("the error shows the password: %#v", e)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
	_, err := Open(t.Context(), Config{URL: "postgres://user@" + closed + "/db?sslmode=disable"})
	if !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("nobody there: %v, want ErrUnavailable", err)
	}
	if _, err := Open(t.Context(), Config{URL: "postgres://localhost/db", MaxConns: -1}); err == nil {
		t.Error("opened with -1 connections")
	}
}

// Whatever the server's state is at fault for is ErrUnavailable, and nothing else.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&pgconn.PgError{Code: "53100"}, true}, // disk_full
		{&pgconn.PgError{Code: "53200"}, true}, // out_of_memory
		{&pgconn.PgError{Code: "53300"}, true}, // too_many_connections
		{&pgconn.PgError{Code: "25006"}, true}, // read_only_sql_transaction
		{&pgconn.PgError{Code: "57P01"}, true}, // admin_shutdown
		{&pgconn.PgError{Code: "57P03"}, true}, // cannot_connect_now
		{&pgconn.PgError{Code: "08006"}, true}, // connection_failure
		{&pgconn.PgError{Code: "58030"}, true}, // io_error
		{&pgconn.PgError{Code: "40P01"}, true}, // deadlock_detected, at the last try
		{fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), true},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, true},
		{pgconn.ErrConnClosed, true},
		{&pgconn.PgError{Code: "23505"}, false}, // unique_violation
		{&pgconn.PgError{Code: "42P01"}, false}, // undefined_table
		{&pgconn.PgError{Code: "22021"}, false}, // character_not_in_repertoire
		{&pgconn.PgError{}, false},
		{license.ErrConflict, false},
		{errors.New("anything else"), false},
	} {
		err := engine.Explain(t.Context(), fmt.Errorf("wrapped: %w", c.err))
		if errors.Is(err, license.ErrUnavailable) != c.want {
			t.Errorf("%v is ErrUnavailable: %v, want %v", c.err, !c.want, c.want)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%v lost its cause: %v", c.err, err)
		}
	}
}

// A read-only database, as it is after a failover, refuses writes and serves reads.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	db := openDB(t, Config{URL: address})
	r := newSave()
	mustSave(t, db, r)
	if err := db.Ping(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	admin(t, "ALTER DATABASE "+databaseOf(t, address)+" SET default_transaction_read_only = on")
	db = openDB(t, Config{URL: address})
	if err := db.Ping(t.Context(), false); err != nil {
		t.Errorf("Ping: %v", err)
	}
	for name, err := range map[string]error{
		"Ping":            db.Ping(t.Context(), true),
		"Save":            db.Licenses().Save(t.Context(), newSave()),
		"AppendEvents":    db.Journal().AppendEvents(t.Context(), newEvent("")),
		"ReplaceSetting":  db.Licenses().ReplaceSetting(t.Context(), "a", "b", "c"),
		"EnsurePartition": db.EnsurePartitions(t.Context(), epoch),
	} {
		if !errors.Is(err, license.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrUnavailable", name, err)
		}
	}
	if _, _, err := db.Licenses().Load(t.Context(), r.Record.ID, 0); err != nil {
		t.Errorf("Load: %v", err)
	}
	if es, err := db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.License, License: string(r.Record.ID)}, 0, 10); err != nil || len(es) != 1 {
		t.Errorf("History: %d events, %v", len(es), err)
	}
}

// A role or database may have synchronous_commit weakened: our commits wait for
// the disk all the same. They never wait for less than was set.
func TestSynchronousCommit(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	scopes := []string{"DATABASE %s", "ROLE CURRENT_USER IN DATABASE %s"}
	for i, c := range []struct{ set, want string }{
		{"off", "on"},
		{"local", "on"},
		{"on", "on"},
		{"remote_write", "remote_write"},
		{"remote_apply", "remote_apply"},
		{"off", "on"},
	} {
		t.Run(c.set, func(t *testing.T) {
			// The role's setting goes before the database's.
			scope := fmt.Sprintf(scopes[min(i/3, 1)], databaseOf(t, address))
			admin(t, "ALTER "+scope+" SET synchronous_commit = "+c.set)
			conn, err := pgx.Connect(t.Context(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(t.Context())
			var plain string
			if err := conn.QueryRow(t.Context(), "SHOW synchronous_commit").Scan(&plain); err != nil || plain != c.set {
				t.Fatalf("a connection that isn't ours has %s, want %s: %v", plain, c.set, err)
			}
			for _, address := range []string{address, with(t, address, "default_query_exec_mode", "cache_describe")} {
				got, err := openDB(t, Config{URL: address}).SynchronousCommit(t.Context())
				if err != nil || got != c.want {
					t.Errorf("transactions commit with %s, want %s: %v", got, c.want, err)
				}
			}
		})
	}
	db := openDB(t, Config{URL: address})
	if v, err := db.FSync(t.Context()); err != nil || v != "on" {
		t.Errorf("fsync is %q, want on, or the crash tests prove nothing: %v", v, err)
	}
	if v, err := db.FullPageWrites(t.Context()); err != nil || v != "on" {
		t.Errorf("full_page_writes is %q, want on: %v", v, err)
	}
}

// Behind a pooler in transaction mode nothing relies on a session.
func TestCacheDescribe(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: with(t, newDatabase(t), "default_query_exec_mode", "cache_describe")})
	r := newSave()
	mustSave(t, db, r)
	mustSave(t, db, changeOf(r, 1))
	if err := db.Licenses().Save(t.Context(), r); !errors.Is(err, license.ErrRequestTaken) {
		t.Errorf("saving again: %v", err)
	}
	rec, v, err := db.Licenses().Load(t.Context(), r.Record.ID, 0)
	if err != nil || rec.Revision != 2 || v.State != license.Suspended || v.Issued.Location() != epoch.Location() {
		t.Errorf("loaded %+v, %+v, %v", rec, v, err)
	}
	if err := db.EnsurePartitions(t.Context(), epoch); err != nil {
		t.Error(err)
	}
	// A code that races for its redemption, and a family for its revision.
	p, f := db.Provider(), token.FamilyRecord{ID: "family", Created: epoch, Expires: epoch, Party: newKeys()}
	nodes := []*DB{db, db}
	race(t, nodes, token.ErrSpent, func(db *DB, n int) error {
		mine := f
		if n > 0 {
			mine.ID = fmt.Sprint("family ", n)
		}
		_, err := db.Provider().RedeemCode(t.Context(), [32]byte{1}, epoch, mine)
		return err
	})
	race(t, nodes, token.ErrSpent, func(db *DB, _ int) error { return db.Provider().Spend(t.Context(), [32]byte{2}, epoch) })
	f.ID, f.Revision = anyFamily(t, db), 1
	race(t, nodes, oidc.ErrConflict, func(db *DB, _ int) error { return db.Provider().UpdateFamily(t.Context(), f) })
	if fs, err := p.ListFamilies(t.Context(), f.Party, epoch.Add(-1), 10); err != nil || len(fs) != 1 || fs[0].Revision != 2 {
		t.Errorf("families %+v: %v", fs, err)
	}
	if found, err := db.Licenses().Search(t.Context(), license.Query{Limit: 10}); err != nil || len(found) != 1 {
		t.Errorf("a search finds %+v: %v", found, err)
	}
	var prepared int
	if err := db.engine.Conns.QueryRow(t.Context(), `SELECT count(*) FROM pg_prepared_statements`).Scan(&prepared); err != nil || prepared != 0 {
		t.Errorf("%d statements are prepared in the session: %v", prepared, err)
	}
}
