package authenticator_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
)

// Both phones are told, and what was logged in ends.
func TestChangePhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		before := time.Now()
		time.Sleep(time.Second)
		change := func(phone string) {
			t.Helper()
			if _, err := w.Authenticators.ChangePhone(t.Context(), "cli", a.ID, phone, "zh-CN"); err != nil {
				t.Fatal(err)
			}
		}
		told := func(n int, want ...notice.Message) {
			t.Helper()
			if w.SMS.Count() != n {
				t.Fatalf("%d messages, want %d", w.SMS.Count(), n)
			}
			for i, m := range w.SMS.Sent()[n-len(want):] {
				if m.Phone != want[i].Phone || m.Kind != want[i].Kind || m.Text == "" || m.Code != "" {
					t.Errorf("message %d: %+v", i, m)
				}
			}
		}
		for _, same := range []string{a.Phone, "138 0013 8000"} {
			_, err := w.Authenticators.ChangePhone(t.Context(), "cli", a.ID, same, "zh-CN")
			identitytest.IsReason(t, "the phone that it has", err, "phone_unchanged")
		}
		told(0)
		change("13900139000")
		told(2, notice.Message{Phone: a.Phone, Kind: notice.PhoneChanged}, notice.Message{Phone: "+8613900139000", Kind: notice.PhoneBound})
		now, err := w.Account(t.Context(), a.ID)
		if standing := now.Standing(); err != nil || standing.Over(before, time.Time{}) == "" {
			t.Errorf("a session from before goes on: %+v, %v", standing, err)
		}
		change("")
		told(3, notice.Message{Phone: "+8613900139000", Kind: notice.PhoneChanged})
		change("13900139000")
		told(4, notice.Message{Phone: "+8613900139000", Kind: notice.PhoneBound})

		w.SMS.Fails = errors.New("no answer")
		change("13800138000")
		if now, err := w.Account(t.Context(), a.ID); err != nil || now.Phone != "+8613800138000" {
			t.Errorf("a message that isn't taken keeps the phone from changing: %v, %v", now.Phone, err)
		}
	})
}

// A phone that waits is a second factor at once if its owner was identified in person; the same, or another.
func TestConfirmPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		waits := func(want bool) {
			t.Helper()
			now, err := w.Account(t.Context(), a.ID)
			if err != nil || now.Waits(time.Now()) != want {
				t.Errorf("waits until %v, %v", now.PhoneWaits, err)
			}
		}
		_, err := w.Authenticators.ChangePhone(t.Context(), "cli", a.ID, "13900139000", "zh-CN")
		identitytest.IsReason(t, "another phone", err, "")
		waits(true)
		before := w.SMS.Count()
		had, err := w.Change(t.Context(), a.ID, func(a *identity.Account) error {
			a.Setup = identity.SetupTicket{Sum: []byte("x"), Expires: time.Now().Add(time.Hour), Phone: true}
			return nil
		})
		identitytest.IsReason(t, "a ticket by the phone", err, "")
		_, err = w.Authenticators.ConfirmPhone(t.Context(), "cli:张", a.ID, "139 0013 9000", "zh-CN")
		identitytest.IsReason(t, "the same, at the counter", err, "")
		waits(false)
		if now, err := w.Account(t.Context(), a.ID); err != nil || !now.Secured.After(had.Secured) || now.Setup.Phone {
			t.Errorf("what was logged in goes on, or the ticket counts: %+v, %v", now, err)
		}
		if sent := w.SMS.Sent()[before:]; len(sent) != 1 || sent[0].Phone != "+8613900139000" || sent[0].Kind != notice.PhoneBound {
			t.Errorf("told: %+v", sent)
		}
		_, err = w.Authenticators.ConfirmPhone(t.Context(), "cli:张", a.ID, "13700137000", "zh-CN")
		identitytest.IsReason(t, "another one, at the counter", err, "")
		waits(false)
		_, err = w.Authenticators.ChangePhone(t.Context(), "cli", a.ID, "13600136000", "zh-CN")
		identitytest.IsReason(t, "by nobody who was seen", err, "")
		waits(true)
	})
}

// An operator takes away what somebody lost, one or all; its owner is told its name, and what was
// logged in ends.
func TestRemoveFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		o := owner(a)
		for _, name := range []string{"旧手机", "新手机"} {
			setup, err := w.Authenticators.Prepare(t.Context(), o)
			identitytest.IsReason(t, "preparing", err, "")
			identitytest.IsReason(t, "adding", w.Authenticators.Add(t.Context(), o, setup.Token, name, identitytest.AppCode(t, setup.URI)), "")
			time.Sleep(time.Minute)
		}
		if _, err := w.Authenticators.MakeRecoveryCodes(t.Context(), o, ""); err != nil {
			t.Fatal(err)
		}
		before := time.Now()
		time.Sleep(time.Second)
		now, err := w.Account(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Authenticators.RemoveFor(t.Context(), "cli", a.ID, identity.NewID(), "zh-CN")
		identitytest.IsReason(t, "another's", err, "authenticator_unknown")
		left, err := w.Authenticators.RemoveFor(t.Context(), "cli", a.ID, now.Authenticators[0].ID, "zh-CN")
		if err != nil || len(left.Authenticators) != 2 || left.Authenticators[0].Name != "新手机" {
			t.Errorf("one: %+v, %v", left.Authenticators, err)
		}
		if m := w.SMS.Last(t); m.Kind != notice.AuthenticatorRemoved || !strings.Contains(m.Text, "身份验证器“旧手机”") {
			t.Errorf("the owner is told %+v", m)
		}
		if standing := left.Standing(); standing.Over(before, time.Time{}) == "" {
			t.Error("a session from before goes on")
		}
		sent := w.SMS.Count()
		left, err = w.Authenticators.RemoveFor(t.Context(), "cli", a.ID, "", "zh-CN")
		if err != nil || len(left.Authenticators) != 0 || w.SMS.Count() != sent+2 {
			t.Errorf("all: %+v, %v, %d messages", left.Authenticators, err, w.SMS.Count()-sent)
		}
		_, err = w.Authenticators.RemoveFor(t.Context(), "cli", a.ID, "", "zh-CN")
		identitytest.IsReason(t, "none are left", err, "authenticator_unknown")
	})
}
