//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/cmd/internal/servertest"
)

// Each scenario runs for a moment against a demo; what it measures is for whoever
// measures.
func TestLoad(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"sqlite", "postgres"} {
		t.Run(on, func(t *testing.T) {
			t.Parallel()
			var args []string
			if on == "postgres" {
				args = []string{"--database-url", servertest.PostgresURL(t), "--redis-url", servertest.RedisURL(t)}
			}
			facts, pid := startDemo(t, args...)
			measured(t, "--facts", facts, "-c", "3", "--for", "300ms", "--warm", "100ms", "--pid", strconv.Itoa(pid), "--json")
		})
	}
}

// measured runs all scenarios, and looks at what was measured.
func measured(t *testing.T, args ...string) {
	t.Helper()
	out, errs := runLoad(t, args...)
	if errs != "" {
		t.Fatal(errs)
	}
	var names []string
	var yardstick float64
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		var r struct {
			Scenario string
			Requests int64
			Rate     float64 `json:"requests_per_second"`
			P50      float64 `json:"p50_ms"`
			P99      float64 `json:"p99_ms"`
			CPU      float64 `json:"cpu_us_per_request"`
			PerCore  float64 `json:"requests_per_core_second"`

			CPUs        []float64 `json:"cpu_us_per_request_of_each"`
			Discoveries float64   `json:"discoveries_per_request"`
			Processor   string
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("%v in %s", err, lines.Text())
		}
		if r.Requests < 1 || r.Rate <= 0 || r.P50 <= 0 || r.P99 < r.P50 || r.CPU < 0 {
			t.Errorf("measured: %s", lines.Text())
		}
		if len(r.CPUs) != 1 || r.CPUs[0] != r.CPU {
			t.Errorf("the one process used %v of %v", r.CPUs, r.CPU)
		}
		if r.Scenario == "discovery" {
			yardstick = r.CPU
		}
		if want := r.CPU / max(yardstick, 1e-9); yardstick > 0 && (r.Discoveries < want*0.99 || r.Discoveries > want*1.01) || r.Processor == "" {
			t.Errorf("want %.2f discoveries, and the processor's name: %s", want, lines.Text())
		}
		names = append(names, r.Scenario)
	}
	want := []string{"discovery", "client-credentials", "introspection-first", "introspection-seen", "issue", "jwks", "refresh", "sso", "userinfo", "userinfo-claims"}
	if !slices.Equal(names, want) {
		t.Errorf("measured %v", names)
	}
}

// runLoad runs the program and returns what it printed.
func runLoad(t *testing.T, args ...string) (out, errs string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, "yizheng-load"), args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil && e.Len() == 0 {
		t.Fatal(err)
	}
	return o.String(), e.String()
}

// What load refuses; above all, to load what isn't on this machine.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	facts := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no facts":         {nil, "missing flags: --facts=FILE"},
		"no such file":     {[]string{"--facts", filepath.Join(dir, "none")}, "no such file"},
		"other facts":      {[]string{"--facts", facts("other", "x")}, "is not what yizheng demo --json prints"},
		"another machine":  {[]string{"--facts", facts("away", `{"issuer":"http://192.0.2.1"}`)}, "is not on this machine"},
		"TLS":              {[]string{"--facts", facts("tls", `{"issuer":"https://127.0.0.1:1"}`)}, "plain HTTP alone"},
		"nobody there":     {[]string{"--facts", facts("nobody", `{"issuer":"http://127.0.0.1:1"}`)}, "nothing listens at 127.0.0.1:1"},
		"unknown scenario": {[]string{"--facts", facts("nobody", `{"issuer":"http://127.0.0.1:1"}`), "everything"}, "no scenario"},
	} {
		if _, errs := runLoad(t, test.args...); !strings.Contains(errs, test.want) {
			t.Errorf("%s: %q, want %q", name, errs, test.want)
		}
	}
}
