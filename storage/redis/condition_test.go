package redis

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	kept "yizheng.internal/oidc/ephemeral"
	"yizheng.internal/storage/storagetest/ephemeral"
)

// leastRights returns the rule of docs/operating.md for a user with the least rights.
func leastRights(t *testing.T) []any {
	t.Helper()
	text, err := os.ReadFile("../../docs/operating.md")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "ACL SETUSER yizheng on >PASSWORD "); ok {
			args := []any{"ACL", "SETUSER", "yizheng", "on", ">" + testPassword}
			for word := range strings.FieldsSeq(rest) {
				args = append(args, word)
			}
			return args
		}
	}
	t.Fatal("docs/operating.md has no rule")
	return nil
}

// TestLeastRights: the rights that the docs name are enough for all of the store.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.do(t, leastRights(t)...)
	url := "redis://yizheng:" + testPassword + "@" + server.address()
	suite := ephemeral.Ephemeral // its own test runs beside memory's
	suite(t, func(t *testing.T) kept.Store { return openTest(t, Config{URL: url}) })
	s := openTest(t, Config{URL: url, MaxValues: 40, MaxBytes: 1 << 20, Prefix: "yizheng:small:"})
	for i := range 200 { // so that values give way
		k := kept.Keeping{Part: kept.PartUnopened, Owner: fmt.Sprint("o", i%3), Until: time.Now().Add(time.Hour)}
		if err := s.Put(t.Context(), fmt.Sprint("k", i), []byte("v"), k, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.client.Do(t.Context(), "GET", "another:key").Result(); err == nil || !strings.Contains(err.Error(), "NOPERM") {
		t.Errorf("another's key can be read: %v", err)
	}
}

// TestUnusable: a Redis that can be pinged and not be written, or that doesn't let
// us in, is refused when it is opened, also with patience, with the reason.
func TestUnusable(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	replica := startServer(t, fmt.Sprintf("replicaof 127.0.0.1 %s", server.port))
	user := func(name string, rights ...any) string {
		server.do(t, append([]any{"ACL", "SETUSER", name, "on", ">" + testPassword}, rights...)...)
		return "redis://" + name + ":" + testPassword + "@" + server.address()
	}
	for name, c := range map[string]struct{ url, says string }{
		"reads alone":    {user("reader", "~*", "+@read", "+ping", "+eval", "+evalsha"), "can't run this command"},
		"pings alone":    {user("pinger", "~*", "+ping"), "NOPERM"},
		"other keys":     {user("other", "~other:*", "+@all"), "NOPERM"},
		"no scripts":     {user("plain", "~*", "+@all", "-@scripting"), "NOPERM"},
		"wrong password": {"redis://default:wrong@" + server.address(), "WRONGPASS"},
		"no password":    {"redis://" + server.address(), "NOAUTH"},
		"replica":        {replica.url(), "READONLY"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, patient := range []bool{false, true} {
				s, err := Open(t.Context(), Config{URL: c.url, Patient: patient})
				if err == nil {
					s.Close()
				}
				if !errors.Is(err, ErrUnusable) || !errors.Is(err, license.ErrUnavailable) || !strings.Contains(err.Error(), c.says) {
					t.Errorf("patient %v: %v, want ErrUnusable for %s", patient, err, c.says)
				}
				if err != nil && strings.Contains(err.Error(), testPassword) {
					t.Errorf("the error shows the password: %v", err)
				}
			}
		})
	}
}

// TestPatience opens a store whose server isn't there yet. It works when the server
// is; its condition tells, and the log says it once.
func TestPatience(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	server.stop()
	if _, err := Open(t.Context(), Config{URL: server.url()}); !errors.Is(err, license.ErrUnavailable) {
		t.Errorf("without patience: %v", err)
	}
	var log bytes.Buffer
	s := openTest(t, Config{URL: server.url(), Patient: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 50 {
		if err := s.Probe(t.Context()); !errors.Is(err, kept.ErrAway) || errors.Is(err, ErrUnusable) {
			t.Fatalf("without a server: %v, want ErrAway", err)
		}
	}
	if up, failures := s.Condition(); up || failures < 50 {
		t.Errorf("without a server: up %v, %d failures", up, failures)
	}
	if !server.start(t) {
		t.Fatal("the server doesn't start again")
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if err := s.Probe(t.Context()); err == nil { // the library tries to connect once a second, after many failures
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if up, _ := s.Condition(); !up {
		t.Error("with the server: not up")
	}
	if n := strings.Count(log.String(), "\n"); n > 3 {
		t.Errorf("%d lines were logged for 51 failures:\n%s", n, &log)
	}
}
