package porttest_test

import (
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/storage/porttest"
)

// A port is given once while its test runs, is free, and is none of those that
// the kernel gives to others.
func TestFreePort(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	given := map[string]bool{}
	for range 200 {
		address := porttest.FreeAddress(t)
		if given[address] {
			t.Fatalf("%s was given twice", address)
		}
		given[address] = true
		_, text, _ := net.SplitHostPort(address)
		port, err := strconv.Atoi(text)
		if err != nil || port >= lowestOfKernel(t) {
			t.Fatalf("%s is a port that the kernel gives away: %v", address, err)
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
}

// Whoever listens keeps the port from being given, and a test that ended has none.
func TestFreePortTaken(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var first string
	t.Run("it has one", func(t *testing.T) { first = porttest.FreeAddress(t) })
	l, err := net.Listen("tcp", first)
	if err != nil {
		t.Fatal(err)
	}
	again := false
	for range 1000 { // of 1,423
		again = again || porttest.FreeAddress(t) == first
	}
	if again {
		t.Errorf("%s was given, where somebody listens", first)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 423 {
		if porttest.FreeAddress(t) == first {
			return
		}
	}
	t.Errorf("%s was not given, which is free", first)
}

// lowestOfKernel returns the lowest port that the kernel gives to outgoing
// connections.
func lowestOfKernel(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 32_768
	}
	low, err := strconv.Atoi(strings.Fields(string(text))[0])
	if err != nil {
		t.Fatal(err)
	}
	return low
}
