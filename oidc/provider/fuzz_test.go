package provider

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/grant"
)

// FuzzAuthorize sends parameters, as a query, on top of a good request: an answer
// goes to the registered URI or nowhere, and carries iss.
func FuzzAuthorize(f *testing.F) {
	w := newWorld(f)
	b := w.browser()
	b.session(f, w.zhang, 1)
	for _, seed := range []string{
		"", "scope=openid+profile&prompt=none&max_age=0", "redirect_uri=https://bureau.example/cb%23x", "response_mode=form_post&state=%00",
		"acr_values=urn:yizheng:assurance:2&ui_locales=zh-CN+en&login_hint=1", "code_challenge=x", "request_uri=urn:ietf:params:oauth:request_uri:x",
		"id_token_hint=a.b.c", "authorization_details=[{\"type\":\"license\"}]", "client_id=x&prompt=login+consent", "prompt=select_account", "resource=https://x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		given, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p := params(w.bureau)
		for name, values := range given {
			if p[name] = values[0]; values[0] == "" {
				delete(p, name)
			}
		}
		step, err := w.Authorize(t.Context(), p, b.Browser, false)
		response := step.Response
		if err != nil {
			e, ok := errors.AsType[*oidc.RequestError](err)
			if !ok {
				t.Fatalf("a request brings a fault: %v", err)
			}
			checkErrorText(t, e.Refusal)
			response = e.Response
		}
		if response == nil {
			return
		}
		if to, _, _ := strings.Cut(response.RedirectURI, "?"); !slices.Contains(w.bureau.RedirectURIs, to) || strings.ContainsAny(response.RedirectURI, "\r\n#") {
			t.Errorf("the answer goes to %q", response.RedirectURI)
		}
		back := answer(t, response)
		if back.Get("iss") != issuer || back.Has("code") == back.Has("error") {
			t.Errorf("the answer is %v", back)
		}
		if state := back.Get("state"); state != "" && state != p["state"] {
			t.Errorf("state %q came back as %q", p["state"], state)
		}
	})
}

// FuzzRefreshToken reads refresh tokens: nothing but a genuine one passes.
func FuzzRefreshToken(f *testing.F) {
	w := newWorld(f)
	b := w.browser()
	b.session(f, w.zhang, 1)
	good := b.tokens(f, w.bureau).Refresh.Reveal()
	for _, seed := range []string{good, "", ".", "..", good + ".", strings.ToUpper(good), strings.Replace(good, ".1.", ".2.", 1), strings.Replace(good, ".1.", ".01.", 1), good[:len(good)-1]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		family, number, err := w.ReadToken(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		if (family != "") != (token == good) || family != "" && number != 1 {
			t.Errorf("%q is read as %q, %d", token, family, number)
		}
		if _, err := w.Introspect(t.Context(), w.bureau, token); err != nil {
			t.Errorf("introspection: %v", err)
		}
	})
}

// FuzzCode redeems codes that nobody made.
func FuzzCode(f *testing.F) {
	w := newWorld(f)
	b := w.browser()
	b.session(f, w.zhang, 1)
	for _, seed := range []string{"", "x", oidc.NewHandle().Reveal(), strings.Repeat("é", 22), code(f, b.authorize(f, w.bureau)) + "x"} {
		f.Add(seed, verifier, "https://bureau.example/cb")
	}
	f.Fuzz(func(t *testing.T, code, verifier, uri string) {
		families := len(w.memory.families)
		_, err := w.Redeem(t.Context(), w.bureau, grant.Request{Type: oidc.GrantCode, Form: url.Values{"code": {code}, "code_verifier": {verifier}, "redirect_uri": {uri}}})
		e, ok := errors.AsType[*oidc.Error](err)
		if !ok || e.Code != oidc.InvalidGrant || len(w.memory.families) != families {
			t.Fatalf("got %v", err)
		}
		checkErrorText(t, e)
	})
}

// FuzzIDTokenHint reads hints under the header of a genuine one: what nobody
// here signed is refused, and never a fault. (An unknown key id costs a wait for
// the key records, so the header stays.)
func FuzzIDTokenHint(f *testing.F) {
	w := newWorld(f)
	b := w.browser()
	b.session(f, w.zhang, 1)
	good := b.tokens(f, w.bureau).ID.Reveal()
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for _, seed := range [][2]string{{payload, signature}, {"", ""}, {payload, signature[:85]}, {payload[1:], signature}, {"e30", signature}, {payload, strings.Repeat("A", 86)}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		claims, err := w.ReadHint(t.Context(), header+"."+p+"."+s)
		if (err == nil) != (p == payload && s == signature) {
			t.Errorf("%q: %+v, %v", p, claims, err)
		}
		if e, ok := errors.AsType[*oidc.Error](err); err != nil && (!ok || e.Code != oidc.InvalidRequest) {
			t.Errorf("a fault: %v", err)
		}
	})
}

// checkErrorText checks the characters of a description (RFC 6749 section 5.2).
func checkErrorText(t *testing.T, e *oidc.Error) {
	t.Helper()
	if strings.ContainsFunc(e.Description, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) {
		t.Errorf("the description is %q", e.Description)
	}
}
