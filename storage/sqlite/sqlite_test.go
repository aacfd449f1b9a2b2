package sqlite

import (
	"path/filepath"
	"testing"

	"yizheng.internal/storage/sqlite/engine"
	"yizheng.internal/storage/storagetest"
)

func TestLicenses(t *testing.T)        { storagetest.Licenses(t, stores) }
func TestCatalog(t *testing.T)         { storagetest.Catalog(t, stores) }
func TestStatusLists(t *testing.T)     { storagetest.StatusLists(t, stores) }
func TestLookups(t *testing.T)         { storagetest.Lookups(t, stores) }
func TestSettings(t *testing.T)        { storagetest.Settings(t, stores) }
func TestGrants(t *testing.T)          { storagetest.Grants(t, stores) }
func TestUses(t *testing.T)            { storagetest.Uses(t, stores) }
func TestPartyKeys(t *testing.T)       { storagetest.PartyKeys(t, stores) }
func TestKeys(t *testing.T)            { storagetest.Keys(t, stores) }
func TestRevocationLists(t *testing.T) { storagetest.RevocationLists(t, stores) }
func TestClients(t *testing.T)         { storagetest.Clients(t, stores) }
func TestParticipants(t *testing.T)    { storagetest.Participants(t, stores) }
func TestSessions(t *testing.T)        { storagetest.Sessions(t, stores) }
func TestFamilies(t *testing.T)        { storagetest.Families(t, stores) }
func TestSpent(t *testing.T)           { storagetest.Spent(t, stores) }
func TestConsents(t *testing.T)        { storagetest.Consents(t, stores) }
func TestDelegations(t *testing.T)     { storagetest.Delegations(t, stores) }
func TestParties(t *testing.T)         { storagetest.Parties(t, stores) }
func TestAccounts(t *testing.T)        { storagetest.Accounts(t, stores) }
func TestJournal(t *testing.T)         { storagetest.Journal(t, stores) }
func TestEventSearches(t *testing.T)   { storagetest.EventSearches(t, stores) }
func TestSweeps(t *testing.T)          { storagetest.Sweeps(t, stores) }
func TestMonths(t *testing.T)          { storagetest.Months(t, stores) }
func TestMonthsTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	storagetest.MonthsTogether(t, suite(openTest(t, Config{Path: path})), suite(openTest(t, Config{Path: path})), suite(openTest(t, Config{Path: path})))
}

func TestAttacks(t *testing.T)        { storagetest.Attacks(t, attacked) }
func TestEntries(t *testing.T)        { storagetest.Entries(t, attacked) }
func TestColumns(t *testing.T)        { storagetest.Columns(t, attacked) }
func TestLists(t *testing.T)          { storagetest.Lists(t, attacked) }
func TestLosses(t *testing.T)         { storagetest.Losses(t, attacked) }
func TestHighWater(t *testing.T)      { storagetest.HighWater(t, stores) }
func TestAuthenticators(t *testing.T) { storagetest.Authenticators(t, stores) }

func TestWatched(t *testing.T) {
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
	storagetest.Watched(t, attacked(t), tables)
}

func attacked(t *testing.T) *storagetest.Attacked {
	db := openTest(t, Config{})
	return &storagetest.Attacked{
		Database: storagetest.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Auth: db, HighWater: db.HighWater()},
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

func stores(t *testing.T) storagetest.Database { return suite(openTest(t, Config{})) }

// suite hands a database to a suite.
func suite(db *DB) storagetest.Database {
	return storagetest.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys(), Lists: db.Keys(), Auth: db, HighWater: db.HighWater(), Sweeper: db, Months: db}
}

// openTest opens a migrated database, in a new folder unless a path is given.
func openTest(t testing.TB, c Config) *DB {
	t.Helper()
	if c.Path == "" {
		c.Path = filepath.Join(t.TempDir(), "test.db")
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
