package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/api/rest"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
)

// Made up: area 990100 is not assigned.
const (
	departmentUSCC = "11990100000020028W"
	sampleCitizen  = "990102199506305054"
	sampleType     = credential.TypeCode("11990100000020028W001")
)

// sampleDefinition is a type with one field.
const sampleDefinition = `{"name": "样例证", "schema": {"type": "object", "additionalProperties": false,
	"properties": {"category": {"type": "string", "title": "类别", "maxLength": 50}}, "required": ["category"]},
	"holders": [{"role": "holder", "name": "持证人", "min": 1, "max": 1, "code_types": ["111"]}],
	"validity": {"long_term": true}, "number_policy": "unique", "approval": "one_step",
	"authorities": ["` + departmentUSCC + `"]}`

// apiClient is a client of a server, which several goroutines may use. Its
// methods return errors instead of ending the test, for servers are killed
// under its hands.
type apiClient struct {
	BaseURL, ID, Secret string

	http    http.Client
	mu      sync.Mutex
	token   string
	expires time.Time
}

// setUp connects a department with a key, a published type and a client that
// may issue and read, by the operator's commands, beside the running server.
func (s *server) setUp(t testing.TB) *apiClient {
	t.Helper()
	s.Command(t, "participant", "add", "--uscc", departmentUSCC, "--name", "青禾市公安局（样例）", "--area-code", "990100", "--level", "3")
	file := filepath.Join(t.TempDir(), "type.json")
	if err := os.WriteFile(file, []byte(sampleDefinition), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Command(t, "type", "put", "--participant", departmentUSCC, string(sampleType), file)
	s.Command(t, "type", "publish", "--participant", departmentUSCC, string(sampleType))
	return s.addClient(t, "license:issue,license:read")
}

// addClient registers a client of the department.
func (s *server) addClient(t testing.TB, scopes string) *apiClient {
	t.Helper()
	out := s.Command(t, "client", "add", "--participant", departmentUSCC, "--name", "样例系统", "--scope", scopes, "--json")
	var made struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatalf("client add --json: %v: %s", err, out)
	}
	return &apiClient{BaseURL: s.BaseURL, ID: made.ID, Secret: made.Secret}
}

// at returns the same client at another server, such as the restarted one.
func (c *apiClient) at(s *server) *apiClient {
	return &apiClient{BaseURL: s.BaseURL, ID: c.ID, Secret: c.Secret}
}

// statusError is an answer that isn't of class 2xx.
type statusError struct {
	Status int
	Body   string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

// Token returns an access token, the last one while it lives.
func (c *apiClient) Token(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.expires) {
		return c.token, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}}
	q, err := http.NewRequestWithContext(ctx, "POST", c.BaseURL+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	q.SetBasicAuth(c.ID, c.Secret)
	var answer struct {
		Token   string `json:"access_token"`
		Expires int    `json:"expires_in"`
	}
	if err := c.send(q, &answer); err != nil {
		return "", err
	}
	c.token, c.expires = answer.Token, time.Now().Add(time.Duration(answer.Expires)*time.Second-30*time.Second)
	return c.token, nil
}

// Do sends a request with the client's token; in is sent as JSON unless nil,
// and the answer goes into out: *string for text, anything else is JSON.
// Answers other than 2xx are *statusError.
func (c *apiClient) Do(ctx context.Context, method, path string, in, out any, header ...string) error {
	token, err := c.Token(ctx)
	if err != nil {
		return err
	}
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	q, err := http.NewRequestWithContext(ctx, method, c.BaseURL+path, body)
	if err != nil {
		return err
	}
	q.Header.Set("Authorization", "Bearer "+token)
	if in != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	return c.send(q, out)
}

func (c *apiClient) send(q *http.Request, out any) error {
	answer, err := c.http.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return &statusError{answer.StatusCode, string(text)}
	}
	if s, ok := out.(*string); ok {
		*s = string(text)
		return nil
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// issueRequest returns a request that the sample type accepts.
func issueRequest(number string) rest.IssueRequest {
	return rest.IssueRequest{
		TypeCode: sampleType, Number: number, ValidFrom: party.DateOf(time.Now()), AreaCode: "990100",
		Holders: []credential.Holder{{Name: "方样例䶮", CodeType: party.Citizen, Code: sampleCitizen, Role: "holder"}},
		Fields:  []byte(`{"category":"样例"}`),
	}
}

// Issue issues a license with that number, under it as the idempotency key.
func (c *apiClient) Issue(ctx context.Context, number string) (rest.Issued, error) {
	var out rest.Issued
	err := c.Do(ctx, "POST", "/v1/licenses", issueRequest(number), &out, "Idempotency-Key", number)
	return out, err
}

// Credential returns a license's signed credential.
func (c *apiClient) Credential(ctx context.Context, id audit.ID) (string, error) {
	var out string
	err := c.Do(ctx, "GET", "/v1/licenses/"+string(id)+"/credential", nil, &out)
	return out, err
}

// Verify verifies a license by what stands on its paper.
func (c *apiClient) Verify(ctx context.Context, i rest.Issued) (credential.Verification, error) {
	var out credential.Verification
	err := c.Do(ctx, "POST", "/v1/verify", map[string]string{
		"identifier": string(i.Identifier), "verification_code": i.VerificationCode,
	}, &out)
	return out, err
}
