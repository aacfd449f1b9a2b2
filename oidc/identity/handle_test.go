package identity_test

import (
	"errors"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
)

// A handle leads to its account alone, also if a row in the database says otherwise, and nobody
// types one.
func TestAccountOfHandle(t *testing.T) {
	w := identitytest.NewWorld(t)
	a := w.Zhang(t)
	device := w.AddPasskey(t, a)
	got, err := w.AccountOfHandle(t.Context(), device.Handle())
	if err != nil || got.ID != a.ID {
		t.Errorf("it leads to %q, %v", got.ID, err)
	}
	for name, handle := range map[string][]byte{"none": nil, "a short one": device.Handle()[:32], "another": identity.NewHandle()} {
		if got, err := w.AccountOfHandle(t.Context(), handle); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("%s leads to %q, %v", name, got.ID, err)
		}
	}
	li, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Password: identitytest.Password})
	if err != nil {
		t.Fatal(err)
	}
	mine, others := w.Accounts[a.ID], w.Accounts[li.ID]
	mine.Logins, others.Logins = others.Logins, mine.Logins
	w.Accounts[a.ID], w.Accounts[li.ID] = mine, others
	if got, err := w.AccountOfHandle(t.Context(), device.Handle()); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("an altered row leads it to %q, %v", got.ID, err)
	}
}
