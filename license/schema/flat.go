package schema

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"yizheng.internal/license/schema/document"
	"yizheng.internal/signing/sdjwt"
)

// flat recognizes face fields that certainly fit a schema of the usual kind, which has one level of texts, whole
// numbers and truth values. It costs a tenth of the validator, and only ever says yes. The validator decides
// about whatever flat doesn't recognize, because only the validator can say what is wrong.
type flat struct {
	fields   map[string]*flatField
	required []string
}

// flatField is what a schema says about one field. For a field's schema with $ref there is a chain of flatFields,
// and a value must fit each of them.
type flatField struct {
	kind     string // the JSON type: string, integer, boolean
	least    int64  // characters of a string, or an integer
	most     int64
	enum     []string
	compiled *jsonschema.Schema // has the pattern and the format
	also     *flatField         // the target of $ref
}

// maxFlatDigits is how long a number may be to fit an int64 whatever its digits.
const maxFlatDigits = 18

// newFlat returns nil for a schema that isn't of the usual kind. A schema with a keyword that newFlat doesn't
// know, such as a new one, isn't of the usual kind either.
func newFlat(root *node, compiled *jsonschema.Schema) *flat {
	for key, v := range root.object {
		switch {
		case key == "properties" || key == "required" || key == "$schema" || key == "$defs" || silent(key):
		case key == "additionalProperties" && v == false:
		default:
			return nil
		}
	}
	if root.object["type"] != "object" || root.object["additionalProperties"] != false {
		return nil
	}
	f := &flat{fields: make(map[string]*flatField, len(root.named)), required: compiled.Required}
	for name, n := range root.named {
		field := newFlatField(n, compiled.Properties[name])
		if field == nil {
			return nil
		}
		f.fields[name] = field
	}
	return f
}

// silent reports whether a keyword says nothing about values. (type does, but
// has no check either.)
func silent(key string) bool {
	check, known := checkOf(key)
	return strings.HasPrefix(key, "x-") || key == "type" || known && check == nil
}

func newFlatField(n *node, compiled *jsonschema.Schema) *flatField {
	if n == nil || n.object == nil || compiled == nil {
		return nil
	}
	f := &flatField{compiled: compiled, most: maxFieldString}
	f.kind, _ = n.object["type"].(string)
	if n.target != nil {
		if f.also = newFlatField(n.target, compiled.Ref); f.also == nil {
			return nil
		}
		if _, typed := n.object["type"]; !typed {
			f.kind = f.also.kind
		}
	}
	if f.kind == "integer" {
		f.least, f.most = -1<<62, 1<<62
	}
	for key, v := range n.object {
		if !silent(key) && key != "$ref" && !f.keyword(key, v) {
			return nil
		}
	}
	if f.kind != "string" && f.kind != "integer" && f.kind != "boolean" {
		return nil
	}
	return f
}

// keyword adds a keyword to the field, and reports whether it knows the keyword for the field's type.
func (f *flatField) keyword(key string, v any) (ok bool) {
	switch {
	case f.kind == "string" && key == "minLength", f.kind == "integer" && key == "minimum":
		f.least, ok = flatInteger(v)
	case f.kind == "string" && key == "maxLength", f.kind == "integer" && key == "maximum":
		most := int64(0)
		most, ok = flatInteger(v)
		f.most = min(f.most, most)
	case f.kind == "string" && key == "enum":
		values, _ := v.([]any)
		for _, value := range values {
			s, text := value.(string)
			if !text {
				return false
			}
			f.enum = append(f.enum, s)
		}
		ok = len(f.enum) > 0
	case f.kind == "string" && key == "pattern":
		ok = f.compiled.Pattern != nil
	case f.kind == "string" && key == "format":
		ok = f.compiled.Format != nil
	}
	return ok
}

// flatInteger reads a number that is written as a whole number with few digits.
func flatInteger(v any) (int64, bool) {
	s, ok := v.(json.Number)
	if !ok || len(s) > maxFlatDigits {
		return 0, false
	}
	n, err := strconv.ParseInt(string(s), 10, 64)
	return n, err == nil
}

// valid reports whether face fields, decoded strictly, certainly fit.
func (f *flat) valid(v any) bool {
	members, ok := v.(map[string]any)
	if f == nil || !ok {
		return false
	}
	for name, value := range members {
		if field := f.fields[name]; field == nil || !field.fits(value) {
			return false
		}
	}
	for _, name := range f.required {
		if _, ok := members[name]; !ok {
			return false
		}
	}
	return true
}

// plain reads face fields, and reports whether they are plain and certainly fit.
func (f *flat) plain(raw []byte) (sdjwt.Members, bool) {
	if f == nil {
		return nil, false
	}
	fields, ok := document.ReadPlain(raw, fieldsLimits)
	if !ok {
		return nil, false
	}
	for i := range fields {
		if field := f.fields[fields[i].Name]; field == nil || !field.fits(fields[i].Value) {
			return nil, false
		}
	}
	for _, name := range f.required {
		if _, ok := slices.BinarySearchFunc(fields, name, func(m sdjwt.Member, name string) int { return strings.Compare(m.Name, name) }); !ok {
			return nil, false
		}
	}
	return fields, true
}

// fits reports whether a field's value certainly fits.
func (f *flatField) fits(v any) bool {
	if f.also != nil && !f.also.fits(v) {
		return false
	}
	switch f.kind {
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "integer":
		n, ok := flatInteger(v)
		return ok && f.least <= n && n <= f.most
	}
	s, ok := v.(string)
	if p, plain := v.(*string); plain {
		s, ok = *p, true
	}
	if !ok {
		return false
	}
	n := int64(utf8.RuneCountInString(s))
	return f.least <= n && n <= f.most && plainText(s, false) && // with several lines the validator decides
		(f.enum == nil || slices.Contains(f.enum, s)) &&
		(f.compiled.Pattern == nil || f.compiled.Pattern.MatchString(s)) &&
		(f.compiled.Format == nil || f.compiled.Format.Validate(s) == nil)
}
