package rest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
	"go/types"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/api/web"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

func ordered(set map[raised]bool) []raised {
	return slices.SortedFunc(maps.Keys(set), func(a, b raised) int { return cmp.Or(a.status-b.status, strings.Compare(a.reason, b.reason)) })
}

// never are reasons that the source leads to, and no request.
var never = map[journal.Action]map[string]string{
	journal.ActionLicenseIssue: {
		"license_unknown": "a license whose request is known was stored with it", "changed_meanwhile": "nobody has a new license yet",
		"identifier_type": "a type's code is checked before it is stored", "identifier_authority": "so is a participant's", "identifier_version": "it is 1",
	},
	journal.ActionLicenseReplace: {
		"identifier_type": "as with issuing", "identifier_authority": "as with issuing", "identifier_serial": "it is that of the version before",
		"serial_citizen_number": "it is that of the version before", "serial_taken": "the license has it", "type_unknown": "its license is of it",
	},
	journal.ActionLicenseSuspend: stays, journal.ActionLicenseResume: stays, journal.ActionLicenseEnd: stays,
	journal.ActionLicenseRead: {"type_unknown": "its license is of it"}, journal.ActionLicenseSearch: {"type_unknown": "its license is of it"},
	journal.ActionGrantShared: {"type_unknown": "its license is of it"}, journal.ActionLicenseHeld: {"type_unknown": "its license is of it"},
	journal.ActionGrantOffer: {"type_unknown": "its license is of it"}, journal.ActionGrantAgree: {"type_unknown": "its license is of it"},
	journal.ActionTypeRead: unseen, journal.ActionItemRead: unseen,
	journal.ActionDelegate: {"delegation_unknown": "it is made"},
}

// unseen is why somebody may not write a draft, which is then as if it weren't there.
var unseen = map[string]string{"code_prefix": "it isn't there"}

var stays = map[string]string{
	"serial_taken": "identifiers stay", "number_taken": "numbers are only given back", "if_match_missing": "it is optional", "type_unknown": "its license is of it",
}

// byAction returns what the source of the registry refuses, by action. The action
// stands in each method that leaves an event.
func (s *source) byAction() map[journal.Action]map[raised]bool {
	extra := map[string]journal.Action{
		"VerifyIdentifier": journal.ActionLicenseVerify, "StatusList": journal.ActionStatusListRead, "Metadata": journal.ActionTypeMetadata, "ParseAsk": journal.ActionGrantOffer,
	}
	out := map[journal.Action]map[raised]bool{}
	for f := range s.funcs {
		if !ofLicenses(f.Pkg().Path()) || !f.Exported() {
			continue
		}
		actions := s.actionsIn(f)
		if a, ok := extra[f.Name()]; ok {
			actions = append(actions, a)
		}
		for _, a := range actions {
			if out[a] == nil {
				out[a] = map[raised]bool{}
			}
			maps.Copy(out[a], s.all(f, nil, nil))
		}
		for a, of := range s.entryActions(f) {
			if out[a] == nil {
				out[a] = map[raised]bool{}
			}
			maps.Copy(out[a], s.all(f, of, nil))
		}
	}
	return out
}

// actionsIn returns the actions that a method of the registry names.
func (s *source) actionsIn(f *types.Func) (all []journal.Action) {
	if f.Signature().Recv() == nil {
		return nil
	}
	ast.Inspect(s.funcs[f].Body, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if c, ok := s.info.Uses[id].(*types.Const); ok && kindOfError(c.Type()) == journalPath+".Action" {
				all = append(all, journal.Action(constant.StringVal(c.Val())))
			}
		}
		return true
	})
	return all
}

// What the registry refuses an action for is what its table says, as far as the
// source can tell; and all that the source raises stands in the table.
func TestRefusalsAreRegistered(t *testing.T) {
	t.Parallel()
	s := readSource(t)
	byAction := s.byAction()
	if len(byAction) < 25 {
		t.Fatalf("%d actions were found", len(byAction))
	}
	for a, found := range byAction {
		for reason, why := range never[a] {
			n := len(found)
			maps.DeleteFunc(found, func(r raised, _ bool) bool { return r.reason == reason })
			if len(found) == n {
				t.Errorf("%s: nothing leads to %s, of which was said that %s", a, reason, why)
			}
		}
		registered := map[raised]bool{}
		for _, f := range refusal.Of(a) {
			registered[raised{problem.KindStatus(f.Kind), string(f.Reason)}] = true
		}
		compare(t, string(a), found, registered)
	}
	registered := map[raised]bool{}
	for _, f := range refusal.All() {
		if r := (raised{problem.KindStatus(f.Kind), string(f.Reason)}); registered[r] {
			t.Errorf("%v is registered twice", r)
		} else {
			registered[r] = true
		}
	}
	for f := range s.funcs {
		if ofLicenses(f.Pkg().Path()) && !isRaiser(f) {
			for _, r := range ordered(s.raisedBy(f)) {
				if !registered[r] && r.reason != "identifier_type" && r.reason != "identifier_authority" {
					t.Errorf("%s raises %v, which is not registered", f.FullName(), r)
				}
			}
		}
	}
}

// compare names what was found and is not registered, and the other way round.
func compare(t *testing.T, where string, found, registered map[raised]bool) {
	t.Helper()
	for _, r := range ordered(found) {
		if !registered[r] {
			t.Errorf("%s: %v is raised and not registered", where, r)
		}
	}
	for _, r := range ordered(registered) {
		if !found[r] {
			t.Errorf("%s: %v is registered and not raised", where, r)
		}
	}
}

// handler is a function that serves an endpoint, and the kind of entries that it is for.
type handler struct {
	f  *types.Func
	of *defined
}

// served returns what serves the endpoints, by operationId.
func (s *source) served() map[string]handler {
	all := map[string]handler{}
	for f, d := range s.funcs {
		if !ofREST(f.Pkg().Path()) || !strings.HasSuffix(f.Name(), "Endpoints") {
			continue
		}
		ast.Inspect(d.Body, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if described, ok := field(lit, "Endpoint", -1).(*ast.CompositeLit); ok {
				if id := field(described, "ID", -1); id != nil {
					by := field(lit, "Serve", -1)
					serve := handler{f: s.function(by)}
					if method, ok := by.(*ast.SelectorExpr); ok && serve.f != nil {
						serve.of = s.definedFor(method.Sel, nil)
					}
					all[constant.StringVal(s.info.Types[id].Value)] = serve
				}
			}
			return true
		})
	}
	return all
}

// What an endpoint can be refused for is what it is documented with, as far as
// the source can tell: the API's own reasons by what its handler calls, the
// registry's by the action of the method that it calls.
func TestReasonsOfEndpoints(t *testing.T) {
	t.Parallel()
	s := readSource(t)
	served, byAction := s.served(), s.byAction()
	outside := func(f *types.Func) bool { return !ofREST(f.Pkg().Path()) }
	for _, es := range new(API).endpoints() {
		for _, e := range es {
			serve := served[e.ID]
			if serve.f == nil {
				t.Errorf("%s: what serves it was not found", e.ID)
				continue
			}
			found := s.all(serve.f, serve.of, outside)
			for f, of := range s.reach(serve.f, serve.of, outside) {
				for _, a := range s.actionsOf(f, of, byAction) {
					if a != e.Action {
						t.Errorf("%s is of the action %q and calls %s, which is of %s", e.ID, e.Action, f.Name(), a)
					}
				}
			}
			maps.Copy(found, s.around(t, &e))
			documented, own := map[raised]bool{}, map[raised]bool{}
			for _, f := range e.Reasons() {
				documented[raised{f.Status, f.Reason}] = true
			}
			for _, f := range e.OwnReasons() {
				own[raised{f.Status, f.Reason}] = true
			}
			for r := range found {
				if documented[r] {
					own[r] = true // also what the registry raises likewise
				}
			}
			compare(t, e.ID, found, own)
		}
	}
}

// actionsOf returns the actions of a method of the registry that can be refused.
func (s *source) actionsOf(f *types.Func, of *defined, byAction map[journal.Action]map[raised]bool) []journal.Action {
	if !ofLicenses(f.Pkg().Path()) || !f.Exported() {
		return nil
	}
	var all []journal.Action
	for _, a := range s.actionsIn(f) {
		if len(byAction[a]) > 0 {
			all = append(all, a)
		}
	}
	for a, kind := range s.entryActions(f) {
		if kind == of {
			all = append(all, a)
		}
	}
	return all
}

// around returns what every endpoint is refused for before and after its handler.
func (s *source) around(t *testing.T, e *call.Endpoint) map[raised]bool {
	all := s.raisedBy(s.method(t, apiPath, "around"))
	maps.Copy(all, s.raisedBy(s.named(problemPath, "Of")))
	if e.Reads() {
		maps.Copy(all, s.raisedBy(s.method(t, callPath, "limitReading")))
	}
	if !e.Public {
		codes := []oidc.Code{oidc.InvalidRequest, oidc.InvalidToken, oidc.TemporarilyUnavailable}
		if e.Scope != "" {
			codes = append(codes, oidc.InsufficientScope)
		}
		for _, code := range codes {
			all[raised{problem.CodeStatus(code, problem.Bearers), string(code)}] = true
		}
	}
	return all
}

// method returns a method of a package.
func (s *source) method(t *testing.T, path, name string) *types.Func {
	for f := range s.funcs {
		if f.Name() == name && f.Pkg().Path() == path && f.Signature().Recv() != nil {
			return f
		}
	}
	t.Fatalf("there is no method %s", name)
	return nil
}

// object is a JSON object.
type object = map[string]any

// at walks into nested objects.
func at(o object, names ...string) object {
	for _, name := range names {
		o, _ = o[name].(object)
	}
	return o
}

func asList(v any) []any { l, _ := v.([]any); return l }

// describe makes the document of an API with logins, and the texts that its page has.
func describe(t *testing.T) (*openapi.Document, *web.Pages) {
	t.Helper()
	doc := openapi.New("https://id.example", true)
	new(API).Mount(func(string, http.Handler) {}, doc)
	if err := doc.Finish(); err != nil {
		t.Fatal(err)
	}
	pages, err := web.New()
	if err != nil {
		t.Fatal(err)
	}
	return doc, pages
}

// documented returns the document and its page in Chinese.
func documented(t *testing.T) (object, string) {
	t.Helper()
	doc, texts := describe(t)
	var d object
	if err := json.Unmarshal(doc.JSON(), &d); err != nil {
		t.Fatal(err)
	}
	page, err := doc.Page(texts, web.Chinese)
	if err != nil {
		t.Fatal(err)
	}
	return d, string(page)
}

// Each reason is documented where it can come, and explained once.
func TestReasonsAreDocumented(t *testing.T) {
	t.Parallel()
	d, page := documented(t)
	meanings := map[raised]string{}
	for _, es := range new(API).endpoints() {
		for _, e := range es {
			listed := map[raised]bool{}
			for status, answer := range at(d, "paths", e.Path, strings.ToLower(e.Method), "responses") {
				for _, reason := range asList(answer.(object)[openapi.ReasonsExtension]) {
					n, err := strconv.Atoi(status)
					if err != nil {
						t.Fatal(err)
					}
					listed[raised{n, reason.(string)}] = true
				}
			}
			want := map[raised]bool{}
			for _, f := range e.Reasons() {
				r := raised{f.Status, f.Reason}
				want[r] = true
				if known := meanings[r]; known != "" && known != f.Meaning {
					t.Errorf("%v means %q and %q", r, known, f.Meaning)
				}
				meanings[r] = f.Meaning
				text, _ := at(d, "paths", e.Path, strings.ToLower(e.Method), "responses", strconv.Itoa(f.Status))["description"].(string)
				if !strings.Contains(text, "\n- `"+f.Reason+"`: "+f.Meaning) {
					t.Errorf("%s: %v is not explained", e.ID, r)
				}
			}
			compare(t, e.ID, listed, want)
			if len(want) < 6 {
				t.Errorf("%s has %d reasons", e.ID, len(want))
			}
		}
	}
	if len(meanings) < 150 {
		t.Errorf("%d reasons", len(meanings))
	}
	for r, meaning := range meanings {
		if !strings.HasSuffix(meaning, ".") || strings.ContainsAny(meaning, "\n`") || len(meaning) < 20 {
			t.Errorf("%v is explained by %q", r, meaning)
		}
		anchor := fmt.Sprintf("reason-%d-%s", r.status, r.reason)
		if strings.Count(page, `<tr id="`+anchor+`">`) != 1 || !strings.Contains(page, `<a href="#`+anchor+`">`) {
			t.Errorf("%v is not explained once on the page, or no operation leads there", r)
		}
	}
}

// The guides name no reason that there isn't, and all statuses that callers meet.
func TestGuidesNameReasons(t *testing.T) {
	t.Parallel()
	codes := map[string][]string{"invalid_authorization_details": {"item_unregistered", "details_not_pushed"}} // which are not the registry's
	for row, a := range map[string]journal.Action{"invalid_authorization_details": journal.ActionGrantOffer, "granted": journal.ActionLicenseRedeem} {
		for _, f := range refusal.Of(a) {
			codes[row] = append(codes[row], string(f.Reason))
		}
	}
	statuses := map[string]bool{}
	for _, es := range new(API).endpoints() {
		for _, e := range es {
			for _, f := range e.Reasons() {
				statuses[strconv.Itoa(f.Status)] = true
			}
		}
	}
	for _, obvious := range []string{"414", "500", "501"} {
		delete(statuses, obvious)
	}
	code, status := regexp.MustCompile("`([a-z]+_[a-z_]+)`"), regexp.MustCompile(`\b[1-5][0-9][0-9]\b`)
	for _, path := range []string{"../../docs/integrating.md", "../../docs/zh/integrating.md"} {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		named, seen := map[string]int{}, map[string]bool{}
		for line := range strings.SplitSeq(string(b), "\n") {
			cells := strings.Split(line, "|")
			if len(cells) < 4 {
				continue
			}
			row := strings.Trim(strings.SplitAfter(cells[1]+"` ", "` ")[0], "` ")
			for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
				if m[1] != "use_code" && codes[row] != nil && !slices.Contains(codes[row], m[1]) {
					t.Errorf("%s: %s, of %s, is no reason", path, m[1], row)
				}
				named[row]++
			}
			if len(cells) == 4 {
				for _, n := range status.FindAllString(cells[1], -1) {
					seen[n] = true
				}
			}
		}
		if named["invalid_authorization_details"] < 5 || named["granted"] < 4 {
			t.Errorf("%s: the tables of codes were not found: %v", path, named)
		}
		if !maps.Equal(statuses, seen) {
			t.Errorf("%s names the statuses %v, want %v", path, slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(statuses)))
		}
	}
}
