package api

import (
	"net/http"
	"strings"
	"testing"
)

// TestManualLanguages: the page comes in the language that is asked for.
func TestManualLanguages(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{Empty: true})
	for _, c := range []struct{ path, accept, cookie, want string }{
		{"/docs", "", "", "zh-CN"}, {"/docs", "en-US,en;q=0.9,zh;q=0.1", "", "en"}, {"/docs", "zh-TW", "", "zh-CN"},
		{"/docs?ui_locales=en", "zh-CN", "", "en"}, {"/docs?ui_locales=fr+zh", "en", "", "zh-CN"}, {"/docs", "en", "zh-CN", "zh-CN"},
		{"/docs?ui_locales=en", "", "zh-CN", "en"}, {"/docs?ui_locales=%22%3E", "en", "", "en"},
	} {
		r := s.request(t, "GET", c.path, "")
		r.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: languageCookie, Value: c.cookie})
		}
		a := s.do(t, r)
		heading, other := "一证 接口文档</h1>", "ui_locales=en\""
		if c.want == "en" {
			heading, other = "一证 API</h1>", "ui_locales=zh-CN\""
		}
		if a.StatusCode != 200 || a.Header.Get("Content-Language") != c.want || !strings.Contains(a.body, `<html lang="`+c.want+`">`) ||
			!strings.Contains(a.body, heading) || !strings.Contains(a.body, other) || !strings.Contains(a.Header.Get("Vary"), "Accept-Language") {
			t.Errorf("%s for %q, cookie %q: %d in %s, varying by %s", c.path, c.accept, c.cookie, a.StatusCode, a.Header.Get("Content-Language"), a.Header.Get("Vary"))
		}
	}
}
