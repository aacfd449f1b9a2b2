package grant

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"testing"

	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

// TestTypes: whatever grant type is added to the list says what the others ask of it.
func TestTypes(t *testing.T) {
	for i, g := range types {
		if g.redeem == nil || slices.ContainsFunc(types[:i], func(other grantType) bool { return other.Type == g.Type }) {
			t.Errorf("%s is not redeemed, or stands twice in the list", g.Type)
		}
		if _, err := url.Parse(string(g.Type)); g.Type == "" || err != nil { // RFC 6749 section 4.5: a name of its own is a URI
			t.Errorf("%q can't be a grant type: %v", g.Type, err)
		}
		if g.With != "" {
			with, ok := RuleOf(g.With, true)
			if !ok || with.With != "" || g.People != with.People {
				t.Errorf("%s goes on with %s, of which there is %+v", g.Type, g.With, with)
			}
		}
	}
}

func TestRules(t *testing.T) {
	if all := Types(true); !slices.Equal(all, []oidc.GrantType{oidc.GrantCode, oidc.GrantRefresh, oidc.GrantClientCredentials}) {
		t.Errorf("with logins %q", all)
	}
	if all := Types(false); !slices.Equal(all, []oidc.GrantType{oidc.GrantClientCredentials}) {
		t.Errorf("without logins %q", all)
	}
	for _, people := range []bool{true, false} {
		for _, g := range Types(true) {
			if r, ok := RuleOf(g, people); ok != slices.Contains(Types(people), g) || r.Type != g {
				t.Errorf("the rule of %s, logins %t: %+v, %t", g, people, r, ok)
			}
		}
	}
	if _, ok := RuleOf("password", true); ok {
		t.Error("there is a rule of passwords")
	}
}

// events keeps what is recorded.
type events []journal.Event

func (all *events) AppendEvents(_ context.Context, es ...journal.Event) error {
	*all = append(*all, es...)
	return nil
}

// TestUnsupportedGrantType: a grant type that there isn't is refused and leaves an event as
// every other refusal does, but for clients that anybody could be.
func TestUnsupportedGrantType(t *testing.T) {
	var left events
	s := New(Config{Journal: oidc.NewRecorder(&left, nil)})
	for _, tt := range []struct {
		client oidc.Client
		want   int
	}{{oidc.Client{ID: "public", AuthMethods: []oidc.AuthMethod{oidc.AuthNone}}, 0}, {oidc.Client{ID: "confidential"}, 1}} {
		_, err := s.Redeem(t.Context(), tt.client, Request{Type: "password", RequestID: "r1"})
		if e, ok := errors.AsType[*oidc.Error](err); !ok || e.Code != oidc.UnsupportedGrantType {
			t.Errorf("redeeming a password: %v", err)
		}
		if len(left) != tt.want {
			t.Errorf("%s leaves %d events, want %d", tt.client.ID, len(left), tt.want)
		}
	}
	if e := left[0]; e.Action != journal.ActionTokenRefuse || e.Result != "grant_type_unsupported" || e.Actor.ID != "confidential" || e.RequestID != "r1" {
		t.Errorf("event %+v", e)
	}
}
