package openapi

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/api/web"
)

// Each reason of the provider is documented where it can come, and explained once.
func TestSignOnReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	doc := New("https://id.example", true)
	texts, err := web.New()
	if err != nil {
		t.Fatal(err)
	}
	made, err := doc.Page(texts, web.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	page := string(made)
	type raised struct {
		status int
		reason string
	}
	meanings := map[raised]string{}
	for _, e := range signOns() {
		method := strings.Fields(e.methods)[0]
		for _, f := range e.Reasons() {
			r := raised{f.Status, f.Reason}
			if known := meanings[r]; known != "" && known != f.Meaning {
				t.Errorf("%v means %q and %q", r, known, f.Meaning)
			}
			meanings[r] = f.Meaning
			op := doc.Paths()[e.path].Post
			if method == "GET" {
				op = doc.Paths()[e.path].Get
			}
			answer := op.Responses[strconv.Itoa(f.Status)]
			if listed, _ := answer.Extensions[ReasonsExtension].([]string); !strings.Contains(answer.Description, "\n- `"+f.Reason+"`: "+f.Meaning) || !slices.Contains(listed, f.Reason) {
				t.Errorf("%s: %v is not explained", e.id, r)
			}
			anchor := fmt.Sprintf("oauth-%d-%s", f.Status, f.Reason)
			if strings.Count(page, `<tr id="`+anchor+`">`) != 1 || !strings.Contains(page, `<a href="#`+anchor+`">`) {
				t.Errorf("%v is not explained once on the page, or no operation leads there", r)
			}
		}
	}
	if len(meanings) < 70 {
		t.Errorf("the provider has %d reasons", len(meanings))
	}
}

// Every error code of the provider is documented, and no other.
func TestErrorCodesAreDocumented(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "../../oidc/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok {
			if kind, ok := v.Type.(*ast.Ident); ok && kind.Name == "Code" {
				code, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
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
