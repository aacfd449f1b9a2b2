package phonecode_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/device"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/onetime"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/oidc/identity/tries"
)

// phoneOf returns the phone of an attempt in the form of E.164.
func phoneOf(t *testing.T, a phonecode.Attempt) string {
	t.Helper()
	phone, err := identity.ReadPhone(a.Phone)
	identitytest.IsReason(t, a.Phone, err, "")
	return phone
}

// Strangers use up what strangers have of a phone; a device that the account knows still gets codes,
// within limits of its own.
func TestLimitsOfPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		for i := range 5 {
			stranger := attempt(zhang)
			stranger.Binding = fmt.Sprint("stranger ", i)
			send(t, w, stranger)
		}
		for _, phone := range []string{zhang, "+86 13800138000", "008613800138000"} {
			_, err := w.Phones.Send(t.Context(), attempt(phone))
			identitytest.IsReason(t, "a stranger's sixth", err, "too_many_codes")
		}
		known := attempt(zhang)
		var err error
		known.Device, err = w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device", err, "")
		for i := range 5 {
			known.Binding = fmt.Sprint("known ", i)
			send(t, w, known)
		}
		known.Binding = "known once more"
		_, err = w.Phones.Send(t.Context(), known)
		identitytest.IsReason(t, "the known device's sixth", err, "too_many_codes")
	})
}

// An address gets so many codes, for whatever phones; a known device at it isn't shut out.
func TestLimitsOfAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		for i := range 100 {
			send(t, w, attempt(fmt.Sprintf("139%08d", i)))
		}
		_, err := w.Phones.Send(t.Context(), attempt(zhang))
		identitytest.IsReason(t, "the address's next", err, "too_many_codes")
		elsewhere := attempt(nobody)
		elsewhere.Address = netip.MustParseAddr("192.0.2.8")
		send(t, w, elsewhere)
		known := attempt(zhang)
		known.Device, err = w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device", err, "")
		send(t, w, known)
		for i := range 300 {
			from := attempt(fmt.Sprintf("137%08d", i))
			from.Address = netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::1", i))
			send(t, w, from)
		}
		from := attempt("13600136000")
		from.Address = netip.MustParseAddr("2001:db8:0:ffff::1")
		_, err = w.Phones.Send(t.Context(), from)
		identitytest.IsReason(t, "the /48's next", err, "too_many_codes")
	})
}

// A day's codes lie in shares, each within the next. Beyond one nothing is sent, no code is right, and
// a stranger sees what they saw before, in the same time; what is wider isn't used up by that.
func TestShares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		w.SMS.Takes = 300 * time.Millisecond
		w.Node = w.Open(t, func(c *people.Config) { c.SMSPerDay = 8 }) // 1 abroad, 4 without an account, 6 for strangers
		withheld := func(what string, a phonecode.Attempt) {
			t.Helper()
			began, before := time.Now(), w.SMS.Count()
			sent, err := w.Phones.Send(t.Context(), a)
			if err != nil || sent.Again != time.Minute || time.Since(began) != time.Second || w.SMS.Count() != before {
				t.Errorf("%s: %+v, %v, after %s, %d messages", what, sent, err, time.Since(began), w.SMS.Count()-before)
			}
			log := slog.New(slog.DiscardHandler)
			kept, err := onetime.New(tries.New(w.Memory, w.Vault, log), w.Memory, w.Vault, log).Load(t.Context(), onetime.Key{Subject: "phone", Binding: phoneOf(t, a) + "." + a.Binding})
			if err != nil || !kept.Void {
				t.Errorf("%s: the code that nobody got is good: %+v, %v", what, kept, err)
			}
		}
		began := time.Now()
		send(t, w, attempt("+447700900123"))
		if time.Since(began) != time.Second {
			t.Errorf("a code takes %s", time.Since(began))
		}
		for range 3 {
			withheld("abroad", attempt("+447700900124"))
			time.Sleep(time.Minute)
		}
		for i := range 3 {
			send(t, w, attempt(fmt.Sprintf("139%08d", i)))
		}
		withheld("phones without an account", attempt(nobody))
		for i := range 2 {
			stranger := attempt(zhang)
			stranger.Binding = fmt.Sprint("stranger ", i)
			send(t, w, stranger)
		}
		withheld("strangers", attempt(zhang))
		known := attempt(zhang)
		var err error
		known.Device, err = w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device", err, "")
		for i := range 2 {
			known.Binding = fmt.Sprint("known ", i)
			send(t, w, known)
		}
		known.Binding = "known at last"
		_, err = w.Phones.Send(t.Context(), known)
		identitytest.IsReason(t, "a known device is told", err, "codes_used_up")
		time.Sleep(24 * time.Hour)
		send(t, w, attempt(zhang))
	})
}

// A browser in which somebody logged in with their phone gets codes of its own, whatever strangers do.
// It opens nothing that a stranger's doesn't.
func TestDeviceOfPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		own := attempt(zhang)
		var err error
		own.Device, err = w.Phones.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device", err, "")
		if known, err := device.New(w.Vault).Known(t.Context(), a, own.Device); known != "" || err != nil {
			t.Errorf("it eases guessing the password: %q, %v", known, err)
		}
		for i := range 6 {
			stranger := attempt(zhang)
			stranger.Binding = fmt.Sprint("stranger ", i)
			_, _ = w.Phones.Send(t.Context(), stranger)
		}
		ask(t, w, own) // and not an account
		_, _, err = w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: a.ID, To: another})
		identitytest.IsReason(t, "another phone", err, "")
		own.Phone, own.Binding = another, "later"
		for i := range 5 {
			stranger := attempt(another)
			stranger.Binding = fmt.Sprint("stranger ", i)
			send(t, w, stranger)
		}
		_, err = w.Phones.Send(t.Context(), own)
		identitytest.IsReason(t, "after the phone changed", err, "too_many_codes")
	})
}

// After thirty wrong codes from strangers a right one is no longer enough, but nobody is locked out.
func TestGuessingForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		identitytest.IsReason(t, "proving", w.ProvePhone(t.Context(), a.ID, a.Phone), "")
		for day := range 3 {
			for i := range 2 {
				from := attempt(zhang)
				from.Address = netip.AddrFrom4([4]byte{198, 51, 100, byte(10*day + i)})
				code := send(t, w, from)
				for range 5 {
					_, err := w.Phones.Check(t.Context(), from, wrong(code))
					identitytest.IsReason(t, "wrong", err, "code_wrong")
				}
				time.Sleep(time.Hour)
			}
			time.Sleep(24 * time.Hour)
		}
		token := ask(t, w, attempt(zhang))
		if _, err := w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", ending); err != nil {
			t.Errorf("the person is locked out: %v", err)
		}
		known := attempt(zhang)
		known.Binding = "known"
		var err error
		known.Device, err = w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device", err, "")
		if _, err := w.Phones.Check(t.Context(), known, send(t, w, known)); err != nil {
			t.Errorf("a known device: %v", err)
		}
		time.Sleep(30 * 24 * time.Hour)
		if _, err := w.Phones.Check(t.Context(), attempt(zhang), send(t, w, attempt(zhang))); err != nil {
			t.Errorf("a month later: %v", err)
		}
	})
}

// From an address that sends many wrong codes, for whatever phones, a right one isn't enough. What was
// no guess doesn't count.
func TestWrongCodesOfAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		identitytest.IsReason(t, "proving", w.ProvePhone(t.Context(), a.ID, a.Phone), "")
		for range 200 {
			_, err := w.Phones.Check(t.Context(), attempt(zhang), "123456")
			identitytest.IsReason(t, "no code was sent", err, "code_expired")
		}
		if _, err := w.Phones.Check(t.Context(), attempt(zhang), send(t, w, attempt(zhang))); err != nil {
			t.Errorf("after guesses at nothing: %v", err)
		}
		for i := range 20 {
			a := attempt(fmt.Sprintf("139%08d", i))
			code := send(t, w, a)
			for range 5 {
				_, err := w.Phones.Check(t.Context(), a, wrong(code))
				identitytest.IsReason(t, "wrong", err, "code_wrong")
			}
		}
		ask(t, w, attempt(zhang))
		time.Sleep(24 * time.Hour)
		if _, err := w.Phones.Check(t.Context(), attempt(zhang), send(t, w, attempt(zhang))); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}
