package entry_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/oidc/identity/phonecode"
	"yizheng.internal/signing/journal"
)

const (
	zhang    = "138 0013 8000" // the phone of an account
	newPhone = "13900139000"
)

var (
	zhangSays = entry.Person{Name: "张小䶮", Code: identitytest.ZhangCode}
	liSays    = entry.Person{Name: "李建国", Code: identitytest.LiCode}
)

// carrier is an adapter that knows some people and their phones.
type carrier struct {
	people  map[party.Code]string // names
	phones  map[party.Code]string
	level   int
	fails   error
	asked   atomic.Int64
	during  func() // while it is asked
	present bool
	family  bool // it holds any phone for anybody's
}

func (c *carrier) Proof(_ context.Context, who identity.Claim) (identity.Proofing, error) {
	c.asked.Add(1)
	if c.during != nil {
		c.during()
	}
	if c.fails != nil {
		return identity.Proofing{}, c.fails
	}
	if c.people[who.Code] != who.Name {
		return identity.Proofing{}, &identity.Error{Reason: "not_matched"}
	}
	return identity.Proofing{Level: c.level, Method: "telecom", Source: "样例运营商", Phone: c.family || c.phones[who.Code] == who.Phone, Present: c.present}, nil
}

// open returns a world with an adapter, and 张小䶮's account.
func open(t *testing.T) (*identitytest.World, *carrier, identity.Account) {
	t.Helper()
	w := identitytest.NewWorld(t)
	c := &carrier{
		people: map[party.Code]string{identitytest.ZhangCode: "张小䶮", identitytest.LiCode: "李建国"},
		phones: map[party.Code]string{identitytest.ZhangCode: "+8613800138000", identitytest.LiCode: "+8613900139000"}, level: 2,
	}
	w.Node = w.Open(t, func(p *people.Config) { p.Proofer, p.Unproofed = c, true })
	a, _, err := w.Register(t.Context(), identity.Registration{
		Name: "张小䶮", Code: identitytest.ZhangCode, LoginName: "Xiaoyan.Zhang", Phone: zhang, Password: identitytest.Password, Actor: "cli",
	})
	identitytest.IsReason(t, "registering", err, "")
	return w, c, a
}

func attempt(phone string) phonecode.Attempt {
	return phonecode.Attempt{Phone: phone, Address: netip.MustParseAddr("192.0.2.7"), Binding: "browser", Language: "zh-CN", RequestID: "r"}
}

// prove proves a phone, and returns the token.
func prove(t *testing.T, w *identitytest.World, phone string) string {
	t.Helper()
	_, err := w.Entry.Send(t.Context(), attempt(phone))
	identitytest.IsReason(t, "sending to "+phone, err, "")
	m := w.SMS.Last(t)
	if m.Kind != notice.EntryCode || !strings.Contains(m.Text, "找回密码") {
		t.Fatalf("the message is %+v", m)
	}
	token, err := w.Entry.Prove(t.Context(), attempt(phone), m.Code)
	identitytest.IsReason(t, "proving "+phone, err, "")
	time.Sleep(time.Minute) // until another code may be sent
	return token
}

// strength returns how strong a login is with password and a code, whichever comes first.
func strength(t *testing.T, w *identitytest.World, id string) factor.Assurance {
	t.Helper()
	a, err := w.Account(t.Context(), id)
	identitytest.IsReason(t, "the account", err, "")
	all := factor.All()
	can := all.Best(a, time.Now())
	if further := all.Further([]factor.Proof{{Factor: factor.PhoneCode}}, can, 2); (len(further) > 0) != (all.Strength(can) > 1) {
		t.Errorf("after a code the page asks for %v", further)
	}
	return all.Strength(can)
}

func TestRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, a := open(t)
		in, err := w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "recovering", err, "")
		if in.New || in.Account.ID != a.ID || in.Ticket == "" {
			t.Fatalf("let in: %+v", in)
		}
		before := time.Now()
		time.Sleep(time.Second)
		if s := strength(t, w, a.ID); s != 2 {
			t.Errorf("until the password is set, strength is %d", s)
		}
		_, err = w.SetPassword(t.Context(), in.Ticket, "另一个密码 otherwise", "zh-CN", "r")
		identitytest.IsReason(t, "setting the password", err, "")
		if m := w.SMS.Last(t); m.Kind != notice.PasswordSet || m.Phone != "+8613800138000" {
			t.Errorf("the owner was told %+v", m)
		}
		now, err := w.Account(t.Context(), a.ID)
		standing := now.Standing()
		if err != nil || standing.Over(before, time.Time{}) != identity.OverPassword {
			t.Errorf("logins from before go on: %v", err)
		}
		if s := strength(t, w, a.ID); s != 1 {
			t.Errorf("a recovered password and its phone have strength %d", s)
		}
		if p, err := w.CheckPassword(t.Context(), identitytest.Attempt("Xiaoyan.Zhang", "另一个密码 otherwise")); err != nil || factor.PasswordProof(p, time.Now()).Phone == "" {
			t.Errorf("the new password: %v", err)
		}
		second := factor.Login{Account: a.ID, Binding: "session", Address: identitytest.Here, RequestID: "r"}
		if p, err := w.Finish(t.Context(), factor.Password, second, "另一个密码 otherwise"); err != nil || factor.All().Strength([]factor.Proof{{Factor: factor.PhoneCode}, p}) != 1 {
			t.Errorf("the new password after a code: %v, %v", p, err)
		}
		time.Sleep(24 * time.Hour)
		if s := strength(t, w, a.ID); s != 2 {
			t.Errorf("a day later strength is %d", s)
		}
	})
}

// TestRecoverByNewPhone: somebody else has her number now.
func TestRecoverByNewPhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, a := open(t)
		other, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, newPhone), entry.Person{Name: "李建国", Code: identitytest.LiCode})
		identitytest.IsReason(t, "the new phone's former owner", err, "")
		c.phones[identitytest.ZhangCode], c.phones[identitytest.LiCode] = "+8613900139000", ""
		in, err := w.Entry.Recover(t.Context(), attempt(""), prove(t, w, newPhone), zhangSays)
		identitytest.IsReason(t, "recovering", err, "")
		if in.Account.ID != a.ID || in.Account.Phone != "+8613900139000" {
			t.Errorf("let in: %+v", in)
		}
		var told []string
		for _, m := range w.SMS.Sent() {
			told = append(told, m.Phone+" "+string(m.Kind))
		}
		if all := strings.Join(told, ", "); !strings.HasSuffix(all, "+8613800138000 phone_changed, +8613900139000 phone_bound") {
			t.Errorf("told: %s", all)
		}
		if s := strength(t, w, a.ID); s != 1 {
			t.Errorf("the new phone and the old password have strength %d", s)
		}
		if now, err := w.Account(t.Context(), other.Account.ID); err != nil || now.Phone != "" {
			t.Errorf("the phone's former account has it still: %v", err)
		}
		if now, err := w.Account(t.Context(), a.ID); err != nil || now.PhoneProved.IsZero() {
			t.Errorf("the phone isn't proved: %v", err)
		}
	})
}

// TestNotConfirmed: whoever isn't let in is told the same, whatever the reason is.
func TestNotConfirmed(t *testing.T) {
	for name, test := range map[string]struct {
		phone string
		who   entry.Person
		do    func(t *testing.T, w *identitytest.World, c *carrier, a identity.Account)
		event string
	}{
		"name and number of another":           {zhang, liSays, nil, "no_account"},
		"no such person":                       {zhang, entry.Person{Name: "张小龙", Code: identitytest.ZhangCode}, nil, "not_matched"},
		"name and number alone":                {newPhone, zhangSays, nil, "proofing_too_low"},
		"an account that was proofed better":   {zhang, zhangSays, func(_ *testing.T, _ *identitytest.World, c *carrier, _ identity.Account) { c.level = 1 }, "proofing_too_low"},
		"the carrier knows another phone":      {zhang, zhangSays, func(_ *testing.T, _ *identitytest.World, c *carrier, _ identity.Account) { c.phones = nil }, "proofing_too_low"},
		"an account that was disabled":         {zhang, zhangSays, disable, "disabled"},
		"a number that is somebody else's now": {zhang, zhangSays, endCode, "no_account"},
		"level 1, with another phone": {"13600136000", liSays, func(t *testing.T, w *identitytest.World, _ *carrier, _ identity.Account) {
			_, _, err := w.Register(t.Context(), identity.Registration{
				Name: "李建国", Code: identitytest.LiCode, Phone: "13700137000", Actor: "cli", Proofing: &identity.Proofing{Level: 1, Method: "import", Source: "sample"},
			})
			identitytest.IsReason(t, "registering", err, "")
		}, "phone_not_confirmed"},
		"a name that the library doesn't know": {zhang, entry.Person{Name: "张晓燕", Code: identitytest.ZhangCode}, rename, "name_differs"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c, a := open(t)
				if test.do != nil {
					test.do(t, w, c, a)
				}
				in, err := w.Entry.Recover(t.Context(), attempt(""), prove(t, w, test.phone), test.who)
				identitytest.IsReason(t, "recovering", err, "not_confirmed")
				if in.Ticket != "" || in.Account.ID != "" || c.asked.Load() != 2 {
					t.Errorf("let in: %+v, after %d questions", in, c.asked.Load())
				}
				if e, _ := errors.AsType[*identity.Error](err); e.Detail != "Who you are could not be confirmed online. Go to a counter with your identity document." {
					t.Errorf("told: %s", e.Detail)
				}
				if got := entered(w); got != test.event {
					t.Errorf("the events say %q", got)
				}
				if now, err := w.Account(t.Context(), a.ID); err != nil || len(now.Setup.Sum) > 0 || now.Phone != a.Phone {
					t.Errorf("the account has changed: %v", err)
				}
			})
		})
	}
}

func disable(t *testing.T, w *identitytest.World, _ *carrier, a identity.Account) {
	_, err := w.DisableAccount(t.Context(), "cli", a.ID, true)
	identitytest.IsReason(t, "disabling", err, "")
}

// endCode says that the number isn't the person's any more.
func endCode(t *testing.T, w *identitytest.World, _ *carrier, a identity.Account) {
	change(t, w, a, func(p *identity.Party) { p.Codes[0].Until = party.DateOf(time.Now()).AddDays(-1) })
}

// rename gives the person a name that the adapter doesn't know.
func rename(t *testing.T, w *identitytest.World, c *carrier, _ identity.Account) {
	c.people[identitytest.ZhangCode] = "张晓燕"
}

func change(t *testing.T, w *identitytest.World, a identity.Account, do func(*identity.Party)) {
	t.Helper()
	roster := identity.NewRoster(w.Service)
	who, err := roster.Someone(t.Context(), a.ID)
	identitytest.IsReason(t, "the person", err, "")
	do(&who.Party)
	n, err := roster.Renew(t.Context(), who, true)
	identitytest.IsReason(t, "changing the person", err, "")
	identitytest.IsReason(t, "storing", roster.Wrote(errors.Join(w.UpdateParty(t.Context(), *n.Party), w.UpdateAccount(t.Context(), n.Account)), n), "")
}

// entered returns the results of the events of being let in.
func entered(w *identitytest.World) string {
	var all []string
	for _, r := range w.Results() {
		if result, ok := strings.CutPrefix(r, string(journal.ActionEnter)+" "); ok {
			all = append(all, result)
		}
	}
	return strings.Join(all, ", ")
}

func TestRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		in, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, newPhone), liSays)
		identitytest.IsReason(t, "registering", err, "")
		p, err := w.Party(t.Context(), in.Account.Party)
		if err != nil || !in.New || in.Account.Proofing.Level != 2 || in.Account.Proofing.Method != "telecom" || !in.Account.Proofing.Phone || p.Codes[0].Code != identitytest.LiCode || p.Codes[0].Source != "样例运营商" {
			t.Fatalf("registered: %+v, %+v, %v", in, p, err)
		}
		_, err = w.SetPassword(t.Context(), in.Ticket, "另一个密码 otherwise", "zh-CN", "r")
		identitytest.IsReason(t, "setting the password", err, "")
		if s := strength(t, w, in.Account.ID); s != 1 {
			t.Errorf("a new account's strength is %d", s)
		}
		login := attempt(newPhone)
		_, err = w.Phones.Send(t.Context(), login)
		identitytest.IsReason(t, "a login by phone", err, "")
		if got, err := w.Phones.Check(t.Context(), login, w.SMS.Last(t).Code); err != nil || got.ID != in.Account.ID {
			t.Errorf("the phone alone doesn't log in: %v", err)
		}
		time.Sleep(24 * time.Hour)
		if s := strength(t, w, in.Account.ID); s != 2 {
			t.Errorf("a day later its strength is %d", s)
		}
		if got := entered(w); got != "ok" || c.asked.Load() != 2 {
			t.Errorf("events %q, %d questions", got, c.asked.Load())
		}
	})
}

// TestRegisterKnown: whoever has an account recovers it.
func TestRegisterKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, a := open(t)
		in, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "registering", err, "")
		if in.New || in.Account.ID != a.ID {
			t.Errorf("let in: %+v", in)
		}
		_, err = w.Entry.Register(t.Context(), attempt(""), prove(t, w, "13700137000"), zhangSays)
		identitytest.IsReason(t, "with another phone: its own account of level 1", err, "")
	})
}

// TestRegisterUnproofed: where nobody is asked, an account has a name and a phone alone, if the operator allows it.
func TestRegisterUnproofed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, a := open(t)
		allowed := w.Open(t, func(p *people.Config) { p.Proofer, p.Unproofed = nil, true })
		w.Node = w.Open(t, func(p *people.Config) { p.Proofer = nil })
		_, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, newPhone), liSays)
		identitytest.IsReason(t, "where it isn't allowed", err, "not_confirmed")
		w.Node = allowed
		_, err = w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "recovering", err, "not_confirmed")
		in, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, newPhone), liSays)
		identitytest.IsReason(t, "registering", err, "")
		p, err := w.Party(t.Context(), in.Account.Party)
		if err != nil || !in.New || in.Account.Proofing.Level != 0 || in.Account.Proofing.Method != identity.MethodSelf || p.Name != "李建国" || len(p.Codes) != 0 {
			t.Fatalf("registered: %+v, %+v, %v", in, p, err)
		}
		again, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, newPhone), entry.Person{Name: "李建国"})
		identitytest.IsReason(t, "registering again", err, "")
		if again.New || again.Account.ID != in.Account.ID {
			t.Errorf("registered again: %+v", again)
		}
		_, err = w.Entry.Register(t.Context(), attempt(""), prove(t, w, zhang), entry.Person{Name: "张小䶮"})
		identitytest.IsReason(t, "who has a proofed account", err, "account_exists")
		time.Sleep(91 * 24 * time.Hour)
		next, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, zhang), entry.Person{Name: "王芳"})
		identitytest.IsReason(t, "who has the number now", err, "")
		if now, err := w.Account(t.Context(), a.ID); err != nil || now.Phone != "" || next.Account.Phone != "+8613800138000" {
			t.Errorf("the phone has two accounts: %v", err)
		}
		if m := w.SMS.Sent(); m[len(m)-1].Kind != notice.PhoneChanged || m[len(m)-1].Phone != "+8613800138000" {
			t.Errorf("the phone was told %+v", m[len(m)-1])
		}
		late, err := w.Entry.Register(t.Context(), attempt(""), prove(t, w, newPhone), entry.Person{Name: "李建国"})
		identitytest.IsReason(t, "somebody of that name, much later", err, "")
		if !late.New || late.Account.ID == in.Account.ID {
			t.Errorf("whoever has the number now got the account: %+v", late)
		}
	})
}

// TestPresent: whoever was seen needn't wait.
func TestPresent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, a := open(t)
		c.present = true
		in, err := w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "recovering", err, "")
		_, err = w.SetPassword(t.Context(), in.Ticket, "另一个密码 otherwise", "zh-CN", "r")
		identitytest.IsReason(t, "setting the password", err, "")
		if s := strength(t, w, a.ID); s != 2 {
			t.Errorf("strength %d", s)
		}

		// Nor goes on waiting whoever waited already, and gets no message of a change that is none.
		c.present = false
		in, err = w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "recovering unseen", err, "")
		_, err = w.SetPassword(t.Context(), in.Ticket, "第三个密码 otherwise", "zh-CN", "r")
		identitytest.IsReason(t, "setting the password", err, "")
		if now, err := w.Account(t.Context(), a.ID); err != nil || !now.Waits(time.Now()) {
			t.Fatalf("unseen, the phone waits until %v, %v", now.PhoneWaits, err)
		}
		c.present = true
		_, err = w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "recovering after that", err, "")
		if now, err := w.Account(t.Context(), a.ID); err != nil || now.Waits(time.Now()) {
			t.Errorf("seen, the phone waits until %v, %v", now.PhoneWaits, err)
		}
		if last := w.SMS.Sent()[w.SMS.Count()-1]; last.Kind == notice.PhoneChanged || last.Kind == notice.PhoneBound {
			t.Errorf("told of a change: %+v", last)
		}

		// And so with another phone.
		c.phones[identitytest.ZhangCode] = "+8613900139000"
		in, err = w.Entry.Recover(t.Context(), attempt(""), prove(t, w, newPhone), zhangSays)
		identitytest.IsReason(t, "recovering with another phone", err, "")
		if in.Account.Phone != "+8613900139000" || in.Account.Waits(time.Now()) {
			t.Errorf("seen, another phone waits until %v: %s", in.Account.PhoneWaits, in.Account.Phone)
		}
	})
}

func TestAdapterFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		c.fails = errors.New("it doesn't answer")
		_, err := w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "recovering", err, "proofing_unavailable")
		c.fails, c.level = nil, 4
		_, err = w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), zhangSays)
		identitytest.IsReason(t, "a level that isn't", err, "proofing_unavailable")
		for what, who := range map[string]entry.Person{
			"name_invalid": {Name: "", Code: identitytest.ZhangCode}, "code_invalid": {Name: "张小䶮", Code: party.Code{Type: party.Citizen, Value: "1"}},
		} {
			_, err = w.Entry.Recover(t.Context(), attempt(""), prove(t, w, zhang), who)
			identitytest.IsReason(t, what, err, what)
		}
	})
}
