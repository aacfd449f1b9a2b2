//go:build linux

package main_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// buildDir holds the programs that the tests built.
var buildDir string

func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "YIZHENG_") && !strings.HasPrefix(name, "YIZHENG_TEST_") {
			os.Unsetenv(name)
		}
	}
	var err error
	if buildDir, err = os.MkdirTemp("", "yizheng-load-test-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(buildDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// programs are the commands built so far, by their names.
var programs sync.Map // of func() (string, error)

// program builds a command of this module once and returns its path.
func program(t *testing.T, name string) string {
	t.Helper()
	build, _ := programs.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		path := filepath.Join(buildDir, name)
		command := exec.Command("go", "build", "-trimpath", "-o", path, "yizheng.internal/cmd/"+name)
		command.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped, so that make release has built what it imports
		out, err := command.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
		}
		return path, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// startDemo starts a demo that trusts load as a proxy, and returns the file with its facts
// and its process. It ends with the test.
func startDemo(t *testing.T, args ...string) (facts string, pid int) {
	t.Helper()
	cmd := exec.Command(program(t, "yizheng"), append([]string{
		"demo", "--json", "--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1", "--trusted-proxy", "::1", "--load-client",
	}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended with %v\n%s", err, errs.String())
		}
	})
	if err != nil {
		t.Fatalf("the demo isn't ready: %v", err)
	}
	facts = filepath.Join(t.TempDir(), "facts.json")
	if err := os.WriteFile(facts, line, 0o600); err != nil {
		t.Fatal(err)
	}
	return facts, cmd.Process.Pid
}
