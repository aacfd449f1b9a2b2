// Package porttest gives the tests of all floors addresses on loopback at which
// nobody else listens, also while a test's own server is stopped.
package porttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// The ports that addresses are taken from. They lie below those that Linux gives
// to outgoing connections and to listeners on port 0 (ip_local_port_range, from
// 32768 on), so that none of these takes the port of a server that restarts.
const (
	lowest  = 10_000
	highest = 32_767
	block   = 16 // ports from an address on that nobody else is given: a demo's departments listen there
)

// FreeAddress returns an address "127.0.0.1:PORT" at which nobody listens. Until
// the test ends no other call is given this port or one of the 15 after it, in
// this process or another one.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", FreePort(t))
}

// FreePort returns the port of such an address, which nobody has on ::1 either.
func FreePort(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(os.TempDir(), "yizheng-test-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	_ = os.Chmod(dir, 0o777|os.ModeSticky) // who made it may: other users' tests share it
	const blocks = (highest + 1 - lowest) / block
	first := rand.IntN(blocks)
	for i := range blocks {
		port := lowest + (first+i)%blocks*block
		if free, err := reserve(t, dir, port); err != nil {
			t.Fatal(err)
		} else if free {
			return strconv.Itoa(port)
		}
	}
	t.Fatalf("no port from %d to %d is free", lowest, highest)
	return ""
}

// reserve takes a block of ports until the test ends, and reports false if
// somebody has it: another test by its file's lock, or who listens at its first port.
func reserve(t testing.TB, dir string, port int) (bool, error) {
	lock, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrPermission) { // another user's
		return false, nil
	} else if err != nil {
		return false, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false, lock.Close()
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case err == nil:
			err = l.Close()
		case host == "::1" && !errors.Is(err, syscall.EADDRINUSE): // there is no IPv6
			err = nil
		case errors.Is(err, syscall.EADDRINUSE):
			return false, lock.Close()
		}
		if err != nil {
			return false, errors.Join(fmt.Errorf("port %d: %w", port, err), lock.Close())
		}
	}
	t.Cleanup(func() { _ = lock.Close() })
	return true, nil
}
