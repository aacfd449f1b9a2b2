package api

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"yizheng.internal/api/problem"
	"yizheng.internal/license/party"
	"yizheng.internal/license/schema"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// badInput is a request that is refused.
type badInput struct {
	name    string
	client  *clientOfTest // nil: nobody
	request string        // method and path
	body    any
	headers []string
	status  int
	reason  string
	at      string // JSON Pointers of the violations, one after the other; empty: not looked at
	silent  bool   // no event is left: the caller was not known
}

// Types of the tests beside the sample one.
const (
	draftType   = "11100000000013338W033"
	retiredType = "11100000000013338W034"
	othersType  = "11100000000013338W035" // another department's to issue
	unknownType = "11100000000013338W099"
)

// world is what the bad requests are made of.
type world struct {
	*service
	issued issuedOfTest // a license of the department
	ended  issuedOfTest

	rivalItems *clientOfTest // another participant's, which defines service items
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{service: newService(t, serviceConfig{})}
	w.call(t, w.catalog, "PUT", "/v1/license-types/"+draftType, definition(nil)).want(t, 201, "")
	w.publish(t, retiredType, definition(nil))
	w.call(t, w.catalog, "POST", "/v1/license-types/"+retiredType+"/retire", nil).want(t, 200, "")
	w.publish(t, othersType, definition(object{"authorities": []string{strangerUSCC}}))
	w.publishItem(t, sampleItem, itemDefinition(nil))
	stranger, err := w.rules.Clients.Client(t.Context(), w.rival.id)
	mustOf(t)(err)
	w.rivalItems = w.newClient(t, identity.Participant{ID: stranger.Participant}, oidc.ScopeItemWrite)
	w.issued, w.ended = w.issue(t, "taken"), w.issue(t, "ended")
	w.call(t, w.department, "POST", "/v1/licenses/"+w.ended.ID+"/end", endBody()).want(t, 200, "")
	return w
}

// TestBadInput sends every request that must be refused, and looks at the
// refusal, at the event that it leaves, and at what it gives away.
func TestBadInput(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var all []badInput
	for _, list := range [][]badInput{
		w.badTypes(), w.badLicenses(), w.badHolders(), w.badBodies(), w.badKeys(), w.badChanges(), w.badSearches(), w.badCallers(), w.badVerifications(), w.badItems(), w.badSharing(),
	} {
		all = append(all, list...)
	}
	var in, out strings.Builder // all that callers sent, and got
	answers := map[string]badInput{}
	for _, b := range all {
		t.Run(b.name, func(t *testing.T) {
			method, path, _ := strings.Cut(b.request, " ")
			a := w.call(t, b.client, method, path, b.body, b.headers...).want(t, b.status, b.reason)
			checkProblem(t, a, b)
			answers[a.Header.Get("X-Request-Id")] = b
			fmt.Fprintln(&out, a.body, a.Header)
			fmt.Fprintln(&in, b.request, text(t, b.body))
		})
	}
	checkEvents(t, w, answers)
	checkLeaks(t, "the answers", out.String())
	checkLeaks(t, "the log", w.log.String())
	for _, secret := range personal() {
		if !strings.Contains(in.String(), secret) {
			t.Errorf("%q was never sent, so it could not leak", secret)
		}
	}
}

// checkProblem checks the form of a refusal (RFC 9457).
func checkProblem(t *testing.T, a answer, b badInput) {
	t.Helper()
	var p struct {
		Type, Title, Reason, Detail string
		Status                      int
		RequestID                   string `json:"request_id"`
		Violations                  []schema.Violation
	}
	a.decode(t, &p)
	if p.Type != "about:blank" || p.Title == "" || p.Status != a.StatusCode || p.Detail == "" || p.RequestID != a.Header.Get("X-Request-Id") {
		t.Errorf("not a whole problem: %s", a.body)
	}
	if a.Header.Get("Content-Type") != problem.Media || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.Header)
	}
	if b.at == "" {
		return
	}
	var at []string
	for _, v := range p.Violations {
		at = append(at, v.Pointer)
		if v.Keyword == "" || v.Message == "" {
			t.Errorf("violation %+v", v)
		}
	}
	if got := strings.Join(at, " "); got != b.at {
		t.Errorf("violations at %s, want %s", got, b.at)
	}
}

// checkEvents checks that every refusal of a known caller left an event with
// its reason.
func checkEvents(t *testing.T, w *world, answers map[string]badInput) {
	t.Helper()
	found := map[string]string{}
	keep := func(es []journal.Event, err error) int64 {
		mustOf(t)(err)
		last := int64(0)
		for _, e := range es {
			found[e.RequestID], last = e.Result, e.Seq
		}
		return last
	}
	for after := int64(0); ; {
		next := keep(w.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Registry}, after, 500))
		if next == 0 {
			break
		}
		after = next
	}
	for _, id := range []string{w.issued.ID, w.ended.ID, strings.Repeat("a", 26)} {
		keep(w.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.License, License: id}, 0, 1000))
	}
	for id, b := range answers {
		if b.silent || b.client == nil {
			if found[id] != "" {
				t.Errorf("%s: left an event", b.name)
			}
			continue
		}
		if found[id] != b.reason {
			t.Errorf("%s: the event's result is %q, want %q", b.name, found[id], b.reason)
		}
	}
}

// checkLeaks looks for what requests held and nobody else may see.
func checkLeaks(t *testing.T, where, text string) {
	t.Helper()
	if len(text) < 1000 {
		t.Errorf("%s are too short to have been collected", where)
	}
	for _, secret := range personal() {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%s hold %q: …%s…", where, secret, text[max(0, i-200):min(len(text), i+200)])
		}
	}
}

// personal is what the tests' requests hold of people.
func personal() []string {
	return []string{sampleCitizen, wrongDigit, impossibleBirth, sampleName, sampleNumber, sampleField, hiddenField}
}

const (
	wrongDigit      = "110105194912310021"
	impossibleBirth = "110105194913310020"
	hiddenField     = "样例隐私" // as a value where none is allowed
)

// badTypes are definitions, with hostile schemas among them.
func (w *world) badTypes() []badInput {
	field := func(schema any) object {
		return object{"schema": object{"type": "object", "additionalProperties": false, "properties": object{"a": schema}}}
	}
	deep := object{}
	for range 30 {
		deep = object{"type": "array", "items": deep}
	}
	many := object{}
	for i := range 300 {
		many[fmt.Sprint("f", i)] = object{}
	}
	put := func(name string, change object, reason, at string) badInput {
		return badInput{name: name, client: w.catalog, request: "PUT /v1/license-types/11100000000013338W050",
			body: definition(change), status: 422, reason: reason, at: at}
	}
	return []badInput{
		put("$ref to a file", field(object{"$ref": "file:///etc/passwd"}), "schema_reference", "/schema/properties/a/$ref"),
		put("$ref to a URL", field(object{"$ref": "http://169.254.169.254/x"}), "schema_reference", "/schema/properties/a/$ref"),
		put("$ref to itself", field(object{"$ref": "#/properties/a"}), "schema_recursive", ""),
		put("deep schema", field(deep), "schema_depth", ""),
		put("large schema", field(object{"description": strings.Repeat("x", 70<<10)}), "schema_size", "/schema"),
		put("many properties", object{"schema": object{"type": "object", "additionalProperties": false, "properties": many}}, "schema_properties", ""),
		put("slow pattern", field(object{"pattern": "^((a{1,50}){1,50}){1,50}$"}), "schema_pattern", "/schema/properties/a/pattern"),
		put("pattern that is none", field(object{"pattern": "(?<=a)b"}), "schema_pattern", "/schema/properties/a/pattern"),
		put("unknown keyword", field(object{"typ": "string"}), "schema_keyword", "/schema/properties/a/typ"),
		put("unknown format", field(object{"format": "regex"}), "schema_format", "/schema/properties/a/format"),
		put("open schema", object{"schema": object{"type": "object", "properties": object{}}}, "schema_root", "/schema"),
		put("schema that is no object", object{"schema": []int{1}}, "schema_json", "/schema"),
		put("unknown sensitive field", object{"sensitive": []string{"colour"}}, "unknown_field", "/sensitive/0"),
		put("two steps", object{"approval": "two_step"}, "approval_unsupported", "/approval"),
		put("text longer than any", field(object{"type": "string", "maxLength": 200000}), "schema_length", "/schema/properties/a/maxLength"),
		put("authority in lower case", object{"authorities": []string{strings.ToLower(departmentUSCC)}}, "uscc", "/authorities/0"),
		put("authority that is none", object{"authorities": []string{"1143000000612224XX"}}, "uscc", "/authorities/0"),
		put("code type", object{"holders": []object{{"role": "holder", "name": "持证人", "min": 1, "max": 1, "code_types": []string{"000"}}}}, "code_type_unknown", "/holders/0/code_types/0"),
		put("layout", object{"layout": []int{}}, "layout", "/layout"),
		put("several things", object{"name": "", "number_policy": "none", "authorities": []string{}}, "type_invalid", "/name /number_policy /authorities"),
		{name: "no type code", client: w.catalog, request: "PUT /v1/license-types/x%00%ff", body: definition(nil), status: 422, reason: "type_code"},
		{name: "another's type", client: w.rival, request: "PUT /v1/license-types/" + sampleType, body: definition(nil), status: 403, reason: "type_owner"},
		{name: "publishing another's type", client: w.rival, request: "POST /v1/license-types/" + draftType + "/publish", status: 404, reason: "type_unknown"},
		{name: "publishing no type", client: w.catalog, request: "POST /v1/license-types/%00/publish", status: 404, reason: "type_unknown"},
		{name: "publishing twice", client: w.catalog, request: "POST /v1/license-types/" + sampleType + "/publish", status: 409, reason: "type_not_draft"},
		{name: "retiring twice", client: w.catalog, request: "POST /v1/license-types/" + retiredType + "/retire", status: 409, reason: "type_not_published"},
		{name: "publishing with a body", client: w.catalog, request: "POST /v1/license-types/" + draftType + "/publish", body: `{"version":1}`, status: 400, reason: "body_unexpected"},
		{name: "reading no type", client: w.reader, request: "GET /v1/license-types/%ff", status: 404, reason: "type_unknown"},
		{name: "reading no version", client: w.reader, request: "GET /v1/license-types/" + sampleType + "?version=9", status: 404, reason: "type_unknown"},
		{name: "listing after nonsense", client: w.reader, request: "GET /v1/license-types?after=%00", status: 400, reason: "query_parameter"},
		{name: "listing too many", client: w.reader, request: "GET /v1/license-types?limit=101", status: 400, reason: "query_parameter"},
	}
}

// issuing returns a bad request to issue.
func (w *world) issuing(name string, change object, status int, reason, at string) badInput {
	return badInput{name: name, client: w.department, request: "POST /v1/licenses", body: issueBody("new", change),
		headers: []string{idempotencyKey, fmt.Sprintf("%x", name)}, status: status, reason: reason, at: at}
}

func (w *world) badLicenses() []badInput {
	today := party.DateOf(w.started)
	deep := any(hiddenField)
	for range 20 {
		deep = []any{deep}
	}
	return []badInput{
		w.issuing("unknown type", object{"type_code": unknownType}, 422, "type_unknown", ""),
		w.issuing("type that is none", object{"type_code": "\x00"}, 422, "type_unknown", ""),
		w.issuing("draft type", object{"type_code": draftType}, 422, "type_unknown", ""),
		w.issuing("retired type", object{"type_code": retiredType}, 409, "type_retired", ""),
		w.issuing("beyond the mandate", object{"type_code": othersType}, 403, "mandate", ""),
		w.issuing("schema violations", object{"fields": object{"grade": 9, hiddenName: hiddenField}}, 422, "schema_violation",
			"/fields/category /fields/"+hiddenName+" /fields/grade"),
		w.issuing("a field of the wrong type", object{"fields": object{"category": []string{hiddenField}}}, 422, "schema_violation", "/fields/category"),
		w.issuing("a field that is too long", object{"fields": object{"category": strings.Repeat(hiddenField, 20)}}, 422, "schema_violation", "/fields/category"),
		w.issuing("fields that are none", object{"fields": hiddenField}, 422, "schema_violation", "/fields"),
		w.issuing("deep fields", object{"fields": object{"category": deep}}, 422, "schema_violation", "/fields"),
		w.issuing("a number too long to compute", object{"fields": `{"category":"x","grade":1e999999999}`}, 422, "schema_violation", "/fields"),
		w.issuing("too many fields", object{"fields": object{"category": strings.Split(strings.Repeat("x", 5000), "")}}, 422, "schema_violation", "/fields"),
		w.issuing("period before issue", object{"valid_from": today.AddMonths(-10), "valid_until": today.AddDays(-1)}, 422, "period_past", "/valid_until"),
		w.issuing("period backwards", object{"valid_until": today.AddDays(-1)}, 422, "period_order", "/valid_until"),
		w.issuing("period too long", object{"valid_until": today.AddMonths(73)}, 422, "period_length", "/valid_until"),
		w.issuing("no first day", object{"valid_from": nil}, 422, "required", "/valid_from"),
		w.issuing("a day that is none", object{"valid_from": "2026-02-30"}, 400, "json_type", "/valid_from"),
		w.issuing("number in use", object{"number": "taken"}, 409, "number_taken", ""),
		w.issuing("no number", object{"number": ""}, 422, "length", "/number"),
		w.issuing("hidden characters in a number", object{"number": "a\u202eb"}, 422, "characters", "/number"),
		w.issuing("area code", object{"area_code": "43"}, 422, "area_code", "/area_code"),
		w.issuing("serial with a citizen number", object{"serial": "A" + sampleCitizen}, 422, "serial_citizen_number", "/serial"),
		w.issuing("serial in lower case", object{"serial": "abc"}, 422, "identifier_serial", "/serial"),
	}
}

// hiddenName is a field's name that no type defines.
const hiddenName = "colour"

func (w *world) badHolders() []badInput {
	holder := func(change object) object {
		return object{"holders": []object{merge(object{"name": sampleName, "code_type": "111", "code": sampleCitizen, "role": "holder"}, change)}}
	}
	one := holder(nil)["holders"].([]object)[0]
	return []badInput{
		w.issuing("check digit", holder(object{"code": wrongDigit}), 422, "code_check_digit", "/holders/0/code"),
		w.issuing("birth date", holder(object{"code": impossibleBirth}), 422, "code_birth_date", "/holders/0/code"),
		w.issuing("check digit of an organization", holder(object{"code_type": "001", "code": "11430000006122244X"}), 422, "code_check_digit", "/holders/0/code"),
		w.issuing("code type not of the role", holder(object{"code_type": "414"}), 422, "code_type", "/holders/0/code_type"),
		w.issuing("unknown code type", holder(object{"code_type": hiddenField}), 422, "code_type_unknown", "/holders/0/code"),
		w.issuing("role", holder(object{"role": hiddenField}), 422, "license_invalid", "/holders/0/role /holders"),
		w.issuing("name", holder(object{"name": sampleName + "\u202e"}), 422, "name_character", "/holders/0/name"),
		w.issuing("no holder", object{"holders": nil}, 422, "role_missing", "/holders"),
		w.issuing("holder twice", object{"holders": []object{one, one}}, 422, "duplicate", "/holders/1"),
		w.issuing("a thousand holders", object{"holders": repeat(one, 300)}, 422, "license_invalid", ""),
	}
}

func repeat(o object, n int) []object {
	all := make([]object, n)
	for i := range all {
		all[i] = o
	}
	return all
}

// badBodies are bodies that aren't what an endpoint reads.
func (w *world) badBodies() []badInput {
	whole := jsonText(issueBody("new", nil))
	inside := strings.TrimSuffix(whole, "}")
	send := func(name, body string, status int, reason string, headers ...string) badInput {
		return badInput{name: name, client: w.department, request: "POST /v1/licenses", body: body,
			headers: append([]string{idempotencyKey, "body"}, headers...), status: status, reason: reason}
	}
	bomb := strings.Repeat("[", 100_000)
	return []badInput{
		send("too large", whole+strings.Repeat(" ", largeBody), 413, "body_too_large"),
		send("no media type", whole, 415, "media_type", "Content-Type", ""),
		send("another media type", whole, 415, "media_type", "Content-Type", "text/plain"),
		send("another charset", whole, 415, "media_type", "Content-Type", "application/json; charset=gb18030"),
		send("compressed", whole, 415, "content_encoding", "Content-Encoding", "gzip"),
		send("a name twice", inside+`,"number":"`+sampleNumber+`"}`, 400, "json_duplicate_name"),
		send("a name twice within fields", `{"fields":{"category":"`+hiddenField+`","category":"b"}}`, 400, "json_duplicate_name"),
		send("something behind", whole+hiddenField, 400, "json_trailing"),
		send("another value behind", whole+whole, 400, "json_trailing"),
		send("invalid UTF-8", inside+",\"serial\":\"\xff"+hiddenField+"\"}", 400, "json_utf8"),
		send("half a surrogate", inside+`,"serial":"\ud800"}`, 400, "json_syntax"),
		send("cut off", inside, 400, "json_syntax"),
		send("not JSON", hiddenField, 400, "json_syntax"),
		send("deep", bomb, 400, "json_depth"),
		send("deep within fields", `{"fields":`+bomb+strings.Repeat("]", 100_000)+`}`, 400, "json_depth"),
		send("unknown member", inside+`,"verification_code":"`+hiddenField+`"}`, 400, "json_unknown_member"),
		send("member in another case", inside+`,"Serial":"`+hiddenField+`"}`, 400, "json_unknown_member"),
		send("an array", `["`+hiddenField+`"]`, 400, "json_type"),
		send("a text", `"`+hiddenField+`"`, 400, "json_type"),
		send("a number for a text", `{"number":12345678}`, 400, "json_type"),
		send("a text for a list", `{"holders":"`+hiddenField+`"}`, 400, "json_type"),
		{name: "no body", client: w.department, request: "POST /v1/licenses", headers: []string{idempotencyKey, "body", "Content-Type", "application/json"}, status: 400, reason: "body_empty"},
		send("white space", " \n ", 400, "body_empty"),
		send("null", "null", 422, "type_unknown"),
	}
}

// badKeys are idempotency keys that won't do.
func (w *world) badKeys() []badInput {
	send := func(name string, status int, reason string, body object, headers ...string) badInput {
		return badInput{name: name, client: w.department, request: "POST /v1/licenses", body: body, headers: headers, status: status, reason: reason}
	}
	used := fmt.Sprintf("%x", "taken")
	return []badInput{
		send("no key", 400, "idempotency_key_missing", issueBody("new", nil)),
		send("empty key", 400, "idempotency_key_missing", issueBody("new", nil), idempotencyKey, ""),
		send("long key", 422, "idempotency_key", issueBody("new", nil), idempotencyKey, strings.Repeat("k", 129)),
		send("key with a space", 422, "idempotency_key", issueBody("new", nil), idempotencyKey, "a b"),
		send("key in Chinese", 422, "idempotency_key", issueBody("new", nil), idempotencyKey, "样例"),
		send("key of another request", 409, "idempotency_key_reused", issueBody("other", nil), idempotencyKey, used),
		{name: "key of issuing for a replacement", client: w.department, request: "POST /v1/licenses/" + w.issued.ID + "/replace",
			body:    merge(issueBody("taken", object{"type_code": nil}), object{"kind": "change", "reason": "改"}),
			headers: []string{idempotencyKey, used}, status: 409, reason: "idempotency_key_reused"},
	}
}

// badChanges are changes of licenses.
func (w *world) badChanges() []badInput {
	change := func(name, verb string, body any, status int, reason, at string) badInput {
		return badInput{name: name, client: w.department, request: "POST /v1/licenses/" + w.issued.ID + "/" + verb, body: body, headers: []string{ifMatch, `"1"`}, status: status, reason: reason, at: at}
	}
	today := party.DateOf(w.started)
	end := func(c object) object { return merge(endBody(), c) }
	document := func(c object) object { return end(object{"document": merge(endBody()["document"].(object), c)}) }
	replacing := func(c object) object {
		return merge(merge(issueBody("taken", object{"type_code": nil}), object{"kind": "change", "reason": "改"}), c)
	}
	gone := change("a second ending", "end", endBody(), 409, "already_ended", "")
	gone.request, gone.headers = "POST /v1/licenses/"+w.ended.ID+"/end", nil
	suspend := func(c object) object { return merge(suspendBody(), c) }
	blind := change("replacing without If-Match", "replace", replacing(nil), 428, "if_match_missing", "")
	blind.headers = nil
	any := change("replacing whatever is there", "replace", replacing(nil), 428, "if_match_missing", "")
	any.headers = []string{ifMatch, "*"}
	stale := change("replacing what was changed meanwhile", "replace", replacing(nil), 412, "revision_mismatch", "")
	stale.headers = []string{ifMatch, `"2"`}
	weak := change("suspending by a weak tag", "suspend", suspendBody(), 412, "revision_mismatch", "")
	weak.headers = []string{ifMatch, `W/"1"`}
	unquoted := change("ending by a tag without quotes", "end", endBody(), 400, "if_match", "")
	unquoted.headers = []string{ifMatch, "1"}
	late := change("replacing what ended", "replace", replacing(nil), 409, "not_active", "")
	late.request, late.headers = "POST /v1/licenses/"+w.ended.ID+"/replace", []string{ifMatch, `"2"`}
	return []badInput{
		gone, late, blind, any, stale, weak, unquoted,
		change("no reason", "suspend", suspend(object{"reason": nil}), 422, "length", "/reason"),
		change("hidden reason", "suspend", suspend(object{"reason": "a\u0000b"}), 422, "characters", "/reason"),
		change("long reason", "suspend", suspend(object{"reason": strings.Repeat("长", 501)}), 422, "length", "/reason"),
		change("suspension without a document", "suspend", object{"reason": "x"}, 422, "request_invalid", "/document/number /document/basis /document/date"),
		change("another holder", "replace", replacing(object{"holders": []object{{"name": sampleName, "code_type": "111", "code": otherCitizen, "role": "holder"}}}), 409, "subject_changed", ""),
		change("resuming what is active", "resume", object{"reason": "x"}, 409, "not_suspended", ""),
		change("reinstating what is active", "replace", replacing(object{"kind": "reinstated"}), 409, "not_ended", ""),
		change("kind of replacement", "replace", replacing(object{"kind": hiddenField}), 422, "enum", "/kind"),
		change("replacing the type", "replace", replacing(object{"type_code": draftType}), 400, "json_unknown_member", "/type_code"),
		change("replacement with a wrong digit", "replace", replacing(object{"holders": []object{{"name": sampleName, "code_type": "111", "code": wrongDigit, "role": "holder"}}}), 422, "code_check_digit", "/holders/0/code"),
		change("replacement beyond the schema", "replace", replacing(object{"fields": object{"grade": hiddenField}}), 422, "schema_violation", "/fields/category /fields/grade"),
		change("kind of ending", "end", end(object{"kind": "void"}), 422, "enum", "/kind"),
		change("ending tomorrow", "end", end(object{"effective_from": today.AddDays(2)}), 422, "effective_from_future", "/effective_from"),
		change("ending before issue", "end", end(object{"effective_from": today.AddDays(-2)}), 422, "effective_from_early", "/effective_from"),
		change("ending on no day", "end", end(object{"effective_from": nil}), 422, "required", "/effective_from"),
		change("no document", "end", end(object{"document": nil}), 422, "request_invalid", "/document/number /document/basis /document/date"),
		change("document's hash", "end", document(object{"sha256": "ABC"}), 422, "pattern", "/document/sha256"),
		change("document of tomorrow", "end", document(object{"date": today.AddDays(2)}), 422, "date", "/document/date"),
		change("large reason", "suspend", object{"reason": strings.Repeat("x", smallBody)}, 413, "body_too_large", ""),
	}
}

func (w *world) badSearches() []badInput {
	search := func(name string, q any, status int, reason, at string) badInput {
		return badInput{name: "search: " + name, client: w.reader, request: "POST /v1/licenses/search", body: q, status: status, reason: reason, at: at}
	}
	return []badInput{
		search("two criteria", object{"number": sampleNumber, "type_code": sampleType, "identifier": "x"}, 422, "criteria", ""),
		search("number alone", object{"number": sampleNumber}, 422, "required", "/type_code"),
		search("holder", object{"holder": object{"type": "111", "value": wrongDigit}}, 422, "code", "/holder"),
		search("state", object{"state": "gone"}, 422, "enum", "/state"),
		search("limit", object{"limit": 101}, 422, "range", "/limit"),
		search("huge limit", `{"limit":99999999999999999999}`, 400, "json_type", "/limit"),
		search("cursor", object{"cursor": "x"}, 422, "cursor", "/cursor"),
		search("type", object{"type_code": "a\x00"}, 422, "type_code", "/type_code"),
		search("in the URL", nil, 415, "media_type", ""),
		{name: "search: by query", client: w.reader, request: "POST /v1/licenses/search?number=" + sampleCitizen, body: object{}, status: 400, reason: "query_parameter"},
	}
}

// badCallers ask for what isn't theirs, or isn't there.
func (w *world) badCallers() []badInput {
	id := "/v1/licenses/" + w.issued.ID
	get := func(name string, c *clientOfTest, path string, status int, reason string) badInput {
		return badInput{name: name, client: c, request: "GET " + path, status: status, reason: reason, silent: status == 401}
	}
	post := func(name string, c *clientOfTest, path string, body any, status int, reason string) badInput {
		return badInput{name: name, client: c, request: "POST " + path, body: body, status: status, reason: reason, silent: status == 401}
	}
	token := func(t string) *clientOfTest { return &clientOfTest{token: t} }
	issue := post("issuing with a reader's token", w.reader, "/v1/licenses", issueBody("x", nil), 403, "insufficient_scope")
	issue.headers = []string{idempotencyKey, "x"}
	return []badInput{
		get("no token", nil, id, 401, "invalid_token"),
		get("a token that is none", token(hiddenFieldToken), id, 401, "invalid_token"),
		get("a tampered token", token(tamper(w.reader.token)), id, 401, "invalid_token"),
		get("a large token", token(strings.Repeat("a", 100_000)), id, 401, "invalid_token"),
		{name: "a token in the URL", request: "GET " + id + "?access_token=x", status: 400, reason: "invalid_request"},
		issue,
		get("reading without the scope", w.catalog, id, 403, "insufficient_scope"),
		post("ending without the scope", w.reader, id+"/end", endBody(), 403, "insufficient_scope"),
		{name: "defining without the scope", client: w.department, request: "PUT /v1/license-types/" + sampleType, body: definition(nil), status: 403, reason: "insufficient_scope"},
		get("another's license", w.stranger, id, 404, "license_unknown"),
		get("another's credential", w.stranger, id+"/credential", 404, "license_unknown"),
		get("another's history", w.stranger, id+"/history", 404, "license_unknown"),
		post("suspending another's license", w.stranger, id+"/suspend", suspendBody(), 404, "license_unknown"),
		post("ending another's license", w.stranger, id+"/end", endBody(), 404, "license_unknown"),
		get("id that is none", w.reader, "/v1/licenses/"+sampleCitizen, 404, "license_unknown"),
		get("id in capitals", w.reader, "/v1/licenses/"+strings.ToUpper(w.issued.ID), 404, "license_unknown"),
		get("id with a slash", w.reader, "/v1/licenses/a%2Fb%00%ff", 404, "license_unknown"),
		get("id of nothing", w.reader, "/v1/licenses/"+strings.Repeat("a", 26), 404, "license_unknown"),
		get("version that is not there", w.reader, id+"?version=2", 404, "license_unknown"),
		get("version that is none", w.reader, id+"?version="+sampleCitizen, 400, "query_parameter"),
		get("version zero", w.reader, id+"?version=0", 400, "query_parameter"),
		get("version twice", w.reader, id+"?version=1&version=1", 400, "query_parameter"),
		get("unknown parameter", w.reader, id+"?"+sampleCitizen+"=1", 400, "query_parameter"),
		get("malformed query", w.reader, id+"?version=1;x=%zz", 400, "query_parameter"),
		get("history from nowhere", w.reader, id+"/history?after=-1", 400, "query_parameter"),
	}
}

const hiddenFieldToken = "eyJhbGciOiJub25lIn0.e30."

// tamper changes a token's signature.
func tamper(token string) string {
	i := len(token) - 10
	return token[:i] + string(cmp.Or(map[byte]byte{'A': 'B'}[token[i]], 'A')) + token[i+1:]
}

func (w *world) badVerifications() []badInput {
	verify := func(name string, body any, status int, reason string) badInput {
		return badInput{name: "verify: " + name, request: "POST /v1/verify", body: body, status: status, reason: reason}
	}
	return []badInput{
		verify("nothing", object{}, 422, "verify_request"),
		verify("both", object{"credential": "x", "identifier": "y", "verification_code": "z"}, 422, "verify_request"),
		verify("a credential with a code", object{"credential": "x", "verification_code": "z"}, 422, "verify_request"),
		verify("no code", object{"identifier": w.issued.Identifier}, 422, "verify_request"),
		verify("a code alone", object{"verification_code": w.issued.VerificationCode}, 422, "verify_request"),
		verify("10 MB", object{"credential": strings.Repeat("A", 10<<20)}, 413, "body_too_large"),
		verify("unknown member", `{"credential":"x","name":"`+sampleName+`"}`, 400, "json_unknown_member"),
	}
}
