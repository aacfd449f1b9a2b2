package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// security.txt is there only with a contact, which the operator sets (RFC 9116).
func TestSecurityTxt(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true})
	if a := s.call(t, nil, "GET", securityPath, nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("without a contact: %d", a.StatusCode)
	}
	c := s.Server.c
	c.Metrics, c.SecurityContact = nil, "mailto:security@example.gov"
	with, err := New(c)
	mustOf(t)(err)
	w := httptest.NewRecorder()
	with.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, securityPath, nil))
	body := w.Body.String()
	lines := map[string]string{}
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		lines[name] = value
	}
	expires, err := time.Parse(time.RFC3339, lines["Expires"])
	if err != nil || time.Until(expires) < 80*24*time.Hour || time.Until(expires) > 365*24*time.Hour {
		t.Errorf("it expires %v, %v", lines["Expires"], err)
	}
	if lines["Contact"] != "mailto:security@example.gov" || lines["Canonical"] != s.url+securityPath {
		t.Errorf("it says %q", body)
	}
	for _, contact := range []string{"security@example.gov", "http://example.gov", "https://", "mailto:", "mailto:a b", "mailto:a\nContact: mailto:b", "javascript:x"} {
		if CheckSecurityContact(contact) == nil {
			t.Errorf("%q is taken", contact)
		}
	}
}

// Password managers look for the page for another password at a known address.
func TestChangePasswordAddress(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true})
	a := s.call(t, nil, "GET", "/.well-known/change-password", nil)
	if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != passwordPath {
		t.Errorf("%d to %q", a.StatusCode, a.Header.Get("Location"))
	}
}

// An underscore makes a locale of a language tag; that is what many clients send.
func TestLocalesWithUnderscore(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for locales, want := range map[string]string{"en_US": "en", "fr_FR en_GB": "en", "zh_CN": "zh-CN"} {
		p := s.clinic.request("ui_locales", locales).open(t, s.browser(t))
		if got := p.Header.Get("Content-Language"); got != want {
			t.Errorf("ui_locales=%s: the page is %q, want %q", locales, got, want)
		}
	}
}

// The name of a character set is the same in any case (RFC 9110 section 8.3.2).
func TestCharsetInAnyCase(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{})
	for charset, status := range map[string]int{"Utf-8": 200, "utf-8": 200, `"UTF-8"`: 200, "uTf-8": 200, "gb18030": 415, "utf8": 415} {
		s.call(t, nil, "POST", "/v1/verify", object{"credential": "x"}, "Content-Type", "application/json; charset="+charset).want(t, status, "")
	}
}
