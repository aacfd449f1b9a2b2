package document

import (
	"encoding/json"
	"io"

	"yizheng.internal/signing/strictjson"
)

// decoder decodes one strict JSON document within limits. Numbers stay text
// ([json.Number]).
type decoder struct {
	tokens   strictjson.Tokens
	maxDepth int
	values   int    // that may still come
	ordered  string // the JSON Pointer of an object whose member order is wanted
	order    []string
}

func newDecoder(raw []byte, l Limits, ordered string) *decoder {
	return &decoder{tokens: strictjson.NewTokens(raw, string(raw)), maxDepth: l.Depth, values: l.Values, ordered: ordered}
}

// document decodes the whole input.
func (d *decoder) document() (any, error) {
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.tokens.ReadToken(); err != io.EOF {
		return nil, ErrSyntax
	}
	return v, nil
}

func (d *decoder) value() (any, error) {
	if d.values--; d.values < 0 {
		return nil, ErrCount
	}
	t, err := d.tokens.Next()
	if err != nil {
		return nil, ErrSyntax
	}
	switch t.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return d.tokens.Content(t), nil
	case '0':
		return json.Number(t.String()), nil
	}
	if d.tokens.StackDepth() > d.maxDepth {
		return nil, ErrDepth
	}
	if t.Kind() == '{' {
		return d.object()
	}
	list := []any{}
	for d.tokens.PeekKind() != ']' {
		v, err := d.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err = d.tokens.ReadToken()
	return list, syntax(err)
}

func (d *decoder) object() (any, error) {
	ordered := d.ordered != "" && string(d.tokens.StackPointer()) == d.ordered
	members := make(map[string]any, 16) // a type's fields, usually
	for d.tokens.PeekKind() != '}' {
		name, err := d.tokens.Next()
		if err != nil {
			return nil, ErrSyntax
		}
		key := d.tokens.Content(name) // before the next token takes its place
		v, fail := d.value()
		if fail != nil {
			return nil, fail
		}
		members[key] = v
		if ordered {
			d.order = append(d.order, key)
		}
	}
	_, err := d.tokens.ReadToken()
	return members, syntax(err)
}

func syntax(err error) error {
	if err != nil {
		return ErrSyntax
	}
	return nil
}
