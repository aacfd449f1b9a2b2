package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// codeOf returns the OAuth error code and reason, "" for no error.
func codeOf(t testing.TB, err error) (oidc.Code, string) {
	t.Helper()
	if err == nil {
		return "", ""
	}
	e, ok := errors.AsType[*oidc.Error](err)
	if !ok {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e.Code, string(e.Reason)
}

func TestCreateClientRefuses(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseRead)
	for _, test := range []struct {
		name, reason string
		change       func(*client.Spec)
	}{
		{"no name", "name_invalid", func(s *client.Spec) { s.Name = "" }},
		{"a name in no language", "names_invalid", func(s *client.Spec) { s.Names = party.Names{"EN": "x"} }},
		{"an invisible English name", "names_invalid", func(s *client.Spec) { s.Names = party.Names{"en": "\u200d"} }},
		{"no scope", "scopes_missing", func(s *client.Spec) { s.Scopes = nil }},
		{"unknown scope", "scope_unknown", func(s *client.Spec) { s.Scopes = []oidc.Scope{"admin"} }},
		{"a scope twice", "scope_repeated", func(s *client.Spec) { s.Scopes = []oidc.Scope{oidc.ScopeLicenseRead, oidc.ScopeLicenseRead} }},
		{"administration with issuing", "scopes_combined", func(s *client.Spec) { s.Scopes = oidc.Scopes() }},
		{"items with issuing", "scopes_combined", func(s *client.Spec) { s.Scopes = []oidc.Scope{oidc.ScopeItemWrite, oidc.ScopeLicenseIssue} }},
		{"people with issuing", "scopes_combined", func(s *client.Spec) {
			s.Scopes, s.PeopleSources, s.PeopleLevel = []oidc.Scope{oidc.ScopePeopleWrite, oidc.ScopeLicenseIssue}, []string{"portal"}, 1
		}},
		{"people without a source", "people_source_missing", func(s *client.Spec) { s.Scopes, s.PeopleLevel = []oidc.Scope{oidc.ScopePeopleWrite}, 1 }},
		{"people without a level", "people_level_invalid", func(s *client.Spec) {
			s.Scopes, s.PeopleSources = []oidc.Scope{oidc.ScopePeopleWrite}, []string{"portal"}
		}},
		{"people above all levels", "people_level_invalid", func(s *client.Spec) {
			s.Scopes, s.PeopleSources, s.PeopleLevel = []oidc.Scope{oidc.ScopePeopleWrite}, []string{"portal"}, 4
		}},
		{"a source twice", "people_source_invalid", func(s *client.Spec) {
			s.Scopes, s.PeopleSources, s.PeopleLevel = []oidc.Scope{oidc.ScopePeopleWrite}, []string{"portal", "portal"}, 1
		}},
		{"a source that is none", "people_source_invalid", func(s *client.Spec) {
			s.Scopes, s.PeopleSources, s.PeopleLevel = []oidc.Scope{oidc.ScopePeopleWrite}, []string{"por tal"}, 1
		}},
		{"21 sources", "people_source_invalid", func(s *client.Spec) {
			s.Scopes, s.PeopleSources, s.PeopleLevel = []oidc.Scope{oidc.ScopePeopleWrite}, strings.Split(strings.Repeat("x,", 20)+"x", ","), 1
		}},
		{"a source without the scope", "people_source_unused", func(s *client.Spec) { s.PeopleSources = []string{"portal"} }},
		{"people in logins alone", "people_refused", func(s *client.Spec) {
			s.Scopes, s.PeopleSources, s.PeopleLevel = []oidc.Scope{oidc.ScopePeopleWrite, oidc.ScopeOpenID}, []string{"portal"}, 1
			s.GrantTypes, s.RedirectURIs = []oidc.GrantType{oidc.GrantCode}, []string{"https://rp.example/cb"}
		}},
		{"a login's scope without logins", "scopes_without_login", func(s *client.Spec) { s.Scopes = []oidc.Scope{oidc.ScopeOpenID} }},
		{"unknown grant", "grant_type_unknown", func(s *client.Spec) { s.GrantTypes = []oidc.GrantType{"password"} }},
		{"unknown method", "auth_method_unknown", func(s *client.Spec) { s.AuthMethods = []oidc.AuthMethod{"private_key_jwt"} }},
		{"public without logins", "public_client", func(s *client.Spec) { s.AuthMethods = []oidc.AuthMethod{oidc.AuthNone} }},
		{"redirects without logins", "redirect_uri_unused", func(s *client.Spec) { s.RedirectURIs = []string{"https://rp.example/cb"} }},
		{"no participant", "participant_unknown", func(s *client.Spec) { s.Participant = "" }},
		{"unknown participant", "participant_unknown", func(s *client.Spec) { s.Participant = identity.NewID() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := client.Spec{Name: "x", Participant: c.Participant, Scopes: []oidc.Scope{oidc.ScopeLicenseRead}}
			test.change(&s)
			_, secret, err := f.provider.CreateClient(t.Context(), operator, s)
			e, ok := errors.AsType[*oidc.RegistrationError](err)
			if !ok || e.Reason != test.reason || secret != (oidc.Secret{}) {
				t.Errorf("got %v, want reason %s", err, test.reason)
			}
		})
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	s := oidc.NewSecret()
	text := s.Reveal()
	if len(text) != 47 || !strings.HasPrefix(text, "yzs_") || oidc.NewSecret() == s {
		t.Fatalf("secret has %d characters", len(text))
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "secret", s, "credentials", client.Credentials{Secret: s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "pointer", &s, "token", token.Token{Access: s})
	marshaled, err := json.Marshal(map[string]any{"a": s, "b": token.Token{Access: s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		log.String(), string(marshaled), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%+v", client.Credentials{Secret: s}), fmt.Sprintf("%#v", []oidc.Secret{s}),
	} {
		if strings.Contains(shown, text) || strings.Contains(shown, text[4:20]) || strings.Contains(shown, fmt.Sprintf("%x", text)) {
			t.Errorf("the secret is in %s", shown)
		}
	}
}

func TestStoredClientHoldsNoSecret(t *testing.T) {
	f := newFixture(t)
	c, secret := f.client(t, oidc.ScopeLicenseRead)
	body := f.clients[c.ID].Body
	if bytes.Contains(body, []byte(secret.Reveal()[4:])) {
		t.Errorf("stored body holds the secret: %s", body)
	}
	if !bytes.Contains(body, []byte(`"alg":"sha-256"`)) {
		t.Errorf("stored body doesn't name the hash: %s", body)
	}
}

func TestAuthenticate(t *testing.T) {
	f := newFixture(t)
	c, secret := f.client(t, oidc.ScopeLicenseRead)
	other, otherSecret := f.client(t, oidc.ScopeLicenseRead)
	for _, test := range []struct {
		name        string
		credentials client.Credentials
		code        oidc.Code
		reason      string
	}{
		{"right", client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: secret}, "", ""},
		{"right, in the body", client.Credentials{ID: c.ID, Method: oidc.AuthPost, Secret: secret}, "", ""},
		{"wrong secret", client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: oidc.NewSecret()}, oidc.InvalidClient, "credentials"},
		{"another's secret", client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: otherSecret}, oidc.InvalidClient, "credentials"},
		{"no secret", client.Credentials{ID: other.ID, Method: oidc.AuthBasic}, oidc.InvalidClient, "credentials"},
		{"unknown client", client.Credentials{ID: identity.NewID(), Method: oidc.AuthBasic, Secret: secret}, oidc.InvalidClient, "credentials"},
		{"not an id", client.Credentials{ID: "' or 1=1 --", Method: oidc.AuthBasic, Secret: secret}, oidc.InvalidClient, "credentials"},
		{"no method", client.Credentials{ID: c.ID, Secret: secret}, oidc.InvalidClient, "auth_method"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := f.Authenticate(t.Context(), test.credentials)
			if code, reason := codeOf(t, err); code != test.code || reason != test.reason {
				t.Errorf("got %q %q, want %q %q", code, reason, test.code, test.reason)
			}
			if (err == nil) != (got.ID == test.credentials.ID && got.ID != "") {
				t.Errorf("got client %q with error %v", got.ID, err)
			}
		})
	}
}

func TestRotateSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		elsewhere := f.another(t)
		c, first := f.client(t, oidc.ScopeLicenseRead)
		good := func(p *provider, s oidc.Secret) bool {
			_, err := p.Authenticate(t.Context(), client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: s})
			return err == nil
		}
		if !good(elsewhere, first) {
			t.Fatal("the first secret is refused")
		}
		time.Sleep(time.Second)
		_, second, err := f.RotateSecret(t.Context(), operator, c.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if !good(elsewhere, second) {
			t.Error("another process, which has read the client a second ago, refuses its new secret")
		}
		if !good(f.provider, first) || !good(f.provider, second) {
			t.Error("during the overlap one of two secrets is refused")
		}
		time.Sleep(30 * time.Minute)
		_, third, err := f.RotateSecret(t.Context(), operator, c.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if good(f.provider, first) {
			t.Error("three secrets are live")
		}
		if !good(f.provider, second) || !good(f.provider, third) {
			t.Error("after the second rotation a live secret is refused")
		}
		time.Sleep(time.Hour)
		if good(f.provider, second) || !good(f.provider, third) {
			t.Error("the overlap doesn't end, or ends the new secret")
		}
		_, fourth, err := f.RotateSecret(t.Context(), operator, c.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if good(f.provider, third) || !good(f.provider, fourth) {
			t.Error("without an overlap the old secret lives on")
		}
		for _, overlap := range []time.Duration{-1, client.MaxOverlap + 1} {
			if _, _, err := f.RotateSecret(t.Context(), operator, c.ID, overlap); err == nil {
				t.Errorf("an overlap of %v was accepted", overlap)
			}
		}
		if _, _, err := f.RotateSecret(t.Context(), operator, identity.NewID(), 0); !errors.Is(err, oidc.ErrNotFound) {
			t.Errorf("an unknown client: %v", err)
		}
	})
}

func TestWrongSecretsDoNotBecomeReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c, _ := f.client(t, oidc.ScopeLicenseRead)
		f.reads = 0
		for range 1000 {
			if _, err := f.Authenticate(t.Context(), client.Credentials{ID: c.ID, Method: oidc.AuthBasic, Secret: oidc.NewSecret()}); err == nil {
				t.Fatal("a wrong secret was accepted")
			}
			time.Sleep(time.Millisecond)
		}
		if f.reads > 6 {
			t.Errorf("1000 wrong secrets in a second became %d readings", f.reads)
		}
	})
}

func TestChangesLeaveEvents(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseRead)
	if _, _, err := f.RotateSecret(t.Context(), operator, c.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DisableClient(t.Context(), operator, c.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.EnableClient(t.Context(), operator, c.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.provider.CreateClient(t.Context(), operator, client.Spec{Name: "x", Participant: identity.NewID(), Scopes: []oidc.Scope{oidc.ScopeLicenseRead}}); err == nil {
		t.Fatal("a client of nobody was created")
	}
	want := []string{
		"participant.create begun", "participant.create ok", "client.create begun", "client.create ok",
		"client.rotate_secret begun", "client.rotate_secret ok", "client.disable begun", "client.disable ok",
		"client.enable begun", "client.enable ok", "client.create begun", "client.create participant_unknown",
	}
	if got := f.results(); !slices.Equal(got, want) {
		t.Errorf("events are %q, want %q", got, want)
	}
	for _, e := range f.events {
		if !e.Fits(journal.Private{}) || e.Actor.ID != "cli" || e.Subject == "" || e.At.IsZero() || e.ID == "" {
			t.Errorf("event is %+v", e)
		}
	}
}

func TestNoChangeWithoutARecord(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseRead)
	f.fails = errors.New("disk full")
	if _, err := f.DisableClient(t.Context(), operator, c.ID); !errors.Is(err, f.fails) {
		t.Errorf("got %v", err)
	}
	if f.clients[c.ID].Disabled {
		t.Error("the client was disabled without an event")
	}
}

func TestConcurrentChangesAllHappen(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseRead)
	errs := make(chan error, 2)
	go func() { _, err := f.DisableClient(context.Background(), operator, c.ID); errs <- err }()
	go func() { _, _, err := f.another(t).RotateSecret(context.Background(), operator, c.ID, 0); errs <- err }()
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	got, err := f.Client(t.Context(), c.ID)
	if err != nil || !got.Disabled || got.Revision != 3 || bytes.Equal(got.Secrets[0].Sum, c.Secrets[0].Sum) {
		t.Errorf("client is %+v, %v", got, err)
	}
}

func TestUpdateParticipant(t *testing.T) {
	f := newFixture(t)
	first, _ := f.client(t, oidc.ScopeLicenseRead)
	second, _ := f.client(t, oidc.ScopeLicenseRead)
	upper, err := f.Participant(t.Context(), first.Participant)
	if err != nil {
		t.Fatal(err)
	}
	lower, err := f.Participant(t.Context(), second.Participant)
	if err != nil {
		t.Fatal(err)
	}
	lower.Parent = upper.ID
	if lower, err = f.provider.UpdateParticipant(t.Context(), operator, lower); err != nil || lower.Revision != 2 {
		t.Fatalf("got %+v, %v", lower, err)
	}
	for _, test := range []struct {
		name, reason string
		change       func() identity.Participant
	}{
		{"a circle", "parent_invalid", func() identity.Participant { p := upper; p.Parent = lower.ID; return p }},
		{"unknown parent", "parent_invalid", func() identity.Participant { p := upper; p.Parent = identity.NewID(); return p }},
		{"unknown successor", "successor_invalid", func() identity.Participant { p := upper; p.Successor = identity.NewID(); return p }},
		{"another code", "uscc_fixed", func() identity.Participant { p := upper; p.USCC = lower.USCC; return p }},
		{"no name", "name_invalid", func() identity.Participant { p := upper; p.Name = ""; return p }},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := f.provider.UpdateParticipant(t.Context(), operator, test.change())
			if e, ok := errors.AsType[*identity.Error](err); !ok || string(e.Reason) != test.reason {
				t.Errorf("got %v, want %s", err, test.reason)
			}
		})
	}
	lower.Revision = 1
	if _, err := f.provider.UpdateParticipant(t.Context(), operator, lower); !errors.Is(err, identity.ErrConflict) {
		t.Errorf("an old revision: %v", err)
	}
}
