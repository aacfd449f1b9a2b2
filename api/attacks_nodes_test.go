package api

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"yizheng.internal/api/apitest"
	"yizheng.internal/storage/porttest"
)

// newNodes is a stage of two nodes on one PostgreSQL database and one Redis.
func newNodes(t *testing.T) (*stage, *redisServer) {
	t.Helper()
	r := startRedis(t, porttest.FreeAddress(t))
	return newStage(t, stageConfig{Nodes: 2, Database: postgresURL(t), Redis: "redis://" + r.address + "/0"}), r
}

// postgresURL returns the URL of an empty database that nobody else has.
func postgresURL(t *testing.T) string {
	t.Helper()
	server := os.Getenv("YIZHENG_TEST_POSTGRES_URL")
	if server == "" {
		t.Fatal("there is no PostgreSQL: run the tests by make test, or .ci/with-servers go test …")
	}
	u, err := url.Parse(server)
	mustOf(t)(err)
	name := "yizheng_api_" + strings.ToLower(rand.Text()[:12])
	execute := func(statement string) {
		ctx := context.Background() // also when the test's own is over
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.Exec(ctx, statement); err != nil {
			t.Error(err)
		}
	}
	execute("CREATE DATABASE " + name)
	t.Cleanup(func() { execute("DROP DATABASE " + name + " WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

// redisServer is a Redis of the test's own, which it may stop and empty.
type redisServer struct {
	address string
	cmd     *exec.Cmd
}

// startRedis starts an empty Redis and waits until it answers.
func startRedis(t *testing.T, address string) *redisServer {
	t.Helper()
	_, port, _ := net.SplitHostPort(address)
	r := &redisServer{address, exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())}
	mustOf(t)(r.cmd.Start())
	t.Cleanup(r.stop)
	for range 200 {
		if answer, err := r.ask("PING"); err == nil && answer == "+PONG" {
			return r
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("redis-server doesn't answer")
	return nil
}

func (r *redisServer) stop() {
	_ = r.cmd.Process.Kill() // it may have been stopped
	_ = r.cmd.Wait()
}

// ask sends one command and returns the first line of the answer.
func (r *redisServer) ask(command string) (string, error) {
	c, err := net.DialTimeout("tcp", r.address, time.Second)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}

func (r *redisServer) empty(t *testing.T) {
	t.Helper()
	if answer, err := r.ask("FLUSHALL"); err != nil || answer != "+OK" {
		t.Fatalf("FLUSHALL: %q, %v", answer, err)
	}
}

// Two nodes share a database and a Redis, and a browser's requests reach either:
// a whole login works, no code is redeemed twice by both at once, nor by new
// nodes after a restart, and none after the Redis was emptied.
func TestAttackCodeRaceOnTwoNodes(t *testing.T) {
	t.Parallel()
	s, redis := newNodes(t)
	s.race(t, s.clinic.licensed())
	s.race(t, s.clinic.licensed())

	b := s.browser(t)
	for name, between := range map[string]func(){
		"restart": func() { s.restart(t) },
		"emptied": func() { redis.empty(t) },
		"both":    func() { redis.empty(t); s.restart(t) },
	} {
		f := s.clinic.licensed("scope", "openid offline_access", "prompt", "consent")
		code := f.through(t, b, s.alice)
		k := f.redeem(t, code).tokens(t)
		between()
		if a := f.redeem(t, code); a.StatusCode != http.StatusBadRequest || a.member("error") != "invalid_grant" {
			t.Errorf("%s: the code is redeemed again: %d %s", name, a.StatusCode, a.body)
		}
		s.checkGone(t, s.clinic, k)
	}
	// A code that wasn't redeemed before is lost with the Redis, or good once.
	f := s.clinic.licensed()
	code := f.through(t, b, s.alice)
	s.restart(t)
	f.redeem(t, code).tokens(t)
	f = s.clinic.licensed()
	code = f.through(t, b, s.alice)
	redis.empty(t)
	f.redeem(t, code).oauthError(t, http.StatusBadRequest, "invalid_grant")
}

// Of 64 refreshes at once with one token, at two nodes, all that succeed get the
// same successor: there is one line of tokens.
func TestAttackRefreshRaceOnTwoNodes(t *testing.T) {
	t.Parallel()
	s, _ := newNodes(t)
	k := s.clinic.request("scope", "openid offline_access", "prompt", "consent").loggedIn(t, s.browser(t), s.alice)
	answers := make([]answer, 64)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = s.clinic.sendTo(t, s.nodes[i%2].url, pathToken, refreshForm(k.RefreshToken)) })
	}
	wg.Wait()
	successors := map[string]bool{}
	for _, a := range answers {
		if a.StatusCode == http.StatusOK {
			successors[a.tokens(t).RefreshToken] = true
		} else if a.member("error") != "invalid_grant" && a.member("error") != "temporarily_unavailable" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	if len(successors) != 1 {
		t.Errorf("there are %d successors, want 1", len(successors))
	}
}

// A consent form that is sent 16 times at once yields one grant, which
// is delivered once.
func TestAttackConsentRaceOnTwoNodes(t *testing.T) {
	t.Parallel()
	s, _ := newNodes(t)
	b := s.browser(t)
	f := s.clinic.licensed()
	form := agreeToAll(f.toConsent(t, b, s.alice))
	codes := make([]string, 16)
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			if p := b.Clone(s.url).Do(form.Request()); p.To != nil {
				codes[i] = p.To.Query().Get("code")
			}
		})
	}
	wg.Wait()
	redeemed := 0
	for _, c := range codes {
		if c == "" {
			continue
		}
		if a := f.redeem(t, c); a.StatusCode == http.StatusOK {
			redeemed++
		} else if a.member("error") != "invalid_grant" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	if redeemed != 1 {
		t.Errorf("%d codes were redeemed, want 1", redeemed)
	}
	if n := s.grantsOf(t, b); n != 1 {
		t.Errorf("there are %d grants, want 1", n)
	}
}

// A use code that is redeemed 64 times at once, at two nodes, opens one reading
// window, and every reading that succeeded is recorded.
func TestAttackUseCodeRaceOnTwoNodes(t *testing.T) {
	t.Parallel()
	s, _ := newNodes(t)
	b := s.browser(t)
	k := s.clinic.licensed().loggedIn(t, b, s.alice)
	code := k.useCode(t)
	read := make([]answer, 64)
	var wg sync.WaitGroup
	for i := range read {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), "POST", s.nodes[i%2].url+"/v1/use-codes/redeem",
				strings.NewReader(jsonText(object{"use_code": code, "request_id": fmt.Sprint(i % 8), "nonce": fmt.Sprintf("nonce-%04d", i%8)})))
			if err != nil {
				return
			}
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+k.AccessToken)
			read[i] = s.do(t, r)
		})
	}
	wg.Wait()
	records := map[string]bool{}
	for _, a := range read {
		if a.StatusCode == http.StatusOK {
			records[a.member("record")] = true
		} else if a.member("reason") != "changed_meanwhile" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	}
	if len(records) == 0 || len(records) > 8 {
		t.Errorf("8 readings left %d records", len(records))
	}
	if seen := strings.Count(b.Get(s.url+"/records").Body, `<span class="name"><a href="/licenses/`); seen != len(records) {
		t.Errorf("the holder sees %d readings, want %d", seen, len(records))
	}
}

// beginAnew checks that a page says that the request is gone and leads to where
// a person can begin anew.
func (s *stage) beginAnew(t *testing.T, when string, p *apitest.Page, statuses ...int) {
	t.Helper()
	ok := false
	for _, status := range statuses {
		ok = ok || p.Status == status
	}
	if !ok || p.To != nil || !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") || !strings.Contains(p.Body, p.Header.Get("X-Request-Id")) {
		t.Errorf("%s: %d to %v\n%s", when, p.Status, p.To, p.Body)
	}
	if !strings.Contains(p.Body, `href="`+clinicHome+`"`) {
		t.Errorf("%s: the page leads nowhere:\n%s", when, p.Body)
	}
}

// A Redis that is emptied in the middle of a login costs a fresh start, with a
// page that says so; nobody is logged in, and nothing agreed to, by halves.
func TestRedisEmptiedInMidLogin(t *testing.T) {
	t.Parallel()
	s, redis := newNodes(t)
	b := s.browser(t)
	p := s.clinic.licensed().open(t, b)
	redis.empty(t)
	s.beginAnew(t, "at the login", p.Press("submit", "username", s.alice.Login, "password", s.alice.Password), 400, 404, 410)

	p = s.clinic.licensed().open(t, b).Press("submit", "username", s.alice.Login, "password", s.alice.Password)
	for !p.Has("code") {
		p = p.Press("send")
	}
	code := s.alice.Code()
	redis.empty(t)
	s.beginAnew(t, "at the second factor", p.Press("submit", "code", code), 400, 404, 410)

	f := s.clinic.licensed()
	form := agreeToAll(f.toConsent(t, b, s.alice))
	redis.empty(t)
	s.beginAnew(t, "at the consent", form.Send(), 400, 404, 410)
	if n := s.grantsOf(t, b); n != 0 {
		t.Errorf("%d grants were made", n)
	}
	// Who is logged in stays it: sessions are in the database.
	f = s.clinic.licensed()
	k := f.loggedIn(t, b, s.alice)
	redis.empty(t)
	s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, "")
	if !s.clinic.active(t, k.AccessToken) {
		t.Error("a token ended with the Redis")
	}
}

// A Redis that stops is answered with a clear page and with 503, not with an
// error of ours; what doesn't need it goes on, and everything does when it is
// back. Nothing is used a second time.
func TestRedisStoppedInMidLogin(t *testing.T) {
	t.Parallel()
	s, redis := newNodes(t)
	b := s.browser(t)
	k := s.clinic.request("scope", "openid offline_access", "prompt", "consent").loggedIn(t, b, s.alice)
	f := s.clinic.licensed()
	consent := agreeToAll(f.toConsent(t, b, s.alice))
	page := s.clinic.request("prompt", "login").open(t, b)
	unspent := s.clinic.request()
	code := unspent.through(t, b, s.alice)
	redis.stop()

	s.unavailable(t, "the login", page.Press("submit", "username", s.alice.Login, "password", s.alice.Password))
	s.unavailable(t, "the consent", consent.Send())
	s.unavailable(t, "a new request", b.Get(s.url+pathAuthorize+"?"+s.clinic.request("prompt", "login").params.Encode()))
	a := unspent.redeem(t, code)
	if a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the token endpoint: %d %s", a.StatusCode, a.body)
	}
	if a := s.clinic.licensed().push(t); a.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("PAR: %d %s", a.StatusCode, a.body)
	}
	next := s.clinic.send(t, pathToken, refreshForm(k.RefreshToken)).tokens(t)
	s.bearer(t, "GET", pathUserInfo, next.AccessToken, nil).want(t, http.StatusOK, "")

	startRedis(t, redis.address) // empty, as after a crash
	unspent.redeem(t, code).oauthError(t, http.StatusBadRequest, "invalid_grant")
	s.clinic.licensed().loggedIn(t, b, s.alice)
}

// unavailable checks that a page says that the service can't answer now.
func (s *stage) unavailable(t *testing.T, what string, p *apitest.Page) {
	t.Helper()
	if p.To != nil && p.To.Query().Get("error") == "temporarily_unavailable" {
		return
	}
	if p.Status != http.StatusServiceUnavailable || p.Header.Get("Retry-After") == "" || !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s: %d to %v, %v\n%s", what, p.Status, p.To, p.Header, p.Body)
	}
}
