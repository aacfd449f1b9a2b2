package factor_test

import (
	"strings"
	"testing"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/device"
	"yizheng.internal/oidc/identity/identitytest"
)

// FuzzDevice reads cookies that browsers may send: none makes a device known but
// those that were made for the account.
func FuzzDevice(f *testing.F) {
	w := identitytest.NewWorld(f)
	me := identity.NewID()
	mine, err := w.DeviceToken(f.Context(), identity.Account{ID: me}, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mine)
	f.Add(mine + "." + mine[:len(mine)-1] + "A")
	f.Add(strings.Repeat("A", len(mine)))
	f.Add("..")
	f.Fuzz(func(t *testing.T, cookie string) {
		known, err := w.KnownDevice(t.Context(), identity.Account{ID: me}, cookie)
		if err != nil || known != "" && !strings.Contains(cookie, mine) {
			t.Errorf("%q makes %q, %v", cookie, known, err)
		}
		next, err := w.DeviceToken(t.Context(), identity.Account{ID: me}, cookie)
		if err != nil || len(next) > device.Most*(len(mine)+1) {
			t.Fatalf("after %q comes %q, %v", cookie, next, err)
		}
		if known, err := w.KnownDevice(t.Context(), identity.Account{ID: me}, next); err != nil || known == "" {
			t.Errorf("%q isn't known, %v", next, err)
		}
	})
}
