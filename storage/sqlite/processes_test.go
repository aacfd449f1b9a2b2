package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/license/audit"
	"yizheng.internal/storage/sqlite/engine"
)

// childPath is the variable that makes the test binary another process, which
// saves licenses in the database at that path.
const childPath = "YIZHENG_SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		if err := child(path); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child saves licenses and prints the ID of each that was answered, until its
// input ends.
func child(path string) error {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		bufio.NewReader(os.Stdin).ReadByte()
		cancel()
	}()
	db, err := Open(ctx, Config{Path: path})
	if err != nil {
		return err
	}
	if _, err := db.Migrate(ctx); err != nil {
		return err
	}
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for range cap(errs) {
		wg.Go(func() {
			for ctx.Err() == nil {
				r := newLicense(0, 0)
				if err := db.Licenses().Save(context.Background(), r); err != nil {
					errs <- err
					return
				}
				fmt.Println(r.Record.ID)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		return err
	}
	return db.Close()
}

// startChild starts another process and returns its answered licenses, when it
// is stopped: asked to, or killed.
func startChild(t *testing.T, path string) (stop func(kill bool) []audit.ID) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("the other process printed nothing")
	}
	answered := []audit.ID{audit.ID(lines.Text())}
	return func(kill bool) []audit.ID {
		if kill {
			cmd.Process.Kill()
		} else {
			in.Close()
		}
		for lines.Scan() {
			// The last line of a killed process may be cut short.
			if id := audit.ID(lines.Text()); id.Valid() || len(id) == 26 {
				answered = append(answered, id)
			} else if !kill {
				t.Errorf("the other process says %q", id)
			}
		}
		if err := cmd.Wait(); err != nil && !kill {
			t.Errorf("the other process: %v", err)
		}
		return answered
	}
}

// TestProcesses saves licenses beside another process that does the same.
func TestProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	stop := startChild(t, path)
	db := openTest(t, Config{Path: path})
	var mine []audit.ID
	for range 60 {
		r := newLicense(0, 0)
		if err := db.Licenses().Save(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		mine = append(mine, r.Record.ID)
	}
	others := stop(false)
	t.Logf("%d of this process, %d of the other", len(mine), len(others))
	if len(others) == 0 { // how the two share the file is up to the scheduler
		t.Error("the other process came to save nothing")
	}
	for _, id := range append(mine, others...) {
		if _, _, err := db.Licenses().Load(t.Context(), id, 0); err != nil {
			t.Errorf("an answered license: %v", err)
		}
	}
	sound(t, db)
}

// TestKilledProcess kills a process that saves, many times: what it answered is
// there, and this process, which has the file open, goes on at once.
func TestKilledProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	db := openTest(t, Config{Path: path})
	answered := 0
	for range soak(6, 100) {
		stop := startChild(t, path)
		if err := db.Licenses().Save(t.Context(), newLicense(0, 0)); err != nil {
			t.Fatal(err)
		}
		for _, id := range stop(true) {
			answered++
			if _, _, err := db.Licenses().Load(t.Context(), id, 0); err != nil {
				t.Errorf("an answered license: %v", err)
			}
		}
		if err := db.Licenses().Save(t.Context(), newLicense(0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d answered", answered)
	sound(t, db)
}

// TestMigrateTogether lets everybody migrate one new file at once.
func TestMigrateTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			db, err := Open(t.Context(), Config{Path: path})
			if err != nil {
				t.Error(err)
				return
			}
			defer db.Close()
			if v, err := db.Migrate(t.Context()); err != nil || v < 1 {
				t.Errorf("migrated to version %d, error %v", v, err)
			}
		})
	}
	wg.Wait()
	db := openTest(t, Config{Path: path})
	sound(t, db)
	applied := 0
	err := db.engine.Read(t.Context(), func(c *engine.Conn) error {
		return c.Query("SELECT count(*) FROM goose_db_version WHERE version_id > 0", func(r *engine.Row) { applied = r.Int() })
	})
	files, ferr := fs.Glob(migrations, "migrations/*.sql")
	if err != nil || ferr != nil || applied != len(files) {
		t.Errorf("%d migrations were applied, want %d, errors %v, %v", applied, len(files), err, ferr)
	}
}

// TestMigrateNewer refuses a database that a newer program has migrated.
func TestMigrateNewer(t *testing.T) {
	t.Parallel()
	db := openTest(t, Config{})
	err := db.engine.Write(t.Context(), func(c *engine.Conn) error {
		_, err := c.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if have, err := db.Migrate(t.Context()); have != 99 || err == nil || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("got version %d, error %v", have, err)
	}
}

// TestMigrateTwice applies no migration twice, even if a program believes that
// it has not been applied.
func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	db := openTest(t, Config{})
	err := db.engine.Write(t.Context(), func(c *engine.Conn) error {
		_, err := c.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, 1)")
		return err
	})
	if err == nil {
		t.Error("a version can be applied twice")
	}
}

// TestAppendOnly sees that no statement changes what happened.
func TestAppendOnly(t *testing.T) {
	db := openTest(t, Config{})
	everything(t, db)
	for _, table := range []string{"history", "events", "provider_events"} {
		for _, sql := range []string{"UPDATE " + table + " SET result = 'changed'", "DELETE FROM " + table} {
			err := db.engine.Write(t.Context(), func(c *engine.Conn) error {
				n, err := c.Exec(sql)
				if err == nil && n == 0 {
					return fmt.Errorf("%s has no row to change", table)
				}
				return err
			})
			if err == nil || !strings.Contains(err.Error(), "append-only") {
				t.Errorf("%s: got %v", sql, err)
			}
		}
	}
}
