package main_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"yizheng.internal/api/rest"
	"yizheng.internal/cmd/internal/servertest"
	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
)

// TestBackupDrillSQLite issues licenses, makes a backup while it goes on issuing,
// restores that elsewhere, verifies everything that was in it, and issues again: no
// entry of a status list is given out twice, those of lost licenses neither.
func TestBackupDrillSQLite(t *testing.T) { t.Parallel(); backupDrill(t, "", "") }

// TestBackupDrillPostgres is [TestBackupDrillSQLite] on PostgreSQL.
func TestBackupDrillPostgres(t *testing.T) {
	t.Parallel()
	backupDrill(t, servertest.PostgresURL(t), servertest.PostgresURL(t))
}

func backupDrill(t *testing.T, database, elsewhere string) {
	dir := filepath.Join(t.TempDir(), "backup")
	s := startServer(t, serverOptions{DatabaseURL: database, Args: []string{"--log-level", "warn"}})
	c := s.setUp(t)
	entries := map[string]audit.ID{}
	before := issueMany(t, c, "before", 40, entries)

	stop, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := c.Issue(context.WithoutCancel(t.Context()), fmt.Sprint("meanwhile-", n)); err != nil {
				t.Errorf("issuing while a backup is made: %v", err)
				return
			}
		}
	}()
	out := s.Command(t, "backup", dir)
	close(stop)
	<-over
	if !strings.Contains(out, "everything answered before is in it") {
		t.Errorf("backup said %s", out)
	}
	lost := issueMany(t, c, "lost", 40, entries)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	data := filepath.Join(t.TempDir(), "restored")
	args := []string{"restore", "--data", data, "--passphrase-file", filepath.Join(s.Options.Data, "keys.pass")}
	if elsewhere != "" {
		args = append(args, "--database-url", elsewhere)
	}
	out, errs, code := runProgram(t, "", append(args, dir)...)
	if code != 0 || !strings.Contains(out, "Lost is what was answered between") || !strings.Contains(out, "its newest event is of") {
		t.Fatalf("restore: exit code %d\n%s%s", code, out, errs)
	}
	if out, errs, code = runProgram(t, "", append(args, dir)...); code != 1 || !strings.Contains(errs, "only into an empty") {
		t.Errorf("restoring again: exit code %d\n%s%s", code, out, errs)
	}
	pass, err := os.ReadFile(filepath.Join(s.Options.Data, "keys.pass"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "keys.pass"), pass, 0o600); err != nil {
		t.Fatal(err)
	}
	r := startServer(t, serverOptions{Data: data, DatabaseURL: elsewhere, Args: []string{"--log-level", "warn"}})
	c = c.at(r)
	lists := &statusLists{client: c, anchors: trustAnchors(t, c), known: map[string]credential.StatusSource{}}
	for _, i := range before {
		if v, err := c.Verify(t.Context(), i); err != nil || v.Verdict != credential.Valid {
			t.Errorf("license %s: %+v, %v", i.ID, v, err)
		}
		if err := lists.verify(t.Context(), i.Credential, license.Active); err != nil {
			t.Errorf("license %s: %v", i.ID, err)
		}
	}
	for _, i := range lost {
		if v, err := c.Verify(t.Context(), i); err == nil && v.Verdict == credential.Valid {
			t.Errorf("license %s was issued after the backup, and is there", i.ID)
		}
	}
	for _, i := range issueMany(t, c, "again", 80, entries) {
		list, _, _ := strings.Cut(entryOf(t, i.Credential), "#")
		if slices.ContainsFunc(slices.Concat(before, lost), func(o rest.Issued) bool { return strings.HasPrefix(entryOf(t, o.Credential), list+"#") }) {
			t.Fatalf("license %s has an entry of %s, which was in use before", i.ID, list)
		}
	}
	if doctor, errs, code := runProgram(t, "", append([]string{"doctor"}, r.Options.settings()...)...); code != 0 {
		t.Errorf("doctor: exit code %d\n%s%s", code, doctor, errs)
	}
}

// issueMany issues licenses, and checks that their entries are new.
func issueMany(t *testing.T, c *apiClient, name string, n int, entries map[string]audit.ID) []rest.Issued {
	t.Helper()
	made := make([]rest.Issued, n)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < n; i += 4 {
				var err error
				if made[i], err = c.Issue(t.Context(), fmt.Sprintf("%s-%d", name, i)); err != nil {
					t.Errorf("issuing: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, i := range made {
		e := entryOf(t, i.Credential)
		if other, taken := entries[e]; taken {
			t.Fatalf("licenses %s and %s have the same entry %s", other, i.ID, e)
		}
		entries[e] = i.ID
	}
	return made
}

// entryOf returns the entry of a status list that a credential names.
func entryOf(t *testing.T, credential string) string {
	t.Helper()
	var claims struct {
		Status struct {
			List struct {
				URI   string `json:"uri"`
				Index *int   `json:"idx"`
			} `json:"status_list"`
		} `json:"status"`
	}
	parts := strings.Split(credential, ".")
	if len(parts) < 3 {
		t.Fatalf("not a credential: %.100s", credential)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil || claims.Status.List.Index == nil || claims.Status.List.URI == "" {
		t.Fatalf("no entry in %s: %v", payload, err)
	}
	return fmt.Sprintf("%s#%d", claims.Status.List.URI, *claims.Status.List.Index)
}

// A backup is wanted most where the database takes no events any more, as on a full
// disk: it is made, without one.
func TestBackupUnrecorded(t *testing.T) {
	t.Parallel()
	database := servertest.PostgresURL(t)
	s := startServer(t, serverOptions{DatabaseURL: database})
	s.setUp(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range []string{
		`CREATE FUNCTION refused() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE disk_full; END'`,
		`CREATE TRIGGER refused BEFORE INSERT ON provider_events FOR EACH ROW EXECUTE FUNCTION refused()`,
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(t.TempDir(), "backup")
	if out := s.Command(t, "backup", dir); !strings.Contains(out, "everything answered before is in it") {
		t.Errorf("backup said %s", out)
	}
}
