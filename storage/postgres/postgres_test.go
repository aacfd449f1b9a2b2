package postgres

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/storage/postgres/engine"
	"yizheng.internal/storage/storagetest"
	"yizheng.internal/storage/storagetest/attacks"
	"yizheng.internal/storage/storagetest/catalog"
	"yizheng.internal/storage/storagetest/grants"
	"yizheng.internal/storage/storagetest/identities"
	"yizheng.internal/storage/storagetest/ledger"
	"yizheng.internal/storage/storagetest/licenses"
	"yizheng.internal/storage/storagetest/provider"
	"yizheng.internal/storage/storagetest/suite"
	"yizheng.internal/storage/storagetest/upkeep"
)

func TestLicenses(t *testing.T)        { t.Parallel(); licenses.Licenses(t, open) }
func TestCatalog(t *testing.T)         { t.Parallel(); catalog.Catalog(t, open) }
func TestStatusLists(t *testing.T)     { t.Parallel(); licenses.StatusLists(t, open) }
func TestLookups(t *testing.T)         { t.Parallel(); licenses.Lookups(t, open) }
func TestSettings(t *testing.T)        { t.Parallel(); ledger.Settings(t, open) }
func TestGrants(t *testing.T)          { t.Parallel(); grants.Grants(t, open) }
func TestUses(t *testing.T)            { t.Parallel(); grants.Uses(t, open) }
func TestPartyKeys(t *testing.T)       { t.Parallel(); grants.PartyKeys(t, open) }
func TestKeys(t *testing.T)            { t.Parallel(); ledger.Keys(t, open) }
func TestRevocationLists(t *testing.T) { t.Parallel(); ledger.RevocationLists(t, open) }
func TestClients(t *testing.T)         { t.Parallel(); provider.Clients(t, open) }
func TestParticipants(t *testing.T)    { t.Parallel(); identities.Participants(t, open) }
func TestSessions(t *testing.T)        { t.Parallel(); provider.Sessions(t, open) }
func TestFamilies(t *testing.T)        { t.Parallel(); provider.Families(t, open) }
func TestSpent(t *testing.T)           { t.Parallel(); provider.Spent(t, open) }
func TestConsents(t *testing.T)        { t.Parallel(); provider.Consents(t, open) }
func TestDelegations(t *testing.T)     { t.Parallel(); catalog.Delegations(t, open) }
func TestParties(t *testing.T)         { t.Parallel(); identities.Parties(t, open) }
func TestAccounts(t *testing.T)        { t.Parallel(); identities.Accounts(t, open) }
func TestChanges(t *testing.T)         { t.Parallel(); identities.Changes(t, open) }
func TestSources(t *testing.T)         { t.Parallel(); identities.Sources(t, open) }
func TestRepresentations(t *testing.T) { t.Parallel(); identities.Representations(t, open) }
func TestLinks(t *testing.T)           { t.Parallel(); identities.Links(t, open) }
func TestJournal(t *testing.T)         { t.Parallel(); ledger.Journal(t, open) }
func TestEventSearches(t *testing.T)   { t.Parallel(); ledger.EventSearches(t, open) }
func TestTrails(t *testing.T)          { t.Parallel(); ledger.Trails(t, open) }
func TestSweeps(t *testing.T)          { t.Parallel(); upkeep.Sweeps(t, open) }
func TestMonths(t *testing.T)          { t.Parallel(); upkeep.Months(t, open) }

func TestMonthsTogether(t *testing.T) {
	t.Parallel()
	address := newDatabase(t)
	upkeep.MonthsTogether(t, storesOf(openDB(t, Config{URL: address})), storesOf(openDB(t, Config{URL: address})), storesOf(openDB(t, Config{URL: address})))
}

func TestAttacks(t *testing.T)        { t.Parallel(); attacks.Attacks(t, attacked) }
func TestColumns(t *testing.T)        { t.Parallel(); attacks.Columns(t, attacked) }
func TestEntries(t *testing.T)        { t.Parallel(); attacks.Entries(t, attacked) }
func TestLists(t *testing.T)          { t.Parallel(); attacks.Lists(t, attacked) }
func TestLosses(t *testing.T)         { t.Parallel(); attacks.Losses(t, attacked) }
func TestHighWater(t *testing.T)      { t.Parallel(); storagetest.HighWater(t, open) }
func TestAuthenticators(t *testing.T) { t.Parallel(); storagetest.Authenticators(t, open) }

func TestWatched(t *testing.T) {
	t.Parallel()
	db := openDB(t, Config{URL: newDatabase(t)})
	columns, err := engine.Collect(t.Context(), db.engine, func(row pgx.CollectableRow) (c [2]string, err error) { return c, row.Scan(&c[0], &c[1]) },
		`SELECT c.table_name::text, c.column_name::text FROM information_schema.columns c
		JOIN pg_class t ON t.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
		WHERE c.table_schema = 'public' AND NOT t.relispartition`)
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string][]string{}
	for _, c := range columns {
		tables[c[0]] = append(tables[c[0]], c[1])
	}
	attacks.Watched(t, attacked(t), tables)
}

func attacked(t *testing.T) *attacks.Attacked {
	address := newDatabase(t)
	db := openDB(t, Config{URL: address})
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return &attacks.Attacked{
		Database: suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Auth: db, HighWater: db.HighWater()},
		KeyTable: "keys", TypeTable: "types", LaterList: `INSERT INTO status_revisions (list, shard, changes) SELECT list, 0, 1 FROM status_lists
			ON CONFLICT (list, shard) DO UPDATE SET changes = status_revisions.changes + 1`,
		BadDate: "'infinity'", BadTime: "'infinity'", Inside: "overlay(body placing '\\x00'::bytea from 41)",
		Cookies: "UPDATE session_cookies SET session = 'session' WHERE session = 'another'",
		SQL:     func(sql string) error { _, err := conn.Exec(t.Context(), sql); return err },
	}
}

// open opens a database for a suite. What others write in groups goes through them
// here also when it comes by itself; what is refused there is tried alone.
func open(t *testing.T) suite.Database {
	db := openDB(t, Config{URL: newDatabase(t)})
	db.records.Issues.Least, db.families.Redemptions.Least, db.families.Rotations.Least = 1, 1, 1
	return storesOf(db)
}

// suite hands a database to a suite.
func storesOf(db *DB) suite.Database {
	return suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Lists: db.Keys(), Auth: db, HighWater: db.HighWater(), Sweeper: db, Months: db}
}

// openDB opens a database that is closed when the test ends.
func openDB(t testing.TB, c Config) *DB {
	t.Helper()
	db, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// newDatabase returns the URL of a migrated database that nobody else has.
func newDatabase(t testing.TB) string {
	t.Helper()
	name, err := template()
	if err != nil {
		t.Fatal(err)
	}
	return createDatabase(t, name)
}

// createDatabase copies a database, and drops the copy when the test ends.
func createDatabase(t testing.TB, template string) string {
	t.Helper()
	name := "yizheng_test_" + randomHex()
	admin(t, "CREATE DATABASE "+name+" TEMPLATE "+template)
	t.Cleanup(func() { admin(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return databaseURL(t, name)
}

// template makes, once, the migrated database that the tests' are copies of: a
// copy is made faster than a migration.
var template = sync.OnceValues(func() (string, error) {
	server, err := server()
	if err != nil {
		return "", err
	}
	name := "yizheng_template_" + randomHex()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return "", err
	}
	dropTemplate = func() error {
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		_, err = conn.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
		return err
	}
	address, err := withDatabase(server, name)
	if err != nil {
		return "", err
	}
	db, err := Open(ctx, Config{URL: address})
	if err != nil {
		return "", err
	}
	defer db.Close()
	_, err = db.Migrate(ctx)
	return name, err
})

var dropTemplate = func() error { return nil }

func TestMain(m *testing.M) {
	code := m.Run()
	if err := dropTemplate(); err != nil {
		fmt.Fprintln(os.Stderr, "dropping the tests' template:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// server is the URL of a PostgreSQL server in which the tests may make databases.
func server() (string, error) {
	if address := os.Getenv("YIZHENG_TEST_POSTGRES_URL"); address != "" {
		return address, nil
	}
	return "", fmt.Errorf("YIZHENG_TEST_POSTGRES_URL names no PostgreSQL server: run the tests with `make test`, which starts one")
}

// admin runs a statement in the server's own database.
func admin(t testing.TB, sql string) {
	t.Helper()
	address, err := server()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background() // also after the test's own has ended
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func databaseURL(t testing.TB, name string) string {
	t.Helper()
	address, err := server()
	if err == nil {
		address, err = withDatabase(address, name)
	}
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func withDatabase(address, name string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", fmt.Errorf("YIZHENG_TEST_POSTGRES_URL is no URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}

// with returns a database's URL with another parameter.
func with(t testing.TB, address, name, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func databaseOf(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path[1:]
}

func randomHex() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
