package api

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// elsewhere are reasons of the provider that no answer of these endpoints has: what they
// are of is shown on a page, stands in WWW-Authenticate, or is for the events alone.
var elsewhere = map[string]string{
	"client_missing": "a page", "client_unknown": "a page", "no_logins": "a page", "path_invalid": "a page", "full": "a page", "request_uri_gone": "a page",
	"offer_changed":   "a page, for the form is shown again",
	"token_key":       "the REST API",
	"parameters_many": "a page",
}

// reasonCalls says which argument of a function is the reason of the error that it makes.
var reasonCalls = map[string]int{"invalid": 0, "invalidRequest": 0, "badGrant": 0, "refuse": 0, "tooMany": 1}

// TestOAuthReasonsAreListed reads the source of the provider: each reason of its errors
// is in the table of this package, or it is said where else it is seen; and the table has
// no reason that nothing gives.
func TestOAuthReasonsAreListed(t *testing.T) {
	t.Parallel()
	found := map[string]bool{reasonMissing: true, "client_disabled": true, "participant_disabled": true} // these two of oidc's standing.check
	add := func(e ast.Expr) {
		if lit, ok := e.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			text, err := strconv.Unquote(lit.Value)
			mustOf(t)(err)
			if text != "" {
				found[text] = true
			}
		}
	}
	names, err := filepath.Glob("../oidc/*.go")
	mustOf(t)(err)
	for _, name := range append(names, "oauth.go", "oauthpar.go", "oauthrequest.go", "join.go", "pageform.go") {
		base := filepath.Base(name)
		if strings.HasSuffix(name, "_test.go") || slices.Contains([]string{"registration.go", "participants.go", "logout.go"}, base) {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		mustOf(t)(err)
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Reason" {
					add(n.Value)
				}
			case *ast.AssignStmt:
				if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && to.Sel.Name == "Shown" {
					add(n.Rhs[0])
				}
			case *ast.CallExpr:
				called, ok := n.Fun.(*ast.Ident)
				if sel, is := n.Fun.(*ast.SelectorExpr); is {
					called, ok = sel.Sel, true
				}
				if at, known := 0, false; ok {
					if at, known = reasonCalls[called.Name]; known && at < len(n.Args) {
						add(n.Args[at])
					}
				}
			}
			return true
		})
	}
	if len(found) < 60 {
		t.Fatalf("%d reasons were found", len(found))
	}
	listed := map[string]bool{}
	for _, f := range oauthReasons {
		if listed[f.reason] {
			t.Errorf("%s stands twice", f.reason)
		}
		listed[f.reason] = true
		if !found[f.reason] {
			t.Errorf("nothing gives %s", f.reason)
		}
		if f.meaning == "" || len(f.of) == 0 {
			t.Errorf("%s has no meaning or endpoint", f.reason)
		}
	}
	for reason := range found {
		if listed[reason] == (elsewhere[reason] != "") {
			t.Errorf("%s is in the table: %v, elsewhere: %q", reason, listed[reason], elsewhere[reason])
		}
	}
	for reason := range elsewhere {
		if !found[reason] {
			t.Errorf("nothing gives %s", reason)
		}
	}
}

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
	code := func() (*flow, string) {
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
