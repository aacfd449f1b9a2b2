package oidc

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
	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// codeOf returns the OAuth error code and reason, "" for no error.
func codeOf(t testing.TB, err error) (Code, string) {
	t.Helper()
	if err == nil {
		return "", ""
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("got %v, want an *Error", err)
	}
	return e.Code, e.Reason
}

func TestCreateClientRefuses(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, ScopeLicenseRead)
	for _, test := range []struct {
		name, reason string
		change       func(*ClientSpec)
	}{
		{"no name", "name_invalid", func(s *ClientSpec) { s.Name = "" }},
		{"a name in no language", "names_invalid", func(s *ClientSpec) { s.Names = party.Names{"EN": "x"} }},
		{"an invisible English name", "names_invalid", func(s *ClientSpec) { s.Names = party.Names{"en": "\u200d"} }},
		{"no scope", "scopes_missing", func(s *ClientSpec) { s.Scopes = nil }},
		{"unknown scope", "scope_unknown", func(s *ClientSpec) { s.Scopes = []Scope{"admin"} }},
		{"a scope twice", "scope_repeated", func(s *ClientSpec) { s.Scopes = []Scope{ScopeLicenseRead, ScopeLicenseRead} }},
		{"administration with issuing", "scopes_combined", func(s *ClientSpec) { s.Scopes = Scopes() }},
		{"items with issuing", "scopes_combined", func(s *ClientSpec) { s.Scopes = []Scope{ScopeItemWrite, ScopeLicenseIssue} }},
		{"a login's scope without logins", "scopes_without_login", func(s *ClientSpec) { s.Scopes = []Scope{ScopeOpenID} }},
		{"unknown grant", "grant_type_unknown", func(s *ClientSpec) { s.GrantTypes = []GrantType{"password"} }},
		{"unknown method", "auth_method_unknown", func(s *ClientSpec) { s.AuthMethods = []AuthMethod{"private_key_jwt"} }},
		{"public without logins", "public_client", func(s *ClientSpec) { s.AuthMethods = []AuthMethod{AuthNone} }},
		{"redirects without logins", "redirect_uri_unused", func(s *ClientSpec) { s.RedirectURIs = []string{"https://rp.example/cb"} }},
		{"no participant", "participant_unknown", func(s *ClientSpec) { s.Participant = "" }},
		{"unknown participant", "participant_unknown", func(s *ClientSpec) { s.Participant = identity.NewID() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := ClientSpec{Name: "x", Participant: c.Participant, Scopes: []Scope{ScopeLicenseRead}}
			test.change(&s)
			_, secret, err := f.Provider.CreateClient(t.Context(), operator, s)
			e, ok := errors.AsType[*RegistrationError](err)
			if !ok || e.Reason != test.reason || secret != (Secret{}) {
				t.Errorf("got %v, want reason %s", err, test.reason)
			}
		})
	}
}

func TestClientOfAnEarlierProgramLoads(t *testing.T) {
	c, err := clientOf(ClientRecord{ID: "x", Body: []byte(`{"name":"n","scopes":["license:read"],"redirect_uris":["https://later.example"]}`)})
	if err != nil || c.Name != "n" || c.ID != "x" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := clientOf(ClientRecord{ID: "x", Body: []byte(`{`)}); err == nil {
		t.Error("a broken body was read")
	}
}

func TestSecretDoesNotPrint(t *testing.T) {
	s := NewSecret()
	text := s.Reveal()
	if len(text) != 47 || !strings.HasPrefix(text, "yzs_") || NewSecret() == s {
		t.Fatalf("secret has %d characters", len(text))
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "secret", s, "credentials", Credentials{Secret: s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "pointer", &s, "token", Token{Access: s})
	marshaled, err := json.Marshal(map[string]any{"a": s, "b": Token{Access: s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{
		log.String(), string(marshaled), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s),
		fmt.Sprintf("%+v", Credentials{Secret: s}), fmt.Sprintf("%#v", []Secret{s}),
	} {
		if strings.Contains(shown, text) || strings.Contains(shown, text[4:20]) || strings.Contains(shown, fmt.Sprintf("%x", text)) {
			t.Errorf("the secret is in %s", shown)
		}
	}
}

func TestStoredClientHoldsNoSecret(t *testing.T) {
	f := newFixture(t)
	c, secret := f.client(t, ScopeLicenseRead)
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
	c, secret := f.client(t, ScopeLicenseRead)
	other, otherSecret := f.client(t, ScopeLicenseRead)
	for _, test := range []struct {
		name        string
		credentials Credentials
		code        Code
		reason      string
	}{
		{"right", Credentials{ID: c.ID, Method: AuthBasic, Secret: secret}, "", ""},
		{"right, in the body", Credentials{ID: c.ID, Method: AuthPost, Secret: secret}, "", ""},
		{"wrong secret", Credentials{ID: c.ID, Method: AuthBasic, Secret: NewSecret()}, InvalidClient, "credentials"},
		{"another's secret", Credentials{ID: c.ID, Method: AuthBasic, Secret: otherSecret}, InvalidClient, "credentials"},
		{"no secret", Credentials{ID: other.ID, Method: AuthBasic}, InvalidClient, "credentials"},
		{"unknown client", Credentials{ID: identity.NewID(), Method: AuthBasic, Secret: secret}, InvalidClient, "credentials"},
		{"not an id", Credentials{ID: "' or 1=1 --", Method: AuthBasic, Secret: secret}, InvalidClient, "credentials"},
		{"no method", Credentials{ID: c.ID, Secret: secret}, InvalidClient, "auth_method"},
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

// The zero Client stands for an unknown one; the dummy must match nothing.
func TestUnknownClientMatchesNothing(t *testing.T) {
	for _, s := range []Secret{{}, NewSecret(), SecretOf(string(dummySum))} {
		if (Client{}).matches(s, time.Now()) {
			t.Error("a client without secrets matched")
		}
	}
	dead := Client{Secrets: []SecretHash{{Algorithm: "md5", Sum: dummySum}, {Algorithm: hashSHA256, Sum: nil}}}
	if dead.matches(Secret{}, time.Now()) {
		t.Error("an unusable hash matched")
	}
}

func TestRotateSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		elsewhere := f.another(t)
		c, first := f.client(t, ScopeLicenseRead)
		good := func(p *Provider, s Secret) bool {
			_, err := p.Authenticate(t.Context(), Credentials{ID: c.ID, Method: AuthBasic, Secret: s})
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
		if !good(f.Provider, first) || !good(f.Provider, second) {
			t.Error("during the overlap one of two secrets is refused")
		}
		time.Sleep(30 * time.Minute)
		_, third, err := f.RotateSecret(t.Context(), operator, c.ID, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if good(f.Provider, first) {
			t.Error("three secrets are live")
		}
		if !good(f.Provider, second) || !good(f.Provider, third) {
			t.Error("after the second rotation a live secret is refused")
		}
		time.Sleep(time.Hour)
		if good(f.Provider, second) || !good(f.Provider, third) {
			t.Error("the overlap doesn't end, or ends the new secret")
		}
		_, fourth, err := f.RotateSecret(t.Context(), operator, c.ID, 0)
		if err != nil {
			t.Fatal(err)
		}
		if good(f.Provider, third) || !good(f.Provider, fourth) {
			t.Error("without an overlap the old secret lives on")
		}
		for _, overlap := range []time.Duration{-1, MaxOverlap + 1} {
			if _, _, err := f.RotateSecret(t.Context(), operator, c.ID, overlap); err == nil {
				t.Errorf("an overlap of %v was accepted", overlap)
			}
		}
		if _, _, err := f.RotateSecret(t.Context(), operator, identity.NewID(), 0); !errors.Is(err, ErrNotFound) {
			t.Errorf("an unknown client: %v", err)
		}
	})
}

// A rotation never ends a secret later than it would have ended anyway.
func TestRotationDoesNotProlong(t *testing.T) {
	now := time.Now()
	c := Client{}.rotate(NewSecret(), 0, now).rotate(NewSecret(), time.Minute, now)
	c.Secrets = c.Secrets[1:] // the one that ends within a minute
	c = c.rotate(NewSecret(), time.Hour, now)
	if got := c.Secrets[1].Expires; !got.Equal(now.Add(time.Minute)) {
		t.Errorf("the secret now ends at %v", got)
	}
}

func TestWrongSecretsDoNotBecomeReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		c, _ := f.client(t, ScopeLicenseRead)
		f.reads = 0
		for range 1000 {
			if _, err := f.Authenticate(t.Context(), Credentials{ID: c.ID, Method: AuthBasic, Secret: NewSecret()}); err == nil {
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
	c, _ := f.client(t, ScopeLicenseRead)
	if _, _, err := f.RotateSecret(t.Context(), operator, c.ID, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DisableClient(t.Context(), operator, c.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.EnableClient(t.Context(), operator, c.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Provider.CreateClient(t.Context(), operator, ClientSpec{Name: "x", Participant: identity.NewID(), Scopes: []Scope{ScopeLicenseRead}}); err == nil {
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
	c, _ := f.client(t, ScopeLicenseRead)
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
	c, _ := f.client(t, ScopeLicenseRead)
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
	first, _ := f.client(t, ScopeLicenseRead)
	second, _ := f.client(t, ScopeLicenseRead)
	upper, err := f.Participant(t.Context(), first.Participant)
	if err != nil {
		t.Fatal(err)
	}
	lower, err := f.Participant(t.Context(), second.Participant)
	if err != nil {
		t.Fatal(err)
	}
	lower.Parent = upper.ID
	if lower, err = f.Provider.UpdateParticipant(t.Context(), operator, lower); err != nil || lower.Revision != 2 {
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
			_, err := f.Provider.UpdateParticipant(t.Context(), operator, test.change())
			if e, ok := errors.AsType[*identity.Error](err); !ok || e.Reason != test.reason {
				t.Errorf("got %v, want %s", err, test.reason)
			}
		})
	}
	lower.Revision = 1
	if _, err := f.Provider.UpdateParticipant(t.Context(), operator, lower); !errors.Is(err, identity.ErrConflict) {
		t.Errorf("an old revision: %v", err)
	}
}
