package rest

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/api/problem"
	"yizheng.internal/license/refusal"
)

// raised is a reason code that the source raises, with its status.
type raised struct {
	status int
	reason string
}

// source is what the packages of the API and of licenses say, without their tests, and
// what the names in them mean. What comes from elsewhere means nothing here.
type source struct {
	t        testing.TB
	fset     *token.FileSet
	packages map[string]*types.Package
	info     types.Info
	funcs    map[*types.Func]*ast.FuncDecl
	defined  []*defined // see kinds
}

const (
	module      = "yizheng.internal/"
	apiPath     = module + "api"
	problemPath = module + "api/problem"
	restPath    = module + "api/rest"
	callPath    = restPath + "/call"
	licensePath = module + "license"
	refusalPath = licensePath + "/refusal"
	journalPath = module + "signing/journal"
)

// ofREST reports whether a package is that of the REST API, or one of its rooms.
func ofREST(path string) bool {
	return path == restPath || strings.HasPrefix(path, restPath+"/")
}

// ofLicenses reports whether a package is that of licenses, or one of its rooms.
func ofLicenses(path string) bool {
	return path == licensePath || strings.HasPrefix(path, licensePath+"/")
}

func readSource(t testing.TB) *source {
	t.Helper()
	s := &source{t: t, fset: token.NewFileSet(), packages: map[string]*types.Package{"net/http": statuses()}, funcs: map[*types.Func]*ast.FuncDecl{},
		info: types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}}
	if _, err := s.Import(apiPath); err != nil {
		t.Fatal(err)
	}
	return s
}

// statuses is as much of net/http as is needed: the names of statuses.
func statuses() *types.Package {
	p := types.NewPackage("net/http", "http")
	for status := range 600 {
		name := strings.NewReplacer(" ", "", "-", "", "'", "").Replace("Status" + http.StatusText(status))
		p.Scope().Insert(types.NewConst(token.NoPos, p, name, types.Typ[types.UntypedInt], constant.MakeInt64(int64(status))))
	}
	p.MarkComplete()
	return p
}

// Import implements [types.Importer].
func (s *source) Import(path string) (*types.Package, error) {
	if p := s.packages[path]; p != nil {
		return p, nil
	}
	if path != apiPath && path != journalPath && !strings.HasPrefix(path, apiPath+"/") && !ofLicenses(path) {
		return nil, errors.New("not read")
	}
	names, err := filepath.Glob(filepath.Join("..", "..", strings.TrimPrefix(path, module), "*.go"))
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(s.fset, name, nil, 0)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	c := types.Config{Importer: s, Error: func(error) {}} // of what wasn't read
	p, _ := c.Check(path, s.fset, files, &s.info)
	s.packages[path] = p
	for _, file := range files {
		for _, d := range file.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
				s.funcs[s.info.Defs[d.Name].(*types.Func)] = d
			}
		}
	}
	return p, nil
}

// raisers make errors of what they are told: their bodies raise nothing.
var raisers = map[string]int{
	"Invalid": http.StatusUnprocessableEntity, "Forbidden": http.StatusForbidden, "Missing": http.StatusNotFound, "Conflict": http.StatusConflict,
	"Limited": http.StatusTooManyRequests, "Changed": http.StatusPreconditionFailed, "Unconditional": http.StatusPreconditionRequired,
}

// keywords says which argument of methods of violations is a code.
var keywords = map[string]int{"Add": 1, "When": 2, "Err": 0}

// silent are functions whose violations never give their keyword as the reason.
var silent = map[string]string{
	"checkFields": "lone violations of the fields are schema_violation", "readPrinted": "it has reasons of its own",
}

func isRaiser(f *types.Func) bool {
	if f.Pkg().Path() == problemPath {
		return slices.Contains([]string{"Refuse", "RefuseAt", "Later"}, f.Name())
	}
	if recv := f.Signature().Recv(); recv != nil {
		_, ok := keywords[f.Name()]
		return ok && strings.HasSuffix(recv.Type().String(), refusalPath+".Violations")
	}
	return f.Pkg().Path() == refusalPath && raisers[f.Name()] != 0
}

// function returns what an expression calls or names, if it is read here.
func (s *source) function(e ast.Expr) *types.Func {
	switch x := e.(type) {
	case *ast.IndexExpr:
		return s.function(x.X)
	case *ast.SelectorExpr:
		return s.function(x.Sel)
	case *ast.Ident:
		if f, ok := s.info.Uses[x].(*types.Func); ok && s.funcs[f.Origin()] != nil {
			return f.Origin()
		}
	}
	return nil
}

// reach returns the functions that one leads to, itself included; through those
// that stop says yes to it leads nowhere. What is generic is reached for a kind of the
// catalog's entries, which stands with it.
func (s *source) reach(from *types.Func, of *defined, stop func(*types.Func) bool) map[*types.Func]*defined {
	type place struct {
		f  *types.Func
		of *defined
	}
	seen, reached := map[place]bool{}, map[*types.Func]*defined{}
	var walk func(*types.Func, *defined)
	walk = func(f *types.Func, of *defined) {
		if seen[place{f, of}] || isRaiser(f) {
			return
		}
		if seen[place{f, of}], reached[f] = true, of; stop != nil && stop(f) {
			return
		}
		ast.Inspect(s.funcs[f].Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				if to := s.function(n); to != nil {
					walk(to, s.definedFor(n, of))
				}
			case *ast.SelectorExpr:
				if to := s.function(s.defines(n, of)); to != nil {
					walk(to, nil)
				}
			}
			return true
		})
	}
	walk(from, of)
	return reached
}

// raisedBy returns what a function raises itself.
func (s *source) raisedBy(f *types.Func) map[raised]bool {
	all := map[raised]bool{}
	add := func(status int, code ast.Expr) {
		reasons := s.values(f, code, map[ast.Node]bool{})
		if len(reasons) == 0 {
			s.t.Errorf("%s: which reason that is can't be told", s.fset.Position(code.Pos()))
		}
		for _, reason := range reasons {
			all[raised{status, reason}] = true
		}
	}
	ast.Inspect(s.funcs[f].Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			to := s.function(n.Fun)
			switch {
			case to == nil || !isRaiser(to):
			case to.Pkg().Path() == problemPath:
				if status, ok := s.number(n.Args[0]); ok {
					add(status, n.Args[1])
				}
			case to.Signature().Recv() == nil:
				add(raisers[to.Name()], n.Args[0])
			case to.Name() == "Err" || silent[f.Name()] == "":
				add(http.StatusUnprocessableEntity, n.Args[keywords[to.Name()]])
			}
		case *ast.CompositeLit:
			if status, code := s.literal(n); code != nil {
				add(status, code)
			}
		}
		return true
	})
	return all
}

// literal returns the status and the reason of an error that is written out. One
// without a status of its own hands on what another one says.
func (s *source) literal(lit *ast.CompositeLit) (status int, reason ast.Expr) {
	switch kindOfError(s.info.Types[lit].Type) {
	case problemPath + ".Problem":
		status, _ = s.number(field(lit, "Status", 2))
	case refusalPath + ".Error":
		kind, _ := s.number(field(lit, "Kind", 0))
		status = problem.KindStatus(refusal.Kind(kind))
		if reason = field(lit, "Reason", 1); kind == 0 {
			reason = nil
		}
		return status, reason
	}
	if status == 0 {
		return 0, nil
	}
	return status, field(lit, "Reason", 3)
}

func kindOfError(t types.Type) string {
	if named, ok := types.Unalias(t).(*types.Named); ok && named.Obj().Pkg() != nil {
		return named.Obj().Pkg().Path() + "." + named.Obj().Name()
	}
	return ""
}

// field returns a field of a literal: by its name, or its place.
func field(lit *ast.CompositeLit, name string, place int) ast.Expr {
	for i, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); !ok {
			if i == place {
				return e
			}
		} else if id, ok := kv.Key.(*ast.Ident); ok && id.Name == name {
			return kv.Value
		}
	}
	return nil
}

func (s *source) number(e ast.Expr) (int, bool) {
	if e == nil || s.info.Types[e].Value == nil {
		return 0, false
	}
	n, ok := constant.Int64Val(s.info.Types[e].Value)
	return int(n), ok
}

// values returns the texts that an expression in a function can be.
func (s *source) values(in *types.Func, e ast.Expr, seen map[ast.Node]bool) []string {
	if v := s.info.Types[e].Value; v != nil && v.Kind() == constant.String {
		return slices.DeleteFunc([]string{constant.StringVal(v)}, func(text string) bool { return text == "" })
	}
	if seen[e] {
		return nil
	}
	seen[e] = true
	switch e := e.(type) {
	case *ast.CallExpr:
		if s.info.Types[e.Fun].IsType() { // a conversion
			return s.values(in, e.Args[0], seen)
		}
		if f := s.function(e.Fun); f != nil {
			return s.returned(f, seen)
		}
	case *ast.SelectorExpr: // the Reason of an error that was caught
		if id, ok := e.X.(*ast.Ident); ok && e.Sel.Name == "Reason" {
			return s.caught(in, id, seen)
		}
	case *ast.Ident:
		v, ok := s.info.Uses[e].(*types.Var)
		if !ok {
			return nil
		}
		if in.Name() == "errRefused" && v.Name() == "reason" { // what a store gave back of what Hindrance decided
			return s.returned(s.named(licensePath+"/grant", "Hindrance"), seen)
		}
		if i := slices.Index(slices.Collect(in.Signature().Params().Variables()), v); i >= 0 {
			return s.given(in, i, seen)
		}
		return s.assigned(in, v, seen)
	}
	return nil
}

// named returns a function of a package.
func (s *source) named(path, name string) *types.Func {
	f, ok := s.packages[path].Scope().Lookup(name).(*types.Func)
	if !ok {
		s.t.Fatalf("there is no function %s", name)
	}
	return f
}

// returned returns the texts that a function can return first.
func (s *source) returned(f *types.Func, seen map[ast.Node]bool) (all []string) {
	ast.Inspect(s.funcs[f].Body, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) > 0 {
			all = append(all, s.values(f, r.Results[0], seen)...)
		}
		_, inner := n.(*ast.FuncLit)
		return !inner
	})
	return all
}

// given returns the texts that callers give as a parameter.
func (s *source) given(to *types.Func, i int, seen map[ast.Node]bool) (all []string) {
	for f, d := range s.funcs {
		ast.Inspect(d.Body, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && s.function(call.Fun) == to {
				all = append(all, s.values(f, call.Args[i], seen)...)
			}
			return true
		})
	}
	return all
}

// assigned returns the texts that a variable of a function gets.
func (s *source) assigned(in *types.Func, v *types.Var, seen map[ast.Node]bool) (all []string) {
	ast.Inspect(s.funcs[in].Body, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == len(a.Rhs) {
			for i, to := range a.Lhs {
				if id, ok := to.(*ast.Ident); ok && (s.info.Defs[id] == v || s.info.Uses[id] == v) {
					all = append(all, s.values(in, a.Rhs[i], seen)...)
				}
			}
		}
		return true
	})
	return all
}

// caught returns the reasons of a kind of error that can come to a function, from
// what that leads to. The kind is that which errors.AsType was asked for.
func (s *source) caught(in *types.Func, v *ast.Ident, seen map[ast.Node]bool) (all []string) {
	kind := ""
	ast.Inspect(s.funcs[in].Body, func(n ast.Node) bool {
		a, ok := n.(*ast.AssignStmt)
		if !ok || s.info.Defs[identOf(a.Lhs[0])] != s.info.Uses[v] || s.info.Uses[v] == nil {
			return true
		}
		if call, ok := a.Rhs[0].(*ast.CallExpr); ok {
			if as, ok := call.Fun.(*ast.IndexExpr); ok {
				kind = types.ExprString(as.Index)
			}
		}
		return true
	})
	kind = kind[strings.LastIndexAny(kind, "*.")+1:]
	for f := range s.reach(in, nil, nil) {
		ast.Inspect(s.funcs[f].Body, func(n ast.Node) bool {
			if lit, ok := n.(*ast.CompositeLit); ok && kind != "" && strings.HasSuffix(kindOfError(s.info.Types[lit].Type), "."+kind) {
				all = append(all, s.values(f, field(lit, "Reason", s.place(lit)), seen)...)
			}
			return true
		})
	}
	return all
}

func identOf(e ast.Expr) *ast.Ident { id, _ := e.(*ast.Ident); return id }

// place returns where among a struct's fields its Reason is.
func (s *source) place(lit *ast.CompositeLit) int {
	fields, _ := s.info.Types[lit].Type.Underlying().(*types.Struct)
	for i := range fields.NumFields() {
		if fields.Field(i).Name() == "Reason" {
			return i
		}
	}
	return -1
}

// all returns what a function and all that it leads to raise.
func (s *source) all(from *types.Func, of *defined, stop func(*types.Func) bool) map[raised]bool {
	all := map[raised]bool{}
	for f := range s.reach(from, of, stop) {
		if stop == nil || !stop(f) {
			maps.Copy(all, s.raisedBy(f))
		}
	}
	return all
}
