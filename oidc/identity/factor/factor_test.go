package factor_test

import (
	"errors"
	"maps"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate/certificatetest"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/identitytest"
	"yizheng.internal/signing/journal"
)

// TestDefinitions: whatever factor is added to the list says what the others ask of it.
func TestDefinitions(t *testing.T) {
	actions := map[journal.Action]bool{}
	for _, a := range journal.Actions() {
		actions[a.Action] = true
	}
	names, tries := map[factor.Name]bool{}, map[journal.Action]bool{}
	stored := regexp.MustCompile(`^[a-z]{2,16}$`)
	for _, d := range factor.All() {
		if names[d.Name] || !stored.MatchString(string(d.Name)) {
			t.Errorf("factor %q: its name is another's, or can't stand in a record", d.Name)
		}
		names[d.Name] = true
		if d.Kind != factor.Known && d.Kind != factor.Held || d.Strength < 1 || len(d.Methods) == 0 || len(d.Tries) == 0 {
			t.Errorf("factor %q lacks its kind, strength, methods or actions: %+v", d.Name, d)
		}
		for a := range maps.Keys(d.Tries) {
			if tries[a] || !actions[a] {
				t.Errorf("factor %q: %q is another's action, or none", d.Name, a)
			}
			tries[a] = true
		}
		if (d.Sends == "") != (d.Channel == "") || d.Sends != "" && !actions[d.Sends] {
			t.Errorf("factor %q sends %q by %q", d.Name, d.Sends, d.Channel)
		}
	}
}

// TestAuthenticators: an account's password and phone stand in its list as every other does.
func TestAuthenticators(t *testing.T) {
	set := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	bare := identity.Account{}
	full := identity.Account{
		Phone: "+8613800000000", Password: identity.PasswordHash{Algorithm: "argon2id", Set: set},
		Authenticators: []identity.Authenticator{{ID: identity.NewID(), Factor: "palm", Data: jsontext.Value(`{"left":true}`)}},
	}
	if all := factor.All().Authenticators(bare); len(all) != 0 || len(factor.All().Of(bare)) != 0 {
		t.Errorf("an account that has none has %+v", all)
	}
	all := factor.All().Authenticators(full)
	if len(all) != 2 || all[0].Factor != "pwd" || !all[0].Added.Equal(set) || all[1].Factor != "sms" || all[1].Name != "138****0000" {
		t.Errorf("authenticators %+v", all)
	}
	if names := factor.All().Of(full); !slices.Equal(names, []factor.Name{factor.Password, factor.PhoneCode}) {
		t.Errorf("it can be asked for %q", names)
	}
	palm := append(slices.Clone(factor.All()), factor.Definition{Name: "palm", Kind: factor.Held, Strength: 1})
	if all := palm.Authenticators(full); len(all) != 3 || string(all[2].Data) != `{"left":true}` {
		t.Errorf("with a further factor: %+v", all)
	}
}

// TestBeginAndFinish: every factor that there is can be begun and finished by its name, for an account
// that is known.
func TestBeginAndFinish(t *testing.T) {
	o := newOffice(t, false)
	k := o.ca.Issue(certificatetest.Wish{At: begin})
	synctest.Test(t, func(t *testing.T) {
		w := o.world(t)
		a := w.Zhang(t)
		identitytest.IsReason(t, "adding a certificate", add(t, w, a, k), "")
		app := w.AddApp(t, a)
		codes := w.MakeCodes(t, a)
		device, asked := w.AddPasskey(t, a), ""
		answers := map[factor.Name]func() string{
			factor.Password:  func() string { return identitytest.Password },
			factor.PhoneCode: func() string { return w.SMS.Last(t).Code },
			factor.Passkey: func() string {
				answer, err := device.Get(asked)
				if err != nil {
					t.Fatal(err)
				}
				return answer
			},
			factor.Certificate: func() string { return answerOf(k, asked) },
			factor.TOTP: func() string {
				time.Sleep(30 * time.Second) // for another code than the one before
				return app()
			},
			factor.RecoveryCode: func() string {
				code := codes[0]
				codes = codes[1:]
				return code
			},
		}
		for _, d := range factor.All() {
			if d.Name == factor.Upstream { // nobody is asked for that: it begins a login, elsewhere
				if _, err := w.Finish(t.Context(), d.Name, factor.Login{Account: a.ID, Binding: "session", RequestID: "r"}, "x"); err == nil {
					t.Error("somebody proved a login elsewhere with a form")
				}
				continue
			}
			if answers[d.Name] == nil {
				t.Errorf("%s: say above what answers it, and give the account what it needs", d.Name)
				continue
			}
			login := factor.Login{Account: a.ID, Binding: "session", Address: identitytest.Here, RequestID: "r"}
			begun, err := w.Begin(t.Context(), d.Name, login)
			identitytest.IsReason(t, "beginning", err, "")
			asked = begun.Options
			if (begun.Phone != "") != d.Phone || (asked != "") != (d.Name == factor.Passkey || d.Name == factor.Certificate) {
				t.Errorf("%s begins with %+v", d.Name, begun)
			}
			if p, err := w.Finish(t.Context(), d.Name, login, "no such answer"); err == nil || p != (factor.Proof{}) {
				t.Errorf("%s: a wrong answer proves %v, %v", d.Name, p, err)
			}
			p, err := w.Finish(t.Context(), d.Name, login, answers[d.Name]())
			identitytest.IsReason(t, "finishing", err, "")
			want := factor.Proof{Factor: d.Name, Verified: d.Verified > 0}
			if d.Name == factor.Certificate { // a signature, by a key that may be anywhere
				want = factor.Proof{Factor: d.Name, Strength: 1}
			}
			if p != want {
				t.Errorf("%s proves %v", d.Name, p)
			}
			w.FailRecord = errors.New("the disk is full")
			again, _ := w.Begin(t.Context(), d.Name, factor.Login{Account: a.ID, Binding: "another"})
			asked = again.Options
			if p, err := w.Finish(t.Context(), d.Name, factor.Login{Account: a.ID, Binding: "another", Address: identitytest.Here}, answers[d.Name]()); err == nil || p != (factor.Proof{}) {
				t.Errorf("%s: without its event it proves %v, %v (begun %+v)", d.Name, p, err, again)
			}
			w.FailRecord = nil
		}
		if _, err := w.Begin(t.Context(), "palm", factor.Login{Account: a.ID}); err == nil {
			t.Error("a factor that isn't there was begun")
		}
		if p, err := w.Finish(t.Context(), "palm", factor.Login{Account: a.ID}, ""); err == nil || p != (factor.Proof{}) {
			t.Errorf("a factor that isn't there proves %v", p)
		}
	})
}
