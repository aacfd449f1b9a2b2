package main_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A database that is put back as a whole is found at the next start. Nothing is
// decided then, until the operator has confirmed what was lost.
func TestDatabasePutBack(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{})
	c := s.setUp(t)
	if _, err := c.Issue(t.Context(), "A-1"); err != nil {
		t.Fatal(err)
	}
	stop := func() {
		t.Helper()
		if err := s.Stop(); err != nil {
			t.Fatalf("%v\n%s", err, s.Log())
		}
	}
	stop()
	before := databaseFiles(t, s.Options.Data)

	s = startServer(t, s.Options)
	s.Command(t, "client", "disable", c.ID)
	waitStatus(t, c.at(s), http.StatusUnauthorized)
	stop()
	for name := range databaseFiles(t, s.Options.Data) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range before {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}

	s = startServer(t, s.Options)
	for path, want := range map[string]int{
		s.BaseURL + "/.well-known/openid-configuration": http.StatusServiceUnavailable,
		s.BaseURL + "/oauth/jwks":                       http.StatusServiceUnavailable,
		s.BaseURL + "/v1/trust/anchors":                 http.StatusServiceUnavailable,
		s.BaseURL + "/verify":                           http.StatusServiceUnavailable,
		s.AdminURL + "/readyz":                          http.StatusServiceUnavailable,
		s.AdminURL + "/livez":                           http.StatusOK,
	} {
		if got, _ := get(t, path); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	if _, err := c.at(s).Token(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("the client that had been disabled: %v, want 503", err)
	}
	if _, metrics := get(t, s.AdminURL+"/metrics"); !strings.Contains(metrics, "\nyizheng_database_lost_records 1\n") &&
		!strings.Contains(metrics, "\nyizheng_database_lost_records 2\n") {
		t.Error("no metric tells of it")
	}
	if !strings.Contains(s.Log(), "started, and refuses all requests") || strings.Contains(s.Log(), `"msg":"ready"`) {
		t.Error("it is called ready")
	}
	if !strings.Contains(s.Log(), `"level":"ERROR"`) || !strings.Contains(s.Log(), "yizheng integrity accept") {
		t.Errorf("the log does not say what to do:\n%s", s.Log())
	}
	if out, _, code := runProgram(t, "", append([]string{"doctor"}, s.Options.settings()...)...); code != 1 || !strings.Contains(out, "integrity accept") {
		t.Errorf("doctor: exit code %d\n%s", code, out)
	}

	out := s.Command(t, "integrity", "accept", "--operator", "样例操作员", "--reason", "restored by hand after a disk failure")
	if !strings.Contains(out, "Accepted as lost") || !strings.Contains(out, "clients") {
		t.Errorf("accepting says %q", out)
	}
	waitStatus(t, c.at(s), http.StatusOK) // as it was before: it is to be disabled again
	if got, _ := get(t, s.AdminURL+"/readyz"); got != http.StatusOK {
		t.Errorf("/readyz afterwards: %d", got)
	}
	events := s.Command(t, "event", "list", "--json")
	if !strings.Contains(events, "integrity.accept") || !strings.Contains(events, "cli:样例操作员") || !strings.Contains(events, "disk failure") {
		t.Errorf("no event tells who accepted it, and why:\n%s", events)
	}
	if out := s.Command(t, "integrity", "accept", "--reason", "again"); !strings.Contains(out, "Nothing is lost") {
		t.Errorf("accepting once more says %q", out)
	}
	stop()
	s = startServer(t, s.Options)
	waitStatus(t, c.at(s), http.StatusOK)
	stop()
}

// databaseFiles reads the database of a directory.
func databaseFiles(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "yizheng.db*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%v, %d files", err, len(names))
	}
	files := map[string][]byte{}
	for _, name := range names {
		if files[name], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}
