package provider

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/fresh"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// What can't be trusted to come from the client is refused on a page of ours.
func TestRequestsRefusedOnAPage(t *testing.T) {
	w := newWorld(t)
	disabled := w.add(t, identity.Government, codes[0], func(*client.Spec) {})
	if _, err := w.DisableClient(t.Context(), operator, disabled.ID); err != nil {
		t.Fatal(err)
	}
	machine, _, err := w.provider.CreateClient(t.Context(), operator, client.Spec{Name: "x", Participant: w.bureau.Participant, Scopes: []oidc.Scope{oidc.ScopeLicenseRead}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		params oidc.Parameters
		reason string
		known  bool // the client is named
		text   string
	}{
		{"no client", params(w.bureau, "client_id", ""), "client_missing", false, ""},
		{"an unknown client", params(w.bureau, "client_id", identity.NewID()), "client_unknown", false, ""},
		{"not an id", params(w.bureau, "client_id", "' or 1=1 --"), "client_unknown", false, ""},
		{"a disabled client", params(w.bureau, "client_id", disabled.ID), "client_disabled", false, ""},
		{"a client without logins", params(w.bureau, "client_id", machine.ID), "grant_type", false, ""},
		{"no redirect URI", params(w.bureau, "redirect_uri", ""), "redirect_uri_missing", true, ""},
		{"another redirect URI", params(w.bureau, "redirect_uri", "https://bureau.example/CB"), "redirect_uri_unregistered", true, "the path differs"},
		{"an open redirect", params(w.bureau, "redirect_uri", "https://evil.example/cb"), "redirect_uri_unregistered", true, "the host differs"},
		{"another client's redirect URI", params(w.bureau, "redirect_uri", "https://shop.example/cb"), "redirect_uri_unregistered", true, "the host differs"},
		{"a redirect URI with a line break", params(w.bureau, "redirect_uri", "https://bureau.example/cb\r\nSet-Cookie: x"), "redirect_uri_invalid", true, ""},
		{"a huge redirect URI", params(w.bureau, "redirect_uri", "https://bureau.example/cb?"+strings.Repeat("x", 600)), "redirect_uri_invalid", true, ""},
		{"huge parameters", params(w.bureau, "x", strings.Repeat("x", 41<<10)), "too_large", true, ""},
		{"an unknown request_uri", params(w.bureau, "request_uri", requestURIPrefix+oidc.NewHandle().Reveal()), "request_uri_gone", true, ""},
		{"a request_uri that can't be", params(w.bureau, "request_uri", requestURIPrefix+"../x"), "request_uri_gone", true, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := w.Authorize(t.Context(), test.params, w.browser().Browser, false)
			e, back := refusal(t, err)
			if back != nil || string(e.Refusal.Reason) != test.reason || (e.Client != nil) != test.known || e.Differs != test.text {
				t.Errorf("got %v back %v, client %v, differs %q", e, back, e.Client != nil, e.Differs)
			}
			if test.text != "" && e.Received != test.params["redirect_uri"] {
				t.Errorf("what was received is %q", e.Received)
			}
		})
	}
}

// A native app may listen at any port that there is, written as a browser takes it.
func TestPortsOfNativeApps(t *testing.T) {
	w := newWorld(t)
	app := w.add(t, identity.Government, codes[0], func(s *client.Spec) {
		s.AuthMethods, s.RedirectURIs, s.LogoutURIs, s.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, []string{"http://127.0.0.1/cb"}, nil, nil
	})
	for port, good := range map[string]bool{
		"": true, ":1": true, ":80": true, ":51000": true, ":65535": true,
		":": false, ":0": false, ":080": false, ":65536": false, ":99999": false,
	} {
		_, err := w.Authorize(t.Context(), params(app, "redirect_uri", "http://127.0.0.1"+port+"/cb"), w.browser().Browser, false)
		e, refused := errors.AsType[*oidc.RequestError](err)
		if refused != !good || refused && (e.Refusal.Reason != "redirect_uri_unregistered" || e.Response != nil) || !refused && err != nil {
			t.Errorf("port %q: %v", port, err)
		}
	}
}

// All else goes back to the client, with state and iss.
func TestRequestsRefusedBack(t *testing.T) {
	w := newWorld(t)
	pushing := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.RequirePAR = true })
	narrow := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.Scopes = []oidc.Scope{oidc.ScopeOpenID} })
	legacy := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.WithoutPKCE, s.ServiceItems = true, nil })
	for _, test := range []struct {
		name    string
		client  oidc.Client
		changes []string
		code    oidc.Code
		reason  string
	}{
		{"no response type", w.bureau, []string{"response_type", ""}, oidc.InvalidRequest, "response_type_missing"},
		{"implicit", w.bureau, []string{"response_type", "token"}, oidc.UnsupportedResponseType, "response_type_unsupported"},
		{"hybrid", w.bureau, []string{"response_type", "code id_token"}, oidc.UnsupportedResponseType, "response_type_unsupported"},
		{"no response", w.bureau, []string{"response_type", "none"}, oidc.UnsupportedResponseType, "response_type_unsupported"},
		{"a fragment", w.bureau, []string{"response_mode", "fragment"}, oidc.InvalidRequest, "response_mode_invalid"},
		{"no PKCE", w.bureau, []string{"code_challenge", "", "code_challenge_method", ""}, oidc.InvalidRequest, "pkce_required"},
		{"a method alone", legacy, []string{"code_challenge", ""}, oidc.InvalidRequest, "pkce_required"},
		{"plain PKCE", w.bureau, []string{"code_challenge_method", "plain"}, oidc.InvalidRequest, "pkce_method"},
		{"plain PKCE by default", w.bureau, []string{"code_challenge_method", ""}, oidc.InvalidRequest, "pkce_method"},
		{"plain PKCE of a legacy client", legacy, []string{"code_challenge_method", "plain"}, oidc.InvalidRequest, "pkce_method"},
		{"a short challenge", w.bureau, []string{"code_challenge", "abc"}, oidc.InvalidRequest, "pkce_challenge"},
		{"a challenge with padding bits", w.bureau, []string{"code_challenge", strings.Repeat("A", 42) + "B"}, oidc.InvalidRequest, "pkce_challenge"},
		{"a challenge with a line break", w.bureau, []string{"code_challenge", strings.Repeat("A", 42) + "\n"}, oidc.InvalidRequest, "pkce_challenge"},
		{"a scope of its own", w.bureau, []string{"scope", "openid license:read"}, oidc.InvalidScope, "scope_of_client"},
		{"an unregistered scope", narrow, []string{"scope", "openid phone"}, oidc.InvalidScope, "scope_unregistered"},
		{"a malformed scope", w.bureau, []string{"scope", "openid  profile"}, oidc.InvalidScope, "scope_malformed"},
		{"a request object", w.bureau, []string{"request", "eyJ"}, oidc.RequestNotSupported, "request_unsupported"},
		{"registration", w.bureau, []string{"registration", "{}"}, oidc.RegistrationNotSupported, "registration_unsupported"},
		{"a foreign request_uri", w.bureau, []string{"request_uri", "https://bureau.example/request"}, oidc.InvalidRequestURI, "request_uri_invalid"},
		{"a request that must be pushed", pushing, nil, oidc.InvalidRequest, "par_required"},
		{"an unknown prompt", w.bureau, []string{"prompt", "create"}, oidc.InvalidRequest, "prompt_invalid"},
		{"prompt none with another", w.bureau, []string{"prompt", "none login"}, oidc.InvalidRequest, "prompt_none"},
		{"a negative max_age", w.bureau, []string{"max_age", "-1"}, oidc.InvalidRequest, "max_age_invalid"},
		{"a max_age that is no number", w.bureau, []string{"max_age", "+1"}, oidc.InvalidRequest, "max_age_invalid"},
		{"a huge max_age", w.bureau, []string{"max_age", "99999999999999999999"}, oidc.InvalidRequest, "max_age_invalid"},
		{"a huge nonce", w.bureau, []string{"nonce", strings.Repeat("n", 513)}, oidc.InvalidRequest, "nonce_invalid"},
		{"a nonce with control characters", w.bureau, []string{"nonce", "a\x00b"}, oidc.InvalidRequest, "nonce_invalid"},
		{"a login_hint with a line break", w.bureau, []string{"login_hint", "a\nb"}, oidc.InvalidRequest, "login_hint_invalid"},
		{"a huge ui_locales", w.bureau, []string{"ui_locales", strings.Repeat("zh ", 100)}, oidc.InvalidRequest, "ui_locales_invalid"},
		{"another resource", w.bureau, []string{"resource", "https://api.example"}, oidc.InvalidTarget, "resource_unknown"},
		{"a hint that is none", w.bureau, []string{"id_token_hint", "x.y.z"}, oidc.InvalidRequest, "hint_invalid"},
		{"details in the link", w.bureau, []string{"authorization_details", detail}, oidc.InvalidAuthorizationDetails, "details_not_pushed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, mode := range []string{"", "form_post"} {
				changes := append([]string{"response_mode", mode}, test.changes...)
				_, err := w.Authorize(t.Context(), params(test.client, changes...), w.browser().Browser, false)
				e, back := refusal(t, err)
				if back.Get("error") != string(test.code) || string(e.Refusal.Reason) != test.reason || back.Get("state") != "s1" || back.Get("iss") != issuer || back.Has("code") {
					t.Errorf("got %v, back %v", e, back)
				}
				if test.reason != "" && !strings.HasPrefix(back.Get("error_description"), test.reason+": ") {
					t.Errorf("the description is %q", back.Get("error_description"))
				}
				if e.Client == nil || e.Client.ID != test.client.ID {
					t.Errorf("the client is %v", e.Client)
				}
			}
		})
	}
}

func TestStateIsEchoedOnlyIfGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		for _, state := range []string{"a b&c=%41#x+\"<>", strings.Repeat("s", 2048)} {
			if got := answer(t, b.authorize(t, w.bureau, "state", state).Response).Get("state"); got != state {
				t.Errorf("state came back as %q", got)
			}
		}
		for _, state := range []string{"a\nb", "a\x7f", "状态", strings.Repeat("s", 2049), "\xff"} {
			_, err := w.Authorize(t.Context(), params(w.bureau, "state", state), b.Browser, false)
			if _, back := refusal(t, err); back.Get("error") != string(oidc.InvalidRequest) || back.Has("state") {
				t.Errorf("state %.20q: %v", state, back)
			}
		}
		if back := answer(t, b.authorize(t, w.bureau, "state", "").Response); back.Has("state") || back.Get("code") == "" {
			t.Errorf("without a state: %v", back)
		}
	})
}

// With a session that is good for it a request is answered at once, and nothing
// but the code's payload is kept; spending the code is the one durable write.
func TestSingleSignOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		w.tokensOf(t, b) // warms what is read once
		writes := w.writes
		tokens := w.tokensOf(t, b)
		if w.writes != writes+1 {
			t.Errorf("a flow took %d durable writes", w.writes-writes)
		}
		id := part(t, tokens.ID.Reveal(), 1)
		if id["iss"] != issuer || id["aud"] != w.bureau.ID || id["nonce"] != "n1" || id["acr"] != oidc.ACR(1) || id["sid"] == "" || id["at_hash"] != accessHash(tokens.Access) {
			t.Errorf("ID token %v", id)
		}
		if header := part(t, tokens.ID.Reveal(), 0); header["alg"] != "ES256" || header["typ"] != "JWT" {
			t.Errorf("header %v", header)
		}
		a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
		if err != nil || a.Subject != id["sub"] || a.Party != w.zhang.Party || a.Client != w.bureau.ID || a.Family == "" || !a.Has(oidc.ScopeOpenID) {
			t.Errorf("access %+v, %v", a, err)
		}
		last := w.last()
		if last.Action != journal.ActionCodeRedeem || last.Result != journal.ResultOK || last.Actor.ID != w.bureau.ID || last.Subject != a.Family || last.RequestID != "r2" {
			t.Errorf("event %+v", last)
		}
	})
}

func (w *world) tokensOf(t testing.TB, b *browser) token.Tokens { return b.tokens(t, w.bureau) }

func TestAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.shop = w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.RedirectURIs = []string{"https://shop.example/cb?tenant=1"} })
		b := w.browser()
		b.session(t, w.zhang, 1)
		if r := b.authorize(t, w.shop).Response; !strings.HasPrefix(r.RedirectURI, "https://shop.example/cb?tenant=1&code=") || r.Local {
			t.Errorf("query %q", r.RedirectURI)
		}
		r := b.authorize(t, w.shop, "response_mode", "form_post").Response
		if r.Mode != oidc.ModeFormPost || r.RedirectURI != "https://shop.example/cb?tenant=1" {
			t.Errorf("form_post %+v", r)
		}
		var names strings.Builder
		for _, p := range r.Parameters {
			names.WriteString(p.Name + " ")
		}
		if names.String() != "code state iss " {
			t.Errorf("parameters %s", names.String())
		}
		// What is unknown is ignored (OpenID Connect Core section 3.1.2.1).
		back := answer(t, b.authorize(t, w.bureau, "claims", `{"id_token":{"acr":{"essential":true}}}`, "display", "popup", "foo", "bar", "scope", "openid email address").Response)
		tokens := w.redeem(t, w.bureau, back.Get("code"))
		if oidc.JoinScopes(tokens.Scopes) != "openid" || len(back) != 3 {
			t.Errorf("scopes %v, answer %v", tokens.Scopes, back)
		}
	})
}

// Without openid there is an access token and no ID token.
func TestPlainOAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau, "scope", "")
		if tokens.ID != (oidc.Secret{}) || len(tokens.Scopes) != 0 || tokens.Access == (oidc.Secret{}) {
			t.Errorf("got %+v", tokens)
		}
		a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.UserInfo(t.Context(), a)
		if code, _ := codeOf(t, err); code != oidc.InsufficientScope {
			t.Errorf("userinfo: %v", err)
		}
	})
}

func TestPushedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		pushing := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.RequirePAR = true })
		b := w.browser()
		b.session(t, w.zhang, 1)
		use := func(c oidc.Client, uri string, b *browser) error {
			_, err := w.Authorize(t.Context(), oidc.Parameters{"client_id": c.ID, "request_uri": uri}, b.Browser, false)
			return err
		}
		push := func() string {
			t.Helper()
			uri, life, err := w.Push(t.Context(), pushing, params(pushing), "r0")
			if err != nil || life != 90*time.Second || !strings.HasPrefix(uri, requestURIPrefix) {
				t.Fatalf("got %s, %v, %v", uri, life, err)
			}
			return uri
		}
		gone := func(what string, err error) {
			t.Helper()
			if e, back := refusal(t, err); back != nil || e.Refusal.Code != oidc.InvalidRequestURI {
				t.Errorf("%s: %v", what, err)
			}
		}

		uri := push()
		step, err := w.Authorize(t.Context(), oidc.Parameters{"client_id": pushing.ID, "request_uri": uri, "redirect_uri": "https://evil.example", "scope": "openid phone", "state": "other"}, b.Browser, false)
		if err != nil {
			t.Fatal(err)
		}
		if back := answer(t, step.Response); back.Get("state") != "s1" {
			t.Errorf("what stands beside the request_uri counts: %v", back)
		}
		tokens := w.redeem(t, pushing, code(t, step))
		if oidc.JoinScopes(tokens.Scopes) != "openid" {
			t.Errorf("scopes %v", tokens.Scopes)
		}
		gone("used again, by the same browser", use(pushing, uri, b))
		gone("used again, by another browser", use(pushing, uri, w.browser()))

		uri = push()
		gone("used by another client", use(w.bureau, uri, b))
		if err := use(pushing, uri, b); err != nil {
			t.Errorf("after another client tried it: %v", err)
		}
		uri = push()
		time.Sleep(91 * time.Second)
		gone("used too late", use(pushing, uri, b))

		// Reloading the page goes on where it was.
		uri, b = push(), w.browser()
		p := oidc.Parameters{"client_id": pushing.ID, "request_uri": uri}
		first, err := w.Authorize(t.Context(), p, b.Browser, false)
		if err != nil || first.Kind != oidc.StepLogin {
			t.Fatal(first.Kind, err)
		}
		second, err := w.Authorize(t.Context(), p, b.Browser, false)
		if err != nil || second.Kind != oidc.StepLogin || second.Handle != first.Handle {
			t.Errorf("reloaded: %v, %v", second.Kind, err)
		}
		if _, err := w.Next(t.Context(), first.Handle, w.browser().Browser); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("another browser with the first one's handle: %v", err)
		}
		gone("reloaded for another client", use(w.bureau, uri, b))
		b.logIn(t, first.Handle, w.zhang)
		gone("reloaded after the answer", use(pushing, uri, b))
	})
}

func TestPushRefuses(t *testing.T) {
	w := newWorld(t)
	w.resolver.fails = nil
	nested := `[{"type":"license","x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}]`
	wide := `[` + strings.Repeat(`{"type":"license"},`, 999) + `{"type":"license"}]`
	for _, test := range []struct {
		name    string
		changes []string
		code    oidc.Code
		reason  string
		text    string
	}{
		{"another client_id", []string{"client_id", w.shop.ID}, oidc.InvalidRequest, "client_id_differs", ""},
		{"another redirect URI", []string{"redirect_uri", "https://bureau.example:8443/cb"}, oidc.InvalidRequest, "redirect_uri_unregistered", "the port differs"},
		{"plain PKCE", []string{"code_challenge_method", "plain"}, oidc.InvalidRequest, "pkce_method", ""},
		{"a request_uri", []string{"request_uri", requestURIPrefix + "x"}, oidc.InvalidRequestURI, "request_uri_invalid", ""},
		{"details that are no JSON", []string{"authorization_details", `[{`}, oidc.InvalidAuthorizationDetails, "details_malformed", ""},
		{"details that are no array", []string{"authorization_details", `{"type":"license"}`}, oidc.InvalidAuthorizationDetails, "details_malformed", ""},
		{"null", []string{"authorization_details", `null`}, oidc.InvalidAuthorizationDetails, "details_number", ""},
		{"no detail", []string{"authorization_details", `[]`}, oidc.InvalidAuthorizationDetails, "details_number", ""},
		{"two details", []string{"authorization_details", `[{"type":"license"},{"type":"license"}]`}, oidc.InvalidAuthorizationDetails, "details_number", ""},
		{"1,000 details", []string{"authorization_details", wide[:16000] + `"}]`}, oidc.InvalidAuthorizationDetails, "details_malformed", ""},
		{"too many details", []string{"authorization_details", wide}, oidc.InvalidAuthorizationDetails, "details_too_large", ""},
		{"another type", []string{"authorization_details", `[{"type":"payment"}]`}, oidc.InvalidAuthorizationDetails, "details_type", ""},
		{"no type", []string{"authorization_details", `[{}]`}, oidc.InvalidAuthorizationDetails, "details_type", ""},
		{"a type that is no text", []string{"authorization_details", `[{"type":1}]`}, oidc.InvalidAuthorizationDetails, "details_malformed", ""},
		{"a type twice", []string{"authorization_details", `[{"type":"license","type":"license"}]`}, oidc.InvalidAuthorizationDetails, "details_malformed", ""},
		{"something behind it", []string{"authorization_details", `[{"type":"license"}] x`}, oidc.InvalidAuthorizationDetails, "details_malformed", ""},
		{"nested details", []string{"authorization_details", nested}, oidc.InvalidAuthorizationDetails, "details_malformed", ""},
		{"details with invalid UTF-8", []string{"authorization_details", "[{\"type\":\"license\",\"x\":\"\xff\"}]"}, oidc.InvalidAuthorizationDetails, "details_malformed", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := w.Push(t.Context(), w.bureau, params(w.bureau, test.changes...), "r0")
			code, reason := codeOf(t, err)
			if code != test.code || reason != test.reason || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v", err)
			}
			last := w.last()
			if last.Action != journal.ActionTokenRefuse || last.Actor.ID != w.bureau.ID || last.RequestID != "r0" {
				t.Errorf("event %+v", last)
			}
		})
	}
	if len(w.resolver.checks) != 0 {
		t.Errorf("the resolver saw %s", w.resolver.checks)
	}
}

// Licenses are for a confidential client with PKCE that is registered for items,
// through PAR.
func TestWhoMayAskForLicenses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		public := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.AuthMethods, s.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, nil })
		legacy := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.WithoutPKCE, s.ServiceItems = true, nil })
		without := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.ServiceItems = nil })
		// As if a client had been registered before there was the rule.
		forced := legacy
		forced.ServiceItems = w.bureau.ServiceItems
		publicForced := public
		publicForced.ServiceItems = w.bureau.ServiceItems
		for name, try := range map[string]struct {
			client  oidc.Client
			changes []string
			good    bool
		}{
			"registered":            {w.bureau, nil, true},
			"public":                {public, nil, false},
			"public, with items":    {publicForced, nil, false},
			"without items":         {without, nil, false},
			"legacy with PKCE":      {legacy, nil, false},
			"legacy, with items":    {forced, []string{"code_challenge", "", "code_challenge_method", ""}, false},
			"legacy, without items": {legacy, []string{"code_challenge", "", "code_challenge_method", ""}, false},
		} {
			record := w.clients[try.client.ID]
			body, err := json.Marshal(try.client)
			if err != nil {
				t.Fatal(err)
			}
			record.Body = body
			if record.Auth, record.Mark, err = w.config.Keyrings.Auth().Stamp(record.Facts(record.Revision)); err != nil {
				t.Fatal(err)
			}
			w.clients[try.client.ID] = record
			time.Sleep(fresh.Age)
			changes := append([]string{"authorization_details", detail}, try.changes...)
			_, _, err = w.Push(t.Context(), try.client, params(try.client, changes...), "r0")
			if code, reason := codeOf(t, err); try.good != (err == nil) || !try.good && (code != oidc.InvalidAuthorizationDetails || reason != "details_unregistered") {
				t.Errorf("%s: %v", name, err)
			}
		}
		w.resolver.fails = &oidc.Error{Code: oidc.InvalidAuthorizationDetails, Description: "no", Reason: "item_unregistered"}
		_, _, err := w.Push(t.Context(), w.bureau, params(w.bureau, "authorization_details", detail), "r0")
		if _, reason := codeOf(t, err); reason != "item_unregistered" {
			t.Errorf("what the resolver refuses: %v", err)
		}
		w.resolver.fails = errors.New("disk")
		if _, _, err := w.Push(t.Context(), w.bureau, params(w.bureau, "authorization_details", detail), "r0"); !errors.Is(err, w.resolver.fails) {
			t.Errorf("a fault of the resolver: %v", err)
		}
	})
}
