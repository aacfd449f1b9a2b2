package sqlite

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"yizheng.internal/storage/sqlite/engine"
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

func TestLicenses(t *testing.T)        { t.Parallel(); licenses.Licenses(t, stores) }
func TestCatalog(t *testing.T)         { t.Parallel(); catalog.Catalog(t, stores) }
func TestStatusLists(t *testing.T)     { t.Parallel(); licenses.StatusLists(t, stores) }
func TestLookups(t *testing.T)         { t.Parallel(); licenses.Lookups(t, stores) }
func TestSettings(t *testing.T)        { t.Parallel(); ledger.Settings(t, stores) }
func TestGrants(t *testing.T)          { t.Parallel(); grants.Grants(t, stores) }
func TestUses(t *testing.T)            { t.Parallel(); grants.Uses(t, stores) }
func TestPartyKeys(t *testing.T)       { t.Parallel(); grants.PartyKeys(t, stores) }
func TestKeys(t *testing.T)            { t.Parallel(); ledger.Keys(t, stores) }
func TestRevocationLists(t *testing.T) { t.Parallel(); ledger.RevocationLists(t, stores) }
func TestClients(t *testing.T)         { t.Parallel(); provider.Clients(t, stores) }
func TestParticipants(t *testing.T)    { t.Parallel(); identities.Participants(t, stores) }
func TestSessions(t *testing.T)        { t.Parallel(); provider.Sessions(t, stores) }
func TestFamilies(t *testing.T)        { t.Parallel(); provider.Families(t, stores) }
func TestSpent(t *testing.T)           { t.Parallel(); provider.Spent(t, stores) }
func TestConsents(t *testing.T)        { t.Parallel(); provider.Consents(t, stores) }
func TestDelegations(t *testing.T)     { t.Parallel(); catalog.Delegations(t, stores) }
func TestParties(t *testing.T)         { t.Parallel(); identities.Parties(t, stores) }
func TestAccounts(t *testing.T)        { t.Parallel(); identities.Accounts(t, stores) }
func TestChanges(t *testing.T)         { t.Parallel(); identities.Changes(t, stores) }
func TestSources(t *testing.T)         { t.Parallel(); identities.Sources(t, stores) }
func TestRepresentations(t *testing.T) { t.Parallel(); identities.Representations(t, stores) }
func TestLinks(t *testing.T)           { t.Parallel(); identities.Links(t, stores) }
func TestJournal(t *testing.T)         { t.Parallel(); ledger.Journal(t, stores) }
func TestEventSearches(t *testing.T)   { t.Parallel(); ledger.EventSearches(t, stores) }
func TestTrails(t *testing.T)          { t.Parallel(); ledger.Trails(t, stores) }
func TestSweeps(t *testing.T)          { t.Parallel(); upkeep.Sweeps(t, stores) }
func TestMonths(t *testing.T)          { t.Parallel(); upkeep.Months(t, stores) }

func TestMonthsTogether(t *testing.T) {
	t.Parallel()
	c := quick
	c.Path = filepath.Join(t.TempDir(), "test.db")
	upkeep.MonthsTogether(t, storesOf(openTest(t, c)), storesOf(openTest(t, c)), storesOf(openTest(t, c)))
}

func TestAttacks(t *testing.T)        { t.Parallel(); attacks.Attacks(t, attacked) }
func TestEntries(t *testing.T)        { t.Parallel(); attacks.Entries(t, attacked) }
func TestColumns(t *testing.T)        { t.Parallel(); attacks.Columns(t, attacked) }
func TestLists(t *testing.T)          { t.Parallel(); attacks.Lists(t, attacked) }
func TestLosses(t *testing.T)         { t.Parallel(); attacks.Losses(t, attacked) }
func TestHighWater(t *testing.T)      { t.Parallel(); storagetest.HighWater(t, stores) }
func TestAuthenticators(t *testing.T) { t.Parallel(); storagetest.Authenticators(t, stores) }

func TestWatched(t *testing.T) {
	t.Parallel()
	db := openTest(t, Config{})
	columns, err := engine.Many(t.Context(), db.engine, `SELECT m.name, c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'`,
		func(r *engine.Row) [2]string { return [2]string{r.Text(), r.Text()} })
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
	db := openTest(t, quick)
	return &attacks.Attacked{
		Database: suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Auth: db, HighWater: db.HighWater()},
		KeyTable: "signing_keys", TypeTable: "license_types", LaterList: "UPDATE status_lists SET revision = revision + 1",
		// There is no such row: another's session takes the place of the victim's.
		Cookies: "UPDATE sessions SET (seen, expires, ended, body, revision, auth) = (SELECT seen, expires + 1, ended, body, revision, auth FROM sessions WHERE id = 'session') WHERE id = 'another'",
		BadDate: "'soon'", BadTime: "1", Inside: "CAST(substr(body, 1, 40) || x'00' || substr(body, 42) AS BLOB)",
		Guards: []string{"events_unchanged", "events_undeleted", "provider_events_unchanged", "provider_events_undeleted"},
		SQL: func(sql string) error {
			return db.engine.Write(t.Context(), func(c *engine.Conn) error { _, err := c.Exec(sql); return err })
		},
	}
}

func stores(t *testing.T) suite.Database { return storesOf(openTest(t, quick)) }

// suite hands a database to a suite.
func storesOf(db *DB) suite.Database {
	return suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Lists: db.Keys(), Auth: db, HighWater: db.HighWater(), Sweeper: db, Months: db}
}

// quick doesn't wait for the disk: for tests that are about what is stored, and not about
// what a failure of the power leaves of it. TestSettingsOfConnections sees what the default is.
var quick = Config{tuning: tuning{file: engine.Tuning{Synchronous: "OFF"}}}

// openTest opens a migrated database, in a new folder unless a path is given.
func openTest(t testing.TB, c Config) *DB {
	t.Helper()
	if c.Path == "" {
		c.Path = filepath.Join(t.TempDir(), "test.db")
		if c.VFS == "" { // else it has to see how the file is made
			b, err := migrated()
			if err == nil {
				err = os.WriteFile(c.Path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	db, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

// migrated makes, once, the empty database that the tests' are copies of: a copy is made
// faster than a migration.
var migrated = sync.OnceValues(func() (b []byte, err error) {
	dir, err := os.MkdirTemp("", "yizheng-sqlite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path, ctx := filepath.Join(dir, "test.db"), context.Background()
	db, err := Open(ctx, Config{Path: path})
	if err != nil {
		return nil, err
	}
	_, err = db.Migrate(ctx)
	if err = errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
