package strictjson_test

import (
	"errors"
	"strings"
	"testing"

	"yizheng.internal/signing/strictjson"
)

type value struct {
	Name  string `json:"name"`
	Inner any    `json:"inner"`
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		kind       strictjson.Kind // empty: taken
		pointer    string
	}{
		{"good", ` {"name":"x","inner":[1,{"a":2}]} `, "", ""},
		{"four levels", `{"inner":[[["}]"]]]}`, "", ""},
		{"five levels", `{"inner":[[[[1]]]]}`, strictjson.Depth, ""},
		{"brackets in text", `{"name":"[[[[[[\"[[[["}`, "", ""},
		{"empty", " \n", strictjson.Empty, ""},
		{"not JSON", `{"name":x}`, strictjson.Syntax, "/name"},
		{"cut", `{"name":"x"`, strictjson.Syntax, ""},
		{"twice", `{"name":"x","name":"y"}`, strictjson.DuplicateName, "/name"},
		{"twice, escaped", `{"inner":{"a":1,"\u0061":2}}`, strictjson.DuplicateName, "/inner/a"},
		{"not UTF-8", "{\"name\":\"\xff\"}", strictjson.UTF8, "/name"},
		{"trailing", `{} {}`, strictjson.Trailing, ""},
		{"of another type", `{"name":1}`, strictjson.Type, "/name"},
		{"another case", `{"Name":"x"}`, strictjson.UnknownMember, "/Name"},
		{"unknown", `{"other":1}`, strictjson.UnknownMember, "/other"},
	} {
		var v value
		err := strictjson.DecodeShallow([]byte(tt.text), &v, 4)
		bad, ok := errors.AsType[*strictjson.Error](err)
		switch {
		case tt.kind == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.kind != "" && (!ok || bad.Kind != tt.kind || bad.Pointer != tt.pointer):
			t.Errorf("%s: %#v", tt.name, err)
		}
	}
	if err := strictjson.Decode([]byte(`{"inner":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`), new(value)); err != nil {
		t.Errorf("deep, from inside: %v", err)
	}
}

func TestMarshal(t *testing.T) {
	for range 20 {
		text, err := strictjson.Marshal(map[string]any{"b": 1, "a": map[string]int{"z": 1, "y": 2}, "c": nil})
		if err != nil || string(text) != `{"a":{"y":2,"z":1},"b":1,"c":null}` {
			t.Fatalf("%s, %v", text, err)
		}
	}
}

// FuzzDecode: what is taken is written, and what was written is taken and written alike.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"x","inner":[1,{"a":2}]}`))
	f.Add([]byte(`{"inner":{"a":1,"a":2}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var v, again value
		if err := strictjson.DecodeShallow(text, &v, 8); err != nil {
			if _, ok := errors.AsType[*strictjson.Error](err); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		once, err := strictjson.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := strictjson.DecodeShallow(once, &again, 8); err != nil {
			t.Fatalf("%s became %s: %v", text, once, err)
		}
		if twice, err := strictjson.Marshal(again); err != nil || string(twice) != string(once) {
			t.Errorf("%s became %s: %v", once, twice, err)
		}
	})
}
