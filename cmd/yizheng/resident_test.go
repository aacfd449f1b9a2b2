//go:build linux

package main_test

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/cmd/internal/servertest"
)

// residentMost is what an idle service may keep in memory, in KiB.
const residentMost = 64 << 10

// TestResidentMemory looks at an idle service that has answered 1,000 requests.
func TestResidentMemory(t *testing.T) {
	t.Parallel()
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := startServer(t, serverOptions{DatabaseURL: databaseURL})
		c := s.setUp(t)
		c.http.Transport = &http.Transport{MaxIdleConnsPerHost: 8}
		numbers := make(chan string)
		var clients sync.WaitGroup
		for range 8 {
			clients.Go(func() {
				for number := range numbers { // 4 requests each
					l, err := c.Issue(t.Context(), number)
					if err == nil {
						_, err = c.Credential(t.Context(), l.ID)
					}
					if err == nil {
						err = c.Do(t.Context(), "GET", "/v1/licenses/"+string(l.ID)+"/history", nil, nil)
					}
					if err == nil {
						err = c.Do(t.Context(), "POST", "/v1/licenses/search", map[string]string{"type_code": string(sampleType)}, nil)
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range 250 {
			numbers <- strconv.Itoa(i)
		}
		close(numbers)
		clients.Wait()
		busy := s.memory(t, "VmRSS")
		// The runtime returns memory in the background, bit by bit.
		idle := busy
		for begin := time.Now(); idle > residentMost && time.Since(begin) < readyWithin; time.Sleep(100 * time.Millisecond) {
			idle = s.memory(t, "VmRSS")
		}
		t.Logf("resident after 1,000 requests: %d KiB, at most so far %d KiB", idle, s.memory(t, "VmHWM"))
		if idle > residentMost {
			t.Errorf("resident when idle: %d KiB, more than %d; see memory.go, and profile what is held", idle, residentMost)
		}
	})
}

// memory returns one of the process's figures, in KiB (proc_pid_status(5)).
func (s *server) memory(t testing.TB, name string) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		if key != name {
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		return n
	}
	t.Fatalf("no %s in\n%s", name, text)
	return 0
}

// BenchmarkStart measures from the start of the process, in an installation
// that exists, to the end of its first answer.
func BenchmarkStart(b *testing.B) {
	for _, d := range []struct {
		name string
		url  func(testing.TB) string
	}{
		{"sqlite", func(testing.TB) string { return "" }},
		{"postgres", servertest.PostgresURL},
	} {
		b.Run(d.name, func(b *testing.B) {
			first := startServer(b, serverOptions{DatabaseURL: d.url(b)})
			c := first.setUp(b)
			if _, err := c.Issue(b.Context(), "A-1"); err != nil {
				b.Fatal(err)
			}
			if err := first.Stop(); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				s := startServer(b, first.Options)
				a, err := http.Get(s.BaseURL + "/v1/trust/anchors")
				if err != nil {
					b.Fatal(err)
				}
				a.Body.Close()
				b.StopTimer()
				if a.StatusCode != http.StatusOK {
					b.Fatal(a.Status)
				}
				s.Kill()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms/start")
		})
	}
}
