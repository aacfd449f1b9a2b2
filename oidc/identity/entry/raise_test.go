package entry_test

import (
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/notice"
	"yizheng.internal/oidc/identity/people"
	"yizheng.internal/signing/journal"
)

// unproofed opens an account of level 0 that has a phone.
func unproofed(t *testing.T, w *identitytest.World, name, phone string) identity.Account {
	t.Helper()
	a, _, err := w.Register(t.Context(), identity.Registration{Name: name, NoCode: true, Phone: phone, Actor: "cli", Proofing: &identity.Proofing{Method: identity.MethodSelf, Source: "self"}})
	identitytest.IsReason(t, "registering "+name, err, "")
	time.Sleep(time.Second)
	return a
}

// login is the session of somebody who logged in just now, with one factor.
func login(a identity.Account) authenticator.Owner {
	return authenticator.Owner{Account: a.ID, Session: "session", AuthTime: time.Now(), Strength: 1, Language: "zh-CN", RequestID: "r"}
}

// proveOwn proves the phone of somebody's account, and returns the token.
func proveOwn(t *testing.T, w *identitytest.World, o authenticator.Owner) string {
	t.Helper()
	_, err := entry.NewRaising(w.Entry).Send(t.Context(), o, attempt(""))
	identitytest.IsReason(t, "sending", err, "")
	m := w.SMS.Last(t)
	if m.Kind != notice.RaiseCode || !strings.Contains(m.Text, "提升账号的实名等级") {
		t.Fatalf("the message is %+v", m)
	}
	token, err := entry.NewRaising(w.Entry).Prove(t.Context(), o, attempt(""), m.Code)
	identitytest.IsReason(t, "proving", err, "")
	time.Sleep(time.Minute)
	return token
}

// told counts the messages of a kind to a phone.
func told(w *identitytest.World, k notice.Kind, phone string) (n int) {
	for _, m := range w.SMS.Sent() {
		if m.Kind == k && m.Phone == phone {
			n++
		}
	}
	return n
}

// results returns the results of an action's events.
func results(w *identitytest.World, action journal.Action) string {
	var all []string
	for _, r := range w.Results() {
		if result, ok := strings.CutPrefix(r, string(action)+" "); ok {
			all = append(all, result)
		}
	}
	return strings.Join(all, ", ")
}

const liPhone = "+8613900139000"

func TestRaise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := open(t)
		a := unproofed(t, w, "小李", newPhone)
		o := login(a)
		token := proveOwn(t, w, o)
		got, err := entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), token, liSays)
		identitytest.IsReason(t, "raising", err, "")
		now, err := w.Account(t.Context(), a.ID)
		p, e := w.Party(t.Context(), a.Party)
		if err != nil || e != nil || got.ID != a.ID || now.Proofing.Level != 2 || now.Proofing.Source != "样例运营商" || now.PhoneProved.IsZero() || !now.Secured.IsZero() {
			t.Fatalf("the account is %+v, %v, %v", now, err, e)
		}
		if p.Name != "李建国" || len(p.FormerNames) != 0 || len(p.Codes) != 1 || p.Codes[0].Code != identitytest.LiCode || p.Codes[0].Source != "样例运营商" {
			t.Errorf("the person is %+v", p)
		}
		if found, err := w.Service.FindAccount(t.Context(), identitytest.LiCode.Value); err != nil || found.ID != a.ID {
			t.Errorf("the number leads to %s, %v", found.ID, err)
		}
		if told(w, notice.LevelRaised, liPhone) != 1 || results(w, journal.ActionRaise) != "ok" {
			t.Errorf("told %d times, events %q", told(w, notice.LevelRaised, liPhone), results(w, journal.ActionRaise))
		}
		time.Sleep(2 * time.Minute)
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), token, liSays)
		identitytest.IsReason(t, "the same form later", err, "code_expired")
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), proveOwn(t, w, o), liSays)
		identitytest.IsReason(t, "once more, for nothing better", err, "not_confirmed")
	})
}

// TestRaiseRefused: whatever doesn't fit, the answer is the same and nothing changes.
func TestRaiseRefused(t *testing.T) {
	for name, test := range map[string]struct {
		who   entry.Person
		do    func(*testing.T, *identitytest.World, *carrier, identity.Account)
		event string
	}{
		"no such person":                  {entry.Person{Name: "李建军", Code: identitytest.LiCode}, nil, "not_matched"},
		"another's number":                {zhangSays, nil, "name_differs"},
		"another's, with the phone":       {zhangSays, func(_ *testing.T, _ *identitytest.World, c *carrier, _ identity.Account) { c.family = true }, "number_held"},
		"the adapter knows another phone": {liSays, func(_ *testing.T, _ *identitytest.World, c *carrier, _ identity.Account) { c.phones = nil }, "name_differs"},
		"a number that somebody had": {zhangSays, func(t *testing.T, w *identitytest.World, c *carrier, _ identity.Account) {
			c.family = true
			zhangs, err := w.Service.FindAccount(t.Context(), identitytest.ZhangCode.Value)
			identitytest.IsReason(t, "finding", err, "")
			endCode(t, w, c, zhangs)
		}, "number_held"},
		"another phone meanwhile": {liSays, func(t *testing.T, w *identitytest.World, c *carrier, a identity.Account) {
			c.during = func() {
				c.during = nil
				_, err := w.Change(t.Context(), a.ID, func(a *identity.Account) error { a.Phone = "+8613700137000"; return nil })
				identitytest.IsReason(t, "changing the phone", err, "")
			}
		}, "phone_not_confirmed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c, zhangs := open(t)
				a := unproofed(t, w, "小李", newPhone)
				o := login(a)
				token := proveOwn(t, w, o)
				if test.do != nil {
					test.do(t, w, c, a)
				}
				zhangs, err := w.Account(t.Context(), zhangs.ID)
				identitytest.IsReason(t, "the other account", err, "")
				_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), token, test.who)
				identitytest.IsReason(t, "raising", err, "not_confirmed")
				if e, _ := errors.AsType[*identity.Error](err); e.Detail != "Who you are could not be confirmed online. Go to a counter with your identity document." {
					t.Errorf("told: %s", e.Detail)
				}
				now, err := w.Account(t.Context(), a.ID)
				p, e := w.Party(t.Context(), a.Party)
				if err != nil || e != nil || now.Proofing.Level != 0 || len(p.Codes) != 0 || p.Name != "小李" {
					t.Errorf("changed to %+v, %+v, %v, %v", now.Proofing, p, err, e)
				}
				if got := results(w, journal.ActionRaise); got != test.event {
					t.Errorf("the events say %q", got)
				}
				claimed := test.event == "number_held" && test.who.Code == identitytest.ZhangCode
				if n := told(w, notice.NumberClaimed, "+8613800138000"); (n == 1) != claimed || (results(w, journal.ActionNumberClaim) == "ok") != claimed {
					t.Errorf("whose number it is was told %d times, events %q", n, results(w, journal.ActionNumberClaim))
				}
				if older, err := w.Account(t.Context(), zhangs.ID); err != nil || older.Revision != zhangs.Revision {
					t.Errorf("the other account has changed: %v", err)
				}
			})
		})
	}
}

// TestRaiseProofed: an account that has a number keeps it, its name and whose record it was made of; nothing is lowered.
func TestRaiseProofed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		n := identity.Registration{Name: "李建国", Code: identitytest.LiCode, Phone: newPhone, Actor: "cli", Proofing: &identity.Proofing{Level: 1, Method: identity.MethodImport, Source: "sample"}}
		a, _, err := w.Register(t.Context(), n)
		identitytest.IsReason(t, "registering", err, "")
		time.Sleep(time.Second)
		o := login(a)
		c.people[identitytest.GuestCode], c.family = "李建国", true
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), proveOwn(t, w, o), entry.Person{Name: "李建国", Code: identitytest.GuestCode})
		identitytest.IsReason(t, "by another number", err, "not_confirmed")
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), proveOwn(t, w, o), liSays)
		identitytest.IsReason(t, "raising", err, "")
		now, err := w.Account(t.Context(), a.ID)
		if err != nil || now.Proofing.Level != 2 || now.Origin() != "sample" {
			t.Errorf("the account is %+v, %v", now, err)
		}
		if got := results(w, journal.ActionRaise); got != "number_differs, ok" {
			t.Errorf("events %q", got)
		}
		counter := identity.Proofing{Level: 3, Method: identity.MethodCounter, Source: "cli", At: time.Now().UTC()}
		_, err = w.Change(t.Context(), a.ID, func(a *identity.Account) error { a.Proofing = counter; return nil })
		identitytest.IsReason(t, "the counter's proofing", err, "")
		c.people[identitytest.LiCode] = "李大国"
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), proveOwn(t, w, o), entry.Person{Name: "李大国", Code: identitytest.LiCode})
		identitytest.IsReason(t, "of a better one", err, "not_confirmed")
		now, err = w.Account(t.Context(), a.ID)
		p, e := w.Party(t.Context(), a.Party)
		if err != nil || e != nil || now.Proofing != counter || p.Name != "李建国" {
			t.Errorf("the counter's word was changed: %+v, %+v, %v, %v", now.Proofing, p, err, e)
		}
	})
}

// TestRaiseToOne: without the phone's confirmation a yes is worth level 1, binds nothing, and only under the name that
// the account has.
func TestRaiseToOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		c.phones = nil
		a := unproofed(t, w, "李建国", newPhone)
		o := login(a)
		_, err := entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), proveOwn(t, w, o), liSays)
		identitytest.IsReason(t, "raising", err, "")
		now, err := w.Account(t.Context(), a.ID)
		p, e := w.Party(t.Context(), a.Party)
		if err != nil || e != nil || now.Proofing.Level != 1 || len(p.Codes) != 0 {
			t.Errorf("the account is %+v, %+v, %v, %v", now.Proofing, p, err, e)
		}
		w.Node = w.Open(t, func(p *people.Config) { p.Proofer = c })
		b := unproofed(t, w, "李建国", "13600136000")
		o = login(b)
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), proveOwn(t, w, o), liSays)
		identitytest.IsReason(t, "where nobody is let in so", err, "not_confirmed")
		w.Node = w.Open(t, func(p *people.Config) { p.Proofer = nil })
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), "", liSays)
		identitytest.IsReason(t, "where nobody is asked", err, "not_confirmed")
		if entry.NewRaising(w.Entry).Most() != 0 {
			t.Errorf("it raises to %d", entry.NewRaising(w.Entry).Most())
		}
	})
}

// TestRaiseTwoTabs: one account is raised once by two tabs at once, each with a code of its own, and by a form sent twice.
func TestRaiseTwoTabs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, _, _ := open(t)
		a := unproofed(t, w, "小李", newPhone)
		o := login(a)
		tokens := []string{proveOwn(t, w, o), proveOwn(t, w, o)}
		tokens = append(tokens, tokens[0])
		var all sync.WaitGroup
		for _, token := range tokens {
			all.Go(func() {
				got, err := entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), token, liSays)
				if err != nil || got.Proofing.Level != 2 {
					t.Errorf("raising: %+v, %v", got.Proofing, err)
				}
			})
		}
		all.Wait()
		if got := results(w, journal.ActionRaise); got != "ok" || told(w, notice.LevelRaised, liPhone) != 1 {
			t.Errorf("events %q, told %d times", got, told(w, notice.LevelRaised, liPhone))
		}
	})
}

// TestRaiseRaced: of two accounts that are raised by the same number at once one gets it, and is told of the other.
func TestRaiseRaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		c.family = true
		accounts := []identity.Account{unproofed(t, w, "小李", newPhone), unproofed(t, w, "老李", "13600136000")}
		var all sync.WaitGroup
		var mu sync.Mutex
		raised := 0
		owners := []authenticator.Owner{login(accounts[0]), login(accounts[1])}
		tokens := []string{proveOwn(t, w, owners[0]), proveOwn(t, w, owners[1])}
		for i, o := range owners {
			all.Go(func() {
				_, err := entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), tokens[i], liSays)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					raised++
				} else {
					identitytest.IsReason(t, "the slower", err, "not_confirmed")
				}
			})
		}
		all.Wait()
		if n := told(w, notice.NumberClaimed, liPhone) + told(w, notice.NumberClaimed, "+8613600136000"); raised != 1 || n != 1 {
			t.Errorf("%d were raised, %d told", raised, n)
		}
	})
}

// TestAttackRaiseSession: what one session began another doesn't finish, and one that is over or weaker than the account
// can be does nothing.
func TestAttackRaiseSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		c.family = true
		a, b := unproofed(t, w, "小李", newPhone), unproofed(t, w, "小王", "13600136000")
		o := login(a)
		token := proveOwn(t, w, o)
		another := o
		another.Session = "another"
		_, err := entry.NewRaising(w.Entry).Raise(t.Context(), another, attempt(""), token, liSays)
		identitytest.IsReason(t, "another session", err, "code_expired")
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), login(b), attempt(""), token, liSays)
		identitytest.IsReason(t, "another account", err, "code_expired")
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), prove(t, w, newPhone), liSays)
		identitytest.IsReason(t, "a token to register", err, "code_expired")
		_, err = w.Entry.Register(t.Context(), attempt(""), token, liSays)
		identitytest.IsReason(t, "registering with it", err, "code_expired")
		lent := o
		lent.Relayed = true
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), lent, attempt(""), token, liSays)
		identitytest.IsReason(t, "a lent login", err, "stronger_login")
		_, err = w.Change(t.Context(), a.ID, func(a *identity.Account) error { a.Secure(time.Now()); return nil })
		identitytest.IsReason(t, "removing an authenticator", err, "")
		_, err = entry.NewRaising(w.Entry).Raise(t.Context(), o, attempt(""), token, liSays)
		identitytest.IsReason(t, "a session that is over", err, "session_over")
		time.Sleep(time.Second)
		o = login(a)
		w.AddPasskey(t, a)
		all := factor.All()
		now, err := w.Account(t.Context(), a.ID)
		if best := all.Strength(all.Best(now, time.Now())); err != nil || best < 2 {
			t.Fatalf("with a passkey the account reaches %d, %v", best, err)
		}
		_, err = entry.NewRaising(w.Entry).Send(t.Context(), o, attempt(""))
		identitytest.IsReason(t, "a weaker login", err, "stronger_login")
		if got := results(w, journal.ActionRaise); got != "" {
			t.Errorf("events %q", got)
		}
	})
}

// TestRaiseGuessing: an account gives five answers a day, and a number is given twenty times a day.
func TestRaiseGuessing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c, _ := open(t)
		asked := c.asked.Load()
		for i := range 5 {
			a := unproofed(t, w, "某人", "1360013600"+string(rune('0'+i)))
			o := login(a)
			from := attempt("")
			from.Address = netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
			token := proveOwn(t, w, o)
			for j := range 6 {
				_, err := entry.NewRaising(w.Entry).Raise(t.Context(), o, from, token, entry.Person{Name: "猜猜看", Code: party.Code{Type: party.Citizen, Value: strings.ToLower(identitytest.LiCode.Value)}})
				identitytest.IsReason(t, "a guess", err, map[bool]string{true: "not_confirmed", false: "too_many_tries"}[i < 4 && j < 5])
			}
			token = proveOwn(t, w, o)
			_, err := entry.NewRaising(w.Entry).Raise(t.Context(), o, from, token, zhangSays)
			identitytest.IsReason(t, "with another code", err, "too_many_tries")
		}
		if n := c.asked.Load() - asked; n != 20 {
			t.Errorf("the adapter was asked %d times", n)
		}
	})
}
