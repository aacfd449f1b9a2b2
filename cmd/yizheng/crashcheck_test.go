package main_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/api/rest"
	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// checkAfterCrash compares a registry with the answers that the workers got.
func checkAfterCrash(t *testing.T, c *apiClient, workers []*worker) {
	t.Helper()
	anchors := trustAnchors(t, c)
	var sum worker
	var all []*held
	for _, w := range workers {
		sum.repeated += w.repeated
		sum.replayed += w.replayed
		sum.settled += w.settled
		all = append(all, w.held...)
	}
	t.Logf("killed %d times: %d licenses, %d requests repeated, of which %d had been done", crashes(), len(all), sum.repeated, sum.replayed+sum.settled)
	if sum.repeated < crashes() {
		t.Errorf("only %d requests were cut off by %d kills: too little load for a test", sum.repeated, crashes())
	}
	lists := &statusLists{client: c, anchors: anchors, known: map[string]credential.StatusSource{}}
	todo := make(chan *held)
	var running sync.WaitGroup
	for range crashWorkers {
		running.Go(func() {
			for h := range todo {
				if err := h.check(t.Context(), c, lists); err != nil {
					t.Errorf("license %s (%s): %v", h.id, h.number, err)
				}
			}
		})
	}
	for _, h := range all {
		todo <- h
	}
	close(todo)
	running.Wait()

	answered := map[audit.ID]bool{}
	for _, h := range all {
		if answered[h.id] {
			t.Errorf("two requests got the license %s", h.id)
		}
		answered[h.id] = true
	}
	there, err := stored(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if len(there) != len(answered) {
		t.Errorf("%d licenses are stored and %d were answered", len(there), len(answered))
	}
	for _, id := range there {
		if !answered[id] {
			t.Errorf("license %s is stored and was never answered", id)
		}
	}
}

// check compares a license with what was answered of it.
func (h *held) check(ctx context.Context, c *apiClient, lists *statusLists) error {
	for _, m := range h.versions {
		if err := m.check(ctx, c, lists); err != nil {
			return fmt.Errorf("version %d: %w", m.Version, err)
		}
	}
	var l rest.License
	if err := c.load(ctx, "GET", "/v1/licenses/"+string(h.id), nil, &l); err != nil {
		return err
	}
	if newest := h.versions[len(h.versions)-1]; l.State != h.state || l.NewestVersion != newest.Version ||
		l.Identifier != newest.Identifier || l.VerificationCode != newest.VerificationCode || l.Number != h.number {
		return fmt.Errorf("it is %+v, and answered was %s, version %d, %s", l, h.state, newest.Version, newest.Identifier)
	}
	var found rest.SearchResult
	if err := c.load(ctx, "POST", "/v1/licenses/search", rest.SearchRequest{Number: h.number, TypeCode: sampleType}, &found); err != nil {
		return err
	}
	if len(found.Licenses) != 1 || found.Licenses[0].ID != h.id {
		return fmt.Errorf("its number finds %+v", found.Licenses)
	}
	changes, err := history(ctx, c, h.id)
	if err != nil {
		return err
	}
	if !maps.Equal(changes, h.changes) {
		return fmt.Errorf("its history has the changes %v, and answered were %v", changes, h.changes)
	}
	return nil
}

// check repeats the request that made a version, and verifies its credential.
func (m *made) check(ctx context.Context, c *apiClient, lists *statusLists) error {
	r, err := c.ask(ctx, "POST", m.path, m.key, m.request, m.seen)
	if err != nil {
		return err
	}
	if r.status != m.status || r.header.Get("Idempotency-Replayed") != "true" || !bytes.Equal(r.body, m.raw) {
		return fmt.Errorf("the repeated request got %v (replayed: %q), the first %s", r, r.header.Get("Idempotency-Replayed"), m.raw)
	}
	return lists.verify(ctx, m.Credential, m.state)
}

// reply is a whole answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string { return fmt.Sprintf("%d %.1000s", r.status, r.body) }

// reason returns the reason code of a problem.
func (r reply) reason() string {
	var p struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(r.body, &p) // a body that isn't a problem has none
	return p.Reason
}

// ask sends a request, with the idempotency key and the revision that was seen,
// if there are such, and returns the answer whatever it is. Its error says that
// there was no whole one.
func (c *apiClient) ask(ctx context.Context, method, path, key string, body []byte, seen ...int64) (reply, error) {
	token, err := c.Token(ctx)
	if err != nil {
		return reply{}, err
	}
	q, err := http.NewRequestWithContext(ctx, method, c.BaseURL+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	q.Header.Set("Authorization", "Bearer "+token)
	if len(body) > 0 {
		q.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		q.Header.Set("Idempotency-Key", key)
	}
	if len(seen) > 0 && seen[0] > 0 {
		q.Header.Set("If-Match", fmt.Sprintf("%q", fmt.Sprint(seen[0])))
	}
	r, err := c.http.Do(q)
	if err != nil {
		return reply{}, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return reply{r.StatusCode, r.Header, text}, err
}

// load asks for JSON and decodes the answer.
func (c *apiClient) load(ctx context.Context, method, path string, q, to any) error {
	var body []byte
	if q != nil {
		var err error
		if body, err = json.Marshal(q); err != nil {
			return err
		}
	}
	r, err := c.ask(ctx, method, path, "", body)
	if err != nil {
		return err
	}
	if r.status != http.StatusOK {
		return fmt.Errorf("%s %s: %v", method, path, r)
	}
	return json.Unmarshal(r.body, to)
}

// stored returns all licenses that are there.
func stored(ctx context.Context, c *apiClient) ([]audit.ID, error) {
	var ids []audit.ID
	q := rest.SearchRequest{TypeCode: sampleType, Limit: 100}
	for {
		var page rest.SearchResult
		if err := c.load(ctx, "POST", "/v1/licenses/search", q, &page); err != nil {
			return nil, err
		}
		for _, l := range page.Licenses {
			ids = append(ids, l.ID)
		}
		if q.Cursor = page.NextCursor; q.Cursor == "" {
			return ids, nil
		}
	}
}

// history counts the changes that a license's history tells of, and checks its order.
func history(ctx context.Context, c *apiClient, id audit.ID) (map[journal.Action]int, error) {
	changes := map[journal.Action]int{}
	last := int64(0)
	for after := int64(0); ; {
		var page struct {
			Events []rest.Event `json:"events"`
			Next   int64        `json:"next"`
		}
		if err := c.load(ctx, "GET", fmt.Sprintf("/v1/licenses/%s/history?limit=100&after=%d", id, after), nil, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Events {
			if e.License != id || e.Seq <= last {
				return nil, fmt.Errorf("event %d of license %s after event %d", e.Seq, e.License, last)
			}
			last = e.Seq
			switch e.Action {
			case journal.ActionLicenseIssue, journal.ActionLicenseReplace, journal.ActionLicenseSuspend, journal.ActionLicenseResume, journal.ActionLicenseEnd:
				if e.Result == "ok" {
					changes[e.Action]++
				}
			}
		}
		if after = page.Next; after == 0 {
			return changes, nil
		}
	}
}

// trustAnchors asks for the anchors, as a verifier would.
func trustAnchors(t testing.TB, c *apiClient) *pki.Anchors {
	t.Helper()
	r, err := c.ask(t.Context(), "GET", "/v1/trust/anchors", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	anchors, err := pki.ParseAnchors(r.body)
	if err != nil {
		t.Fatalf("anchors: %v: %v", r, err)
	}
	return anchors
}

// statusLists verifies credentials offline, with the lists that the server
// publishes, each fetched once.
type statusLists struct {
	client  *apiClient
	anchors *pki.Anchors
	mu      sync.Mutex
	known   map[string]credential.StatusSource
}

// verify checks that a credential is genuine, and that its list says the state.
func (s *statusLists) verify(ctx context.Context, token string, state license.State) error {
	source, err := s.source(ctx, token)
	if err != nil {
		return err
	}
	verifier := credential.Verifier{Anchors: s.anchors, Signatures: jose.NewVerifier(sm2.Config{}), Status: source, RevocationWaived: true}
	v := verifier.Verify(ctx, token, time.Now())
	want := map[license.State]string{license.Active: "in_force", license.Suspended: "suspended",
		license.Superseded: "superseded", license.Ended: "ended"}[state]
	verdict := credential.Invalid
	if state == license.Active {
		verdict = credential.Valid
	}
	if v.Verdict != verdict || v.License == nil {
		return fmt.Errorf("a credential that is %s verifies as %+v", state, v)
	}
	for _, c := range v.Checks {
		switch c.Name {
		case credential.CheckStatus:
			if c.Reason != want {
				return fmt.Errorf("a credential that is %s has the status %s", state, c.Reason)
			}
		case credential.CheckHolder:
		default:
			if c.Result != credential.Pass {
				return fmt.Errorf("a credential that is %s: check %+v", state, c)
			}
		}
	}
	return nil
}

// source returns the list that a credential names.
func (s *statusLists) source(ctx context.Context, token string) (credential.StatusSource, error) {
	parts := strings.Split(token, ".")
	if len(parts) < 3 {
		return nil, errors.New("not a credential")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, err
	}
	var claims struct {
		Status struct {
			List struct {
				URI string `json:"uri"`
			} `json:"status_list"`
		} `json:"status"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	path, ok := strings.CutPrefix(claims.Status.List.URI, publicURL)
	if !ok {
		return nil, fmt.Errorf("its status list is at %q", claims.Status.List.URI)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if source := s.known[path]; source != nil {
		return source, nil
	}
	r, err := s.client.ask(ctx, "GET", path, "", nil)
	if err != nil {
		return nil, err
	}
	source, err := (&credential.Verifier{Anchors: s.anchors, Signatures: jose.NewVerifier(sm2.Config{})}).OpenStatusList(ctx, string(r.body), time.Now())
	if err != nil {
		return nil, fmt.Errorf("%v: %w", r, err)
	}
	s.known[path] = source
	return source, nil
}
