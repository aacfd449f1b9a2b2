package pages

import (
	"net/http/httptest"
	"strings"
	"testing"

	"yizheng.internal/oidc"
)

// Whatever a page's address says, the handler never fails on it.
func FuzzPageAddress(f *testing.F) {
	s := New(Config{Issuer: "https://id.example", Address: nowhere})
	f.Add("/licenses?cursor=a", "request=a&client=b", "en")
	f.Add("//evil.example/x", "to=%2F%2Fevil", "zh;q=0.5,*")
	f.Add("/\\evil", "sent=99999999999999999999", ";;q=,")
	f.Fuzz(func(t *testing.T, to, query, accept string) {
		r := httptest.NewRequest("GET", "/x", nil)
		r.URL.RawQuery = query
		r.Header["Accept-Language"] = []string{accept}
		v := s.visit(httptest.NewRecorder(), r)
		v.sent()
		if got := LocalPath(to); !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\x00") {
			t.Errorf("%q leads to %q", to, got)
		}
		if o := origin(to); strings.ContainsAny(o, " ;,'\"\r\n") {
			t.Errorf("%q has the origin %q", to, o)
		}
		if v.request != (oidc.Secret{}) && !v.request.IsHandle() {
			t.Errorf("%q names the request %q", query, v.request.Reveal())
		}
	})
}
