package catalog_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/library"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/journal"
)

// fill fills the catalog with records past what it would let through.
func (w *world) fill(t testing.TB, k entry.Kind, n int, make func(i int) entry.Record) {
	t.Helper()
	var all []entry.Record
	for i := range n {
		all = append(all, make(i))
	}
	if err := w.CatalogStores().SaveEntries(t.Context(), k, journal.Event{Log: journal.Registry, ID: "fill-" + all[0].Code, At: time.Now()}, all...); err != nil {
		t.Fatal(err)
	}
}

// bodyOf is a definition of so many bytes, or none.
func bodyOf(v any, bytes int) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(body, strings.Repeat(" ", max(0, bytes-len(body)))...)
}

// TestVersionsAreBounded: a type, and an item, has so many versions and no more.
func TestVersionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	typ, item := credential.TypeCode(otherDept+"500"), catalog.ItemCode(otherDept+"-many")
	for _, last := range []int{999, 1000} {
		w.fill(t, entry.KindType, 1, func(int) entry.Record {
			v := catalog.Type{Code: typ, Version: last, State: entry.Retired, Definition: definition(), Owner: "p0", PublishedAt: time.Now()}
			return entry.Record{Code: string(typ), Version: last, State: v.State, Owner: v.Owner, Body: bodyOf(v, 0), Updated: time.Now()}
		})
		w.fill(t, entry.KindItem, 1, func(int) entry.Record {
			v := catalog.ServiceItem{Code: item, Version: last, State: entry.Retired, ItemDefinition: ownItem(), Owner: "p0"}
			return entry.Record{Code: string(item), Version: last, State: v.State, Owner: v.Owner, Body: bodyOf(v, 0), Updated: time.Now()}
		})
		if last == 999 {
			continue
		}
		if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, typ, definition()); reason(t, err) != "versions_limit" {
			t.Errorf("version 1001 of a type: %v", err)
		}
		if _, _, err := w.Catalog().Items().Put(ctx, cataloguer, item, ownItem()); reason(t, err) != "versions_limit" {
			t.Errorf("version 1001 of an item: %v", err)
		}
	}
	other := credential.TypeCode(otherDept + "501")
	w.fill(t, entry.KindType, 1, func(int) entry.Record {
		v := catalog.Type{Code: other, Version: 999, State: entry.Retired, Definition: definition(), Owner: "p0"}
		return entry.Record{Code: string(other), Version: 999, State: v.State, Owner: v.Owner, Body: bodyOf(v, 0), Updated: time.Now()}
	})
	for range 2 { // and it can be written again
		if v, _, err := w.Catalog().Types().Put(ctx, cataloguer, other, definition()); err != nil || v.Version != 1000 {
			t.Errorf("version 1000: %+v, %v", v, err)
		}
	}
	if _, err := w.Catalog().Types().Publish(ctx, cataloguer, other); err != nil {
		t.Error(err)
	}
}

// TestDraftsAreBounded: a participant has so many drafts and no more; others have theirs.
func TestDraftsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	typ := func(i int) credential.TypeCode { return credential.TypeCode(fmt.Sprintf("%s%03d", otherDept, i)) }
	item := func(i int) catalog.ItemCode { return catalog.ItemCode(fmt.Sprintf("%s-%d", otherDept, i)) }
	w.fill(t, entry.KindType, 999, func(i int) entry.Record {
		v := catalog.Type{Code: typ(i), Version: 1, State: entry.Draft, Definition: definition(), Owner: "p0"}
		return entry.Record{Code: string(v.Code), Version: 1, State: v.State, Owner: v.Owner, Body: bodyOf(v, 0), Updated: time.Now()}
	})
	w.fill(t, entry.KindItem, 999, func(i int) entry.Record {
		v := catalog.ServiceItem{Code: item(i), Version: 1, State: entry.Draft, ItemDefinition: ownItem(), Owner: "p0"}
		return entry.Record{Code: string(v.Code), Version: 1, State: v.State, Owner: v.Owner, Body: bodyOf(v, 0), Updated: time.Now()}
	})
	put := func(i int) (error, error) {
		_, _, err := w.Catalog().Types().Put(ctx, cataloguer, typ(i), definition())
		_, _, ierr := w.Catalog().Items().Put(ctx, cataloguer, item(i), ownItem())
		return err, ierr
	}
	if err, ierr := put(999); err != nil || ierr != nil {
		t.Fatalf("the thousandth: %v, %v", err, ierr)
	}
	if err, ierr := put(7); err != nil || ierr != nil {
		t.Errorf("one that is there, again: %v, %v", err, ierr)
	}
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, credential.TypeCode(national+"600"), definition()); reason(t, err) != "drafts_limit" {
		t.Errorf("one more type: %v", err)
	}
	if _, _, err := w.Catalog().Items().Put(ctx, cataloguer, item(1000), ownItem()); reason(t, err) != "drafts_limit" {
		t.Errorf("one more item: %v", err)
	}
	if _, _, err := w.Catalog().Types().Put(ctx, issuer, credential.TypeCode(authority+"600"), definition()); err != nil {
		t.Errorf("another participant's: %v", err)
	}
	if _, err := w.Catalog().Types().Publish(ctx, cataloguer, typ(3)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, credential.TypeCode(national+"600"), definition()); err != nil {
		t.Errorf("one more, after one was published: %v", err)
	}
}

// TestDefinitionsAreBounded: a participant's definitions have so many bytes and no more.
func TestDefinitionsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	const whole = 256 << 10
	typ := credential.TypeCode(otherDept + "700")
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, typ, definition()); err != nil {
		t.Fatal(err)
	}
	w.fill(t, entry.KindType, 255, func(i int) entry.Record {
		v := catalog.Type{Code: credential.TypeCode(fmt.Sprintf("%s%03d", otherDept, i)), Version: 1, State: entry.Retired, Definition: definition(), Owner: "p0"}
		return entry.Record{Code: string(v.Code), Version: 1, State: v.State, Owner: v.Owner, Body: bodyOf(v, whole), Updated: time.Now()}
	})
	larger := definition()
	larger.Layout = json.RawMessage(`{"x":"` + strings.Repeat("y", 60<<10) + `"}`)
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, typ, larger); err != nil {
		t.Fatalf("there is room: %v", err)
	}
	w.fill(t, entry.KindType, 1, func(int) entry.Record {
		v := catalog.Type{Code: credential.TypeCode(otherDept + "800"), Version: 1, State: entry.Retired, Definition: definition(), Owner: "p0"}
		return entry.Record{Code: string(v.Code), Version: 1, State: v.State, Owner: v.Owner, Body: bodyOf(v, whole-(70<<10)), Updated: time.Now()}
	})
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, credential.TypeCode(otherDept+"701"), larger); reason(t, err) != "definitions_limit" {
		t.Errorf("there is none: %v", err)
	}
	if _, _, err := w.Catalog().Types().Put(ctx, cataloguer, typ, larger); err != nil {
		t.Errorf("the same in its place: %v", err)
	}
	if _, err := w.Catalog().Types().Publish(ctx, cataloguer, typ); err != nil {
		t.Errorf("publishing needs no room: %v", err)
	}
	if _, _, err := w.Catalog().Items().Put(ctx, cataloguer, catalog.ItemCode(otherDept+"-small"), ownItem()); err != nil {
		t.Errorf("items are counted by themselves: %v", err)
	}
}

// readStores counts the versions of types that are read.
type readStores struct {
	library.Stores
	versions int
}

// LoadEntries implements [entry.Store].
func (s *readStores) LoadEntries(ctx context.Context, k entry.Kind, code string, before, limit int) ([]entry.Record, error) {
	records, err := s.Stores.LoadEntries(ctx, k, code, before, limit)
	s.versions += len(records)
	return records, err
}

// TestOldVersionsCostNothing: of a type with many versions those are read that are used,
// and one is compiled when something is to be checked by it.
func TestOldVersionsCostNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	old := w.IssueOne(t, "old")
	w.manyVersions(t, 40, func(testing.TB, int) json.RawMessage { return definition().Schema })
	stores := &readStores{Stores: w.DB.Licenses()}
	r := w.OpenOn(t, stores, nil)
	used := func(what string, versions, compiled int) {
		t.Helper()
		if got := catalog.CompiledSchemas(r.Catalog()); stores.versions != versions || got != compiled {
			t.Errorf("%s: %d versions were read and %d are compiled, want %d and %d", what, stores.versions, got, versions, compiled)
		}
		stores.versions = 0
	}
	if _, err := r.Registry.Issue(ctx, issuer, request("new"), "new"); err != nil {
		t.Fatal(err)
	}
	used("issuing", 2, 1)
	if v, err := r.Verifications.VerifyIdentifier(ctx, string(old.Identifier), old.VerificationCode); err != nil || v.Verdict != credential.Valid {
		t.Fatal(v, err)
	}
	used("verifying", 0, 1)
	if v, err := r.Catalog().Types().Version(ctx, typeCode, 0); err != nil || v.Version != 40 {
		t.Error(v.Version, err)
	}
	for range 3 {
		if v, err := r.Catalog().Types().Version(ctx, typeCode, 17); err != nil || v.Version != 17 || v.State != entry.Retired {
			t.Error(v.Version, err)
		}
	}
	used("reading an old one", 1, 1)
	for _, none := range []int{-1, 41, 1 << 31} {
		if _, err := r.Catalog().Types().Version(ctx, typeCode, none); reason(t, err) != "type_unknown" {
			t.Errorf("version %d: %v", none, err)
		}
	}
	used("reading none", 0, 1)
	q := registry.ReplaceRequest{Kind: license.Correction, Reason: "样例更正", Number: "old", Holders: request("").Holders, ValidFrom: request("").ValidFrom, ValidUntil: request("").ValidUntil, AreaCode: "430000", Fields: request("").Fields}
	if _, err := r.Registry.Replace(ctx, issuer, old.ID, q, registry.Terms{Revisions: []int64{1}}); err != nil {
		t.Fatal(err)
	}
	used("replacing under an old one", 1, 2)
}

// TestPagesAreBounded: a page of the catalog ends early where its definitions are large,
// and says that there are more; the pages together have all.
func TestPagesAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	const large = 200 << 10
	w.fill(t, entry.KindType, 30, func(i int) entry.Record {
		v := catalog.Type{Code: credential.TypeCode(fmt.Sprintf("%s%03d", otherDept, i)), Version: 1, State: entry.Published, Definition: definition(), Owner: "p0"}
		return entry.Record{Code: string(v.Code), Version: 1, State: v.State, Owner: v.Owner, Body: bodyOf(v, large), Updated: time.Now()}
	})
	w.fill(t, entry.KindItem, 30, func(i int) entry.Record {
		v := catalog.ServiceItem{Code: catalog.ItemCode(fmt.Sprintf("%s-%03d", otherDept, i)), Version: 1, State: entry.Published, ItemDefinition: ownItem(), Owner: "p0"}
		return entry.Record{Code: string(v.Code), Version: 1, State: v.State, Owner: v.Owner, Body: bodyOf(v, large), Updated: time.Now()}
	})
	types, items := 0, 0
	for after, more := credential.TypeCode(""), true; more; {
		var page []catalog.Type
		var err error
		if page, more, err = w.Catalog().Types().ReadPage(ctx, stranger, after, 100); err != nil || len(page) > 8 || more && len(page) == 0 {
			t.Fatalf("%d types, %v", len(page), err)
		}
		types, after = types+len(page), page[len(page)-1].Code
	}
	for after, more := catalog.ItemCode(""), true; more; {
		var page []catalog.ServiceItem
		var err error
		if page, more, err = w.Catalog().Items().ReadPage(ctx, stranger, after, 100); err != nil || len(page) > 8 || more && len(page) == 0 {
			t.Fatalf("%d items, %v", len(page), err)
		}
		items, after = items+len(page), page[len(page)-1].Code
	}
	if types != 31 || items != 30 {
		t.Errorf("the pages have %d types and %d items", types, items)
	}
	if page, more, err := w.Catalog().Types().ReadPage(ctx, stranger, "", 3); err != nil || len(page) != 3 || !more {
		t.Errorf("a small page: %d, %v, %v", len(page), more, err)
	}
}
