package upstream_test

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/signing/journal"
)

// events returns the actions and results of an account's events of logins and links.
func (w *world) events() (all []string) {
	for _, e := range w.Facts {
		if e.Action == journal.ActionLoginUpstream || e.Action == journal.ActionFactorAdd && e.Result == journal.ResultOK {
			all = append(all, string(e.Action)+" "+e.Result)
		}
	}
	return all
}

// Who comes for the first time gets an account that is there only if the provider proofed the very person, no less
// well than the account is proofed.
func TestMatch(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *world, account identity.Account)
		linked bool
	}{
		"the same person": {func(*world, identity.Account) {}, true},
		"another name":    {func(w *world, _ identity.Account) { w.op.claims["name"] = "张小龙" }, false},
		"another number":  {func(w *world, _ identity.Account) { w.op.claims["id_number"] = identitytest.LiCode.Value }, false},
		"no number":       {func(w *world, _ identity.Account) { w.op.claims["id_number"] = nil }, false},
		"another type of number": {func(w *world, _ identity.Account) {
			w.op.claims["id_type"] = "414"
			w.op.claims["id_number"] = "E12345678"
		}, false},
		"proofed less there":         {func(w *world, _ identity.Account) { w.op.claims["acr"] = "level1" }, false},
		"the account proofed better": {func(w *world, a identity.Account) { w.proof(a, 3) }, false},
		"the account not proofed":    {func(w *world, a identity.Account) { w.proof(a, 0) }, false},
		"the account proofed less":   {func(w *world, a identity.Account) { w.proof(a, 1) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				zhang := w.Zhang(t)
				tt.change(w, zhang)
				got, err := w.login(t)
				identitytest.IsReason(t, "it", err, "")
				if linked := got.Account.ID == zhang.ID; linked != tt.linked || linked == (got.Unlinked != nil) {
					t.Errorf("linked: %v, %+v", linked, got.Unlinked)
				}
				want := []string{"login.upstream upstream_unlinked"}
				if tt.linked {
					want = []string{"account.add_authenticator ok", "login.upstream ok"}
				}
				if all := w.events(); !slices.Equal(all, want) {
					t.Errorf("events %q", all)
				}
				a, err := w.Account(t.Context(), zhang.ID)
				if err != nil || (len(a.Authenticators) == 1) != tt.linked || a.Proofing.Method != "register_match" {
					t.Errorf("the account has %+v, %v, %v", a.Authenticators, a.Proofing, err)
				}
			})
		})
	}
}

// Whoever runs the service reads why somebody wasn't let in, and never who it was.
func TestLogged(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(w *world)
		reason string
		want   string
	}{
		"a level that isn't listed": {func(w *world) { w.op.claims["acr"] = "loa9" }, "upstream_low", `acr \"loa9\"`},
		"a number for a level":      {func(w *world) { w.op.claims["acr"] = identitytest.ZhangCode.Value }, "upstream_low", "(not shown)"},
		"a type that isn't listed":  {func(w *world) { w.op.claims["id_type"] = "PASSPORT" }, "upstream_type", `\"PASSPORT\"`},
		"no number":                 {func(w *world) { w.op.claims["id_number"] = nil }, "", "it gave no number"},
		"another name":              {func(w *world) { w.op.claims["name"] = "张小龙" }, "", "the name differs"},
		"a level below 2":           {func(w *world) { w.op.claims["acr"] = "level1" }, "", "counts for proofing 1"},
		"nobody":                    {func(w *world) { w.op.claims["id_number"] = identitytest.LiCode.Value }, "", "create: nobody here has that number"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.Zhang(t)
				tt.change(w)
				_, err := w.login(t)
				identitytest.IsReason(t, "it", err, tt.reason)
				said := w.said.String()
				if !strings.Contains(said, "level=WARN") || !strings.Contains(said, "provider=jiangbei") || !strings.Contains(said, cmp.Or(tt.reason, "upstream_unlinked")) || !strings.Contains(said, tt.want) {
					t.Errorf("the log has %s", said)
				}
				for _, secret := range []string{identitytest.ZhangCode.Value, identitytest.LiCode.Value, "张小", "13800138000"} {
					if strings.Contains(said, secret) {
						t.Errorf("the log has %s: %s", secret, said)
					}
				}
			})
		})
	}
}

func (w *world) proof(a identity.Account, level int) {
	_, err := w.Change(w.ctx(), a.ID, func(a *identity.Account) error { a.Proofing.Level = level; return nil })
	if err != nil {
		panic(err)
	}
}

// A link leads to its account, until the account can't be used, or the provider says that the subject is somebody else.
func TestLinked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		zhang := w.Zhang(t)
		if _, err := w.login(t); err != nil {
			t.Fatal(err)
		}
		w.op.claims["name"] = "张晓燕" // people change their names
		if got, err := w.login(t); err != nil || got.Account.ID != zhang.ID {
			t.Errorf("with another name: %v", err)
		}
		w.op.claims["id_number"] = nil
		if got, err := w.login(t); err != nil || got.Account.ID != zhang.ID {
			t.Errorf("without a number: %v", err)
		}
		w.op.claims["id_number"] = identitytest.LiCode.Value
		_, err := w.login(t)
		identitytest.IsReason(t, "with somebody else's number", err, string(upstream.ReasonOther))
		w.op.claims["id_number"] = nil
		_, err = w.DisableAccount(t.Context(), "cli", zhang.ID, true)
		identitytest.IsReason(t, "disabling", err, "")
		_, err = w.login(t)
		identitytest.IsReason(t, "a disabled account", err, string(upstream.ReasonClosed))
		w.op.claims["sub"], w.op.claims["id_number"] = "another", identitytest.ZhangCode.Value
		w.op.claims["name"] = "张小䶮"
		_, err = w.login(t)
		identitytest.IsReason(t, "a disabled account that isn't linked", err, string(upstream.ReasonClosed))
		if a, err := w.Account(t.Context(), zhang.ID); err != nil || len(a.Authenticators) != 1 {
			t.Errorf("it has %d links, %v", len(a.Authenticators), err)
		}
	})
}

// A provider that may opens accounts, no better proofed than it is believed, with a phone that isn't proved.
func TestOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, create := range []bool{false, true} {
			w := newWorld(t, func(p *upstream.Provider) { p.Create = create })
			w.op.claims["phone_number"] = "13900139000"
			got, err := w.login(t)
			identitytest.IsReason(t, "it", err, "")
			if !create {
				if got.Unlinked == nil || len(w.Accounts) != 0 {
					t.Error("an account was opened by a provider that may not")
				}
				continue
			}
			a := got.Account
			if a.Proofing.Level != 2 || a.Proofing.Method != identity.MethodUpstream || a.Proofing.Source != "jiangbei" || a.Phone != "+8613900139000" || a.PhoneVerified() {
				t.Errorf("it opened %+v", a)
			}
			proofed, err := w.Change(t.Context(), a.ID, func(a *identity.Account) error {
				a.Proofing.Method = "in_person"
				return nil
			})
			if now := time.Now(); err != nil || proofed.PhoneVerified() || proofed.KeepsPhone(now) {
				t.Errorf("a phone that was said elsewhere is proved, or kept: %v", err)
			}
			again, err := w.login(t)
			if err != nil || again.Account.ID != a.ID || len(w.Accounts) != 1 {
				t.Errorf("the second time: %s, %v", again.Account.ID, err)
			}
		}
	})
}

// A phone that another account has isn't taken from it, and a number that is known under another name opens nothing.
func TestOpenBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(p *upstream.Provider) { p.Create = true })
		zhang := w.Zhang(t)
		w.op.claims["name"], w.op.claims["id_number"], w.op.claims["phone_number"], w.op.claims["sub"] = "李建国", identitytest.LiCode.Value, zhang.Phone, "p-2"
		got, err := w.login(t)
		if err != nil || got.Account.ID == zhang.ID || got.Account.Phone != "" {
			t.Errorf("it opened %+v, %v", got.Account, err)
		}
		w.op.claims["name"], w.op.claims["sub"] = "李建军", "p-3"
		got, err = w.login(t)
		if err != nil || got.Unlinked == nil {
			t.Errorf("under another name: %+v, %v", got.Account, err)
		}
		w.op.claims["acr"], w.op.claims["sub"], w.op.claims["id_number"] = "level1", "p-4", "990101196001010016"
		got, err = w.login(t)
		if err != nil || got.Unlinked == nil || len(w.Accounts) != 2 {
			t.Errorf("proofed too little: %+v, %v", got.Account, err)
		}
	})
}

func owner(a identity.Account, strength factor.Assurance) authenticator.Owner {
	return authenticator.Owner{Account: a.ID, Session: "session", AuthTime: time.Now(), Strength: strength, Language: "zh-CN", RequestID: "r"}
}

// Whoever logged in by the account's own means links it, as strongly as they logged in.
func TestLink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		zhang := w.Zhang(t)
		w.op.claims["id_number"] = nil // the provider knows no number
		got, err := w.login(t)
		if err != nil || got.Unlinked == nil {
			t.Fatal(err)
		}
		identitytest.IsReason(t, "with the password alone, which isn't all that the account has", w.Link(t.Context(), owner(zhang, 1), *got.Unlinked), "stronger_login")
		identitytest.IsReason(t, "linking", w.Link(t.Context(), owner(zhang, 2), *got.Unlinked), "")
		if told := w.SMS.Last(t); !strings.Contains(told.Text, "江北省统一身份认证") {
			t.Errorf("the owner was told %q", told.Text)
		}
		again, err := w.login(t)
		if err != nil || again.Account.ID != zhang.ID || again.Proof.Strength != 2 {
			t.Errorf("by the link: %v, %v", again.Proof, err)
		}
		li, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Password: identitytest.Password})
		identitytest.IsReason(t, "registering", err, "")
		identitytest.IsReason(t, "another account with it", w.Link(t.Context(), owner(li, 1), *got.Unlinked), string(upstream.ReasonTaken))
		x := *got.Unlinked
		x.Subject, x.Code, x.Name = "p-9", identitytest.ZhangCode, "张小䶮"
		identitytest.IsReason(t, "with somebody whom the provider proofed as another", w.Link(t.Context(), owner(li, 1), x), string(upstream.ReasonOther))
		x.Provider, x.Code = "gone", identitytest.LiCode
		identitytest.IsReason(t, "with a provider that is gone", w.Link(t.Context(), owner(li, 1), x), string(upstream.ReasonStale))
	})
}

// Who has no more than the password links no more than a password opens, and until it changes.
func TestLinkByPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		li, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Password: identitytest.Password})
		identitytest.IsReason(t, "registering", err, "")
		w.op.claims["id_number"] = nil
		got, err := w.login(t)
		identitytest.IsReason(t, "it", err, "")
		time.Sleep(time.Minute)
		identitytest.IsReason(t, "linking", w.Link(t.Context(), owner(li, 1), *got.Unlinked), "")
		if again, err := w.login(t); err != nil || again.Proof.Strength != 1 {
			t.Errorf("a login of two factors there counts %d here, %v", again.Proof.Strength, err)
		}
		time.Sleep(time.Minute)
		_, err = w.ChangePassword(t.Context(), identitytest.Attempt("", identitytest.Password), li.ID, "海阔天空 everything new")
		identitytest.IsReason(t, "another password", err, "")
		if again, err := w.login(t); err != nil || again.Unlinked == nil {
			t.Errorf("the link outlived the password: %v", err)
		}
		time.Sleep(time.Minute)
		identitytest.IsReason(t, "linking again", w.Link(t.Context(), owner(li, 1), *got.Unlinked), "")
		if again, err := w.login(t); err != nil || again.Account.ID != li.ID {
			t.Errorf("after that: %v", err)
		}
	})
}

// Removing a link ends it, and what was logged in before.
func TestUnlink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		zhang := w.Zhang(t)
		got, err := w.login(t)
		identitytest.IsReason(t, "it", err, "")
		time.Sleep(time.Minute)
		id := got.Account.Authenticators[0].ID
		after, removed, err := w.Authenticators.Remove(t.Context(), owner(zhang, 2), id)
		identitytest.IsReason(t, "removing", err, "")
		if removed != factor.Upstream || !after.Secured.After(got.Account.Secured) {
			t.Errorf("removed %s, secured %v", removed, after.Secured)
		}
		if again, err := w.login(t); err != nil || again.Unlinked == nil {
			t.Errorf("the same number links it again: %v", err)
		}
		again, err := w.login(t)
		identitytest.IsReason(t, "it", err, "")
		time.Sleep(time.Minute)
		identitytest.IsReason(t, "linking again", w.Link(t.Context(), owner(zhang, 2), *again.Unlinked), "")
		if now, err := w.login(t); err != nil || now.Account.ID != zhang.ID || len(now.Account.Unlinked) != 0 {
			t.Errorf("its owner can't link it again: %v", err)
		}
		time.Sleep(time.Minute)
		now, err := w.Account(t.Context(), zhang.ID)
		identitytest.IsReason(t, "the account", err, "")
		_, err = w.Authenticators.RemoveFor(t.Context(), "cli", zhang.ID, now.Authenticators[0].ID, "zh-CN")
		identitytest.IsReason(t, "the counter removes it", err, "")
		if again, err := w.login(t); err != nil || again.Unlinked == nil {
			t.Errorf("the same number links it again after the counter: %v", err)
		}
		w.op.claims["id_number"] = nil
		if told := w.SMS.Last(t); !strings.Contains(told.Text, "其他平台账号“江北省统一身份认证”") {
			t.Errorf("the owner was told %q", told.Text)
		}
		if again, err := w.login(t); err != nil || again.Unlinked == nil {
			t.Errorf("it leads to the account still: %v", err)
		}
	})
}

// An account has five links at the most.
func TestManyLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.Zhang(t)
		for i := range 6 {
			w.op.claims["sub"] = strings.Repeat("x", i+1)
			got, err := w.login(t)
			if err != nil || (got.Unlinked != nil) != (i == 5) {
				t.Errorf("the %dth: %v, %v", i+1, got.Unlinked != nil, err)
			}
		}
	})
}

// A row that leads a link to another account is found, and decides nothing.
func TestAltered(t *testing.T) {
	w := newWorld(t, nil)
	zhang := w.Zhang(t)
	if _, err := w.login(t); err != nil {
		t.Fatal(err)
	}
	li, _, err := w.Register(t.Context(), identity.Registration{Name: "李建国", Code: identitytest.LiCode, LoginName: "jianguo", Password: identitytest.Password})
	identitytest.IsReason(t, "registering", err, "")
	mine, others := w.Accounts[zhang.ID], w.Accounts[li.ID]
	mine.Logins, others.Logins = others.Logins, mine.Logins
	w.Accounts[zhang.ID], w.Accounts[li.ID] = mine, others
	if a, err := identity.NewRoster(w.World.Service).OfLink(t.Context(), "jiangbei "+subject); !errors.Is(err, identity.ErrNotFound) {
		t.Errorf("it leads to %q, %v", a.ID, err)
	}
}
