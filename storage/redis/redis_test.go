package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage/porttest"
)

// calls calls every method, for a key that has the value "v" and a counter of 1.
func calls(ctx context.Context, s *Ephemeral, key string) map[string]func() error {
	now := time.Now()
	return map[string]func() error{
		"Put":    func() error { return s.Put(ctx, key, []byte("v"), anHour(now), now) },
		"Load":   func() error { _, err := s.Load(ctx, key, now); return err },
		"Swap":   func() error { return s.Swap(ctx, key, []byte("v"), []byte("v"), ephemeral.Keeping{}, now) },
		"Delete": func() error { return s.Delete(ctx, key+"-other") },
		"Count":  func() error { _, err := s.Count(ctx, key, 1, time.Hour, now); return err },
		"Ping":   func() error { return s.Ping(ctx) },
	}
}

func anHour(now time.Time) ephemeral.Keeping {
	return ephemeral.Keeping{Part: ephemeral.PartReserved, Owner: "owner", Until: now.Add(time.Hour)}
}

// work checks that all methods work, the first one of them too.
func work(t *testing.T, s *Ephemeral, key string) {
	t.Helper()
	must(t, s.Put(t.Context(), key, []byte("v"), anHour(time.Now()), time.Now()))
	for name, call := range calls(t.Context(), s, key) {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// fail checks that each method fails for want of a server, within a time.
func fail(t *testing.T, s *Ephemeral, key string, within time.Duration) {
	t.Helper()
	for name, call := range calls(t.Context(), s, key) {
		began := time.Now()
		err := call()
		if took := time.Since(began); took > within {
			t.Errorf("%s took %v, want at most %v", name, took, within)
		}
		if !errors.Is(err, license.ErrUnavailable) || errors.Is(err, ephemeral.ErrGone) || errors.Is(err, ephemeral.ErrChanged) || errors.Is(err, ephemeral.ErrFull) {
			t.Errorf("%s: %v, want ErrUnavailable alone", name, err)
		}
		if err != nil && strings.Contains(err.Error(), testPassword) {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestStopped stops the server and starts it again: it has forgotten all, and the
// first call works, although the connections that were open are broken.
func TestStopped(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openTest(t, Config{URL: server.url()})
	for round := range 2 {
		key := fmt.Sprint("k", round)
		var wg sync.WaitGroup
		for range 8 { // that many connections, or some
			wg.Go(func() { work(t, s, key) })
		}
		wg.Wait()
		server.stop()
		fail(t, s, key, time.Second)
		if !server.start(t) {
			t.Fatal("the server doesn't start again")
		}
		if n, err := s.Count(t.Context(), key, 1, time.Hour, time.Now()); err != nil || n != 1 {
			t.Errorf("the first call after a restart: %d, %v, want 1", n, err)
		}
		if _, err := s.Load(t.Context(), key, time.Now()); !errors.Is(err, ephemeral.ErrGone) {
			t.Errorf("a value after a restart: %v, want ErrGone", err)
		}
		if err := s.Swap(t.Context(), key, []byte("v"), []byte("w"), ephemeral.Keeping{}, time.Now()); !errors.Is(err, ephemeral.ErrGone) {
			t.Errorf("a swap after a restart: %v, want ErrGone", err)
		}
	}
}

// TestHanging has a server that takes what is said and doesn't answer.
func TestHanging(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openTest(t, Config{URL: server.url(), Timeout: 200 * time.Millisecond})
	work(t, s, "k")
	must(t, server.cmd.Process.Signal(syscall.SIGSTOP))
	fail(t, s, "k", 400*time.Millisecond)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Load(ctx, "k", time.Now()); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, license.ErrUnavailable) {
		t.Errorf("with a context that ends sooner: %v, want its own error", err)
	}
	const callers = 100 // more than there are connections
	var wg sync.WaitGroup
	began := time.Now()
	for range callers {
		wg.Go(func() {
			if _, err := s.Load(t.Context(), "k", time.Now()); !errors.Is(err, license.ErrUnavailable) {
				t.Errorf("Load: %v, want ErrUnavailable", err)
			}
		})
	}
	wg.Wait()
	if took := time.Since(began); took > time.Second {
		t.Errorf("%d callers at once waited %v, want 200 ms each", callers, took)
	}
	must(t, server.cmd.Process.Signal(syscall.SIGCONT))
	work(t, s, "k")
}

// TestEmptied empties the server in the middle, and takes its scripts away.
func TestEmptied(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	s := openTest(t, Config{URL: server.url()})
	work(t, s, "k")
	server.do(t, "FLUSHALL")
	if _, err := s.Load(t.Context(), "k", time.Now()); !errors.Is(err, ephemeral.ErrGone) {
		t.Errorf("Load: %v, want ErrGone", err)
	}
	if err := s.Swap(t.Context(), "k", []byte("v"), []byte("w"), ephemeral.Keeping{}, time.Now()); !errors.Is(err, ephemeral.ErrGone) {
		t.Errorf("Swap: %v, want ErrGone", err)
	}
	if n, err := s.Count(t.Context(), "k", 1, time.Hour, time.Now()); n != 1 || err != nil {
		t.Errorf("Count: %d, %v, want 1", n, err)
	}
	server.do(t, "SCRIPT", "FLUSH")
	work(t, s, "k")
	// A counter without an end would lock somebody out for ever.
	server.do(t, "SET", "yizheng:c:endless", "5")
	if n, err := s.Count(t.Context(), "endless", 1, time.Hour, time.Now()); n != 6 || err != nil {
		t.Errorf("Count: %d, %v, want 6", n, err)
	}
	if ttl := server.do(t, "TTL", "yizheng:c:endless"); ttl != int64(3600) {
		t.Errorf("such a counter lives for %v s, want 3600", ttl)
	}
}

// TestFull lets the server's memory be full.
func TestFull(t *testing.T) {
	t.Parallel()
	server := startServer(t, "maxmemory-policy noeviction")
	s := openTest(t, Config{URL: server.url()})
	work(t, s, "k")
	server.do(t, "CONFIG", "SET", "maxmemory", "100kb")
	now := time.Now()
	_, count := s.Count(t.Context(), "new", 1, time.Hour, now)
	for name, err := range map[string]error{
		"Put":   s.Put(t.Context(), "new", []byte("v"), anHour(now), now),
		"Count": count,
	} {
		if !errors.Is(err, ephemeral.ErrFull) || errors.Is(err, license.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrFull alone", name, err)
		}
	}
	// What is under way goes on: what takes the place of another needs no more room.
	must(t, s.Swap(t.Context(), "k", []byte("v"), []byte("w"), ephemeral.Keeping{}, now))
	if v, err := s.Load(t.Context(), "k", now); err != nil || string(v) != "w" {
		t.Errorf("Load: %q, %v", v, err)
	}
	must(t, s.Delete(t.Context(), "k"))
	server.do(t, "CONFIG", "SET", "maxmemory", "0")
	work(t, s, "k")
}

// TestFullOfUnopened lets what nobody opened fill the server's memory: it gives way to
// codes and logins, although Redis itself would refuse them.
func TestFullOfUnopened(t *testing.T) {
	t.Parallel()
	server := startServer(t, "maxmemory-policy noeviction", "maxmemory 6mb")
	s := openTest(t, Config{URL: server.url()})
	now := time.Now()
	put := func(part ephemeral.Part, i int) error {
		return s.Put(t.Context(), fmt.Sprint("k", part, "-", i), make([]byte, 4<<10), ephemeral.Keeping{Part: part, Owner: fmt.Sprint("o", i), Until: now.Add(time.Hour)}, now)
	}
	for i := range 3000 {
		if err := put(ephemeral.PartUnopened, i); err != nil {
			t.Fatalf("unopened request %d: %v", i, err)
		}
	}
	for i := range 300 {
		if err := put(ephemeral.PartReserved, i); err != nil {
			t.Fatalf("reserved value %d: %v", i, err)
		}
	}
	for i := range 300 {
		if _, err := s.Load(t.Context(), fmt.Sprint("k", ephemeral.PartReserved, "-", i), now); err != nil {
			t.Fatalf("reserved value %d: %v", i, err)
		}
	}
}

// TestPrefix has two installations in one server: neither sees the other's, and
// nothing is kept without an end.
func TestPrefix(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a, b := openTest(t, Config{URL: server.url()}), openTest(t, Config{URL: server.url(), Prefix: "other:"})
	work(t, a, "k")
	if _, err := b.Load(t.Context(), "k", time.Now()); !errors.Is(err, ephemeral.ErrGone) {
		t.Errorf("the other's value: %v, want ErrGone", err)
	}
	if n, err := b.Count(t.Context(), "k", 1, time.Hour, time.Now()); n != 1 || err != nil {
		t.Errorf("the other's counter: %d, %v, want 1", n, err)
	}
	// Each store probes the server once a second, which leaves a key for a moment.
	keys := slices.DeleteFunc(server.do(t, "KEYS", "*").([]any), func(key any) bool { return strings.Contains(key.(string), ":probe.") })
	if len(keys) != 5 { // and the two of the index
		t.Errorf("the keys are %v, want five", keys)
	}
	for _, key := range keys {
		if !strings.HasPrefix(key.(string), "yizheng:") && !strings.HasPrefix(key.(string), "other:") {
			t.Errorf("key %v has no prefix", key)
		}
		if ttl := server.do(t, "PTTL", key).(int64); ttl < 3_590_000 || ttl > 3_600_000 {
			t.Errorf("key %v lives for %d ms, want an hour", key, ttl)
		}
	}
}

// A password in the URL stays there, however wrong the rest is.
func TestPasswordNotEchoed(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	closed := fmt.Sprint("127.0.0.1:", porttest.FreePort(t))
	var log lockedBuffer
	for _, c := range []struct {
		name, url   string
		unavailable bool
	}{
		{"no URL at all", "hunter2 hunter2", false},
		{"another scheme", "http://user:hunter2@localhost", false},
		{"a percent sign", "redis://user:hunter2%zz@localhost", false},
		{"a slash", "redis://user:a/hunter2@localhost", false},
		{"a port that is none", "redis://user:hunter2@localhost:port", false},
		{"a database that is none", "redis://user@localhost/hunter2", false},
		{"an unknown parameter", "redis://user:hunter2@localhost?hunter2=1", false},
		{"a wrong parameter", "redis://user:x@localhost?pool_size=hunter2", false},
		{"a list of hosts", "redis://user:hunter2@localhost,localhost", false},
		{"no host", "redis:///hunter2", false},
		{"a wrong parameter of a cluster", "redis://user:hunter2@localhost?addr=localhost:1&read_timeout=hunter2", false},
		{"a wrong parameter of Sentinel", "redis://user:hunter2@localhost?master_name=m&password=hunter2&x=hunter2", false},
		{"nobody there", "redis://user:hunter2@" + closed, true},
		{"nobody there, a cluster", "redis://user:hunter2@" + closed + "?addr=" + closed, true},
		{"nobody there, Sentinel", "redis://user:hunter2@" + closed + "?master_name=m&password=hunter2", true},
		{"a wrong password", "redis://user:hunter2-wrong@" + server.address(), true},
		{"no password", "redis://" + server.address(), true},
		{"TLS with somebody who has none", "rediss://user:hunter2@" + server.address(), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			s, err := Open(t.Context(), Config{URL: c.url, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			for e := err; e != nil; e = errors.Unwrap(e) {
				if strings.Contains(fmt.Sprintf("%v %+v", e, e), "hunter2") {
					t.Errorf("the error shows the password: %v", e)
				}
			}
			if errors.Is(err, license.ErrUnavailable) != c.unavailable {
				t.Errorf("the error is %v; ErrUnavailable: want %v", err, c.unavailable)
			}
			if took := time.Since(began); took > 1500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
		})
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log shows the password: %s", log.String())
	}
}

// TestTLS talks to a server whose certificate nobody vouches for: not unless told to.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, key := selfSigned(t)
	server := startServer(t, "tls-port 0", "tls-cert-file "+cert, "tls-key-file "+key, "tls-ca-cert-file "+cert, "tls-auth-clients no")
	port := porttest.FreePort(t)
	server.do(t, "CONFIG", "SET", "tls-port", port)
	address := fmt.Sprintf("rediss://default:%s@127.0.0.1:%s", testPassword, port)
	if s, err := Open(t.Context(), Config{URL: address}); !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("a certificate that nobody vouches for: %v, want ErrUnavailable", err)
		s.Close()
	}
	work(t, openTest(t, Config{URL: address + "?skip_verify=true"}), "k")
}

// TestCluster runs a cluster of one node.
func TestCluster(t *testing.T) {
	t.Parallel()
	server := startServer(t, "cluster-enabled yes")
	server.do(t, "CLUSTER", "ADDSLOTSRANGE", 0, 16383)
	for range 100 {
		if strings.Contains(server.do(t, "CLUSTER", "INFO").(string), "cluster_state:ok") {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	s := openTest(t, Config{URL: server.url() + "?addr=" + server.address()})
	for i := range 20 { // in many slots
		work(t, s, fmt.Sprint("k", i))
	}
	server.stop()
	fail(t, s, "k1", 1500*time.Millisecond)
}

// TestSentinel finds its server through Sentinel.
func TestSentinel(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	port := startSentinel(t, server)
	s := openTest(t, Config{URL: fmt.Sprintf("redis://127.0.0.1:%s?master_name=yizheng&password=%s", port, testPassword)})
	work(t, s, "k")
	if got := server.do(t, "EXISTS", "yizheng:v:k"); got != int64(1) {
		t.Errorf("the server behind Sentinel has the key: %v, want 1", got)
	}
}

// lockedBuffer is a buffer for several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
