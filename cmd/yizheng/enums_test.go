package main_test

import (
	"go/ast"
	"go/token"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// someOf are the fields that take some of their type's values alone.
var someOf = map[string]string{
	"api/rest.SearchRequest.State": "drafts are not issued yet, so nobody finds one",
}

// TestEnums compares each enum tag with the constants of its field's type: a constant that
// is added must stand in all tags, for the API's document and its checks are made of them.
// A description that names three of the values names all.
func TestEnums(t *testing.T) {
	files := goFiles(t)
	values := map[string][]string{} // by folder and type
	for _, f := range files {
		if !strings.HasSuffix(f.name, "_test.go") {
			constantsIn(f, values)
		}
	}
	compared, excepted := 0, map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		for _, field := range enumsIn(f) {
			want := values[field.of]
			if len(want) == 0 {
				want = field.enum // of a type without constants, such as string
			} else if _, ok := someOf[field.name]; ok {
				excepted[field.name] = true
				for _, v := range field.enum {
					if !slices.Contains(want, v) {
						t.Errorf("%s: %s is no constant of %s", field.name, v, field.of)
					}
				}
				continue
			} else {
				compared++
				if !slices.Equal(slices.Sorted(slices.Values(field.enum)), slices.Sorted(slices.Values(want))) {
					t.Errorf("%s: its tag has the values %q, %s the constants %q", field.name, field.enum, field.of, want)
				}
			}
			if named := namedIn(field.text, want); len(named) > 2 && len(named) < len(want) {
				t.Errorf("%s: its description names %q, and there are %q", field.name, named, want)
			}
		}
	}
	for name := range someOf {
		if !excepted[name] {
			t.Errorf("%s has no enum tag, or takes all values", name)
		}
	}
	if compared < 12 {
		t.Errorf("%d tags were compared", compared)
	}
}

// constantsIn adds the texts of a file's constants, by their type.
func constantsIn(f goFile, values map[string][]string) {
	for _, d := range f.syntax.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v := s.(*ast.ValueSpec)
			of, ok := v.Type.(*ast.Ident)
			if !ok {
				continue
			}
			for _, x := range v.Values {
				if l, ok := x.(*ast.BasicLit); ok && l.Kind == token.STRING {
					text, _ := strconv.Unquote(l.Value)
					key := path.Dir(f.name) + "." + of.Name
					values[key] = append(values[key], text)
				}
			}
		}
	}
}

// enumField is a field with an enum tag.
type enumField struct {
	name string // folder, type and field
	of   string // folder and name of its type, as in constantsIn; its name alone for others
	text string // its description
	enum []string
}

// enumsIn returns the fields of a file's types that have an enum tag.
func enumsIn(f goFile) (fields []enumField) {
	imports := map[string]string{} // folders of this module, by the name under which the file knows them
	for _, i := range f.syntax.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		name := path.Base(p)
		if i.Name != nil {
			name = i.Name.Name
		}
		if dir, ok := strings.CutPrefix(p, module+"/"); ok {
			imports[name] = dir
		}
	}
	for _, d := range f.syntax.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, s := range g.Specs {
			typed := s.(*ast.TypeSpec)
			of, ok := typed.Type.(*ast.StructType)
			if !ok {
				continue
			}
			for _, field := range of.Fields.List {
				if field.Tag == nil || len(field.Names) == 0 {
					continue
				}
				text, _ := strconv.Unquote(field.Tag.Value)
				tag := reflect.StructTag(text)
				enum, ok := tag.Lookup("enum")
				if !ok {
					continue
				}
				e := enumField{name: path.Dir(f.name) + "." + typed.Name.Name + "." + field.Names[0].Name, text: tag.Get("doc") + tag.Get("help"), enum: strings.Split(enum, ",")}
				switch x := field.Type.(type) {
				case *ast.Ident:
					e.of = path.Dir(f.name) + "." + x.Name
				case *ast.SelectorExpr:
					if pkg, ok := x.X.(*ast.Ident); ok {
						e.of = imports[pkg.Name] + "." + x.Sel.Name
					}
				}
				fields = append(fields, e)
			}
		}
	}
	return fields
}

// namedIn returns those of the values that stand in a text as words.
func namedIn(text string, values []string) (named []string) {
	for _, v := range values {
		if regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(v) + `($|[^\w-])`).MatchString(text) {
			named = append(named, v)
		}
	}
	return named
}
