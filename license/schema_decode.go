package license

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// valueDecoder decodes one strict JSON document within limits. Numbers stay text
// ([json.Number]).
type valueDecoder struct {
	dec      *jsontext.Decoder
	maxDepth int
	values   int    // that may still come
	ordered  string // the JSON Pointer of an object whose member order is wanted
	order    []string
}

func newValueDecoder(raw []byte, depth, values int) *valueDecoder {
	return &valueDecoder{dec: jsontext.NewDecoder(bytes.NewBuffer(raw)), maxDepth: depth, values: values}
}

var errNotJSON = &FieldsError{"fields_json"}

// document decodes the whole input.
func (d *valueDecoder) document() (any, *FieldsError) {
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	if _, err := d.dec.ReadToken(); err != io.EOF {
		return nil, errNotJSON
	}
	return v, nil
}

func (d *valueDecoder) value() (any, *FieldsError) {
	if d.values--; d.values < 0 {
		return nil, &FieldsError{"fields_count"}
	}
	t, err := d.dec.ReadToken()
	if err != nil {
		return nil, errNotJSON
	}
	switch t.Kind() {
	case 'n':
		return nil, nil
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return t.String(), nil
	case '0':
		return json.Number(t.String()), nil
	}
	if d.dec.StackDepth() > d.maxDepth {
		return nil, &FieldsError{"fields_depth"}
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
	return list, jsonError(err)
}

func (d *valueDecoder) object() (any, *FieldsError) {
	ordered := d.ordered != "" && string(d.dec.StackPointer()) == d.ordered
	members := make(map[string]any, 16) // a type's fields, usually
	for d.dec.PeekKind() != '}' {
		name, err := d.dec.ReadToken()
		if err != nil {
			return nil, errNotJSON
		}
		key := name.String() // before the next token takes its place
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
	return members, jsonError(err)
}

func jsonError(err error) *FieldsError {
	if err != nil {
		return errNotJSON
	}
	return nil
}
