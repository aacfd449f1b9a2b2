package main_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/signing/journal"
	"yizheng.internal/storage"
)

// TestImportBroken imports beside a running server, on either database: the same file by two
// processes at once, and another one that is killed, then interrupted, then goes on. Each person
// comes in once, with one event, and nobody is refused.
func TestImportBroken(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		const some = 600
		s := startServer(t, serverOptions{DatabaseURL: databaseURL})
		dir := t.TempDir()
		s.Command(t, "person", "source", "put", "--level", "2", "qinghe")
		db := s.openStores(t)

		both := writePeople(t, filepath.Join(dir, "both.csv"), 0, some)
		one, other := s.importing(t, both, filepath.Join(dir, "one")), s.importing(t, both, filepath.Join(dir, "other"))
		first, second := one.counts(t), other.counts(t)
		if first.Taken+second.Taken != some || first.Known+second.Known != some || first.Quarantined+second.Quarantined != 0 {
			t.Errorf("two at once: %+v and %+v", first, second)
		}

		broken := writePeople(t, filepath.Join(dir, "broken.csv"), some, 10*some)
		killed := s.importing(t, broken, filepath.Join(dir, "killed"))
		waitAccounts(t, db, some+20)
		if err := killed.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = killed.Wait() // killed
		interrupted := s.importing(t, broken, filepath.Join(dir, "interrupted"))
		waitAccounts(t, db, accounts(t, db)+20)
		if err := interrupted.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		before := interrupted.counts(t)
		if said := interrupted.errs.String(); !strings.Contains(said, "stopping: rows that were begun") {
			t.Errorf("interrupted, it says %q", said)
		}
		if before.Result != "interrupted" || interrupted.ProcessState.ExitCode() != 1 || before.Taken+before.Known >= 9*some {
			t.Errorf("interrupted: %+v, exit code %d", before, interrupted.ProcessState.ExitCode())
		}
		rest := s.importing(t, broken, filepath.Join(dir, "rest")).counts(t)
		if rest.Result != "ok" || rest.Taken == 0 || rest.Taken+rest.Known != 10*some || rest.Quarantined != 0 {
			t.Errorf("the rest: %+v", rest)
		}
		if n := accounts(t, db); n != 11*some {
			t.Errorf("%d accounts, want %d", n, 11*some)
		}
		events := 0
		for after := int64(0); ; {
			es, err := db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, after, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range es {
				if after = e.Seq; e.Action == journal.ActionAccountImport {
					events++
				}
			}
			if len(es) == 0 {
				break
			}
		}
		if events != 11*some {
			t.Errorf("%d events of accounts, want %d", events, 11*some)
		}
	})
}

// writePeople writes a file of people with passports, none of whom is in another one.
func writePeople(t testing.TB, path string, from, n int) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("record_id,name,code_type,code,phone\n")
	for i := from; i < from+n; i++ {
		fmt.Fprintf(&b, "r-%d,样例%c%c,414,E%08d,139%08d\n", i, '一'+rune(i%5000), '一'+rune(i/5000), i, i)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// importing is a person import that runs.
type importing struct {
	*exec.Cmd
	out, errs *lockedBuffer
}

func (s *server) importing(t *testing.T, file, left string) importing {
	t.Helper()
	args := slices.Concat([]string{"person", "import"}, s.Options.settings(), []string{"--source", "qinghe", "--level", "2", "--errors", left, "--json", file})
	i := importing{exec.CommandContext(t.Context(), program(t, ""), args...), &lockedBuffer{}, &lockedBuffer{}}
	i.Stdout, i.Stderr = i.out, io.MultiWriter(i.errs, t.Output())
	if err := i.Start(); err != nil {
		t.Fatal(err)
	}
	return i
}

// counts waits for the import's end and returns its summary.
func (i importing) counts(t *testing.T) seedCount {
	t.Helper()
	if _, ended := errors.AsType[*exec.ExitError](i.Wait()); ended && i.ProcessState.ExitCode() < 0 {
		t.Fatalf("the import ended by %s", i.ProcessState)
	}
	return seedCounts(t, i.out.String())
}

func accounts(t *testing.T, db storage.Database) (n int) {
	t.Helper()
	for after := ""; ; {
		as, err := db.Provider().ListAccounts(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if n += len(as); len(as) == 0 {
			return n
		}
		after = as[len(as)-1].ID
	}
}

// waitAccounts waits until there are as many accounts, or more.
func waitAccounts(t *testing.T, db storage.Database, n int) {
	t.Helper()
	for began := time.Now(); accounts(t, db) < n; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > readyWithin {
			t.Fatalf("there aren't %d accounts", n)
		}
	}
}

// BenchmarkImport imports 100,000 people into an installation on SQLite, with -benchtime 1x once.
func BenchmarkImport(b *testing.B) {
	const n = 100_000
	path := program(b, "")
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		yizheng := func(args ...string) *exec.Cmd {
			b.Helper()
			cmd := exec.CommandContext(b.Context(), path, args...)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			return cmd
		}
		from, err := demoDirectory(b)
		if err != nil {
			b.Fatal(err)
		}
		if err := copyTree(dir, from); err != nil {
			b.Fatal(err)
		}
		yizheng("person", "source", "put", "qinghe", "--level", "2", "--data", "d")
		people := writePeople(b, filepath.Join(dir, "people.csv"), 0, n)
		b.StartTimer()
		began := time.Now()
		cmd := yizheng("person", "import", people, "--source", "qinghe", "--level", "2", "--data", "d")
		b.ReportMetric(n/time.Since(began).Seconds(), "rows/s")
		b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB")
	}
}
