package main_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// The tests here run the program as its users do: built, as a process of its
// own, with signals and exit codes.

// buildDir holds the programs that the tests built.
var buildDir string

func TestMain(m *testing.M) {
	// Nothing of whoever runs the tests shall configure what they start.
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "YIZHENG_") && !strings.HasPrefix(name, "YIZHENG_TEST_") && name != "YIZHENG_SOAK" {
			os.Unsetenv(name)
		}
	}
	os.Setenv("LC_ALL", "C")
	var err error
	if buildDir, err = os.MkdirTemp("", "yizheng-test-"); err != nil {
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

// programs are the programs built so far, by build tags.
var programs sync.Map // of func() (string, error)

// nextVersion is the tag of a program that is this one with a further migration, for
// each database. The tag itself means nothing to the compiler.
const nextVersion = "nextversion"

// overlay returns the flags by which the compiler sees the files of the next version.
func overlay(tags string) ([]string, error) {
	if tags != nextVersion {
		return nil, nil
	}
	replace := map[string]string{}
	for _, driver := range []string{"sqlite", "postgres"} {
		from := filepath.Join(buildDir, driver+"-next.sql")
		if err := os.WriteFile(from, []byte("-- +goose Up\nCREATE TABLE of_the_next_version (id INTEGER PRIMARY KEY);\n"), 0o600); err != nil {
			return nil, err
		}
		to, err := filepath.Abs("../../storage/" + driver + "/migrations/90000_next.sql")
		if err != nil {
			return nil, err
		}
		replace[to] = from
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(buildDir, "overlay.json")
	return []string{"-overlay", path}, os.WriteFile(path, text, 0o600)
}

// program returns the path of the program, built with tags ("" for none), once.
func program(t testing.TB, tags string) string {
	t.Helper()
	build, _ := programs.LoadOrStore(tags, sync.OnceValues(func() (string, error) {
		path := filepath.Join(buildDir, "yizheng"+strings.ReplaceAll(tags, ",", "-"))
		next, err := overlay(tags)
		if err != nil {
			return "", err
		}
		command := exec.Command("go", append(append([]string{"build", "-trimpath", "-tags", tags, "-o", path}, next...), ".")...)
		command.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped, so that make release has built what it imports
		out, err := command.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("building the program: %w\n%s", err, out)
		}
		return path, nil
	}))
	path, err := build.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// serverOptions say how to start a server. The zero value is a new SQLite
// installation in a directory of its own.
type serverOptions struct {
	Data        string   // directory; default: a new one
	DatabaseURL string   // default: SQLite in Data
	Tags        string   // build tags, such as failpoints
	Args        []string // further flags
	Env         []string // further variables, NAME=VALUE
}

// publicURL is what installations of the tests are bound to: it stays the same
// when a server comes back on another port.
const publicURL = "http://127.0.0.1:8080"

// server is a running "yizheng serve".
type server struct {
	BaseURL  string // where it listens
	AdminURL string
	Options  serverOptions // with defaults filled in: another start goes on with the same data

	cmd    *exec.Cmd
	stderr *lockedBuffer
	done   chan struct{} // closed when the process has ended
	err    error         // how, once done
}

// readyWithin is how long a start may take on a machine that runs other tests too.
const readyWithin = 60 * time.Second

// startServer starts a server on free ports and waits until it is ready. It is
// killed at the end of the test, if it still runs then.
func startServer(t testing.TB, o serverOptions) *server {
	t.Helper()
	s, err := tryServer(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tryServer is startServer for those who expect that it may fail. The error
// holds what the server said.
func tryServer(t testing.TB, o serverOptions) (*server, error) {
	t.Helper()
	if o.Data == "" {
		o.Data = filepath.Join(t.TempDir(), "data")
	}
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--public-url", publicURL}, o.settings()...)
	s := newTagged(t, o.Tags, o.Env, append(args, o.Args...)...)
	s.Options = o
	lines, err := s.start(t)
	if err != nil {
		return nil, err
	}
	select {
	case line := <-lines:
		m := readyLine.FindStringSubmatch(line)
		if m == nil {
			s.Kill()
			return nil, fmt.Errorf("the server isn't ready but says %q\n%s", line, s.stderr)
		}
		s.BaseURL, s.AdminURL = "http://"+m[1], "http://"+m[2]
		return s, nil
	case <-s.done:
		return nil, fmt.Errorf("the server ended before it was ready: %w\n%s", s.err, s.stderr)
	case <-time.After(readyWithin):
		s.Kill()
		return nil, fmt.Errorf("the server wasn't ready after %v\n%s", readyWithin, s.stderr)
	}
}

// newProcess returns a process of the program that is not started yet.
func newProcess(t testing.TB, env []string, args ...string) *server {
	t.Helper()
	return newTagged(t, "", env, args...)
}

func newTagged(t testing.TB, tags string, env []string, args ...string) *server {
	t.Helper()
	s := &server{stderr: &lockedBuffer{}, done: make(chan struct{})}
	s.cmd = exec.Command(program(t, tags), args...)
	s.cmd.Env = append(append(os.Environ(), "YIZHENG_DRAIN=0s"), env...) // nobody waits for a balancer here
	s.cmd.Stderr = s.stderr
	return s
}

// settings returns the flags that name the installation.
func (o serverOptions) settings() []string {
	args := []string{"--data", o.Data}
	if o.DatabaseURL != "" {
		args = append(args, "--database-url", o.DatabaseURL)
	}
	return args
}

// readyLine is what serve prints when it is ready.
var readyLine = regexp.MustCompile(`listening on (\S+), admin on (\S+)\)`)

// start starts the process and returns the lines that it prints.
func (s *server) start(t testing.TB) (<-chan string, error) {
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	lines := make(chan string, 1)
	go func() {
		in := bufio.NewScanner(out)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			select {
			case lines <- in.Text():
			default: // nobody waits for more than the first
			}
		}
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(s.Kill)
	return lines, nil
}

// Kill ends the process as a power failure would: nothing of it runs on. It
// returns when the process is gone.
func (s *server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.done
}

// Stop ends the process by SIGTERM and returns its error: nil for exit code 0.
func (s *server) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return s.Wait()
}

// Wait waits until the process has ended by itself and returns its error.
func (s *server) Wait() error {
	select {
	case <-s.done:
		return s.err
	case <-time.After(30 * time.Second):
		s.Kill()
		return fmt.Errorf("the process didn't end\n%s", s.stderr)
	}
}

// Killed reports whether the process has ended by SIGKILL.
func (s *server) Killed() bool {
	e, ok := errors.AsType[*exec.ExitError](s.err)
	if !ok {
		return false
	}
	status, ok := e.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// Log returns what the server logged so far.
func (s *server) Log() string { return s.stderr.String() }

// Command runs an operator's command beside the server and returns what it
// printed on standard output.
func (s *server) Command(t testing.TB, args ...string) string {
	t.Helper()
	// The settings go before the verb's own arguments: some of those are positional.
	verbs := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, "-") })
	if verbs < 0 {
		verbs = min(2, len(args))
	}
	args = slices.Concat(args[:verbs], s.Options.settings(), args[verbs:])
	out, errs, code := runProgram(t, s.Options.Tags, args...)
	if code != 0 {
		t.Fatalf("yizheng %q: exit code %d\n%s", args, code, errs)
	}
	return out
}

// runProgram runs the program to its end.
func runProgram(t testing.TB, tags string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	path := program(t, tags) // building it takes its time
	ctx, cancel := context.WithTimeout(t.Context(), readyWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			t.Fatal(err)
		}
		return out.String(), errs.String(), e.ExitCode()
	}
	return out.String(), errs.String(), 0
}

// lockedBuffer is a buffer that a process writes while a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
