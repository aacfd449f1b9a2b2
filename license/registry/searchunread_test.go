package registry_test

import (
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
)

// A license that can't be read, for somebody altered its row or its data key is gone,
// hides no other one from a search.
func TestSearchLeavesOut(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world, *license.VersionRecord){
		"altered": func(_ *world, v *license.VersionRecord) { v.Body[len(v.Body)-1] ^= 1 },
		"can't be opened": func(w *world, v *license.VersionRecord) {
			v.Body[len(v.Body)-30] ^= 1
			w.Restamp(v)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			bad, good := w.IssueOne(t, "bad"), w.IssueOne(t, "good")
			r := w.OpenOn(t, stores{Stores: w.DB.Licenses(), OnLoad: func(v *license.VersionRecord) {
				if v.License == bad.ID {
					spoil(w, v)
				}
			}}, nil)
			found, err := r.Registry.Search(t.Context(), issuer, registry.SearchRequest{Holder: &party.Code{Type: party.Citizen, Value: citizen}})
			if err != nil || len(found.Licenses) != 1 || found.Licenses[0].ID != good.ID {
				t.Errorf("%d licenses, %v", len(found.Licenses), err)
			}
		})
	}
}
