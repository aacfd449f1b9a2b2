package signingtest

import (
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// DistID makes OpenSSL use the default user id, which it does not by itself.
const DistID = "distid:" + "1234567812345678"

// commandOpenSSL returns openssl in a directory with its own configuration: the
// machine's could add extensions.
func commandOpenSSL(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+filepath.Join(dir, "openssl.cnf"))
	return cmd
}

// OpenSSL runs openssl and returns what it wrote.
func OpenSSL(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := commandOpenSSL(t, dir, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// RefuseOpenSSL runs openssl where it must say no.
func RefuseOpenSSL(t *testing.T, dir string, args ...string) {
	t.Helper()
	out, err := commandOpenSSL(t, dir, args...).CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); !ran {
		t.Errorf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// NewOpenSSL returns a directory to run openssl in.
func NewOpenSSL(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	WriteFile(t, dir, "openssl.cnf", []byte("[req]\ndistinguished_name = name\nstring_mask = utf8only\nutf8 = yes\n[name]\n"))
	version := OpenSSL(t, dir, "version")
	var major int
	if _, err := fmt.Sscanf(version, "OpenSSL %d.", &major); err != nil || major < 3 {
		t.Fatalf("needs OpenSSL 3.0 or later, not %q", version)
	}
	return dir
}

// WriteFile writes a file into that directory.
func WriteFile(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// ReadFile reads one.
func ReadFile(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// ReadDER returns the content of a file of one PEM block.
func ReadDER(t *testing.T, dir, name string) []byte {
	t.Helper()
	block, _ := pem.Decode(ReadFile(t, dir, name))
	if block == nil {
		t.Fatalf("%s is not PEM", name)
	}
	return block.Bytes
}
