package provider

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/token"
)

// At a participant that is no department the first use has a page; what was agreed
// to is remembered until it is withdrawn, or for a year.
func TestRememberedConsents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		in := func() { // sessions end in between
			*b = *w.browser()
			b.session(t, w.zhang, 2)
		}
		asks := func(what, scope, want string) oidc.Step {
			t.Helper()
			step := b.authorize(t, w.shop, "scope", scope)
			if step.Kind != oidc.StepConsent || oidc.JoinScopes(step.Consent.Scopes) != want {
				t.Fatalf("%s: %s %+v, want %s", what, step.Kind, step.Consent, want)
			}
			_, err := w.Authorize(t.Context(), params(w.shop, "scope", scope, "prompt", "none"), b.Browser, false)
			if _, back := refusal(t, err); back.Get("error") != string(oidc.ConsentRequired) {
				t.Errorf("%s, silently: %v", what, err)
			}
			return step
		}
		passes := func(what, scope string) token.Tokens {
			t.Helper()
			code(t, b.authorize(t, w.shop, "scope", scope))
			return w.redeem(t, w.shop, code(t, b.authorize(t, w.shop, "scope", scope, "prompt", "none")))
		}
		in()
		refused := asks("the first time", "openid", "openid")
		if _, err := w.decide(t.Context(), refused.Handle, b.Browser, oidc.Decision{Form: refused.Consent.Form, Refused: true}); err != nil {
			t.Fatal(err)
		}
		code(t, b.agree(t, asks("after a refusal", "openid", "openid")))
		in()
		passes("the second time", "openid")
		more := asks("more than before", "openid profile", "profile")
		first := code(t, b.agree(t, more))
		// The same form again: another code, and the same consent.
		if again := code(t, b.agree(t, more)); again == first || len(w.memory.consents) != 1 {
			t.Errorf("sent twice: the same code %t, %d consents", again == first, len(w.memory.consents))
		}
		passes("all of it", "openid profile")
		asks("other than before", "openid phone", "phone")
		if step := b.authorize(t, w.shop, "scope", "openid", "prompt", "consent"); step.Kind != oidc.StepConsent {
			t.Errorf("prompt=consent: %s", step.Kind)
		}
		theirs := w.browser()
		theirs.session(t, w.li, 1)
		if step := theirs.authorize(t, w.shop); step.Kind != oidc.StepConsent {
			t.Errorf("another person: %s", step.Kind)
		}
		second := w.add(t, identity.Enterprise, codes[1], func(s *client.Spec) { s.ServiceItems = nil })
		if step := b.authorize(t, second); step.Kind != oidc.StepConsent {
			t.Errorf("another client: %s", step.Kind)
		}
		time.Sleep(365 * 24 * time.Hour)
		in()
		code(t, b.agree(t, asks("a year later", "openid", "openid")))

		// Withdrawing ends what the client has, and the page comes again.
		tokens := passes("agreed", "openid")
		s, err := w.Session(t.Context(), b.Browser)
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.ClientAccesses(t.Context(), s)
		if err != nil || len(list) != 1 || list[0].Client.ID != w.shop.ID || oidc.JoinScopes(list[0].Scopes) != "openid" || !list[0].Offline.IsZero() || list[0].Participant.ID != w.shop.Participant {
			t.Fatalf("shown: %+v, %v", list, err)
		}
		stranger, err := w.Session(t.Context(), theirs.anew(t, w.li))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.EndClientAccess(t.Context(), stranger, w.shop.ID, "r"); !errors.Is(err, oidc.ErrNotFound) {
			t.Errorf("withdrawn by another person: %v", err)
		}
		if err := w.EndClientAccess(t.Context(), s, w.shop.ID, "r"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if _, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal()); err == nil {
			t.Error("its access token lives")
		}
		if _, err := w.Redeem(t.Context(), w.shop, refreshing(tokens.Refresh.Reveal())); err == nil {
			t.Error("its refresh token lives")
		}
		asks("after withdrawing", "openid", "openid")
		if err := w.EndClientAccess(t.Context(), s, w.shop.ID, "r"); !errors.Is(err, oidc.ErrNotFound) {
			t.Errorf("withdrawn twice: %v", err)
		}
	})
}

// anew logs somebody in anew and returns the browser.
func (b *browser) anew(t testing.TB, a identity.Account) oidc.Browser {
	t.Helper()
	*b = *b.w.browser()
	b.session(t, a, 1)
	return b.Browser
}

// A consent's row is good for the person, the client and the scopes of its sealed
// form alone.
func TestConsentRowsAreBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		code(t, b.agree(t, b.authorize(t, w.shop)))
		var row consent.Record
		for _, row = range w.memory.consents {
		}
		second := w.add(t, identity.Enterprise, codes[1], func(s *client.Spec) { s.ServiceItems = nil })
		altered := row
		altered.Client = second.ID
		w.memory.consents = map[string]consent.Record{row.ID: altered}
		if _, err := w.Authorize(t.Context(), params(second), b.Browser, false); err == nil {
			t.Error("another client's: nobody notices")
		}
		altered = row
		altered.ID = identity.NewID()
		w.memory.consents = map[string]consent.Record{altered.ID: altered}
		if _, err := w.Authorize(t.Context(), params(w.shop), b.Browser, false); err == nil {
			t.Error("under another id: nobody notices")
		}
		// Leading another person to it makes it theirs no more.
		li := w.browser()
		li.session(t, w.li, 1)
		keys, err := w.config.Vault.Lookups(t.Context(), oidc.DomainParty, w.li.Party)
		if err != nil {
			t.Fatal(err)
		}
		altered = row
		altered.Party = keys
		w.memory.consents = map[string]consent.Record{row.ID: altered}
		if step := li.authorize(t, w.shop); step.Kind != oidc.StepConsent {
			t.Errorf("another person's: %s", step.Kind)
		}
		// A later expiry in the column counts for nothing.
		altered = row
		altered.Expires = row.Expires.Add(365 * 24 * time.Hour)
		w.memory.consents = map[string]consent.Record{row.ID: altered}
		time.Sleep(365 * 24 * time.Hour)
		b.anew(t, w.zhang)
		if step := b.authorize(t, w.shop); step.Kind != oidc.StepConsent {
			t.Errorf("over a year old: %s", step.Kind)
		}
	})
}

// Offline access is shown, and ends by the person's word.
func TestOfflineAccessEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent")
		b.tokens(t, w.bureau) // dies with its session
		s, err := w.Session(t.Context(), b.Browser)
		if err != nil {
			t.Fatal(err)
		}
		list, err := w.ClientAccesses(t.Context(), s)
		if err != nil || len(list) != 1 || list[0].Client.ID != w.bureau.ID || list[0].Offline.IsZero() || len(list[0].Scopes) != 0 {
			t.Fatalf("shown: %+v, %v", list, err)
		}
		if err := w.EndClientAccess(t.Context(), s, w.bureau.ID, "r"); err != nil {
			t.Fatal(err)
		}
		if list, err = w.ClientAccesses(t.Context(), s); err != nil || len(list) != 0 {
			t.Errorf("after that: %+v, %v", list, err)
		}
		if reason := w.refusedRefresh(t, w.bureau, tokens.Refresh.Reveal()); reason != "refresh_ended" {
			t.Errorf("its refresh token: %q", reason)
		}
		if !b.live(t) {
			t.Error("the session ended, too")
		}
	})
}

// Leading another person to somebody's offline access makes it theirs no more: it is
// neither shown to them nor theirs to end, and doesn't count for their logins.
func TestOfflineAccessIsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b, li := w.browser(), w.browser()
		b.session(t, w.zhang, 1)
		li.session(t, w.li, 1)
		tokens := b.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent")
		for as, want := range map[*token.Behalf]bool{nil: true, {Representation: "r", Kind: "agent", Principal: "p"}: false} {
			if offline, err := w.HasOffline(t.Context(), w.bureau.ID, w.zhang.Party, as); err != nil || offline != want {
				t.Errorf("who acts as %+v has offline access: %t, %v", as, offline, err)
			}
		}
		keys, err := w.config.Vault.Lookups(t.Context(), oidc.DomainParty, w.li.Party)
		if err != nil {
			t.Fatal(err)
		}
		for id, f := range w.memory.families {
			f.Party = keys
			w.memory.families[id] = f
		}
		s, err := w.Session(t.Context(), li.Browser)
		if err != nil {
			t.Fatal(err)
		}
		if list, err := w.ClientAccesses(t.Context(), s); err != nil || len(list) != 0 {
			t.Errorf("shown to another person: %+v, %v", list, err)
		}
		if err := w.EndClientAccess(t.Context(), s, w.bureau.ID, "r"); !errors.Is(err, oidc.ErrNotFound) {
			t.Errorf("ended by another person: %v", err)
		}
		if offline, err := w.HasOffline(t.Context(), w.bureau.ID, w.li.Party, nil); err != nil || offline {
			t.Errorf("another person has offline access: %t, %v", offline, err)
		}
		w.refreshed(t, w.bureau, tokens.Refresh)
	})
}

// A floor holds whatever the client asks for; the default is two factors for a
// department that asks who people are.
func TestFloors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		of := func(class identity.Class, code string, change func(*client.Spec)) oidc.Client {
			return w.add(t, class, code, func(s *client.Spec) {
				s.MinAssurance, s.ServiceItems = nil, nil
				change(s)
			})
		}
		two, zero, day := 2, 0, int64(86400)
		asking := of(identity.Government, codes[0], func(*client.Spec) {})
		b := w.browser()
		b.session(t, w.zhang, 1)
		for _, test := range []struct {
			name    string
			client  oidc.Client
			changes []string
			kind    oidc.StepKind
		}{
			{"a department that asks who people are", asking, nil, oidc.StepSecondFactor},
			{"though it asks for less", asking, []string{"acr_values", oidc.ACR(1)}, oidc.StepSecondFactor},
			{"a department that doesn't", of(identity.Government, codes[0], func(s *client.Spec) { s.Scopes = []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile} }), nil, oidc.StepDone},
			{"one for which the operator said so", of(identity.Government, codes[0], func(s *client.Spec) { s.MinAssurance = &zero }), nil, oidc.StepDone},
			{"an enterprise", of(identity.Enterprise, codes[1], func(*client.Spec) {}), nil, oidc.StepConsent},
			{"an enterprise for which the operator said so", of(identity.Enterprise, codes[1], func(s *client.Spec) { s.MinAssurance = &two }), nil, oidc.StepSecondFactor},
		} {
			if step := b.authorize(t, test.client, test.changes...); step.Kind != test.kind {
				t.Errorf("%s: %s", test.name, step.Kind)
			}
		}
		_, err := w.Authorize(t.Context(), params(asking, "prompt", "none"), b.Browser, false)
		if _, back := refusal(t, err); back.Get("error") != string(oidc.InteractionRequired) {
			t.Errorf("silently: %v", err)
		}
		// What was got below a floor that was set since isn't refreshed.
		before := b.tokens(t, w.bureau)
		spec := client.Spec{
			Name: w.bureau.Name, Scopes: w.bureau.Scopes, GrantTypes: w.bureau.GrantTypes, RedirectURIs: w.bureau.RedirectURIs, LogoutURIs: w.bureau.LogoutURIs,
			HomeURI: w.bureau.HomeURI, IDTokenAlgorithm: w.bureau.IDTokenAlgorithm, MinAssurance: &two, DefaultMaxAge: &day,
		}
		if _, err := w.provider.UpdateClient(t.Context(), operator, w.bureau.ID, 0, spec); err != nil {
			t.Fatal(err)
		}
		if reason := w.refusedRefresh(t, w.bureau, before.Refresh.Reveal()); reason != "refresh_assurance" {
			t.Errorf("refreshing: %q", reason)
		}
		for _, bad := range []func(*client.Spec){
			func(s *client.Spec) { n := 4; s.MinAssurance = &n }, func(s *client.Spec) { n := -1; s.MinAssurance = &n },
			func(s *client.Spec) { n := int64(-1); s.DefaultMaxAge = &n },
		} {
			wrong := spec
			bad(&wrong)
			if _, err := w.provider.UpdateClient(t.Context(), operator, w.bureau.ID, 0, wrong); err == nil {
				t.Errorf("taken: %v", wrong)
			}
		}
		// An old login isn't good for a client that said so once and for all.
		hour := int64(3600)
		strict := of(identity.Government, codes[0], func(s *client.Spec) { s.MinAssurance, s.DefaultMaxAge = &zero, &hour })
		for range 4 {
			time.Sleep(20 * time.Minute)
			if !b.live(t) {
				t.Fatal("the session ended")
			}
		}
		if step := b.authorize(t, strict); step.Kind != oidc.StepLogin {
			t.Errorf("default max_age: %s", step.Kind)
		}
		if step := b.authorize(t, strict, "max_age", "36000"); step.Kind != oidc.StepDone {
			t.Errorf("the request's own max_age: %s", step.Kind)
		}
	})
}

// What a login is not good for isn't granted: the answer's scope says so.
func TestWithheldScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for factors, want := range map[int]string{1: "openid profile", 2: "openid profile phone identity"} {
			b := w.browser()
			b.session(t, w.zhang, factors)
			tokens := b.tokens(t, w.bureau, "scope", "openid profile phone identity")
			a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
			if err != nil || oidc.JoinScopes(tokens.Scopes) != want || a.Has(oidc.ScopeIdentity) != (factors == 2) {
				t.Errorf("%d factors: %v, %v, %v", factors, tokens.Scopes, a.Scopes, err)
			}
			if again := w.refreshed(t, w.bureau, tokens.Refresh); oidc.JoinScopes(again.Scopes) != want {
				t.Errorf("%d factors, refreshed: %v", factors, again.Scopes)
			}
			if step := b.authorize(t, w.shop, "scope", "openid phone"); (factors == 1) != (oidc.JoinScopes(step.Consent.Scopes) == "openid") {
				t.Errorf("%d factors: the page asks for %v", factors, step.Consent.Scopes)
			}
		}
	})
}
