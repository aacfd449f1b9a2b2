package factor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/password"
)

func TestHashesAreRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		w = w.At(t, password.Config{Memory: 128, Time: 1})
		got, err := w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "login", err, "")
		stored, err := w.Account(t.Context(), a.ID)
		identitytest.IsReason(t, "loading", err, "")
		if got.Password.Memory != 128 || stored.Password.Memory != 128 || stored.Revision != 2 || !stored.Password.Set.Equal(a.Password.Set) {
			t.Errorf("hash is %+v, revision %d", stored.Password, stored.Revision)
		}
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "login after it", err, "")
		if stored, _ = w.Account(t.Context(), a.ID); stored.Revision != 2 {
			t.Error("renewed again")
		}
	})
}

// TestChangedWhileRenewed: what is changed between a check and the renewal of its hash ends that login.
func TestChangedWhileRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		w = w.At(t, password.Config{Memory: 128, Time: 1})
		changed := false
		w.Delay = func(call string) {
			if call != "LoadAccount" || changed { // the first one is that of the renewal
				return
			}
			changed = true
			_, err := w.Change(t.Context(), a.ID, func(now *identity.Account) error {
				now.Password.Set = now.Password.Set.Add(time.Second)
				now.Secure(time.Now())
				return nil
			})
			identitytest.IsReason(t, "changing", err, "")
		}
		got, err := w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "login", err, "")
		if !changed || !got.Password.Set.Equal(a.Password.Set) || !got.Secured.Equal(a.Secured) {
			t.Errorf("the account that was checked is %+v now", got)
		}
	})
}
