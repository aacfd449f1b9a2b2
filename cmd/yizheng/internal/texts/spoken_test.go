package texts

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// English that no operator reads in the other language, by file.
var englishAlone = map[string][]string{
	"internal/demo/register.go":      {"the population register has nobody"},                            // the demo's, on pages
	"internal/enroll/person.go":      {"asked for"},                                                     // in JSON; the catalogue has its word
	"internal/events/archiveshow.go": {"data key %d is not here", "altered, or another installation's"}, // in JSON
	"internal/doctor/keys.go":        {"yizheng key rotate "},                                           // a command to copy
	"internal/doctor/trust.go":       {"yizheng key rotate "},
	"main.go":                        {"the registry of electronic licenses"}, // Chinese by Translate
	"internal/texts/exit.go":         {"exit code %d"},                        // never shown
	"internal/serve/failpoint.go":    {"step %s"},                             // for tests
	"internal/serve/metrics.go":      {"When the ", "Keys by purpose", "Until when the root's"},
	"internal/serve/service.go":      {"request error"}, // a library's, in the log
}

var (
	letters  = regexp.MustCompile(`[A-Za-z]`)
	sentence = regexp.MustCompile(`[A-Za-z]{2,} [A-Za-z]{2,}`)
)

// What a command says of an error or a result goes through one of these.
var (
	printers = []string{"Fprint", "Fprintf", "Fprintln", "fmt.Print", "Printf", "Println", "Errorf", "New", "WriteString", "Row", "Record", "Progress", "Bytes", "Complain"}
	keyed    = map[string]int{"Say": 0, "Print": 0, "Refuse": 0, "Usage": 0, "ok": 1, "warn": 2, "fail": 2}
	logs     = []string{"Debug", "Info", "Warn", "Error", "logError", "panic", "MustCompile"}
)

// TestTextsOfCommands holds that everything a command says stands in the catalogue:
// a text in the program itself would be English for everybody.
func TestTextsOfCommands(t *testing.T) {
	en := WordsOf(English)
	used := map[string]bool{}
	rooms := 0
	for _, dir := range program(t) {
		files, set := sources(t, filepath.Join(commands, dir))
		for name, file := range files {
			c := spoken{t: t, set: set, en: en, file: filepath.ToSlash(filepath.Join(dir, name))}
			ast.Walk(c, file)
			for _, text := range literals(file) {
				used[text] = true
			}
		}
		if len(files) > 0 {
			rooms++
		}
	}
	for key := range Read("messages.en") {
		if !used[key] && !made(key) {
			t.Errorf("nobody says %s", key)
		}
	}
	if len(used) < 500 || rooms < 8 {
		t.Errorf("only %d texts in %d packages were looked at", len(used), rooms)
	}
}

// commands is the program's folder, from here.
const commands = "../.."

// elsewhere are folders below it that say nothing to operators in these texts: departments'
// programs, which know nothing of the registry's, and what only tests run.
var elsewhere = []string{"e2e", "testdata", "internal/demo/department", "internal/enroll/seed", "internal/toolcheck"}

// program returns the folders of the program's packages, from its own.
func program(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(commands, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		dir, err := filepath.Rel(commands, path)
		if slices.Contains(elsewhere, filepath.ToSlash(dir)) {
			return filepath.SkipDir
		}
		dirs = append(dirs, dir)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// made reports whether a key is put together by the program.
func made(key string) bool {
	return slices.ContainsFunc([]string{
		"verify.reason.", "verify.result.", "verify.check.", "doctor.about.", "doctor.grade.", "column.", "kind.", "acting.", "state.", "class.", "license.", "password.", "proofed.", "post.", "doctor.proving_", "factor.", "certificate.", "quarantine.", "unreadable.", "unmapped.",
	}, func(p string) bool { return strings.HasPrefix(key, p) })
}

// spoken visits a file of the program.
type spoken struct {
	t     *testing.T
	set   *token.FileSet
	en    Words
	file  string
	quiet bool // what is below is for the log, or for the parser
}

// Visit implements [ast.Visitor].
func (s spoken) Visit(n ast.Node) ast.Visitor {
	switch n := n.(type) {
	case *ast.ImportSpec, *ast.Field: // with its tag: help has its own test
		return nil
	case *ast.KeyValueExpr:
		if k, ok := n.Key.(*ast.Ident); ok && k.Name == "Help" {
			s.quiet = true
		}
	case *ast.CallExpr:
		s.call(n)
		s.quiet = s.quiet || slices.Contains(logs, called(n))
	case *ast.BasicLit:
		if text := unquoted(n); !s.quiet && sentence.MatchString(text) {
			s.wrong(n, text, "this is English for everybody")
		}
	}
	return s
}

func (s spoken) wrong(at ast.Node, what, why string) {
	if !slices.ContainsFunc(englishAlone[s.file], func(text string) bool { return strings.Contains(what, text) }) {
		s.t.Errorf("%s: %.80q: %s", s.set.Position(at.Pos()), what, why)
	}
}

// call looks at what a call is given.
func (s spoken) call(n *ast.CallExpr) {
	name := called(n)
	if slices.Contains(printers, name) {
		for _, a := range n.Args {
			for _, text := range direct(a) {
				if letters.MatchString(verbs.ReplaceAllString(text, "")) {
					s.wrong(a, text, "this is printed as it stands: give it a key of the catalogue")
				}
			}
		}
	}
	if name == "Listing" && !n.Ellipsis.IsValid() {
		for _, a := range n.Args[1:] {
			if text := strings.Join(direct(a), ""); s.en["column."+text] == "" {
				s.wrong(a, text, "no column has this name")
			}
		}
	}
	at, ok := keyed[name]
	if !ok || at >= len(n.Args) || n.Ellipsis.IsValid() {
		return
	}
	if name == "ok" || name == "warn" || name == "fail" {
		if x, ok := n.Fun.(*ast.SelectorExpr); !ok || !isNamed(x.X, "e") {
			return
		}
	}
	lit, ok := n.Args[at].(*ast.BasicLit)
	if !ok {
		return // it is put together
	}
	key := unquoted(lit)
	text, ok := s.en[key]
	if !ok && verbs.MatchString(key) && !letters.MatchString(verbs.ReplaceAllString(key, "")) {
		text, ok = key, true // an error alone
	}
	if want, have := len(verbs.FindAllString(text, -1)), len(n.Args)-at-1; !ok || want != have {
		s.wrong(n, key, "has no text in the catalogue, or one with another number of arguments")
	}
}

func isNamed(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}

// typeName returns the name of a type, without its package's.
func typeName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	}
	return ""
}

// called returns the name of the function that is called.
func called(n *ast.CallExpr) string {
	switch f := n.Fun.(type) {
	case *ast.Ident:
		return f.Name
	case *ast.SelectorExpr:
		if isNamed(f.X, "fmt") && f.Sel.Name == "Print" {
			return "fmt.Print"
		}
		return f.Sel.Name
	case *ast.IndexExpr: // of a type parameter
		return called(&ast.CallExpr{Fun: f.X})
	}
	return ""
}

// direct returns the texts of an argument, without those of calls in it.
func direct(a ast.Expr) (texts []string) {
	ast.Inspect(a, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			texts = append(texts, unquoted(lit))
		}
		switch n.(type) {
		case *ast.CallExpr, *ast.FuncLit, *ast.CompositeLit, *ast.IndexExpr:
			return false
		}
		return true
	})
	return texts
}

func unquoted(lit *ast.BasicLit) string {
	if lit.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil {
		return lit.Value
	}
	return text
}

// literals returns the texts in a file; those that are put together of literals as one.
func literals(file ast.Node) (texts []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			if joined := direct(n); n.Op == token.ADD && len(joined) > 1 {
				texts = append(texts, strings.Join(joined, ""))
			}
		case *ast.BasicLit:
			texts = append(texts, unquoted(n))
		}
		return true
	})
	return texts
}

// sources parses the program's files in a folder, by their names.
func sources(t *testing.T, dir string) (map[string]*ast.File, *token.FileSet) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	files, set := map[string]*ast.File{}, token.NewFileSet()
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(name)] = f
	}
	return files, set
}

// moduleRoot is the module's folder, from here.
const moduleRoot = "../../../.."

// TestReasons holds the Chinese texts of reason codes to the packages that have them:
// each code has its text, and none is left over.
func TestReasons(t *testing.T) {
	reasons := Read("reasons.zh")
	there := map[string]bool{}
	for _, dir := range slices.Concat(packagesBelow(t, "license"), packagesBelow(t, "oidc")) {
		files, _ := sources(t, filepath.Join(moduleRoot, dir))
		for name, file := range files {
			for _, text := range literals(file) {
				there[text] = true
			}
			for _, code := range codesOf(dir, file) {
				if reasons["reason."+code] == "" {
					t.Errorf("%s/%s refuses with %s, which has no Chinese text", dir, name, code)
				}
			}
		}
	}
	for key, text := range reasons {
		if code := strings.TrimPrefix(key, "reason."); !there[code] {
			t.Errorf("no package refuses with %s", code)
		}
		if !strings.ContainsFunc(text, isHan) {
			t.Errorf("%s: %s", key, text)
		}
	}
}

// packagesBelow returns the folders of a top-level one's packages, itself first, from
// the module's root.
func packagesBelow(t *testing.T, top string) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(moduleRoot, top), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		files, _ := filepath.Glob(filepath.Join(path, "*.go"))
		dir, err := filepath.Rel(moduleRoot, path)
		if len(files) > 0 && !strings.HasSuffix(dir, "test") { // what tests share refuses nobody
			dirs = append(dirs, dir)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

var code = regexp.MustCompile(`^[a-zA-Z]+(_[a-z]+)*$`)

// codesOf returns the reason codes that a file makes errors with.
func codesOf(dir string, file *ast.File) (codes []string) {
	add := func(x ast.Expr) {
		if lit, ok := x.(*ast.BasicLit); ok && code.MatchString(unquoted(lit)) {
			codes = append(codes, unquoted(lit))
		}
	}
	at := map[string]int{"Invalid": 0, "Forbidden": 0, "Missing": 0, "Conflict": 0, "Limited": 0, "Changed": 0, "Unconditional": 0,
		"refuse": 0, "When": 2, "Add": 1, "relationError": 1}
	provider := dir != "oidc/identity" && strings.HasPrefix(dir+"/", "oidc/") // OAuth's errors are no command's
	if provider {
		at = map[string]int{"relationError": 1}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			if i, ok := at[called(n)]; ok && i < len(n.Args) {
				add(n.Args[i])
			}
		case *ast.CompositeLit:
			if t := typeName(n.Type); t == "RegistrationError" || t == "NameError" {
				if kv, ok := n.Elts[0].(*ast.KeyValueExpr); ok {
					add(kv.Value)
				} else {
					add(n.Elts[0])
				}
			}
			if x, ok := n.Type.(*ast.SelectorExpr); !isNamed(n.Type, "Error") && (!ok || !isNamed(x.X, "identity")) || provider && (!ok || !isNamed(x.X, "identity")) {
				return true
			}
			for i, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok && isNamed(kv.Key, "Reason") {
					add(kv.Value)
				} else if !ok && i == 1 {
					add(e)
				}
			}
		}
		return true
	})
	return codes
}

// TestPhrases holds the Chinese phrases to the packages that say them in English: what
// is said otherwise now, or no longer, has no use here.
func TestPhrases(t *testing.T) {
	var said strings.Builder
	for _, top := range []string{"license", "oidc", "signing", "storage", "api"} {
		for _, dir := range packagesBelow(t, top) {
			files, _ := sources(t, filepath.Join(moduleRoot, dir))
			for _, file := range files {
				said.WriteString(strings.Join(literals(file), "\n") + "\n")
			}
		}
	}
	ours := phrasesOf("phrases.zh")
	for _, p := range ours {
		longest := ""
		for _, piece := range verbs.Split(strings.TrimSuffix(p.format, ": %w"), -1) {
			if len(piece) > len(longest) {
				longest = piece
			}
		}
		if !strings.Contains(said.String(), longest) {
			t.Errorf("no package says %q", longest)
		}
	}
	for _, p := range append(ours, phrasesOf("system.zh")...) {
		if !strings.ContainsFunc(p.text, isHan) || strings.Contains(p.text, "$"+strconv.Itoa(len(p.wraps)+1)) {
			t.Errorf("%s => %s", p.format, p.text)
		}
	}
	text, err := os.ReadFile("phrases.zh.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") && !strings.Contains(line, " => ") {
			t.Errorf("this is no phrase: %s", line)
		}
	}
}
