package license

import (
	"encoding/json"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf8"
)

// schemaNode is one subschema, with what it applies to the same value and to the
// values inside.
type schemaNode struct {
	pointer string
	object  map[string]any         // nil for true and false
	inPlace []*schemaNode          // allOf, if, …, and the target of $ref
	named   map[string]*schemaNode // properties
	inside  []*schemaNode          // items, additionalProperties, …
	target  *schemaNode            // of $ref
	weight  int                    // evaluating this node alone, in units of one subschema

	state nodeState
	same  int // subschemas applied to the value itself
	below int // at most applied to one value inside
}

// nodeState is how far the search for cycles has come with a node.
type nodeState int

const (
	unseen nodeState = iota
	open
	done
)

// schemaCheck walks a decoded schema before anything is compiled.
type schemaCheck struct {
	nodes      []*schemaNode
	byPointer  map[string]*schemaNode // all that $ref may lead to
	properties int
}

// all checks the whole schema and returns its root.
func (c *schemaCheck) all(doc map[string]any) (*schemaNode, error) {
	root, err := c.walk("", doc)
	if err != nil {
		return nil, err
	}
	for _, n := range c.nodes {
		if err := c.resolve(n); err != nil {
			return nil, err
		}
	}
	for _, n := range c.nodes {
		if err := n.count(); err != nil {
			return nil, err
		}
	}
	if max(root.same, root.below) > maxSchemaCost {
		return nil, refuse("schema_cost", "")
	}
	return root, c.closed(root)
}

// walk checks one subschema and, through its keywords, those inside.
func (c *schemaCheck) walk(at string, v any) (*schemaNode, error) {
	n := &schemaNode{pointer: at, weight: 1}
	if len(c.nodes) >= maxSchemas {
		return nil, refuse("schema_count", at)
	}
	c.nodes = append(c.nodes, n)
	c.byPointer[at] = n
	switch v := v.(type) {
	case bool:
		return n, nil
	case map[string]any:
		n.object = v
	default:
		return nil, refuse("schema_invalid", at)
	}
	for _, key := range sortedKeys(n.object) {
		if strings.HasPrefix(key, "x-") {
			continue
		}
		check, ok := schemaKeywords[key]
		if !ok {
			return nil, refuse("schema_keyword", at+"/"+escapeToken(key))
		}
		if check == nil {
			continue // says nothing about values
		}
		if err := check(c, n, at+"/"+key, n.object[key]); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// keywordCheck checks one keyword's value v, which stands at a pointer. A wrong
// kind of value is left to the draft's own schema unless it matters here.
type keywordCheck func(c *schemaCheck, n *schemaNode, at string, v any) error

// schemaKeywords are the keywords that a type's schema may use.
var schemaKeywords map[string]keywordCheck

func init() { // walk uses the table that leads back to it
	schemaKeywords = map[string]keywordCheck{
		"$comment": nil, "title": nil, "description": nil, "default": nil, "examples": nil,
		"deprecated": nil, "readOnly": nil, "writeOnly": nil,
		"type": nil,

		"$schema": checkDraft, "$ref": checkReference, "$defs": subschemas(nowhere),
		"allOf": subschemas(samePlace), "anyOf": subschemas(samePlace), "oneOf": subschemas(samePlace),
		"not": subschema(samePlace), "if": subschema(samePlace), "then": subschema(samePlace), "else": subschema(samePlace),
		"dependentSchemas": subschemas(samePlace),
		"properties":       checkProperties,
		"items":            subschema(within), "prefixItems": subschemas(within), "contains": subschema(within),
		"patternProperties":    checkPatternProperties,
		"additionalProperties": subschema(within), "unevaluatedProperties": subschema(within),
		"unevaluatedItems": subschema(within),

		"enum": checkEnum, "const": checkNumbers, "format": checkFormat, "pattern": checkPattern,
		"required": checkNames, "dependentRequired": checkNames, "uniqueItems": checkUnique,
		"minimum": checkNumbers, "maximum": checkNumbers, "multipleOf": checkNumbers,
		"exclusiveMinimum": checkNumbers, "exclusiveMaximum": checkNumbers,
		"minLength": checkCount, "maxLength": checkCount, "minItems": checkCount, "maxItems": checkCount,
		"minContains": checkCount, "maxContains": checkCount, "minProperties": checkCount, "maxProperties": checkCount,
	}
}

func nowhere(*schemaNode, *schemaNode)       {} // $defs apply where a $ref says so
func samePlace(n *schemaNode, s *schemaNode) { n.inPlace = append(n.inPlace, s) }
func within(n *schemaNode, s *schemaNode)    { n.inside = append(n.inside, s) }

// subschema returns the check of a keyword whose value is one schema.
func subschema(place func(n, s *schemaNode)) keywordCheck {
	return func(c *schemaCheck, n *schemaNode, at string, v any) error {
		s, err := c.walk(at, v)
		if err == nil {
			place(n, s)
		}
		return err
	}
}

// subschemas returns the check of a keyword whose value is a list or an object of
// schemas.
func subschemas(place func(n, s *schemaNode)) keywordCheck {
	one := subschema(place)
	return func(c *schemaCheck, n *schemaNode, at string, v any) error {
		switch v := v.(type) {
		case []any:
			for i, s := range v {
				if err := one(c, n, at+"/"+strconv.Itoa(i), s); err != nil {
					return err
				}
			}
		case map[string]any:
			for _, name := range sortedKeys(v) {
				if !fieldName.MatchString(name) { // of $defs and dependentSchemas
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

// fieldName is what a member of the face fields may be called, at any depth. It
// leaves room for pinyin initials (KZ_BDCQZH), and none for the names that SD-JWT
// reserves (_sd, _sd_alg and "...", RFC 9901 section 4).
var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

func checkProperties(c *schemaCheck, n *schemaNode, at string, v any) error {
	properties, ok := v.(map[string]any)
	if !ok {
		return refuse("schema_invalid", at)
	}
	if c.properties += len(properties); c.properties > maxSchemaProperties {
		return refuse("schema_properties", at)
	}
	n.named = make(map[string]*schemaNode, len(properties))
	return subschemas(func(n, s *schemaNode) { n.named[s.pointer[len(at)+1:]] = s })(c, n, at, v)
}

func checkPatternProperties(c *schemaCheck, n *schemaNode, at string, v any) error {
	patterns, ok := v.(map[string]any)
	if !ok {
		return refuse("schema_invalid", at)
	}
	for _, p := range sortedKeys(patterns) {
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

func checkDraft(_ *schemaCheck, n *schemaNode, at string, v any) error {
	if n.pointer != "" {
		return refuse("schema_keyword", at)
	}
	if s, _ := v.(string); strings.TrimSuffix(s, "#") != "https://json-schema.org/draft/2020-12/schema" {
		return refuse("schema_draft", at)
	}
	return nil
}

// checkReference only asks for the form; resolve finds the target. A percent sign
// would be decoded and could lead elsewhere than it says.
func checkReference(_ *schemaCheck, _ *schemaNode, at string, v any) error {
	if s, _ := v.(string); !strings.HasPrefix(s, "#/") || strings.Contains(s, "%") {
		return refuse("schema_reference", at)
	}
	return nil
}

func checkEnum(c *schemaCheck, n *schemaNode, at string, v any) error {
	values, _ := v.([]any)
	if len(values) > maxEnum {
		return refuse("schema_enum", at)
	}
	n.weight += len(values) / 16
	return checkNumbers(c, n, at, v)
}

// checkNames makes lists of required names count: each may yield an error.
func checkNames(_ *schemaCheck, n *schemaNode, at string, v any) error {
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

func checkUnique(_ *schemaCheck, n *schemaNode, _ string, _ any) error {
	n.weight += 8 // it hashes all that is inside
	return nil
}

// checkNumbers looks for numbers that would take long to compare, also inside
// lists and objects: 1e999999999 is exact in the validator, and a gigabyte.
func checkNumbers(c *schemaCheck, n *schemaNode, at string, v any) error {
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

// checkCount asks for a small whole number; the validator would cut a larger one.
func checkCount(_ *schemaCheck, _ *schemaNode, at string, v any) error {
	if s, ok := v.(json.Number); !ok || len(s) > 6 || !digits(string(s)) {
		return refuse("schema_number", at)
	}
	return nil
}

// checkPattern compiles a pattern and weighs it. Go's patterns take time linear
// in the text, but also in the pattern, which repetitions inflate.
func checkPattern(_ *schemaCheck, n *schemaNode, at string, v any) error {
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
	n.weight += len(prog.Inst) / 16
	return nil
}

func checkFormat(_ *schemaCheck, _ *schemaNode, at string, v any) error {
	switch v {
	case "date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference", "uuid":
		return nil
	}
	// The validator skips formats that it doesn't know: a promise not kept.
	return refuse("schema_format", at)
}

// resolve finds the target of a node's $ref among the subschemas. A pointer to
// anything else, such as into an enum, would compile what was never checked.
func (c *schemaCheck) resolve(n *schemaNode) error {
	ref, ok := n.object["$ref"].(string)
	if !ok {
		return nil
	}
	if n.target, ok = c.byPointer[ref[1:]]; !ok {
		return refuse("schema_reference", n.pointer+"/$ref")
	}
	n.inPlace = append(n.inPlace, n.target)
	return nil
}

// count adds up what a node costs and refuses cycles. Each node is counted once,
// so that a schema that multiplies through $ref costs no more to refuse.
func (n *schemaNode) count() error {
	switch n.state {
	case done:
		return nil
	case open:
		return refuse("schema_recursive", n.pointer)
	}
	n.state = open
	named := 0
	n.same, n.below = n.weight, 0
	for _, s := range n.inPlace {
		if err := s.count(); err != nil {
			return err
		}
		n.same, n.below = n.same+s.same, n.below+s.below
	}
	for _, name := range sortedKeys(n.named) { // a value has one name
		s := n.named[name]
		if err := s.count(); err != nil {
			return err
		}
		named = max(named, s.same, s.below)
	}
	n.below += named
	for _, s := range n.inside {
		if err := s.count(); err != nil {
			return err
		}
		n.below += max(s.same, s.below)
	}
	// Beyond the limit how far is no matter, and sums can't overflow.
	n.same, n.below = min(n.same, 1<<20), min(n.below, 1<<20)
	n.state = done
	return nil
}

// closed checks that the root is an object whose fields are all named there.
func (c *schemaCheck) closed(root *schemaNode) error {
	o := root.object
	if o["type"] != "object" || len(root.named) == 0 ||
		o["additionalProperties"] != false && o["unevaluatedProperties"] != false {
		return refuse("schema_root", "")
	}
	required, _ := o["required"].([]any)
	for _, name := range required {
		if s, ok := name.(string); ok && root.named[s] == nil {
			return refuse("schema_required", "/required")
		}
	}
	return root.hidesNothing(root, map[*schemaNode]bool{})
}

// hidesNothing checks the subschemas that apply to the root's value: with
// unevaluatedProperties, any of them could let in a field that no list shows.
func (n *schemaNode) hidesNothing(root *schemaNode, seen map[*schemaNode]bool) error {
	if seen[n] {
		return nil
	}
	seen[n] = true
	for _, key := range [...]string{"additionalProperties", "unevaluatedProperties", "patternProperties"} {
		if v, ok := n.object[key]; ok && v != false {
			return refuse("schema_hidden_field", n.pointer+"/"+key)
		}
	}
	for _, name := range sortedKeys(n.named) {
		if root.named[name] == nil {
			return refuse("schema_hidden_field", n.pointer+"/properties/"+name)
		}
	}
	for _, s := range n.inPlace {
		if err := s.hidesNothing(root, seen); err != nil {
			return err
		}
	}
	return nil
}
