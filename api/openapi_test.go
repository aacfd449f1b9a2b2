package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/openapi"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/strictjson"
)

// document fetches the OpenAPI document.
func (s *service) document(t testing.TB) object {
	t.Helper()
	a := s.call(t, nil, "GET", "/v1/openapi.json", nil).want(t, 200, "")
	var d object
	mustOf(t)(jsonInto(a, &d))
	return d
}

// at walks into nested objects.
func at(o object, names ...string) object {
	for _, name := range names {
		o, _ = o[name].(object)
	}
	return o
}

// Every endpoint is in the document and everything in the document is served.
// Each is either public or asks for a token.
func TestDocumentIsComplete(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true})
	d := s.document(t)
	if d["openapi"] != "3.1.0" {
		t.Errorf("openapi is %v", d["openapi"])
	}
	described := map[string]bool{}
	ids := map[any]bool{}
	rest := map[string]bool{}
	fill := strings.NewReplacer("{code}", sampleType, "{id}", strings.Repeat("a", 26), "{item}", sampleItem, "{kid}", "x", "{n}", "7")
	for path, item := range at(d, "paths") {
		for method, op := range item.(object) {
			method = strings.ToUpper(method)
			described[method+" "+path] = true
			o := op.(object)
			if ids[o["operationId"]] || o["operationId"] == "" || o["summary"] == "" {
				t.Errorf("%s %s: id %v, summary %v", method, path, o["operationId"], o["summary"])
			}
			ids[o["operationId"]] = true
			public := len(o["security"].([]any)) == 0
			a := s.call(t, nil, method, fill.Replace(path), nil)
			if isSignOn := slices.Contains(asList(o["tags"]), any(openapi.TagSignOn)); a.StatusCode == 405 || a.member("reason") == "not_found" || !isSignOn && (a.StatusCode == 401) == public {
				t.Errorf("%s %s, public %v: %d %s", method, path, public, a.StatusCode, a.member("reason"))
			}
			var parameters []string
			for _, p := range asList(o["parameters"]) {
				if p.(object)["in"] == "path" {
					parameters = append(parameters, "{"+p.(object)["name"].(string)+"}")
				}
			}
			if want := regexp.MustCompile(`\{\w+\}`).FindAllString(path, -1); !slices.Equal(parameters, want) {
				t.Errorf("%s: path parameters %v", path, parameters)
			}
		}
	}
	for _, e := range s.rest.Endpoints() {
		if !described[e.Method+" "+e.Path] {
			t.Errorf("%s %s is not in the document", e.Method, e.Path)
		}
		delete(described, e.Method+" "+e.Path)
		rest[e.Method+" "+e.Path] = true
	}
	// What isn't of the REST API is of the provider, or is a page.
	for _, pattern := range s.mux.patterns {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok { // all methods are answered, and all but one refused
			method, path = "POST", pattern
		}
		isPage := !strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/oauth/") && !strings.HasPrefix(path, "/.well-known/o")
		if served := method + " " + path; !isPage && path != "/v1/openapi.json" && !described[served] && !rest[served] {
			t.Errorf("%s is served and not in the document", served)
		}
		delete(described, method+" "+path)
	}
	for more := range described {
		t.Errorf("%s is in the document alone", more)
	}
	page := s.call(t, nil, "GET", "/docs", nil).want(t, 200, "").body
	for id := range ids {
		if !strings.Contains(page, fmt.Sprintf(`<article id="%s">`, id)) {
			t.Errorf("%v is not on the page", id)
		}
	}
}

func asList(v any) []any { l, _ := v.([]any); return l }

// Every member is described, by a type that JSON has.
func TestDocumentDescribesMembers(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true})
	schemas := at(s.document(t), "components", "schemas")
	for name, schema := range schemas {
		for member, p := range at(schema.(object), "properties") {
			m := p.(object)
			if m["description"] == nil || m["type"] == nil && m["$ref"] == nil {
				t.Errorf("%s.%s is %v", name, member, m)
			}
		}
	}
	for place, want := range map[string]string{
		"IssueRequest.valid_from": "string date", "IssueRequest.valid_until": "string date", "Document.date": "string date", "License.valid_until": "string date",
		"License.created_at": "string date-time", "Type.published_at": "string date-time", "License.authority": "string", "License.type_code": "string",
		"License.id": "string", "Definition.schema": "object", "Definition.layout": "object", "IssueRequest.fields": "object", "Presented.fields": "object",
		"Definition.authorities": "array", "Validity.max_months": "integer int64", "License.holders": "array", "Type.name": "string", "License.version": "integer int64",
	} {
		schema, member, _ := strings.Cut(place, ".")
		m := at(schemas, schema, "properties", member)
		if got := strings.TrimSuffix(fmt.Sprint(m["type"], " ", or(m["format"], "")), " "); got != want {
			t.Errorf("%s is %s, want %s", place, got, want)
		}
	}
	for schema, want := range map[string]string{
		"IssueRequest": "type_code number holders valid_from fields", "Holder": "name code_type code role", "Issued": "id identifier verification_code version state credential",
		"EndRequest": "reason kind effective_from document", "Document": "number date basis", "Verification": "verdict checked_at checks",
		"SearchRequest": "", "VerifyRequest": "", "Validity": "long_term",
	} {
		var got []string
		for _, name := range asList(at(schemas, schema)["required"]) {
			got = append(got, name.(string))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s requires %v, want %s", schema, got, want)
		}
	}
}

func or(v, otherwise any) any {
	if v == nil {
		return otherwise
	}
	return v
}

// What the service answers is what the document says.
func TestAnswersFitTheDocument(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	d := s.document(t)
	out := s.issue(t, "1")
	id := "/v1/licenses/" + out.ID
	s.publishItem(t, sampleItem, itemDefinition(nil))
	replace := merge(issueBody("1", object{"type_code": nil}), object{"kind": "correction", "reason": "x"})
	for _, c := range []struct {
		client  *clientOfTest
		request string // path as in the document
		path    string
		body    any
	}{
		{s.department, "POST /v1/licenses", "/v1/licenses", issueBody("2", object{"valid_until": nil})},
		{s.department, "POST /v1/licenses/{id}/replace", id + "/replace", replace},
		{s.department, "POST /v1/licenses/{id}/suspend", id + "/suspend", suspendBody()},
		{s.department, "POST /v1/licenses/{id}/end", id + "/end", endBody()},
		{s.reader, "GET /v1/licenses/{id}", id, nil},
		{s.reader, "GET /v1/licenses/{id}", id + "?version=1", nil},
		{s.reader, "GET /v1/licenses/{id}/history", id + "/history", nil},
		{s.reader, "POST /v1/licenses/search", "/v1/licenses/search", object{}},
		{s.reader, "POST /v1/licenses/search", "/v1/licenses/search", object{"limit": 1}},
		{s.reader, "GET /v1/license-types", "/v1/license-types?limit=1", nil},
		{s.reader, "GET /v1/license-types/{code}", "/v1/license-types/" + sampleType, nil},
		{s.catalog, "PUT /v1/license-types/{code}", "/v1/license-types/" + draftType, definition(nil)},
		{s.items, "PUT /v1/service-items/{item}", "/v1/service-items/" + otherItem, itemDefinition(nil)},
		{s.items, "POST /v1/service-items/{item}/publish", "/v1/service-items/" + otherItem + "/publish", nil},
		{s.reader, "GET /v1/service-items", "/v1/service-items?limit=1", nil},
		{s.reader, "GET /v1/service-items/{item}", "/v1/service-items/" + sampleItem + "?version=1", nil},
		{s.reader, "GET /v1/shared/licenses", "/v1/shared/licenses", nil},
		{s.reader, "POST /v1/use-codes/redeem", "/v1/use-codes/redeem", redeemBody("x", nil)},
		{nil, "POST /v1/verify", "/v1/verify", object{"credential": out.Credential}},
		{nil, "POST /v1/verify", "/v1/verify", object{"credential": "x"}},
		{nil, "POST /v1/verify", "/v1/verify", object{"identifier": out.Identifier, "verification_code": out.VerificationCode}},
		{s.department, "POST /v1/licenses", "/v1/licenses", object{"number": ""}},
		{nil, "POST /v1/verify", "/v1/verify", "{"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		op := at(d, "paths", path, strings.ToLower(method))
		if body, ok := c.body.(object); ok && body["number"] != "" {
			fits(t, d, at(op, "requestBody", "content", "application/json", "schema"), overJSON(t, body), c.request+" request")
		}
		a := s.call(t, c.client, method, c.path, c.body, idempotencyKey, "k")
		status, media := fmt.Sprint(a.StatusCode), a.Header.Get("Content-Type")
		schema := at(op, "responses", status, "content", media, "schema")
		if schema == nil {
			t.Errorf("%s: an answer %d of %s is not in the document", c.request, a.StatusCode, media)
			continue
		}
		var v any
		mustOf(t)(jsonInto(a, &v))
		fits(t, d, schema, v, c.request)
	}
}

// overJSON returns a value as it comes out of JSON.
func overJSON(t testing.TB, v any) (out any) {
	t.Helper()
	mustOf(t)(json.Unmarshal([]byte(text(t, v)), &out))
	return out
}

// fits checks a value against as much of JSON Schema as the document uses; a
// member that isn't described is wrong also where the schema lets it in.
func fits(t *testing.T, d, schema object, v any, where string) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema = at(d, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
	}
	wrong := func() { t.Errorf("%s: %v doesn't fit %v", where, v, schema) }
	switch schema["type"] {
	case "object":
		o, ok := v.(object)
		if !ok {
			wrong()
			return
		}
		for _, name := range asList(schema["required"]) {
			if _, ok := o[name.(string)]; !ok {
				t.Errorf("%s: %s is required and not there", where, name)
			}
		}
		properties := at(schema, "properties")
		for name, member := range o {
			if p, ok := properties[name].(object); ok {
				fits(t, d, p, member, where+"/"+name)
			} else if properties != nil {
				t.Errorf("%s: %s is not described", where, name)
			}
		}
	case "array":
		list, ok := v.([]any)
		if !ok {
			wrong()
		}
		for i, item := range list {
			fits(t, d, schema["items"].(object), item, fmt.Sprint(where, "/", i))
		}
	case "string":
		if s, ok := v.(string); !ok || !fitsText(schema, s) {
			wrong()
		}
	case "integer":
		if n, ok := v.(float64); !ok || n != float64(int64(n)) {
			wrong()
		}
	case "boolean":
		if _, ok := v.(bool); !ok {
			wrong()
		}
	default:
		t.Errorf("%s: a schema of type %v", where, schema["type"])
	}
}

func fitsText(schema object, s string) bool {
	if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(s) {
		return false
	}
	if values := asList(schema["enum"]); values != nil && !slices.Contains(values, any(s)) {
		return false
	}
	var err error
	switch schema["format"] {
	case "date":
		_, err = party.ParseDate(s)
	case "date-time":
		_, err = time.Parse(time.RFC3339, s)
	}
	return err == nil
}

// The document itself is strict JSON, and its references lead somewhere.
func TestDocumentReferences(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true})
	a := s.call(t, nil, "GET", "/v1/openapi.json", nil).want(t, http.StatusOK, "")
	var d object
	mustOf(t)(strictjson.DecodeShallow([]byte(a.body), &d, 64))
	for _, m := range regexp.MustCompile(`"\$ref":"#/([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		if at(d, strings.Split(m[1], "/")...) == nil {
			t.Errorf("%s leads nowhere", m[0])
		}
	}
}
