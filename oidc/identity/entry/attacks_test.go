package entry_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/identitytest"
)

// TestAttackTakePhone: whoever reads one message takes no phone from an account that keeps it.
func TestAttackTakePhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, a := open(t)
		for name, who := range map[string]entry.Person{"of another name": {Name: "王芳", Code: identitytest.GuestCode}, "known to the adapter": liSays} {
			_, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, zhang), who)
			identitytest.IsReason(t, name, err, map[bool]string{true: "not_confirmed", false: "phone_kept"}[who.Name == "王芳"])
		}
		disable(t, w, nil, a)
		time.Sleep(100 * 24 * time.Hour)
		_, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, zhang), liSays)
		identitytest.IsReason(t, "of a disabled account", err, "phone_kept")
		if now, err := w.Account(t.Context(), a.ID); err != nil || now.Phone != a.Phone || !now.Secured.IsZero() {
			t.Errorf("the account has changed: %v", err)
		}
	})
}

// TestAttackAfterPhoneChange: once staff took a phone off an account, who has it recovers nothing: not by a ticket, and
// not by having it.
func TestAttackAfterPhoneChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, a := open(t)
		in, err := w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "recovering", err, "")
		_, _, err = w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: a.ID, To: "13700137000"})
		identitytest.IsReason(t, "the counter's help", err, "")
		_, err = w.SetPassword(t.Context(), in.Ticket, "另一个密码 otherwise", "zh-CN", "r")
		identitytest.IsReason(t, "the ticket", err, "ticket_invalid")
		token := prove(t, w, zhang)
		_, err = w.Entry.Recover(t.Context(), attempt(""), token, zhangSays)
		identitytest.IsReason(t, "by the former phone", err, "not_confirmed")
		time.Sleep(31 * 24 * time.Hour)
		_, err = w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "a month later", err, "")
	})
}

// TestAttackChangeMeanwhile: what is read before the counter changes the phone counts for nothing after.
func TestAttackChangeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, a := open(t)
		c.phones[identitytest.ZhangCode] = "+8613900139000"
		c.during = func() {
			c.during = nil
			_, _, err := w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: a.ID, To: newPhone})
			identitytest.IsReason(t, "to the new phone", err, "")
			_, _, err = w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: a.ID, To: "13700137000"})
			identitytest.IsReason(t, "and to another", err, "")
		}
		_, err := w.Entry.Recover(t.Context(), attempt(""), prove(t, w, newPhone), zhangSays)
		identitytest.IsReason(t, "recovering", err, "not_confirmed")
		if now, err := w.Account(t.Context(), a.ID); err != nil || now.Phone != "+8613700137000" {
			t.Errorf("the phone is %s, %v", now.Phone, err)
		}
		from := "+8613800138000"
		_, _, err = w.ChangePhone(t.Context(), identity.PhoneChange{Account: a.ID, From: &from})
		identitytest.IsReason(t, "from a phone that it hasn't", err, "phone_changed")
	})
}

// TestAttackFirstPhone: the password of an account without a phone, and a phone given online, are one factor for a day.
func TestAttackFirstPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, a := open(t)
		_, _, err := w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: a.ID})
		identitytest.IsReason(t, "taking the phone", err, "")
		if now, err := w.Account(t.Context(), a.ID); err != nil || !now.Waits(time.Now()) {
			t.Errorf("without a phone the account doesn't wait: %v", err)
		}
		time.Sleep(25 * time.Hour)
		c.phones[identitytest.ZhangCode] = "+8613900139000"
		_, err = w.Entry.Recover(t.Context(), attempt(""), prove(t, w, newPhone), zhangSays)
		identitytest.IsReason(t, "recovering", err, "")
		if s := strength(t, w, a.ID); s != 1 {
			t.Errorf("the old password and the new phone have strength %d", s)
		}
	})
}

// TestAttackRegisterAnother: whoever knows somebody's name and number, but doesn't have their phone, gets an
// account that has nothing of theirs.
func TestAttackRegisterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		c.level = 3
		in, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, "13700137000"), liSays)
		identitytest.IsReason(t, "registering", err, "")
		p, err := w.Party(t.Context(), in.Account.Party)
		if err != nil || !in.New || in.Account.Proofing.Level != 1 || len(p.Codes) != 0 {
			t.Fatalf("registered: %+v, %+v, %v", in, p, err)
		}
		li, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, newPhone), liSays)
		identitytest.IsReason(t, "the one who is it", err, "")
		if !li.New || li.Account.Proofing.Level != 3 || li.Account.Party == in.Account.Party {
			t.Errorf("registered: %+v", li)
		}
	})
}

// TestTwice: a form that is sent twice makes one account, and the second answer's ticket is good.
func TestTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := open(t)
		token := prove(t, w, newPhone)
		first, err := w.Entry.Register(t.Context(), attempt(""), token, liSays)
		identitytest.IsReason(t, "registering", err, "")
		second, err := w.Entry.Register(t.Context(), attempt(""), token, liSays)
		identitytest.IsReason(t, "the same form", err, "")
		if second.Account.ID != first.Account.ID {
			t.Errorf("two accounts: %+v, %+v", first, second)
		}
		_, err = w.SetPassword(t.Context(), second.Ticket, "另一个密码 otherwise", "zh-CN", "r")
		identitytest.IsReason(t, "setting the password", err, "")
		time.Sleep(time.Minute)
		_, err = w.Entry.Register(t.Context(), attempt(""), token, liSays)
		identitytest.IsReason(t, "a minute later", err, "code_expired")
	})
}

// TestTwiceAtOnce: the same form sent twice at once makes one account, which has the phone, and a ticket that is good.
func TestTwiceAtOnce(t *testing.T) {
	for _, who := range []entry.Person{liSays, {Name: "王芳", Code: identitytest.GuestCode}} {
		synctest.Test(t, func(t *testing.T) {
			w, c, _ := open(t)
			c.people[identitytest.GuestCode] = "王芳"
			for i := range 20 {
				token := prove(t, w, newPhone)
				got := make(chan entry.Entered, 2)
				for range 2 {
					go func() {
						in, err := w.Entry.Register(t.Context(), attempt(""), token, who)
						if err != nil {
							t.Errorf("%s, %d: %v", who.Name, i, err)
						}
						got <- in
					}()
				}
				first, second := <-got, <-got
				if first.Account.ID != second.Account.ID {
					t.Fatalf("%s, %d: two accounts", who.Name, i)
				}
				now, err := w.Account(t.Context(), first.Account.ID)
				if err != nil || now.Phone != "+8613900139000" || !now.PhoneLeft.At.IsZero() || len(now.Setup.Sum) == 0 {
					t.Fatalf("%s, %d: %+v, %v", who.Name, i, now, err)
				}
				time.Sleep(24 * time.Hour)
			}
		})
	}
}

// TestBound: what one browser proved is nothing in another; a code to log in is none to register, and the
// other way round.
func TestBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := open(t)
		token := prove(t, w, zhang)
		elsewhere := attempt("")
		elsewhere.Binding = "another browser"
		_, err := w.Entry.Recover(t.Context(), elsewhere, token, zhangSays)
		identitytest.IsReason(t, "another browser", err, "code_expired")
		_, err = w.Phones.Identify(t.Context(), attempt(""), token, "张小䶮", "0035")
		identitytest.IsReason(t, "the token at a login", err, "code_expired")
		_, err = w.Phones.Send(t.Context(), attempt(zhang))
		identitytest.IsReason(t, "sending", err, "")
		_, err = w.Entry.Prove(t.Context(), attempt(zhang), w.SMS.Last(t).Code)
		identitytest.IsReason(t, "a login's code", err, "code_expired")
		time.Sleep(time.Minute)
		_, err = w.Entry.Send(t.Context(), attempt(zhang))
		identitytest.IsReason(t, "sending", err, "")
		login := attempt(zhang)
		login.Binding = "a login"
		_, err = w.Phones.Check(t.Context(), login, w.SMS.Last(t).Code)
		identitytest.IsReason(t, "a code to recover", err, "code_expired")
		time.Sleep(10 * time.Minute)
		_, err = w.Entry.Recover(t.Context(), attempt(""), token, zhangSays)
		identitytest.IsReason(t, "too late", err, "code_expired")
	})
}

func TestGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		for i := range 3 {
			token := prove(t, w, zhang)
			for j := range 6 {
				_, err := w.Entry.Recover(t.Context(), attempt(""), token, liSays)
				identitytest.IsReason(t, "a guess", err, map[bool]string{true: "not_confirmed", false: "too_many_tries"}[i < 2 && j < 5])
			}
		}
		if c.asked.Load() != 1+10 {
			t.Errorf("the adapter was asked %d times", c.asked.Load())
		}
		for i := range 59 {
			token := prove(t, w, "137001370"+string(rune('0'+i/10))+string(rune('0'+i%10)))
			for j := range 5 {
				_, err := w.Entry.Recover(t.Context(), attempt(""), token, liSays)
				identitytest.IsReason(t, "from one address", err, map[bool]string{true: "not_confirmed", false: "too_many_tries"}[10+5*i+j < 300])
			}
		}
	})
}

// TestWrongCodes: after many wrong codes in a day a right one isn't enough; the next day it is.
func TestWrongCodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := open(t)
		for i := range 4 {
			a := attempt(zhang)
			a.Address = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
			_, err := w.Entry.Send(t.Context(), a)
			identitytest.IsReason(t, "sending", err, "")
			code := w.SMS.Last(t).Code
			if i == 3 {
				_, err = w.Entry.Prove(t.Context(), a, code)
				identitytest.IsReason(t, "a right code", err, "too_many_tries")
				break
			}
			for range 5 {
				_, err = w.Entry.Prove(t.Context(), a, string('0'+(code[0]-'0'+1)%10)+code[1:])
				identitytest.IsReason(t, "wrong", err, "code_wrong")
			}
			time.Sleep(13 * time.Minute)
		}
		login := attempt(zhang)
		_, err := w.Phones.Send(t.Context(), login)
		identitytest.IsReason(t, "a login", err, "")
		_, err = w.Phones.Check(t.Context(), login, "1")
		identitytest.IsReason(t, "a login isn't kept back", err, "code_wrong")
		time.Sleep(24 * time.Hour)
		prove(t, w, zhang)
	})
}

// TestAddWhileWaiting: whoever recovered a password by phone adds nothing for a day, with which the wait would be over.
func TestAddWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, a := open(t)
		in, err := w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "recovering", err, "")
		_, err = w.SetPassword(t.Context(), in.Ticket, "另一个密码 otherwise", "zh-CN", "r")
		identitytest.IsReason(t, "setting the password", err, "")
		o := authenticator.Owner{Account: a.ID, Session: "session", AuthTime: time.Now().Add(time.Second), Strength: 1, Language: "zh-CN", RequestID: "r"}
		time.Sleep(2 * time.Second)
		setup, err := w.Authenticators.Prepare(t.Context(), o)
		identitytest.IsReason(t, "preparing", err, "")
		identitytest.IsReason(t, "an app", w.Authenticators.Add(t.Context(), o, setup.Token, "我的手机", identitytest.AppCode(t, setup.URI)), "phone_waits")
		_, err = w.ChangePassword(t.Context(), identitytest.Attempt("", "另一个密码 otherwise"), a.ID, "又一个密码 once more")
		identitytest.IsReason(t, "another password", err, "")
		if s := strength(t, w, a.ID); s != 1 {
			t.Errorf("after a change of the password strength is %d", s)
		}
	})
}
