package relation_test

import (
	"testing"

	"yizheng.internal/license"
	"yizheng.internal/license/licensetest"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
)

func TestSpouse(t *testing.T) {
	t.Parallel()
	married := func(t *testing.T, w *world, day, a, b string) registry.Issued {
		t.Helper()
		return w.IssueRelated(t, marriage, day+a[10:]+b[10:], day, holder("spouse", a), holder("spouse", b))
	}
	divorced := func(t *testing.T, w *world, day, a, b string) registry.Issued {
		t.Helper()
		return w.IssueRelated(t, divorce, "D"+day, day, holder("spouse", a), holder("spouse", b))
	}
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, w *world)
		proved  bool
	}{
		{"nobody", func(*testing.T, *world) {}, false},
		{"married", func(t *testing.T, w *world) { married(t, w, "2019-02-01", citizen, spouse) }, true},
		{"with a certificate each", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			married(t, w, "2019-02-01", spouse, citizen)
		}, true},
		{"suspended", func(t *testing.T, w *world) { w.Suspend(t, married(t, w, "2019-02-01", citizen, spouse).ID) }, false},
		{"ended", func(t *testing.T, w *world) { end(t, w, married(t, w, "2019-02-01", citizen, spouse).ID) }, false},
		{"divorced since", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			divorced(t, w, "2020-02-01", citizen, spouse)
		}, false},
		{"divorced on that day", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			divorced(t, w, "2019-02-01", citizen, spouse)
		}, false},
		{"divorced without a day", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			divorced(t, w, "", citizen, spouse)
		}, false},
		{"divorced since, and that certificate ended", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			end(t, w, divorced(t, w, "2020-02-01", citizen, spouse).ID)
		}, false},
		{"divorced by a mistake that was rescinded", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			q := licensetest.Ending()
			q.Kind = license.Rescinded
			if _, err := w.Registry.End(t.Context(), issuer, divorced(t, w, "2020-02-01", citizen, spouse).ID, q, registry.Terms{}); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"married again, to the same", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			divorced(t, w, "2020-02-01", citizen, spouse)
			married(t, w, "2021-02-01", citizen, spouse)
		}, true},
		{"after another marriage", func(t *testing.T, w *world) {
			married(t, w, "2010-02-01", citizen, other)
			divorced(t, w, "2012-02-01", citizen, other)
			married(t, w, "2019-02-01", citizen, spouse)
		}, true},
		{"the spouse divorced somebody since", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			divorced(t, w, "2020-02-01", other, spouse)
		}, false},
		{"the spouse married somebody else since", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			married(t, w, "2021-02-01", other, spouse)
		}, false},
		{"a witness", func(t *testing.T, w *world) {
			w.IssueRelated(t, marriage, "1", "2019-02-01", holder("spouse", other), holder("spouse", spouse), holder("witness", citizen))
		}, false},
		{"married without a day", func(t *testing.T, w *world) { married(t, w, "", citizen, spouse) }, false},
		{"not all marriages are here", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			d := licensetest.RelatedTypes()[marriage]
			d.Authorities = append(d.Authorities, licensetest.OtherDept)
			w.Publish(t, marriage, d)
			w.Library = w.OpenBelieving(t, w.DB.Licenses(), licensetest.Believed()) // the catalog is read anew after two seconds
		}, false},
		{"not all divorces are here", func(t *testing.T, w *world) {
			married(t, w, "2019-02-01", citizen, spouse)
			d := licensetest.RelatedTypes()[divorce]
			d.Coverage = nil
			w.Publish(t, divorce, d)
			w.Library = w.OpenBelieving(t, w.DB.Licenses(), licensetest.Believed())
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := licensetest.NewRelated(t)
			test.prepare(t, w)
			f, err := w.Relations.Spouse(t.Context(), citizens(citizen))
			if err != nil || (f != nil) != test.proved {
				t.Fatalf("%+v, %v", f, err)
			}
			if f != nil && (len(f.Codes) != 1 || f.Codes[0] != party.Code{Type: party.Citizen, Value: spouse} || f.TypeName != "样例结婚证") {
				t.Errorf("%+v", f)
			}
		})
	}
}
