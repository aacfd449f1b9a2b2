package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// flatSchema has twelve fields, as most types do.
const flatSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "$id": "https://example.test/types/catering",
  "type": "object",
  "additionalProperties": false,
  "required": ["name", "category", "KZ_XKZBH"],
  "properties": {
    "name":     {"title": "经营者名称", "type": "string", "minLength": 1, "maxLength": 100},
    "category": {"title": "主体业态", "type": "string", "enum": ["餐饮服务经营者", "食品销售经营者", "单位食堂"]},
    "KZ_XKZBH": {"title": "许可证编号", "type": "string", "pattern": "^JY[0-9]{14}$"},
    "address":  {"title": "经营场所", "type": "string", "maxLength": 200},
    "items":    {"title": "经营项目", "type": "string", "maxLength": 500},
    "day":      {"title": "签发日期", "$ref": "#/$defs/day"},
    "officer":  {"title": "签发人", "type": "string", "maxLength": 50},
    "phone":    {"title": "投诉举报电话", "type": "string", "pattern": "^[0-9-]{3,20}$"},
    "district": {"title": "日常监督管理机构", "type": "string"},
    "person":   {"title": "法定代表人", "type": "string"},
    "note":     {"title": "备注", "type": "string"},
    "since":    {"$ref": "#/$defs/day"}
  },
  "$defs": {"day": {"title": "日期", "type": "string", "format": "date"}},
  "x-layout": {"columns": 2}
}`

const flatFields = `{"name":"样例青禾小馆","category":"餐饮服务经营者","KZ_XKZBH":"JY29900000000001","address":"云岭省青禾市样例路1号","items":"热食类食品制售","day":"2025-01-02","officer":"样例䶮","phone":"12315","district":"青禾市市场监督管理局","person":"样例张三","note":"无","since":"2020-02-29"}`

func compile(t testing.TB, raw string) *Schema {
	t.Helper()
	s, err := Compile([]byte(raw))
	if err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return s
}

// with returns a schema of a field "a" with the given subschema.
func with(a string) string {
	return `{"type":"object","additionalProperties":false,"properties":{"a":` + a + `}}`
}

func TestFields(t *testing.T) {
	fields := compile(t, flatSchema).Fields()
	var names []string
	for _, f := range fields {
		names = append(names, f.Name)
	}
	if got := strings.Join(names, " "); got != "name category KZ_XKZBH address items day officer phone district person note since" {
		t.Errorf("order: %s", got)
	}
	want := map[string]Field{"name": {"name", "经营者名称", true}, "day": {"day", "签发日期", false}, "since": {"since", "日期", false}}
	for _, f := range fields {
		if w, ok := want[f.Name]; ok && f != w {
			t.Errorf("got %+v, want %+v", f, w)
		}
	}
	fields[0].Name = "changed"
	if s := compile(t, flatSchema); s.Fields()[0].Name != "name" {
		t.Error("Fields shares its slice")
	}
}

func TestCompileSchemaAccepts(t *testing.T) {
	for name, raw := range map[string]string{
		"smallest":               with(`true`),
		"unevaluated":            `{"type":"object","unevaluatedProperties":false,"properties":{"a":{}},"allOf":[{"properties":{"a":{"type":"string"}}}]}`,
		"alternatives":           with(`{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]}`),
		"table":                  with(`{"type":"array","maxItems":50,"items":{"type":"object","additionalProperties":false,"properties":{"name":{"type":"string"},"area":{"type":"number","minimum":0,"maximum":1e9,"multipleOf":0.01}}}}`),
		"conditional":            `{"type":"object","additionalProperties":false,"properties":{"a":{},"b":{}},"if":{"required":["a"]},"then":{"required":["b"]},"dependentRequired":{"b":["a"]}}`,
		"reference to a sibling": `{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string"},"b":{"$ref":"#/properties/a"}}}`,
		"100 labels":             with(`{"oneOf":[` + strings.TrimSuffix(strings.Repeat(`{"const":"x","title":"t"},`, 100), ",") + `]}`),
		"1,000 values":           with(`{"enum":[` + strings.TrimSuffix(strings.Repeat(`"x",`, 1000), ",") + `]}`),
	} {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(name, "values") { // the draft wants them different
				for i := range 1000 {
					raw = strings.Replace(raw, `"x"`, fmt.Sprintf("%q", fmt.Sprint(i)), 1)
				}
			}
			compile(t, raw)
		})
	}
}

func TestCompileSchemaRefuses(t *testing.T) {
	deep := strings.Repeat(`{"items":`, 20) + `{}` + strings.Repeat(`}`, 20)
	for _, tt := range []struct{ name, raw, reason, pointer string }{
		{"nothing", ``, "schema_json", ""},
		{"no object", `true`, "schema_json", ""},
		{"null", `null`, "schema_json", ""},
		{"duplicate keyword", `{"type":"object","type":"object"}`, "schema_json", ""},
		{"trailing data", with(`{}`) + `{}`, "schema_json", ""},
		{"not UTF-8", with("{\"title\":\"\xff\"}"), "schema_json", ""},
		{"large", with(`{"title":"` + strings.Repeat("x", maxSchemaBytes) + `"}`), "schema_size", ""},
		{"deep", with(deep), "schema_depth", ""},
		{"deep JSON", with(`{"default":` + strings.Repeat("[", 40000)), "schema_depth", ""},
		{"many values", with(`{"default":[` + strings.TrimSuffix(strings.Repeat("1,", 20001), ",") + `]}`), "schema_count", ""},
		{"many subschemas", with(`{"prefixItems":[` + strings.TrimSuffix(strings.Repeat("true,", 1000), ",") + `]}`), "schema_count", "/properties/a/prefixItems/997"},

		{"draft 7", `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,"properties":{"a":{}}}`, "schema_draft", "/$schema"},
		{"own draft", `{"$schema":"file:///etc/passwd","type":"object","additionalProperties":false,"properties":{"a":{}}}`, "schema_draft", "/$schema"},
		{"draft of a part", with(`{"$schema":"https://json-schema.org/draft/2020-12/schema"}`), "schema_keyword", "/properties/a/$schema"},
		{"typing error", with(`{"maxLenght":3}`), "schema_keyword", "/properties/a/maxLenght"},
		{"name within", with(`{"$id":"https://example.test/"}`), "schema_keyword", "/properties/a/$id"},
		{"anchor", with(`{"$anchor":"x"}`), "schema_keyword", "/properties/a/$anchor"},
		{"dynamic reference", with(`{"$dynamicRef":"#/properties/a"}`), "schema_keyword", "/properties/a/$dynamicRef"},
		{"recursive reference", with(`{"$recursiveRef":"#"}`), "schema_keyword", "/properties/a/$recursiveRef"},
		{"vocabulary", with(`{"$vocabulary":{}}`), "schema_keyword", "/properties/a/$vocabulary"},
		{"control character", with("{\"a\\u0000/\\u202e\":1}"), "schema_keyword", `/properties/a/a\u0000~1\u202e`},

		{"file", with(`{"$ref":"file:///etc/passwd"}`), "schema_reference", "/properties/a/$ref"},
		{"URL", with(`{"$ref":"http://127.0.0.1/x#/a"}`), "schema_reference", "/properties/a/$ref"},
		{"relative", with(`{"$ref":"other.json"}`), "schema_reference", "/properties/a/$ref"},
		{"the draft itself", with(`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`), "schema_reference", "/properties/a/$ref"},
		{"nowhere", with(`{"$ref":"#/$defs/none"}`), "schema_reference", "/properties/a/$ref"},
		{"escaped", with(`{"$ref":"#/%24defs/x"}`), "schema_reference", "/properties/a/$ref"},
		{"into a value", with(`{"enum":[{"type":"string"}],"$ref":"#/properties/a/enum/0"}`), "schema_reference", "/properties/a/$ref"},
		{"into an extension", with(`{"x-hidden":{"pattern":"(a{100}){10}"},"$ref":"#/properties/a/x-hidden"}`), "schema_reference", "/properties/a/$ref"},
		{"no text", with(`{"$ref":1}`), "schema_reference", "/properties/a/$ref"},

		{"itself", with(`{"$ref":"#/properties/a"}`), "schema_recursive", "/properties/a"},
		{"a tree", with(`{"type":"array","items":{"$ref":"#/properties/a"}}`), "schema_recursive", "/properties/a"},
		{"two in a circle", `{"type":"object","additionalProperties":false,"properties":{"a":{"$ref":"#/properties/b"},"b":{"$ref":"#/properties/a"}}}`, "schema_recursive", "/properties/a"},
		{"unused circle", `{"type":"object","additionalProperties":false,"properties":{"a":{}},"$defs":{"x":{"not":{"$ref":"#/$defs/x"}}}}`, "schema_recursive", "/$defs/x"},

		{"multiplied", laughs(30), "schema_cost", ""},
		{"alternatives", with(`{"anyOf":[` + strings.TrimSuffix(strings.Repeat(`{"type":"string"},`, 200), ",") + `]}`), "schema_cost", ""},

		{"many properties", manyProperties(201), "schema_properties", "/properties"},
		{"many values of enum", with(`{"enum":[` + strings.TrimSuffix(strings.Repeat(`1,`, 1001), ",") + `]}`), "schema_enum", "/properties/a/enum"},
		{"many names", with(`{"required":[` + strings.TrimSuffix(strings.Repeat(`"x",`, 201), ",") + `]}`), "schema_properties", "/properties/a/required"},
		{"number", with(`{"minimum":1e999999999}`), "schema_number", "/properties/a/minimum"},
		{"number inside", with(`{"const":[{"x":1e-999999999}]}`), "schema_number", "/properties/a/const"},
		{"long number", with(`{"maximum":` + strings.Repeat("9", 33) + `}`), "schema_number", "/properties/a/maximum"},
		{"count", with(`{"minLength":99999999999999999999}`), "schema_number", "/properties/a/minLength"},
		{"negative count", with(`{"minLength":-1}`), "schema_number", "/properties/a/minLength"},
		{"pattern", with(`{"pattern":"("}`), "schema_pattern", "/properties/a/pattern"},
		{"look-ahead", with(`{"pattern":"^(?=a)"}`), "schema_pattern", "/properties/a/pattern"},
		{"back reference", with(`{"pattern":"(a)\\1"}`), "schema_pattern", "/properties/a/pattern"},
		{"long pattern", with(`{"pattern":"` + strings.Repeat("a", 257) + `"}`), "schema_pattern", "/properties/a/pattern"},
		{"repetition", with(`{"pattern":"^.{1,1000}$"}`), "schema_pattern", "/properties/a/pattern"},
		{"repeated repetition", with(`{"pattern":"((a{30}){30}){30}"}`), "schema_pattern", "/properties/a/pattern"},
		{"pattern of names", with(`{"patternProperties":{"(((":{}}}`), "schema_pattern", "/properties/a/patternProperties/((("},
		{"format", with(`{"format":"regex"}`), "schema_format", "/properties/a/format"},
		{"unknown format", with(`{"format":"chinese-date"}`), "schema_format", "/properties/a/format"},
		{"content", with(`{"contentMediaType":"application/json"}`), "schema_keyword", "/properties/a/contentMediaType"},

		{"open root", `{"type":"object","properties":{"a":{}}}`, "schema_root", ""},
		{"root of another type", `{"type":["object","null"],"additionalProperties":false,"properties":{"a":{}}}`, "schema_root", ""},
		{"no fields", `{"type":"object","additionalProperties":false,"properties":{}}`, "schema_root", ""},
		{"closed by a schema", `{"type":"object","additionalProperties":{"not":{}},"properties":{"a":{}}}`, "schema_root", ""},
		{"fields by pattern", `{"type":"object","additionalProperties":false,"properties":{"a":{}},"patternProperties":{"^b":{}}}`, "schema_hidden_field", "/patternProperties"},
		{"hidden field", `{"type":"object","unevaluatedProperties":false,"properties":{"a":{}},"allOf":[{"properties":{"b":{}}}]}`, "schema_hidden_field", "/allOf/0/properties/b"},
		{"hidden by reference", `{"type":"object","unevaluatedProperties":false,"properties":{"a":{}},"$ref":"#/$defs/x","$defs":{"x":{"anyOf":[{"properties":{"b":{}}}]}}}`, "schema_hidden_field", "/$defs/x/anyOf/0/properties/b"},
		{"let in", `{"type":"object","unevaluatedProperties":false,"properties":{"a":{}},"if":{"additionalProperties":true}}`, "schema_hidden_field", "/if/additionalProperties"},
		{"required and undefined", `{"type":"object","additionalProperties":false,"properties":{"a":{}},"required":["b"]}`, "schema_required", "/required"},
		{"SD-JWT's names", `{"type":"object","additionalProperties":false,"properties":{"_sd":{}}}`, "schema_property_name", "/properties/_sd"},
		{"SD-JWT's dots", with(`{"properties":{"...":{}}}`), "schema_property_name", "/properties/a/properties/..."},
		{"Chinese name", `{"type":"object","additionalProperties":false,"properties":{"姓名":{}}}`, "schema_property_name", "/properties/姓名"},

		{"type", with(`{"type":"text"}`), "schema_invalid", "/properties/a/type"},
		{"title", with(`{"title":1}`), "schema_invalid", "/properties/a/title"},
		{"subschema", with(`1`), "schema_invalid", "/properties/a"},
		{"properties", with(`{"properties":[]}`), "schema_invalid", "/properties/a/properties"},
		{"empty alternatives", with(`{"anyOf":[]}`), "schema_invalid", "/properties/a/anyOf"},
		{"multiple of nothing", with(`{"multipleOf":0}`), "schema_invalid", "/properties/a/multipleOf"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			s, err := Compile([]byte(tt.raw))
			e, ok := errors.AsType[*Error](err)
			if !ok || s != nil || e.Reason != tt.reason || e.Pointer != tt.pointer {
				t.Errorf("got %+v; want %s at %q", e, tt.reason, tt.pointer)
			}
			if ok && strings.HasPrefix(e.Message(), "is not usable") {
				t.Errorf("%s has no message", e.Reason)
			}
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

// laughs returns a small schema that applies 2^n subschemas.
func laughs(n int) string {
	var defs []string
	for i := range n {
		next := fmt.Sprintf("#/$defs/d%d", i+1)
		defs = append(defs, fmt.Sprintf(`"d%d":{"allOf":[{"$ref":%q},{"$ref":%q}]}`, i, next, next))
	}
	return `{"type":"object","additionalProperties":false,"properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{` +
		strings.Join(defs, ",") + fmt.Sprintf(`,"d%d":{"type":"string"}}}`, n)
}

func manyProperties(n int) string {
	var properties []string
	for i := range n {
		properties = append(properties, fmt.Sprintf(`"p%d":{"type":"string"}`, i))
	}
	return `{"type":"object","additionalProperties":false,"properties":{` + strings.Join(properties, ",") + `}}`
}

// Two long patterns with the same beginning must both be looked at.
func TestCompileSchemaLooksAtEveryPattern(t *testing.T) {
	p := strings.Repeat("a", 100)
	for _, names := range [][2]string{{p + "1", p + "2"}, {p + "2", p + "1"}} {
		raw := with(fmt.Sprintf(`{"patternProperties":{%q:{"$ref":"file:///etc/passwd"},%q:{}}}`, names[0], names[1]))
		if _, err := Compile([]byte(raw)); err == nil || err.(*Error).Reason != "schema_reference" {
			t.Errorf("got %v", err)
		}
	}
}

func TestValidate(t *testing.T) {
	table := with(`{"type":"array","maxItems":2,"uniqueItems":true,"items":{"type":"object","required":["n"],"properties":{"n":{"type":"number","minimum":0.5,"multipleOf":0.01}}}}`)
	for _, tt := range []struct {
		name, schema, fields string
		want                 []string // "pointer keyword"
	}{
		{"good", flatSchema, flatFields, nil},
		{"missing", flatSchema, `{"name":"x"}`, []string{"/KZ_XKZBH required", "/category required"}},
		{"many at once", flatSchema, `{"name":"","category":"secret","KZ_XKZBH":"secret","day":"2025-02-29","phone":12315,"since":null}`, []string{
			"/KZ_XKZBH pattern", "/category enum", "/day format", "/name minLength", "/phone type", "/since type"}},
		{"unknown fields", with(`true`), `{"b":"secret","_sd":[],"c/d~":1,"张三":1,"x\u0000\u202e":1}`, []string{
			"/_sd additionalProperties", "/b additionalProperties", "/c~1d~0 additionalProperties", `/x\u0000\u202e additionalProperties`, "/张三 additionalProperties"}},
		{"long name", with(`true`), `{"` + strings.Repeat("n", 100) + `":1}`, []string{"/" + strings.Repeat("n", 64) + "… additionalProperties"}},
		{"SD-JWT's names in an open object", with(`true`), `{"a":[{"_sd":["x"]},{"...":"x"},{"b":{"_sd_alg":1}}]}`, []string{
			"/a/0/_sd additionalProperties", "/a/1/... additionalProperties", "/a/2/b/_sd_alg additionalProperties"}},
		{"table", table, `{"a":[{"n":0.51},{"n":1}]}`, nil},
		{"bad table", table, `{"a":[{"n":0.001},{"n":"1"},{"m":1},{"m":1.0}]}`, []string{
			"/a maxItems", "/a uniqueItems", "/a/0/n minimum", "/a/0/n multipleOf", "/a/1/n type", "/a/2/n required", "/a/3/n required"}},
		{"no object", flatSchema, `[]`, []string{" type"}},
		{"null", flatSchema, `null`, []string{" type"}},
		{"alternatives", with(`{"anyOf":[{"type":"string"},{"minimum":3,"type":"number"}]}`), `{"a":1}`, []string{"/a anyOf"}},
		{"two of one", with(`{"oneOf":[{"type":"number"},{"minimum":3}]}`), `{"a":4}`, []string{"/a oneOf"}},
		{"all", with(`{"allOf":[{"minLength":3},{"pattern":"^b"}]}`), `{"a":"a"}`, []string{"/a minLength", "/a pattern"}},
		{"not", with(`{"not":{"const":"secret"}}`), `{"a":"secret"}`, []string{"/a not"}},
		{"contains", with(`{"contains":{"const":1},"minContains":2}`), `{"a":[1,"secret"]}`, []string{"/a minContains"}},
		{"refused", with(`{"properties":{"b":false}}`), `{"a":{"b":1}}`, []string{"/a/b additionalProperties"}},
		{"unevaluated", with(`{"type":"object","unevaluatedProperties":false}`), `{"a":{"b":1}}`, []string{"/a/b additionalProperties"}},
		{"dependent", `{"type":"object","additionalProperties":false,"properties":{"a":{},"b":{}},"dependentRequired":{"a":["b"]}}`, `{"a":1}`, []string{"/b dependentRequired"}},
		{"long string", with(`true`), `{"a":"` + strings.Repeat("字", 4097) + `"}`, []string{"/a maxLength"}},
		{"string of 4096", with(`true`), `{"a":"` + strings.Repeat("字", 4096) + `"}`, nil},
		{"huge number", with(`{"minimum":1}`), `{"a":1e999999999}`, []string{"/a type"}},
		{"tiny number", with(`{"multipleOf":1}`), `{"a":1e-999999999}`, []string{"/a type"}},
		{"whole number with zeros", with(`{"type":"integer"}`), `{"a":1.00}`, nil},
		{"large integer", with(`{"type":"integer"}`), `{"a":12345678901234567890123}`, nil},
		{"time", with(`{"format":"date-time"}`), `{"a":"2025-01-02"}`, []string{"/a format"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := compile(t, tt.schema)
			found, err := s.Validate([]byte(tt.fields))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, v := range found {
				got = append(got, v.Pointer+" "+v.Keyword)
				if strings.Contains(v.Message, "secret") || v.Message == "" || v.Message == "does not fit the type" {
					t.Errorf("message %q", v.Message)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestValidateRefusesToLook(t *testing.T) {
	s := compile(t, with(`true`))
	for name, tt := range map[string][2]string{
		"nothing":        {``, "fields_json"},
		"duplicate name": {`{"a":1,"a":1}`, "fields_json"},
		"same name":      {`{"a":1,"\u0061":1}`, "fields_json"},
		"not UTF-8":      {"{\"a\":\"\xff\"}", "fields_json"},
		"lone surrogate": {`{"a":"\ud800"}`, "fields_json"},
		"trailing":       {`{"a":1} x`, "fields_json"},
		"cut off":        {`{"a":[1`, "fields_json"},
		"large":          {`{"a":"` + strings.Repeat("x", maxFieldsBytes) + `"}`, "fields_size"},
		"deep":           {`{"a":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, "fields_depth"},
		"very deep":      {`{"a":` + strings.Repeat("[", 60000), "fields_depth"},
		"many":           {`{"a":[` + strings.TrimSuffix(strings.Repeat("1,", 4096), ",") + `]}`, "fields_count"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := s.Validate([]byte(tt[0]))
			if e, ok := errors.AsType[*FieldsError](err); !ok || e.Reason != tt[1] || found != nil {
				t.Errorf("got %v, %v; want %s", found, err, tt[1])
			}
		})
	}
	for _, v := range []any{map[string]any{"a": struct{}{}}, map[string]any{"a": make(chan int)}} {
		if _, err := s.ValidateDecoded(v); err == nil {
			t.Errorf("%T is accepted", v)
		}
	}
	for _, n := range []any{json.Number("NaN"), json.Number(""), json.Number("0x10"), json.Number("1/3"), json.Number("--1")} {
		if found, err := s.ValidateDecoded(map[string]any{"a": n}); err != nil || len(found) != 1 {
			t.Errorf("%q: %v, %v", n, found, err)
		}
	}
}

func TestDecodeFieldsKeepsNumbers(t *testing.T) {
	const text = `{"a":[1.50,{"b":12345678901234567890}]}`
	v, err := decodeFields([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(v); err != nil || string(b) != text {
		t.Errorf("%s, %v", b, err)
	}
}

func TestManyViolations(t *testing.T) {
	s := compile(t, with(`{"items":{"type":"string"}}`))
	found, err := s.Validate([]byte(`{"a":[` + strings.TrimSuffix(strings.Repeat("1,", 4000), ",") + `]}`))
	if err != nil || len(found) != maxViolations+1 {
		t.Fatalf("%d violations, %v", len(found), err)
	}
	if last := found[maxViolations]; last.Keyword != "more" || !strings.Contains(last.Message, "4000") {
		t.Errorf("the last is %+v", last)
	}
}

// What passes the limits ends soon, also at its worst.
func TestValidateEndsSoon(t *testing.T) {
	letters := strings.Repeat("a", 4000)
	items := `{"a":[` + strings.TrimSuffix(strings.Repeat(`"`+letters+`",`, 4), ",") + `]}`
	small := `{"a":[` + strings.TrimSuffix(strings.Repeat(`{},`, 1000), ",") + `]}`
	pattern := `{"pattern":"^(a|aa|aaa|[a-c]){0,25}(a?a?a?b){5}$"}`
	for _, tt := range []struct{ name, schema, fields string }{
		{"patterns", with(`{"items":{"anyOf":[` + strings.TrimSuffix(strings.Repeat(pattern+",", 2), ",") + `]}}`), items},
		{"alternatives", with(`{"items":{"anyOf":[` + strings.TrimSuffix(strings.Repeat(`{"type":"string"},`, 120), ",") + `]}}`), small},
		{"long pattern", with(`{"items":{"pattern":"^((a|b|ab|[a-d]|.)(a?b?c?d?.?){14})*x$"}}`), items},
		{"multiplied", laughs(5), `{"a":1}`},
		{"required", with(`{"items":{"required":[` + nameList(200) + `]}}`), small},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := compile(t, tt.schema)
			start := time.Now()
			found, err := s.Validate([]byte(tt.fields))
			if err != nil || len(found) == 0 {
				t.Fatalf("%v, %v", found, err)
			}
			d := time.Since(start)
			t.Log(d)
			if d > 5*time.Second { // far beyond what it takes, for slow and busy machines
				t.Errorf("took %v", d)
			}
		})
	}
}

func nameList(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%q", fmt.Sprintf("n%d", i)))
	}
	return strings.Join(list, ",")
}

func FuzzSchema(f *testing.F) {
	f.Add([]byte(flatSchema), []byte(flatFields))
	f.Add([]byte(with(`{"$ref":"#/$defs/x"}`)), []byte(`{"a":1}`))
	f.Add([]byte(laughs(3)), []byte(`{"a":"x"}`))
	f.Add([]byte(with(`{"format":"uri","if":{"minimum":1e3},"then":{"uniqueItems":true}}`)), []byte(`{"a":["http://[","x"]}`))
	f.Add([]byte(with(`{"patternProperties":{"^a~/%":{}},"unevaluatedItems":false}`)), []byte(`{"a":[[]]}`))
	f.Fuzz(func(t *testing.T, raw, fields []byte) {
		s, err := Compile(raw)
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("an error without reason: %v", err)
			}
			return
		}
		for _, f := range s.Fields() {
			if !isFieldName(f.Name) {
				t.Fatalf("field %q", f.Name)
			}
		}
		checkValidate(t, s, fields)
	})
}

func FuzzFields(f *testing.F) {
	f.Add([]byte(flatFields))
	f.Add([]byte(`{"a":[{"_sd":[1e5]}],"day":"2024-02-30","since":["x"]}`))
	s := compile(f, strings.Replace(flatSchema, `"note":     {`, `"any": {"anyOf":[{"format":"uri"},{"format":"duration"},{"format":"email"},{"format":"hostname"},{"format":"ipv6"},{"format":"date-time"},{"format":"time"},{"format":"uuid"}],"minimum":3,"multipleOf":0.5,"uniqueItems":true}, "note": {`, 1))
	f.Fuzz(func(t *testing.T, fields []byte) { checkValidate(t, s, fields) })
}

func checkValidate(t *testing.T, s *Schema, fields []byte) {
	found, err := s.Validate(fields)
	if err != nil {
		if _, ok := errors.AsType[*FieldsError](err); !ok {
			t.Fatalf("an error without reason: %v", err)
		}
		return
	}
	if len(found) > maxViolations+1 {
		t.Fatalf("%d violations", len(found))
	}
	for _, v := range found {
		if v.Keyword == "" || v.Message == "" || strings.ContainsFunc(v.Pointer, func(r rune) bool { return r < ' ' }) {
			t.Fatalf("%+v", v)
		}
	}
	if len(found) > 0 {
		return
	}
	var members map[string]any
	if err := json.Unmarshal(fields, &members); err != nil {
		t.Fatalf("accepted, but not JSON: %v", err)
	}
	for name := range members {
		if !slices.ContainsFunc(s.Fields(), func(f Field) bool { return f.Name == name }) {
			t.Fatalf("%q is no field", name)
		}
	}
}

func BenchmarkValidate(b *testing.B) {
	s := compile(b, flatSchema)
	b.ReportAllocs()
	for b.Loop() {
		if found, err := s.Validate([]byte(flatFields)); err != nil || found != nil {
			b.Fatal(found, err)
		}
	}
}

func BenchmarkCompileSchema(b *testing.B) {
	for b.Loop() {
		compile(b, flatSchema)
	}
}
