package document_test

import (
	"fmt"
	"reflect"
	"testing"

	"yizheng.internal/license/schema/document"
)

// limits are those of the tests.
var limits = document.Limits{Bytes: 64 << 10, Depth: 16, Values: 4096}

// usualFields and others are what ReadPlain is to read, and to leave alone.
var (
	usualFields = []string{
		`{"name":"样例","count":12,"minus":-3,"zero":0,"yes":true,"no":false}`,
		`{"b":"","a":"x"}`,
		" {\n\t\"a\" : \"x\" ,\r\n \"b\": 1 } ",
		`{"":""}`,
		`{"a,}":"{:,"}`,
	}
	otherFields = []string{
		``, `{}`, `{ }`, `[]`, `null`, `{"a"}`, `{"a":}`, `{"a":"x",}`, `{,"a":"x"}`, `{"a":"x"}}`, `{"a":"x"} x`, `{"a":"x"`, `{"a":"x`, `{"a`,
		`{"a":"x","a":"y"}`, `{"b":1,"a":2,"b":3}`, `{"a":"x","b"}`, `{"a":"x" "b":"y"}`, `{a:1}`, `{'a':1}`,
		`{"a":"\u0061"}`, `{"\u0061":1}`, `{"a":"\n"}`, "{\"a\":\"\n\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\x00\"}", "\ufeff" + `{"a":1}`,
		`{"a":null}`, `{"a":{}}`, `{"a":[]}`, `{"a":1.5}`, `{"a":1e3}`, `{"a":01}`, `{"a":-}`, `{"a":-01}`, `{"a":+1}`, `{"a":True}`, `{"a":truee}`, `{"a":1x}`, `{"a":--1}`,
	}
)

func TestReadPlain(t *testing.T) {
	for _, s := range usualFields {
		if fields, ok := document.ReadPlain([]byte(s), limits); !ok || len(fields) == 0 {
			t.Errorf("not read: %s", s)
		}
	}
	for _, s := range otherFields {
		if fields, ok := document.ReadPlain([]byte(s), limits); ok {
			t.Errorf("%q read as %v", s, fields)
		}
	}
	many := []byte(`{"a":1`)
	for i := range limits.Values {
		many = fmt.Appendf(many, `,"%d":1`, i)
	}
	if _, ok := document.ReadPlain(append(many, '}'), limits); ok {
		t.Error("more values than there may be")
	}
}

// FuzzReadPlain checks that fields read without the decoder are what the
// decoder makes of them.
func FuzzReadPlain(f *testing.F) {
	for _, s := range append(usualFields, otherFields...) {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields, ok := document.ReadPlain(raw, limits)
		if !ok {
			return
		}
		decoded, err := document.Read(raw, limits)
		if err != nil {
			t.Fatalf("%q is not even read by the decoder: %v", raw, err)
		}
		got := map[string]any{}
		for i, m := range fields {
			if !m.Selective || i > 0 && m.Name <= fields[i-1].Name {
				t.Errorf("%q: %v", raw, fields)
			}
			got[m.Name] = m.Value
			if text, ok := m.Value.(*string); ok {
				got[m.Name] = *text
			}
		}
		if !reflect.DeepEqual(got, decoded) {
			t.Errorf("%q is %v, to the decoder %v", raw, got, decoded)
		}
	})
}
