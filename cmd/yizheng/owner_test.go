package main

import (
	"os"
	"strings"
	"testing"
)

// Root is told to go on as the user whose data directory it is; the test can only be
// whole where it is root itself, as in CI.
func TestOwnData(t *testing.T) {
	dir := t.TempDir()
	if err := ownData(dir); err != nil {
		t.Errorf("one's own directory: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(dir, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if err := ownData(dir); err == nil || !strings.Contains(err.Error(), "sudo -u '#12345'") {
		t.Errorf("another's directory: %v", err)
	}
}
