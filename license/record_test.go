package license

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/license/credential"
)

// fill sets whatever is in v to something that isn't its zero value, so that a
// member added to a record one day is among what the tests below compare.
func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Date(2026, 2, 3, 4, 5, 6, 789000, time.UTC)))
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.Set(reflect.ValueOf(json.RawMessage(`{"a":["<&>",1.50],"样":null}`)))
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			fill(t, field)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i))
		}
	case v.Kind() == reflect.String:
		v.SetString("样例\u2028<\"\\\x01>")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	default:
		t.Fatalf("a body has a %v: teach fill, and body.marshal, what it is", v.Type())
	}
}

// TestBodyMarshal checks that a body, whole or with nothing in it that may be
// left out, is what encoding/json makes of it.
func TestBodyMarshal(t *testing.T) {
	var whole Body
	fill(t, reflect.ValueOf(&whole).Elem())
	for name, b := range map[string]Body{
		"whole": whole,
		"least": {Fields: json.RawMessage("{}"), Holders: []credential.Holder{}, Provenance: Provenance{Time: time.Unix(1, 0).UTC()}},
	} {
		got, err := b.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		// Canonical, as they escape differently.
		g, w := jsontext.Value(got).Clone(), jsontext.Value(want)
		if err := g.Canonicalize(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, got)
		}
		if err := w.Canonicalize(); err != nil {
			t.Fatal(err)
		}
		if string(g) != string(w) {
			t.Errorf("%s: have\n%s, want\n%s", name, g, w)
		}
		var back Body
		if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(back, b) {
			t.Errorf("%s: comes back as %+v, %v", name, back, err)
		}
	}
	if _, err := (&Body{Number: "\xff", Fields: json.RawMessage("{}")}).Append(nil); err == nil {
		t.Error("what is not UTF-8 was encoded")
	}
}
