package main_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/cmd/internal/servertest"
)

// Whoever writes the database alone gets nothing by it, and the operator sees that
// it was tried: in the log and in a metric.
func TestAlteredRecordIsSeen(t *testing.T) {
	t.Parallel()
	database := servertest.PostgresURL(t)
	s := startServer(t, serverOptions{DatabaseURL: database})
	c := s.setUp(t)
	if n := alteredRecords(t, s); n != "0" {
		t.Errorf("before anything was altered, %s records were refused", n)
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	tag, err := conn.Exec(t.Context(), "UPDATE clients SET participant = 'another' WHERE id = $1", c.ID)
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("altering a client: %v, %v", tag, err)
	}
	if _, err := c.Token(t.Context()); err == nil {
		t.Error("the altered client gets a token")
	}
	if n := alteredRecords(t, s); n == "0" || n == "" {
		t.Errorf("%q records were refused", n)
	}
	if !strings.Contains(s.Log(), `"level":"ERROR"`) || !strings.Contains(s.Log(), "clients") {
		t.Errorf("the log says nothing of it:\n%s", s.Log())
	}
}

var alteredMetric = regexp.MustCompile(`(?m)^yizheng_altered_records (\S+)$`)

func alteredRecords(t *testing.T, s *server) string {
	t.Helper()
	r, err := http.Get(s.AdminURL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := alteredMetric.FindSubmatch(text)
	if found == nil {
		t.Fatalf("no such metric:\n%.2000s", text)
	}
	return string(found[1])
}

// Rehashing leaves out a record that is not as the service wrote it, and says so: its
// old lookup keys must stay, for it may be put right.
func TestRehashTellsOfAlteredRecords(t *testing.T) {
	t.Parallel()
	database := servertest.PostgresURL(t)
	s := startServer(t, serverOptions{DatabaseURL: database})
	c := s.setUp(t)
	if _, err := c.Issue(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	rehash := func() (string, int) {
		_, errs, code := runProgram(t, "", append([]string{"key", "rehash"}, s.Options.settings()...)...)
		return errs, code
	}
	if errs, code := rehash(); code != 0 {
		t.Fatalf("before anything was altered: exit code %d\n%s", code, errs)
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if tag, err := conn.Exec(t.Context(), "UPDATE license_versions SET auth = set_byte(auth, 5, get_byte(auth, 5) # 1)"); err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("altering a license's version: %v, %v", tag, err)
	}
	if errs, code := rehash(); code != 1 || !strings.Contains(errs, "were left out: license_versions ") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}
