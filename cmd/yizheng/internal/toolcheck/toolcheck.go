// Package toolcheck lets a test that runs an outside program fail at once, and
// name it, where the program is missing or too old: instead of after minutes, by
// what it does or doesn't do. The list is .ci/tools.txt, from which .ci/install
// installs.
package toolcheck

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Need returns the path of a program of the list, by its first name there, or
// fails the test.
func Need(t testing.TB, name string) string {
	t.Helper()
	look, _ := found.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		list, err := readList()
		if err != nil {
			return "", err
		}
		return find(list, name)
	}))
	path, err := look.(func() (string, error))()
	if err != nil {
		t.Fatalf("%v; .ci/install installs it, and .ci/with-servers COMMAND has it on the PATH", err)
	}
	return path
}

// found has what was looked for, by name: asking a program its version takes a while.
var found sync.Map // of func() (string, error)

// readList reads the list, from the module's root.
func readList() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			text, err := os.ReadFile(filepath.Join(dir, ".ci", "tools.txt"))
			return string(text), err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above %s", dir)
		}
		dir = filepath.Dir(dir)
	}
}

// find looks for a program and compares its version with the list's.
func find(list, name string) (string, error) {
	for line := range strings.Lines(list) {
		fields := strings.Fields(line) // package, alternatives, least version, argument that prints it
		if len(fields) < 2 || fields[0] == "#" {
			continue
		}
		alternatives := strings.Split(fields[1], ",")
		if alternatives[0] != name {
			continue
		}
		for _, a := range alternatives {
			path, err := exec.LookPath(a)
			if err != nil {
				continue
			}
			if len(fields) < 4 {
				return path, nil
			}
			return path, atLeast(path, fields[2], fields[3])
		}
		return "", fmt.Errorf("%s is missing", name)
	}
	return "", fmt.Errorf("%s isn't in .ci/tools.txt", name)
}

// atLeast returns an error unless the program says that it is that version or a newer one.
func atLeast(path, least, argument string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, argument)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s %s: %w", path, argument, err)
	}
	has := version.Find(color.ReplaceAll(out, nil))
	if older(string(has), least) {
		return fmt.Errorf("%s is version %q, and the least is %s", path, bytes.TrimSpace(has), least)
	}
	return nil
}

var (
	version = regexp.MustCompile(`[0-9]+(\.[0-9]+)*`)
	color   = regexp.MustCompile(`\x1b\[[0-9;]*m`)
)

// older compares versions number by number. What is no version is older than any.
func older(has, least string) bool {
	a, b := numbers(has), numbers(least)
	for i := range max(len(a), len(b)) {
		switch x, y := at(a, i), at(b, i); {
		case x < y:
			return true
		case x > y:
			return false
		}
	}
	return false
}

func numbers(version string) (all []int) {
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		all = append(all, n)
	}
	return all
}

func at(all []int, i int) int {
	if i < len(all) {
		return all[i]
	}
	return 0
}
