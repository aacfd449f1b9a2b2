package oauth

import (
	"net/url"
	"testing"

	"yizheng.internal/oidc"
)

func FuzzRequestParameters(f *testing.F) {
	f.Add("client_id=a&state=%00&scope=openid")
	f.Add("a=&b=1&b=2")
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		params, err := RequestParameters(form)
		if err != nil {
			return
		}
		for name, value := range params {
			if value == "" || form.Get(name) != value || !oidc.IsText(value) {
				t.Errorf("%q has the parameter %q", query, name)
			}
		}
	})
}
