package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license/catalog"
	"yizheng.internal/license/catalog/entry"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/journal"
)

// What could never be issued is refused when it is written, not when an authority
// issues.
func TestTypesAreRefusedWhenWritten(t *testing.T) {
	w := newWorld(t)
	field := func(schema string) func(*catalog.Definition) {
		return func(d *catalog.Definition) {
			d.Sensitive = nil
			d.Schema = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"x":` + schema + `}}`)
		}
	}
	for name, test := range map[string]struct {
		alter      func(*catalog.Definition)
		reason, at string
	}{
		"code in lower case":  {func(d *catalog.Definition) { d.Authorities[0] = "11430000006122244l" }, "uscc", "/authorities/0"},
		"code with a space":   {func(d *catalog.Definition) { d.Authorities[0] = " 11430000006122244L" }, "uscc", "/authorities/0"},
		"code in full width":  {func(d *catalog.Definition) { d.Authorities[0] = "11430000006122244Ｌ" }, "uscc", "/authorities/0"},
		"authority twice":     {func(d *catalog.Definition) { d.Authorities = []party.USCC{authority, authority} }, "duplicate", "/authorities/1"},
		"two steps":           {func(d *catalog.Definition) { d.Approval = catalog.TwoStep }, "approval_unsupported", "/approval"},
		"nobody's":            {func(d *catalog.Definition) { d.Holders[0].Replaceable = true }, "subject", "/holders"},
		"long text":           {field(`{"type":"string","maxLength":200000}`), "schema_length", "/schema/properties/x/maxLength"},
		"text that none is":   {field(`{"type":"string","minLength":5000}`), "schema_length", "/schema/properties/x/minLength"},
		"long list":           {field(`{"type":"array","minItems":4096}`), "schema_length", "/schema/properties/x/minItems"},
		"contradiction":       {field(`{"type":"string","minLength":3,"maxLength":2}`), "schema_contradiction", "/schema/properties/x/minLength"},
		"no number":           {field(`{"type":"number","minimum":1.5,"maximum":1}`), "schema_contradiction", "/schema/properties/x/minimum"},
		"long constant":       {field(fmt.Sprintf(`{"const":%q}`, strings.Repeat("x", 4097))), "schema_length", "/schema/properties/x/const"},
		"hidden value":        {field(`{"enum":["a","b\u202e"]}`), "schema_text", "/schema/properties/x/enum/1"},
		"hidden title":        {field(`{"title":"a\u200b"}`), "schema_text", "/schema/properties/x/title"},
		"inside a definition": {field(`{"type":"object","properties":{"y":{"items":{"maxLength":4097}}}}`), "schema_length", "/schema/properties/x/properties/y/items/maxLength"},
		"too many holders": {func(d *catalog.Definition) {
			d.Holders[0].Min, d.Holders[0].Max, d.Holders[1].Min, d.Holders[1].Max = 60, 60, 60, 60
		}, "range", "/holders"},
		"role of hidden name":  {func(d *catalog.Definition) { d.Holders[0].Name = "持\u2066证人" }, "characters", "/holders/0/name"},
		"coverage in any case": {func(d *catalog.Definition) { d.Coverage = []party.USCC{"11430000006122244l"} }, "unknown_authority", "/coverage/0"},
	} {
		d := definition()
		test.alter(&d)
		_, _, err := w.Catalog().Types().Put(t.Context(), cataloguer, "11100000000013338W036", d)
		e, ok := errors.AsType[*refusal.Error](err)
		if !ok || string(e.Reason) != test.reason || e.Violations[0].Pointer != test.at {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := definition()
	field(`{"type":"string","minLength":4096,"maxLength":4096,"title":"附记"}`)(&d)
	if _, _, err := w.Catalog().Types().Put(t.Context(), cataloguer, "11100000000013338W036", d); err != nil {
		t.Errorf("just so long: %v", err)
	}
}

// What an older program took is read as before, but not published.
func TestOlderTypes(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	older := func(code credential.TypeCode, state entry.State) {
		t.Helper()
		d := definition()
		d.Schema = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"category":{"type":"string","maxLength":200000},"grade":{}}}`)
		body, err := json.Marshal(catalog.Type{Code: code, Version: 1, State: state, Definition: d, Owner: cataloguer.Participant})
		if err != nil {
			t.Fatal(err)
		}
		err = w.CatalogStores().SaveEntries(ctx, entry.KindType, journal.Event{Log: journal.Registry, ID: "older-" + string(code), At: time.Now()},
			entry.Record{Code: string(code), Version: 1, State: state, Owner: cataloguer.Participant, Body: body, Updated: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
	}
	older("11100000000013338W037", entry.Draft)
	if _, err := w.Catalog().Types().Publish(ctx, cataloguer, "11100000000013338W037"); reason(t, err) != "schema_length" {
		t.Errorf("published: %v", err)
	}
	older("11100000000013338W038", entry.Published)
	w.IssueTo(t, "old", func(q *registry.IssueRequest) { q.TypeCode = "11100000000013338W038" })
}

// Types of the usual kind have a way of their own to be checked.
func TestHiddenCharactersOfFlatTypes(t *testing.T) {
	w := newWorld(t)
	for i, s := range []string{"a\u202eb", "a\u0085b", "a\u200bb", "a\u3164"} {
		q := request(fmt.Sprint("F-", i))
		q.Fields = json.RawMessage(`{"category":"` + s + `"}`)
		_, err := w.Registry.Issue(t.Context(), issuer, q, fmt.Sprint("f", i))
		e, ok := errors.AsType[*refusal.Error](err)
		if !ok || len(e.Violations) == 0 || e.Violations[0].Pointer != "/fields/category" {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// What can't be seen, or changes how the rest is read, enters no license.
func TestHiddenCharacters(t *testing.T) {
	w := newWorld(t)
	d := definition()
	d.Schema = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{
		"category":{"type":"string"},"remark":{"type":"string","x-multiline":true},"list":{"type":"array","items":{"type":"string"}},"grade":{"type":"integer"}}}`)
	w.Publish(t, typeCode, d)
	hidden := map[string]string{
		"null": "a\u0000b", "bell": "a\u0007", "delete": "a\u007f", "C1": "a\u0085b", "tab": "a\tb", "right to left": "a\u202eb", "isolate": "\u2066a\u2069",
		"mark": "a\u200f", "zero width space": "a\u200bb", "BOM": "\ufeffa", "Hangul filler": "a\u3164", "half-width filler": "a\uffa0", "Braille blank": "a\u2800b",
		"soft hyphen": "a\u00adb", "line separator": "a\u2028b", "lost": "a\ufffd", "noncharacter": "a\ufdd0", "tag": "a\U000e0041", "joiner of graphemes": "a\u034f",
	}
	n := 0
	try := func(what, at string, alter func(*registry.IssueRequest)) {
		t.Helper()
		n++
		q := request(fmt.Sprint("H-", n))
		alter(&q)
		_, err := w.Registry.Issue(t.Context(), issuer, q, fmt.Sprint("h", n))
		e, ok := errors.AsType[*refusal.Error](err)
		if !ok || len(e.Violations) == 0 || e.Violations[0].Pointer != at {
			t.Errorf("%s: %v, want one at %s", what, err, at)
		}
	}
	fields := func(name string, v any) func(*registry.IssueRequest) {
		return func(q *registry.IssueRequest) { q.Fields = json.RawMessage(text(t, map[string]any{name: v})) }
	}
	for name, s := range hidden {
		try(name+" in a field", "/fields/category", fields("category", s))
		try(name+" in a list", "/fields/list/1", fields("list", []string{"good", s}))
		try(name+" in a text of several lines", "/fields/remark", fields("remark", "line\n"+s))
		try(name+" in a name", "/holders/0/name", func(q *registry.IssueRequest) { q.Holders[0].Name = "样" + s + "例" })
		try(name+" in a number", "/number", func(q *registry.IssueRequest) { q.Number = "1" + s + "2" })
	}
	try("a line feed", "/fields/category", fields("category", "a\nb"))
	for name, s := range map[string]string{"fillers": "\u3164\u115f", "marks": "\u0301\u0302", "Braille": "\u2800", "selectors": "\ufe00\ufe0f", "joiners": "\u200d\u200c"} {
		try("a name of "+name, "/holders/0/name", func(q *registry.IssueRequest) { q.Holders[0].Name = s })
	}
	good := request("good")
	good.Fields = json.RawMessage(text(t, map[string]string{"category": "䶮𬱖 \ue863 葛\U000e0100 می\u200cخواهم", "remark": "一行\n二行"}))
	good.Holders[0].Name = "می\u200cخواهم 𣲗\U000e0100"
	if _, err := w.Registry.Issue(t.Context(), issuer, good, "good"); err != nil {
		t.Errorf("rare characters and lines: %v", err)
	}
}
