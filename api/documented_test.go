package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
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
	item := s.openapi.Paths[path]
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
	if reasons, ok := answer.Extensions[extensionReasons].([]string); ok && r.Method != http.MethodHead && strings.Contains(a.Header.Get("Content-Type"), "json") && !slices.Contains(reasons, a.member("reason")) {
		t.Errorf("%s %s: %d with the reason %s is not documented", r.Method, path, a.StatusCode, a.member("reason"))
	}
	if code := a.member("error"); code != "" && op.Tags[0] == tagSignOn && !strings.Contains(answer.Description, "`"+code+"`") {
		t.Errorf("%s %s: %d with the error %s is not documented", r.Method, path, a.StatusCode, code)
	}
}

// Every error code of the provider is documented, and no other.
func TestErrorCodesAreDocumented(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../oidc/error.go", nil, 0)
	mustOf(t)(err)
	known := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Code" {
				code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				mustOf(t)(err)
				known[code] = true
			}
		}
		return true
	})
	if len(known) < 20 {
		t.Fatalf("%d codes", len(known))
	}
	for _, d := range signOns() {
		for _, c := range d.codes {
			if _, ok := known[string(c)]; !ok {
				t.Errorf("%s: there is no code %s", d.path, c)
			}
			known[string(c)] = false
		}
	}
	for code, missing := range known {
		if missing {
			t.Errorf("%s is not documented", code)
		}
	}
}
