package identity_test

import (
	"errors"
	"slices"
	"testing"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/signing"
)

// Somebody is found by a number, also one that they hold no longer. Of nobody as much is asked and
// opened as of somebody.
func TestFindSomeone(t *testing.T) {
	w := identitytest.NewWorld(t)
	a := w.Zhang(t)
	for range 2 { // the first one makes the decoy
		w.Asked()
		who, err := identity.NewRoster(w.Service).FindSomeone(t.Context(), identitytest.ZhangCode)
		if err != nil || who.Account.ID != a.ID || who.Party.ID != a.Party {
			t.Fatalf("found %v, %v", who, err)
		}
		known := w.Asked()
		_, err = identity.NewRoster(w.Service).FindSomeone(t.Context(), identitytest.LiCode)
		if !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		if unknown := w.Asked(); !slices.Equal(known, unknown) || len(known) != 3 {
			t.Errorf("asked %q for somebody and %q for nobody", known, unknown)
		}
	}
	if who, err := identity.NewRoster(w.Service).Someone(t.Context(), a.ID); err != nil || who.Party.Name != "张小䶮" {
		t.Errorf("read %v, %v", who, err)
	}
	for _, id := range []string{"", "x", identity.NewID()} {
		if _, err := identity.NewRoster(w.Service).Someone(t.Context(), id); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

// Whoever writes the database can't have one person's number lead to another.
func TestFindSomeoneElse(t *testing.T) {
	w := identitytest.NewWorld(t)
	a := w.Zhang(t)
	p := w.Memory.Parties[a.Party]
	other, err := w.Vault.Lookups(t.Context(), "party.code", string(party.Citizen), identitytest.LiCode.Value)
	if err != nil {
		t.Fatal(err)
	}
	p.Codes = append(p.Codes, other...)
	w.Memory.Parties[a.Party] = p
	if _, err := identity.NewRoster(w.Service).FindSomeone(t.Context(), identitytest.LiCode); !errors.Is(err, signing.ErrAltered) {
		t.Errorf("another's number: %v", err)
	}
}
