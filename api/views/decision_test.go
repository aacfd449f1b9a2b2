package views

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/oidc"
)

func FuzzDecision(f *testing.F) {
	f.Add("act=approve&form=x&shown=" + strings.Repeat("00", 32) + "&license-a=a:b:1&part=a:b:1:number&recurring=1800000000")
	f.Add("act=paper")
	f.Add("act=refuse&form=%00")
	f.Add("act=approve&license-a=none&choose=a&part=:::")
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		d, ok := DecisionOf(form)
		if !ok {
			return
		}
		if form.Get("act") != "approve" && (len(d.Agreement.Chosen) > 0 || d.Agreement.Recurring) {
			t.Errorf("%q agrees", body)
		}
		seen := map[string]bool{}
		for _, c := range d.Agreement.Chosen {
			if seen[c.Material] || c.Version < 1 || form.Get(fieldLicense+c.Material) != choiceValue(c) {
				t.Errorf("%q chooses %+v", body, c)
			}
			seen[c.Material] = true
			for _, part := range c.Fields {
				if part == "" || !slices.Contains(form[FieldPart], choiceValue(c)+":"+part) {
					t.Errorf("%q chooses the part %q", body, part)
				}
			}
		}
	})
}

func TestChoices(t *testing.T) {
	t.Parallel()
	c := oidc.Choice{Material: "a-1", License: "b", Version: 12}
	if got, part, ok := parseChoice(choiceValue(c)); !ok || part != "" || got.Material != c.Material || got.License != c.License || got.Version != c.Version {
		t.Errorf("%+v %q %t", got, part, ok)
	}
	for _, bad := range []string{"", "a", "a:b", "a:b:", "a:b:x", "a:b:0", "a:b:-1", "a:b:1.5", "a:b:99999999999999999999"} {
		if _, _, ok := parseChoice(bad); ok {
			t.Errorf("%q is taken", bad)
		}
	}
}
