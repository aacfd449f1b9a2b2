package api

import (
	"net/http"
	"testing"

	"yizheng.internal/api/oauth"
	"yizheng.internal/signing/journal"
)

// HEAD has no effect on any page, so that what only looks at links takes nothing
// away: no code, no pushed request, no logout, no cookie.
func TestHEADHasNoEffect(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	b := s.browser(t)
	s.app.code(b, who, s.app.request()) // logs in
	events := func() int {
		es, err := s.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, 1000)
		mustOf(t)(err)
		return len(es)
	}
	pushed := s.app.push(t, s.app.request())
	before := events()
	for _, target := range []string{
		oauth.AuthorizePath + "?" + s.app.request().Encode(), oauth.AuthorizePath + "?" + pushed.Encode(), oauth.AuthorizePath + "?" + s.app.request("prompt", "none").Encode(),
		oauth.EndSessionPath + "?client_id=" + s.app.id, logoutPath, "/licenses", "/sessions", "/grants", "/", "/verify", "/preferences?text=large&to=/",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodHead, s.url+target, nil)
		mustOf(t)(err)
		p := b.Do(r)
		if p.Status != 200 || p.To != nil || p.Body != "" || p.Header.Get("Location") != "" || p.Header.Get("Refresh") != "" || len(p.Header.Values("Set-Cookie")) > 0 {
			t.Errorf("HEAD %.30s: %d %v", target, p.Status, p.Header)
		}
		if p.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("HEAD %.30s is %q", target, p.Header.Get("Cache-Control"))
		}
	}
	if n := events() - before; n != 0 {
		t.Errorf("HEAD left %d events", n)
	}
	if s.app.answerOf(t, s.app.open(b, pushed)).Get("code") == "" {
		t.Error("HEAD used a pushed request up")
	}
}
