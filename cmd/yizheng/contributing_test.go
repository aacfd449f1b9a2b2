package main_test

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// quoted is what a table's cell has between backquotes.
var quoted = regexp.MustCompile("`([^`]+)`")

// TestContributing: each file, folder and test that CONTRIBUTING's tables name is there.
func TestContributing(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
		return err == nil
	}
	tests := map[string]bool{}
	for _, f := range goFiles(t) {
		for name := range testsIn(f) {
			tests[name] = true
		}
	}
	paths, named, folders := 0, 0, false
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "|") {
			folders = false
			continue
		}
		cells := strings.Split(strings.Trim(line, "|\n"), "|")
		folders = folders || strings.TrimSpace(cells[0]) == "folder" // the table of rooms: its first cells are all folders
		last := ""
		for i, cell := range cells {
			for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
				name := m[1]
				below, short := strings.CutPrefix(name, "…/")
				switch {
				case strings.HasPrefix(name, "Test"):
					if named++; !tests[name] {
						t.Errorf("there is no test %s: %s", name, line)
					}
				case short: // beside the one before it, or in it
					if paths++; !there(path.Join(last, below)) && !there(path.Join(path.Dir(last), below)) {
						t.Errorf("there is no %s beside %s", name, last)
					}
				case strings.HasPrefix(name, "-") || strings.Contains(name, " ") || !strings.Contains(name, "/") && path.Ext(name) != ".mod" && !(folders && i == 0):
				default:
					last = strings.TrimSuffix(name, "/…")
					if paths++; !there(last) {
						t.Errorf("there is no %s: %s", name, line)
					}
				}
			}
		}
	}
	if paths < 80 || named < 40 {
		t.Errorf("%d paths and %d tests were found in the tables", paths, named)
	}
}

// testsIn returns the names of a file's tests.
func testsIn(f goFile) map[string]bool {
	names := map[string]bool{}
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasSuffix(f.name, "_test.go") && strings.HasPrefix(fn.Name.Name, "Test") {
			names[fn.Name.Name] = true
		}
	}
	return names
}
