// Package strictjson reads JSON that must have exactly one meaning, and writes JSON in one
// way. It refuses what lenient readers understand in different ways: duplicate members,
// unknown members, invalid UTF-8, text behind the value, and unlimited nesting.
package strictjson

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Kind says what is wrong with a text.
type Kind string

// What is wrong.
const (
	Empty         Kind = "empty"          // nothing, or white space alone
	Depth         Kind = "depth"          // arrays and objects lie too deep in each other
	Syntax        Kind = "syntax"         // not JSON
	DuplicateName Kind = "duplicate_name" // a member twice
	UTF8          Kind = "utf8"           // not valid UTF-8
	Trailing      Kind = "trailing"       // something behind the value
	Type          Kind = "type"           // a value of another type or form than it must have
	UnknownMember Kind = "unknown_member" // a member that what it is read into doesn't have
)

// Error says what is wrong with a text, and where. Its message may quote the text, so
// strangers must be told only Kind and Pointer.
type Error struct {
	Kind    Kind
	Pointer string // JSON Pointer (RFC 6901) of the place; empty if it is the whole
	Err     error
}

// Error returns the cause.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var (
	errEmpty = errors.New("there is no JSON value")
	errDepth = errors.New("JSON is nested too deep")
)

// Decode reads one JSON value into what v points to. Every error is an *Error. It allows
// 10,000 levels of nesting: see [DecodeShallow].
func Decode(text []byte, v any) error {
	err := json.Unmarshal(text, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if syntax, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		kind := Syntax
		switch cause := []byte(syntax.Err.Error()); {
		case errors.Is(err, jsontext.ErrDuplicateName):
			kind = DuplicateName
		case bytes.Contains(cause, []byte("UTF-8")):
			kind = UTF8
		case bytes.Contains(cause, []byte("after top-level value")):
			kind = Trailing
		}
		return &Error{kind, string(syntax.JSONPointer), err}
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		kind := Type
		if errors.Is(err, json.ErrUnknownName) {
			kind = UnknownMember
		}
		return &Error{kind, string(semantic.JSONPointer), err}
	}
	return &Error{Kind: Syntax, Err: err}
}

// DecodeShallow is [Decode] for texts from outside. It refuses an empty text, and one that is
// nested deeper than levels, before anything recursive reads it.
func DecodeShallow(text []byte, v any, levels int) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return &Error{Kind: Empty, Err: errEmpty}
	}
	depth, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case quoted:
		case b == '{' || b == '[':
			if depth++; depth > levels {
				return &Error{Kind: Depth, Err: errDepth}
			}
		case b == '}' || b == ']':
			depth--
		}
	}
	return Decode(text, v)
}

// Marshal writes a value as JSON, always in the same way: members of maps are sorted.
func Marshal(v any) ([]byte, error) {
	return json.Marshal(v, json.Deterministic(true))
}
