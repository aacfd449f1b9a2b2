package schema

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"
)

// keywordLines marks a field whose text may have several lines, such as 附记. It is
// a keyword of ours: to JSON Schema it says nothing.
const keywordLines = "x-multiline"

// linesOf returns the root's fields whose texts may have several lines.
func linesOf(root *node) map[string]bool {
	lines := map[string]bool{}
	for name, n := range root.named {
		for ; n != nil && !lines[name]; n = n.target {
			lines[name] = n.object[keywordLines] == true
		}
	}
	return lines
}

// fieldLimits are the limits that face fields have whatever their schema says.
var fieldLimits = map[string]int{
	"minLength": maxFieldString, "maxLength": maxFieldString,
	"minItems": maxFieldsValues - 1, "maxItems": maxFieldsValues - 1, "minContains": maxFieldsValues - 1, "maxContains": maxFieldsValues - 1,
	"minProperties": maxFieldsValues - 1, "maxProperties": maxFieldsValues - 1,
}

// ranges are pairs of keywords: if the first one's value is greater than the second one's, nothing fits both.
var ranges = [...][2]string{
	{"minLength", "maxLength"}, {"minItems", "maxItems"}, {"minContains", "maxContains"}, {"minProperties", "maxProperties"}, {"minimum", "maximum"},
}

// sound refuses limits and values in a subschema that no face fields could meet. Otherwise an authority would
// learn of them only when it issues. It also refuses unsound titles and texts.
func (n *node) sound() error {
	for _, key := range keysOf(fieldLimits) {
		v, _ := n.object[key].(json.Number)
		if count, err := strconv.Atoi(string(v)); err == nil && count > fieldLimits[key] {
			return refuse("schema_length", n.pointer+"/"+key)
		}
	}
	for _, pair := range ranges {
		least, ok := rational(n.object[pair[0]])
		greatest, too := rational(n.object[pair[1]])
		if ok && too && least.Cmp(greatest) > 0 {
			return refuse("schema_contradiction", n.pointer+"/"+pair[0])
		}
	}
	for _, key := range []string{"title", "description", "$comment"} {
		if s, ok := n.object[key].(string); ok && !plainText(s, key != "title") {
			return refuse("schema_text", n.pointer+"/"+key)
		}
	}
	if err := n.soundWords(); err != nil {
		return err
	}
	lines := n.object[keywordLines] == true
	if v, ok := n.object["const"]; ok {
		if err := soundValue(n.pointer+"/const", v, lines); err != nil {
			return err
		}
	}
	values, _ := n.object["enum"].([]any)
	for i, v := range values {
		if err := soundValue(n.pointer+"/enum/"+strconv.Itoa(i), v, lines); err != nil {
			return err
		}
	}
	return nil
}

// soundValue refuses a value that a schema prescribes but that face fields can't have.
func soundValue(at string, v any, lines bool) error {
	switch v := v.(type) {
	case string:
		if utf8.RuneCountInString(v) > maxFieldString {
			return refuse("schema_length", at)
		}
		if !plainText(v, lines) {
			return refuse("schema_text", at)
		}
	case []any:
		for i, item := range v {
			if err := soundValue(at+"/"+strconv.Itoa(i), item, lines); err != nil {
				return err
			}
		}
	case map[string]any:
		names := keysOf(v)
		if i := slices.IndexFunc(names, func(name string) bool { return !isFieldName(name) }); i >= 0 {
			return refuse("schema_property_name", at+"/"+escapeToken(names[i]))
		}
		for _, name := range names {
			if err := soundValue(at+"/"+name, v[name], lines); err != nil {
				return err
			}
		}
	}
	return nil
}

// rational returns the exact value of a JSON number that is plain (see plainNumber).
func rational(v any) (*big.Rat, bool) {
	s, ok := v.(json.Number)
	if !ok || !plainNumber(string(s)) {
		return nil, false
	}
	return new(big.Rat).SetString(string(s))
}
