package main_test

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

// The measures of a room: a package with one vocabulary. Lines are those of its files
// without tests, with comments.
const (
	roomLeast, roomMost = 300, 1800
	methodsMost         = 25 // of a receiver
	fileMost            = 500
	functionMost        = 60
)

// An exception lets something be outside a measure, up to a ceiling and for a reason. What
// no longer needs one must leave the table: so a hall that was divided can't grow again.
type exception struct {
	most int
	why  string
}

// rooms are the packages outside 300 to 1,800 lines. A small one may grow into the measure.
var rooms = map[string]exception{
	"api/pages/enter":                {205, "the pages of entry; who is logged in is proofed on a page of the portal"},
	"api/posted":                     {116, "reads what browsers post; nothing else belongs in it"},
	"cmd/internal/servertest":        {54, "starts a server for the tests of two binaries"},
	"cmd/yizheng":                    {1880, "main: a file a verb, and the verbs share nothing but their rooms"},
	"cmd/yizheng/internal/toolcheck": {139, "says which tools tests need; used by tests alone"},
	"license/audit":                  {80, "who asks and what for; the events themselves are signing/journal's affair"},
	"license/library":                {260, "puts the rooms together; nothing else belongs in it"},
	"license/schema/document":        {280, "reads JSON from outside; nothing else belongs in it"},
	"license/verify":                 {299, "verifying at an installation; the checks are license/credential's"},
	"oidc/behalf":                    {260, "for whom somebody acts in a login; who may act for whom is oidc/identity/acting's affair"},
	"oidc/ephemeral":                 {125, "how what may be lost is stored; nothing else belongs in it"},
	"oidc/flow":                      {1860, "one request from its arrival to its answer: its steps share what is known of it, as whether a certificate is enough"},
	"oidc/fresh":                     {146, "the caches of three rooms; knows nothing of ours"},
	"oidc/identity":                  {2290, "parties, their codes and accounts: registering and taking over share their checks; participants move out with officers"},
	"oidc/identity/factor":           {1830, "a file a factor, all of one shape; what they share moves out with the next one"},
	"oidc/identity/acting":           {1810, "the rules of who may act for whom; what a representation is moved out already"},
	"oidc/identity/certificate/certificatetest": {240, "a CA by OpenSSL, for the tests of five rooms"},
	"oidc/identity/device":                      {140, "known devices; nothing else belongs in it"},
	"oidc/identity/guessing":                    {230, "how often passwords may be tried; nothing else belongs in it"},
	"oidc/identity/notice":                      {150, "what is written to phones; grows with what people are told"},
	"oidc/identity/onetime":                     {270, "one-time codes, which two rooms send; nothing else belongs in it"},
	"oidc/identity/passkey/passkeytest":         {299, "an authenticator in software, for the tests of five rooms"},
	"oidc/identity/people":                      {100, "puts the rooms together; nothing else belongs in it"},
	"oidc/identity/tries":                       {95, "counts, which the rooms of logins share; nothing else belongs in it"},
	"oidc/keeper":                               {85, "seals what may be lost, for three rooms that don't know each other"},
	"signing/durable":                           {164, "writes files that outlive a power failure; nothing else belongs in it"},
	"signing/gcm":                               {58, "SM4-GCM as everything here is sealed with it; nothing else belongs in it"},
	"signing/keystest":                          {256, "records in memory, keystores and vaults for the tests of signing and the rooms above it"},
	"signing/signingtest":                       {236, "keys and openssl for the tests of signing and its rooms"},
	"signing/strictjson":                        {150, "one reader and one writer for all; nothing else belongs in it"},
	"storage/porttest":                          {85, "ports for the tests of all floors; nothing else belongs in it"},
	"storage/storagetest/suite":                 {299, "what the suites share; nothing else belongs in it"},
}

// receivers are the types of more than 25 methods.
var receivers = map[string]exception{
	"cmd/yizheng/internal/demo/department.System": {29, "a small program of its own: one type is all it has"},
}

// longFiles are the files of more than 500 lines.
var longFiles = map[string]exception{}

// longFunctions are the functions of more than 60 lines, tests apart.
var longFunctions = map[string]exception{
	"storage/storagetest/provider.Consents":     {81, "one suite, told in order"},
	"storage/storagetest/ledger.Settings":       {62, "one suite, told in order"},
	"storage/storagetest/upkeep.drill":          {62, "one suite, told in order"},
	"storage/storagetest.liveThrough":           {63, "one suite, told in order"},
	"storage/storagetest/upkeep.monthsOf":       {65, "one suite, told in order"},
	"storage/storagetest/provider.purge":        {82, "one suite, told in order"},
	"storage/storagetest/licenses.statusValues": {61, "one suite, told in order"},
}

// TestTree holds each package, receiver, file and function to its measure.
func TestTree(t *testing.T) {
	lines, methods := map[string]int{}, map[string]int{}
	files, functions := map[string]int{}, map[string]int{}
	for _, f := range goFiles(t) {
		n := f.fset.File(f.syntax.Pos()).LineCount()
		files[f.name] = n
		if strings.HasSuffix(f.name, "_test.go") {
			continue
		}
		dir := path.Dir(f.name)
		lines[dir] += n
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := dir + "." + fn.Name.Name
			if r := receiver(fn); r != "" {
				methods[dir+"."+r]++
				name = dir + "." + r + "." + fn.Name.Name
			}
			functions[name] = f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
		}
	}
	for _, problem := range []string{
		measure("package", "lines", lines, roomMost, roomLeast, rooms),
		measure("receiver", "methods", methods, methodsMost, 0, receivers),
		measure("file", "lines", files, fileMost, 0, longFiles),
		measure("function", "lines", functions, functionMost, 0, longFunctions),
	} {
		if problem != "" {
			t.Error(problem)
		}
	}
}

// receiver returns the name of a method's type, or nothing for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return ""
	}
	x := fn.Recv.List[0].Type
	for {
		switch of := x.(type) {
		case *ast.StarExpr:
			x = of.X
		case *ast.IndexExpr:
			x = of.X
		case *ast.IndexListExpr:
			x = of.X
		case *ast.Ident:
			return of.Name
		default:
			return ""
		}
	}
}

// measure returns what is outside its measure or its exception, and exceptions that
// nothing needs, a line each.
func measure(kind, unit string, sizes map[string]int, most, least int, except map[string]exception) string {
	var problems []string
	for name, n := range sizes {
		e, excepted := except[name]
		switch {
		case excepted && n <= most && n >= least:
			problems = append(problems, fmt.Sprintf("%s %s has %d %s: it needs no exception any more", kind, name, n, unit))
		case excepted && n > max(e.most, most):
			problems = append(problems, fmt.Sprintf("%s %s has %d %s; its exception (%s) ends at %d: divide it", kind, name, n, unit, e.why, e.most))
		case excepted && e.why == "":
			problems = append(problems, fmt.Sprintf("%s %s: its exception gives no reason", kind, name))
		case !excepted && (n > most || n < least):
			problems = append(problems, fmt.Sprintf("%s %s has %d %s, not %d to %d: divide it, or put it where it belongs", kind, name, n, unit, least, most))
		}
	}
	for name := range except {
		if _, ok := sizes[name]; !ok {
			problems = append(problems, fmt.Sprintf("%s %s is excepted and not there", kind, name))
		}
	}
	slices.Sort(problems)
	return strings.Join(problems, "\n")
}

// TestMeasure tries the measures themselves.
func TestMeasure(t *testing.T) {
	hall := map[string]exception{"x": {100, "a hall"}}
	for _, tt := range []struct {
		name   string
		size   int
		except map[string]exception
		want   string // part of the problem; empty: none
	}{
		{"within", 50, nil, ""},
		{"least", 30, nil, ""},
		{"most", 60, nil, ""},
		{"too small", 29, nil, "divide it, or put it"},
		{"too large", 61, nil, "divide it, or put it"},
		{"a hall at its ceiling", 100, hall, ""},
		{"a hall that grew", 101, hall, "ends at 100"},
		{"a hall that was divided", 60, hall, "needs no exception any more"},
		{"small, and said why", 5, map[string]exception{"x": {5, "one thing"}}, ""},
		{"small, grown within", 29, map[string]exception{"x": {5, "one thing"}}, ""},
		{"no reason", 100, map[string]exception{"x": {100, ""}}, "gives no reason"},
		{"an exception of nothing", 50, map[string]exception{"y": {100, "a hall"}}, "y is excepted and not there"},
	} {
		got := measure("package", "lines", map[string]int{"x": tt.size}, 60, 30, tt.except)
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q", tt.name, got)
		}
	}
}
