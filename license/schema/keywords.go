package schema

import (
	"encoding/json"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// keywordCheck checks one keyword's value v, which stands at a pointer. A wrong
// kind of value is left to the draft's own schema unless it matters here.
type keywordCheck func(c *checker, n *node, at string, v any) error

// checkOf returns the check of a keyword that a type's schema may use: nil for one
// that says nothing about values.
func checkOf(keyword string) (check keywordCheck, known bool) {
	switch keyword {
	case "$comment", "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "type":
		return nil, true
	case "$schema":
		return checkDraft, true
	case "$ref":
		return checkReference, true
	case "$defs":
		return subschemas(nowhere), true
	case "allOf", "anyOf", "oneOf", "dependentSchemas":
		return subschemas(samePlace), true
	case "not", "if", "then", "else":
		return subschema(samePlace), true
	case "properties":
		return checkProperties, true
	case "patternProperties":
		return checkPatternProperties, true
	case "items":
		return subschema(eachItem), true
	case "contains", "additionalProperties", "unevaluatedProperties", "unevaluatedItems":
		return subschema(within), true
	case "prefixItems":
		return subschemas(within), true
	case "enum":
		return checkEnum, true
	case "format":
		return checkFormat, true
	case "pattern":
		return checkPattern, true
	case "required", "dependentRequired":
		return checkNames, true
	case "uniqueItems":
		return checkUnique, true
	case "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		return checkNumbers, true
	case "minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties":
		return checkCount, true
	}
	return nil, false
}

func nowhere(*node, *node)       {} // $defs apply where a $ref says so
func samePlace(n *node, s *node) { n.inPlace = append(n.inPlace, s) }
func within(n *node, s *node)    { n.inside = append(n.inside, s) }
func eachItem(n *node, s *node)  { n.items, n.inside = s, append(n.inside, s) }

// subschema returns the check of a keyword whose value is one schema.
func subschema(place func(n, s *node)) keywordCheck {
	return func(c *checker, n *node, at string, v any) error {
		s, err := c.walk(at, v)
		if err == nil {
			place(n, s)
		}
		return err
	}
}

// subschemas returns the check of a keyword whose value is a list or an object of
// schemas.
func subschemas(place func(n, s *node)) keywordCheck {
	one := subschema(place)
	return func(c *checker, n *node, at string, v any) error {
		switch v := v.(type) {
		case []any:
			for i, s := range v {
				if err := one(c, n, at+"/"+strconv.Itoa(i), s); err != nil {
					return err
				}
			}
		case map[string]any:
			for _, name := range keysOf(v) {
				if !isFieldName(name) { // of $defs and dependentSchemas
					return refuse("schema_property_name", at+"/"+escapeToken(name))
				}
				if err := one(c, n, at+"/"+name, v[name]); err != nil {
					return err
				}
			}
		default:
			return refuse("schema_invalid", at)
		}
		return nil
	}
}

// isFieldName reports whether a member of the face fields may be called so, at any
// depth: a letter and up to 63 letters, digits and _. That leaves room for pinyin
// initials (KZ_BDCQZH), and none for the names that SD-JWT reserves (_sd, _sd_alg
// and "...", RFC 9901 section 4).
func isFieldName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c != '_' && (c < '0' || c > '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

func checkProperties(c *checker, n *node, at string, v any) error {
	properties, ok := v.(map[string]any)
	if !ok {
		return refuse("schema_invalid", at)
	}
	if c.properties += len(properties); c.properties > maxSchemaProperties {
		return refuse("schema_properties", at)
	}
	n.named = make(map[string]*node, len(properties))
	return subschemas(func(n, s *node) { n.named[s.pointer[len(at)+1:]] = s })(c, n, at, v)
}

func checkPatternProperties(c *checker, n *node, at string, v any) error {
	patterns, ok := v.(map[string]any)
	if !ok {
		return refuse("schema_invalid", at)
	}
	for _, p := range keysOf(patterns) {
		here := at + "/" + escapeToken(p)
		if err := checkPattern(c, n, here, p); err != nil {
			return err
		}
		if err := subschema(within)(c, n, here, patterns[p]); err != nil {
			return err
		}
	}
	return nil
}

func checkDraft(_ *checker, n *node, at string, v any) error {
	if n.pointer != "" {
		return refuse("schema_keyword", at)
	}
	if s, _ := v.(string); strings.TrimSuffix(s, "#") != "https://json-schema.org/draft/2020-12/schema" {
		return refuse("schema_draft", at)
	}
	return nil
}

// checkReference only checks the form; resolve finds the target. A percent sign is refused: it would be decoded,
// and the reference could lead elsewhere than it says.
func checkReference(_ *checker, _ *node, at string, v any) error {
	if s, _ := v.(string); !strings.HasPrefix(s, "#/") || strings.Contains(s, "%") {
		return refuse("schema_reference", at)
	}
	return nil
}

func checkEnum(c *checker, n *node, at string, v any) error {
	values, _ := v.([]any)
	if len(values) > maxEnum {
		return refuse("schema_enum", at)
	}
	n.weight += len(values) / 16
	return checkNumbers(c, n, at, v)
}

// checkNames counts the names in lists of required names, because each may yield an error.
func checkNames(_ *checker, n *node, at string, v any) error {
	names := 0
	switch v := v.(type) {
	case []any:
		names = len(v)
	case map[string]any:
		for _, list := range v {
			l, _ := list.([]any)
			names += len(l)
		}
	}
	if names > maxSchemaProperties {
		return refuse("schema_properties", at)
	}
	n.weight += names / 16
	return nil
}

func checkUnique(_ *checker, n *node, _ string, _ any) error {
	n.weight += 8 // it hashes all that is inside
	return nil
}

// checkNumbers refuses numbers that would take long to compare, also inside lists and objects. The validator
// computes exactly, so 1e999999999 takes it a gigabyte.
func checkNumbers(c *checker, n *node, at string, v any) error {
	switch v := v.(type) {
	case json.Number:
		if !plainNumber(string(v)) {
			return refuse("schema_number", at)
		}
	case []any:
		for _, item := range v {
			if err := checkNumbers(c, n, at, item); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, item := range v {
			if err := checkNumbers(c, n, at, item); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkCount demands a small whole number, because the validator would cut a larger one.
func checkCount(_ *checker, _ *node, at string, v any) error {
	if s, ok := v.(json.Number); !ok || len(s) > 6 || strings.Trim(string(s), "0123456789") != "" {
		return refuse("schema_number", at)
	}
	return nil
}

// checkPattern compiles a pattern and weighs it. Go's patterns take time linear
// in the text, but also in the pattern, which repetitions inflate.
func checkPattern(_ *checker, n *node, at string, v any) error {
	s, ok := v.(string)
	if !ok {
		return refuse("schema_invalid", at)
	}
	if utf8.RuneCountInString(s) > maxPattern {
		return refuse("schema_pattern", at)
	}
	re, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		return refuse("schema_pattern", at)
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil || len(prog.Inst) > maxPatternProgram {
		return refuse("schema_pattern", at)
	}
	n.weight += len(prog.Inst) / 8
	return nil
}

func checkFormat(_ *checker, _ *node, at string, v any) error {
	switch v {
	case "date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid":
		return nil
	}
	// The validator skips formats that it doesn't know, so the schema would promise more than is checked.
	return refuse("schema_format", at)
}
