package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"yizheng.internal/api/openapi"
)

// documented checks that an answer is one that the OpenAPI document gives to the
// endpoint: the tests of the API get them all.
func (s *service) documented(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	if s.Server == nil {
		return
	}
	_, pattern := s.mux.Handler(r)
	path := pattern[strings.IndexByte(pattern, ' ')+1:]
	item := s.description.Paths()[path]
	if item == nil {
		return // a page, or nothing
	}
	op := map[string]*huma.Operation{"GET": item.Get, "HEAD": item.Get, "POST": item.Post, "PUT": item.Put}[r.Method]
	if op == nil { // the token endpoint and its like answer all methods
		op = item.Post
	}
	answer := op.Responses[strconv.Itoa(a.StatusCode)]
	if answer == nil {
		t.Errorf("%s %s: %d %s is not documented", r.Method, path, a.StatusCode, a.body)
		return
	}
	if reasons, ok := answer.Extensions[openapi.ReasonsExtension].([]string); ok && r.Method != http.MethodHead && strings.Contains(a.Header.Get("Content-Type"), "json") && !slices.Contains(reasons, a.member("reason")) {
		t.Errorf("%s %s: %d with the reason %s is not documented", r.Method, path, a.StatusCode, a.member("reason"))
	}
	if code := a.member("error"); code != "" && op.Tags[0] == openapi.TagSignOn && !strings.Contains(answer.Description, "`"+code+"`") {
		t.Errorf("%s %s: %d with the error %s is not documented", r.Method, path, a.StatusCode, code)
	}
}
