package toolcheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A program that is missing or too old is named at once; one that is new enough,
// by whichever of its names, is found.
func TestFind(t *testing.T) {
	dir := t.TempDir()
	for name, says := range map[string]string{
		"new": "echo v20.10.0", "newer": "echo 'Chromium 156.0.8078.108 built on Debian'", "old": "echo v18.20.4",
		"colored": `printf '\033[1mMaven 3.8.7\033[m\n'`, "mute": "true", "broken": "echo 99; exit 1",
		"warns": "echo 3 >&2; echo tool 30",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+says+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, c := range []struct{ row, problem string }{
		{"new 20.10 --version", ""},
		{"new", ""},
		{"newer 120 --version", ""},
		{"no-such-name,newer 120 --version", ""},
		{"colored 3.6.3 --version", ""},
		{"warns 20 --version", ""},
		{"old 20.10 --version", `old is version "18.20.4", and the least is 20.10`},
		{"new 20.10.1 --version", `is version "20.10.0"`},
		{"mute 1 --version", `is version ""`},
		{"broken 1 --version", "exit status 1"},
		{"no-such-tool 1 --version", "no-such-tool is missing"},
	} {
		name, _, _ := strings.Cut(strings.Fields(c.row)[0], ",")
		start := time.Now()
		path, err := find("# package there by\npackage "+c.row+"\n", name)
		switch {
		case c.problem == "" && (err != nil || !strings.HasPrefix(path, dir)):
			t.Errorf("%s: %q, %v", c.row, path, err)
		case c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)):
			t.Errorf("%s: %v, want %q", c.row, err, c.problem)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s: only after %v", c.row, took)
		}
	}
	if _, err := find("package new", "other"); err == nil {
		t.Error("found what isn't in the list")
	}
}

// The list can be read, and has what the tests ask for.
func TestList(t *testing.T) {
	list, err := readList()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(list) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if len(fields) != 2 && (len(fields) != 4 || numbers(fields[2]) == nil) {
			t.Errorf("%q has not two or four columns", line)
		}
	}
	Need(t, "npm")
}
