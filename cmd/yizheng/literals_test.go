package main_test

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

// TestReasonsAreNamed: who decides by a reason, a kind or a code of an error names a
// constant, in comparisons and in the keys of maps. A literal that is mistyped compiles, and
// never fits.
func TestReasonsAreNamed(t *testing.T) {
	decides := map[string]bool{"Reason": true, "Kind": true, "Code": true}
	found, maps := 0, 0
	for _, f := range goFiles(t) {
		if strings.HasSuffix(f.name, "_test.go") || strings.HasPrefix(f.name, "storage/postgres/") { // SQLSTATEs
			continue
		}
		field := func(e ast.Expr) bool {
			s, ok := e.(*ast.SelectorExpr)
			return ok && decides[s.Sel.Name]
		}
		literal := func(e ast.Expr) bool {
			l, ok := e.(*ast.BasicLit)
			return ok && l.Kind == token.STRING && l.Value != `""`
		}
		refuse := func(e ast.Expr) {
			t.Errorf("%s: a reason is decided by as %s: give it a name beside its type", f.fset.Position(e.Pos()), e.(*ast.BasicLit).Value)
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if n.Op != token.EQL && n.Op != token.NEQ {
					return true
				}
				for _, sides := range [][2]ast.Expr{{n.X, n.Y}, {n.Y, n.X}} {
					if field(sides[0]) {
						found++
						if literal(sides[1]) {
							refuse(sides[1])
						}
					}
				}
			case *ast.CompositeLit:
				m, ok := n.Type.(*ast.MapType)
				if !ok || !decides[typeName(m.Key)] {
					return true
				}
				maps++
				for _, e := range n.Elts {
					if pair, ok := e.(*ast.KeyValueExpr); ok && literal(pair.Key) {
						refuse(pair.Key)
					}
				}
			case *ast.SwitchStmt:
				if n.Tag == nil || !field(n.Tag) {
					return true
				}
				found++
				for _, c := range n.Body.List {
					for _, e := range c.(*ast.CaseClause).List {
						if literal(e) {
							refuse(e)
						}
					}
				}
			}
			return true
		})
	}
	if found < 10 || maps < 4 {
		t.Errorf("%d comparisons of reasons were found, %d maps", found, maps)
	}
}

// typeName returns the name of a type, without its package; "" if it has none.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}
