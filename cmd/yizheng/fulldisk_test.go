//go:build linux

package main_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing/journal"
)

// A room is where a test's installation lies. It can be made full, but for some
// bytes, and wide again.
type room struct {
	dir  string
	fill func(s *server, left int64) error
	free func(s *server) error
}

// TestFullDisk has the service run out of room: it says so with 503, has done
// nothing of what it refused, and goes on when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("limit", func(t *testing.T) {
		t.Parallel()
		testFullDisk(t, limitedRoom(t))
	})
	// A file system of its own is full in earnest, but not everyone may mount one.
	if r, err := smallRoom(t); err != nil {
		t.Logf("no file system of the test's own, so a limit on the size of files stood for it: %v", err)
	} else {
		t.Run("tmpfs", func(t *testing.T) { testFullDisk(t, r) })
	}
}

// limitedRoom is full when the log of the database is: the kernel refuses to let
// the process write much behind its present end (setrlimit(2), RLIMIT_FSIZE).
func limitedRoom(t *testing.T) room {
	dir := filepath.Join(t.TempDir(), "data")
	limit := func(s *server, bytes string) error {
		out, err := exec.Command("prlimit", "--pid", strconv.Itoa(s.cmd.Process.Pid), "--fsize="+bytes+":unlimited").CombinedOutput()
		if err != nil {
			return fmt.Errorf("prlimit: %w: %s", err, out)
		}
		return nil
	}
	return room{
		dir: dir,
		fill: func(s *server, left int64) error {
			log, err := os.Stat(filepath.Join(dir, "yizheng.db-wal"))
			if err != nil {
				return err
			}
			return limit(s, strconv.FormatInt(log.Size()+left, 10))
		},
		free: func(s *server) error { return limit(s, "unlimited") },
	}
}

// smallRoom is a file system in memory, filled by a file.
func smallRoom(t *testing.T) (room, error) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		return room{}, err
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	filler := filepath.Join(dir, "filler")
	return room{
		dir: filepath.Join(dir, "data"),
		fill: func(_ *server, left int64) error {
			f, err := os.Create(filler)
			if err != nil {
				return err
			}
			defer f.Close()
			for size := int64(0); ; size += 4096 { // until not even a page fits
				if _, err := f.Write(make([]byte, 4096)); errors.Is(err, syscall.ENOSPC) {
					return f.Truncate(size - left)
				} else if err != nil {
					return err
				}
			}
		},
		free: func(*server) error { return os.Remove(filler) },
	}, nil
}

func testFullDisk(t *testing.T, r room) {
	s := startServer(t, serverOptions{Data: r.dir})
	f := &fullDisk{server: s, client: s.setUp(t)}
	for range 3 {
		if a := f.issue(t); a.status != http.StatusCreated {
			t.Fatalf("while there is room: %v", a)
		}
	}
	// A little more is left each time, so that changes break off elsewhere.
	for _, left := range []int64{0, 4 << 10, 12 << 10, 20 << 10, 28 << 10, 44 << 10, 60 << 10} {
		if err := r.fill(s, left); err != nil {
			t.Fatal(err)
		}
		f.exhaust(t)
		if left == 0 { // else there is room for smaller changes
			f.checkWithoutRoom(t)
		}
		if err := r.free(s); err != nil {
			t.Fatal(err)
		}
		f.wantStatus(t, "/readyz", http.StatusOK)
		// What was refused, with the same key: it is done now, for the first time.
		if a := f.issue(t); a.status != http.StatusCreated || a.header.Get("Idempotency-Replayed") != "" {
			t.Fatalf("with room again after %d bytes: %v %v\n%s", left, a, a.header, s.Log())
		}
	}
	lists := &statusLists{client: f.client, anchors: trustAnchors(t, f.client), known: map[string]credential.StatusSource{}}
	for _, h := range f.answered {
		if err := h.check(t.Context(), f.client, lists); err != nil {
			t.Errorf("license %s: %v", h.number, err)
		}
	}
	if there, err := stored(t.Context(), f.client); err != nil || len(there) != len(f.answered) {
		t.Errorf("%d licenses are stored and %d were answered (%v)", len(there), len(f.answered), err)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("%v\n%s", err, s.Log())
	}
}

// fullDisk is a server, and the licenses that it has answered.
type fullDisk struct {
	*server
	client   *apiClient
	answered []*held
}

// issue asks for the next license, and for the same again as long as it is refused.
func (f *fullDisk) issue(t *testing.T) reply {
	t.Helper()
	m := &made{path: "/v1/licenses", key: fmt.Sprintf("full-%d", len(f.answered)), state: license.Active, status: http.StatusCreated}
	var err error
	if m.request, err = json.Marshal(issueRequest(m.key)); err != nil {
		t.Fatal(err)
	}
	a, err := f.client.ask(t.Context(), "POST", m.path, m.key, m.request)
	if err != nil {
		t.Fatalf("%v\n%s", err, f.Log())
	}
	if a.status != m.status {
		return a
	}
	if err := m.take(a); err != nil {
		t.Fatal(err)
	}
	h := &held{id: m.ID, number: m.key, changes: map[journal.Action]int{}}
	h.add(m, journal.ActionLicenseIssue)
	f.answered = append(f.answered, h)
	return a
}

// exhaust issues until it is refused, and checks that it stays so.
func (f *fullDisk) exhaust(t *testing.T) {
	t.Helper()
	const most = 500 // the files have room left within them, but not for so many
	a := f.issue(t)
	for n := 0; a.status == http.StatusCreated; n++ {
		if n == most {
			t.Fatalf("%d licenses were issued, and there should be no room for them", most)
		}
		a = f.issue(t)
	}
	for range 3 {
		if a.status != http.StatusServiceUnavailable || a.reason() != "storage_unavailable" || a.header.Get("Retry-After") == "" {
			t.Fatalf("without room: %v %v\n%s", a, a.header, f.Log())
		}
		a = f.issue(t)
	}
}

// checkWithoutRoom checks what works without room for an event, and what
// therefore doesn't.
func (f *fullDisk) checkWithoutRoom(t *testing.T) {
	t.Helper()
	f.wantStatus(t, "/livez", http.StatusOK)
	f.wantStatus(t, "/readyz", http.StatusServiceUnavailable)
	h := f.answered[0]
	m := h.versions[0]
	if v, err := f.client.Verify(t.Context(), m.Issued); err != nil || v.Verdict != credential.Valid {
		t.Errorf("verifying without room: %+v, %v", v, err)
	}
	if a, err := f.client.ask(t.Context(), "GET", "/v1/licenses/"+string(h.id), "", nil); err != nil || a.status != http.StatusServiceUnavailable {
		t.Errorf("reading without room for the event of it: %v, %v", a, err)
	}
	// The answer to a repeated request is a reading of the license, too.
	if a, err := f.client.ask(t.Context(), "POST", m.path, m.key, m.request); err != nil || a.status != http.StatusServiceUnavailable {
		t.Errorf("a request that was answered before, without room for the event of it: %v, %v", a, err)
	}
}

// wantStatus checks the status that the admin listener gives.
func (f *fullDisk) wantStatus(t *testing.T, path string, want int) {
	t.Helper()
	a, err := http.Get(f.AdminURL + path)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
	if a.StatusCode != want {
		t.Errorf("%s: %d, not %d", path, a.StatusCode, want)
	}
}
