package main_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// skipLine is a script's command that leaves the test, with its conditions.
var skipLine = regexp.MustCompile(`(?m)^\s*(\[[^\]]*\]\s*)*skip\b`)

// TestNoSkips keeps every test running on every machine: one that lacks
// something fails and says what to do.
func TestNoSkips(t *testing.T) {
	for _, f := range goFiles(t) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				switch s.Sel.Name {
				case "Skip", "Skipf", "SkipNow":
					t.Errorf("%s: a test is skipped", f.fset.Position(s.Pos()))
				}
			}
			return true
		})
	}
	for name, text := range texts(t, isScript) {
		if at := skipLine.FindIndex(text); at != nil {
			t.Errorf("%s: a script is skipped: %q", name, text[at[0]:at[1]])
		}
	}
}

// isScript reports whether the file is a program test's script.
func isScript(name string) bool {
	return path.Ext(name) == ".txt" && path.Base(path.Dir(name)) == "testdata"
}

// link is a Markdown link's target, without its fragment.
var link = regexp.MustCompile(`\]\(([^)#\s]*)`)

// TestLinks follows the relative links of the documentation: what they point at
// exists, and lies in this repository.
func TestLinks(t *testing.T) {
	for name, text := range texts(t, func(name string) bool { return path.Ext(name) == ".md" }) {
		for _, m := range link.FindAllSubmatch(text, -1) {
			target := string(m[1])
			if target == "" || strings.Contains(target, ":") {
				continue
			}
			file := filepath.FromSlash(path.Join(path.Dir(name), target))
			if !filepath.IsLocal(file) {
				t.Errorf("%s: link to %s leaves the repository", name, target)
			} else if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: link to %s: %v", name, target, err)
			}
		}
	}
}

// goFile is one parsed file of the module.
type goFile struct {
	name   string // from the module's root, with slashes
	fset   *token.FileSet
	syntax *ast.File
}

// goFiles parses every Go file of the module.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	walk(t, func(name, file string) {
		if path.Ext(name) != ".go" {
			return
		}
		fset := token.NewFileSet()
		syntax, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, goFile{name, fset, syntax})
	})
	return files
}

// texts returns the files of the module whose name is wanted.
func texts(t *testing.T, wanted func(name string) bool) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	walk(t, func(name, file string) {
		if !wanted(name) {
			return
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found[name] = text
	})
	return found
}

// root is the module's folder, seen from this package's.
var root = filepath.Join("..", "..")

// walk calls visit with each file of the module, as the go command sees it:
// nothing hidden, nothing installed.
func walk(t *testing.T, visit func(name, file string)) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if d.Type().IsRegular() {
			visit(filepath.ToSlash(name), file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
