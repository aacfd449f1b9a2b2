package provider

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
)

// loginSpec describes a client at which people log in.
func loginSpec(participant string) client.Spec {
	return client.Spec{
		Name: "样例系统", Participant: participant, Scopes: []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile},
		GrantTypes: []oidc.GrantType{oidc.GrantCode}, RedirectURIs: []string{"https://rp.example/cb"}, LogoutURIs: []string{"https://rp.example/bye"},
	}
}

func TestPublicClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		confidential, secret := f.client(t, oidc.ScopeLicenseRead)
		s := loginSpec(confidential.Participant)
		s.AuthMethods = []oidc.AuthMethod{oidc.AuthNone}
		c, none, err := f.provider.CreateClient(t.Context(), operator, s)
		if err != nil || none != (oidc.Secret{}) || len(c.Secrets) != 0 {
			t.Fatalf("got %+v, %v, a secret: %v", c, err, none != oidc.Secret{})
		}
		for _, test := range []struct {
			name        string
			credentials client.Credentials
			good        bool
		}{
			{"without a secret", client.Credentials{ID: c.ID, Method: oidc.AuthNone}, true},
			{"with one", client.Credentials{ID: c.ID, Method: oidc.AuthNone, Secret: secret}, false},
			{"by another method", client.Credentials{ID: c.ID, Method: oidc.AuthPost}, false},
			{"by another method with a secret", client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: secret}, false},
			{"a confidential client without a secret", client.Credentials{ID: confidential.ID, Method: oidc.AuthNone}, false},
			{"a confidential client whose secret came that way", client.Credentials{ID: confidential.ID, Method: oidc.AuthNone, Secret: secret}, false},
			{"an unknown client", client.Credentials{ID: identity.NewID(), Method: oidc.AuthNone}, false},
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
	e, ok := errors.AsType[*oidc.RegistrationError](err)
	return ok && e.Reason == reason
}

func TestUpdateClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c, secret := f.client(t, oidc.ScopeLicenseRead)
		s := loginSpec("")
		s.GrantTypes = append(s.GrantTypes, oidc.GrantClientCredentials)
		changed, err := f.provider.UpdateClient(t.Context(), operator, c.ID, 0, s)
		if err != nil || changed.ID != c.ID || changed.Participant != c.Participant || changed.Revision != 2 || !client.Redirects(changed, "https://rp.example/cb") {
			t.Fatalf("got %+v, %v", changed, err)
		}
		got, err := f.Authenticate(t.Context(), client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: secret})
		if err != nil || !got.Has(oidc.GrantCode) || len(got.Scopes) != 2 {
			t.Errorf("the client is now %+v, %v", got, err)
		}
		s.Participant = identity.NewID()
		if _, err := f.provider.UpdateClient(t.Context(), operator, c.ID, 0, s); !isRegistration(err, "participant_fixed") {
			t.Errorf("moved to another participant: %v", err)
		}
		public := loginSpec("")
		public.AuthMethods = []oidc.AuthMethod{oidc.AuthNone}
		if _, err := f.provider.UpdateClient(t.Context(), operator, c.ID, 0, public); !isRegistration(err, "public_fixed") {
			t.Errorf("a confidential client became public: %v", err)
		}
		if _, err := f.provider.UpdateClient(t.Context(), operator, c.ID, 1, client.SpecOf(changed)); !errors.Is(err, oidc.ErrConflict) {
			t.Errorf("by a revision that is over: %v", err)
		}
		same, err := f.provider.UpdateClient(t.Context(), operator, c.ID, 2, client.SpecOf(changed))
		if err != nil || same.Revision != 3 || !reflect.DeepEqual(client.SpecOf(same), client.SpecOf(changed)) {
			t.Errorf("by its own spec: %+v, %v", same, err)
		}
		subject := client.SpecOf(changed)
		subject.Subject = oidc.SubjectPublic
		if _, err := f.provider.UpdateClient(t.Context(), operator, c.ID, 0, subject); !isRegistration(err, "subject_type_fixed") {
			t.Errorf("people get other subjects: %v", err)
		}
		if _, err := f.provider.UpdateClient(t.Context(), operator, identity.NewID(), 0, loginSpec("")); !errors.Is(err, oidc.ErrNotFound) {
			t.Errorf("an unknown client: %v", err)
		}
	})
}

// A token of the client's own carries nothing of a person's login.
func TestClientCredentialsOfALoginClient(t *testing.T) {
	f := newFixture(t)
	owner, _ := f.client(t, oidc.ScopeLicenseRead)
	s := loginSpec(owner.Participant)
	s.GrantTypes = append(s.GrantTypes, oidc.GrantClientCredentials)
	s.Scopes = append(s.Scopes, oidc.ScopeLicenseRead)
	c, _, err := f.provider.CreateClient(t.Context(), operator, s)
	if err != nil {
		t.Fatal(err)
	}
	token, err := f.Redeem(t.Context(), c, forItself())
	if err != nil || oidc.JoinScopes(token.Scopes) != "license:read" {
		t.Errorf("got %v, %v", token.Scopes, err)
	}
	_, err = f.Redeem(t.Context(), c, forItself(oidc.ScopeOpenID))
	if code, reason := codeOf(t, err); code != oidc.InvalidScope || reason != "scope_of_person" {
		t.Errorf("got %v", err)
	}
}

func TestFormToken(t *testing.T) {
	b := oidc.Browser{ID: oidc.NewBrowserID(), Session: oidc.NewHandle()}
	token := b.FormToken("login")
	if len(token) != 43 || !b.CheckForm("login", token) || !b.CheckForm("login", token) {
		t.Error("a form's token is refused, here or on another node")
	}
	for name, try := range map[string]struct {
		b              oidc.Browser
		purpose, token string
	}{
		"another browser":            {oidc.Browser{ID: oidc.NewBrowserID(), Session: b.Session}, "login", token},
		"another session":            {oidc.Browser{ID: b.ID, Session: oidc.NewHandle()}, "login", token},
		"no session":                 {oidc.Browser{ID: b.ID}, "login", token},
		"another purpose":            {b, "logout", token},
		"no token":                   {b, "login", ""},
		"a browser without a cookie": {oidc.Browser{Session: b.Session}, "login", ""},
		"parts pushed together":      {oidc.Browser{ID: b.ID}, b.Session.Reveal() + "login", token},
	} {
		if try.b.CheckForm(try.purpose, try.token) {
			t.Errorf("%s: the form was taken", name)
		}
	}
	if strings.Contains(token, b.ID.Reveal()) {
		t.Error("the token shows the cookie")
	}
}
