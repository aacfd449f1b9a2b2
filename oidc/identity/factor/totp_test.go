package factor_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pquerna/otp"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
)

// The vectors of RFC 6238 appendix B, for SHA-1: the last six of their eight digits.
func TestTOTPVectors(t *testing.T) {
	for unix, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		s := factor.TOTPSecret{Secret: []byte("12345678901234567890")}
		if !s.Take(code, time.Unix(unix, 0)) {
			t.Errorf("at %d %s is refused", unix, code)
		}
		if s.Take(code, time.Unix(unix, 0)) {
			t.Errorf("at %d %s is taken twice", unix, code)
		}
	}
}

// A phone's clock may be wrong by a step, and no more; a code before the newest that was taken is
// over, though its time isn't.
func TestTOTPTime(t *testing.T) {
	at := time.Unix(1111111111, 0)
	for shift, taken := range map[time.Duration]bool{-time.Minute: false, -30 * time.Second: true, 0: true, 30 * time.Second: true, time.Minute: false} {
		s := factor.TOTPSecret{Secret: []byte("12345678901234567890")}
		if s.Take("050471", at.Add(shift)) != taken {
			t.Errorf("%v later or earlier it is taken: %v", shift, !taken)
		}
	}
	s := factor.TOTPSecret{Secret: []byte("12345678901234567890")}
	if !s.Take("050471", at) || s.Take("081804", at) {
		t.Error("the newest code is refused, or the one before it is taken after it")
	}
	one, other := factor.NewTOTPSecret(), factor.NewTOTPSecret()
	if one.Text() == other.Text() {
		t.Error("two secrets are one")
	}
}

// What an app reads names the service and the account, and has the secret; foreign code reads it.
func TestTOTPURI(t *testing.T) {
	s := factor.TOTPSecret{Secret: []byte("12345678901234567890")}
	uri := s.URI("一证 样例", "xiaoyan+1@样例")
	key, err := otp.NewKeyFromURL(uri)
	if err != nil {
		t.Fatal(err)
	}
	if key.Issuer() != "一证 样例" || key.AccountName() != "xiaoyan+1@样例" || key.Secret() != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || key.Type() != "totp" || key.Period() != 30 {
		t.Errorf("%s is read as %s, %s, %s", uri, key.Issuer(), key.AccountName(), key.Secret())
	}
	if strings.ContainsAny(uri, " \"<>") {
		t.Errorf("%q", uri)
	}
}

func TestTOTP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		try := func(code string) error {
			_, err := w.Finish(t.Context(), factor.TOTP, factor.Login{Account: a.ID, Binding: "s", RequestID: "r"}, code)
			return err
		}
		identitytest.IsReason(t, "without an app", try("123456"), "code_wrong")
		app := w.AddApp(t, a)
		identitytest.IsReason(t, "the code with which it was added", try(app()), "code_wrong")
		time.Sleep(30 * time.Second)
		code := app()
		identitytest.IsReason(t, "as people type it", try(" "+code[:3]+" "+fullWidth(code[3:])), "")
		identitytest.IsReason(t, "again", try(code), "code_wrong")
		time.Sleep(2 * time.Minute)
		for range 2 { // with the three of before
			identitytest.IsReason(t, "wrong", try(wrong(app())), "code_wrong")
		}
		err := try(app())
		identitytest.IsReason(t, "right, after five wrong ones", err, "too_many_tries")
		if e, _ := errors.AsType[*identity.Error](err); e.Retry != time.Hour {
			t.Errorf("it may be tried again after %v", e.Retry)
		}
		time.Sleep(time.Hour)
		for range 20 { // right ones are no tries
			time.Sleep(30 * time.Second)
			identitytest.IsReason(t, "an hour later", try(app()), "")
		}
		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		time.Sleep(30 * time.Second)
		identitytest.IsReason(t, "of a disabled account", try(app()), "login_refused")
	})
}

// In a day fifteen wrong codes are compared, however they are spread.
func TestTOTPTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		app := w.AddApp(t, a)
		compared := 0
		for range 72 {
			time.Sleep(20 * time.Minute)
			_, err := w.Finish(t.Context(), factor.TOTP, factor.Login{Account: a.ID}, wrong(app()))
			if identity.ReasonOf(err) == "code_wrong" {
				compared++
			}
		}
		if compared != 15 {
			t.Errorf("%d were compared", compared)
		}
	})
}

// Of right codes side by side, at two nodes, one passes.
func TestTOTPSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		app := w.AddApp(t, a)
		other := w.At(t, identitytest.Cheap)
		time.Sleep(30 * time.Second)
		code := app()
		var passed atomic.Int32
		var wg sync.WaitGroup
		for i := range 4 {
			node := w
			if i%2 == 1 {
				node = other
			}
			wg.Go(func() {
				if _, err := node.Finish(t.Context(), factor.TOTP, factor.Login{Account: a.ID}, code); err == nil {
					passed.Add(1)
				}
			})
		}
		wg.Wait()
		if passed.Load() != 1 {
			t.Errorf("%d passed", passed.Load())
		}
	})
}
