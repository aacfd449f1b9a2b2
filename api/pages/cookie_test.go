package pages

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"yizheng.internal/oidc"
)

// nowhere is the address of nobody.
func nowhere(*http.Request) netip.Addr { return netip.Addr{} }

// With HTTPS browsers hold cookies to their prefix.
func TestCookiesOverHTTPS(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	v := New(Config{Issuer: "https://id.example", Address: nowhere}).visit(w, r)
	v.Bind()
	v.KeepSession(oidc.NewHandle())
	v.DropSession()
	cookies := w.Result().Cookies()
	if len(cookies) != 3 {
		t.Errorf("%d cookies are set, want 3", len(cookies))
	}
	for _, c := range cookies {
		if !strings.HasPrefix(c.Name, "__Host-") || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
			t.Errorf("%v", c)
		}
	}
	// A cookie without the prefix, as a neighbor site could plant one, isn't ours;
	// nor is one that came twice.
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: strings.Repeat("a", 43)})
	r.AddCookie(&http.Cookie{Name: "__Host-" + browserCookie, Value: strings.Repeat("a", 43)})
	r.AddCookie(&http.Cookie{Name: "__Host-" + browserCookie, Value: strings.Repeat("b", 43)})
	if v.secretCookie(sessionCookie) != (oidc.Secret{}) || v.secretCookie(browserCookie) != (oidc.Secret{}) {
		t.Error("a planted cookie is taken")
	}
}
