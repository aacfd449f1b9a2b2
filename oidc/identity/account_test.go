package identity_test

import (
	"testing"
	"time"

	"yizheng.internal/oidc/identity"
)

// What ended stays ended, also if the next change comes from a node whose clock is behind.
func TestSecure(t *testing.T) {
	var a identity.Account
	now := time.Date(2026, 12, 1, 10, 0, 0, 0, time.FixedZone("CST", 8*3600))
	a.Secure(now)
	if !a.Secured.Equal(now) || a.Secured.Location() != time.UTC {
		t.Errorf("secured at %v", a.Secured)
	}
	before := a.Secured
	for _, behind := range []time.Duration{0, time.Hour} {
		a.Secure(now.Add(-behind))
		if !a.Secured.After(before) || a.Secured.Sub(before) > time.Second {
			t.Errorf("%v behind: %v, after %v", behind, a.Secured, before)
		}
		before = a.Secured
	}
}

func TestPhoneVerified(t *testing.T) {
	for _, test := range []struct {
		a    identity.Account
		want bool
	}{
		{identity.Account{}, false},
		{identity.Account{Phone: "+8613800138000", Proofing: identity.Proofing{Method: "in_person"}}, true},
		{identity.Account{Phone: "+8613800138000", Proofing: identity.Proofing{Method: identity.MethodImport}}, false},
		{identity.Account{Phone: "+8613800138000", Source: "portal", Proofing: identity.Proofing{Method: "in_person"}}, false},
	} {
		if got := test.a.PhoneVerified(); got != test.want {
			t.Errorf("%+v: %t", test.a, got)
		}
	}
}
