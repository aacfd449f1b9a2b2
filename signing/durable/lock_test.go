package durable

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestLockProcess is not a test but the other process of TestLock.
func TestLockProcess(t *testing.T) {
	path := os.Getenv("YIZHENG_TEST_LOCK")
	if path == "" {
		return
	}
	if _, err := Lock(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	fmt.Println("locked")
	time.Sleep(time.Minute) // until it is killed
}

// TestLock waits for a lock that another process holds, until that is killed.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLockProcess$", "-test.v")
	other.Env = append(os.Environ(), "YIZHENG_TEST_LOCK="+path)
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "locked" {
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("while another process holds it: %v", err)
	}
	if err := other.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	unlock, err := Lock(ctx, path)
	if err != nil {
		t.Fatalf("when that process is dead: %v", err)
	}
	unlock()
}
