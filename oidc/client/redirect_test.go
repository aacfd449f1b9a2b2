package client

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/jose"
)

// testGrants are rules of the three kinds that there can be.
var testGrants = []oidc.GrantRule{
	{Type: oidc.GrantCode, People: true}, {Type: oidc.GrantRefresh, People: true, With: oidc.GrantCode}, {Type: oidc.GrantClientCredentials, Secret: true},
}

func TestRegistrationOfLogins(t *testing.T) {
	many := func(n int) (uris []string) {
		for i := range n {
			uris = append(uris, "https://rp.example/"+strings.Repeat("x", i))
		}
		return uris
	}
	public := func(s *Spec) { s.AuthMethods = []oidc.AuthMethod{oidc.AuthNone} }
	for _, test := range []struct {
		name, reason string
		change       func(*Spec)
	}{
		{"as it is", "", func(*Spec) {}},
		{"public", "", public},
		{"all there is", "", func(s *Spec) {
			s.GrantTypes = []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh, oidc.GrantClientCredentials}
			s.Scopes = append(s.Scopes, oidc.ScopeOffline, oidc.ScopePhone, oidc.ScopeIdentity, oidc.ScopeLicenseRead)
			s.HomeURI, s.Subject, s.IDTokenAlgorithm, s.RequirePAR = "https://rp.example/", oidc.SubjectPublic, jose.ES256, true
			s.ServiceItems, s.RedirectURIs, s.LogoutURIs = []string{"food-license"}, many(20), many(20)
		}},
		{"a legacy client without PKCE", "", func(s *Spec) { s.WithoutPKCE = true }},
		{"no redirect URI", "redirect_uri_missing", func(s *Spec) { s.RedirectURIs = nil }},
		{"too many redirect URIs", "redirect_uri_invalid", func(s *Spec) { s.RedirectURIs = many(21) }},
		{"a redirect URI twice", "redirect_uri_invalid", func(s *Spec) { s.RedirectURIs = []string{"https://a.example/", "https://a.example/"} }},
		{"too many logout URIs", "logout_uri_invalid", func(s *Spec) { s.LogoutURIs = many(21) }},
		{"a bad logout URI", "logout_uri_invalid", func(s *Spec) { s.LogoutURIs = []string{"http://rp.example/"} }},
		{"a bad home", "home_uri_invalid", func(s *Spec) { s.HomeURI = "javascript:alert(1)" }},
		{"refresh alone", "grant_types_combined", func(s *Spec) {
			s.GrantTypes, s.Scopes = []oidc.GrantType{oidc.GrantRefresh}, []oidc.Scope{oidc.ScopeLicenseRead}
		}},
		{"offline without refresh", "offline_without_refresh", func(s *Spec) { s.Scopes = []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeOffline} }},
		{"a secret and none", "auth_methods_combined", func(s *Spec) { s.AuthMethods = []oidc.AuthMethod{oidc.AuthNone, oidc.AuthBasic} }},
		{"public, for itself", "public_client", func(s *Spec) {
			public(s)
			s.GrantTypes = []oidc.GrantType{oidc.GrantCode, oidc.GrantClientCredentials}
		}},
		{"public without PKCE", "pkce_required", func(s *Spec) { public(s); s.WithoutPKCE = true }},
		{"unknown subject type", "subject_type_unknown", func(s *Spec) { s.Subject = "ephemeral" }},
		{"ID tokens under SM2", "id_token_alg_unknown", func(s *Spec) { s.IDTokenAlgorithm = jose.SM2 }},
		{"ID tokens without signature", "id_token_alg_unknown", func(s *Spec) { s.IDTokenAlgorithm = "none" }},
		{"licenses without PKCE", "service_items_refused", func(s *Spec) { s.ServiceItems, s.WithoutPKCE = []string{"a"}, true }},
		{"licenses for a public client", "service_items_refused", func(s *Spec) { public(s); s.ServiceItems = []string{"a"} }},
		{"a bad item", "service_item_invalid", func(s *Spec) { s.ServiceItems = []string{"a b"} }},
		{"an item twice", "service_item_invalid", func(s *Spec) { s.ServiceItems = []string{"a", "a"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := Spec{
				Name: "样例系统", Participant: identity.NewID(), Scopes: []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile},
				GrantTypes: []oidc.GrantType{oidc.GrantCode}, RedirectURIs: []string{"https://rp.example/cb"}, LogoutURIs: []string{"https://rp.example/bye"},
			}
			test.change(&s)
			c, err := newClient(s, testGrants)
			if test.reason == "" {
				if err != nil || c.Subject == "" || c.Public() != (c.AuthMethods[0] == oidc.AuthNone) {
					t.Errorf("got %+v, %v", c, err)
				}
				return
			}
			if e, ok := errors.AsType[*oidc.RegistrationError](err); !ok || e.Reason != test.reason {
				t.Errorf("got %v, want %s", err, test.reason)
			}
		})
	}
}

func TestRedirectURIsThatCanBeRegistered(t *testing.T) {
	for uri, want := range map[string]struct{ confidential, public bool }{
		"https://rp.example/cb":               {true, true},
		"https://rp.example":                  {true, true},
		"https://rp.example:8443/cb?tenant=1": {true, true},
		"https://[2001:db8::1]/cb":            {true, true},
		"http://127.0.0.1/cb":                 {true, true},
		"http://127.9.9.9:81/cb":              {true, true},
		"http://[::1]:1234/cb":                {true, true},
		"http://localhost:3000/cb":            {true, true},
		"cn.example.app:/cb":                  {false, true},
		"cn.example.app://cb":                 {false, true},
		"http://127.0.0.1:1/cb":               {true, true},
		"http://127.0.0.1:65535/cb":           {true, true},

		"http://127.0.0.1:0/cb":                          {},
		"http://127.0.0.1:/cb":                           {},
		"http://127.0.0.1:080/cb":                        {},
		"http://127.0.0.1:65536/cb":                      {},
		"http://127.0.0.1:99999/cb":                      {},
		"http://[::1]:/cb":                               {},
		"http://localhost:080/cb":                        {},
		"https://rp.example:0443/cb":                     {},
		"https://rp.example:99999/cb":                    {},
		"https://rp.example:/cb":                         {},
		"cn.example.app://cb:0/x":                        {},
		"":                                               {},
		"/cb":                                            {},
		"//rp.example/cb":                                {},
		"https:///cb":                                    {},
		"https:cb":                                       {},
		"HTTPS://rp.example/cb":                          {},
		"http://rp.example/cb":                           {},
		"http://localhost.evil.example/":                 {},
		"http://127.0.0.1.evil.example/":                 {},
		"http://0.0.0.0/cb":                              {},
		"https://rp.example/cb#":                         {},
		"https://rp.example/cb#x":                        {},
		"https://u@rp.example/cb":                        {},
		"https://u:p@rp.example/cb":                      {},
		"https://*.rp.example/cb":                        {},
		"https://rp.example/*":                           {},
		"https://rp.example/{x}":                         {},
		"https://rp.example/a b":                         {},
		"https://rp.example\\@evil.example":              {},
		"https://rp.example/\x00":                        {},
		"https://rp.example/\r\nX: y":                    {},
		"https://例子.example/":                            {},
		"https://rp.example/?code=x":                     {},
		"https://rp.example/?a=1&state=x":                {},
		"https://rp.example/?%zz":                        {},
		"https://rp.example:port/":                       {},
		"javascript:alert(1)":                            {},
		"data:text/html,x":                               {},
		"myapp:/cb":                                      {},
		"file:///etc/passwd":                             {},
		"https://rp.example/" + strings.Repeat("x", 512): {},
	} {
		if got := checkURI(uri, false) == ""; got != want.confidential {
			t.Errorf("%q of a confidential client: %q", uri, checkURI(uri, false))
		}
		if got := checkURI(uri, true) == ""; got != want.public {
			t.Errorf("%q of a public client: %q", uri, checkURI(uri, true))
		}
	}
}

func TestRedirectURIsThatMatch(t *testing.T) {
	registered := []string{"https://rp.example/cb", "https://rp.example/cb?x=1", "http://127.0.0.1/cb", "http://[::1]:9/cb", "http://localhost:3000/cb", "cn.example.app:/cb"}
	for uri, want := range map[string]struct{ confidential, public bool }{
		"https://rp.example/cb":          {true, true},
		"https://rp.example/cb?x=1":      {true, true},
		"http://127.0.0.1/cb":            {true, true},
		"http://127.0.0.1:51000/cb":      {false, true},
		"http://[::1]:51000/cb":          {false, true},
		"http://[::1]/cb":                {false, true},
		"http://127.0.0.1:1/cb":          {false, true},
		"http://127.0.0.1:80/cb":         {false, true},
		"http://127.0.0.1:65535/cb":      {false, true},
		"cn.example.app:/cb":             {true, true},
		"https://rp.example/cb/":         {},
		"https://rp.example/CB":          {},
		"https://rp.example/cb?x=2":      {},
		"https://rp.example/cb#":         {},
		"https://rp.example:443/cb":      {},
		"https://rp.example/x/../cb":     {},
		"https://evil.example/cb":        {},
		"http://localhost:3001/cb":       {},
		"http://127.0.0.1:0/cb":          {},
		"http://127.0.0.1:/cb":           {},
		"http://127.0.0.1:080/cb":        {},
		"http://127.0.0.1:00080/cb":      {},
		"http://127.0.0.1:65536/cb":      {},
		"http://127.0.0.1:99999/cb":      {},
		"http://127.0.0.1:4294967376/cb": {},
		"http://127.0.0.1:+80/cb":        {},
		"http://127.0.0.1:８０/cb":         {},
		"http://[::1]:/cb":               {},
		"http://[::1]:09/cb":             {},
		"http://127.0.0.1:1/other":       {},
		"http://127.0.0.1:1/cb?x=1":      {},
		"http://127.0.0.1:1/cb#x":        {},
		"http://127.0.0.1:99x/cb":        {},
		"http://u@127.0.0.1:1/cb":        {},
		"http://127.0.0.1:1@evil.ex/cb":  {},
		"http://127.0.0.2:1/cb":          {},
		"https://127.0.0.1:1/cb":         {},
		"http://127.0.0.1:1":             {},
		"":                               {},
	} {
		if got := MatchesURI(registered, uri, false); got != want.confidential {
			t.Errorf("%q of a confidential client: %v", uri, got)
		}
		if got := MatchesURI(registered, uri, true); got != want.public {
			t.Errorf("%q of a public client: %v", uri, got)
		}
	}
}

func TestHowARedirectURIDiffers(t *testing.T) {
	registered := []string{"https://rp.example/cb", "https://test.rp.example:8443/login/cb?x=1"}
	for uri, want := range map[string]string{
		"http://rp.example/cb":                       "the scheme differs",
		"https://rp.example:444/cb":                  "the port differs",
		"https://www.rp.example/cb":                  "the host differs",
		"https://rp.example/cb/":                     "one of the two ends with a slash",
		"https://rp.example/callback":                "the path differs",
		"https://rp.example/cb?x":                    "the query differs",
		"https://rp.example/cb#x":                    "the fragment differs",
		"https://u@rp.example/cb":                    "the user differs",
		"HTTPS://rp.example/cb":                      "the spelling differs",
		"https://test.rp.example:8443/login/cb":      "the query differs",
		"http://evil.example/x":                      "the scheme, the host and the path differ",
		"http://test.rp.example:8443/login/cb?x=1#y": "the scheme and the fragment differ",
		"cb": "it is not an absolute URI",
		"":   "it is not an absolute URI",
	} {
		if got := Differs(registered, uri); got != want {
			t.Errorf("%q: %s, want %s", uri, got, want)
		}
	}
}

// FuzzRedirectURI registers a URI and asks for it and others: it matches itself,
// and whatever else matches is the same but for the port of a loopback IP.
func FuzzRedirectURI(f *testing.F) {
	for _, seed := range [][2]string{
		{"https://rp.example/cb", "https://rp.example/cb/"}, {"http://127.0.0.1/cb", "http://127.0.0.1:51000/cb"},
		{"http://[::1]:1/cb?x=1", "http://[::1]/cb?x=1"}, {"http://127.0.0.1/", "http://127.0.0.1:1@evil.example/"}, {"cn.example.app:/cb", "cn.example.app:/"}, {"http://127.0.0.1/cb", "http://127.0.0.1:080/cb"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, registered, asked string) {
		_ = Differs([]string{registered}, asked)
		if checkURI(registered, true) != "" {
			return
		}
		if !MatchesURI([]string{registered}, registered, false) {
			t.Errorf("%q doesn't match itself", registered)
		}
		if !MatchesURI([]string{registered}, asked, true) || asked == registered {
			return
		}
		a, err := url.Parse(registered)
		if err != nil {
			t.Fatal(err)
		}
		b, err := url.Parse(asked)
		if err != nil {
			t.Fatal(err)
		}
		if a.Scheme != "http" || b.Scheme != "http" || a.Hostname() != b.Hostname() || !isLoopback(b.Hostname()) || a.RequestURI() != b.RequestURI() || b.User != nil || b.Fragment != "" || !plainPort(b) {
			t.Errorf("%q matches %q", asked, registered)
		}
	})
}
