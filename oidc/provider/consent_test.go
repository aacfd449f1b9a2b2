package provider

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/journal"
)

// Who must be asked: for licenses everybody; to be shown who somebody is, those
// that are no departments.
func TestWhoMustAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		utility := w.add(t, identity.PublicService, codes[2], func(*client.Spec) {})
		native := func(uri string) oidc.Client {
			return w.add(t, identity.Government, codes[0], func(s *client.Spec) {
				s.AuthMethods, s.ServiceItems, s.RedirectURIs = []oidc.AuthMethod{oidc.AuthNone}, nil, []string{uri}
			})
		}
		b := w.browser()
		b.session(t, w.zhang, 2)
		for _, test := range []struct {
			name    string
			client  oidc.Client
			changes []string
			kind    oidc.StepKind
			scopes  string
		}{
			{"a department", w.bureau, []string{"scope", "openid profile phone identity"}, oidc.StepDone, ""},
			{"a department that asks for it", w.bureau, []string{"scope", "openid profile", "prompt", "consent"}, oidc.StepConsent, "profile"},
			{"a department that asks for nothing", w.bureau, []string{"prompt", "consent"}, oidc.StepConsent, ""},
			{"an enterprise", w.shop, []string{"scope", "openid profile identity"}, oidc.StepConsent, "openid profile identity"},
			{"an enterprise that wants a login", w.shop, nil, oidc.StepConsent, "openid"},
			{"an enterprise that asks for no scope", w.shop, []string{"scope", ""}, oidc.StepConsent, "openid"},
			{"a public service", utility, []string{"scope", "openid phone"}, oidc.StepConsent, "openid phone"},
			{"offline access without being asked", w.bureau, []string{"scope", "openid offline_access"}, oidc.StepDone, ""},
			{"offline access", w.bureau, []string{"scope", "openid offline_access", "prompt", "consent"}, oidc.StepConsent, "offline_access"},
			{"a department's app that anybody could pass for", native("cn.example.app:/cb"), []string{"scope", "openid profile"}, oidc.StepConsent, "profile"},
			{"such a program on a PC", native("http://127.0.0.1/cb"), nil, oidc.StepConsent, ""},
			{"one whose answers go to its own site", native("https://bureau.example/app"), []string{"scope", "openid profile"}, oidc.StepDone, ""},
			{"licenses", w.bureau, w.push(t, w.bureau), oidc.StepConsent, ""},
		} {
			step := b.authorize(t, test.client, test.changes...)
			if step.Kind != test.kind {
				t.Errorf("%s: got %s", test.name, step.Kind)
				continue
			}
			if step.Kind != oidc.StepConsent {
				continue
			}
			if got := oidc.JoinScopes(step.Consent.Scopes); got != test.scopes || len(step.Consent.Form) != 43 || (step.Consent.Offer != nil) != (test.name == "licenses") {
				t.Errorf("%s: %+v", test.name, step.Consent)
			}
			if step.Request.Participant.ID != test.client.Participant || step.Session.Party.Name != "张小䶮" {
				t.Errorf("%s: the page shows %+v", test.name, step.Request)
			}
			_, err := w.Authorize(t.Context(), params(test.client, append(test.changes, "prompt", "none")...), b.Browser, false)
			if test.name == "licenses" || strings.Contains(strings.Join(test.changes, " "), "consent") {
				continue
			}
			if _, back := refusal(t, err); back.Get("error") != string(oidc.ConsentRequired) {
				t.Errorf("%s, no page: %v", test.name, err)
			}
		}
	})
}

// Below assurance 2 no license is seen.
func TestLicensesNeedTwoFactors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		step := b.authorize(t, w.bureau, w.push(t, w.bureau)...)
		if step.Kind != oidc.StepSecondFactor || !step.Request.Licenses || w.resolver.facts.Client.ID != "" {
			t.Fatalf("%s; the resolver was asked of %v", step.Kind, w.resolver.facts)
		}
		if _, err := w.decide(t.Context(), step.Handle, b.Browser, oidc.Decision{Form: strings.Repeat("x", 43), Agreement: oidc.Agreement{Shown: w.resolver.shown, Chosen: []oidc.Choice{{}}}}); err != nil || len(w.resolver.grants) != 0 {
			t.Fatalf("agreeing without the second factor: %v, %v", err, w.resolver.grants)
		}
		b.stepUp(t)
		step = b.next(t, step.Handle)
		if step.Kind != oidc.StepConsent || step.Consent.Offer.(offer).detail.Case != "2026-000123" {
			t.Fatalf("%+v", step)
		}
		if f := w.resolver.facts; f.Client.ID != w.bureau.ID || f.Participant.ID != w.bureau.Participant || f.Party.ID != w.zhang.Party || f.Assurance != 2 || f.RequestID != "r1" || f.Session == [32]byte{} || f.Request == [32]byte{} {
			t.Errorf("facts %+v", f)
		}
		tokens := w.redeem(t, w.bureau, code(t, b.agree(t, step)))
		a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
		if err != nil || a.Grant == "" || string(tokens.Details) != `[{"type":"license","grant_id":"`+a.Grant+`"}]` {
			t.Errorf("access %+v, %v, details %s", a, err, tokens.Details)
		}
		if w.resolver.grants[a.Grant].agreement.Form != step.Consent.Form {
			t.Error("the grant isn't bound to the form")
		}
	})
}

// The form is bound to the session, the request and what was shown.
func TestConsentForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		step := b.authorize(t, w.bureau, w.push(t, w.bureau)...)
		second := b.authorize(t, w.bureau, w.push(t, w.bureau)...)
		if b.next(t, step.Handle).Consent.Form != step.Consent.Form {
			t.Error("reloading the page changes the form")
		}
		if second.Consent.Form == step.Consent.Form {
			t.Error("two requests have one form")
		}
		good := consentTo(step)
		for name, change := range map[string]func(d *oidc.Decision){
			"another request's form": func(d *oidc.Decision) { d.Form = second.Consent.Form },
			"no form":                func(d *oidc.Decision) { d.Form = "" },
			"another thing shown":    func(d *oidc.Decision) { d.Agreement.Shown[0]++ },
		} {
			d := good
			change(&d)
			next, err := w.decide(t.Context(), step.Handle, b.Browser, d)
			if err != nil || next.Kind != oidc.StepConsent || next.Consent.Form != step.Consent.Form || len(w.resolver.grants) != 0 {
				t.Errorf("%s: %+v, %v, grants %v", name, next.Kind, err, w.resolver.grants)
			}
		}
		// What can be released changes while the page is open.
		w.resolver.shown = [32]byte{2}
		next, err := w.decide(t.Context(), step.Handle, b.Browser, good)
		if err != nil || next.Kind != oidc.StepConsent || next.Consent.Form == step.Consent.Form || next.Consent.Offer.Shown() != w.resolver.shown || len(w.resolver.grants) != 0 {
			t.Fatalf("something else is shown now: %+v, %v", next, err)
		}
		if next, err = w.decide(t.Context(), step.Handle, b.Browser, good); err != nil || next.Kind != oidc.StepConsent {
			t.Errorf("the form of before: %+v, %v", next.Kind, err)
		}
		// A form of a session is nobody else's, also not that of who logs in next.
		other := *b
		other.session(t, w.wang(t), 2)
		if again, err := w.decide(t.Context(), next.Handle, other.Browser, consentTo(next)); err != nil || again.Kind != oidc.StepConsent || again.Consent.Form == next.Consent.Form || len(w.resolver.grants) != 0 {
			t.Errorf("the form of another person's session: %+v, %v", again.Kind, err)
		}
		if next, err = w.decide(t.Context(), next.Handle, b.Browser, consentTo(next)); err != nil || next.Kind != oidc.StepLogin {
			t.Errorf("the form of a session that was replaced: %+v, %v", next.Kind, err)
		}
	})
}

// A double click gets another code for the same grant, for a minute.
func TestConsentSentTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		step := b.authorize(t, w.bureau, w.push(t, w.bureau)...)
		d := consentTo(step)
		var codes []string
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				next, err := w.decide(t.Context(), step.Handle, b.Browser, d)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				codes = append(codes, code(t, next))
			})
		}
		all.Wait()
		slices.Sort(codes)
		if len(slices.Compact(codes)) != 8 || len(w.resolver.grants) != 1 {
			t.Fatalf("%d codes, %d grants", len(codes), len(w.resolver.grants))
		}
		other := *b
		other.session(t, w.wang(t), 2)
		if _, err := w.decide(t.Context(), step.Handle, other.Browser, d); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("sent again by another person: %v", err)
		}
		b.session(t, w.zhang, 2)
		if _, err := w.decide(t.Context(), step.Handle, b.Browser, d); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("sent again in another session: %v", err)
		}
	})
}

// Nobody gets another grant out of a form that was sent.
func TestConsentAltered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		step := b.authorize(t, w.bureau, w.push(t, w.bureau)...)
		d := consentTo(step)
		codes := []string{code(t, b.agree(t, step)), code(t, b.agree(t, step))}
		altered := d
		altered.Agreement.Chosen = append(slices.Clone(altered.Agreement.Chosen), oidc.Choice{Material: "m2", License: "other"})
		_, err := w.decide(t.Context(), step.Handle, b.Browser, altered)
		if e, back := refusal(t, err); back != nil || e.Refusal.Reason != "consent_used" {
			t.Errorf("the form with another choice: %v", err)
		}
		w.redeem(t, w.bureau, codes[0])
		if _, err := w.decide(t.Context(), step.Handle, b.Browser, d); err == nil {
			t.Error("a form whose code was redeemed was taken once more")
		}
		_, err = w.Redeem(t.Context(), w.bureau, redemption(w.bureau, codes[1]))
		if _, reason := codeOf(t, err); reason != "grant_ended" {
			t.Errorf("a second code of a grant that isn't recurring: %v", err)
		}
		time.Sleep(time.Minute + time.Second)
		if _, err := w.decide(t.Context(), step.Handle, b.Browser, d); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("after a minute: %v", err)
		}
	})
}

func TestRefusingConsent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		for _, test := range []struct {
			name   string
			change func(*oidc.Decision)
			text   string
			event  string
		}{
			{"everything", func(d *oidc.Decision) { d.Refused = true }, "consent_refused: ", "consent_refused"},
			{"the licenses", func(d *oidc.Decision) { d.Agreement.Chosen = nil }, "holder_chose_paper: ", "holder_chose_paper"},
		} {
			step := b.authorize(t, w.bureau, w.push(t, w.bureau)...)
			d := consentTo(step)
			test.change(&d)
			next, err := w.decide(t.Context(), step.Handle, b.Browser, d)
			if err != nil {
				t.Fatal(err)
			}
			back := answer(t, next.Response)
			if back.Get("error") != "access_denied" || !strings.HasPrefix(back.Get("error_description"), test.text) || back.Get("iss") != issuer || back.Get("state") != "s1" {
				t.Errorf("%s: %v", test.name, back)
			}
			if last := w.last(); last.Action != journal.ActionConsent || last.Result != test.event || last.Actor.ID != w.zhang.ID || last.Subject != w.bureau.ID {
				t.Errorf("%s: event %+v", test.name, last)
			}
			if _, err := w.decide(t.Context(), step.Handle, b.Browser, consentTo(step)); !errors.Is(err, oidc.ErrRequestGone) {
				t.Errorf("%s, and then agreed after all: %v", test.name, err)
			}
			if len(w.resolver.grants) != 0 {
				t.Errorf("%s: grants %v", test.name, w.resolver.grants)
			}
		}
	})
}

// A consent that can't be recorded is none.
func TestNoConsentWithoutARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		step := b.authorize(t, w.bureau, w.push(t, w.bureau)...)
		w.onStep = func(name string) {
			if name == "consent.granted" {
				w.fails = errors.New("disk full")
			}
		}
		_, err := w.decide(t.Context(), step.Handle, b.Browser, consentTo(step))
		if code, _ := codeOf(t, err); code != oidc.TemporarilyUnavailable {
			t.Fatalf("got %v", err)
		}
		w.fails, w.onStep = nil, nil
		if next, err := w.decide(t.Context(), step.Handle, b.Browser, consentTo(step)); err != nil || next.Kind != oidc.StepDone {
			t.Errorf("sent again when there is room: %+v, %v", next.Kind, err)
		}
	})
}

// prompt=none gets a grant only if one covers exactly what is asked for.
func TestPromptNoneReusesAGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		none := func() (oidc.Step, error) {
			return w.Authorize(t.Context(), params(w.bureau, w.push(t, w.bureau, "prompt", "none")...), b.Browser, false)
		}
		_, err := none()
		if _, back := refusal(t, err); back.Get("error") != string(oidc.ConsentRequired) {
			t.Errorf("without a grant: %v", err)
		}
		step := b.authorize(t, w.bureau, w.push(t, w.bureau)...)
		d := consentTo(step)
		d.Agreement.Recurring = true
		if step, err = w.decide(t.Context(), step.Handle, b.Browser, d); err != nil {
			t.Fatal(err)
		}
		first := w.redeem(t, w.bureau, code(t, step))
		for id := range w.resolver.grants {
			w.resolver.reuse = id
		}
		if step, err = none(); err != nil {
			t.Fatal(err)
		}
		second := w.redeem(t, w.bureau, code(t, step))
		if string(first.Details) != string(second.Details) || second.Details == nil {
			t.Errorf("delivered %s and %s", first.Details, second.Details)
		}
		if _, _, err := w.StepUp(t.Context(), b.Browser, factor.Proof{Factor: factor.PhoneCode}); err != nil {
			t.Fatal(err)
		}
		low := w.browser()
		low.session(t, w.zhang, 1)
		_, err = w.Authorize(t.Context(), params(w.bureau, w.push(t, w.bureau, "prompt", "none")...), low.Browser, false)
		if _, back := refusal(t, err); back.Get("error") != string(oidc.InteractionRequired) {
			t.Errorf("with one factor: %v", err)
		}
	})
}

// What the resolver refuses at the page goes back to the client; what passes stays.
func TestResolverRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		changes := w.push(t, w.bureau)
		w.resolver.fails = &oidc.Error{Code: oidc.TemporarilyUnavailable, Description: "later"}
		_, err := w.Authorize(t.Context(), params(w.bureau, changes...), b.Browser, false)
		if _, ok := errors.AsType[*oidc.RequestError](err); ok {
			t.Errorf("what passes went back to the client: %v", err)
		}
		w.resolver.fails = nil
		step, err := w.Authorize(t.Context(), params(w.bureau, changes...), b.Browser, false)
		if err != nil || step.Kind != oidc.StepConsent {
			t.Fatalf("reloaded: %s, %v", step.Kind, err)
		}
		w.resolver.fails = &oidc.Error{Code: oidc.InvalidAuthorizationDetails, Description: "the item is another one now", Reason: "item_unknown"}
		_, err = w.Next(t.Context(), step.Handle, b.Browser)
		if _, back := refusal(t, err); back.Get("error") != string(oidc.InvalidAuthorizationDetails) || back.Get("state") != "s1" {
			t.Errorf("got %v", err)
		}
		w.resolver.fails = nil
		if _, err := w.Next(t.Context(), step.Handle, b.Browser); !errors.Is(err, oidc.ErrRequestGone) {
			t.Errorf("after the refusal went back: %v", err)
		}
	})
}
