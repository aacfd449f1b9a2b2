package rest

import (
	"reflect"
	"slices"
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/registry"
)

// TestAnswersHaveAll: what is copied into an answer member by member, and not converted as a
// whole, has the members of the rules' type, and no others.
func TestAnswersHaveAll(t *testing.T) {
	members := func(v any) (names []string) {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if f.IsExported() && !f.Anonymous {
				names = append(names, f.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	for _, pair := range [][2]any{
		{license.License{}, License{}}, {registry.SearchResult{}, SearchResult{}}, {grant.SharedLicense{}, sharedLicense{}},
	} {
		rule, wire := members(pair[0]), members(pair[1])
		if !slices.Equal(rule, wire) {
			t.Errorf("%T has %v, and is answered with %v", pair[0], rule, wire)
		}
	}
}
