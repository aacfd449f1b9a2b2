package factor_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
)

func TestRecoveryCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		try := func(code string) error {
			p, err := w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: a.ID, Binding: "s", Language: "zh-CN", RequestID: "r"}, code)
			if (p == factor.Proof{}) == (err == nil) {
				t.Errorf("the proof is %v, with %v", p, err)
			}
			return err
		}
		identitytest.IsReason(t, "without codes", try("00000-00000"), "code_wrong")
		before, codes := w.MakeCodes(t, a), w.MakeCodes(t, a)
		if len(codes) != 10 || len(slices.Compact(slices.Sorted(slices.Values(codes)))) != 10 || len(codes[0]) != 11 {
			t.Fatalf("codes are %q", codes)
		}
		identitytest.IsReason(t, "one of those before", try(before[0]), "code_wrong")
		told := w.SMS.Count()
		identitytest.IsReason(t, "one", try(codes[0]), "")
		if w.SMS.Count() != told+1 || !strings.Contains(w.SMS.Last(t).Text, "恢复码") || strings.Contains(w.SMS.Last(t).Text, codes[0]) {
			t.Errorf("the owner is told %q", w.SMS.Last(t).Text)
		}
		identitytest.IsReason(t, "again", try(codes[0]), "code_wrong")
		// As people type and read them.
		sloppy := strings.NewReplacer("0", "o", "1", "l", "-", " ").Replace(strings.ToLower(codes[1]))
		identitytest.IsReason(t, "as people type it", try(" "+fullWidth(sloppy[:3])+sloppy[3:]), "")
		for i, code := range codes[2:] {
			stored, err := w.Account(t.Context(), a.ID)
			if err != nil || len(factor.All().Of(stored)) != 3 {
				t.Fatalf("before code %d the account has %v, %v", i, factor.All().Of(stored), err)
			}
			identitytest.IsReason(t, "the others", try(code), "")
		}
		if stored, _ := w.Account(t.Context(), a.ID); len(stored.Authenticators) != 0 {
			t.Errorf("after the last one there is %+v", stored.Authenticators)
		}
	})
}

// No code is another account's, and ten wrong ones an hour are compared.
func TestRecoveryCodesOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		li, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, Actor: "cli"})
		identitytest.IsReason(t, "registering", err, "")
		mine := w.MakeCodes(t, a)
		w.MakeCodes(t, li)
		for range 10 {
			_, err := w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: li.ID}, mine[0])
			identitytest.IsReason(t, "another's", err, "code_wrong")
		}
		_, err = w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: li.ID}, mine[0])
		identitytest.IsReason(t, "the eleventh", err, "too_many_tries")
		_, err = w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: a.ID}, mine[0])
		identitytest.IsReason(t, "the owner meanwhile", err, "")
	})
}

// Of one code side by side one passes.
func TestRecoveryCodeSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		codes := w.MakeCodes(t, a)
		var passed atomic.Int32
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				if _, err := w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: a.ID}, codes[3]); err == nil {
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

// A lookup key that was replaced still checks the codes that were made under it; one that was
// revoked takes them with it.
func TestRecoveryCodesOutliveTheirKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		codes := w.MakeCodes(t, a)
		old := w.RotateLookup(t)
		_, err := w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: a.ID}, codes[0])
		identitytest.IsReason(t, "under the next key", err, "")
		w.RevokeKey(t, old)
		_, err = w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: a.ID}, codes[1])
		identitytest.IsReason(t, "under a key that is revoked", err, "code_wrong")
		next := w.MakeCodes(t, a)
		_, err = w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: a.ID}, next[0])
		identitytest.IsReason(t, "made anew", err, "")
	})
}

// FuzzRecoveryCode types whatever anybody may: nothing passes but a code.
func FuzzRecoveryCode(f *testing.F) {
	w := identitytest.NewWorld(f)
	a := w.Zhang(f)
	f.Add("4T9KX-0M2QA")
	f.Add("４ｔ９ｋｘ　０ｍ２ｑａ")
	f.Add("-\u200b\n")
	f.Fuzz(func(t *testing.T, code string) {
		if p, err := w.Finish(t.Context(), factor.RecoveryCode, factor.Login{Account: a.ID}, code); err == nil || p != (factor.Proof{}) {
			t.Errorf("%q proves %v", code, p)
		}
	})
}
