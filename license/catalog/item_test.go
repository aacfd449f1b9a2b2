package catalog_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/schema"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
)

// Items ask for licenses of other people, too, and say by which law they get these without their agreement.
func TestRelations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, relation := range []catalog.Relation{catalog.RelationSpouse, catalog.RelationChild, catalog.RelationLegalRepresentative} {
		d := item()
		m := &d.Materials[1]
		m.Relation, m.LegalBasis, m.LegalBasisIn = relation, "《样例条例》第一条", party.Names{"en": "Sample Act, article 1"}
		i := w.PublishItem(t, catalog.ItemCode(otherDept+"-R-"+string(relation)), d)
		if got := i.Materials[1]; got.Relation != relation || got.LegalBasis != m.LegalBasis || got.LegalBasisIn["en"] != "Sample Act, article 1" {
			t.Errorf("published %+v", got)
		}
	}
	if plain, err := json.Marshal(item()); err != nil || strings.Contains(string(plain), "legal_basis") {
		t.Errorf("an item without a legal basis: %s, %v", plain, err) // or old definitions would hash otherwise
	}
}

func TestItemLifeCycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	first, created, err := w.Catalog().Items().Put(ctx, cataloguer, itemCode, ownItem())
	if err != nil || !created || first.Version != 1 || first.State != entry.Draft {
		t.Fatalf("put: %+v %v %v", first, created, err)
	}
	d := ownItem()
	d.Purpose = "另一用途"
	if again, created, err := w.Catalog().Items().Put(ctx, cataloguer, itemCode, d); err != nil || created || again.Version != 1 || again.Revision != 2 {
		t.Fatalf("put again: %+v %v %v", again, created, err)
	}
	by := map[string]func() error{
		"put":     func() error { _, _, err := w.Catalog().Items().Put(ctx, issuer, itemCode, ownItem()); return err },
		"publish": func() error { _, err := w.Catalog().Items().Publish(ctx, issuer, itemCode); return err },
		"retire":  func() error { _, err := w.Catalog().Items().Retire(ctx, issuer, itemCode); return err },
	}
	for name, want := range map[string]string{"put": "code_prefix", "publish": "item_unknown", "retire": "item_unknown"} {
		if got := reason(t, by[name]()); got != want { // a draft is as if it weren't there
			t.Errorf("%s by another participant: %q", name, got)
		}
	}
	if _, err := w.Catalog().Items().Retire(ctx, cataloguer, itemCode); reason(t, err) != "item_not_published" {
		t.Errorf("retiring a draft: %v", err)
	}
	if i, err := w.Catalog().Items().Publish(ctx, cataloguer, itemCode); err != nil || i.State != entry.Published || i.Purpose != "另一用途" {
		t.Fatalf("published: %+v, %v", i, err)
	}
	for name, call := range by {
		if got := reason(t, call()); got != "item_owner" {
			t.Errorf("%s by another participant, once it is published: %q", name, got)
		}
	}
	if _, err := w.Catalog().Items().Publish(ctx, cataloguer, itemCode); reason(t, err) != "item_not_draft" {
		t.Errorf("publishing twice: %v", err)
	}
	second := w.PublishItem(t, itemCode, ownItem())
	old, err := w.Catalog().Items().Version(ctx, itemCode, 1)
	if err != nil || second.Version != 2 || old.State != entry.Retired || old.RetiredAt.IsZero() {
		t.Errorf("versions: %+v, then %+v, %v", old, second, err)
	}
	if i, err := w.Catalog().Items().Version(ctx, itemCode, 0); err != nil || i.Version != 2 {
		t.Errorf("the published version: %+v, %v", i, err)
	}
	if _, err := w.Catalog().Items().Retire(ctx, cataloguer, itemCode); err != nil {
		t.Fatal(err)
	}
	all, err := w.Catalog().Items().List(ctx, "", 10)
	if err != nil || len(all) != 1 || all[0].Version != 2 || all[0].State != entry.Retired {
		t.Errorf("listed: %+v, %v", all, err)
	}
	for _, code := range []catalog.ItemCode{"NO-SUCH", "", "a b"} {
		if _, err := w.Catalog().Items().Version(ctx, code, 0); reason(t, err) != "item_unknown" {
			t.Errorf("%q: %v", code, err)
		}
	}
}

func TestItemRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	draft := credential.TypeCode("11100000000013338W033")
	if _, _, err := w.Catalog().Types().Put(t.Context(), cataloguer, draft, definition()); err != nil {
		t.Fatal(err)
	}
	alt := func(d *catalog.ItemDefinition) *catalog.Alternative { return &d.Materials[0].Alternatives[0] }
	for _, test := range []struct {
		name    string
		alter   func(*catalog.ItemDefinition)
		keyword string
		at      string
	}{
		{"no name", func(d *catalog.ItemDefinition) { d.Name = "" }, "length", "/name"},
		{"no purpose", func(d *catalog.ItemDefinition) { d.Purpose = "" }, "length", "/purpose"},
		{"invisible purpose", func(d *catalog.ItemDefinition) { d.Purpose = "用\u202e途" }, "characters", "/purpose"},
		{"area", func(d *catalog.ItemDefinition) { d.AreaCode = "43" }, "area_code", "/area_code"},
		{"no materials", func(d *catalog.ItemDefinition) { d.Materials = nil }, "count", "/materials"},
		{"too many materials", func(d *catalog.ItemDefinition) { d.Materials = make([]catalog.Material, 1000) }, "count", "/materials"},
		{"material id", func(d *catalog.ItemDefinition) { d.Materials[0].ID = "A" }, "pattern", "/materials/0/id"},
		{"material twice", func(d *catalog.ItemDefinition) { d.Materials[1].ID = d.Materials[0].ID }, "duplicate", "/materials/1/id"},
		{"relation", func(d *catalog.ItemDefinition) { d.Materials[0].Relation = "friend" }, "enum", "/materials/0/relation"},
		{"legal basis too long", func(d *catalog.ItemDefinition) { d.Materials[0].LegalBasis = strings.Repeat("法", 201) }, "length", "/materials/0/legal_basis"},
		{"invisible legal basis", func(d *catalog.ItemDefinition) { d.Materials[0].LegalBasis = "第\u202e条" }, "characters", "/materials/0/legal_basis"},
		{"legal basis in English alone", func(d *catalog.ItemDefinition) { d.Materials[0].LegalBasisIn = party.Names{"en": "Article 1"} }, "legal_basis_missing", "/materials/0/legal_basis_in"},
		{"no alternatives", func(d *catalog.ItemDefinition) { d.Materials[1].Alternatives = nil }, "count", "/materials/1/alternatives"},
		{"unknown type", func(d *catalog.ItemDefinition) { alt(d).TypeCode = "11100000000013338W099" }, "type_not_published", "/materials/0/alternatives/0/type_code"},
		{"draft type", func(d *catalog.ItemDefinition) { alt(d).TypeCode = draft }, "type_not_published", "/materials/0/alternatives/0/type_code"},
		{"type twice", func(d *catalog.ItemDefinition) {
			d.Materials[0].Alternatives = append(d.Materials[0].Alternatives, *alt(d))
		}, "duplicate", "/materials/0/alternatives/1/type_code"},
		{"role", func(d *catalog.ItemDefinition) { alt(d).Role = "owner" }, "role_unknown", "/materials/0/alternatives/0/role"},
		{"no parts", func(d *catalog.ItemDefinition) { d.Materials[1].Alternatives[0].Fields = nil }, "count", "/materials/1/alternatives/0/fields"},
		{"unknown part", func(d *catalog.ItemDefinition) { alt(d).Fields[0] = "colour" }, "unknown_part", "/materials/0/alternatives/0/fields/0"},
		{"unknown field", func(d *catalog.ItemDefinition) { alt(d).Fields[0] = "fields/colour" }, "unknown_part", "/materials/0/alternatives/0/fields/0"},
		{"part twice", func(d *catalog.ItemDefinition) { alt(d).Fields[1] = "number" }, "duplicate", "/materials/0/alternatives/0/fields/1"},
		{"sensitive without reason", func(d *catalog.ItemDefinition) { d.Materials[0].Reasons = nil }, "reason_missing", "/materials/0/alternatives/0/fields/4"},
		{"empty reason", func(d *catalog.ItemDefinition) { d.Materials[0].Reasons["fields/grade"] = "" }, "length", "/materials/0/reasons/fields~1grade"},
		{"reason for nothing", func(d *catalog.ItemDefinition) { d.Materials[0].Reasons["identifier"] = "无" }, "unknown_part", "/materials/0/reasons/identifier"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := item()
			test.alter(&d)
			_, _, err := w.Catalog().Items().Put(t.Context(), cataloguer, itemCode, d)
			e, ok := errors.AsType[*refusal.Error](err)
			if !ok || e.Kind != refusal.KindInvalid {
				t.Fatalf("not refused: %v", err)
			}
			if !slices.ContainsFunc(e.Violations, func(v schema.Violation) bool { return v.Keyword == test.keyword && v.Pointer == test.at }) {
				t.Errorf("violations %+v, want %s at %s", e.Violations, test.keyword, test.at)
			}
		})
	}
	if _, _, err := w.Catalog().Items().Put(t.Context(), cataloguer, "a b", item()); reason(t, err) != "item_code" {
		t.Errorf("bad code: %v", err)
	}
}

// A draft is checked again when it is published: its types may have changed.
func TestPublishItemChecksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if _, _, err := w.Catalog().Items().Put(ctx, cataloguer, itemCode, item()); err != nil {
		t.Fatal(err)
	}
	d := definition()
	d.Schema = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"grade":{"type":"integer"}}}`)
	w.Publish(t, typeCode, d)
	if _, err := w.Catalog().Items().Publish(ctx, cataloguer, itemCode); reason(t, err) != "unknown_part" {
		t.Errorf("a field that is gone: %v", err)
	}
}

func TestCoverageIsOfAuthorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := definition()
	d.Coverage = []party.USCC{otherDept}
	if _, _, err := w.Catalog().Types().Put(t.Context(), cataloguer, typeCode, d); reason(t, err) != "unknown_authority" {
		t.Errorf("coverage of another authority: %v", err)
	}
	d.Coverage = []party.USCC{authority, authority}
	if _, _, err := w.Catalog().Types().Put(t.Context(), cataloguer, typeCode, d); reason(t, err) != "count" {
		t.Errorf("more coverage than authorities: %v", err)
	}
}
