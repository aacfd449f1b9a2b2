package main_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/storage/porttest"
)

// cluster is a PostgreSQL server of a test's own, which it may stop, copy and promote.
type cluster struct {
	t        *testing.T
	dir      string // of its own user's, for PostgreSQL refuses to run as root
	password string
	port     string

	process *exec.Cmd
	log     *lockedBuffer
	ended   chan struct{} // closed when the process has ended
}

// newCluster makes a server and starts it.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: clusterDir(t), password: rand.Text()}
	given := filepath.Join(c.dir, "password")
	if err := os.WriteFile(given, []byte(c.password), 0o600); err != nil {
		t.Fatal(err)
	}
	if as := c.as(); as != nil {
		if err := os.Chown(given, int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	c.run("initdb", "-D", c.data(), "--username=yizheng", "--pwfile="+given, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
	c.start()
	return c
}

// standby makes a standby of a server, as its manual says, and waits until it streams.
func (c *cluster) standby() *cluster {
	c.t.Helper()
	s := &cluster{t: c.t, dir: clusterDir(c.t), password: c.password}
	s.run("pg_basebackup", "-D", s.data(), "-h", "127.0.0.1", "-p", c.port, "-U", "yizheng", "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync")
	s.start()
	c.until("SELECT count(*)::text FROM pg_stat_replication WHERE state = 'streaming'", "1")
	if is := s.ask("SELECT pg_is_in_recovery()::text"); is != "true" {
		c.t.Fatalf("in recovery: %q", is)
	}
	return s
}

func clusterDir(t *testing.T) string {
	t.Helper()
	// It lies beside the test's, which others than root can't enter.
	dir, err := os.MkdirTemp("", "yizheng-cluster-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if as := (&cluster{t: t}).as(); as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (c *cluster) data() string { return filepath.Join(c.dir, "data") }

// as returns the user as whom root runs the server; nil: whoever runs the test.
func (c *cluster) as() *syscall.Credential {
	c.t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		c.t.Fatal(err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		c.t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// command returns a command of the server's own tools, as its user.
func (c *cluster) command(name string, args ...string) *exec.Cmd {
	c.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		c.t.Fatalf("%v: run the tests by make test, or .ci/with-servers go test …", err)
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = c.dir
	cmd.Env = append(os.Environ(), "PGPASSWORD="+c.password)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.as(), Pdeathsig: syscall.SIGQUIT}
	return cmd
}

func (c *cluster) run(name string, args ...string) {
	c.t.Helper()
	if out, err := c.command(name, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// start starts the server on a free port and waits until it answers.
func (c *cluster) start() {
	c.t.Helper()
	for try := 1; ; try++ {
		_, c.port, _ = net.SplitHostPort(porttest.FreeAddress(c.t))
		c.log, c.ended = &lockedBuffer{}, make(chan struct{})
		// Nothing here loses power, so that nothing need be synced.
		c.process = c.command("postgres", "-D", c.data(), "-c", "listen_addresses=127.0.0.1", "-c", "port="+c.port,
			"-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=16MB")
		c.process.Stdout, c.process.Stderr = c.log, c.log
		if err := c.process.Start(); err != nil {
			c.t.Fatal(err)
		}
		process, ended := c.process, c.ended
		go func() { _ = process.Wait(); close(ended) }()
		c.t.Cleanup(func() { c.stop(syscall.SIGQUIT) })
		if c.answers() {
			return
		}
		if c.stop(syscall.SIGQUIT); try == 5 { // somebody else may have taken the port
			c.t.Fatalf("the server doesn't start:\n%s", c.log)
		}
	}
}

// answers waits until the server answers, and reports whether it does.
func (c *cluster) answers() bool {
	for deadline := time.Now().Add(readyWithin); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		select {
		case <-c.ended:
			return false
		default:
		}
		if conn, err := pgx.Connect(c.t.Context(), c.url("postgres")); err == nil {
			_ = conn.Close(c.t.Context())
			return true
		}
	}
	return false
}

// stop ends the server: by SIGINT when the standbys have everything, by SIGQUIT at once.
func (c *cluster) stop(how syscall.Signal) {
	_ = c.process.Process.Signal(how) // it may have ended
	select {
	case <-c.ended:
	case <-time.After(readyWithin):
		_ = c.process.Process.Kill()
		<-c.ended
	}
}

// promote makes a standby a primary.
func (c *cluster) promote() {
	c.t.Helper()
	c.run("pg_ctl", "promote", "-D", c.data(), "-w")
}

func (c *cluster) address() string { return "127.0.0.1:" + c.port }

func (c *cluster) url(database string) string {
	return fmt.Sprintf("postgres://yizheng:%s@%s/%s?sslmode=disable", c.password, c.address(), database)
}

// create makes a database.
func (c *cluster) create(database string) {
	c.t.Helper()
	c.ask("CREATE DATABASE " + database)
}

// ask runs a statement and returns what it says, if it does.
func (c *cluster) ask(statement string) (says string) {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.url("postgres"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close(c.t.Context())
	err = conn.QueryRow(c.t.Context(), statement).Scan(&says)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		c.t.Fatalf("%s: %v", statement, err)
	}
	return says
}

// until waits until a query says what is wanted.
func (c *cluster) until(query, want string) {
	c.t.Helper()
	got := ""
	for deadline := time.Now().Add(readyWithin); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = c.ask(query); got == want {
			return
		}
	}
	c.t.Fatalf("%s: %q, want %q\n%s", query, got, want, c.log)
}

// has waits until a standby has replayed all that its primary wrote so far.
func (c *cluster) has(primary *cluster) {
	c.t.Helper()
	c.until("SELECT (pg_last_wal_replay_lsn() >= '"+primary.ask("SELECT pg_current_wal_lsn()::text")+"')::text", "true")
}

// serviceAddress is an address that leads to one server now and to another later.
type serviceAddress struct {
	l net.Listener

	mu   sync.Mutex
	to   string
	open []net.Conn
}

// newServiceAddress returns an address that leads to a server.
func newServiceAddress(t *testing.T, to *cluster) *serviceAddress {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &serviceAddress{l: l, to: to.address()}
	t.Cleanup(func() { l.Close(); a.move(to) })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go a.lead(conn)
		}
	}()
	return a
}

func (a *serviceAddress) lead(client net.Conn) {
	defer client.Close()
	a.mu.Lock()
	server, err := net.Dial("tcp", a.to)
	if err == nil {
		a.open = append(a.open, client, server)
	}
	a.mu.Unlock()
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(server, client); server.Close() }()
	_, _ = io.Copy(client, server)
}

// move has the address lead to another server, and cuts the connections to the last one.
func (a *serviceAddress) move(to *cluster) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.to = to.address()
	for _, conn := range a.open {
		conn.Close()
	}
	a.open = nil
}

// url returns a database's URL at the address.
func (a *serviceAddress) url(c *cluster, database string) string {
	return strings.Replace(c.url(database), c.address(), a.l.Addr().String(), 1)
}
