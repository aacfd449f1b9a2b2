package main_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"yizheng.internal/storage"
	"yizheng.internal/storage/retention"
)

// openStores opens the database of an installation that is not running.
func (s *server) openStores(t *testing.T) storage.Database {
	t.Helper()
	address := s.Options.DatabaseURL
	if address == "" {
		address = "sqlite:" + filepath.Join(s.Options.Data, "yizheng.db")
	}
	db, err := storage.Open(t.Context(), address, storage.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// fails runs a command that must fail, and returns what it said.
func (s *server) fails(t *testing.T, code int, args ...string) string {
	t.Helper()
	out, errs, got := runProgram(t, "", append(args, s.Options.settings()...)...)
	if got != code {
		t.Errorf("yizheng %q: exit code %d, want %d\n%s%s", args, got, code, out, errs)
	}
	return errs
}

// TestArchive exports a month that is complete, once, reads it back, and lets it go.
func TestArchive(t *testing.T) { onEachDatabase(t, archives) }

func archives(t *testing.T, databaseURL string) {
	s := startServer(t, serverOptions{DatabaseURL: databaseURL})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	db := s.openStores(t)
	month := retention.MonthOf(time.Now()) - 14
	err := db.Journal().AppendEvents(t.Context(), login("old", month.Begin()), login("older", month.Begin().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "archive")
	name := "provider_events-" + month.String()
	if out := s.Command(t, "archive", "export", dir, "--log", "events"); !strings.HasPrefix(out, "Nothing to archive") {
		t.Errorf("of another log: %s", out)
	}
	if out := s.Command(t, "archive", "export", dir); !strings.HasPrefix(out, name+".jsonl  2 rows, ") {
		t.Errorf("exported %s", out)
	}
	if out := s.Command(t, "archive", "export", dir); !strings.HasPrefix(out, "Nothing to archive") {
		t.Errorf("again: %s", out)
	}
	manifest := filepath.Join(dir, name+".json")
	if out, _, code := runProgram(t, "", "archive", "verify", manifest); code != 0 || !strings.Contains(out, name+".jsonl is as it was made at") {
		t.Errorf("verified: %s", out)
	}
	listed := func() (found map[string]any) {
		for line := range strings.Lines(s.Command(t, "archive", "list", "--json")) {
			if m := decoded(t, line); m["log"] == "provider_events" && m["month"] == month.String() {
				found = m
			}
		}
		return found
	}
	if m := listed(); m["rows"] != true || m["archived_rows"] != 2.0 || m["archived_at"] == nil || m["deleted_at"] != nil {
		t.Errorf("the month is listed as %v", m)
	}
	if found := s.Command(t, "event", "list", "--json", "--kind", "installation.archive"); strings.Count(found, "\n") < 3 {
		t.Errorf("events of it: %s", found)
	}
	s.fails(t, 2, "archive", "export", dir, "--until", "2026")
	for done := false; !done; { // what the service does when the month is over
		if _, done, err = db.Admin().DropMonth(context.WithoutCancel(t.Context()), retention.ProviderEvents, month, false, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if m := listed(); m["rows"] != false || m["deleted_at"] == nil {
		t.Errorf("after it was deleted, the month is listed as %v", m)
	}
	if out := s.Command(t, "archive", "show", manifest, "--json"); strings.Count(out, "\n") != 2 {
		t.Errorf("the deleted month's archive shows %s", out)
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
}
