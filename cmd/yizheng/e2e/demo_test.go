// Package e2e tests the demo as people use it: in Chromium, with the provider,
// two departments and the page of text messages, each at an address of its own.
package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/cmd/yizheng/internal/toolcheck"
)

// workDir holds what the tests build and install.
var workDir string

func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "YIZHENG_") && !strings.HasPrefix(name, "YIZHENG_TEST_") {
			os.Unsetenv(name)
		}
	}
	var err error
	if workDir, err = os.MkdirTemp("", "yizheng-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(workDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// program builds the program once and returns its path.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(workDir, "yizheng")
	build := exec.Command("go", "build", "-trimpath", "-o", path, "yizheng.internal/cmd/yizheng")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped, so that make release has built what it imports
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return path, nil
})

// demo is a running demo, and what it says of itself.
type demo struct {
	Issuer  string `json:"issuer"`
	Clients []struct {
		ID           string   `json:"client_id"`
		RedirectURIs []string `json:"redirect_uris"`
	} `json:"clients"`
	Licenses []struct {
		ID string `json:"id"`
	} `json:"licenses"`
	People      []person `json:"people"`
	Departments []struct {
		Name   string `json:"name"`
		URL    string `json:"url"`
		Listen string `json:"listen"`
	} `json:"departments"`
	MessagesURL string `json:"messages_url"`

	cmd    *exec.Cmd
	ended  chan struct{}
	stderr *bytes.Buffer
}

type person struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	Name     string `json:"name"`
	Phone    string `json:"phone"`
	Code     string `json:"code"` // the number of the person's document
}

// startDemo starts a demo of the test's own. It ends with the test.
func startDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	return startDemoIn(t, nil, args...)
}

// startDemoIn starts a demo with more in its environment.
func startDemoIn(t *testing.T, env []string, args ...string) *demo {
	t.Helper()
	toolcheck.Need(t, "chromium") // which every test goes through the demo with: it is named before anything is built
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	d := &demo{ended: make(chan struct{}), stderr: &bytes.Buffer{}}
	d.cmd = exec.Command(path, append([]string{"demo", "--json", "--listen", "localhost:0", "--log-level", "warn"}, args...)...)
	d.cmd.Env = append(append(os.Environ(), "TMPDIR="+t.TempDir()), env...)
	d.cmd.Stderr = d.stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop(t) })
	in := bufio.NewReader(out)
	line, err := in.ReadBytes('\n')
	go func() { defer close(d.ended); _ = d.cmd.Wait() }()
	if err != nil {
		<-d.ended
		t.Fatalf("the demo isn't ready: %v\n%s", err, d.stderr)
	}
	if err := json.Unmarshal(line, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// stop ends the demo, and shows its log if the test failed.
func (d *demo) stop(t *testing.T) {
	_ = d.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		_ = d.cmd.Process.Kill()
		<-d.ended
		t.Error("the demo didn't end")
	}
	if t.Failed() {
		t.Logf("the demo's log:\n%s", d.stderr)
	}
}

// messages returns the codes that were sent to a person's phone, newest first.
func (d *demo) messages(t *testing.T, p person) (codes []string) {
	t.Helper()
	codes, _ = d.inbox(t, p)
	return codes
}

// inbox returns the codes and all texts that were sent to a person's phone, newest first.
func (d *demo) inbox(t *testing.T, p person) (codes, texts []string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", d.MessagesURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var document struct {
		Messages []struct {
			Phone string `json:"phone"`
			Code  string `json:"code"`
			Text  string `json:"text"`
		} `json:"messages"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&document); err != nil {
		t.Fatal(err)
	}
	for _, m := range document.Messages {
		if m.Phone != p.Phone {
			continue
		}
		texts = append(texts, m.Text)
		if m.Code == "" { // it tells what was done with the account
			continue
		}
		if !sixDigits.MatchString(m.Code) || !strings.Contains(m.Text, m.Code) {
			t.Errorf("message %+v has no code of six digits in its text", m)
		}
		codes = append(codes, m.Code)
	}
	return codes, texts
}

var sixDigits = regexp.MustCompile(`^[0-9]{6}$`)

// code waits for one more message than before and returns its code.
func (d *demo) code(t *testing.T, p person, before int) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if codes := d.messages(t, p); len(codes) > before {
			return codes[0]
		}
	}
	t.Fatalf("no code was sent to %s", p.Name)
	return ""
}
