package strictjson

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Tokens reads a JSON text token by token, for those who have limits and errors of their own.
// Duplicate names and invalid UTF-8 are errors of the decoder.
type Tokens struct {
	*jsontext.Decoder
	source string
	before int // where in source the token before the last one ends
}

// NewTokens returns the tokens of a text, which source is as well: parts of that are returned.
func NewTokens(text []byte, source string) Tokens {
	return Tokens{Decoder: jsontext.NewDecoder(bytes.NewBuffer(text)), source: source}
}

// Restart goes on with another text.
func (t *Tokens) Restart(text []byte, source string) {
	t.Reset(bytes.NewBuffer(text))
	t.source = source
}

// Next reads a token.
func (t *Tokens) Next() (jsontext.Token, error) {
	t.before = int(t.InputOffset())
	return t.ReadToken()
}

// Content returns the content of a string, which must be the token that Next read last. If it
// has no escapes, it is part of the source, which saves an allocation: the decoder has found
// the string valid, and between two tokens there is no quote.
func (t *Tokens) Content(last jsontext.Token) string {
	s := t.source[t.before:t.InputOffset()]
	s = s[strings.IndexByte(s, '"')+1 : len(s)-1]
	if strings.IndexByte(s, '\\') >= 0 {
		return last.String()
	}
	return s
}
