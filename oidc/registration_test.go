package oidc

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/jose"
)

// loginSpec describes a client at which people log in.
func loginSpec(participant string) ClientSpec {
	return ClientSpec{
		Name: "样例系统", Participant: participant, Scopes: []Scope{ScopeOpenID, ScopeProfile},
		GrantTypes: []GrantType{GrantCode}, RedirectURIs: []string{"https://rp.example/cb"}, LogoutURIs: []string{"https://rp.example/bye"},
	}
}

func TestRegistrationOfLogins(t *testing.T) {
	many := func(n int) (uris []string) {
		for i := range n {
			uris = append(uris, "https://rp.example/"+strings.Repeat("x", i))
		}
		return uris
	}
	public := func(s *ClientSpec) { s.AuthMethods = []AuthMethod{AuthNone} }
	for _, test := range []struct {
		name, reason string
		change       func(*ClientSpec)
	}{
		{"as it is", "", func(*ClientSpec) {}},
		{"public", "", public},
		{"all there is", "", func(s *ClientSpec) {
			s.GrantTypes = []GrantType{GrantCode, GrantRefresh, GrantClientCredentials}
			s.Scopes = append(s.Scopes, ScopeOffline, ScopePhone, ScopeIdentity, ScopeLicenseRead)
			s.HomeURI, s.Subject, s.IDTokenAlgorithm, s.RequirePAR = "https://rp.example/", SubjectPublic, jose.ES256, true
			s.ServiceItems, s.RedirectURIs, s.LogoutURIs = []string{"food-license"}, many(20), many(20)
		}},
		{"a legacy client without PKCE", "", func(s *ClientSpec) { s.WithoutPKCE = true }},
		{"no redirect URI", "redirect_uri_missing", func(s *ClientSpec) { s.RedirectURIs = nil }},
		{"too many redirect URIs", "redirect_uri_invalid", func(s *ClientSpec) { s.RedirectURIs = many(21) }},
		{"a redirect URI twice", "redirect_uri_invalid", func(s *ClientSpec) { s.RedirectURIs = []string{"https://a.example/", "https://a.example/"} }},
		{"too many logout URIs", "logout_uri_invalid", func(s *ClientSpec) { s.LogoutURIs = many(21) }},
		{"a bad logout URI", "logout_uri_invalid", func(s *ClientSpec) { s.LogoutURIs = []string{"http://rp.example/"} }},
		{"a bad home", "home_uri_invalid", func(s *ClientSpec) { s.HomeURI = "javascript:alert(1)" }},
		{"refresh alone", "grant_types_combined", func(s *ClientSpec) { s.GrantTypes, s.Scopes = []GrantType{GrantRefresh}, []Scope{ScopeLicenseRead} }},
		{"offline without refresh", "offline_without_refresh", func(s *ClientSpec) { s.Scopes = []Scope{ScopeOpenID, ScopeOffline} }},
		{"a secret and none", "auth_methods_combined", func(s *ClientSpec) { s.AuthMethods = []AuthMethod{AuthNone, AuthBasic} }},
		{"public, for itself", "public_client", func(s *ClientSpec) { public(s); s.GrantTypes = []GrantType{GrantCode, GrantClientCredentials} }},
		{"public without PKCE", "pkce_required", func(s *ClientSpec) { public(s); s.WithoutPKCE = true }},
		{"unknown subject type", "subject_type_unknown", func(s *ClientSpec) { s.Subject = "ephemeral" }},
		{"ID tokens under SM2", "id_token_alg_unknown", func(s *ClientSpec) { s.IDTokenAlgorithm = jose.SM2 }},
		{"ID tokens without signature", "id_token_alg_unknown", func(s *ClientSpec) { s.IDTokenAlgorithm = "none" }},
		{"licenses without PKCE", "service_items_refused", func(s *ClientSpec) { s.ServiceItems, s.WithoutPKCE = []string{"a"}, true }},
		{"licenses for a public client", "service_items_refused", func(s *ClientSpec) { public(s); s.ServiceItems = []string{"a"} }},
		{"a bad item", "service_item_invalid", func(s *ClientSpec) { s.ServiceItems = []string{"a b"} }},
		{"an item twice", "service_item_invalid", func(s *ClientSpec) { s.ServiceItems = []string{"a", "a"} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := loginSpec(identity.NewID())
			test.change(&s)
			c, err := newClient(s)
			if test.reason == "" {
				if err != nil || c.Subject == "" || c.Public() != (c.AuthMethods[0] == AuthNone) {
					t.Errorf("got %+v, %v", c, err)
				}
				return
			}
			if e, ok := errors.AsType[*RegistrationError](err); !ok || e.Reason != test.reason {
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
		if got := matchesURI(registered, uri, false); got != want.confidential {
			t.Errorf("%q of a confidential client: %v", uri, got)
		}
		if got := matchesURI(registered, uri, true); got != want.public {
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
		if got := differs(registered, uri); got != want {
			t.Errorf("%q: %s, want %s", uri, got, want)
		}
	}
}

func TestPublicClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		confidential, secret := f.client(t, ScopeLicenseRead)
		s := loginSpec(confidential.Participant)
		s.AuthMethods = []AuthMethod{AuthNone}
		c, none, err := f.Provider.CreateClient(t.Context(), operator, s)
		if err != nil || none != (Secret{}) || len(c.Secrets) != 0 {
			t.Fatalf("got %+v, %v, a secret: %v", c, err, none != Secret{})
		}
		for _, test := range []struct {
			name        string
			credentials Credentials
			good        bool
		}{
			{"without a secret", Credentials{ID: c.ID, Method: AuthNone}, true},
			{"with one", Credentials{ID: c.ID, Method: AuthNone, Secret: secret}, false},
			{"by another method", Credentials{ID: c.ID, Method: AuthPost}, false},
			{"by another method with a secret", Credentials{ID: c.ID, Method: AuthBasic, Secret: secret}, false},
			{"a confidential client without a secret", Credentials{ID: confidential.ID, Method: AuthNone}, false},
			{"a confidential client whose secret came that way", Credentials{ID: confidential.ID, Method: AuthNone, Secret: secret}, false},
			{"an unknown client", Credentials{ID: identity.NewID(), Method: AuthNone}, false},
		} {
			if _, err := f.Authenticate(t.Context(), test.credentials); (err == nil) != test.good {
				t.Errorf("%s: %v", test.name, err)
			}
		}
		if _, _, err := f.RotateSecret(t.Context(), operator, c.ID, 0); !isRegistration(err, "public_client") {
			t.Errorf("a public client got a secret: %v", err)
		}
	})
}

func isRegistration(err error, reason string) bool {
	e, ok := errors.AsType[*RegistrationError](err)
	return ok && e.Reason == reason
}

func TestUpdateClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c, secret := f.client(t, ScopeLicenseRead)
		s := loginSpec("")
		s.GrantTypes = append(s.GrantTypes, GrantClientCredentials)
		changed, err := f.Provider.UpdateClient(t.Context(), operator, c.ID, 0, s)
		if err != nil || changed.ID != c.ID || changed.Participant != c.Participant || changed.Revision != 2 || !changed.redirects("https://rp.example/cb") {
			t.Fatalf("got %+v, %v", changed, err)
		}
		got, err := f.Authenticate(t.Context(), Credentials{ID: c.ID, Method: AuthBasic, Secret: secret})
		if err != nil || !got.Has(GrantCode) || len(got.Scopes) != 2 {
			t.Errorf("the client is now %+v, %v", got, err)
		}
		s.Participant = identity.NewID()
		if _, err := f.Provider.UpdateClient(t.Context(), operator, c.ID, 0, s); !isRegistration(err, "participant_fixed") {
			t.Errorf("moved to another participant: %v", err)
		}
		public := loginSpec("")
		public.AuthMethods = []AuthMethod{AuthNone}
		if _, err := f.Provider.UpdateClient(t.Context(), operator, c.ID, 0, public); !isRegistration(err, "public_fixed") {
			t.Errorf("a confidential client became public: %v", err)
		}
		if _, err := f.Provider.UpdateClient(t.Context(), operator, c.ID, 1, changed.Spec()); !errors.Is(err, ErrConflict) {
			t.Errorf("by a revision that is over: %v", err)
		}
		same, err := f.Provider.UpdateClient(t.Context(), operator, c.ID, 2, changed.Spec())
		if err != nil || same.Revision != 3 || !reflect.DeepEqual(same.Spec(), changed.Spec()) {
			t.Errorf("by its own spec: %+v, %v", same, err)
		}
		subject := changed.Spec()
		subject.Subject = SubjectPublic
		if _, err := f.Provider.UpdateClient(t.Context(), operator, c.ID, 0, subject); !isRegistration(err, "subject_type_fixed") {
			t.Errorf("people get other subjects: %v", err)
		}
		if _, err := f.Provider.UpdateClient(t.Context(), operator, identity.NewID(), 0, loginSpec("")); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unknown client: %v", err)
		}
	})
}

// A token of the client's own carries nothing of a person's login.
func TestClientCredentialsOfALoginClient(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.client(t, ScopeLicenseRead)
	s := loginSpec(owner.Participant)
	s.GrantTypes = append(s.GrantTypes, GrantClientCredentials)
	s.Scopes = append(s.Scopes, ScopeLicenseRead)
	c, _, err := f.Provider.CreateClient(t.Context(), operator, s)
	if err != nil {
		t.Fatal(err)
	}
	token, err := f.ClientCredentials(t.Context(), c, TokenRequest{})
	if err != nil || JoinScopes(token.Scopes) != "license:read" {
		t.Errorf("got %v, %v", token.Scopes, err)
	}
	_, err = f.ClientCredentials(t.Context(), c, TokenRequest{Scopes: []Scope{ScopeOpenID}})
	if code, reason := codeOf(t, err); code != InvalidScope || reason != "scope_of_person" {
		t.Errorf("got %v", err)
	}
}

func TestFormToken(t *testing.T) {
	f := newFixture(t)
	b := Browser{ID: NewBrowserID(), Session: NewHandle()}
	token := f.FormToken(b, "login")
	if len(token) != 43 || !f.CheckForm(b, "login", token) || !f.another(t).CheckForm(b, "login", token) {
		t.Error("a form's token is refused, here or on another node")
	}
	for name, try := range map[string]struct {
		b              Browser
		purpose, token string
	}{
		"another browser":            {Browser{ID: NewBrowserID(), Session: b.Session}, "login", token},
		"another session":            {Browser{ID: b.ID, Session: NewHandle()}, "login", token},
		"no session":                 {Browser{ID: b.ID}, "login", token},
		"another purpose":            {b, "logout", token},
		"no token":                   {b, "login", ""},
		"a browser without a cookie": {Browser{Session: b.Session}, "login", ""},
		"parts pushed together":      {Browser{ID: b.ID}, b.Session.Reveal() + "login", token},
	} {
		if f.CheckForm(try.b, try.purpose, try.token) {
			t.Errorf("%s: the form was taken", name)
		}
	}
	if strings.Contains(token, b.ID.Reveal()) {
		t.Error("the token shows the cookie")
	}
}
