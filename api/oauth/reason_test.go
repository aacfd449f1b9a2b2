package oauth

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// elsewhere are reasons of the provider that no answer of these endpoints has: what they
// are of is shown on a page, stands in WWW-Authenticate, or is for the events alone.
var elsewhere = map[string]string{
	"client_missing": "a page", "client_unknown": "a page", "no_logins": "a page", "path_invalid": "a page", "full": "a page", "request_uri_gone": "a page",
	"offer_changed": "a page, for the form is shown again",
	"token_period":  "the REST API",
	"token_in_url":  "WWW-Authenticate", "token_repeated": "WWW-Authenticate", "token_missing": "WWW-Authenticate", "token_malformed": "WWW-Authenticate",
	"parameters_many": "a page",
}

// reasonCalls says which argument of a function is the reason of the error that it makes.
var reasonCalls = map[string]int{"invalid": 0, "Invalid": 0, "invalidRequest": 0, "BadGrant": 0, "refuse": 0, "tooMany": 1}

// TestOAuthReasonsAreListed reads the source of the provider: each reason of its errors
// is in the table of this package, or it is said where else it is seen; and the table has
// no reason that nothing gives.
func TestOAuthReasonsAreListed(t *testing.T) {
	t.Parallel()
	found := map[string]bool{reasonMissing: true, "client_disabled": true, "participant_disabled": true} // these two of oidc's standing.check
	constants := reasonConstants(t)
	add := func(e ast.Expr) {
		switch e := e.(type) {
		case *ast.Ident:
			if text := constants[e.Name]; text != "" {
				found[text] = true
			}
		case *ast.SelectorExpr:
			if text := constants[e.Sel.Name]; text != "" {
				found[text] = true
			}
		}
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			if text != "" {
				found[text] = true
			}
		}
	}
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir("../../oidc", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "identity" {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".go") {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	joined, err := filepath.Glob("../join/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, joined...) {
		base := filepath.Base(name)
		if strings.HasSuffix(name, "_test.go") || slices.Contains([]string{"administration.go", "registration.go", "participants.go", "logout.go"}, base) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Reason" {
					add(n.Value)
				}
			case *ast.AssignStmt:
				if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && to.Sel.Name == "Shown" {
					add(n.Rhs[0])
				}
			case *ast.CallExpr:
				called, ok := n.Fun.(*ast.Ident)
				if sel, is := n.Fun.(*ast.SelectorExpr); is {
					called, ok = sel.Sel, true
				}
				if at, known := 0, false; ok {
					if at, known = reasonCalls[called.Name]; known && at < len(n.Args) {
						add(n.Args[at])
					}
				}
			}
			return true
		})
	}
	if len(found) < 60 {
		t.Fatalf("%d reasons were found", len(found))
	}
	listed := map[string]bool{}
	for _, f := range reasons {
		if listed[f.Reason] {
			t.Errorf("%s stands twice", f.Reason)
		}
		listed[f.Reason] = true
		if !found[f.Reason] {
			t.Errorf("nothing gives %s", f.Reason)
		}
		if f.Meaning == "" || len(f.of) == 0 {
			t.Errorf("%s has no meaning or endpoint", f.Reason)
		}
	}
	for reason := range found {
		if listed[reason] == (elsewhere[reason] != "") {
			t.Errorf("%s is in the table: %v, elsewhere: %q", reason, listed[reason], elsewhere[reason])
		}
	}
	for reason := range elsewhere {
		if !found[reason] {
			t.Errorf("nothing gives %s", reason)
		}
	}
}

// reasonConstants returns the provider's reasons that have a name.
func reasonConstants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../../oidc/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if of, ok := spec.Type.(*ast.Ident); ok && of.Name == "Reason" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			constants[spec.Names[0].Name] = text
		}
		return true
	})
	if len(constants) < 10 {
		t.Fatalf("%d reasons have a name", len(constants))
	}
	return constants
}
