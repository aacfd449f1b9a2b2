package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/api/oauth"
)

// Every parameter may be as long as docs/integrating.md says, however it is
// encoded; what is longer gets a page in a browser.
func TestLongParameters(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	b := s.browser(t)
	tokens := s.app.redeem(t, s.app.code(b, who, s.app.request())).tokens(t)
	for _, c := range []string{`"`, "/", "%", "~"} {
		state := strings.Repeat(c, 2048)
		q := s.app.request("state", state, "nonce", strings.Repeat(c, 512), "login_hint", strings.Repeat(c, 256), "id_token_hint", tokens.IDToken)
		if a := s.app.answerOf(t, s.app.open(b, q)); a.Get("state") != state || a.Get("code") == "" {
			t.Errorf("%d bytes of %s: %.100v", len(state), c, a)
		}
		// The page with it can be seen in the other language.
		p := s.app.open(b, s.app.request("state", state, "redirect_uri", "https://evil.example/"))
		if p.Status != 400 || !p.Has("language") {
			t.Errorf("refused: %v", p)
		}
		bye := b.Get(s.url + oauth.EndSessionPath + "?" + url.Values{"id_token_hint": {tokens.IDToken}, "post_logout_redirect_uri": {"https://app.example/bye"}, "state": {state}}.Encode())
		if bye.Status != 200 || !bye.Has("submit") || strings.Contains(bye.Body, "请自行返回该服务") {
			t.Errorf("logout with a long state: %v", bye)
		}
		if p := b.Get(s.url + "/preferences?" + url.Values{"language": {"en"}, "to": {oauth.AuthorizePath + "?" + q.Encode()}}.Encode()); p.Status != 200 && p.To == nil {
			t.Errorf("the other language: %v", p)
		}
		b.Get(s.url + "/preferences?language=zh-CN&to=/")
	}
	p := b.Get(s.url + oauth.AuthorizePath + "?" + s.app.request("state", strings.Repeat("/", 10000)).Encode())
	if p.Status != http.StatusRequestURITooLong || !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") || !p.Has("request-id") || !strings.Contains(p.Body, "链接过长") {
		t.Errorf("longer still: %d %v", p.Status, p)
	}
	if p := b.Get(s.url + "/verify?" + strings.Repeat("a", 5000)); p.Status != http.StatusRequestURITooLong || !strings.Contains(p.Body, "链接过长") {
		t.Errorf("a page: %v", p)
	}
	if p := b.Get(s.url + "//verify"); p.Status != 404 || !p.Has("request-id") {
		t.Errorf("no clean path: %v", p)
	}
}
