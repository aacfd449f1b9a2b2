package rest

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/catalog"
)

// FuzzJSONBody decodes anything into every request type. It never panics; what
// it takes is JSON to others as well and decodes to the same again; and what it
// refuses it refuses without any text of the body but members' names, which
// are where it says that the fault lies.
func FuzzJSONBody(f *testing.F) {
	const whole = `{"type_code":"11100000000013338W032","number":"样例-1","holders":[{"name":"样例䶮","code_type":"111","code":"11010519491231002X","role":"holder"}],` +
		`"valid_from":"2026-01-01","valid_until":"2031-01-01","area_code":"430000","fields":{"category":"样例电工作业","grade":3}}`
	const ending = `{"kind":"cancelled","reason":"持证人申请","effective_from":"2026-01-01","document":{"number":"样例〔2026〕1号","date":"2026-01-01","basis":"行政许可法第七十条"}}`
	const definition = `{"name":"样例特种作业操作证","schema":{"type":"object","additionalProperties":false,"properties":{"category":{"type":"string","title":"作业类别"}}},` +
		`"holders":[{"role":"holder","name":"持证人","min":1,"max":2,"code_types":["111"]}],"validity":{"long_term":true,"max_months":72},"number_policy":"unique","approval":"one_step",` +
		`"authorities":["11430000006122244L"],"sensitive":["grade"]}`
	for _, seed := range []string{
		whole, whole + "x", strings.Replace(whole, `"number"`, `"holders"`, 1), ending, definition,
		`{"credential":"a~b~"}`, `{"reason":"x","reason":"y"}`, `{"reason":"` + "\xff" + `"}`, `{"holder":{"type":"111","value":"11010519491231002X"}}`,
		`[[[[`, `{"valid_from":"2026-02-30"}`, `{"limit":1e400}`, `null`, ` `, `{"a":{"b":[1,2,{"c":null}]}}`, `{"fields":{"a":"\ud800"}}`, `{"reason":"a\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	types := []reflect.Type{
		reflect.TypeFor[IssueRequest](), reflect.TypeFor[ReplaceRequest](), reflect.TypeFor[EndRequest](), reflect.TypeFor[SearchRequest](),
		reflect.TypeFor[catalog.Definition](), reflect.TypeFor[SuspendRequest](), reflect.TypeFor[ResumeRequest](), reflect.TypeFor[VerifyRequest](),
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, rt := range types {
			v := reflect.New(rt)
			err := call.Decode(body, v.Interface())
			if err == nil {
				checkDecoded(t, body, v)
				continue
			}
			p, ok := errors.AsType[*problem.Problem](err)
			if !ok || p.Status != 400 || !strings.HasPrefix(p.Reason, "json_") && p.Reason != "body_empty" {
				t.Fatalf("%T %v", err, err)
			}
			checkEchoes(t, body, p)
		}
	})
}

// checkDecoded checks what was taken.
func checkDecoded(t *testing.T, body []byte, v reflect.Value) {
	t.Helper()
	if !json.Valid(body) || !utf8.Valid(body) {
		t.Fatalf("%q was taken, but is not JSON", body)
	}
	again, err := json.Marshal(v.Interface())
	if err != nil {
		t.Fatalf("%q can't be encoded again: %v", body, err)
	}
	same := reflect.New(v.Type().Elem())
	if err := call.Decode(again, same.Interface()); err != nil {
		t.Fatalf("%q became %s, which is refused: %v", body, again, err)
	}
}

// checkEchoes checks that a refusal says nothing that depends on the body but
// the pointer, and that the pointer is made of members' names and indices.
func checkEchoes(t *testing.T, body []byte, p *problem.Problem) {
	t.Helper()
	fixed := map[string]string{
		"body_empty": "The request needs a JSON body.", "json_depth": "The body's JSON is nested deeper than 64 levels.",
		"json_syntax": "The body is not well-formed JSON.", "json_duplicate_name": "The body's JSON names a member twice.",
		"json_utf8": "The body's JSON is not valid UTF-8.", "json_trailing": "There is something behind the body's JSON value.",
		"json_type": "A member is not of the type or form that it must have.", "json_unknown_member": "The body has a member that this endpoint doesn't know.",
	}
	if p.Detail != fixed[p.Reason] {
		t.Fatalf("%s: %q", p.Reason, p.Detail)
	}
	for _, v := range p.Violations {
		if v.Message != p.Detail || v.Keyword != p.Reason || len(p.Violations) != 1 {
			t.Fatalf("violations %+v", p.Violations)
		}
		if !strings.HasPrefix(v.Pointer, "/") || !utf8.ValidString(v.Pointer) || strings.ContainsFunc(v.Pointer, func(r rune) bool { return r < ' ' }) {
			t.Fatalf("pointer %q", v.Pointer)
		}
		if n := strings.Count(v.Pointer, "/"); n > call.MaxDepth+1 {
			t.Fatalf("pointer with %d parts", n)
		}
		// Every name in the pointer is followed by a colon in the body.
		for token := range strings.SplitSeq(v.Pointer[1:], "/") {
			if len(token) > 8 && strings.Trim(token, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && !nameIn(body, token) {
				t.Fatalf("%q of the pointer is not a name in %q", token, body)
			}
		}
	}
}

// nameIn reports whether a plain name stands before a colon, or before the end
// of what is cut off there.
func nameIn(body []byte, name string) bool {
	rest := string(body)
	for {
		i := strings.Index(rest, `"`+name+`"`)
		if i < 0 {
			return strings.Contains(string(body), `\u`) // written in another way
		}
		rest = strings.TrimLeft(rest[i+len(name)+2:], " \t\r\n")
		if rest == "" || rest[0] == ':' || !json.Valid(body) {
			return true
		}
	}
}
