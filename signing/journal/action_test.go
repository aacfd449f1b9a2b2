package journal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/signing/journal"
)

// Each constant of the type Action has its row in the table, and its name a form by which
// it can be sought.
func TestActions(t *testing.T) {
	all := journal.Actions()
	form := regexp.MustCompile(`^[a-z_]+\.[a-z_]+$`)
	known := map[journal.Action]bool{}
	for _, k := range all {
		if known[k.Action] {
			t.Errorf("%s stands twice in the table", k.Action)
		}
		known[k.Action] = true
		if !form.MatchString(string(k.Action)) || k.Log != "" && !slices.Contains(journal.Logs, k.Log) || len(k.Meaning) < 10 || !strings.HasSuffix(k.Meaning, ".") || strings.Contains(k.Subject+k.Meaning, "|") {
			t.Errorf("%+v", k)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "action.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == "Action" {
			constants++
			name, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil || !known[journal.Action(name)] {
				t.Errorf("%s (%s) has no row in the table of actions: %v", v.Names[0], name, err)
			}
		}
		return true
	})
	if constants != len(all) || constants < 70 {
		t.Errorf("%d constants, %d rows", constants, len(all))
	}
}
