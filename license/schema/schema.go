// Package schema is the JSON Schema (draft 2020-12) that a license type has for its
// face fields 照面信息: what a schema may say ([Check], [Compile]), whether fields fit it
// ([Schema.Read], [Schema.Validate]), and what its fields and values are called in the
// languages that it has titles in ([Wording]). Both schemas and fields come from
// outside: each has limits, is read strictly, and is refused with a reason code.
package schema

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"yizheng.internal/license/schema/document"
)

// Schema is the JSON Schema (draft 2020-12) of a type's face fields 照面信息,
// compiled. [Compile] made sure that it ends soon on every input: it loads nothing, never recurses, and holds no
// more than the limits below. A Schema may be used by several goroutines.
type Schema struct {
	compiled *jsonschema.Schema
	flat     *flat // nil for one that isn't of the usual kind
	fields   []Field
	wording  *Wording
	lines    map[string]bool // fields whose texts may have several lines
}

// Field is one face field: a property of the schema's root.
type Field struct {
	Name     string `json:"name"`
	Title    string `json:"title,omitempty"` // for people, usually Chinese; may be empty
	Required bool   `json:"required,omitempty"`
}

// Limits of a schema.
const (
	maxSchemaBytes      = 64 << 10
	maxSchemaDepth      = 16    // of nested JSON objects and arrays
	maxSchemaValues     = 20000 // JSON values of any kind
	maxSchemas          = 1000  // subschemas
	maxSchemaProperties = 200   // in all objects together
	maxEnum             = 1000  // values of one enum
	maxPattern          = 256   // characters
	maxPatternProgram   = 512   // instructions of the compiled pattern: its time per character
	// maxSchemaCost is how many subschemas may apply to one value. A type whose fields have one schema each costs
	// about 2. What costs more is alternatives within alternatives, which multiply through $ref.
	maxSchemaCost = 128
)

// Error says what is wrong with a schema, and where. Reason is one of:
//
//   - schema_json: not strict JSON, or not an object
//   - schema_size, schema_depth, schema_count, schema_properties: beyond a limit
//     (64 KiB, 16 levels, 1,000 subschemas, 200 properties)
//   - schema_draft: $schema names another draft than 2020-12
//   - schema_keyword: a keyword that is unknown or not allowed here
//   - schema_reference: $ref to anything but a subschema of this schema
//   - schema_recursive: a $ref that leads back to itself
//   - schema_cost: too many subschemas would apply to one value
//   - schema_enum, schema_number, schema_pattern, schema_format: a value that is
//     too large, not known, or can't be compiled
//   - schema_root: the root isn't {"type": "object"} with properties that closes
//     itself by "additionalProperties": false or "unevaluatedProperties": false
//   - schema_property_name: not a letter and up to 63 letters, digits and _
//   - schema_hidden_field: a field that isn't among the root's properties
//   - schema_required: the root requires a field that it doesn't define
//   - schema_invalid: wrong by the draft's own schema
//   - schema_length, schema_contradiction, schema_text, of [Check] alone: more
//     than face fields may hold; limits that no value meets; a text with hidden characters
//   - schema_titles, schema_language, schema_enum_titles, of [Check] alone: titles
//     in other languages that are malformed, of no language, or of no value
type Error struct {
	Reason  string
	Pointer string // a JSON Pointer into the schema, "" for the whole
}

func (e *Error) Error() string {
	if e.Pointer == "" {
		return e.Message()
	}
	return e.Pointer + " " + e.Message()
}

// Message returns a clause that follows the pointer and says what to do.
func (e *Error) Message() string {
	if m, ok := messages[e.Reason]; ok {
		return m
	}
	return "is not usable: " + e.Reason
}

// Reasons returns every reason code that an [Error] can have, sorted.
func Reasons() []string { return keysOf(messages) }

var messages = map[string]string{
	"schema_json":          "must be one strict JSON object",
	"schema_size":          "must have at most 64 KiB",
	"schema_depth":         "must have at most 16 levels of objects and arrays",
	"schema_count":         "must have at most 1,000 subschemas and 20,000 values",
	"schema_properties":    "must have at most 200 properties in all, and 200 required names in one place",
	"schema_draft":         "must be https://json-schema.org/draft/2020-12/schema",
	"schema_keyword":       "is not a keyword that a type's schema may use here; names of your own begin with x-",
	"schema_reference":     "must lead to a subschema of this schema, such as #/$defs/name",
	"schema_recursive":     "must not refer to itself, not even through others",
	"schema_cost":          "applies too many subschemas (more than 128) to one value",
	"schema_enum":          "must list at most 1,000 values",
	"schema_number":        "must be a number with at most 32 characters and a small exponent; counts have at most 6 digits",
	"schema_pattern":       "must be a pattern in RE2 syntax, at most 256 characters and without large repetitions; limit lengths by maxLength",
	"schema_format":        "must be one of date, time, date-time, duration, email, hostname, ipv4, ipv6, uri, uri-reference, uuid",
	"schema_root":          `must have "type": "object", properties, and "additionalProperties": false`,
	"schema_property_name": "must be a letter and up to 63 letters, digits and _",
	"schema_hidden_field":  "lets in a field that is not among the properties of the root",
	"schema_required":      "names a field that is not among the properties",
	"schema_invalid":       "is not allowed by JSON Schema draft 2020-12",
	"schema_length":        "is more than face fields may hold: texts of 4,096 characters, lists and objects of 4,095 values",
	"schema_contradiction": "is more than the limit beside it",
	"schema_text":          "must have no control or invisible characters",
	"schema_titles":        `must give a title of 1 to 100 visible characters for 1 to 20 language tags, such as {"en": "Address"}, beside a title in Chinese`,
	"schema_language":      "must be a language tag such as en, bo or zh-Hant; title is the one in Chinese",
	"schema_enum_titles":   "must name a value of the enum beside it",
}

// refuse returns an *Error. The pointer contains names that the author chose, so it is made printable.
func refuse(reason, at string) error { return &Error{reason, shown(at, 1000)} }

// Fields returns the face fields in the order in which the schema has them.
func (s *Schema) Fields() []Field { return slices.Clone(s.fields) }

// schemaURL is the base of every schema while it is compiled. It leads nowhere.
const schemaURL = "urn:yizheng:schema"

// noLoader refuses to load anything. References that leave the schema are refused earlier; noLoader is a second
// safeguard.
type noLoader struct{}

func (noLoader) Load(string) (any, error) { return nil, errors.New("schemas load nothing") }

// Check compiles a schema that is being written. It refuses more than Compile, which must also read what was
// stored before: Check also refuses limits that no face fields could meet within their own limits, and texts with
// hidden characters. Errors are [*Error].
func Check(raw []byte) (*Schema, error) { return compileAs(raw, true) }

// Compile checks a type's schema and compiles it. Errors are [*Error].
//
// It is stricter than the draft, so that a schema says what its author means and
// stays harmless: keywords must be known ("x-…" are ignored), formats are known
// and asserted, $ref stays inside ("#/…") and never recurses, and every field is
// named at the root, because consent and disclosure name fields one by one. A
// $id at the root is ignored.
func Compile(raw []byte) (*Schema, error) { return compileAs(raw, false) }

func compileAs(raw []byte, written bool) (*Schema, error) {
	doc, order, err := decode(raw)
	if err != nil {
		return nil, err
	}
	delete(doc, "$id") // or else references would be relative to it
	check := checker{byPointer: map[string]*node{}, written: written}
	root, err := check.all(doc)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.AssertFormat()
	if err := c.AddResource(schemaURL, doc); err != nil {
		return nil, refuse("schema_invalid", "")
	}
	compiled, err := c.Compile(schemaURL)
	if err != nil {
		return nil, byTheDraft(err)
	}
	return &Schema{compiled, newFlat(root, compiled), fieldsOf(root, order), wordings{}.of(root), linesOf(root)}, nil
}

// decode decodes a schema and returns the root's property names in order.
func decode(raw []byte) (map[string]any, []string, error) {
	v, order, err := document.ReadOrdered(raw, document.Limits{Bytes: maxSchemaBytes, Depth: maxSchemaDepth, Values: maxSchemaValues}, "/properties")
	switch err {
	case nil:
	case document.ErrSize:
		return nil, nil, refuse("schema_size", "")
	case document.ErrDepth:
		return nil, nil, refuse("schema_depth", "")
	case document.ErrCount:
		return nil, nil, refuse("schema_count", "")
	default:
		return nil, nil, refuse("schema_json", "")
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, nil, refuse("schema_json", "")
	}
	return doc, order, nil
}

// byTheDraft says where the draft's own schema was violated.
func byTheDraft(err error) error {
	e, ok := errors.AsType[*jsonschema.SchemaValidationError](err)
	if !ok {
		return refuse("schema_invalid", "")
	}
	v, ok := errors.AsType[*jsonschema.ValidationError](e.Err)
	if !ok {
		return refuse("schema_invalid", "")
	}
	for len(v.Causes) > 0 {
		v = slices.MaxFunc(v.Causes, func(a, b *jsonschema.ValidationError) int {
			return cmp.Compare(len(a.InstanceLocation), len(b.InstanceLocation))
		})
	}
	return refuse("schema_invalid", Pointer(v.InstanceLocation))
}

// fieldsOf lists the root's properties. A field without a title takes that of
// the schema it refers to.
func fieldsOf(root *node, order []string) []Field {
	required, _ := root.object["required"].([]any)
	fields := make([]Field, 0, len(order))
	for _, name := range order {
		f := Field{Name: name, Required: slices.Contains(required, any(name))}
		for n := root.named[name]; n != nil && f.Title == ""; n = n.target {
			f.Title, _ = n.object["title"].(string)
		}
		fields = append(fields, f)
	}
	return fields
}

// keysOf returns a map's keys in order, so that what is found in maps comes in the same order each time.
func keysOf[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
