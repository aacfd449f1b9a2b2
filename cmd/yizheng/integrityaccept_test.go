package main_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/cmd/internal/servertest"
	"yizheng.internal/license/party"
)

// A status list that was put back is accepted without giving up what this node knows
// of another list: an entry of that one that is put back afterwards is still refused.
func TestAcceptKeepsOtherLists(t *testing.T) {
	t.Parallel()
	database := servertest.PostgresURL(t)
	s := startServer(t, serverOptions{DatabaseURL: database})
	c := s.setUp(t)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	exec := func(sql string) {
		t.Helper()
		if tag, err := conn.Exec(t.Context(), sql); err != nil || tag.RowsAffected() == 0 {
			t.Fatalf("%s: %v, %v", sql, tag, err)
		}
	}
	endOne(t, c, "1")
	// A full list: the next node begins the second one.
	exec("UPDATE status_lists SET taken = 100000 WHERE list = 1")
	stop := func() {
		t.Helper()
		if err := s.Stop(); err != nil {
			t.Fatalf("%v\n%s", err, s.Log())
		}
	}
	stop()
	s = startServer(t, s.Options)
	endOne(t, c.at(s), "2")
	want := func(list string, status int) {
		t.Helper()
		if got, body := get(t, s.BaseURL+"/v1/trust/status-lists/"+list); got != status {
			t.Errorf("status list %s: %d, want %d\n%.300s", list, got, status, body)
		}
	}
	want("1", http.StatusOK)
	want("2", http.StatusOK)
	stop()

	exec("UPDATE status_entries SET value = 0 WHERE list = 1 AND value <> 0")
	exec("DELETE FROM status_revisions WHERE list = 1")
	s = startServer(t, s.Options)
	want("1", http.StatusInternalServerError)
	want("2", http.StatusOK)
	show := func(code int) string {
		t.Helper()
		out, errs, got := runProgram(t, "", append([]string{"integrity", "show"}, s.Options.settings()...)...)
		if got != code {
			t.Errorf("integrity show: exit code %d, want %d\n%s%s", got, code, out, errs)
		}
		return out
	}
	const fell, revived = "status list 1: its revision fell from 1 to 0", "status list 1: 1 entries had ended or were superseded, and are so no longer: "
	if out := show(1); !strings.Contains(out, fell) || !strings.Contains(out, revived) || strings.Contains(out, "list 2") {
		t.Errorf("integrity show says %q", out)
	}
	if out, _, code := runProgram(t, "", append([]string{"doctor"}, s.Options.settings()...)...); code != 1 || !strings.Contains(out, fell) {
		t.Errorf("doctor: exit code %d\n%s", code, out)
	}
	out := s.Command(t, "integrity", "accept", "--reason", "the first list was put back")
	if before, _, ok := strings.Cut(out, "Accepted as lost"); !ok || !strings.Contains(before, fell) || !strings.Contains(before, revived) || strings.Contains(out, "list 2") {
		t.Errorf("accepting says %q", out)
	}
	want("1", http.StatusOK) // the running service reads what was accepted
	show(0)

	exec("UPDATE status_entries SET value = 0 WHERE list = 2 AND value <> 0")
	exec("UPDATE status_revisions SET changes = changes + 1 WHERE list = 2")
	stop()
	s = startServer(t, s.Options)
	want("1", http.StatusOK)
	want("2", http.StatusInternalServerError)
	if out := show(1); !strings.Contains(out, "status list 2: 1 entries had ended") || strings.Contains(out, "list 1") {
		t.Errorf("integrity show says %q", out)
	}
}

// endOne issues a license and ends it.
func endOne(t *testing.T, c *apiClient, number string) {
	t.Helper()
	out, err := c.Issue(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	today := party.DateOf(time.Now()).String()
	err = c.Do(t.Context(), "POST", "/v1/licenses/"+string(out.ID)+"/end", map[string]any{
		"kind": "cancelled", "reason": "持证人申请", "effective_from": today,
		"document": map[string]any{"number": "样例〔2026〕1号", "date": today, "basis": "行政许可法第七十条"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// What a node remembers belongs to the user that the service runs as: accepting as
// another one is refused before anything is written.
func TestAcceptAsAnother(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		return // whoever isn't root can't read another's keys at all
	}
	if err := os.Chown(s.Options.Data, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	_, errs, code := runProgram(t, "", append([]string{"integrity", "accept", "--reason", "a test"}, s.Options.settings()...)...)
	if code != 1 || !strings.Contains(errs, "sudo -u '#12345'") {
		t.Errorf("accepting in another's directory: exit code %d\n%s", code, errs)
	}
}
