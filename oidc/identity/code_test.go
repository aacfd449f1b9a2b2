package identity

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		sent, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		isReason(t, "sending", err, "")
		if sent != (SentCode{"138****8000", 5 * time.Minute, time.Minute}) {
			t.Errorf("sent %+v", sent)
		}
		m := w.sms.last(t)
		if m.Phone != "+8613800138000" || len(m.Code) != 6 || !strings.Contains(m.Text, m.Code) || !strings.HasPrefix(m.Text, "【一证】") {
			t.Errorf("message is %+v", m)
		}
		for key, v := range w.values {
			if strings.Contains(key+string(v.value), m.Code) || strings.Contains(key+string(v.value), a.ID) {
				t.Errorf("%s holds the code or the account", key)
			}
		}
		isReason(t, "another session", w.CheckCode(t.Context(), a.ID, "another", m.Code, "r"), "code_expired")
		isReason(t, "another account", w.CheckCode(t.Context(), NewID(), "session", m.Code, "r"), "code_expired")
		isReason(t, "a wrong code", w.CheckCode(t.Context(), a.ID, "session", wrong(m.Code), "r"), "code_wrong")
		isReason(t, "no code", w.CheckCode(t.Context(), a.ID, "session", "", "r"), "code_wrong")
		isReason(t, "the code as people type it", w.CheckCode(t.Context(), a.ID, "session", " "+m.Code[:3]+" "+fullWidth(m.Code[3:]), "r"), "")
		isReason(t, "the code again", w.CheckCode(t.Context(), a.ID, "session", m.Code, "r"), "code_expired")
	})
}

// wrong returns another code.
func wrong(code string) string { return string('0'+(code[0]-'0'+1)%10) + code[1:] }

func fullWidth(digits string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, digits)
}

func TestCodeTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		_, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		isReason(t, "sending", err, "")
		code := w.sms.last(t).Code
		for range 5 {
			isReason(t, "wrong", w.CheckCode(t.Context(), a.ID, "session", wrong(code), "r"), "code_wrong")
			time.Sleep(59 * time.Second)
		}
		err = w.CheckCode(t.Context(), a.ID, "session", code, "r")
		isReason(t, "right, but the sixth", err, "too_many_tries")
	})
}

func TestCodeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		_, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		isReason(t, "sending", err, "")
		time.Sleep(codeLife)
		isReason(t, "after five minutes", w.CheckCode(t.Context(), a.ID, "session", w.sms.last(t).Code, "r"), "code_expired")
	})
}

// Of sixty-four right codes side by side one passes, and of wrong ones five are compared.
func TestCodeSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		for _, right := range []bool{true, false} {
			_, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
			isReason(t, "sending", err, "")
			code := w.sms.last(t).Code
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
					answers[ReasonOf(err)]++
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
		w := newWorld(t)
		a := w.zhang(t)
		send := func(binding string) SentCode {
			t.Helper()
			s, err := w.SendCode(t.Context(), a.ID, binding, "en", "r")
			isReason(t, "sending", err, "")
			return s
		}
		send("session")
		first := w.sms.last(t).Code
		time.Sleep(20 * time.Second)
		if s := send("session"); s != (SentCode{"138****8000", 280 * time.Second, 40 * time.Second}) || w.sms.count() != 1 {
			t.Errorf("asked again too soon: %+v, %d messages", s, w.sms.count())
		}
		time.Sleep(40 * time.Second)
		send("session")
		if w.sms.count() != 2 {
			t.Fatal("nothing was sent again")
		}
		if second := w.sms.last(t).Code; second != first {
			isReason(t, "the first code", w.CheckCode(t.Context(), a.ID, "session", first, "r"), "code_wrong")
		}
		isReason(t, "the second code", w.CheckCode(t.Context(), a.ID, "session", w.sms.last(t).Code, "r"), "")
		send("session") // it was used: another one may follow at once
		if w.sms.count() != 3 {
			t.Error("nothing was sent after a used code")
		}
	})
}

func TestCodesSentSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		w.sms.takes = time.Second
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if w.sms.count() != 1 {
			t.Errorf("%d messages", w.sms.count())
		}
	})
}

func TestTooManyCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.zhang(t)
		sentIn := func(hours int) (sent int) {
			for n := range hours * 12 {
				_, err := w.SendCode(t.Context(), a.ID, fmt.Sprint("session", n), "zh-CN", "r")
				if err == nil {
					sent++
				} else {
					isReason(t, "sending", err, "too_many_codes")
					if e, _ := errors.AsType[*Error](err); e.Retry <= 0 || e.Retry > 24*time.Hour {
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
		w := newWorld(t)
		a := w.zhang(t)
		b, _, err := w.Register(t.Context(), Registration{Name: "李建国", Code: li, LoginName: "jianguo", Password: password})
		isReason(t, "registering", err, "")
		_, err = w.SendCode(t.Context(), b.ID, "session", "zh-CN", "r")
		isReason(t, "without a phone", err, "no_phone")
		s := w.open(t, func(c *Config) { c.Sender = nil })
		_, err = s.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		isReason(t, "without a sender", err, "no_second_factor")
		if _, err = w.SendCode(t.Context(), NewID(), "session", "zh-CN", "r"); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown account: %v", err)
		}

		w.sms.fails = errors.New("gateway said no to +8613800138000")
		_, err = w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		isReason(t, "a failing gateway", err, "code_not_sent")
		if e, _ := errors.AsType[*Error](err); strings.Contains(e.Error(), "138") {
			t.Errorf("the error says %s", e)
		}
		w.sms.fails = nil
		_, err = w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		isReason(t, "the gateway is back", err, "")
		if w.sms.count() != 1 {
			t.Error("nothing was sent after a failure")
		}
		w.failEphemeral = errors.New("no answer")
		isReason(t, "without Ephemeral", w.CheckCode(t.Context(), a.ID, "session", w.sms.last(t).Code, "r"), "unavailable")
		_, err = w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		isReason(t, "without Ephemeral", err, "unavailable")
	})
}

func TestCodeTexts(t *testing.T) {
	for _, guarded := range []bool{true, false} {
		zh, en := codeText("012345", "zh-CN", guarded), codeText("012345", "en-US", guarded)
		if zh != codeText("012345", "", guarded) {
			t.Error("Chinese isn't what is said first")
		}
		for _, want := range []string{"【一证】", "012345", "5 分钟", "不要", "工作人员也不会", "修改密码"} {
			if !strings.Contains(zh, want) {
				t.Errorf("%s doesn't say %s", zh, want)
			}
		}
		for _, want := range []string{"012345", "5 minutes", "nobody", "change your password"} {
			if !strings.Contains(en, want) {
				t.Errorf("%s doesn't say %s", en, want)
			}
		}
	}
}
