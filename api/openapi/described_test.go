package openapi

import (
	"reflect"
	"testing"
)

// TestDescribed: a type that is described by another one has the same fields in the same order,
// of the same types and JSON names. What is said of a field stands beside the endpoints alone.
func TestDescribed(t *testing.T) {
	for of, by := range described() {
		want, got := membersOf(of), membersOf(by)
		if len(want) != len(got) {
			t.Errorf("%v has %d members, %v has %d", of, len(want), by, len(got))
			continue
		}
		for i, w := range want {
			g := got[i]
			if w.Name != g.Name || w.Type != g.Type || w.Tag.Get("json") != g.Tag.Get("json") {
				t.Errorf("%v has %s %v %q, %v has %s %v %q", of, w.Name, w.Type, w.Tag.Get("json"), by, g.Name, g.Type, g.Tag.Get("json"))
			}
			if g.Tag.Get("doc") == "" {
				t.Errorf("%v: nothing is said of %s", by, g.Name)
			}
			for _, key := range []string{"doc", "enum", "required"} {
				if w.Tag.Get(key) != "" {
					t.Errorf("%v: %s has a %s tag, which belongs to %v", of, w.Name, key, by)
				}
			}
		}
	}
}

// membersOf returns the fields that JSON has, those of embedded types among them.
func membersOf(t reflect.Type) (all []reflect.StructField) {
	for _, f := range reflect.VisibleFields(t) {
		if !f.Anonymous {
			all = append(all, f)
		}
	}
	return all
}
