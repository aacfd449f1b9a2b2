package schema

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// checkFlat checks that what the short way calls valid the validator does, too.
func checkFlat(t *testing.T, s *Schema, v any) (recognized bool) {
	t.Helper()
	if !s.flat.valid(v) {
		return false
	}
	if found, err := s.validate(v); err != nil || len(found) > 0 {
		t.Errorf("%v is called valid, and has %v, %v", v, found, err)
	}
	return true
}

// checkPlain checks that fields are read and found valid without the decoder only
// if the validator finds them so.
func checkPlain(t *testing.T, s *Schema, fields []byte, v any) {
	t.Helper()
	if _, ok := s.flat.plain(fields); !ok {
		return
	}
	if found, err := s.validate(v); err != nil || len(found) > 0 {
		t.Errorf("%s are plain, and to the validator %v, %v", fields, found, err)
	}
}

// TestFlatRecognizes checks that the short way is taken where it is meant to be.
func TestFlatRecognizes(t *testing.T) {
	for name, schema := range map[string]string{
		"usual":   flatSchema,
		"text":    with(`{"type":"string","minLength":2,"maxLength":3,"pattern":"^样","description":"…","x-own":{"a":1}}`),
		"integer": with(`{"type":"integer","minimum":-5,"maximum":7}`),
		"boolean": with(`{"type":"boolean","title":"t"}`),
	} {
		fields := map[string]string{"usual": flatFields, "text": `{"a":"样例"}`, "integer": `{"a":-5}`, "boolean": `{"a":false}`}[name]
		v, err := decodeFields([]byte(fields))
		if err != nil {
			t.Fatal(err)
		}
		if !checkFlat(t, compile(t, schema), v) {
			t.Errorf("%s: %s is left to the validator", name, fields)
		}
		if _, ok := compile(t, schema).flat.plain([]byte(fields)); !ok {
			t.Errorf("%s: %s is left to the decoder", name, fields)
		}
	}
	for name, schema := range map[string]string{
		"any type":      with(`{}`),
		"true":          with(`true`),
		"two types":     with(`{"type":["string","null"]}`),
		"object":        with(`{"type":"object"}`),
		"number":        with(`{"type":"number"}`),
		"large bound":   with(`{"type":"integer","maximum":12345678901234567890}`),
		"broken bound":  with(`{"type":"integer","minimum":0.5}`),
		"mixed enum":    with(`{"type":"string","enum":["a",1]}`),
		"const":         with(`{"type":"string","const":"a"}`),
		"alternatives":  with(`{"type":"string","anyOf":[{"maxLength":3}]}`),
		"multiple":      with(`{"type":"integer","multipleOf":2}`),
		"within a ref":  `{"type":"object","additionalProperties":false,"properties":{"a":{"$ref":"#/$defs/b"}},"$defs":{"b":{"not":{}}}}`,
		"unevaluated":   `{"type":"object","unevaluatedProperties":false,"properties":{"a":{"type":"string"}}}`,
		"condition":     `{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string"}},"if":{"required":["a"]}}`,
		"few members":   `{"type":"object","additionalProperties":false,"properties":{"a":{"type":"string"}},"maxProperties":0}`,
		"for a boolean": with(`{"type":"boolean","enum":[true]}`),
	} {
		if compile(t, schema).flat != nil {
			t.Errorf("%s: not left to the validator", name)
		}
	}
}

// randomField returns the schema of a field: mostly one of those that the short
// way knows.
func randomField(r *rand.Rand) map[string]any {
	pick := func(list ...any) any { return list[r.IntN(len(list))] }
	kind := pick("string", "string", "integer", "boolean")
	n := map[string]any{"type": kind}
	if r.IntN(20) == 0 {
		n["type"] = pick("number", "array", []any{"string", "integer"})
	}
	for _, k := range []struct {
		key, kind string
		value     any
	}{
		{"minLength", "string", r.IntN(3)},
		{"maxLength", "string", r.IntN(12)},
		{"minimum", "integer", pick(-3, 0, 2, 0.5, json.Number("1e1"), json.Number("100000000000000000000"))},
		{"maximum", "integer", pick(-3, 12, 100, 7.5, json.Number("1e1"))},
		{"enum", "string", pick([]any{"", "样", "12"}, []any{"2024-02-29", 1})},
		{"pattern", "string", pick("^[0-9]+$", "样", "^.{0,9}$")},
		{"format", "string", pick("date", "email", "ipv4", "uuid", "duration")},
		{"title", "", "x"},
		{"const", "", pick("", 1)},
		{"enum", "boolean", []any{true}},
	} {
		if rare := k.kind != kind || k.key == "enum"; r.IntN(4) == 0 && (!rare || r.IntN(6) == 0) {
			n[k.key] = k.value
		}
	}
	return n
}

// TestFlatAgrees makes schemas and fields at random: whenever the short way says
// yes, so does the validator.
func TestFlatAgrees(t *testing.T) {
	const runs = 600
	values := []string{`""`, `"样"`, `"12"`, `"样例四字"`, `"2024-02-29"`, `"2024-02-30"`, `"a@example.test"`, `"10.0.0.1"`, `"\ud83d\ude00"`,
		`0`, `-0`, `2`, `-3`, `12`, `1.0`, `1e1`, `7.5`, `100000000000000000000`, `-99999999999999999`, `true`, `false`, `null`, `[]`, `{}`,
		`"` + strings.Repeat("长", maxFieldString+1) + `"`}
	recognized, valid := 0, 0
	for seed := range uint64(runs) {
		r := rand.New(rand.NewPCG(seed, 1))
		schema := map[string]any{"type": "object", "additionalProperties": false,
			"properties": map[string]any{"a": randomField(r), "b": map[string]any{"$ref": "#/$defs/d"}},
			"$defs":      map[string]any{"d": randomField(r)}}
		if r.IntN(2) == 0 {
			schema["required"] = []string{"a", "b"}[r.IntN(2):]
		}
		raw, err := json.Marshal(schema)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Compile(raw)
		if err != nil {
			continue // a number with too large an exponent, for one
		}
		for range 20 {
			var members []string
			for _, name := range []string{"a", "b", "c"}[r.IntN(2) : 2+r.IntN(20)/19] {
				members = append(members, fmt.Sprintf("%q:%s", name, values[r.IntN(len(values))]))
			}
			fields := []byte("{" + strings.Join(members, ",") + "}")
			v, ferr := decodeFields(fields)
			if ferr != nil {
				t.Fatal(ferr)
			}
			checkPlain(t, s, fields, v)
			if checkFlat(t, s, v) {
				recognized++
			}
			if found, err := s.validate(v); err == nil && len(found) == 0 {
				valid++
			}
			if t.Failed() {
				t.Fatalf("schema %s", raw)
			}
		}
	}
	if recognized < valid/4 {
		t.Errorf("%d of %d valid fields were recognized", recognized, valid)
	}
}

func FuzzFlat(f *testing.F) {
	f.Add(flatSchema, flatFields)
	f.Add(with(`{"type":"integer","minimum":-5}`), `{"a":-5e0}`)
	f.Fuzz(func(t *testing.T, schema, fields string) {
		s, err := Compile([]byte(schema))
		if err != nil {
			return
		}
		if v, err := decodeFields([]byte(fields)); err == nil {
			checkFlat(t, s, v)
			checkPlain(t, s, []byte(fields), v)
		}
	})
}

func BenchmarkFlat(b *testing.B) {
	s := compile(b, flatSchema)
	v, err := decodeFields([]byte(flatFields))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("flat", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if found, err := s.ValidateDecoded(v); err != nil || found != nil {
				b.Fatal(found, err)
			}
		}
	})
	b.Run("validator", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if found, err := s.validate(v); err != nil || found != nil {
				b.Fatal(found, err)
			}
		}
	})
}
