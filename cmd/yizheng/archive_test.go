package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/storage/retention"
	"yizheng.internal/storage/sqlite"
)

// TestArchive exports a month that is complete, once, and reads it back.
func TestArchive(t *testing.T) {
	t.Parallel()
	c := cli{t, demoCopy(t)}
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(c.data, "yizheng.db")})
	if err != nil {
		t.Fatal(err)
	}
	month := retention.MonthOf(time.Now()) - 14
	err = db.Provider().AppendEvents(t.Context(), oidc.EventRecord{ID: "old", At: month.Begin(), Action: "login.password", Actor: "a", Result: "ok"},
		oidc.EventRecord{ID: "older", At: month.Begin().Add(time.Hour), Action: "login.password", Actor: "a", Result: "ok"})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "archive")
	name := "provider_events-" + month.String()
	if out := c.run(0, "archive", "export", dir, "--log", "events"); !strings.HasPrefix(out, "Nothing to archive") {
		t.Errorf("of another log: %s", out)
	}
	if out := c.run(0, "archive", "export", dir); !strings.HasPrefix(out, name+".jsonl  2 rows, ") {
		t.Errorf("exported %s", out)
	}
	if out := c.run(0, "archive", "export", dir); !strings.HasPrefix(out, "Nothing to archive") {
		t.Errorf("again: %s", out)
	}
	manifest := filepath.Join(dir, name+".json")
	if out, _, code := runProgram(t, "", "archive", "verify", manifest); code != 0 || !strings.Contains(out, name+".jsonl is as it was made at") {
		t.Errorf("verified: %s", out)
	}
	found := false
	for _, m := range c.lines("archive", "list", "--json") {
		if m["log"] == "provider_events" && m["month"] == month.String() {
			found = m["rows"] == true && m["archived_rows"] == 2.0 && m["archived_at"] != nil && m["deleted_at"] == nil
		}
	}
	if !found {
		t.Error("the month isn't listed as archived")
	}
	if found := c.lines("event", "list", "--json", "--kind", "installation.archive"); len(found) < 2 {
		t.Errorf("events of it: %v", found)
	}
	path := filepath.Join(dir, name+".jsonl")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), "older", "newer", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := runProgram(t, "", "archive", "verify", manifest); code != 1 || !strings.Contains(errs, "is not as its manifest says") {
		t.Errorf("altered: %d, %s", code, errs)
	}
	c.run(2, "archive", "export", dir, "--until", "2026")
}
