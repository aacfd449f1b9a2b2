package factor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
)

func TestLogInByWhateverIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		for _, typed := range []string{
			"xiaoyan.zhang", " XIAOYAN.ZHANG ", "ｘiaoyan．zhang", "13800138000", "138-0013-8000", "+8613800138000", "0086 138 0013 8000",
			"１３８００１３８０００", "990101199001010035", "990101 19900101 0035",
		} {
			got, err := w.CheckPassword(t.Context(), identitytest.Attempt(typed, identitytest.Password))
			if err != nil || got.ID != a.ID {
				t.Errorf("%q: %v", typed, err)
			}
		}
		if got, err := w.CheckPassword(t.Context(), identitytest.Attempt("13800138000", "竹林深处\u3000ｂａｍｂｏｏ")); err != nil || got.ID != a.ID {
			t.Errorf("full-width password: %v", err)
		}
	})
}

// TestSameWork counts what an answer costs: one query, one hash, the same counts
// and one fact, whoever was asked for.
func TestSameWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		disabled, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Password: identitytest.Password})
		identitytest.IsReason(t, "registering", err, "")
		_, err = w.DisableAccount(t.Context(), "cli", disabled.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		_, _, err = w.Register(t.Context(), identity.Registration{Name: "John Smith", Code: identitytest.GuestCode, LoginName: "john.smith"})
		identitytest.IsReason(t, "registering without a password", err, "")

		type work struct {
			hashes  int64
			queries string
			answer  string
		}
		measure := func(a factor.Attempt) work {
			w.Asked()
			before := w.Hash.Computed()
			_, err := w.CheckPassword(t.Context(), a)
			return work{w.Hash.Computed() - before, strings.Join(w.Asked(), " "), fmt.Sprintf("%#v", err)}
		}
		measure(identitytest.Attempt("nobody", identitytest.Password)) // makes the decoy
		answers := map[string]string{}
		var first work
		for i, test := range []struct{ name, login, password string }{
			{"unknown login name", "somebody.else", identitytest.Password},
			{"unknown phone", "13900139000", identitytest.Password},
			{"unknown number", "990101200002290011", identitytest.Password},
			{"what can't be a login", "!", identitytest.Password},
			{"what is too long for one", strings.Repeat("x", 1000), identitytest.Password},
			{"wrong password", "xiaoyan.zhang", "another password"},
			{"wrong password, by phone", "13800138000", "another password"},
			{"wrong password, by number", "990101199001010035", "another password"},
			{"disabled", "jianguo", identitytest.Password},
			{"disabled, wrong password", "jianguo", "another password"},
			{"no password set", "john.smith", identitytest.Password},
			{"no password given", "xiaoyan.zhang", ""},
			{"a password that is too long", "13800138000", strings.Repeat("x", 5000)},
			{"a password that is no text", "990101199001010035", "\xff" + identitytest.Password},
		} {
			got := measure(identitytest.Attempt(test.login, test.password))
			if !strings.Contains(got.answer, "login_refused") {
				t.Errorf("%s: %s", test.name, got.answer)
			}
			// A pointer's address isn't part of the answer.
			_, got.answer, _ = strings.Cut(got.answer, "{")
			if i == 0 {
				first = got
			}
			if got.hashes != 1 || got.queries != first.queries {
				t.Errorf("%s: %d hashes, %s; the first one %s", test.name, got.hashes, got.queries, first.queries)
			}
			answers[got.answer] = test.name
		}
		if len(answers) != 1 {
			t.Errorf("answers differ: %v", answers)
		}
		if n := strings.Count(first.queries, "FindAccount"); n != 1 || !strings.HasSuffix(first.queries, "Record") {
			t.Errorf("the queries are %s", first.queries)
		}
		results := w.Results()[len(w.Results())-14:]
		want := "unknown_account unknown_account unknown_account unknown_account unknown_account wrong_password wrong_password wrong_password " +
			"account_disabled account_disabled no_password wrong_password wrong_password wrong_password"
		for i, r := range strings.Fields(want) {
			if results[i] != "login.password "+r {
				t.Errorf("fact %d is %s, want %s", i, results[i], r)
			}
		}
	})
}

// A challenge that can't be sent is answered like any other, in the same time.
func TestChallengeWhenSendingFails(t *testing.T) {
	for name, set := range map[string]func(*identitytest.Messages){
		"the gateway refuses": func(m *identitytest.Messages) { m.Fails = errors.New("no") },
		"the gateway is slow": func(m *identitytest.Messages) { m.Takes = time.Minute },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := identitytest.NewWorld(t)
				w.Zhang(t)
				set(w.SMS)
				for n := range 10 {
					_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", "guess"), n))
					identitytest.IsReason(t, "guess", err, "login_refused")
				}
				began := time.Now()
				_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", identitytest.Password), 50))
				identitytest.IsReason(t, "the right password", err, "code_needed")
				if took := time.Since(began); took != factor.ChallengeTime {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestChallengeIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		challenged := func(n int) *factor.Challenge {
			for i := range 11 {
				_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", identitytest.Password), n))
				if c, ok := errors.AsType[*factor.Challenge](err); ok {
					return c
				}
				w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", "guess"), n+i))
			}
			t.Fatal("never challenged")
			return nil
		}
		c := challenged(1)
		code := w.SMS.Last(t).Code
		_, err := w.ConfirmLogin(t.Context(), c.Handle, "another browser", code, "r")
		identitytest.IsReason(t, "another browser", err, "code_expired")
		_, err = w.ConfirmLogin(t.Context(), "made up", "browser", code, "r")
		identitytest.IsReason(t, "another handle", err, "code_expired")
		_, err = w.DisableAccount(t.Context(), "cli", a.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", code, "r")
		identitytest.IsReason(t, "disabled meanwhile", err, "login_refused")
		if got := w.Results(); !slices.Contains(got, "login.confirm account_disabled") {
			t.Errorf("facts are %v", got)
		}
	})
}

// A challenge's answer is worth what the password is that was right.
func TestChallengeOfAnOldPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		a := w.Zhang(t)
		var c *factor.Challenge
		for i := 0; c == nil && i < 20; i++ {
			w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", "guess"), i))
			_, err := w.CheckPassword(t.Context(), identitytest.From(identitytest.Attempt("xiaoyan.zhang", identitytest.Password), 1))
			c, _ = errors.AsType[*factor.Challenge](err)
		}
		if c == nil {
			t.Fatal("never challenged")
		}
		code := w.SMS.Last(t).Code
		ticket, err := w.SetupTicket(t.Context(), "cli", a.ID)
		identitytest.IsReason(t, "a ticket", err, "")
		_, err = w.SetPassword(t.Context(), ticket, "four quiet herons", "zh-CN", "r")
		identitytest.IsReason(t, "another password", err, "")
		_, err = w.ConfirmLogin(t.Context(), c.Handle, "browser", code, "r")
		identitytest.IsReason(t, "the old password's code", err, "login_refused")
	})
}

func TestLoginFailsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := identitytest.NewWorld(t)
		w.Zhang(t)
		w.FailEphemeral = errors.New("no answer")
		before := w.Hash.Computed()
		_, err := w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password))
		identitytest.IsReason(t, "without counters", err, "unavailable")
		if !errors.Is(err, w.FailEphemeral) || w.Hash.Computed() != before {
			t.Errorf("got %v", err)
		}
		w.FailEphemeral, w.FailRecord = nil, errors.New("disk full")
		if _, err := w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", identitytest.Password)); !errors.Is(err, w.FailRecord) {
			t.Errorf("a login without a record: %v", err)
		}
		_, err = w.CheckPassword(t.Context(), identitytest.Attempt("xiaoyan.zhang", "guess"))
		identitytest.IsReason(t, "a refusal without a record", err, "login_refused")
	})
}
