package redis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"yizheng.internal/storage/porttest"
)

const testPassword = "hunter2"

// server is a Redis that a test may stop, empty and fill.
type server struct {
	port   string
	config string
	cmd    *exec.Cmd
}

// startServer starts a server with a password, and more configuration. It ends
// with the test.
func startServer(t *testing.T, config ...string) *server {
	t.Helper()
	s := &server{config: strings.Join(append(config, "save \"\"", "appendonly no", "bind 127.0.0.1",
		"dir "+t.TempDir(), "requirepass "+testPassword, "masterauth "+testPassword), "\n")}
	t.Cleanup(func() { s.stop() })
	for range 5 { // somebody may take the port first
		s.port = porttest.FreePort(t)
		if s.start(t) {
			return s
		}
	}
	t.Fatal("no server starts")
	return nil
}

// start starts the server, also after it was stopped, and waits until it answers.
func (s *server) start(t *testing.T, args ...string) bool {
	t.Helper()
	s.cmd = exec.Command("redis-server", append([]string{"-"}, args...)...)
	s.cmd.Stdin = strings.NewReader(fmt.Sprintf("%s\nport %s\n", s.config, s.port))
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	admin := redis.NewClient(&redis.Options{Addr: s.address(), Password: testPassword, DialTimeout: time.Second})
	defer admin.Close()
	for range 100 {
		if admin.Ping(context.Background()).Err() == nil {
			return true
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.stop()
	return false
}

// stop kills the server.
func (s *server) stop() {
	if s.cmd != nil {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		s.cmd = nil
	}
}

func (s *server) address() string { return fmt.Sprintf("127.0.0.1:%s", s.port) }

func (s *server) url() string { return "redis://default:" + testPassword + "@" + s.address() }

// startSentinel starts a Sentinel that watches the server as "yizheng", and
// returns its port. It ends with the test.
func startSentinel(t *testing.T, s *server) string {
	t.Helper()
	port := porttest.FreePort(t)
	file := filepath.Join(t.TempDir(), "sentinel.conf") // which it writes to
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor yizheng 127.0.0.1 %s 1\nsentinel auth-pass yizheng %s\n", port, s.port, testPassword)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-server", file, "--sentinel")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	c := redis.NewSentinelClient(&redis.Options{Addr: fmt.Sprint("127.0.0.1:", port)})
	defer c.Close()
	for range 100 {
		if _, err := c.GetMasterAddrByName(t.Context(), "yizheng").Result(); err == nil {
			return port
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("Sentinel doesn't know the server")
	return ""
}

// selfSigned returns the files of a certificate for 127.0.0.1 and of its key.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	must(t, err)
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	must(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	return cert, key
}

// do runs an administrator's command.
func (s *server) do(t *testing.T, args ...any) any {
	t.Helper()
	admin := redis.NewClient(&redis.Options{Addr: s.address(), Password: testPassword})
	defer admin.Close()
	got, err := admin.Do(t.Context(), args...).Result()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return got
}
