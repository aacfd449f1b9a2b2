package main_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/api/rest"
	"yizheng.internal/cmd/internal/servertest"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/storage/porttest"
)

// onEachDatabase runs a test with SQLite and with PostgreSQL.
func onEachDatabase(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, "") })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, servertest.PostgresURL(t)) })
}

// A license is issued, verified, and still there after a restart.
func TestServe(t *testing.T) {
	onEachDatabase(t, func(t *testing.T, databaseURL string) {
		s := startServer(t, serverOptions{DatabaseURL: databaseURL})
		if !strings.Contains(s.Log(), "FIRST START") || !strings.Contains(s.Log(), "placeholder") {
			t.Errorf("the first start logs neither what to move away nor that the registry has no name:\n%s", s.Log())
		}
		c := s.setUp(t)
		issued, err := c.Issue(t.Context(), "A-1")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Stop(); err != nil {
			t.Fatalf("after SIGTERM: %v\n%s", err, s.Log())
		}
		again := startServer(t, s.Options)
		c = c.at(again)
		v, err := c.Verify(t.Context(), issued)
		if err != nil || v.Verdict != credential.Valid {
			t.Errorf("after a restart: %+v, %v", v, err)
		}
		repeated, err := c.Issue(t.Context(), "A-1")
		if err != nil || repeated.Identifier != issued.Identifier {
			t.Errorf("the repeated request: %+v, %v", repeated, err)
		}
		if strings.Contains(again.Log(), "FIRST START") {
			t.Error("the second start made keys")
		}
		for _, path := range []string{"/livez", "/readyz", "/metrics"} {
			answer, err := http.Get(again.AdminURL + path)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %s", path, answer.Status)
			}
		}
		if strings.Contains(s.Log()+again.Log(), "方样例") || strings.Contains(s.Log()+again.Log(), sampleCitizen) {
			t.Error("the log holds personal data")
		}
	})
}

// What the operator does counts in the running server.
func TestCommandsBesideServer(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{})
	c := s.setUp(t)
	if _, err := c.Issue(t.Context(), "A-1"); err != nil {
		t.Fatal(err)
	}
	s.Command(t, "client", "disable", c.ID)
	waitStatus(t, c, http.StatusUnauthorized)
	s.Command(t, "client", "enable", c.ID)
	waitStatus(t, c, http.StatusOK)
	s.Command(t, "participant", "disable", departmentUSCC)
	waitStatus(t, c, http.StatusUnauthorized)
	s.Command(t, "participant", "enable", departmentUSCC)
	waitStatus(t, c, http.StatusOK)
	s.Command(t, "type", "retire", "--participant", departmentUSCC, string(sampleType))
	for range 30 {
		_, err := c.Issue(t.Context(), rand.Text())
		if e, ok := errors.AsType[*statusError](err); ok && strings.Contains(e.Body, "type_retired") {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("3 s after the type was retired, licenses are still issued")
}

// The key that finds licenses changes under a running server, which goes on
// finding what was issued before, meanwhile and after.
func TestRotateLookupBesideServer(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{})
	c := s.setUp(t)
	var all []rest.Issued
	issue := func() {
		t.Helper()
		l, err := c.Issue(t.Context(), rand.Text())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	issue()
	s.Command(t, "key", "rotate", "lookup")
	issue()
	time.Sleep(11 * time.Second) // until every node knows the next key
	issue()
	s.Command(t, "key", "activate", "lookup-2")
	issue()
	s.Command(t, "key", "revoke", "--reason", "superseded", "lookup-1")
	issue()
	for i, l := range all {
		if v, err := c.Verify(t.Context(), l); err != nil || v.Verdict != credential.Valid {
			t.Errorf("license %d: %+v, %v", i, v, err)
		}
	}
	again := startServer(t, s.Options)
	c = c.at(again)
	for i, l := range all {
		if v, err := c.Verify(t.Context(), l); err != nil || v.Verdict != credential.Valid {
			t.Errorf("license %d, in another process: %+v, %v", i, v, err)
		}
	}
}

// waitStatus waits for the status that reading gives, 3 s at most.
func waitStatus(t *testing.T, c *apiClient, want int) {
	t.Helper()
	got := 0
	for range 30 {
		err := c.Do(t.Context(), "GET", "/v1/license-types", nil, nil)
		got = http.StatusOK
		if e, ok := errors.AsType[*statusError](err); ok {
			got = e.Status
		} else if err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("after 3 s the status is %d, not %d", got, want)
}

// A request that is under way when SIGTERM comes is still answered.
func TestGracefulShutdown(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{})
	body := `{"credential":"neither a credential nor too long to be one"}`
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.BaseURL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := fmt.Sprintf("POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", len(body))
	if _, err := io.WriteString(conn, head+body[:10]); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // the server has the head and waits for the rest
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for range 100 { // until it takes nobody else
		if other, err := net.Dial("tcp", strings.TrimPrefix(s.BaseURL, "http://")); err != nil {
			break
		} else {
			other.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := io.WriteString(conn, body[10:]); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
		t.Errorf("the request under way got %q, %v", answer, err)
	}
	if err := s.Wait(); err != nil {
		t.Errorf("exit: %v\n%s", err, s.Log())
	}
}

// Two servers on one directory and database start together, and make one installation.
func TestTwoFirstStarts(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	type result struct {
		s   *server
		err error
	}
	results := make(chan result, 2)
	program(t, "")
	for range 2 {
		go func() {
			s, err := tryServer(t, serverOptions{Data: data})
			results <- result{s, err}
		}()
	}
	var anchors []string
	for range 2 {
		r := <-results
		if r.err != nil {
			t.Fatal(r.err)
		}
		answer, err := http.Get(r.s.BaseURL + "/v1/trust/anchors")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		anchors = append(anchors, string(text))
	}
	if anchors[0] != anchors[1] {
		t.Error("the two servers have different roots")
	}
}

// A failpoint kills the process at its step, and only in programs built for it.
func TestFailpoint(t *testing.T) {
	t.Parallel()
	s := startServer(t, serverOptions{Tags: "failpoints"})
	c := s.setUp(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	o := s.Options
	o.Env = []string{"YIZHENG_FAILPOINT=issue.saved:2"}
	s = startServer(t, o)
	c = c.at(s)
	first, err := c.Issue(t.Context(), "A-1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Issue(t.Context(), "A-2"); err == nil {
		t.Error("the second license was answered")
	}
	if err := s.Wait(); !s.Killed() {
		t.Errorf("the server ended so: %v", err)
	}
	// It was stored before the kill: the same request now gets its answer.
	o.Env = nil
	c = c.at(startServer(t, o))
	second, err := c.Issue(t.Context(), "A-2")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []rest.Issued{first, second} {
		if v, err := c.Verify(t.Context(), l); err != nil || v.Verdict != credential.Valid {
			t.Errorf("verified: %+v, %v", v, err)
		}
	}
	plain, err := os.ReadFile(program(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(plain, []byte("FAILPOINT")) {
		t.Error("the ordinary program has failpoints")
	}
}

// demoFacts is what demo --json prints.
type demoFacts struct {
	Issuer  string `json:"issuer"`
	Clients []struct {
		ID           string   `json:"client_id"`
		Secret       string   `json:"client_secret"`
		Participant  string   `json:"participant"`
		Scopes       []string `json:"scopes"`
		RedirectURIs []string `json:"redirect_uris"`
	} `json:"clients"`
	Licenses []struct {
		ID               audit.ID              `json:"id"`
		Identifier       credential.Identifier `json:"identifier"`
		VerificationCode string                `json:"verification_code"`
		TypeCode         credential.TypeCode   `json:"type_code"`
	} `json:"licenses"`
	People []struct {
		Login    string `json:"login"`
		Password string `json:"password"`
		Name     string `json:"name"`
		Phone    string `json:"phone"`
	} `json:"people"`
	Departments []struct {
		Name string `json:"name"`
		URL  string `json:"url"`
	} `json:"departments"`
	MessagesURL string `json:"messages_url"`
}

// startDemo starts the demo and returns the process with its facts.
func startDemo(t testing.TB, env []string, args ...string) (*server, demoFacts, error) {
	t.Helper()
	return startTaggedDemo(t, "", env, args...)
}

func startTaggedDemo(t testing.TB, tags string, env []string, args ...string) (*server, demoFacts, error) {
	t.Helper()
	s := newTagged(t, tags, env, append([]string{"demo", "--json"}, args...)...)
	lines, err := s.start(t)
	if err != nil {
		return nil, demoFacts{}, err
	}
	var facts demoFacts
	select {
	case line := <-lines:
		if err := json.Unmarshal([]byte(line), &facts); err != nil {
			return s, facts, fmt.Errorf("%q: %w", line, err)
		}
		s.BaseURL = facts.Issuer
		return s, facts, nil
	case <-s.done:
		return s, facts, fmt.Errorf("the demo ended before it was ready: %w\n%s", s.err, s.stderr)
	case <-time.After(readyWithin):
		s.Kill()
		return s, facts, fmt.Errorf("the demo isn't ready\n%s", s.stderr)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	s, facts, err := startDemo(t, []string{"TMPDIR=" + temp}, "--listen", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if len(facts.People) < 6 || len(facts.Departments) != 2 || len(facts.Clients) < 8 || len(facts.Licenses) < 12 {
		t.Errorf("the demo says %+v", facts)
	}
	if !strings.HasPrefix(facts.Issuer, "http://localhost:") {
		t.Errorf("the issuer is %s: departments on 127.0.0.1 are no other site", facts.Issuer)
	}
	for _, url := range []string{facts.MessagesURL + "/messages.json", facts.Departments[0].URL + "/", facts.Departments[1].URL + "/"} {
		if err := download(url, filepath.Join(t.TempDir(), "page")); err != nil {
			t.Error(err)
		}
	}
	verdicts := map[string]int{}
	for _, l := range facts.Licenses {
		c := &apiClient{BaseURL: s.BaseURL, ID: facts.Clients[0].ID, Secret: facts.Clients[0].Secret}
		v, err := c.Verify(t.Context(), rest.Issued{Identifier: l.Identifier, VerificationCode: l.VerificationCode})
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range v.Checks {
			if check.Name == credential.CheckStatus {
				verdicts[check.Reason]++
			}
		}
	}
	for _, reason := range []string{"in_force", "suspended", "superseded", "ended"} {
		if verdicts[reason] == 0 {
			t.Errorf("no sample is %s: %v", reason, verdicts)
		}
	}
	for _, c := range facts.Clients {
		client := &apiClient{BaseURL: s.BaseURL, ID: c.ID, Secret: c.Secret}
		if _, err := client.Token(t.Context()); err != nil {
			t.Errorf("token of %s: %v", c.Participant, err)
		}
	}
	if err := s.Stop(); err != nil {
		t.Errorf("after SIGTERM: %v\n%s", err, s.Log())
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v, %v", left, err)
	}
}

// A demo with a directory goes on with it, and refuses one that isn't a demo's.
func TestDemoContinues(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "demo")
	address := porttest.FreeAddress(t)
	s, first, err := startDemo(t, nil, "--listen", address, "--data", data)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := startDemo(t, nil, "--listen", address, "--data", data); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("a second demo at the same address: %v", err)
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	_, second, err := startDemo(t, nil, "--listen", address, "--data", data)
	if err != nil {
		t.Fatal(err)
	}
	if second.MessagesURL != first.MessagesURL || second.Departments[1] != first.Departments[1] {
		t.Errorf("the city moved: %v, %v", first.Departments, second.Departments)
	}
	if second.Clients[0].Secret != first.Clients[0].Secret || second.Licenses[0].Identifier != first.Licenses[0].Identifier {
		t.Error("the demo went on with other samples")
	}
	other := filepath.Dir(data)
	if _, _, err := startDemo(t, nil, "--listen", "127.0.0.1:0", "--data", other); err == nil || !strings.Contains(err.Error(), "not of an earlier demo") {
		t.Errorf("a directory with other things: %v", err)
	}
}

// A demo that was killed while it made its samples goes on with them.
func TestDemoCutOff(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "demo")
	s := newProcess(t, nil, "demo", "--json", "--listen", porttest.FreeAddress(t), "--data", data)
	if _, err := s.start(t); err != nil {
		t.Fatal(err)
	}
	for range 3000 { // until the first license's key is there: participants come before licenses
		if found, _ := filepath.Glob(filepath.Join(data, "keys", "authority-*")); len(found) > 2 {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	s.Kill()
	if _, err := os.Stat(filepath.Join(data, "demo.unfinished")); err != nil {
		t.Fatalf("it was too late to kill the demo halfway: %v", err)
	}
	// Nothing may have been bound to the address yet but the public URL.
	_, _, err := startDemo(t, nil, "--listen", porttest.FreeAddress(t), "--data", data)
	if err == nil {
		return
	}
	const says = "the public URL is http://"
	at := strings.Index(err.Error(), says)
	if at < 0 {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(err.Error()[at+len(says):], " ")
	_, facts, err := startDemo(t, nil, "--listen", address, "--data", data)
	if err != nil {
		t.Fatal(err)
	}
	if len(facts.Clients) < 6 || len(facts.Licenses) < 12 {
		t.Errorf("the demo that went on says %+v", facts)
	}
}
