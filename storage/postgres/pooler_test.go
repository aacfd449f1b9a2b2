package postgres

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/storage/postgres/engine"
)

// startPooler starts a PgBouncer in transaction mode before a database, and
// returns the database's URL through it.
func startPooler(t *testing.T, address string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer" // not on everybody's PATH
		if _, err := os.Stat(program); err != nil {
			t.Fatal("there is no pgbouncer: run .ci/install")
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	// Its own folder lies beside the test's, which others than root can't enter.
	dir, err := os.MkdirTemp("", "yizheng-pooler-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\npooled = host=%s port=%s dbname=%s user=%s password=%s\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n",
		u.Hostname(), u.Port(), strings.TrimPrefix(u.Path, "/"), u.User.Username(), password, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-q", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Getuid() == 0 { // as which it refuses to run
		cmd.SysProcAttr.Credential = nobody(t)
		for _, path := range []string{dir, config} {
			if err := os.Chown(path, int(cmd.SysProcAttr.Credential.Uid), int(cmd.SysProcAttr.Credential.Gid)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			c.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("pgbouncer doesn't answer: %s", &log)
		}
	}
	return fmt.Sprintf("postgres://pooled@127.0.0.1:%d/pooled?sslmode=disable", port)
}

func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// TestPooler has a real PgBouncer before the database. One that doesn't follow
// prepared statements is refused when the database is opened, with the parameter
// that helps; with that parameter everything works.
func TestPooler(t *testing.T) {
	t.Parallel()
	address := startPooler(t, newDatabase(t))
	follows := poolerFollows(t)
	db, err := Open(t.Context(), Config{URL: address})
	if err == nil {
		defer db.Close()
	}
	if !follows && (!errors.Is(err, engine.ErrPooler) || !strings.Contains(err.Error(), "default_query_exec_mode=cache_describe")) {
		t.Errorf("without the parameter: %v, want ErrPooler", err)
	}

	db = openDB(t, Config{URL: with(t, address, "default_query_exec_mode", "cache_describe")})
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Errorf("Migrate of a schema that is up to date: %v", err)
	}
	mustSave(t, db, newSave())
	if found, err := db.Licenses().Search(t.Context(), license.Query{Limit: 10}); err != nil || len(found) != 1 {
		t.Errorf("a search finds %+v: %v", found, err)
	}
	for range 20 { // by several connections, of which the server has two
		nodes := []*DB{db, db}
		r := newSave()
		mustSave(t, db, r)
		race(t, nodes, license.ErrConflict, func(db *DB, _ int) error { return db.Licenses().Save(t.Context(), changeOf(r, 1)) })
	}
	if commit, err := db.SynchronousCommit(t.Context()); err != nil || commit == "off" {
		t.Errorf("synchronous_commit is %q: %v", commit, err)
	}
}

// poolerFollows reports whether this PgBouncer can follow prepared statements, as
// it does by default from 1.24 on.
func poolerFollows(t *testing.T) bool {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program = "/usr/sbin/pgbouncer"
	}
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "PgBouncer %d.%d", &major, &minor); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	return major > 1 || minor >= 24
}
