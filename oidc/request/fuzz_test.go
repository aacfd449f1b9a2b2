package request

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc"
)

// FuzzAuthorizationDetails reads authorization_details: what passes is one object
// of the type license, well-formed and not deep.
func FuzzAuthorizationDetails(f *testing.F) {
	for _, seed := range []string{
		`[{"type":"license","service_item":"residence-permit"}]`, `[]`, `[{}]`, `null`, `[{"type":"license","type":"x"}]`, `[{"type":"license"},{"type":"license"}]`, `[[[[[[[[[[]]]]]]]]]]`,
		`[{"type":"license","licenses":[{"material":"a","fields":["name"]}]}]`, "[{\"type\":\"license\",\"x\":\"\xff\"}]", `[{"type":"license"}]]`, `{"type":"license"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, param string) {
		d, err := parseDetails(param)
		if err != nil {
			e, ok := errors.AsType[*oidc.Error](err)
			if !ok || e.Code != oidc.InvalidAuthorizationDetails {
				t.Fatalf("got %v", err)
			}
			if strings.ContainsFunc(e.Description, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
				t.Errorf("the description is %q", e.Description) // RFC 6749 section 5.2
			}
			return
		}
		var read struct {
			Type string `json:"type"`
		}
		if err := json.Unmarshal(d, &read); err != nil || read.Type != oidc.DetailLicense || !utf8.Valid(d) || jsontext.Value(d).Kind() != '{' {
			t.Errorf("%s passed: %v", d, err)
		}
	})
}
