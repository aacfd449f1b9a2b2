package document

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// decoder decodes one strict JSON document within limits. Numbers stay text
// ([json.Number]).
type decoder struct {
	dec      *jsontext.Decoder
	source   string // what dec reads
	before   int    // where in source the token before the last one ends
	maxDepth int
	values   int    // that may still come
	ordered  string // the JSON Pointer of an object whose member order is wanted
	order    []string
}

func newDecoder(raw []byte, l Limits, ordered string) *decoder {
	return &decoder{dec: jsontext.NewDecoder(bytes.NewBuffer(raw)), source: string(raw), maxDepth: l.Depth, values: l.Values, ordered: ordered}
}

// next reads a token.
func (d *decoder) next() (jsontext.Token, error) {
	d.before = int(d.dec.InputOffset())
	return d.dec.ReadToken()
}

// text returns the content of the string t, which was read last. Without
// escapes it is part of the source, which saves an allocation for each: it is
// valid, or the decoder would have said so, and what lies between two tokens
// has no quote in it.
func (d *decoder) text(t jsontext.Token) string {
	s := d.source[d.before:d.dec.InputOffset()]
	s = s[strings.IndexByte(s, '"')+1 : len(s)-1]
	if strings.IndexByte(s, '\\') >= 0 {
		return t.String()
	}
	return s
}

// document decodes the whole input.
func (d *decoder) document() (any, error) {
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.dec.ReadToken(); err != io.EOF {
		return nil, ErrSyntax
	}
	return v, nil
}

func (d *decoder) value() (any, error) {
	if d.values--; d.values < 0 {
		return nil, ErrCount
	}
	t, err := d.next()
	if err != nil {
		return nil, ErrSyntax
	}
	switch t.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return d.text(t), nil
	case '0':
		return json.Number(t.String()), nil
	}
	if d.dec.StackDepth() > d.maxDepth {
		return nil, ErrDepth
	}
	if t.Kind() == '{' {
		return d.object()
	}
	list := []any{}
	for d.dec.PeekKind() != ']' {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err = d.dec.ReadToken()
	return list, syntax(err)
}

func (d *decoder) object() (any, error) {
	ordered := d.ordered != "" && string(d.dec.StackPointer()) == d.ordered
	members := make(map[string]any, 16) // a type's fields, usually
	for d.dec.PeekKind() != '}' {
		name, err := d.next()
		if err != nil {
			return nil, ErrSyntax
		}
		key := d.text(name) // before the next token takes its place
		v, fail := d.value()
		if fail != nil {
			return nil, fail
		}
		members[key] = v
		if ordered {
			d.order = append(d.order, key)
		}
	}
	_, err := d.dec.ReadToken()
	return members, syntax(err)
}

func syntax(err error) error {
	if err != nil {
		return ErrSyntax
	}
	return nil
}
