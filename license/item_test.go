package license_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"yizheng.internal/license/schema"

	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
)

const itemCode = license.ItemCode("11110000000021135M-FOOD-1")

// item returns an acceptable definition: a certificate of the applicant's, one
// of the spouse's that may be left out.
func item() license.ItemDefinition {
	return license.ItemDefinition{
		Name: "样例食品经营许可", Purpose: "办理样例食品经营许可", AreaCode: "430000",
		Materials: []license.Material{
			{
				ID: "operator-certificate", Name: "样例操作证", Relation: license.RelationApplicant, Required: true,
				Alternatives: []license.Alternative{{TypeCode: typeCode, Role: "holder", Fields: []string{"number", "area_code", "holders", "fields/category", "fields/grade"}}},
				Reasons:      map[string]string{"fields/grade": "核对作业级别"},
			},
			{
				ID: "spouse-certificate", Name: "配偶的样例操作证", Relation: license.RelationSpouse,
				Alternatives: []license.Alternative{{TypeCode: typeCode, Fields: []string{"number"}}},
			},
		},
	}
}

func (w *world) publishItem(t testing.TB, code license.ItemCode, d license.ItemDefinition) license.ServiceItem {
	t.Helper()
	if _, _, err := w.PutItem(t.Context(), cataloguer, code, d); err != nil {
		t.Fatal(err)
	}
	i, err := w.PublishItem(t.Context(), cataloguer, code)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// publishOlder publishes an item as it was published before relations were refused.
func (w *world) publishOlder(t testing.TB, code license.ItemCode, d license.ItemDefinition) {
	t.Helper()
	var records []license.ItemRecord
	add := func(i license.ServiceItem) {
		body, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, license.ItemRecord{
			Code: code, Version: i.Version, State: i.State, Revision: i.Revision, Owner: i.Owner, Body: body, Updated: time.Now(),
		})
	}
	if before, err := w.Item(t.Context(), code, 0); err == nil {
		before.State, before.RetiredAt = license.ItemRetired, time.Now().UTC()
		add(before)
	}
	i, _, err := w.PutItem(t.Context(), cataloguer, code, d)
	if err != nil {
		t.Fatal(err)
	}
	i.State, i.PublishedAt = license.ItemPublished, time.Now().UTC()
	add(i)
	e := license.EventRecord{ID: fmt.Sprintf("older-%s-%d", code, i.Version), At: time.Now()}
	if err := license.StoresOf(w.Registry).SaveItems(t.Context(), e, records...); err != nil {
		t.Fatal(err)
	}
}

// ownItem is item without anybody's but the applicant's.
func ownItem() license.ItemDefinition {
	d := item()
	d.Materials[1].Relation = license.RelationApplicant
	return d
}

// Whose spouse somebody is, nobody knows yet: such an item stays a draft.
func TestRelationsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, relation := range []license.Relation{license.RelationSpouse, license.RelationChild, license.RelationLegalRepresentative} {
		d := item()
		d.Materials[1].Relation = relation
		code := license.ItemCode(otherDept + "-R-" + string(relation))
		if _, _, err := w.PutItem(t.Context(), cataloguer, code, d); err != nil {
			t.Fatal(err)
		}
		_, err := w.PublishItem(t.Context(), cataloguer, code)
		e, _ := errors.AsType[*refusal.Error](err)
		if e == nil || e.Reason != "relation_unsupported" || e.Violations[0].Pointer != "/materials/1/relation" {
			t.Errorf("%d: %s: %v", i, relation, err)
		}
	}
}

func TestItemLifeCycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	first, created, err := w.PutItem(ctx, cataloguer, itemCode, ownItem())
	if err != nil || !created || first.Version != 1 || first.State != license.ItemDraft {
		t.Fatalf("put: %+v %v %v", first, created, err)
	}
	d := ownItem()
	d.Purpose = "另一用途"
	if again, created, err := w.PutItem(ctx, cataloguer, itemCode, d); err != nil || created || again.Version != 1 || again.Revision != 2 {
		t.Fatalf("put again: %+v %v %v", again, created, err)
	}
	by := map[string]func() error{
		"put":     func() error { _, _, err := w.PutItem(ctx, issuer, itemCode, ownItem()); return err },
		"publish": func() error { _, err := w.PublishItem(ctx, issuer, itemCode); return err },
		"retire":  func() error { _, err := w.RetireItem(ctx, issuer, itemCode); return err },
	}
	for name, want := range map[string]string{"put": "code_prefix", "publish": "item_unknown", "retire": "item_unknown"} {
		if got := reason(t, by[name]()); got != want { // a draft is as if it weren't there
			t.Errorf("%s by another participant: %q", name, got)
		}
	}
	if _, err := w.RetireItem(ctx, cataloguer, itemCode); reason(t, err) != "item_not_published" {
		t.Errorf("retiring a draft: %v", err)
	}
	if i, err := w.PublishItem(ctx, cataloguer, itemCode); err != nil || i.State != license.ItemPublished || i.Purpose != "另一用途" {
		t.Fatalf("published: %+v, %v", i, err)
	}
	for name, call := range by {
		if got := reason(t, call()); got != "item_owner" {
			t.Errorf("%s by another participant, once it is published: %q", name, got)
		}
	}
	if _, err := w.PublishItem(ctx, cataloguer, itemCode); reason(t, err) != "item_not_draft" {
		t.Errorf("publishing twice: %v", err)
	}
	second := w.publishItem(t, itemCode, ownItem())
	old, err := w.Item(ctx, itemCode, 1)
	if err != nil || second.Version != 2 || old.State != license.ItemRetired || old.RetiredAt.IsZero() {
		t.Errorf("versions: %+v, then %+v, %v", old, second, err)
	}
	if i, err := w.Item(ctx, itemCode, 0); err != nil || i.Version != 2 {
		t.Errorf("the published version: %+v, %v", i, err)
	}
	if _, err := w.RetireItem(ctx, cataloguer, itemCode); err != nil {
		t.Fatal(err)
	}
	all, err := w.Items(ctx, "", 10)
	if err != nil || len(all) != 1 || all[0].Version != 2 || all[0].State != license.ItemRetired {
		t.Errorf("listed: %+v, %v", all, err)
	}
	for _, code := range []license.ItemCode{"NO-SUCH", "", "a b"} {
		if _, err := w.Item(ctx, code, 0); reason(t, err) != "item_unknown" {
			t.Errorf("%q: %v", code, err)
		}
	}
}

func TestItemRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	draft := credential.TypeCode("11100000000013338W033")
	if _, _, err := w.PutType(t.Context(), cataloguer, draft, definition()); err != nil {
		t.Fatal(err)
	}
	alt := func(d *license.ItemDefinition) *license.Alternative { return &d.Materials[0].Alternatives[0] }
	for _, test := range []struct {
		name    string
		alter   func(*license.ItemDefinition)
		keyword string
		at      string
	}{
		{"no name", func(d *license.ItemDefinition) { d.Name = "" }, "length", "/name"},
		{"no purpose", func(d *license.ItemDefinition) { d.Purpose = "" }, "length", "/purpose"},
		{"invisible purpose", func(d *license.ItemDefinition) { d.Purpose = "用\u202e途" }, "characters", "/purpose"},
		{"area", func(d *license.ItemDefinition) { d.AreaCode = "43" }, "area_code", "/area_code"},
		{"no materials", func(d *license.ItemDefinition) { d.Materials = nil }, "count", "/materials"},
		{"too many materials", func(d *license.ItemDefinition) { d.Materials = make([]license.Material, 1000) }, "count", "/materials"},
		{"material id", func(d *license.ItemDefinition) { d.Materials[0].ID = "A" }, "pattern", "/materials/0/id"},
		{"material twice", func(d *license.ItemDefinition) { d.Materials[1].ID = d.Materials[0].ID }, "duplicate", "/materials/1/id"},
		{"relation", func(d *license.ItemDefinition) { d.Materials[0].Relation = "friend" }, "enum", "/materials/0/relation"},
		{"no alternatives", func(d *license.ItemDefinition) { d.Materials[1].Alternatives = nil }, "count", "/materials/1/alternatives"},
		{"unknown type", func(d *license.ItemDefinition) { alt(d).TypeCode = "11100000000013338W099" }, "type_not_published", "/materials/0/alternatives/0/type_code"},
		{"draft type", func(d *license.ItemDefinition) { alt(d).TypeCode = draft }, "type_not_published", "/materials/0/alternatives/0/type_code"},
		{"type twice", func(d *license.ItemDefinition) {
			d.Materials[0].Alternatives = append(d.Materials[0].Alternatives, *alt(d))
		}, "duplicate", "/materials/0/alternatives/1/type_code"},
		{"role", func(d *license.ItemDefinition) { alt(d).Role = "owner" }, "role_unknown", "/materials/0/alternatives/0/role"},
		{"no parts", func(d *license.ItemDefinition) { d.Materials[1].Alternatives[0].Fields = nil }, "count", "/materials/1/alternatives/0/fields"},
		{"unknown part", func(d *license.ItemDefinition) { alt(d).Fields[0] = "colour" }, "unknown_part", "/materials/0/alternatives/0/fields/0"},
		{"unknown field", func(d *license.ItemDefinition) { alt(d).Fields[0] = "fields/colour" }, "unknown_part", "/materials/0/alternatives/0/fields/0"},
		{"part twice", func(d *license.ItemDefinition) { alt(d).Fields[1] = "number" }, "duplicate", "/materials/0/alternatives/0/fields/1"},
		{"sensitive without reason", func(d *license.ItemDefinition) { d.Materials[0].Reasons = nil }, "reason_missing", "/materials/0/alternatives/0/fields/4"},
		{"empty reason", func(d *license.ItemDefinition) { d.Materials[0].Reasons["fields/grade"] = "" }, "length", "/materials/0/reasons/fields~1grade"},
		{"reason for nothing", func(d *license.ItemDefinition) { d.Materials[0].Reasons["identifier"] = "无" }, "unknown_part", "/materials/0/reasons/identifier"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := item()
			test.alter(&d)
			_, _, err := w.PutItem(t.Context(), cataloguer, itemCode, d)
			e, ok := errors.AsType[*refusal.Error](err)
			if !ok || e.Kind != refusal.KindInvalid {
				t.Fatalf("not refused: %v", err)
			}
			if !slices.ContainsFunc(e.Violations, func(v schema.Violation) bool { return v.Keyword == test.keyword && v.Pointer == test.at }) {
				t.Errorf("violations %+v, want %s at %s", e.Violations, test.keyword, test.at)
			}
		})
	}
	if _, _, err := w.PutItem(t.Context(), cataloguer, "a b", item()); reason(t, err) != "item_code" {
		t.Errorf("bad code: %v", err)
	}
}

// A draft is checked again when it is published: its types may have changed.
func TestPublishItemChecksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	if _, _, err := w.PutItem(ctx, cataloguer, itemCode, item()); err != nil {
		t.Fatal(err)
	}
	d := definition()
	d.Schema = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"grade":{"type":"integer"}}}`)
	w.publish(t, typeCode, d)
	if _, err := w.PublishItem(ctx, cataloguer, itemCode); reason(t, err) != "unknown_part" {
		t.Errorf("a field that is gone: %v", err)
	}
}

func TestCoverageIsOfAuthorities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := definition()
	d.Coverage = []party.USCC{otherDept}
	if _, _, err := w.PutType(t.Context(), cataloguer, typeCode, d); reason(t, err) != "unknown_authority" {
		t.Errorf("coverage of another authority: %v", err)
	}
	d.Coverage = []party.USCC{authority, authority}
	if _, _, err := w.PutType(t.Context(), cataloguer, typeCode, d); reason(t, err) != "count" {
		t.Errorf("more coverage than authorities: %v", err)
	}
}
