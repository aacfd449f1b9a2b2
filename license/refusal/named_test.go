package refusal

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// A reason that has a name is one that is given.
func TestNamedReasons(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "named.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok {
			return true
		}
		reason, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		if named++; !slices.ContainsFunc(All(), func(f Refusal) bool { return string(f.Reason) == reason }) {
			t.Errorf("%s is not in the table", reason)
		}
		return true
	})
	if named < 14 {
		t.Errorf("%d names were found", named)
	}
}
