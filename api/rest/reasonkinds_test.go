package rest

import (
	"go/ast"
	"go/constant"
	"go/types"
	"strings"

	"yizheng.internal/signing/journal"
)

const (
	catalogPath = licensePath + "/catalog"
	entryPath   = catalogPath + "/entry"
)

// defined is a kind of the catalog's entries as the source defines it: by a literal of
// entry.KindOf, whose fields the generic code of entries calls.
type defined struct {
	args   string // what kind, Entries and the like are instantiated with
	fields map[string]ast.Expr
}

// kinds returns the definitions of kinds of entries.
func (s *source) kinds() []*defined {
	if s.defined != nil {
		return s.defined
	}
	for f, d := range s.funcs {
		if f.Pkg().Path() != catalogPath {
			continue
		}
		ast.Inspect(d.Body, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok || kindOfError(s.info.Types[lit].Type) != entryPath+".KindOf" {
				return true
			}
			def := &defined{argsOf(s.info.Types[lit].Type), map[string]ast.Expr{}}
			for _, e := range lit.Elts {
				kv := e.(*ast.KeyValueExpr)
				def.fields[identOf(kv.Key).Name] = kv.Value
			}
			s.defined = append(s.defined, def)
			return true
		})
	}
	if len(s.defined) < 2 {
		s.t.Fatalf("%d kinds of entries were found", len(s.defined))
	}
	return s.defined
}

// argsOf returns what a type, or what it points to, is instantiated with.
func argsOf(t types.Type) string {
	if p, ok := types.Unalias(t).(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return ""
	}
	var all []string
	for arg := range named.TypeArgs().Types() {
		all = append(all, arg.String())
	}
	return strings.Join(all, ", ")
}

// definedFor returns for which kind a function is called, where what calls it is of a
// kind itself: for that of its receiver, or the same if the receiver is generic there.
func (s *source) definedFor(id *ast.Ident, of *defined) *defined {
	recv := s.info.Uses[id].(*types.Func).Signature().Recv()
	if recv == nil {
		return nil
	}
	args := argsOf(recv.Type())
	for _, def := range s.kinds() {
		if args == def.args {
			return def
		}
	}
	if args == "" {
		return nil
	}
	return of
}

// defines returns what a kind's definition says where the code of entries names a field
// of it, or else nil.
func (s *source) defines(e *ast.SelectorExpr, of *defined) ast.Expr {
	if of == nil {
		return nil
	}
	t := s.info.Types[e.X].Type
	if p, ok := t.(*types.Pointer); ok {
		t = p.Elem()
	}
	if t == nil || kindOfError(t) != entryPath+".KindOf" {
		return nil
	}
	return of.fields[e.Sel.Name]
}

// entryActions returns the actions that a method of entries does, with those of which kind.
func (s *source) entryActions(f *types.Func) map[journal.Action]*defined {
	all := map[journal.Action]*defined{}
	for _, of := range s.kinds() {
		ast.Inspect(s.funcs[f].Body, func(n ast.Node) bool {
			e, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if v := s.info.Types[s.defines(e, of)]; v.Value != nil && kindOfError(v.Type) == journalPath+".Action" {
				all[journal.Action(constant.StringVal(v.Value))] = of
			}
			return true
		})
	}
	return all
}
