package provider

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/token"
)

// What comes next depends on who is logged in, how and when.
func TestWhatComesNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		_, unproofed := w.node(t, 1)
		wang := w.person(t, unproofed, identity.Registration{Name: "王五", Code: party.Code{Type: party.Passport, Value: "E12345678"}, Phone: "13800138001"})
		for _, test := range []struct {
			name    string
			account identity.Account
			factors int // 0: nobody is logged in
			since   time.Duration
			changes []string
			kind    oidc.StepKind // or:
			code    oidc.Code
			reason  string
		}{
			{"nobody", w.zhang, 0, 0, nil, oidc.StepLogin, "", ""},
			{"somebody", w.zhang, 1, 0, nil, oidc.StepDone, "", ""},
			{"nobody, no page", w.zhang, 0, 0, []string{"prompt", "none"}, "", oidc.LoginRequired, ""},
			{"somebody, no page", w.zhang, 1, 0, []string{"prompt", "none"}, oidc.StepDone, "", ""},
			{"a login", w.zhang, 2, 0, []string{"prompt", "login"}, oidc.StepLogin, "", ""},
			{"the account", w.zhang, 1, 0, []string{"prompt", "select_account"}, oidc.StepAccount, "", ""},
			{"the account and a login", w.zhang, 1, 0, []string{"prompt", "select_account login"}, oidc.StepLogin, "", ""},
			{"the account of nobody", w.zhang, 0, 0, []string{"prompt", "select_account"}, oidc.StepLogin, "", ""},
			{"consent", w.zhang, 1, 0, []string{"prompt", "consent"}, oidc.StepConsent, "", ""},
			{"consent and the account", w.zhang, 1, 0, []string{"prompt", "consent select_account"}, oidc.StepAccount, "", ""},

			{"young enough", w.zhang, 1, 59 * time.Second, []string{"max_age", "60"}, oidc.StepDone, "", ""},
			{"too old", w.zhang, 1, 60 * time.Second, []string{"max_age", "60"}, oidc.StepLogin, "", ""},
			{"too old, no page", w.zhang, 1, 60 * time.Second, []string{"max_age", "60", "prompt", "none"}, "", oidc.LoginRequired, ""},
			{"no age at all", w.zhang, 1, 0, []string{"max_age", "0"}, oidc.StepLogin, "", ""},

			{"assurance 1 of one factor", w.zhang, 1, 0, []string{"acr_values", oidc.ACR(1)}, oidc.StepDone, "", ""},
			{"assurance 2 of one factor", w.zhang, 1, 0, []string{"acr_values", oidc.ACR(2)}, oidc.StepSecondFactor, "", ""},
			{"assurance 2 of two", w.zhang, 2, 0, []string{"acr_values", oidc.ACR(2)}, oidc.StepDone, "", ""},
			{"the least that is named", w.zhang, 1, 0, []string{"acr_values", oidc.ACR(2) + " " + oidc.ACR(1)}, oidc.StepDone, "", ""},
			{"unknown ones", w.zhang, 1, 0, []string{"acr_values", "urn:other:loa:4 urn:yizheng:assurance:9"}, oidc.StepDone, "", ""},
			{"unknown ones and 2", w.zhang, 1, 0, []string{"acr_values", "urn:other:loa:4 " + oidc.ACR(2)}, oidc.StepSecondFactor, "", ""},
			{"assurance 2 without a page", w.zhang, 1, 0, []string{"acr_values", oidc.ACR(2), "prompt", "none"}, "", oidc.InteractionRequired, "second_factor"},
			{"assurance 3", w.zhang, 2, 0, []string{"acr_values", oidc.ACR(3)}, "", oidc.UnmetAuthenticationRequirements, "proofing_too_low"},
			{"assurance 2 without a phone", w.li, 1, 0, []string{"acr_values", oidc.ACR(2)}, "", oidc.UnmetAuthenticationRequirements, "no_second_factor"},
			{"assurance 2 of somebody hardly proofed", wang, 2, 0, []string{"acr_values", oidc.ACR(2)}, "", oidc.UnmetAuthenticationRequirements, "proofing_too_low"},
			{"assurance 1 of somebody hardly proofed", wang, 2, 0, []string{"acr_values", oidc.ACR(1)}, oidc.StepDone, "", ""},
		} {
			b := w.browser()
			if test.factors > 0 {
				b.session(t, test.account, test.factors)
				time.Sleep(test.since)
			}
			step, err := w.Authorize(t.Context(), params(w.bureau, test.changes...), b.Browser, false)
			if test.kind != "" {
				if err != nil || step.Kind != test.kind {
					t.Errorf("%s: got %s, %v, want %s", test.name, step.Kind, err, test.kind)
				}
				if (step.Session != nil) != (step.Kind != oidc.StepDone && step.Kind != oidc.StepLogin) {
					t.Errorf("%s: the session is %v", test.name, step.Session)
				}
				continue
			}
			e, back := refusal(t, err)
			if back.Get("error") != string(test.code) || string(e.Refusal.Reason) != test.reason || back.Get("iss") != issuer {
				t.Errorf("%s: got %v", test.name, e)
			}
		}
	})
}

// A page of ours can't redeem an assurance that no login reaches, but says so.
func TestVisitOfSomebodyHardlyProofed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.li, 1)
		_, err := w.Visit(t.Context(), flow.Page{Path: "/licenses", Assurance: 2}, b.Browser)
		if e, back := refusal(t, err); back != nil || e.Refusal.Reason != "no_second_factor" {
			t.Errorf("got %v", err)
		}
	})
}

// prompt=login and max_age are satisfied by a login for this request alone.
func TestPromptLoginIsSatisfiedByALogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, changes := range [][]string{{"prompt", "login"}, {"max_age", "0"}, {"prompt", "login select_account"}} {
			b := w.browser()
			b.session(t, w.zhang, 2)
			time.Sleep(time.Hour / 4)
			began := time.Now().Unix()
			first, second := b.authorize(t, w.bureau, changes...), b.authorize(t, w.bureau, changes...)
			if next := b.next(t, first.Handle); next.Kind != oidc.StepLogin {
				t.Fatalf("%v: the page alone brings %s", changes, next.Kind)
			}
			step := b.logIn(t, first.Handle, w.zhang)
			id := part(t, w.redeem(t, w.bureau, code(t, step)).ID.Reveal(), 1)
			if int64(id["auth_time"].(float64)) != began || id["acr"] != oidc.ACR(1) {
				t.Errorf("%v: ID token %v", changes, id)
			}
			if next := b.next(t, second.Handle); next.Kind != oidc.StepLogin {
				t.Errorf("%v: a login for one request satisfies another: %s", changes, next.Kind)
			}
		}
	})
}

// Who logged in for a request must still be who is logged in.
func TestLoginOfARequestIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		step := b.authorize(t, w.bureau, "prompt", "login", "acr_values", oidc.ACR(2))
		if next := b.logIn(t, step.Handle, w.zhang); next.Kind != oidc.StepSecondFactor {
			t.Fatalf("got %s", next.Kind)
		}
		b.session(t, w.wang(t), 2)
		if next := b.next(t, step.Handle); next.Kind != oidc.StepLogin {
			t.Errorf("with another person's login: %s", next.Kind)
		}
	})
}

func TestSelectAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		step := b.authorize(t, w.bureau, "prompt", "select_account")
		if step.Session.Party.Name != "张小䶮" || !step.Session.Current {
			t.Errorf("the page shows %+v", step.Session)
		}
		goOn, err := w.Answer(t.Context(), step.Handle, b.Browser, form(b.Browser, oidc.StepAccount, flow.Account{}))
		if err != nil {
			t.Fatal(err)
		}
		mine := b.tokensOfStep(t, goOn)
		step = b.authorize(t, w.bureau, "prompt", "select_account")
		other, err := w.Answer(t.Context(), step.Handle, b.Browser, form(b.Browser, oidc.StepAccount, flow.Account{Other: true}))
		if err != nil || other.Kind != oidc.StepLogin || !other.Cookies.LoggedOut || b.live(t) {
			t.Fatalf("somebody else: %+v, %v", other, err)
		}
		b.Session = oidc.Secret{}
		theirs := b.tokensOfStep(t, b.logIn(t, step.Handle, w.li))
		if part(t, mine.ID.Reveal(), 1)["sub"] == part(t, theirs.ID.Reveal(), 1)["sub"] {
			t.Error("another account was chosen, and the subject is the same")
		}
		step = b.authorize(t, w.bureau, "prompt", "select_account")
		nobody := oidc.Browser{ID: b.ID}
		if next, err := w.Answer(t.Context(), step.Handle, nobody, form(nobody, oidc.StepAccount, flow.Account{})); err != nil || next.Kind != oidc.StepLogin {
			t.Errorf("nobody goes on knowingly: %s, %v", next.Kind, err)
		}
	})
}

func (b *browser) tokensOfStep(t testing.TB, step oidc.Step) token.Tokens {
	t.Helper()
	return b.w.redeem(t, b.w.bureau, code(t, step))
}

func TestStepUpForARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		step := b.authorize(t, w.bureau, "acr_values", oidc.ACR(2))
		if step.Kind != oidc.StepSecondFactor {
			t.Fatalf("%+v", step)
		}
		time.Sleep(time.Minute)
		began := w.memory.sessions[step.Session.ID].Created.Unix()
		b.stepUp(t)
		tokens := b.tokensOfStep(t, b.next(t, step.Handle))
		id := part(t, tokens.ID.Reveal(), 1)
		if amr := id["amr"].([]any); id["acr"] != oidc.ACR(2) || len(amr) != 3 || amr[0] != "pwd" || amr[1] != "sms" || amr[2] != "mfa" || int64(id["auth_time"].(float64)) != began {
			t.Errorf("ID token %v", id)
		}
	})
}

// The hint names who must be logged in, also long after it expired.
func TestIDTokenHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rs256 := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.IDTokenAlgorithm = "" })
		b := w.browser()
		b.session(t, w.zhang, 1)
		hint, hintRSA := b.tokens(t, w.bureau).ID.Reveal(), b.tokens(t, rs256).ID.Reveal()
		if part(t, hintRSA, 0)["alg"] != "RS256" {
			t.Error("the default isn't RS256")
		}
		other := w.browser()
		other.session(t, w.li, 1)
		time.Sleep(20 * time.Minute)

		for c, h := range map[string]string{w.bureau.ID: hint, rs256.ID: hintRSA} {
			client, err := w.Client(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if step := b.authorize(t, client, "id_token_hint", h, "prompt", "none"); step.Kind != oidc.StepDone {
				t.Errorf("who is named gets %s", step.Kind)
			}
			_, err = w.Authorize(t.Context(), params(client, "id_token_hint", h, "prompt", "none"), other.Browser, false)
			if _, back := refusal(t, err); back.Get("error") != string(oidc.LoginRequired) {
				t.Errorf("somebody else, no page: %v", err)
			}
		}
		step := other.authorize(t, w.bureau, "id_token_hint", hint)
		if step.Kind != oidc.StepLogin {
			t.Fatalf("somebody else gets %s", step.Kind)
		}
		if next := other.logIn(t, step.Handle, w.zhang); next.Kind != oidc.StepDone {
			t.Errorf("who is named logs in and gets %s", next.Kind)
		}
		step = other.authorize(t, w.bureau, "id_token_hint", hint, "prompt", "login")
		next, err := w.logIn(t.Context(), step.Handle, other.Browser, w.li)
		if next.Cookies.Session == (oidc.Secret{}) {
			t.Error("the login doesn't count at other clients")
		}
		if e, back := refusal(t, err); back.Get("error") != string(oidc.LoginRequired) || e.Refusal.Reason != "hint_mismatch" {
			t.Errorf("somebody else logs in: %v", err)
		}

		access := b.tokens(t, w.bureau).Access.Reveal()
		head, tail, _ := strings.Cut(hint, ".")
		_, sig, _ := strings.Cut(tail, ".")
		forged := head + "." + strings.Split(hintRSA, ".")[1] + "." + sig
		for name, bad := range map[string]string{
			"an access token":         access,
			"a forged one":            forged,
			"another client's":        hintRSA,
			"a huge one":              strings.Repeat("x", 5000),
			"one without a signature": head + "." + strings.Split(hint, ".")[1] + ".",
			"one of algorithm none":   "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + strings.Split(hint, ".")[1] + ".",
		} {
			_, err := w.Authorize(t.Context(), params(w.bureau, "id_token_hint", bad), b.Browser, false)
			if e, back := refusal(t, err); back.Get("error") != string(oidc.InvalidRequest) || !strings.HasPrefix(string(e.Refusal.Reason), "hint_") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Subjects are the same at all clients of one participant, and nowhere else,
// unless a client is registered for public ones.
func TestSubjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		second := w.add(t, identity.Government, codes[0], func(*client.Spec) {})
		public := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.Subject = oidc.SubjectPublic })
		elsewhere := w.add(t, identity.PublicService, codes[2], func(s *client.Spec) { s.Subject = oidc.SubjectPublic })
		b := w.browser()
		b.session(t, w.zhang, 1)
		sub := func(c oidc.Client) string { return part(t, b.tokens(t, c).ID.Reveal(), 1)["sub"].(string) }
		sid := func(c oidc.Client) string { return part(t, b.tokens(t, c).ID.Reveal(), 1)["sid"].(string) }
		if sub(w.bureau) != sub(second) || sub(w.bureau) == sub(w.shop) || sub(w.bureau) == sub(public) || sub(public) != sub(elsewhere) {
			t.Error("subjects aren't pairwise by participant")
		}
		if first, again := sid(w.bureau), sid(w.bureau); first != again || first == sid(second) {
			t.Error("a session's id isn't one a client")
		}
		node, _ := w.node(t, 2)
		theirs, err := node.Of(t.Context(), w.bureau, w.zhang.Party)
		if err != nil || theirs != sub(w.bureau) {
			t.Errorf("on another node the subject is %s, %v", theirs, err)
		}
		if strings.Contains(sub(public), w.zhang.Party) || len(sub(public)) != 43 {
			t.Error("a subject shows the party's id")
		}
		before := sid(w.bureau)
		b.session(t, w.zhang, 1) // the same person logs in anew: the session goes on
		if sid(w.bureau) != before {
			t.Error("the session's id changed with a login of the same person")
		}
		other := w.browser()
		other.session(t, w.zhang, 1)
		if part(t, other.tokens(t, w.bureau).ID.Reveal(), 1)["sid"] == before {
			t.Error("two sessions have one id")
		}
	})
}
