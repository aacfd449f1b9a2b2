package catalog_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/license/schema"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
)

// named is a type with names in several languages, down to the values of an enum.
func named() catalog.Definition {
	d := definition()
	d.NameEN, d.Names = "", party.Names{"en": "Operator certificate", "bo": "ལག་འཁྱེར།"}
	d.Holders[0].Names = party.Names{"en": "Holder"}
	d.Schema = json.RawMessage(`{"type":"object","additionalProperties":false,"required":["category"],"properties":{
		"category":{"type":"string","title":"作业类别","x-titles":{"en":"Category","bo":"རིགས།"},"enum":["电工","焊工"],"x-enum-titles":{"电工":{"en":"Electrician"}}},
		"grade":{"$ref":"#/$defs/grade"},
		"sites":{"type":"array","title":"场所","x-titles":{"en":"Sites"},"items":{"type":"object","additionalProperties":false,
			"properties":{"name":{"type":"string","title":"名称","x-titles":{"en":"Name"}},"size":{"type":"number","title":"面积"}}}}},
		"$defs":{"grade":{"type":"integer","title":"级别","x-titles":{"en":"Grade"},"minimum":1,"maximum":5}}}`)
	return d
}

// violated returns the places and keywords that a definition was refused for.
func violated(err error) (at []string) {
	if e, ok := errors.AsType[*refusal.Error](err); ok {
		for _, v := range e.Violations {
			at = append(at, v.Pointer+" "+v.Keyword)
		}
	}
	return at
}

// Names in other languages are kept as they were written, and refused with their place.
func TestNamesOfTypes(t *testing.T) {
	w := newWorld(t)
	put := func(d catalog.Definition) (catalog.Type, error) {
		got, _, err := w.Catalog().Types().Put(t.Context(), cataloguer, "11100000000013338W034", d)
		return got, err
	}
	if _, err := put(named()); err != nil {
		t.Fatal(err)
	}
	got, err := w.Catalog().Types().Version(t.Context(), "11100000000013338W034", 0)
	if err != nil || !maps.Equal(got.Names, named().Names) || !maps.Equal(got.Holders[0].Names, named().Holders[0].Names) {
		t.Errorf("%+v %v", got.Definition, err)
	}
	schema := func(property string) func(*catalog.Definition) {
		return func(d *catalog.Definition) {
			d.Schema = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"category":` + property + `,"grade":{"type":"integer"}}}`)
		}
	}
	many := party.Names{}
	for i := range 21 {
		many[fmt.Sprintf("a%c", 'a'+i)] = "x"
	}
	for name, c := range map[string]struct {
		change func(*catalog.Definition)
		want   string
	}{
		"language":          {func(d *catalog.Definition) { d.Names["english"] = "x" }, "/names/english language"},
		"Chinese twice":     {func(d *catalog.Definition) { d.Names["zh-CN"] = "另一个" }, "/names/zh-CN language_chinese"},
		"empty":             {func(d *catalog.Definition) { d.Names["en"] = "" }, "/names/en length"},
		"long":              {func(d *catalog.Definition) { d.Names["en"] = strings.Repeat("x", 101) }, "/names/en length"},
		"bidirectional":     {func(d *catalog.Definition) { d.Names["en"] = "a\u202eb" }, "/names/en characters"},
		"control":           {func(d *catalog.Definition) { d.Names["en"] = "a\nb" }, "/names/en characters"},
		"invisible":         {func(d *catalog.Definition) { d.Names["en"] = "\u0301\u0301" }, "/names/en characters"},
		"many":              {func(d *catalog.Definition) { d.Names = many }, "/names count"},
		"two English names": {func(d *catalog.Definition) { d.NameEN = "Another" }, "/name_en names_differ"},
		"role":              {func(d *catalog.Definition) { d.Holders[1].Names = party.Names{"x": "Keeper"} }, "/holders/1/names/x language"},
		"titles: no object": {schema(`{"type":"string","title":"类","x-titles":"Category"}`), "/schema/properties/category/x-titles schema_titles"},
		"titles: no title":  {schema(`{"type":"string","x-titles":{"en":"Category"}}`), "/schema/properties/category/x-titles schema_titles"},
		"titles: language":  {schema(`{"type":"string","title":"类","x-titles":{"zh":"类别"}}`), "/schema/properties/category/x-titles/zh schema_language"},
		"titles: hidden":    {schema(`{"type":"string","title":"类","x-titles":{"en":"a\u200bb"}}`), "/schema/properties/category/x-titles/en schema_titles"},
		"titles: nested": {schema(`{"type":"array","title":"类","items":{"type":"object","properties":{"a":{"title":"甲","x-titles":{"en":7}}}}}`),
			"/schema/properties/category/items/properties/a/x-titles/en schema_titles"},
		"values: not of the enum": {schema(`{"type":"string","enum":["甲"],"x-enum-titles":{"乙":{"en":"B"}}}`), "/schema/properties/category/x-enum-titles/乙 schema_enum_titles"},
		"values: language":        {schema(`{"type":"string","enum":["甲"],"x-enum-titles":{"甲":{"EN":"A"}}}`), "/schema/properties/category/x-enum-titles/甲/EN schema_language"},
	} {
		d := named()
		c.change(&d)
		if _, err := put(d); !slices.Equal(violated(err), []string{c.want}) {
			t.Errorf("%s: %v %q, want %q", name, err, violated(err), c.want)
		}
	}
	d := named()
	d.NameEN = d.Names["en"] // as those write who know both ways
	if _, err := put(d); err != nil {
		t.Errorf("the same name twice: %v", err)
	}
}

// What the schema says is found in each language, and falls back to Chinese.
func TestWording(t *testing.T) {
	s, err := schema.Check(named().Schema)
	if err != nil {
		t.Fatal(err)
	}
	w := s.Wording()
	for got, want := range map[string]string{
		w.Member("category").TitleIn("en", "category"):                                 "Category",
		w.Member("category").TitleIn("zh-CN", "category"):                              "作业类别",
		w.Member("category").TitleIn("bo", "category"):                                 "རིགས།",
		w.Member("category").ValueIn("en", "电工"):                                       "Electrician",
		w.Member("category").ValueIn("en", "焊工"):                                       "焊工",
		w.Member("category").ValueIn("zh-CN", "电工"):                                    "电工",
		w.Member("grade").TitleIn("en", "grade"):                                       "Grade",
		w.Member("sites").Element().Member("name").TitleIn("en", "name"):               "Name",
		w.Member("sites").Element().Member("size").TitleIn("en", "size"):               "面积",
		w.Member("sites").Element().Member("none").Element().TitleIn("en", "no title"): "no title",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	// What was stored when x- keywords of authors' own meant nothing goes on.
	s, err = schema.Compile([]byte(`{"type":"object","additionalProperties":false,"properties":{"a":{"title":"甲","enum":["乙"],"x-titles":["A"],"x-enum-titles":{"乙":"B","丙":7}}}}`))
	if err != nil || s.Wording().Member("a").TitleIn("en", "a") != "甲" || s.Wording().Member("a").ValueIn("en", "乙") != "乙" {
		t.Errorf("%+v %v", s, err)
	}
}

// Names that are given later reach what was issued before, where the Chinese name stayed.
func TestWordingBeside(t *testing.T) {
	d := named()
	newer, err := schema.Check(d.Schema)
	if err != nil {
		t.Fatal(err)
	}
	s := strings.NewReplacer(`"x-titles":{"en":"Category","bo":"རིགས།"},`, `"x-titles":{"en":"Old category"},`, `,"x-enum-titles":{"电工":{"en":"Electrician"}}`, "",
		`"x-titles":{"en":"Grade"},`, "", `"title":"名称","x-titles":{"en":"Name"}`, `"title":"旧称"`).Replace(string(d.Schema))
	older, err := schema.Check([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	w := older.Wording().Beside(newer.Wording())
	for got, want := range map[string]string{
		w.Member("category").TitleIn("en", ""): "Old category", w.Member("category").TitleIn("bo", ""): "རིགས།", w.Member("category").ValueIn("en", "电工"): "Electrician",
		w.Member("grade").TitleIn("en", ""): "Grade", w.Member("sites").Element().Member("name").TitleIn("en", ""): "旧称",
		older.Wording().Member("grade").TitleIn("en", ""): "级别",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// Type metadata has the names in every language of the type; what isn't named in
// one of them stands in Chinese.
func TestTypeMetadataLanguages(t *testing.T) {
	w := newWorld(t)
	code := credential.TypeCode("11100000000013338W035")
	if _, _, err := w.Catalog().Types().Put(t.Context(), cataloguer, code, named()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Catalog().Types().Publish(t.Context(), cataloguer, code); err != nil {
		t.Fatal(err)
	}
	m, err := w.Catalog().Types().Metadata(t.Context(), code, 1)
	if err != nil {
		t.Fatal(err)
	}
	if want := []catalog.TypeDisplay{{Locale: "zh-CN", Name: "样例特种作业操作证"}, {Locale: "bo", Name: "ལག་འཁྱེར།"}, {Locale: "en", Name: "Operator certificate"}}; !slices.Equal(m.Display, want) {
		t.Errorf("display %+v, want %+v", m.Display, want)
	}
	labels := map[string]string{}
	for _, c := range m.Claims {
		path, err := json.Marshal(c.Path)
		if err != nil {
			t.Fatal(err)
		}
		for i, d := range c.Display {
			if i >= len(m.Display) || d.Locale != m.Display[i].Locale {
				t.Errorf("%s: labels %+v", path, c.Display)
			}
			labels[string(path)+" "+d.Locale] = d.Label
		}
		if nested := len(c.Path) > 2 && c.Path[0] == "fields"; nested != (c.SD == catalog.NeverSelective) && c.Path[0] == "fields" && len(c.Path) > 1 {
			t.Errorf("%s: sd is %s", path, c.SD)
		}
	}
	for at, want := range map[string]string{
		`["number"] en`: "License number", `["number"] bo`: "证照编号", `["fields","category"] en`: "Category", `["fields","category"] bo`: "རིགས།",
		`["fields","grade"] en`: "Grade", `["fields","grade"] bo`: "级别", `["fields","sites",null,"name"] en`: "Name", `["fields","sites",null,"name"] zh-CN`: "名称",
		`["fields","sites",null,"size"] en`: "size",
	} {
		if labels[at] != want {
			t.Errorf("%s: %q, want %q", at, labels[at], want)
		}
	}
}

// A service item speaks to holders in several languages.
func TestNamesOfItems(t *testing.T) {
	w := newWorld(t)
	item := func() catalog.ItemDefinition {
		d := item()
		d.Names, d.Purposes = party.Names{"en": "Food permit"}, party.Names{"en": "To apply for a food permit"}
		d.Materials[0].Names = party.Names{"en": "Certificate"}
		d.Materials[0].ReasonsIn = map[string]party.Names{"fields/grade": {"en": "To check the grade"}}
		return d
	}
	got, _, err := w.Catalog().Items().Put(t.Context(), cataloguer, itemCode, item())
	if err != nil || got.Names["en"] != "Food permit" || got.Materials[0].ReasonsIn["fields/grade"]["en"] != "To check the grade" {
		t.Fatalf("%+v %v", got, err)
	}
	for name, c := range map[string]struct {
		change func(*catalog.ItemDefinition)
		want   string
	}{
		"name":     {func(d *catalog.ItemDefinition) { d.Names["en"] = "" }, "/names/en length"},
		"language": {func(d *catalog.ItemDefinition) { d.Names["e"] = "x" }, "/names/e language"},
		"purpose":  {func(d *catalog.ItemDefinition) { d.Purposes["en"] = "a\u202eb" }, "/purposes/en characters"},
		"material": {func(d *catalog.ItemDefinition) { d.Materials[0].Names["zh"] = "证" }, "/materials/0/names/zh language_chinese"},
		"reason": {func(d *catalog.ItemDefinition) {
			d.Materials[0].ReasonsIn["fields/grade"]["en"] = strings.Repeat("x", 201)
		}, "/materials/0/reasons_in/fields~1grade/en length"},
		"for no one": {func(d *catalog.ItemDefinition) { d.Materials[0].ReasonsIn["number"] = party.Names{"en": "x"} }, "/materials/0/reasons_in/number reason_missing"},
	} {
		d := item()
		c.change(&d)
		if _, _, err := w.Catalog().Items().Put(t.Context(), cataloguer, itemCode, d); !slices.Equal(violated(err), []string{c.want}) {
			t.Errorf("%s: %v %q, want %q", name, err, violated(err), c.want)
		}
	}
}
