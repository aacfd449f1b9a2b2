package phonecode_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/signing/journal"
)

const (
	zhang   = "138 0013 8000" // the phone of an account
	nobody  = "13900139000"   // a phone of none
	ending  = "0035"          // of Zhang's number
	another = "13700137000"
)

// attempt is one from a browser that no account knows.
func attempt(phone string) phonecode.Attempt {
	return phonecode.Attempt{Phone: phone, Address: netip.MustParseAddr("192.0.2.7"), Binding: "browser.request", Language: "zh-CN", RequestID: "r"}
}

// send has a code sent and returns it.
func send(t *testing.T, w *identitytest.World, a phonecode.Attempt) string {
	t.Helper()
	before := w.SMS.Count()
	_, err := w.Phones.Send(t.Context(), a)
	identitytest.IsReason(t, "sending to "+a.Phone, err, "")
	if w.SMS.Count() != before+1 {
		t.Fatalf("%d messages were sent to %s", w.SMS.Count()-before, a.Phone)
	}
	return w.SMS.Last(t).Code
}

// ask has a code sent and types it, and returns the question's token.
func ask(t *testing.T, w *identitytest.World, a phonecode.Attempt) string {
	t.Helper()
	account, err := w.Phones.Check(t.Context(), a, send(t, w, a))
	q, ok := errors.AsType[*phonecode.Question](err)
	if !ok || account.ID != "" {
		t.Fatalf("%s: no question, but %v", a.Phone, err)
	}
	return q.Token
}

func wrong(code string) string { return string('0'+(code[0]-'0'+1)%10) + code[1:] }

// Zhang's phone was never proved here: the code alone opens nothing, name and number do, and then
// the code alone for 90 days.
func TestLogIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		token := ask(t, w, attempt(zhang))
		if m := w.SMS.Last(t); m.Phone != "+8613800138000" || m.Kind != notice.PhoneCode || !strings.Contains(m.Text, m.Code) {
			t.Errorf("the message is %+v", m)
		}
		for _, other := range [][2]string{{"张小龙", ending}, {"张小䶮", "0036"}, {"张小䶮", "035"}, {"张小䶮", identitytest.ZhangCode.Value}} {
			_, err := w.Phones.Identify(t.Context(), attempt(""), token, other[0], other[1])
			identitytest.IsReason(t, fmt.Sprint(other), err, "person_refused")
		}
		got, err := w.Phones.Identify(t.Context(), attempt(""), token, " 张小䶮 ", "００３５")
		identitytest.IsReason(t, "name and number", err, "")
		if got.ID != a.ID {
			t.Errorf("logged in to %s", got.ID)
		}
		for _, days := range []int{0, 89} { // counted from the proof
			time.Sleep(time.Duration(days)*24*time.Hour + time.Minute)
			if got, err := w.Phones.Check(t.Context(), attempt(zhang), send(t, w, attempt(zhang))); err != nil || got.ID != a.ID {
				t.Errorf("after %d days: %v", days, err)
			}
		}
		time.Sleep(24 * time.Hour)
		ask(t, w, attempt(zhang))
	})
}

// A device that the account knows logs in with the code alone, and proves the phone again. A device
// of somebody else's account doesn't.
func TestKnownDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		li, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, Phone: another, Password: identitytest.Password})
		identitytest.IsReason(t, "registering", err, "")
		known := attempt(zhang)
		known.Device, err = w.DeviceToken(t.Context(), a, "")
		identitytest.IsReason(t, "device", err, "")
		if got, err := w.Phones.Check(t.Context(), known, send(t, w, known)); err != nil || got.ID != a.ID {
			t.Errorf("on a known device: %v", err)
		}
		time.Sleep(time.Minute)
		if _, err := w.Phones.Check(t.Context(), attempt(zhang), send(t, w, attempt(zhang))); err != nil {
			t.Errorf("the known device didn't prove the phone: %v", err)
		}
		foreign := attempt(another)
		foreign.Device = known.Device
		ask(t, w, foreign)
		if now, err := w.Account(t.Context(), li.ID); err != nil || !now.PhoneProved.IsZero() {
			t.Errorf("a foreign device proved a phone: %v", err)
		}
	})
}

// A code after a password proves the phone, too; another phone isn't proved by that.
func TestProvedBySecondFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		_, err := w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "sending", err, "")
		identitytest.IsReason(t, "the code", w.CheckCode(t.Context(), a.ID, "session", w.SMS.Last(t).Code, "r"), "")
		if _, err := w.Phones.Check(t.Context(), attempt(zhang), send(t, w, attempt(zhang))); err != nil {
			t.Errorf("the second factor didn't prove the phone: %v", err)
		}
		time.Sleep(time.Minute)
		_, err = w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "sending", err, "")
		_, _, err = w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: a.ID, To: another})
		identitytest.IsReason(t, "another phone", err, "")
		identitytest.IsReason(t, "the code of the former", w.CheckCode(t.Context(), a.ID, "session", w.SMS.Last(t).Code, "r"), "")
		ask(t, w, attempt(another))
		time.Sleep(time.Minute)
		token := ask(t, w, attempt(zhang)) // somebody else's now, perhaps
		_, err = w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", ending)
		identitytest.IsReason(t, "the former phone", err, "person_refused")
	})
}

// Who has a phone without an account, or with one that is disabled, gets the same questions and the
// same answers, for the same work, as who can't say whose the phone is.
func TestSameAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		li, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, Phone: another, Password: identitytest.Password})
		identitytest.IsReason(t, "registering", err, "")
		_, err = w.DisableAccount(t.Context(), "cli", li.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		var first string
		for i, phone := range []string{zhang, nobody, another} {
			a := attempt(phone)
			if i == 0 {
				_, _ = w.Phones.Send(t.Context(), attempt(nobody)) // makes the decoy
				time.Sleep(time.Hour)
			}
			var seen []string
			note := func(what any, err error) {
				seen = append(seen, fmt.Sprintf("%v %v %v", what, err, w.Asked()))
			}
			w.Asked()
			sent, err := w.Phones.Send(t.Context(), a)
			note(sent, err)
			code := w.SMS.Last(t).Code
			_, err = w.Phones.Check(t.Context(), a, wrong(code))
			note("", err)
			_, err = w.Phones.Check(t.Context(), a, code)
			q, ok := errors.AsType[*phonecode.Question](err)
			if !ok {
				t.Fatalf("%s: no question: %v", phone, err)
			}
			note(len(q.Token), err)
			name := "张小䶮"
			if phone == another {
				name = "李建国"
			}
			if phone == zhang {
				name = "somebody else"
			}
			_, err = w.Phones.Identify(t.Context(), a, q.Token, name, "0023")
			note("", err)
			identitytest.IsReason(t, phone, err, "person_refused")
			if all := strings.Join(seen, "\n"); first == "" {
				first = all
			} else if all != first {
				t.Errorf("%s:\n%s\nwant\n%s", phone, all, first)
			}
		}
	})
}

// A form may be sent twice: within a minute the same code, and the same answer, succeed again, in the
// same browser alone. Later they don't.
func TestTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		code := send(t, w, attempt(zhang))
		var tokens []string
		for range 2 {
			_, err := w.Phones.Check(t.Context(), attempt(zhang), code)
			q, ok := errors.AsType[*phonecode.Question](err)
			if !ok {
				t.Fatalf("no question: %v", err)
			}
			tokens = append(tokens, q.Token)
		}
		for i, token := range tokens {
			if got, err := w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", ending); err != nil || got.ID != a.ID {
				t.Errorf("answer %d: %v", i, err)
			}
		}
		time.Sleep(time.Minute)
		_, err := w.Phones.Check(t.Context(), attempt(zhang), code)
		identitytest.IsReason(t, "the code after a minute", err, "code_expired")
		for _, token := range tokens {
			_, err = w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", ending)
			identitytest.IsReason(t, "the answer after a minute", err, "code_expired")
		}
	})
}

// Another browser, another request, and the code or the answer once more get nothing.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		elsewhere := attempt(zhang)
		elsewhere.Binding = "browser.another"
		code := send(t, w, attempt(zhang))
		_, err := w.Phones.Check(t.Context(), elsewhere, code)
		identitytest.IsReason(t, "another request", err, "code_expired")
		_, err = w.Phones.Check(t.Context(), attempt(nobody), code)
		identitytest.IsReason(t, "another phone", err, "code_expired")
		_, err = w.Phones.Check(t.Context(), attempt(zhang), code)
		q, ok := errors.AsType[*phonecode.Question](err)
		if !ok {
			t.Fatal(err)
		}
		for what, a := range map[string]phonecode.Attempt{"another request": elsewhere} {
			_, err = w.Phones.Identify(t.Context(), a, q.Token, "张小䶮", ending)
			identitytest.IsReason(t, what, err, "code_expired")
		}
		for _, token := range []string{"", "x", q.Token + "A", q.Token[1:], strings.Repeat("A", 5000)} {
			_, err = w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", ending)
			identitytest.IsReason(t, "a made-up token", err, "code_expired")
		}
		time.Sleep(10 * time.Minute)
		_, err = w.Phones.Identify(t.Context(), attempt(""), q.Token, "张小䶮", ending)
		identitytest.IsReason(t, "too late", err, "code_expired")
	})
}

// Codes and answers can't be guessed on: five tries a code, five answers a question, ten a day.
func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		code := send(t, w, attempt(zhang))
		for range 5 {
			_, err := w.Phones.Check(t.Context(), attempt(zhang), wrong(code))
			identitytest.IsReason(t, "wrong", err, "code_wrong")
		}
		_, err := w.Phones.Check(t.Context(), attempt(zhang), code)
		identitytest.IsReason(t, "the right one after five", err, "too_many_tries")
		for i := range 3 {
			time.Sleep(time.Minute)
			token := ask(t, w, attempt(zhang))
			for j := range 5 {
				_, err := w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", fmt.Sprintf("%04d", j))
				identitytest.IsReason(t, fmt.Sprint(i, j), err, map[bool]string{true: "person_refused", false: "too_many_tries"}[i < 2])
			}
			_, err := w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", ending)
			identitytest.IsReason(t, "the right answer after five", err, "too_many_tries")
		}
	})
}

// A gateway that fails is told, whoever asks, and its code isn't good if it arrives after all.
func TestGatewayFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		w.SMS.Fails = fmt.Errorf("the gateway is away: %w", notice.ErrNotTaken)
		for i := range 14 { // what wasn't sent isn't counted
			phone := []string{zhang, nobody}[i%2]
			_, err := w.Phones.Send(t.Context(), attempt(phone))
			identitytest.IsReason(t, phone, err, "code_not_sent")
			_, err = w.Phones.Check(t.Context(), attempt(phone), "000000")
			identitytest.IsReason(t, phone, err, "code_expired")
		}
		w.SMS.Fails = errors.New("it may have taken the message")
		for range 5 {
			_, err := w.Phones.Send(t.Context(), attempt(another))
			identitytest.IsReason(t, "a gateway that doesn't answer", err, "code_not_sent")
		}
		_, err := w.Phones.Send(t.Context(), attempt(another))
		identitytest.IsReason(t, "once more", err, "too_many_codes")
		w.SMS.Fails = nil
		send(t, w, attempt(zhang)) // at once
		sent, err := w.Phones.Send(t.Context(), attempt(zhang))
		if err != nil || sent.Again != 59*time.Second || w.SMS.Count() != 1 {
			t.Errorf("again: %+v, %v, %d messages", sent, err, w.SMS.Count())
		}
		for _, phone := range []string{"", "12345", "zhang", "+8612345678901", strings.Repeat("1", 1000), "\xff"} {
			_, err := w.Phones.Send(t.Context(), attempt(phone))
			identitytest.IsReason(t, "no phone", err, "phone_invalid")
		}
	})
}

// Each step leaves an event: of the account, if there is one, and never with the phone.
func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		before := len(w.Facts)
		token := ask(t, w, attempt(zhang))
		_, err := w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", "9999")
		identitytest.IsReason(t, "wrong", err, "person_refused")
		_, err = w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", ending)
		identitytest.IsReason(t, "right", err, "")
		var got []string
		for _, e := range w.Facts[before:] {
			if e.Subject != a.ID {
				t.Errorf("%s is about %q", e.Action, e.Subject)
			}
			got = append(got, string(e.Action)+" "+e.Result)
		}
		want := []string{
			string(journal.ActionCodeSend) + " ok", string(journal.ActionLoginPhone) + " person_asked",
			string(journal.ActionLoginPerson) + " person_refused", string(journal.ActionLoginPerson) + " ok",
		}
		if strings.Join(got, ", ") != strings.Join(want, ", ") {
			t.Errorf("the events are %q", got)
		}
	})
}
