package license_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/license"
)

// TestEndingKinds: each constant of EndingKind stands in the table, which is what others
// name the kinds from.
func TestEndingKinds(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "ending.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	constants := 0
	ast.Inspect(file, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := v.Type.(*ast.Ident); ok && id.Name == "EndingKind" {
			constants++
			if kind, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value); err != nil || !license.EndingKind(kind).Known() {
				t.Errorf("%s (%s) has no row in the table of kinds: %v", v.Names[0], kind, err)
			}
		}
		return true
	})
	if kinds := license.EndingKinds(); constants != len(kinds) || constants == 0 {
		t.Errorf("%d constants, and %d rows: %+v", constants, len(kinds), kinds)
	}
	if license.EndingKind("").Known() || license.EndingKind("void").Known() {
		t.Error("what is no kind is known")
	}
}

// TestEndingKindsInGuides: where a guide names three kinds of endings, it names all, by
// their codes or as the law calls them.
func TestEndingKindsInGuides(t *testing.T) {
	var codes, chinese []string
	for _, k := range license.EndingKinds() {
		codes, chinese = append(codes, "`"+string(k.Kind)+"`"), append(chinese, k.Chinese)
	}
	for guide, names := range map[string][]string{
		"integrating.md": codes, "zh/integrating.md": codes, "credential-profile.md": chinese, "zh/credential-profile.md": chinese,
	} {
		text, err := os.ReadFile("../docs/" + guide)
		if err != nil {
			t.Fatal(err)
		}
		lists := 0
		for line := range strings.Lines(string(text)) {
			var missing []string
			for _, name := range names {
				if !strings.Contains(line, name) {
					missing = append(missing, name)
				}
			}
			if len(names)-len(missing) > 2 {
				lists++
				if len(missing) > 0 {
					t.Errorf("%s names kinds of endings, but not %q: %s", guide, missing, line)
				}
			}
		}
		if lists == 0 {
			t.Errorf("%s names no kinds of endings", guide)
		}
	}
}
