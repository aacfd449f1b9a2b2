package call

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/license/audit"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// world serves one endpoint at a time, for whoever access is.
type world struct {
	Server
	access  token.Access
	refusal error    // of the access token
	refused []string // what was recorded: action, license, reason
}

func newWorld(t *testing.T, readings int) *world {
	t.Helper()
	problems, err := problem.NewWriter(problem.Config{
		Log: problem.NewLog(slog.New(slog.DiscardHandler)), Refused: func(string) {},
		Page: func(http.ResponseWriter, *http.Request, problem.Problem, error) bool { return false },
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{access: token.Access{Client: "client"}}
	w.Server = New(Config{
		Problems: problems, Readers: limit.NewRate(readings, readings), Step: func(string) {},
		Authorize: func(*http.Request, oidc.Scope) (token.Access, error) { return w.access, w.refusal },
		Refused: func(_ context.Context, _ audit.Actor, action journal.Action, id audit.ID, reason string) error {
			w.refused = append(w.refused, string(action)+" "+string(id)+" "+reason)
			return nil
		},
	})
	return w
}

// serve mounts an endpoint and has it answer a request. It returns the answer, and the reason if
// it is a refusal.
func (w *world) serve(e Endpoint, r *http.Request) (*httptest.ResponseRecorder, string) {
	mux := http.NewServeMux()
	w.Mount(e, mux.Handle, openapi.New("https://id.example", false))
	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, r)
	var p problem.Problem
	if json.Unmarshal(answer.Body.Bytes(), &p) != nil {
		return answer, ""
	}
	return answer, p.Reason
}

// echo takes a body of one member and answers with it.
func echo(c *Call) error {
	var q struct {
		Text string `json:"text"`
	}
	if err := c.Decode(&q); err != nil {
		return err
	}
	return c.Reply(q)
}

func TestBodies(t *testing.T) {
	taking := Endpoint{openapi.Endpoint{Method: "POST", Path: "/x", ID: "x", Public: true, Most: 64}, echo}
	none := Endpoint{openapi.Endpoint{Method: "POST", Path: "/x", ID: "x", Public: true}, func(c *Call) error {
		if err := c.NoBody(); err != nil {
			return err
		}
		return c.Send(nil)
	}}
	for name, tt := range map[string]struct {
		endpoint     Endpoint
		body, header string
		status       int
		reason       string
	}{
		"a body":             {taking, `{"text":"a"}`, "", 200, ""},
		"nothing":            {taking, ``, "", 400, "body_empty"},
		"not JSON":           {taking, `{text}`, "", 400, "json_syntax"},
		"an unknown member":  {taking, `{"another":1}`, "", 400, "json_unknown_member"},
		"a member twice":     {taking, `{"text":"a","text":"b"}`, "", 400, "json_duplicate_name"},
		"another type":       {taking, `{"text":1}`, "", 400, "json_type"},
		"something behind":   {taking, `{"text":"a"} 1`, "", 400, "json_trailing"},
		"no UTF-8":           {taking, "{\"text\":\"\xff\"}", "", 400, "json_utf8"},
		"a list":             {taking, `["a"]`, "", 400, "json_type"},
		"too much":           {taking, `{"text":"` + strings.Repeat("a", 64) + `"}`, "", 413, "body_too_large"},
		"a form":             {taking, `a=b`, "Content-Type: application/x-www-form-urlencoded", 415, "media_type"},
		"another charset":    {taking, `{"text":"a"}`, "Content-Type: application/json; charset=gbk", 415, "media_type"},
		"UTF-8, as it is":    {taking, `{"text":"a"}`, "Content-Type: application/json; charset=UTF-8", 200, ""},
		"packed":             {taking, `{"text":"a"}`, "Content-Encoding: gzip", 415, "content_encoding"},
		"none, as it should": {none, ``, "", 200, ""},
		"none, as an object": {none, ` {} `, "", 200, ""},
		"one too many":       {none, `{"text":"a"}`, "", 400, "body_unexpected"},
	} {
		r := httptest.NewRequest("POST", "/x", strings.NewReader(tt.body))
		r.Header.Set("Content-Type", "application/json")
		if name, value, ok := strings.Cut(tt.header, ": "); ok {
			r.Header.Set(name, value)
		}
		if answer, reason := newWorld(t, 1).serve(tt.endpoint, r); answer.Code != tt.status || reason != tt.reason {
			t.Errorf("%s: %d %s", name, answer.Code, reason)
		}
	}
}

func TestQuery(t *testing.T) {
	e := Endpoint{openapi.Endpoint{Method: "GET", Path: "/x", ID: "x", Public: true, Query: []openapi.Parameter{{Name: "limit"}, {Name: "after"}}}, func(c *Call) error {
		if err := c.CheckQuery(); err != nil {
			return err
		}
		n, err := c.Integer("limit", 1, 100, 20)
		if err != nil {
			return err
		}
		return c.Reply(n)
	}}
	for query, want := range map[string]string{
		"": "20", "limit=1": "1", "limit=100&after=x": "100",
		"limit=0": "", "limit=101": "", "limit=x": "", "limit=1&limit=2": "", "limt=1": "", "limit=%zz": "",
	} {
		answer, reason := newWorld(t, 1).serve(e, httptest.NewRequest("GET", "/x?"+query, nil))
		if want == "" && (answer.Code != 400 || reason != "query_parameter") || want != "" && answer.Body.String() != want {
			t.Errorf("%q: %d %s", query, answer.Code, answer.Body)
		}
	}
}

// If-Match names revisions; what is no revision matches nothing, and what is no tag is refused.
func TestRevisions(t *testing.T) {
	for name, tt := range map[string]struct {
		lines []string
		want  []int64 // nil and refused: malformed
		bad   bool
	}{
		"none":               {nil, nil, false},
		"any":                {[]string{"*"}, nil, false},
		"one":                {[]string{`"3"`}, []int64{3}, false},
		"several":            {[]string{`"3", "4"`, `"5"`}, []int64{3, 4, 5}, false},
		"weak":               {[]string{`W/"3"`}, []int64{0}, false},
		"no revision":        {[]string{`"x", "0", "-1"`}, []int64{0, 0, 0}, false},
		"without quotes":     {[]string{"3"}, nil, true},
		"an open quote":      {[]string{`"3`}, nil, true},
		"a quote too many":   {[]string{`"3"4"`}, nil, true},
		"any and one":        {[]string{`*, "3"`}, nil, true},
		"as many as allowed": {[]string{strings.Repeat(`"1",`, maxMatches-1) + `"1"`}, slices.Repeat([]int64{1}, maxMatches), false},
		"one more":           {[]string{strings.Repeat(`"1",`, maxMatches) + `"1"`}, nil, true},
	} {
		r := httptest.NewRequest("POST", "/x", nil)
		r.Header[IfMatch] = tt.lines
		got, err := (&Call{Request: r}).Revisions()
		if !slices.Equal(got, tt.want) || (err != nil) != tt.bad {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Refusals of clients leave an event; those of callers nobody knows don't.
func TestRefusalsAreRecorded(t *testing.T) {
	e := Endpoint{openapi.Endpoint{Method: "POST", Path: "/x/{id}", ID: "x", Action: "license.suspend", Scope: oidc.ScopeLicenseIssue, Most: 64}, echo}
	try := func(w *world) string {
		r := httptest.NewRequest("POST", "/x/one", strings.NewReader("{"))
		r.Header.Set("Content-Type", "application/json")
		answer, reason := w.serve(e, r)
		if answer.Header().Get("Cache-Control") != "no-store" {
			t.Error("a refusal may be cached")
		}
		return reason
	}
	w := newWorld(t, 1)
	if reason := try(w); reason != "json_syntax" || !slices.Equal(w.refused, []string{"license.suspend one json_syntax"}) {
		t.Errorf("%s, recorded %q", reason, w.refused)
	}
	w = newWorld(t, 1)
	w.refusal = &problem.Bearer{Err: &oidc.Error{Code: oidc.InsufficientScope}, Scope: e.Scope}
	if reason := try(w); reason != "insufficient_scope" || !slices.Equal(w.refused, []string{"license.suspend one insufficient_scope"}) {
		t.Errorf("without the scope: %s, recorded %q", reason, w.refused)
	}
	w = newWorld(t, 1)
	w.access, w.refusal = token.Access{}, &problem.Bearer{Err: &oidc.Error{Code: oidc.InvalidToken}}
	if reason := try(w); reason != "invalid_token" || len(w.refused) > 0 {
		t.Errorf("with a bad token: %s, recorded %q", reason, w.refused)
	}
	w, e.Public = newWorld(t, 1), true
	if answer, reason := w.serve(e, httptest.NewRequest("POST", "/x/one", nil)); reason != "media_type" || answer.Code != 415 || len(w.refused) > 0 {
		t.Errorf("by anybody: %s, recorded %q", reason, w.refused)
	}
}

// A person reads a share of what a client may; what changes something isn't counted.
func TestReadingsAreLimited(t *testing.T) {
	serve := func(c *Call) error { return c.Reply("") }
	reading := Endpoint{openapi.Endpoint{Method: "GET", Path: "/x", ID: "x"}, serve}
	writing := Endpoint{openapi.Endpoint{Method: "POST", Path: "/x", ID: "x"}, serve}
	w := newWorld(t, 1)
	times := func(e Endpoint) (n int) {
		for n < 2*clientShare {
			if answer, _ := w.serve(e, httptest.NewRequest(e.Method, "/x", nil)); answer.Code == 429 {
				break
			}
			n++
		}
		return n
	}
	if n := times(reading); n < clientShare || n > clientShare+5 {
		t.Errorf("a client read %d times", n)
	}
	w.access.Party = "zhang"
	if n := times(reading); n != 1 {
		t.Errorf("a person read %d times", n)
	}
	if w.access.Party = "li"; times(reading) == 0 {
		t.Error("another person may not read")
	}
	if n := times(writing); n != 2*clientShare {
		t.Errorf("it wrote %d times", n)
	}
}

// What everybody may cache is answered once.
func TestPublic(t *testing.T) {
	e := Endpoint{openapi.Endpoint{Method: "GET", Path: "/x", ID: "x", Public: true, Media: "text/plain"}, func(c *Call) error {
		return c.Public([]byte("text"), "public, max-age=60")
	}}
	first, _ := newWorld(t, 1).serve(e, httptest.NewRequest("GET", "/x", nil))
	h := first.Header()
	if first.Body.String() != "text" || h.Get("Content-Type") != "text/plain" || h.Get("Cache-Control") != "public, max-age=60" || h.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("%q with %v", first.Body, h)
	}
	r := httptest.NewRequest("GET", "/x", nil)
	r.Header.Set("If-None-Match", h.Get("ETag"))
	if again, _ := newWorld(t, 1).serve(e, r); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
		t.Errorf("again: %d %q", again.Code, again.Body)
	}
}
