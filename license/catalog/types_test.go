package catalog

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/schema"
)

// TestOpeningDoesNotCompile: what is listed is read as it was stored, also when
// its schema would no longer compile; what is issued under is compiled.
func TestOpeningDoesNotCompile(t *testing.T) {
	stored := Type{Code: "11100000000013338W032", Version: 2, State: entry.Draft, Definition: Definition{Name: "样例", Schema: json.RawMessage(`{"type":"array"}`)}}
	types, kind := newTypes(entry.Config{}, "https://license.example.gov"), typeKind()
	rec, err := kind.Record(stored.Code, &stored)
	if err != nil {
		t.Fatal(err)
	}
	rec.State, rec.Revision = entry.Retired, 7
	got, err := kind.Open(rec)
	if err != nil || got.Code != stored.Code || got.Name != stored.Name || got.State != entry.Retired || got.Revision != 7 {
		t.Errorf("read %+v, %v", got, err)
	}
	if _, err := types.Issuable(got); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("compiling what can't be: %v", err)
	}
	rec.Body = []byte("{")
	if _, err := kind.Open(rec); err == nil {
		t.Error("half a type was read")
	}
}

func BenchmarkOpenType(b *testing.B) {
	var properties []string // twelve, as most types have
	for i := range 12 {
		properties = append(properties, fmt.Sprintf(`"field_%d":{"title":"项目","type":"string","maxLength":100}`, i))
	}
	usual := `{"type":"object","additionalProperties":false,"required":["field_0"],"properties":{` + strings.Join(properties, ",") + `}}`
	kind := typeKind()
	rec, err := kind.Record("", &Type{Code: "11100000000013338W032", Definition: Definition{Schema: json.RawMessage(usual)}})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := kind.Open(rec); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			t, err := kind.Open(rec)
			if err == nil {
				_, err = schema.Compile(t.Schema)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
