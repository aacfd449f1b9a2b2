package main_test

import (
	"errors"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"yizheng.internal/api/rest"
	"yizheng.internal/license/credential"
)

// A PostgreSQL fails over, twice, to a real standby. As long as the service's address
// leads to a standby, which lags, its requests are answered 503, and nothing is
// compared. A standby that has everything goes on where its primary stopped; of one
// that lacks the last commits nothing is served until the operator has confirmed the loss.
func TestFailover(t *testing.T) {
	t.Parallel()
	primary := newCluster(t)
	primary.create("yizheng")
	address := newServiceAddress(t, primary)
	s := startServer(t, serverOptions{DatabaseURL: address.url(primary, "yizheng")})
	c := s.setUp(t)
	issued, err := c.Issue(t.Context(), "A-1")
	if err != nil {
		t.Fatal(err)
	}
	standby := primary.standby()

	s = lagging(t, s, c, issued, primary, standby, address)
	c = c.at(s)

	primary.stop(syscall.SIGINT)
	standby.promote()
	address.move(standby)
	waitReady(t, s, http.StatusOK)
	if _, err := c.Issue(t.Context(), "A-2"); err != nil {
		t.Errorf("issuing after the failover: %v", err)
	}
	if v, err := c.Verify(t.Context(), issued); err != nil || v.Verdict != credential.Valid {
		t.Errorf("what was issued before the failover: %+v, %v", v, err)
	}
	if out := s.Command(t, "integrity", "show"); !strings.Contains(out, "Nothing is lost") {
		t.Errorf("after a failover without loss:\n%s", out)
	}

	lossy(t, s, c, standby, address)
}

// lagging has the service's address lead to a standby that lags, and back. It returns
// the service, which was started anew meanwhile.
func lagging(t *testing.T, s *server, c *apiClient, issued rest.Issued, primary, standby *cluster, address *serviceAddress) *server {
	t.Helper()
	standby.has(primary)
	standby.ask("SELECT pg_wal_replay_pause()::text")
	s.Command(t, "client", "disable", c.ID) // which the standby doesn't know
	s.Command(t, "client", "enable", c.ID)
	waitStatus(t, c, http.StatusOK)
	address.move(standby)

	waitReady(t, s, http.StatusServiceUnavailable)
	writes := func(c *apiClient) {
		t.Helper()
		_, issuing := c.Issue(t.Context(), "A-standby")
		for what, err := range map[string]error{ // each reading leaves an event
			"issuing":           issuing,
			"reading a type":    c.Do(t.Context(), "GET", "/v1/license-types/"+string(sampleType), nil, nil),
			"reading a license": c.Do(t.Context(), "GET", "/v1/licenses/"+string(issued.ID), nil, nil),
		} {
			if e, ok := errors.AsType[*statusError](err); !ok || e.Status != http.StatusServiceUnavailable || !strings.Contains(e.Body, "storage_unavailable") {
				t.Errorf("%s on a standby: %v, want 503", what, err)
			}
		}
		if v, err := c.Verify(t.Context(), issued); err != nil || v.Verdict != credential.Valid {
			t.Errorf("verifying, which writes nothing, on a standby: %+v, %v", v, err)
		}
	}
	writes(c)
	for lang, says := range map[string][2]string{
		"en": {"the server is a standby", "this is a replica"}, "zh": {"该服务器是备用服务器", "这是副本数据库"},
	} {
		out, _, code := runProgram(t, "", append([]string{"doctor", "--lang", lang}, s.Options.settings()...)...)
		if code != 1 || !strings.Contains(out, says[0]) || !strings.Contains(out, says[1]) || strings.Contains(out, c.ID) {
			t.Errorf("doctor on a standby: exit code %d\n%s", code, out)
		}
		out, errs, code := runProgram(t, "", append([]string{"integrity", "show", "--lang", lang}, s.Options.settings()...)...)
		if code != 1 || out != "" || !strings.Contains(errs, says[1]) {
			t.Errorf("integrity show on a standby: exit code %d\n%s%s", code, out, errs)
		}
	}

	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	again := startServer(t, s.Options)
	waitReady(t, again, http.StatusServiceUnavailable)
	writes(c.at(again))
	for _, log := range []string{s.Log(), again.Log()} {
		if strings.Contains(log, "not what this node saw") || !strings.Contains(log, "it is a standby or read-only") {
			t.Errorf("a standby is told as a loss, or isn't told of:\n%s", log)
		}
	}
	if !strings.Contains(again.Log(), "this is a replica") {
		t.Errorf("who starts on a standby doesn't say that nothing is compared:\n%s", again.Log())
	}
	standby.ask("SELECT pg_wal_replay_resume()::text")
	address.move(primary)
	waitReady(t, again, http.StatusOK)
	standby.has(primary)
	return again
}

// lossy fails over to a standby that lacks the last commits.
func lossy(t *testing.T, s *server, c *apiClient, primary *cluster, address *serviceAddress) {
	t.Helper()
	standby := primary.standby()
	standby.has(primary)
	standby.ask("ALTER SYSTEM SET primary_conninfo = ''")
	standby.ask("SELECT pg_reload_conf()::text")
	primary.until("SELECT count(*)::text FROM pg_stat_replication", "0")
	s.Command(t, "client", "disable", c.ID)
	waitStatus(t, c, http.StatusUnauthorized)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}

	primary.stop(syscall.SIGQUIT)
	standby.promote()
	address.move(standby)
	s = startServer(t, s.Options)
	waitReady(t, s, http.StatusServiceUnavailable)
	if _, err := c.at(s).Token(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("the client that had been disabled: %v, want 503", err)
	}
	out, _, code := runProgram(t, "", append([]string{"integrity", "show"}, s.Options.settings()...)...)
	if code != 1 || !strings.Contains(out, "clients "+c.ID) {
		t.Errorf("integrity show: exit code %d\n%s", code, out)
	}
	if !strings.Contains(s.Log(), "started, and refuses all requests") {
		t.Errorf("the log doesn't say that it refuses:\n%s", s.Log())
	}
	s.Command(t, "integrity", "accept", "--operator", "样例操作员", "--reason", "a standby took over")
	waitReady(t, s, http.StatusOK)
	waitStatus(t, c.at(s), http.StatusOK) // as it was before: it is to be disabled again
}

// waitReady waits for the answer of /readyz, 20 s at most.
func waitReady(t *testing.T, s *server, want int) {
	t.Helper()
	got, body := 0, ""
	for range 200 {
		if got, body = get(t, s.AdminURL+"/readyz"); got == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("/readyz: %d, want %d: %s\n%s", got, want, body, s.Log())
}
