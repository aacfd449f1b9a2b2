package password_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/signing/journal"
)

func TestSetup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a, _, err := w.Register(t.Context(), identity.Registration{Name: "张小䶮", Code: identitytest.ZhangCode, LoginName: "xiaoyan", Phone: "13800138000", Actor: "cli"})
		identitytest.IsReason(t, "registering", err, "")
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan", identitytest.Password))
		identitytest.IsReason(t, "login before it", err, "login_refused")
		earlier, err := w.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		ticket, err := w.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		if stored, _ := w.Account(t.Context(), a.ID); strings.Contains(ticket, string(stored.Setup.Sum)) || len(stored.Setup.Sum) != 32 {
			t.Error("the ticket is stored as it is")
		}
		for name, bad := range map[string]string{
			"the one before it": earlier, "none": "", "the id alone": a.ID, "no id": strings.TrimPrefix(ticket, a.ID),
			"another's": identity.NewID() + ticket[26:], "changed": ticket[:30] + changed(ticket[30:31]) + ticket[31:], "longer": ticket + "A", "twice": ticket + "." + ticket,
		} {
			_, err := w.SetPassword(t.Context(), bad, identitytest.Password, "zh-CN", "r")
			identitytest.IsReason(t, name, err, "ticket_invalid")
		}
		before := w.Hash.Computed()
		_, err = w.SetPassword(t.Context(), ticket, "12345678", "zh-CN", "r")
		identitytest.IsReason(t, "a common password", err, "password_common")
		if w.Hash.Computed() != before {
			t.Error("refused tickets and passwords were hashed")
		}
		if _, err = w.SetPassword(t.Context(), ticket, identitytest.Password, "zh-CN", "r"); err != nil {
			t.Fatal("the ticket was spent with a bad password: ", err)
		}
		if m := w.SMS.Last(t); w.SMS.Count() != 1 || m.Kind != notice.PasswordSet {
			t.Errorf("%d messages, the last is %+v", w.SMS.Count(), m)
		}
		_, err = w.SetPassword(t.Context(), ticket, identitytest.Password, "zh-CN", "r")
		identitytest.IsReason(t, "again", err, "ticket_invalid")
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan", identitytest.Password))
		identitytest.IsReason(t, "login after it", err, "")
		for _, f := range w.Facts {
			if strings.Contains(string(f.Action)+f.Actor.ID+f.Subject+f.Result, ticket[27:]) {
				t.Errorf("fact %v holds the ticket", f)
			}
		}
	})
}

// slowly takes its time to record that a password is about to be set.
type slowly struct{ *identitytest.Memory }

func (s slowly) AppendEvents(ctx context.Context, es ...journal.Event) error {
	if es[0].Action == journal.ActionPasswordSet && es[0].Result == journal.ResultBegun {
		time.Sleep(3 * time.Second)
	}
	return s.Memory.AppendEvents(ctx, es...)
}

// However long it takes to set a password: sessions that the old one opened till
// then are from before it.
func TestPasswordCountsFromWhenItIsSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		s := w.Open(t, func(c *people.Config) {
			c.Journal = journal.NewRecorder(journal.Config{Log: journal.Provider, Store: slowly{w.Memory}})
		})
		ticket, err := s.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		began := time.Now()
		if a, err = s.SetPassword(t.Context(), ticket, "four quiet herons", "zh-CN", "r"); err != nil || a.Password.Set.Before(began.Add(3*time.Second)) {
			t.Errorf("set at %v, %v; it was saved 3 s after %v", a.Password.Set, err, began)
		}
	})
}

func changed(c string) string {
	if c == "A" {
		return "B"
	}
	return "A"
}

func TestSetupTicketExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		ticket, err := w.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		time.Sleep(15 * time.Minute)
		_, err = w.SetPassword(t.Context(), ticket, "another good one", "zh-CN", "r")
		identitytest.IsReason(t, "after 15 minutes", err, "ticket_invalid")
		ticket, err = w.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		_, err = w.SetPassword(t.Context(), ticket, "another good one", "zh-CN", "r")
		identitytest.IsReason(t, "of a disabled account", err, "ticket_invalid")
		if _, err := w.SetupTicket(t.Context(), "cli", identity.NewID()); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("a ticket for nobody: %v", err)
		}
	})
}

// Of uses side by side one succeeds, and the password is that one's.
func TestSetupSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		ticket, err := w.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		var mu sync.Mutex
		var winners []string
		var wg sync.WaitGroup
		for _, one := range []string{"first guess of mine", "second thought", "third time lucky", "fourth and last"} {
			wg.Go(func() {
				if _, err := w.SetPassword(t.Context(), ticket, one, "zh-CN", "r"); err == nil {
					mu.Lock()
					defer mu.Unlock()
					winners = append(winners, one)
				} else if e, ok := errors.AsType[*identity.Error](err); !ok || e.Reason != "ticket_invalid" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(winners) != 1 {
			t.Fatalf("winners are %q", winners)
		}
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("13800138000", winners[0]))
		identitytest.IsReason(t, "login", err, "")
	})
}

// A change that comes between is neither lost nor undone.
func TestChangesSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		ticket, err := w.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		// Disabled after SetPassword looked, before it saves.
		w.Delay = func(call string) {
			if call != "UpdateAccount" {
				return
			}
			w.Delay = nil
			if _, err := w.DisableAccount(t.Context(), "cli", a.ID, true); err != nil {
				t.Error(err)
			}
		}
		_, err = w.SetPassword(t.Context(), ticket, "another good one", "zh-CN", "r")
		identitytest.IsReason(t, "disabled in between", err, "ticket_invalid")
		stored, err := w.Account(t.Context(), a.ID)
		if err != nil || !stored.Disabled || !bytes.Equal(stored.Password.Sum, a.Password.Sum) {
			t.Errorf("account is %+v, %v", stored, err)
		}
		if got := w.Results(); !slices.Contains(got, "account.set_password ticket_invalid") {
			t.Errorf("facts are %v", got)
		}
	})
}
