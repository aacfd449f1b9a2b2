package main_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"yizheng.internal/api/rest"
	"yizheng.internal/cmd/internal/servertest"
	"yizheng.internal/license/credential"
)

// TestUpdating does what the guide says of updating, step by step, with two programs:
// this one, and the same with a further migration. Then it goes back, as the guide says.
func TestUpdating(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		old := startServer(t, serverOptions{DatabaseURL: databaseURL})
		c := old.setUp(t)
		before, err := c.Issue(t.Context(), "A-1")
		if err != nil {
			t.Fatal(err)
		}
		healthy(t, old.Options)
		backup := filepath.Join(t.TempDir(), "backup")
		old.Command(t, "backup", backup)
		after, err := c.Issue(t.Context(), "A-2")
		if err != nil {
			t.Fatal(err)
		}
		if err := old.Stop(); err != nil {
			t.Fatal(err)
		}

		updated := old.Options
		updated.Tags = nextVersion
		s := &server{Options: updated}
		settings := updated.settings()
		if _, errs, code := runProgram(t, nextVersion, append([]string{"migrate", "--check"}, settings...)...); code != 1 || !strings.Contains(errs, "yizheng migrate") {
			t.Errorf("before it is migrated: exit code %d, %s", code, errs)
		}
		if out := s.Command(t, "migrate"); !strings.Contains(out, "to 90000") {
			t.Errorf("migrate says %q", out)
		}
		if out := s.Command(t, "migrate", "--check"); !strings.Contains(out, "as it should") {
			t.Errorf("migrate --check says %q", out)
		}
		s = startServer(t, updated)
		for _, i := range []rest.Issued{before, after} {
			mustVerify(t, c.at(s), i, credential.Valid)
		}
		if _, err := c.at(s).Issue(t.Context(), "A-3"); err != nil {
			t.Errorf("issuing after the update: %v", err)
		}
		healthy(t, updated)
		if status, body := get(t, s.AdminURL+"/readyz"); status != http.StatusOK || strings.Contains(s.Log(), `"level":"ERROR"`) {
			t.Errorf("/readyz after the update: %d %s\n%s", status, body, s.Log())
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		goBack(t, old.Options, backup, c, before, after)
	})
}

// goBack goes back to the program from before an update.
func goBack(t *testing.T, o serverOptions, backup string, c *apiClient, before, after rest.Issued) {
	t.Helper()
	const newer = "newer program"
	if _, err := tryServer(t, o); err == nil || !strings.Contains(err.Error(), newer) {
		t.Errorf("the old program on what the new one migrated: %v", err)
	}
	if out, _, code := runProgram(t, "", append([]string{"doctor"}, o.settings()...)...); code != 1 || !strings.Contains(out, newer) {
		t.Errorf("doctor on what a newer program migrated: exit code %d\n%s", code, out)
	}

	restored := serverOptions{Data: filepath.Join(t.TempDir(), "restored")}
	if o.DatabaseURL != "" {
		restored.DatabaseURL = servertest.PostgresURL(t)
	}
	text, err := os.ReadFile(filepath.Join(o.Data, "keys.pass"))
	if err == nil {
		err = os.Mkdir(restored.Data, 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(restored.Data, "keys.pass"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	(&server{Options: restored}).Command(t, "restore", backup)
	healthy(t, restored)
	s := startServer(t, restored)
	mustVerify(t, c.at(s), before, credential.Valid)
	mustVerify(t, c.at(s), after, "")
	if _, err := c.at(s).Issue(t.Context(), "A-4"); err != nil {
		t.Errorf("issuing after the way back: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// healthy asks doctor.
func healthy(t *testing.T, o serverOptions) {
	t.Helper()
	if out, errs, code := runProgram(t, o.Tags, append([]string{"doctor"}, o.settings()...)...); code != 0 {
		t.Errorf("doctor: exit code %d\n%s%s", code, out, errs)
	}
}

// mustVerify verifies a license; no verdict: it isn't known.
func mustVerify(t *testing.T, c *apiClient, i rest.Issued, want credential.Verdict) {
	t.Helper()
	v, err := c.Verify(t.Context(), i)
	if got := v.Verdict; want == "" && got == credential.Valid || want != "" && (err != nil || got != want) {
		t.Errorf("license %s: %q, %v, want %q", i.Identifier, got, err, want)
	}
}
