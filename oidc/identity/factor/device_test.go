package factor_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/device"
	"yizheng.internal/oidc/identity/identitytest"
)

func TestDeviceToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		me, other := identity.NewID(), identity.NewID()
		token, err := w.DeviceToken(t.Context(), identity.Account{ID: me}, "")
		identitytest.IsReason(t, "making a token", err, "")
		known := func(account, cookie string) string {
			t.Helper()
			device, err := w.KnownDevice(t.Context(), identity.Account{ID: account}, cookie)
			identitytest.IsReason(t, "reading a token", err, "")
			return device
		}
		first := known(me, token)
		if first == "" || known(other, token) != "" {
			t.Fatal("the token isn't the account's alone")
		}
		if again, _ := w.DeviceToken(t.Context(), identity.Account{ID: me}, ""); known(me, again) == first {
			t.Error("two devices are one")
		}
		b, err := base64.RawURLEncoding.DecodeString(token)
		identitytest.IsReason(t, "decoding", err, "")
		if strings.Contains(string(b), me) {
			t.Error("the token names the account")
		}
		for i := range b {
			b[i] ^= 1
			if known(me, base64.RawURLEncoding.EncodeToString(b)) != "" {
				t.Errorf("byte %d can be changed", i)
			}
			b[i] ^= 1
		}
		time.Sleep(device.Life)
		if known(me, token) == "" {
			t.Error("it ended early")
		}
		time.Sleep(time.Second)
		if known(me, token) != "" {
			t.Error("it goes on after a year")
		}
	})
}

// A family shares a browser.
func TestDeviceTokensOfAFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		cookie := ""
		var family []string
		for range device.Most + 2 {
			family = append(family, identity.NewID())
			var err error
			cookie, err = w.DeviceToken(t.Context(), identity.Account{ID: family[len(family)-1]}, cookie)
			identitytest.IsReason(t, "making a token", err, "")
		}
		for range 3 { // the newest logs in again and again
			var err error
			cookie, err = w.DeviceToken(t.Context(), identity.Account{ID: family[len(family)-1]}, cookie)
			identitytest.IsReason(t, "making a token", err, "")
		}
		for i, account := range family {
			device, err := w.KnownDevice(t.Context(), identity.Account{ID: account}, cookie)
			identitytest.IsReason(t, "reading a token", err, "")
			if (device != "") != (i >= 2) {
				t.Errorf("person %d of %d: %q", i, len(family), device)
			}
		}
		if device, _ := w.KnownDevice(t.Context(), identity.Account{ID: family[len(family)-1]}, cookie+"."+cookie); device != "" {
			t.Error("a cookie of any length is read")
		}
		junk, err := w.DeviceToken(t.Context(), identity.Account{ID: family[0]}, strings.Repeat("x", 82)+"...=;\x00")
		if err != nil || strings.ContainsAny(junk, "=;\x00") {
			t.Errorf("junk stays: %q, %v", junk, err)
		}
	})
}

// A device is known by the password that it has seen: another one ends that.
func TestDeviceEndsWithPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		device, err := w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device token", err, "")
		time.Sleep(time.Millisecond) // outside of this bubble some time always passes
		try := identitytest.Attempt("", identitytest.Password)
		try.Device = device
		changed, err := w.ChangePassword(t.Context(), try, a.ID, "another good phrase")
		identitytest.IsReason(t, "changing", err, "")
		if known, err := w.KnownDevice(t.Context(), changed, device); known != "" || err != nil {
			t.Errorf("the device is still known: %v", err)
		}
		next, err := w.DeviceToken(t.Context(), changed, device)
		identitytest.IsReason(t, "another token", err, "")
		if known, err := w.KnownDevice(t.Context(), changed, next); known == "" || err != nil {
			t.Errorf("the device isn't known again: %v", err)
		}
	})
}
