package main_test

import (
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/storage/porttest"
)

// TestWithoutRedis starts the service while its Redis is away: everything but
// logins works, the log says once what is missing, and logins are ready as soon as
// Redis is there. One that can be pinged and not written is refused at the start.
func TestWithoutRedis(t *testing.T) {
	t.Parallel()
	address := porttest.FreeAddress(t)
	s := startServer(t, serverOptions{Args: []string{"--redis-url", "redis://" + address + "/0"}})
	get := func(path string) (int, string) {
		t.Helper()
		a, err := http.Get(s.AdminURL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Body.Close()
		body, err := io.ReadAll(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		return a.StatusCode, string(body)
	}
	for range 20 {
		if status, _ := get("/readyz/logins"); status != http.StatusServiceUnavailable {
			t.Fatalf("/readyz/logins without Redis: %d", status)
		}
	}
	if status, body := get("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz without Redis: %d %s", status, body)
	}
	if _, body := get("/metrics"); !strings.Contains(body, "yizheng_ephemeral_up 0") || strings.Contains(body, "yizheng_ephemeral_failures_total 0") {
		t.Error("the metrics don't say that Redis is away")
	}
	c := s.setUp(t)
	if _, err := c.Issue(t.Context(), "A-1"); err != nil {
		t.Errorf("issuing without Redis: %v", err)
	}
	lines := 0
	for line := range strings.Lines(s.Log()) {
		if strings.Contains(line, address) {
			lines++
		}
	}
	if lines == 0 || lines > 5 { // the start, the library, the watch, /readyz; each at most once a minute
		t.Errorf("%d lines of the log are about Redis:\n%s", lines, s.Log())
	}

	_, port, _ := net.SplitHostPort(address)
	redis := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir())
	redis.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Process.Kill(); _ = redis.Wait() })
	for deadline := time.Now().Add(readyWithin); ; time.Sleep(100 * time.Millisecond) {
		if status, _ := get("/readyz/logins"); status == http.StatusOK {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("logins don't get ready when Redis is there")
		}
	}
	if _, body := get("/metrics"); !strings.Contains(body, "yizheng_ephemeral_up 1") {
		t.Error("the metrics don't say that Redis is back")
	}

	out, errs, code := runProgram(t, "", "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--public-url", publicURL,
		"--data", t.TempDir(), "--redis-url", "redis://nobody:wrong@"+address+"/0")
	if code == 0 || !strings.Contains(errs, "can't be used") {
		t.Errorf("with a wrong password: exit code %d, %s%s", code, out, errs)
	}
}
