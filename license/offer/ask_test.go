package offer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"yizheng.internal/license/credential"
	offers "yizheng.internal/license/offer"
)

func TestParseAsk(t *testing.T) {
	t.Parallel()
	q, err := offers.ParseAsk([]byte(`{"type":"license","service_item":"QH-1","case":"2026-000123","licenses":[
		{"material":"operator-certificate","type_code":"11100000000013338W032","fields":["category","number","fields/grade"]}]}`))
	want := offers.Ask{Item: "QH-1", Case: "2026-000123", Licenses: []offers.AskedLicense{
		{Material: "operator-certificate", TypeCode: typeCode, Fields: []string{"fields/category", "number", "fields/grade"}}}}
	if err != nil || !reflect.DeepEqual(q, want) {
		t.Errorf("parsed %+v, %v", q, err)
	}
	if q, err := offers.ParseAsk([]byte(`{"type":"license","service_item":"QH-1","case":"1"}`)); err != nil || len(q.Licenses) != 0 {
		t.Errorf("without licenses: %+v, %v", q, err)
	}
}

func TestParseAskRefuses(t *testing.T) {
	t.Parallel()
	detail := func(licenses string) string {
		return `{"type":"license","service_item":"QH-1","case":"1","licenses":[` + licenses + `]}`
	}
	one := `{"material":"m","type_code":"11100000000013338W032","fields":["a"]}`
	many := func(n int, format string) string {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(format, i))
		}
		return strings.Join(all, ",")
	}
	for _, test := range []struct{ name, detail, reason string }{
		{"nothing", ``, "ask_json"},
		{"no object", `[]`, "ask_json"},
		{"null", `null`, "ask_type"},
		{"trailing data", detail(one) + `{}`, "ask_json"},
		{"member twice", `{"type":"license","type":"license","service_item":"QH-1","case":"1"}`, "ask_json"},
		{"unknown member", `{"type":"license","service_item":"QH-1","case":"1","locations":[]}`, "ask_json"},
		{"unknown member inside", detail(`{"material":"m","type_code":"11100000000013338W032","party":"x"}`), "ask_json"},
		{"another case of a name", `{"TYPE":"license","service_item":"QH-1","case":"1"}`, "ask_json"},
		{"not UTF-8", "{\"type\":\"license\",\"service_item\":\"QH-1\",\"case\":\"\xff\"}", "ask_json"},
		{"nested", detail(strings.Repeat("[", 5000) + strings.Repeat("]", 5000)), "ask_json"},
		{"oversized", detail(one) + strings.Repeat(" ", 64<<10), "ask_size"},
		{"another type", `{"type":"payment","service_item":"QH-1","case":"1"}`, "ask_type"},
		{"no item", `{"type":"license","case":"1"}`, "item_code"},
		{"item with control characters", `{"type":"license","service_item":"QH\u0000","case":"1"}`, "item_code"},
		{"no case", `{"type":"license","service_item":"QH-1"}`, "length"},
		{"case with control characters", `{"type":"license","service_item":"QH-1","case":"1\r\nSet-Cookie: x"}`, "characters"},
		{"case in another direction", `{"type":"license","service_item":"QH-1","case":"1\u202e2"}`, "characters"},
		{"material with control characters", detail(`{"material":"m\u0007","type_code":"11100000000013338W032","fields":["a"]}`), "pattern"},
		{"type code", detail(`{"material":"m","type_code":"x","fields":["a"]}`), "type_code"},
		{"field with control characters", detail(`{"material":"m","type_code":"11100000000013338W032","fields":["a\n"]}`), "characters"},
		{"field twice", detail(`{"material":"m","type_code":"11100000000013338W032","fields":["a","fields/a"]}`), "duplicate"},
		{"entry twice", detail(one + "," + one), "duplicate"},
		{"101 fields", detail(`{"material":"m","type_code":"11100000000013338W032","fields":[` + many(101, `"f%d"`) + `]}`), "count"},
		{"1,000 entries", detail(many(1000, `{"material":"m%d","type_code":"11100000000013338W032"}`)), "count"},
		{"101 entries", detail(many(101, `{"material":"m%d","type_code":"11100000000013338W032"}`)), "count"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := offers.ParseAsk([]byte(test.detail))
			if got := reason(t, err); got != test.reason {
				t.Errorf("reason %q, want %q (%v)", got, test.reason, err)
			}
		})
	}
}

func TestAskOutsideItsItem(t *testing.T) {
	t.Parallel()
	w := newSharing(t)
	asked := func(material string, code credential.TypeCode, fields ...string) offers.Ask {
		q := ask()
		q.Licenses = []offers.AskedLicense{{Material: material, TypeCode: code, Fields: fields}}
		return q
	}
	noItem := ask()
	noItem.Item = "NO-SUCH"
	for _, test := range []struct {
		name   string
		ask    offers.Ask
		reason string
	}{
		{"item", noItem, "item_unknown"},
		{"material", asked("other", typeCode), "material_unknown"},
		{"type", asked("operator-certificate", "11100000000013338W099"), "type_outside"},
		{"field", asked("operator-certificate", typeCode, "identifier"), "field_outside"},
		{"field of another material", asked("spouse-certificate", typeCode, "category"), "field_outside"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := w.Offers.CheckAsk(t.Context(), consumer, test.ask); reason(t, err) != test.reason {
				t.Errorf("checked: %v, want %s", err, test.reason)
			}
			if _, err := w.Offers.Offer(t.Context(), consumer, test.ask, subject(), nil); reason(t, err) != test.reason {
				t.Errorf("offered: %v, want %s", err, test.reason)
			}
		})
	}
	if i, err := w.Offers.CheckAsk(t.Context(), consumer, asked("operator-certificate", typeCode, "category")); err != nil || i.Version != 1 {
		t.Errorf("what the item needs: %+v, %v", i, err)
	}
}

func FuzzParseAsk(f *testing.F) {
	f.Add([]byte(`{"type":"license","service_item":"QH-1","case":"1","licenses":[{"material":"m","type_code":"11100000000013338W032","fields":["a","number"]}]}`))
	f.Add([]byte(`{"type":"license","service_item":"QH-1","case":"样例","licenses":null}`))
	f.Fuzz(func(t *testing.T, detail []byte) {
		q, err := offers.ParseAsk(detail)
		if err != nil {
			return
		}
		// What was accepted is in its one form, and is accepted again.
		plain, err := json.Marshal(struct {
			Type string `json:"type"`
			offers.Ask
		}{offers.AskType, q})
		if err != nil {
			t.Fatal(err)
		}
		again, err := offers.ParseAsk(plain)
		if err != nil {
			t.Fatalf("%s, from %s: %v", plain, detail, err)
		}
		if a, b := fmt.Sprintf("%+v", q), fmt.Sprintf("%+v", again); a != b {
			t.Errorf("%s became %s", a, b)
		}
		if bytes.ContainsAny(plain, "\r\n\x00") {
			t.Errorf("accepted control characters: %q", plain)
		}
	})
}
