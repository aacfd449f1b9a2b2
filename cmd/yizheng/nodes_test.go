package main_test

import (
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/cmd/internal/servertest"
	"yizheng.internal/storage/porttest"
)

// Two nodes on one PostgreSQL and one Redis are one service: a request that
// began at one goes on at the other, also after a restart, and what works once
// works once at both together.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	database, redis := servertest.PostgresURL(t), servertest.RedisURL(t)
	args := []string{"--database-url", database, "--redis-url", redis, "--data", filepath.Join(dir, "a")}
	first, facts, err := startDemo(t, nil, append(args, "--listen", "localhost:"+porttest.FreePort(t))...)
	if err != nil {
		t.Fatal(err)
	}
	copyKeys(t, filepath.Join(dir, "b"), filepath.Join(dir, "a"))
	second := startServer(t, serverOptions{
		Data: filepath.Join(dir, "b"), DatabaseURL: database, Args: []string{"--public-url", facts.Issuer, "--redis-url", redis},
	})
	c := newCitizen(t, facts)
	at := func(base string) *citizen { other := *c; other.at = base; return &other }
	nodes := []*citizen{c, at(second.BaseURL)}

	// One code, 64 times at once, at both. It works once, or not at all if the
	// others ended what the first was about to get.
	v, code := c.agree()
	good := together(64, func(i int) bool { return nodes[i%2].exchange(v, code).status == http.StatusOK })
	if good > 1 {
		t.Errorf("a code that came 64 times worked %d times", good)
	}

	// One that was used twice ended what it yielded.
	if g := c.grant(v); g != grantEnded {
		t.Errorf("the grant of a code that came 64 times is %q", g)
	}

	// A code of a node that is restarted before it is redeemed; then at once again.
	v, code = c.agree()
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	first, facts, err = startDemo(t, nil, append(args, "--listen", strings.TrimPrefix(facts.Issuer, "http://"))...)
	if err != nil {
		t.Fatal(err)
	}
	tokens := c.take(nodes[1].exchange(v, code))

	// One use code, 64 readings at once with one request id: one is recorded.
	q := reading{tokens.useCode(), "request-1", "nonce-of-the-test"}
	if good := together(64, func(i int) bool { return nodes[i%2].read(tokens, q).status == http.StatusOK }); good == 0 {
		t.Error("nobody could read")
	}
	if n := c.readings(v); n != 1 {
		t.Errorf("%d readings are recorded of one that was repeated", n)
	}

	// One refresh token, at both at once: whoever gets an answer gets the same successor.
	var mu sync.Mutex
	successors := map[string]bool{}
	together(16, func(i int) bool {
		a := nodes[i%2].post("/oauth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.Refresh}})
		if a.status == http.StatusOK {
			mu.Lock()
			defer mu.Unlock()
			successors[a.member("refresh_token")] = true
		}
		return a.status == http.StatusOK
	})
	if len(successors) != 1 {
		t.Errorf("one refresh token has %d successors", len(successors))
	}

	// The consent form, sent by two tabs at once, is one grant.
	v, page := c.consent()
	f := c.agreement(page)
	together(8, func(int) bool {
		_, err := f.Browser().Clone(facts.Issuer).Try(f.Request())
		return err == nil
	})
	if g := c.grant(v); g != grantPending {
		t.Errorf("a consent form that was sent 8 times made a grant that is %q", g)
	}
	for _, s := range []*server{first, second} {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// together does something n times at once, and counts how often it went well.
func together(n int, do func(i int) bool) (good int) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	for i := range n {
		wait.Go(func() {
			if do(i) {
				mu.Lock()
				good++
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	return good
}

// copyKeys gives another node what every node has of the keys.
func copyKeys(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(to, "keys"), os.DirFS(filepath.Join(from, "keys"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"keys.pass", "anchors.pem"} {
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
