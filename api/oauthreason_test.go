package api

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestOAuthReasons: the endpoints say which parameter is wrong.
func TestOAuthReasons(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for reason, pairs := range map[string][]string{
		"redirect_uri_missing": {"redirect_uri", ""}, "redirect_uri_unregistered": {"redirect_uri", clinicURI + "/x"}, "response_type_missing": {"response_type", ""},
		"response_type_unsupported": {"response_type", "token"}, "pkce_required": {"code_challenge", ""}, "pkce_method": {"code_challenge_method", "plain"},
		"pkce_challenge": {"code_challenge", "short"}, "scope_of_client": {"scope", "license:read"},
		"scope_malformed": {"scope", "openid  profile"}, "nonce_invalid": {"nonce", strings.Repeat("n", 513)}, "state_invalid": {"state", strings.Repeat("s", 2049)},
		"prompt_invalid": {"prompt", "create"}, "prompt_none": {"prompt", "none login"}, "max_age_invalid": {"max_age", "-1"}, "response_mode_invalid": {"response_mode", "fragment"},
		"resource_unknown": {"resource", "https://elsewhere.example"}, "hint_invalid": {"id_token_hint", "x"}, "request_uri_pushed": {"request_uri", "urn:x"},
		"details_malformed": {"authorization_details", "{"}, "details_type": {"authorization_details", `[{"type":"payment"}]`}, "item_unregistered": {"authorization_details", detailsOf("nothing-1")},
	} {
		if a := s.clinic.request(pairs...).push(t); a.StatusCode != http.StatusBadRequest || a.member("reason") != reason {
			t.Errorf("pushing a wrong %s: %d %s", pairs[0], a.StatusCode, a.body)
		}
	}
	b := s.browser(t)
	f := s.clinic.request("response_type", "token")
	if q := f.answered(t, f.open(t, b)); q.Get("error") != "unsupported_response_type" || q.Get("reason") != "response_type_unsupported" {
		t.Errorf("sent back with %v", q)
	}

	s.clinic.request().loggedIn(t, b, s.alice)
	code := func() (*rpFlow, string) {
		f := s.clinic.request()
		q := f.answered(t, f.open(t, b))
		return f, q.Get("code")
	}
	for reason, change := range map[string]func(url.Values){
		"code_verifier":          func(q url.Values) { q.Set("code_verifier", strings.Repeat("v", 43)) },
		"code_redirect_uri":      func(q url.Values) { q.Set("redirect_uri", garageURI) },
		"code_invalid":           func(q url.Values) { q.Set("code", strings.Repeat("A", 43)) },
		"grant_type_missing":     func(q url.Values) { q.Del("grant_type") },
		"grant_type_unsupported": func(q url.Values) { q.Set("grant_type", "password") },
		"resource_unknown":       func(q url.Values) { q.Set("resource", "https://elsewhere.example") },
		"details_not_pushed":     func(q url.Values) { q.Set("authorization_details", "[]") },
		"parameter_text":         func(q url.Values) { q.Set("code", "\x00") },
	} {
		f, c := code()
		form := url.Values{"grant_type": {"authorization_code"}, "code": {c}, "redirect_uri": {clinicURI}, "code_verifier": {f.verifier}}
		change(form)
		if a := s.clinic.send(t, pathToken, form); a.StatusCode != http.StatusBadRequest || a.member("reason") != reason {
			t.Errorf("redeeming a code, for %s: %d %s", reason, a.StatusCode, a.body)
		}
	}
}

// TestOAuthReasonsTellNothing: an unknown client and a wrong secret are answered alike, and
// so are codes and refresh tokens that are unknown, used, or another's.
func TestOAuthReasonsTellNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	form := url.Values{"grant_type": {"client_credentials"}}
	wrong, unknown := *s.clinic, *s.clinic
	wrong.secret = strings.Repeat("w", len(wrong.secret))
	unknown.id = strings.Repeat("a", len(unknown.id))
	first := wrong.send(t, pathToken, form)
	if first.member("reason") != "credentials" {
		t.Errorf("a wrong secret: %d %s", first.StatusCode, first.body)
	}
	if a := unknown.send(t, pathToken, form); a.body != first.body || a.StatusCode != first.StatusCode {
		t.Errorf("an unknown client: %d %s; a wrong secret: %s", a.StatusCode, a.body, first.body)
	}

	f := s.clinic.request("scope", "openid offline_access", "prompt", "consent")
	k := f.loggedIn(t, b, s.alice)
	g := s.clinic.request()
	code := g.answered(t, g.open(t, b)).Get("code")
	redeem := func(c *relyingParty, code string) answer {
		return c.send(t, pathToken, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {clinicURI}, "code_verifier": {g.verifier}})
	}
	foreign, none, malformed := redeem(s.garage, code), redeem(s.clinic, strings.Repeat("A", 43)), redeem(s.clinic, "x")
	redeem(s.clinic, code).want(t, 200, "")
	used := redeem(s.clinic, code)
	for what, a := range map[string]answer{"another's code": foreign, "an unknown code": none, "no code": malformed, "a used code": used} {
		if a.StatusCode != http.StatusBadRequest || a.member("reason") != "code_invalid" || a.body != none.body {
			t.Errorf("%s: %d %s", what, a.StatusCode, a.body)
		}
	}
	foreign, none = s.garage.send(t, pathToken, refreshForm(k.RefreshToken)), s.garage.send(t, pathToken, refreshForm("x"))
	if foreign.member("reason") != "refresh_token_invalid" || foreign.body != none.body {
		t.Errorf("another's refresh token: %s; none: %s", foreign.body, none.body)
	}
}
