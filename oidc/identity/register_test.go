package identity_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/people"
)

func TestRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a, p, err := w.Register(t.Context(), identity.Registration{
			Name: " 张小䶮 ", Code: party.Code{Type: party.Citizen, Value: "９９０１０１199001010035"}, LoginName: "Ｘiaoyan", Phone: "13800138000", Password: identitytest.Password, Actor: "cli", RequestID: "r",
		})
		identitytest.IsReason(t, "registering", err, "")
		if a.LoginName != "xiaoyan" || a.Phone != "+8613800138000" || a.Proofing.Level != 2 || a.Proofing.Source != "样例人口库" || a.Proofing.At.IsZero() || a.Party != p.ID {
			t.Errorf("account is %+v", a)
		}
		if p.Name != "张小䶮" || p.Kind != identity.Person || len(p.Codes) != 1 || p.Codes[0].Code != identitytest.ZhangCode || p.Codes[0].Source != "样例人口库" {
			t.Errorf("party is %+v", p)
		}
		stored, err := w.Account(t.Context(), a.ID)
		if err != nil || stored.LoginName != a.LoginName || !stored.Created.Equal(a.Created) || stored.Revision != 1 || stored.Proofing != a.Proofing {
			t.Errorf("stored account is %+v, %v", stored, err)
		}
		storedParty, err := w.Party(t.Context(), p.ID)
		if err != nil || storedParty.Name != p.Name || storedParty.Codes[0] != p.Codes[0] {
			t.Errorf("stored party is %+v, %v", storedParty, err)
		}
		for _, body := range [][]byte{w.Accounts[a.ID].Body, w.Parties[p.ID].Body} {
			if s := string(body); strings.Contains(s, "张小䶮") || strings.Contains(s, "1380013") || strings.Contains(s, "xiaoyan") || strings.Contains(s, "1990") {
				t.Error("a record isn't sealed")
			}
		}
		want := []string{"party.create begun", "party.create ok", "account.create begun", "account.create ok"}
		if got := w.Results(); !slices.Equal(got, want) {
			t.Errorf("facts are %v", got)
		}
	})
}

func TestRegisterRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		good := identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Phone: "13900139000", Password: identitytest.Password}
		for _, test := range []struct {
			name, reason string
			change       func(*identity.Registration)
		}{
			{"no name", "name_invalid", func(r *identity.Registration) { r.Name = " " }},
			{"no code", "code_invalid", func(r *identity.Registration) { r.Code = party.Code{} }},
			{"wrong check digit", "code_invalid", func(r *identity.Registration) { r.Code.Value = "990101195512310021" }},
			{"an organization's code", "code_invalid", func(r *identity.Registration) {
				r.Code = party.Code{Type: party.SocialCredit, Value: "11990000000000000D"}
			}},
			{"born tomorrow", "code_invalid", func(r *identity.Registration) { r.Code.Value = "990101200002290011" }}, // the bubble begins on 2000-01-01
			{"login name like a number", "login_name_invalid", func(r *identity.Registration) { r.LoginName = "e12345678" }},
			{"no mobile phone", "phone_invalid", func(r *identity.Registration) { r.Phone = "010-12345678" }},
			{"not in the register", "not_matched", func(r *identity.Registration) { r.Name = "李建军" }},
			{"short password", "password_short", func(r *identity.Registration) { r.Password = "七个字的密码啊" }},
			{"common password", "password_common", func(r *identity.Registration) { r.Password = "woaini1314" }},
			{"personal password", "password_personal", func(r *identity.Registration) { r.Password = "我是李建国呀你好" }},
			{"taken login name", "login_name_taken", func(r *identity.Registration) { r.LoginName = "XIAOYAN.ZHANG" }},
			{"taken phone", "phone_taken", func(r *identity.Registration) { r.Phone = "+86 13800138000" }},
			{"known already", "account_exists", func(r *identity.Registration) { r.Name, r.Code = "张小䶮", identitytest.ZhangCode }},
		} {
			r := good
			test.change(&r)
			_, _, err := w.Register(t.Context(), r)
			identitytest.IsReason(t, test.name, err, test.reason)
		}
		if _, _, err := w.Register(t.Context(), good); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		s := w.Open(t, func(c *people.Config) { c.Proofer = nil })
		_, _, err := s.Register(t.Context(), identity.Registration{Name: "John Smith", Code: identitytest.GuestCode})
		identitytest.IsReason(t, "no register", err, "no_proofing")
		_, _, err = s.Register(t.Context(), identity.Registration{Name: "John Smith", Code: identitytest.GuestCode, Proofing: &identity.Proofing{Level: 4}})
		if err == nil {
			t.Error("level 4 was accepted")
		}
		a, _, err := s.Register(t.Context(), identity.Registration{Name: "John Smith", Code: identitytest.GuestCode, Proofing: &identity.Proofing{Level: 3, Method: "in_person", Source: "cli"}})
		if err != nil || a.Proofing.Level != 3 || a.Proofing.At.IsZero() {
			t.Errorf("in person: %+v, %v", a.Proofing, err)
		}
	})
}

// A party may be there before the account: it is used if it has the name.
func TestRegisterUsesTheParty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		now := time.Now().UTC()
		former := party.Code{Type: party.Citizen, Value: "990101195512310023"}
		p := identity.Party{
			ID: identity.NewID(), Kind: identity.Person, Name: "李 建国", FormerNames: []string{"李狗蛋"}, Created: now, Updated: now, Revision: 1,
			Codes: []identity.PartyCode{{Code: identitytest.GuestCode}, {Code: former, Until: party.DateOf(now).AddDays(-1)}},
		}
		identitytest.IsReason(t, "creating", w.PlantParty(t.Context(), p), "")
		proofed := &identity.Proofing{Level: 2, Method: "in_person", Source: "cli"}
		_, _, err := w.Register(t.Context(), identity.Registration{Name: "李建军", Code: former, Proofing: proofed})
		identitytest.IsReason(t, "another's name", err, "name_differs")
		a, got, err := w.Register(t.Context(), identity.Registration{Name: "李狗蛋", Code: former, Password: identitytest.Password, Proofing: proofed})
		identitytest.IsReason(t, "a former name", err, "")
		if got.ID != p.ID || a.Party != p.ID || len(w.Parties) != 1 {
			t.Errorf("party is %+v", got)
		}
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("e 12345678", identitytest.Password))
		identitytest.IsReason(t, "login by today's number", err, "")
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt(former.Value, identitytest.Password))
		identitytest.IsReason(t, "login by the former one", err, "login_refused")
	})
}

func TestRegisterSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		answers := map[string]int{}
		for range 20 {
			wg.Go(func() {
				_, _, err := w.Register(t.Context(), identity.Registration{Name: "张小䶮", Code: identitytest.ZhangCode, LoginName: "xiaoyan", Password: identitytest.Password})
				mu.Lock()
				defer mu.Unlock()
				answers[identity.ReasonOf(err)]++
			})
		}
		wg.Wait()
		if answers["ok"] != 1 || answers["account_exists"] != 19 || len(w.Parties) != 1 || len(w.Accounts) != 1 {
			t.Errorf("answers are %v, %d parties, %d accounts", answers, len(w.Parties), len(w.Accounts))
		}
	})
}

func TestFindAndListAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		b, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode})
		identitytest.IsReason(t, "registering", err, "")
		for _, login := range []string{"xiaoyan.zhang", "13800138000", identitytest.ZhangCode.Value} {
			got, err := w.Service.FindAccount(t.Context(), login)
			if err != nil || got.ID != a.ID {
				t.Errorf("%s: %v", login, err)
			}
		}
		if _, err := w.Service.FindAccount(t.Context(), "nobody"); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("nobody: %v", err)
		}
		if _, err := w.Account(t.Context(), "../"+a.ID); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("no id: %v", err)
		}
		all, err := w.Service.ListAccounts(t.Context(), "", 10)
		identitytest.IsReason(t, "listing", err, "")
		ids := []string{a.ID, b.ID}
		slices.Sort(ids)
		if len(all) != 2 || all[0].ID != ids[0] || all[1].ID != ids[1] {
			t.Errorf("listed %v", all)
		}
		got, err := w.DisableAccount(t.Context(), "cli", a.ID, true)
		if err != nil || !got.Disabled || !w.Accounts[a.ID].Disabled {
			t.Errorf("disabled: %+v, %v", got, err)
		}
		got, err = w.DisableAccount(t.Context(), "cli", a.ID, false)
		if err != nil || got.Disabled {
			t.Errorf("enabled: %+v, %v", got, err)
		}
		if _, err := w.DisableAccount(t.Context(), "cli", identity.NewID(), true); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("disabling nobody: %v", err)
		}
	})
}

func TestChangePhone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		b, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, Password: identitytest.Password})
		identitytest.IsReason(t, "registering", err, "")
		_, _, err = w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: b.ID, To: "13800138000"})
		identitytest.IsReason(t, "another's phone", err, "phone_taken")
		_, _, err = w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: b.ID, To: "12345"})
		identitytest.IsReason(t, "no phone", err, "phone_invalid")
		_, _, err = w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: a.ID, To: ""})
		identitytest.IsReason(t, "taking it away", err, "")
		_, err = w.SendCode(t.Context(), a.ID, "session", "zh-CN", "r")
		identitytest.IsReason(t, "a code", err, "no_phone")
		got, former, err := w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: b.ID, To: "138 0013 8000"})
		if err != nil || got.Phone != "+8613800138000" || former != "" || got.Secured.IsZero() {
			t.Errorf("now it is free: %v, %q, %v", got, former, err)
		}
		again, former, err := w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: b.ID, To: "+8613800138000"})
		if err != nil || former != got.Phone || !again.Secured.Equal(got.Secured) {
			t.Errorf("the one that it has: %v, %q, %v", again, former, err)
		}
		who, err := w.CheckPassword(t.Context(), identitytest.Attempt("13800138000", identitytest.Password))
		if err != nil || who.ID != b.ID {
			t.Errorf("login by it: %v, %v", who.ID, err)
		}
		if _, _, err := w.ChangePhone(t.Context(), identity.PhoneChange{Actor: "cli", Account: identity.NewID(), To: "13900139000"}); !errors.Is(err, identity.ErrNotFound) {
			t.Errorf("nobody's phone: %v", err)
		}
	})
}

// A lookup key is rotated: logins are found before, during and after.
func TestRehashLogins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		logIn := func(when string) {
			t.Helper()
			_, err := w.CheckPassword(t.Context(), identitytest.Attempt("13800138000", identitytest.Password))
			identitytest.IsReason(t, when, err, "")
		}
		old := w.RotateLookup(t)
		logIn("after the rotation")
		done := 0
		identitytest.IsReason(t, "rehashing", w.RehashLogins(t.Context(), func(n int) { done = n }), "")
		if done != 2 {
			t.Errorf("%d are done", done)
		}
		logIn("after rehashing")
		w.RevokeKey(t, old)
		identitytest.IsReason(t, "rehashing again", w.RehashLogins(t.Context(), nil), "")
		logIn("after revoking")
		for _, a := range w.Accounts {
			for _, l := range a.Logins {
				if l.Serial == old.Serial {
					t.Error("a login under the old key is left")
				}
			}
		}
		_, _, err := w.Register(t.Context(), identity.Registration{Name: "张小䶮", Code: identitytest.ZhangCode})
		identitytest.IsReason(t, "registering again", err, "account_exists")
	})
}

// Whoever can write into the database must not make an account another person's.
func TestAlteredAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		b, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Password: identitytest.Password})
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := w.Memory.Accounts[a.ID], w.Memory.Accounts[b.ID]
		for name, altered := range map[string]identity.AccountRecord{
			"another's party": {ID: a.ID, Party: theirs.Party, Revision: mine.Revision, Body: mine.Body},
			"another's body":  {ID: a.ID, Party: mine.Party, Revision: mine.Revision, Body: theirs.Body},
		} {
			w.Memory.Accounts[a.ID] = altered
			if got, err := w.Account(t.Context(), a.ID); err == nil {
				t.Errorf("%s: it is believed to be of %s", name, got.Party)
			}
		}
		w.Memory.Accounts[a.ID] = mine
		if got, err := w.Account(t.Context(), a.ID); err != nil || got.Party != a.Party {
			t.Errorf("as it was: %+v, %v", got.Party, err)
		}
	})
}

// Without a number nobody is registered to more than level 1: what a level says is whose number it is.
func TestRegisterWithoutNumber(t *testing.T) {
	w := identitytest.NewWorld(t)
	for level, ok := range map[int]bool{0: true, 1: true, 2: false} {
		a, p, err := w.Register(t.Context(), identity.Registration{Name: "李建国", NoCode: true, Proofing: &identity.Proofing{Level: level, Method: "self"}})
		if (err == nil) != ok || ok && (len(p.Codes) != 0 || a.Proofing.Level != level || a.Party != p.ID) {
			t.Errorf("level %d: %+v, %+v, %v", level, a, p, err)
		}
	}
	for what, r := range map[string]identity.Registration{
		"without a proofing": {Name: "李建国", NoCode: true}, "with a number": {Name: "李建国", NoCode: true, Code: identitytest.LiCode, Proofing: &identity.Proofing{}},
	} {
		if _, _, err := w.Register(t.Context(), r); err == nil {
			t.Errorf("%s: registered", what)
		}
	}
}
