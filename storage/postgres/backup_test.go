package postgres

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yizheng.internal/storage/postgres/ledger"
	"yizheng.internal/storage/storagetest/suite"
	"yizheng.internal/storage/storagetest/upkeep"
)

func TestBackups(t *testing.T) { t.Parallel(); upkeep.Backups(t, backed, restored) }

func backed(t *testing.T) upkeep.Backed {
	db := openDB(t, Config{URL: newDatabase(t)})
	return upkeep.Backed{
		Database: suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys()}, Save: db.Save,
	}
}

func restored(t *testing.T, dir string, list int64) (suite.Database, error) {
	db := openDB(t, Config{URL: createDatabase(t, "template0")})
	have, want, err := db.SchemaVersion(t.Context())
	if err != nil || have != 0 {
		t.Fatalf("version %d, %v", have, err)
	}
	if _, err := db.Restore(t.Context(), dir, want, list, time.Now(), nil); err != nil {
		return suite.Database{}, err
	}
	if err := db.Empty(t.Context()); err == nil || !strings.Contains(err.Error(), "only into an empty one") {
		t.Errorf("a restored database is empty: %v", err)
	}
	if _, err := db.Restore(t.Context(), dir, want, list, time.Now(), nil); err == nil {
		t.Error("restored over a database")
	}
	if err := db.Check(t.Context()); err != nil {
		t.Errorf("a restored database: %v", err)
	}
	var rest int
	for _, table := range ledger.Monthly {
		var n int
		if err := db.engine.Conns.QueryRow(t.Context(), "SELECT count(*) FROM "+table+"_rest").Scan(&n); err != nil {
			t.Fatal(err)
		}
		rest += n
	}
	if rest != 0 {
		t.Errorf("%d rows have no month of their own", rest)
	}
	return suite.Database{Licenses: db.Licenses(), Provider: db.Provider(), Journal: db.Journal(), Keys: db.Keys()}, nil
}

// TestRestoreAllOrNothing breaks a file of a backup: no row comes of it, and the
// same database can be filled afterwards.
func TestRestoreAllOrNothing(t *testing.T) {
	t.Parallel()
	b, dir := backed(t), t.TempDir()
	if err := b.Provider.Spend(t.Context(), [32]byte{1}, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), dir, nil); err != nil {
		t.Fatal(err)
	}
	db := openDB(t, Config{URL: createDatabase(t, "template0")})
	_, want, err := db.SchemaVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "use_requests"+copySuffix) // one of the last
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text[:len(text)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Restore(t.Context(), dir, want, 1, time.Now(), nil); err == nil {
		t.Fatal("a file that was cut off was restored")
	}
	if err := db.Empty(t.Context()); err != nil {
		t.Errorf("after a try that failed: %v", err)
	}
	if _, err := db.Restore(t.Context(), dir, want+1, 1, time.Now(), nil); err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("of a newer program: %v", err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Restore(t.Context(), dir, want, 1, time.Now(), nil); err != nil {
		t.Errorf("then: %v", err)
	}
	foreign := openDB(t, Config{URL: createDatabase(t, "template0")})
	if _, err := foreign.engine.Conns.Exec(t.Context(), "CREATE TABLE somebody_elses (n integer)"); err != nil {
		t.Fatal(err)
	}
	if err := foreign.Empty(t.Context()); err == nil || !strings.Contains(err.Error(), "somebody_elses") {
		t.Errorf("a database with a foreign table: %v", err)
	}
}

// FuzzContents reads contents from anywhere: what is accepted can be put into SQL.
func FuzzContents(f *testing.F) {
	f.Add([]byte(`{"tables":[{"name":"licenses","columns":["id"]}],"sequences":[{"name":"history_seq","value":7}]}`))
	f.Add([]byte(`{"tables":[{"name":"a;b","columns":["id"]}]}`))
	f.Add([]byte(`{"tables":[{"name":"a","columns":["id","id"]},{"name":"a","columns":[]}]} {}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseContents(text)
		if err != nil {
			return
		}
		for _, table := range c.Tables {
			for _, name := range append(table.Columns, table.Name) {
				if strings.ContainsAny(name, "\"'; \x00/\\.") || name == "" {
					t.Errorf("accepted %q", name)
				}
			}
		}
		for _, s := range c.Sequences {
			if s.Value < 0 || s.Value+sequenceGap < 0 {
				t.Errorf("accepted %d", s.Value)
			}
		}
	})
}
