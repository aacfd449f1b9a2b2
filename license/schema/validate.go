package schema

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"yizheng.internal/license/party"
	"yizheng.internal/license/schema/document"
	"yizheng.internal/signing/sdjwt"
)

// Limits of face fields.
const (
	maxFieldsBytes  = 64 << 10
	maxFieldsDepth  = 16   // of nested JSON objects and arrays
	maxFieldsValues = 4096 // JSON values of any kind
	maxFieldString  = 4096 // characters
	maxViolations   = 100
)

var fieldsLimits = document.Limits{Bytes: maxFieldsBytes, Depth: maxFieldsDepth, Values: maxFieldsValues}

// Violation is one way in which face fields don't fit their type's schema. It
// holds no value: Pointer is a JSON Pointer (RFC 6901) to what is wrong or
// missing, with member names cut to 64 characters and escaped where they don't
// print; Keyword is the schema's keyword; Message is one English clause that
// follows the pointer.
type Violation struct {
	Pointer string `json:"pointer"` // JSON Pointer into the body; empty: the whole
	Keyword string `json:"keyword"`
	Message string `json:"message"`
}

// FieldsError says that face fields could not be checked at all. Reason is one of: fields_json (not strict JSON;
// also duplicate names, invalid UTF-8 and trailing data), fields_size (64 KiB), fields_depth (16), fields_count
// (4,096 values).
type FieldsError struct{ Reason string }

var (
	errFieldsSyntax = &FieldsError{"fields_json"}
	errFieldsDepth  = &FieldsError{"fields_depth"}
	errFieldsCount  = &FieldsError{"fields_count"}
)

func (e *FieldsError) Error() string { return "face fields: " + e.Reason }

// Validate checks face fields, one strict JSON object. It returns every violation, in the order of their
// pointers; beyond 100 the last one has the keyword "more" and says how many there are. If the fields can't be
// checked at all, it returns a [*FieldsError].
func (s *Schema) Validate(fields []byte) ([]Violation, error) {
	v, err := decodeFields(fields)
	if err != nil {
		return nil, err
	}
	return s.ValidateDecoded(v)
}

// Read is Validate for fields that go into a credential. It also returns the fields, sorted by name, each to be
// disclosed selectively. Texts are string or *string, numbers [json.Number]. If there are violations, the fields
// must not be used.
func (s *Schema) Read(fields []byte) (sdjwt.Members, []Violation, error) {
	if members, ok := s.flat.plain(fields); ok {
		return members, nil, nil
	}
	decoded, ferr := decodeFields(fields)
	if ferr != nil {
		return nil, nil, ferr
	}
	found, err := s.ValidateDecoded(decoded)
	if err != nil {
		return nil, nil, err
	}
	object, _ := decoded.(map[string]any) // the schema demands one
	var members sdjwt.Members
	for _, name := range keysOf(object) {
		members = append(members, sdjwt.Member{Name: name, Value: object[name], Selective: true})
	}
	return members, found, nil
}

// decodeFields decodes what is given as face fields, for ValidateDecoded. Numbers
// are [json.Number].
func decodeFields(fields []byte) (any, *FieldsError) {
	v, err := document.Read(fields, fieldsLimits)
	switch err {
	case nil:
		return v, nil
	case document.ErrSize:
		return nil, &FieldsError{"fields_size"}
	case document.ErrDepth:
		return nil, errFieldsDepth
	case document.ErrCount:
		return nil, errFieldsCount
	}
	return nil, errFieldsSyntax
}

// ValidateDecoded is Validate for a value that was decoded strictly already:
// map[string]any, []any, string, bool, nil, and [encoding/json.Number], float64,
// int or int64 for numbers.
func (s *Schema) ValidateDecoded(v any) ([]Violation, error) {
	if s.flat.valid(v) {
		return nil, nil
	}
	return s.validate(v)
}

// validate asks the validator.
func (s *Schema) validate(v any) ([]Violation, error) {
	found := findings{}
	look := inspection{found: &found, lines: s.lines}
	if err := look.value(v, 1); err != nil {
		return nil, err
	}
	if look.badNumber {
		// The validator computes exactly; such a number may take it minutes.
		return found.list(), nil
	}
	if err := s.compiled.Validate(v); err != nil {
		e, ok := errors.AsType[*jsonschema.ValidationError](err)
		if !ok {
			return nil, fmt.Errorf("validating face fields: %w", err)
		}
		for _, cause := range e.Causes {
			found.flatten(cause)
		}
	}
	return found.list(), nil
}

// inspection checks what holds for all face fields, whatever their schema says.
type inspection struct {
	found     *findings
	lines     map[string]bool // fields whose texts may have several lines
	path      []string
	values    int
	badNumber bool
}

func (in *inspection) value(v any, depth int) error {
	if in.values++; in.values > maxFieldsValues {
		return errFieldsCount
	}
	switch v := v.(type) {
	case nil, bool, int, int64:
	case string:
		if len(v) > maxFieldString && utf8.RuneCountInString(v) > maxFieldString {
			in.found.add(in.path, "maxLength", "has more than "+strconv.Itoa(maxFieldString)+" characters")
		}
		if !plainText(v, len(in.path) == 1 && in.lines[in.path[0]]) {
			in.found.add(in.path, "characters", "must have no control or invisible formatting characters")
		}
	case json.Number:
		in.number(plainNumber(string(v)))
	case float64:
		in.number(!math.IsNaN(v) && !math.IsInf(v, 0))
	case []any:
		if depth > maxFieldsDepth {
			return errFieldsDepth
		}
		for i, item := range v {
			if err := in.member(strconv.Itoa(i), item, depth); err != nil {
				return err
			}
		}
	case map[string]any:
		if depth > maxFieldsDepth {
			return errFieldsDepth
		}
		for name, item := range v {
			if err := in.member(name, item, depth); err != nil {
				return err
			}
			if !isFieldName(name) {
				// This holds even where the schema leaves an object open: a member named _sd would be taken for
				// one of the credential's own.
				in.found.add(append(in.path, name), "additionalProperties", notDefined)
			}
		}
	default:
		return errFieldsSyntax
	}
	return nil
}

func (in *inspection) member(token string, v any, depth int) error {
	in.path = append(in.path, token)
	err := in.value(v, depth+1)
	in.path = in.path[:len(in.path)-1]
	return err
}

func (in *inspection) number(ok bool) {
	if !ok {
		in.badNumber = true
		in.found.add(in.path, "type", "is a number with too many digits")
	}
}

// plainNumber reports whether a JSON number has at most 32 characters and an
// exponent within ±30.
func plainNumber(s string) bool {
	if len(s) > 32 || strings.Trim(s, "0123456789+-.eE") != "" {
		return false
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if e, err := strconv.Atoi(s[i+1:]); err != nil || e < -30 || e > 30 {
			return false
		}
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// findings collect what is wrong.
type findings struct {
	kept  []Violation
	total int
}

const notDefined = "is not defined by the type"

func (fs *findings) add(path []string, keyword, message string) {
	// Keep ten times as many as are shown, because some are found twice. A bound is still needed: hostile fields
	// may have thousands.
	if fs.total++; len(fs.kept) < 10*maxViolations {
		fs.kept = append(fs.kept, Violation{Pointer(path), keyword, message})
	}
}

// list returns the violations in order, each once.
func (fs *findings) list() []Violation {
	slices.SortFunc(fs.kept, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.Pointer, b.Pointer), cmp.Compare(a.Keyword, b.Keyword), cmp.Compare(a.Message, b.Message))
	})
	all := len(fs.kept)
	fs.kept = slices.Compact(fs.kept)
	total := fs.total - (all - len(fs.kept))
	if total <= maxViolations {
		return fs.kept
	}
	return append(fs.kept[:maxViolations], Violation{"", "more", fmt.Sprintf("has %d violations, of which these are the first %d", total, maxViolations)})
}

// flatten adds the violations in the validator's tree of errors. It uses none of the validator's messages,
// because they echo values. If all alternatives failed, it names only the choice, because nobody knows which of
// them was meant.
func (fs *findings) flatten(e *jsonschema.ValidationError) {
	at := e.InstanceLocation
	switch k := e.ErrorKind.(type) {
	case *kind.Group, *kind.Reference, *kind.AllOf, *kind.Schema:
		for _, cause := range e.Causes {
			fs.flatten(cause)
		}
	case *kind.Required:
		for _, name := range k.Missing {
			fs.add(append(at, name), "required", "is required")
		}
	case *kind.DependentRequired:
		for _, name := range k.Missing {
			fs.add(append(at, name), "dependentRequired", "is required beside "+k.Prop)
		}
	case *kind.AdditionalProperties:
		for _, name := range k.Properties {
			fs.add(append(at, name), "additionalProperties", notDefined)
		}
	case *kind.FalseSchema:
		fs.add(at, "additionalProperties", notDefined)
	default:
		keyword, message := explain(k)
		fs.add(at, keyword, message)
	}
}

// explain returns the keyword and our message for what is wrong with one value. The message contains only parts
// of the schema and counts.
func explain(k jsonschema.ErrorKind) (keyword, message string) {
	switch k := k.(type) {
	case *kind.Type:
		message = "has the wrong JSON type, must be " + strings.Join(k.Want, " or ")
	case *kind.Enum:
		message = "is none of the values that the type allows"
	case *kind.Const:
		message = "is not the value that the type prescribes"
	case *kind.Format:
		message = "is not in the format " + k.Want
	case *kind.Pattern:
		message = "does not match the pattern " + k.Want
	case *kind.MinLength:
		message = fmt.Sprintf("must have at least %d characters", k.Want)
	case *kind.MaxLength:
		message = fmt.Sprintf("must have at most %d characters", k.Want)
	case *kind.MinItems:
		message = fmt.Sprintf("must have at least %d items", k.Want)
	case *kind.MaxItems:
		message = fmt.Sprintf("must have at most %d items", k.Want)
	case *kind.UniqueItems:
		message = fmt.Sprintf("has equal items at %d and %d", k.Duplicates[0], k.Duplicates[1])
	case *kind.MinProperties:
		message = fmt.Sprintf("must have at least %d members", k.Want)
	case *kind.MaxProperties:
		message = fmt.Sprintf("must have at most %d members", k.Want)
	case *kind.Minimum:
		message = "must be at least " + k.Want.RatString()
	case *kind.Maximum:
		message = "must be at most " + k.Want.RatString()
	case *kind.ExclusiveMinimum:
		message = "must be more than " + k.Want.RatString()
	case *kind.ExclusiveMaximum:
		message = "must be less than " + k.Want.RatString()
	case *kind.MultipleOf:
		message = "must be a multiple of " + k.Want.RatString()
	case *kind.AnyOf, *kind.OneOf:
		message = "fits none, or too many, of the alternatives that the type allows"
	case *kind.Not:
		return "not", "is what the type rules out" // the kind names no keyword
	case *kind.Contains, *kind.MinContains:
		message = "has too few items of the kind that the type asks for"
	case *kind.MaxContains:
		message = "has too many items of the kind that the type limits"
	default:
		keyword, message = "schema", "does not fit the type"
	}
	if path := k.KeywordPath(); len(path) > 0 {
		keyword = path[0]
	}
	return keyword, message
}

// Pointer writes a JSON Pointer (RFC 6901) that is safe to print: tokens are the
// caller's member names, so each is cut to 64 characters and what doesn't print
// is escaped.
func Pointer(tokens []string) string {
	var b strings.Builder
	for _, t := range tokens {
		b.WriteByte('/')
		b.WriteString(shown(escapeToken(t), 64))
	}
	return b.String()
}

// escapeToken escapes what a JSON Pointer needs escaped, and no more.
func escapeToken(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// shown cuts s to n characters and escapes those that don't print.
func shown(s string, n int) string {
	if isFieldName(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if n--; n < 0 {
			b.WriteRune('…')
			break
		}
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// PrintablePointer returns a JSON Pointer that came from outside as it may be
// shown: cut to 1,000 characters, with what doesn't print escaped.
func PrintablePointer(p string) string { return shown(p, 1000) }

// plainText reports whether a text of the face fields has no hidden characters. It allows the joiners that some
// scripts need, and line feeds if the text may have several lines.
func plainText(s string, lines bool) bool {
	for _, r := range s {
		if party.Hidden(r) && r != '\u200c' && r != '\u200d' && !(lines && r == '\n') {
			return false
		}
	}
	return true
}
