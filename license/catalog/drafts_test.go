package catalog_test

import (
	"errors"
	"slices"
	"testing"

	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/registry"
)

// TestDraftsOfOthers: a draft is there for its participant's own clients, and for the
// operator; to everybody else, and to whoever comes with a person's token, it is as if
// there were none.
func TestDraftsOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	const (
		fresh = credential.TypeCode(otherDept + "901") // a draft alone
		next  = credential.TypeCode(otherDept + "902") // a draft after a published version
		late  = credential.TypeCode(otherDept + "903") // a draft after a retired one
	)
	const freshItem, nextItem, lateItem = catalog.ItemCode(otherDept + "-901"), catalog.ItemCode(otherDept + "-902"), catalog.ItemCode(otherDept + "-903")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, code := range []credential.TypeCode{next, late} {
		w.Publish(t, code, definition())
	}
	for _, code := range []catalog.ItemCode{nextItem, lateItem} {
		w.PublishItem(t, code, ownItem())
	}
	_, err := w.Catalog().Types().Retire(ctx, cataloguer, late)
	must(err)
	_, err = w.Catalog().Items().Retire(ctx, cataloguer, lateItem)
	must(err)
	for _, code := range []credential.TypeCode{fresh, next, late} {
		_, _, err = w.Catalog().Types().Put(ctx, cataloguer, code, definition())
		must(err)
	}
	for _, code := range []catalog.ItemCode{freshItem, nextItem, lateItem} {
		_, _, err = w.Catalog().Items().Put(ctx, cataloguer, code, ownItem())
		must(err)
	}

	person := cataloguer
	person.Drafts = false
	for name, a := range map[string]audit.Actor{"another participant": issuer, "a person's token of the same client": person} {
		for _, c := range []struct {
			of      credential.TypeCode
			item    catalog.ItemCode
			version int
			want    int // 0: unknown
		}{
			{fresh, freshItem, 0, 0}, {fresh, freshItem, 1, 0}, {next, nextItem, 0, 1}, {next, nextItem, 1, 1}, {next, nextItem, 2, 0},
			{late, lateItem, 0, 1}, {late, lateItem, 1, 1}, {late, lateItem, 2, 0}, {late, lateItem, 3, 0},
		} {
			typ, err := w.Catalog().Types().Read(ctx, a, c.of, c.version)
			if c.want == 0 && reason(t, err) != "type_unknown" || typ.Version != c.want || typ.State == entry.Draft {
				t.Errorf("%s reads version %d of type %s: %d, %v", name, c.version, c.of, typ.Version, err)
			}
			i, err := w.Catalog().Items().Read(ctx, a, c.item, c.version)
			if c.want == 0 && reason(t, err) != "item_unknown" || i.Version != c.want || i.State == entry.Draft {
				t.Errorf("%s reads version %d of item %s: %d, %v", name, c.version, c.item, i.Version, err)
			}
		}
		if got := w.listed(t, a); !slices.Equal(got, []string{string(next) + "/1", string(late) + "/1", string(nextItem) + "/1", string(lateItem) + "/1"}) {
			t.Errorf("%s lists %v", name, got)
		}
	}
	own := []string{string(fresh) + "/1", string(next) + "/2", string(late) + "/2", string(freshItem) + "/1", string(nextItem) + "/2", string(lateItem) + "/2"}
	if got := w.listed(t, cataloguer); !slices.Equal(got, own) {
		t.Errorf("the participant itself lists %v", got)
	}
	if typ, err := w.Catalog().Types().Read(ctx, cataloguer, fresh, 0); err != nil || typ.State != entry.Draft {
		t.Errorf("its own draft: %+v, %v", typ, err)
	}
	if typ, err := w.Catalog().Types().Read(ctx, cataloguer, next, 0); err != nil || typ.Version != 1 {
		t.Errorf("the published one comes first: %+v, %v", typ, err)
	}
	if i, err := w.Catalog().Items().Read(ctx, cataloguer, lateItem, 0); err != nil || i.Version != 2 {
		t.Errorf("its own draft of an item: %+v, %v", i, err)
	}
	all, err := w.Catalog().Types().List(ctx, "", 100)
	must(err)
	if !slices.ContainsFunc(all, func(v catalog.Type) bool { return v.Code == fresh }) {
		t.Error("the operator's list has no draft")
	}
	if i, err := w.Catalog().Items().Version(ctx, lateItem, 0); err != nil || i.Version != 1 {
		t.Errorf("pages name an item by what was published: %+v, %v", i, err)
	}
}

// listed returns the entries with codes of the cataloguer's that a client's lists have.
func (w *world) listed(t *testing.T, a audit.Actor) (found []string) {
	t.Helper()
	ts, _, err := w.Catalog().Types().ReadPage(t.Context(), a, otherDept, 100)
	is, _, ierr := w.Catalog().Items().ReadPage(t.Context(), a, otherDept, 100)
	if err := errors.Join(err, ierr); err != nil {
		t.Fatal(err)
	}
	for _, v := range ts {
		found = append(found, string(v.Code)+"/"+string(rune('0'+v.Version)))
	}
	for _, v := range is {
		found = append(found, string(v.Code)+"/"+string(rune('0'+v.Version)))
	}
	return found
}

// TestNobodyLearnsOfDrafts: what others are refused for is the same whether there is a
// draft or nothing.
func TestNobodyLearnsOfDrafts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	const draft, nothing = credential.TypeCode(otherDept + "911"), credential.TypeCode(otherDept + "912")
	const draftItem, noItem = catalog.ItemCode(otherDept + "-911"), catalog.ItemCode(otherDept + "-912")
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, draft, definition()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Catalog().Items().Put(ctx, cataloguer, draftItem, ownItem()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		try  func(credential.TypeCode, catalog.ItemCode) error
		want string
	}{
		"putting a type": {func(c credential.TypeCode, _ catalog.ItemCode) error {
			_, _, err := w.Catalog().Types().Put(ctx, issuer, c, definition())
			return err
		}, "code_prefix"},
		"publishing a type": {func(c credential.TypeCode, _ catalog.ItemCode) error {
			_, err := w.Catalog().Types().Publish(ctx, issuer, c)
			return err
		}, "type_unknown"},
		"retiring a type": {func(c credential.TypeCode, _ catalog.ItemCode) error {
			_, err := w.Catalog().Types().Retire(ctx, issuer, c)
			return err
		}, "type_unknown"},
		"putting an item": {func(_ credential.TypeCode, c catalog.ItemCode) error {
			_, _, err := w.Catalog().Items().Put(ctx, issuer, c, ownItem())
			return err
		}, "code_prefix"},
		"publishing an item": {func(_ credential.TypeCode, c catalog.ItemCode) error {
			_, err := w.Catalog().Items().Publish(ctx, issuer, c)
			return err
		}, "item_unknown"},
		"retiring an item": {func(_ credential.TypeCode, c catalog.ItemCode) error {
			_, err := w.Catalog().Items().Retire(ctx, issuer, c)
			return err
		}, "item_unknown"},
		"issuing": {func(c credential.TypeCode, _ catalog.ItemCode) error {
			q := request("样例草稿")
			q.TypeCode = c
			_, err := w.Registry.Issue(ctx, issuer, q, "draft-"+string(c))
			return err
		}, "type_unknown"},
		"asking": {func(_ credential.TypeCode, c catalog.ItemCode) error {
			_, err := w.Offers.CheckAsk(ctx, issuer, offer.Ask{Item: c, Case: "样例-1"})
			return err
		}, "item_unknown"},
	} {
		there, none := c.try(draft, draftItem), c.try(nothing, noItem)
		if reason(t, there) != c.want || there.Error() != none.Error() {
			t.Errorf("%s: %v; where there is none: %v", name, there, none)
		}
	}
	if _, err := w.Registry.Issue(ctx, cataloguer, func() registry.IssueRequest { q := request("样例"); q.TypeCode = draft; return q }(), "own"); reason(t, err) != "type_draft" {
		t.Errorf("issuing under a draft of one's own: %v", err)
	}
}
