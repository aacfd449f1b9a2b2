package factor_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/people"
)

func TestCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		sent, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "sending", err, "")
		if sent != (factor.Begun{Phone: "138****8000", Again: time.Minute}) {
			t.Errorf("sent %+v", sent)
		}
		m := w.SMS.Last(t)
		if m.Phone != "+8613800138000" || len(m.Code) != 6 || !strings.Contains(m.Text, m.Code) || !strings.HasPrefix(m.Text, "【一证】") {
			t.Errorf("message is %+v", m)
		}
		for key, v := range w.Values {
			if strings.Contains(key+string(v.Value), m.Code) || strings.Contains(key+string(v.Value), a.ID) {
				t.Errorf("%s holds the code or the account", key)
			}
		}
		identitytest.IsReason(t, "another session", w.CheckCode(t.Context(), a.ID, "another", m.Code, "r"), "code_expired")
		identitytest.IsReason(t, "another account", w.CheckCode(t.Context(), identity.NewID(), "session", m.Code, "r"), "code_expired")
		identitytest.IsReason(t, "a wrong code", w.CheckCode(t.Context(), a.ID, "session", wrong(m.Code), "r"), "code_wrong")
		identitytest.IsReason(t, "no code", w.CheckCode(t.Context(), a.ID, "session", "", "r"), "code_wrong")
		identitytest.IsReason(t, "the code as people type it", w.CheckCode(t.Context(), a.ID, "session", " "+m.Code[:2]+" "+m.Code[2:3]+"-"+fullWidth(m.Code[3:5]+"-"+m.Code[5:]), "r"), "")
		identitytest.IsReason(t, "the code again", w.CheckCode(t.Context(), a.ID, "session", m.Code, "r"), "code_expired")
	})
}

// wrong returns another code.
func wrong(code string) string { return string('0'+(code[0]-'0'+1)%10) + code[1:] }

func fullWidth(digits string) string {
	return strings.Map(func(r rune) rune { return r - '!' + '！' }, digits)
}

func TestCodeTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		_, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "sending", err, "")
		code := w.SMS.Last(t).Code
		for range 5 {
			identitytest.IsReason(t, "wrong", w.CheckCode(t.Context(), a.ID, "session", wrong(code), "r"), "code_wrong")
			time.Sleep(59 * time.Second)
		}
		err = w.CheckCode(t.Context(), a.ID, "session", code, "r")
		identitytest.IsReason(t, "right, but the sixth", err, "too_many_tries")
	})
}

func TestCodeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		_, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "sending", err, "")
		time.Sleep(factor.CodeLife)
		identitytest.IsReason(t, "after five minutes", w.CheckCode(t.Context(), a.ID, "session", w.SMS.Last(t).Code, "r"), "code_expired")
	})
}

// Of sixty-four right codes side by side one passes, and of wrong ones five are compared.
func TestCodeSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		for _, right := range []bool{true, false} {
			_, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
			identitytest.IsReason(t, "sending", err, "")
			code := w.SMS.Last(t).Code
			if !right {
				code = wrong(code)
			}
			var mu sync.Mutex
			answers := map[string]int{}
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() {
					err := w.CheckCode(t.Context(), a.ID, "session", code, "r")
					mu.Lock()
					defer mu.Unlock()
					answers[identity.ReasonOf(err)]++
				})
			}
			wg.Wait()
			if right && answers["ok"] != 1 || !right && answers["code_wrong"] != 5 {
				t.Errorf("right %v: %v", right, answers)
			}
			time.Sleep(time.Minute)
		}
	})
}

func TestCodeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		send := func(binding string) factor.Begun {
			t.Helper()
			s, err := w.SendCode(t.Context(), a.ID, binding, "en", "r")
			identitytest.IsReason(t, "sending", err, "")
			return s
		}
		send("session")
		first := w.SMS.Last(t).Code
		time.Sleep(20 * time.Second)
		if s := send("session"); s != (factor.Begun{Phone: "138****8000", Again: 40 * time.Second}) || w.SMS.Count() != 1 {
			t.Errorf("asked again too soon: %+v, %d messages", s, w.SMS.Count())
		}
		time.Sleep(40 * time.Second)
		send("session")
		if w.SMS.Count() != 2 {
			t.Fatal("nothing was sent again")
		}
		if second := w.SMS.Last(t).Code; second != first {
			identitytest.IsReason(t, "the first code", w.CheckCode(t.Context(), a.ID, "session", first, "r"), "code_wrong")
		}
		identitytest.IsReason(t, "the second code", w.CheckCode(t.Context(), a.ID, "session", w.SMS.Last(t).Code, "r"), "")
		send("session") // it was used: another one may follow at once
		if w.SMS.Count() != 3 {
			t.Error("nothing was sent after a used code")
		}
	})
}

func TestCodesSentSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		w.SMS.Takes = time.Second
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if w.SMS.Count() != 1 {
			t.Errorf("%d messages", w.SMS.Count())
		}
	})
}

func TestTooManyCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		sentIn := func(hours int) (sent int) {
			for n := range hours * 12 {
				_, err := w.SendCode(t.Context(), a.ID, fmt.Sprint("session", n), "zh-CN", "r")
				if err == nil {
					sent++
				} else {
					identitytest.IsReason(t, "sending", err, "too_many_codes")
					if e, _ := errors.AsType[*identity.Error](err); e.Retry <= 0 || e.Retry > 24*time.Hour {
						t.Errorf("retry after %v", e.Retry)
					}
				}
				time.Sleep(5 * time.Minute)
			}
			return sent
		}
		if sent := sentIn(1); sent != 5 {
			t.Errorf("%d codes in an hour", sent)
		}
		if sent := sentIn(23); sent != 5 {
			t.Errorf("%d codes in the rest of the day", sent)
		}
		if sent := sentIn(1); sent != 5 {
			t.Errorf("%d codes in an hour of the next day", sent)
		}
	})
}

func TestNoCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		b, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Password: identitytest.Password})
		identitytest.IsReason(t, "registering", err, "")
		_, err = w.SendCode(t.Context(), b.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "without a phone", err, "no_phone")
		s := w.Open(t, func(c *people.Config) { c.Sender = nil })
		_, err = s.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "without a sender", err, "no_second_factor")
		if _, err = w.SendCode(t.Context(), identity.NewID(), "session", "zh-CN", "r"); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("unknown account: %v", err)
		}

		w.SMS.Fails = errors.New("gateway said no to +8613800138000")
		_, err = w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "a failing gateway", err, "code_not_sent")
		if e, _ := errors.AsType[*identity.Error](err); strings.Contains(e.Error(), "138") {
			t.Errorf("the error says %s", e)
		}
		w.SMS.Fails = nil
		_, err = w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "the gateway is back", err, "")
		if w.SMS.Count() != 1 {
			t.Error("nothing was sent after a failure")
		}
		w.FailEphemeral = errors.New("no answer")
		identitytest.IsReason(t, "without Ephemeral", w.CheckCode(t.Context(), a.ID, "session", w.SMS.Last(t).Code, "r"), "unavailable")
		_, err = w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "without Ephemeral", err, "unavailable")
	})
}
