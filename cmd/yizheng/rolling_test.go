package main_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/cmd/internal/servertest"
	"yizheng.internal/storage/porttest"
)

// balancer is a reverse proxy as small as they come: it asks each node's
// /readyz, sends requests to those that say yes, in turn, and tries nothing twice.
type balancer struct {
	nodes []*balanced
	turn  atomic.Int64
	cut   func(node string, err error)
}

type balanced struct {
	url, admin *url.URL
	ready      atomic.Bool
}

// watch asks a node until ctx ends. One that is slow to answer stays in, as with
// other balancers, which take a node out after several such failures.
func (n *balanced) watch(ctx context.Context) {
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		a, err := client.Get(n.admin.String() + "/readyz")
		if err == nil {
			a.Body.Close()
		}
		if timeout, ok := errors.AsType[net.Error](err); !ok || !timeout.Timeout() {
			n.ready.Store(err == nil && a.StatusCode == http.StatusOK)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// handler serves what the balancer's clients ask.
func (b *balancer) handler() http.Handler {
	return &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		Rewrite: func(r *httputil.ProxyRequest) {
			first := int(b.turn.Add(1)) // others take turns meanwhile
			for i := range b.nodes {
				n := b.nodes[(first+i)%len(b.nodes)]
				if n.ready.Load() {
					r.SetURL(n.url)
					r.SetXForwarded()
					return
				}
			}
			r.Out.URL = &url.URL{Scheme: "http", Host: "no-node-is-ready.invalid"}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			b.cut(r.URL.Host, err)
			w.WriteHeader(http.StatusBadGateway)
		},
	}
}

// TestRollingRestarts restarts two nodes in turn, eight times, behind a balancer
// that follows /readyz, under load: no request is cut off or answered with an error.
func TestRollingRestarts(t *testing.T) {
	t.Parallel()
	database, redis, dir := servertest.PostgresURL(t), servertest.RedisURL(t), t.TempDir()
	start := func(name, listen, admin string) *server {
		t.Helper()
		return startServer(t, serverOptions{
			Data: filepath.Join(dir, name), DatabaseURL: database, Env: []string{"YIZHENG_DRAIN=2s"},
			Args: []string{"--redis-url", redis, "--listen", listen, "--admin-listen", admin, "--trusted-proxy", "127.0.0.1", "--log-level", "warn"},
		})
	}
	parse := func(address string) *url.URL { return &url.URL{Scheme: "http", Host: address} }
	names := []string{"a", "b"}
	var b balancer
	var department *apiClient
	var servers []*server
	for i, name := range names {
		listen, admin := porttest.FreeAddress(t), porttest.FreeAddress(t)
		if i > 0 {
			copyKeys(t, filepath.Join(dir, name), filepath.Join(dir, names[0]))
		}
		servers = append(servers, start(name, listen, admin))
		b.nodes = append(b.nodes, &balanced{url: parse(listen), admin: parse(admin)})
		if i == 0 {
			department = servers[0].setUp(t) // with an authority's key, which the other node gets too
		}
	}
	var cut atomic.Int64
	b.cut = func(node string, err error) {
		if !errors.Is(err, context.Canceled) {
			t.Logf("%s: %v", node, err)
			cut.Add(1)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, n := range b.nodes {
		go n.watch(ctx)
	}
	front := httptest.NewServer(b.handler())
	defer front.Close()

	client := &loadClient{id: department.ID, secret: department.Secret,
		http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	for deadline := time.Now().Add(readyWithin); !b.nodes[0].ready.Load() || !b.nodes[1].ready.Load(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the nodes don't get ready")
		}
	}
	var asked, failed atomic.Int64
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for ctx.Err() == nil {
				if err := client.ask(ctx, front.URL); err != nil && ctx.Err() == nil {
					t.Log(err)
					failed.Add(1)
				}
				asked.Add(1)
			}
		})
	}
	for round := range 8 {
		i := round % 2
		before := asked.Load()
		if err := servers[i].Stop(); err != nil {
			t.Fatalf("restart %d: %v\n%s", round, err, servers[i].Log())
		}
		servers[i] = start(names[i], b.nodes[i].url.Host, b.nodes[i].admin.Host)
		for deadline := time.Now().Add(readyWithin); !b.nodes[i].ready.Load(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("restart %d: the node doesn't get ready", round)
			}
		}
		if asked.Load() == before {
			t.Errorf("restart %d: nobody asked anything meanwhile", round)
		}
	}
	cancel()
	wait.Wait()
	if cut.Load() > 0 || failed.Load() > 0 {
		t.Errorf("of %d requests %d were cut and %d failed", asked.Load(), cut.Load(), failed.Load())
	}
	t.Logf("%d requests during 8 restarts", asked.Load())
}

// loadClient is a client that asks for a token, and with it for the catalog.
type loadClient struct {
	id, secret string
	http       *http.Client
}

// ask makes two requests, a form and one with a token.
func (c *loadClient) ask(ctx context.Context, base string) error {
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"license:read"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(c.id, c.secret)
	body, err := c.do(r)
	if err != nil {
		return err
	}
	_, token, _ := strings.Cut(body, `"access_token":"`)
	token, _, _ = strings.Cut(token, `"`)
	r, err = http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/licenses/search", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	_, err = c.do(r)
	return err
}

func (c *loadClient) do(r *http.Request) (string, error) {
	a, err := c.http.Do(r)
	if err != nil {
		return "", err
	}
	defer a.Body.Close()
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return "", err
	}
	if a.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s %s", r.URL.Path, a.Status, body)
	}
	return string(body), nil
}

// TestDraining: after SIGTERM /readyz says no at once, whoever comes all the same
// is served and told that the connection ends, and what is under way is finished.
func TestDraining(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{Env: []string{"YIZHENG_DRAIN=3s"}})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	get := func(address string) (*http.Response, error) {
		a, err := client.Get(address)
		if err == nil {
			_, _ = io.Copy(io.Discard, a.Body)
			a.Body.Close()
		}
		return a, err
	}
	for _, address := range []string{s.BaseURL + "/verify", s.BaseURL + "/oauth/jwks"} { // an idle connection is left open
		if a, err := get(address); err != nil || a.StatusCode != http.StatusOK || a.Close {
			t.Fatalf("before: %v, %v", a, err)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for {
		a, err := get(s.AdminURL + "/readyz")
		if err == nil && a.StatusCode == http.StatusServiceUnavailable {
			break
		}
		if time.Since(begun) > 2*time.Second {
			t.Fatalf("/readyz after SIGTERM: %v, %v", a, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, path := range []string{"/verify", "/oauth/jwks", "/v1/trust/anchors"} {
		a, err := get(s.BaseURL + path)
		if err != nil || a.StatusCode != http.StatusOK || !a.Close {
			t.Errorf("%s while draining: %v, %v; want 200 and Connection: close", path, a, err)
		}
	}
	if a, err := get(s.AdminURL + "/livez"); err != nil || a.StatusCode != http.StatusOK {
		t.Errorf("/livez while draining: %v, %v", a, err)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took < 2*time.Second {
		t.Errorf("it was gone after %v", took)
	}
}
