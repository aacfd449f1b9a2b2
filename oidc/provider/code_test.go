package provider

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

func TestRedeemCodeRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		sibling := w.add(t, identity.Government, codes[0], func(*client.Spec) {}) // same participant, same redirect URI
		public := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.AuthMethods, s.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, nil })
		legacy := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.WithoutPKCE, s.ServiceItems = true, nil })
		machine := w.bureau
		machine.GrantTypes = []oidc.GrantType{oidc.GrantClientCredentials}
		b := w.browser()
		b.session(t, w.zhang, 1)
		for _, test := range []struct {
			name   string
			client oidc.Client // that asked
			by     oidc.Client
			ask    []string
			change func(url.Values)
			code   oidc.Code
			reason string
		}{
			{"another client", w.bureau, w.shop, nil, nil, oidc.InvalidGrant, "code_client"},
			{"another client of the participant", w.bureau, sibling, nil, nil, oidc.InvalidGrant, "code_client"},
			{"a public client for a confidential one", w.bureau, public, nil, nil, oidc.InvalidGrant, "code_client"},
			{"another redirect URI", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"x") }, oidc.InvalidGrant, "code_redirect_uri"},
			{"no redirect URI", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("redirect_uri", "") }, oidc.InvalidGrant, "code_redirect_uri"},
			{"no verifier", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("code_verifier", "") }, oidc.InvalidGrant, "code_verifier"},
			{"another verifier", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("code_verifier", strings.Repeat("x", 43)) }, oidc.InvalidGrant, "code_verifier"},
			{"the challenge as the verifier", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("code_verifier", challengeOf(verifier)) }, oidc.InvalidGrant, "code_verifier"},
			{"a huge verifier", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("code_verifier", strings.Repeat("x", 4096)) }, oidc.InvalidGrant, "code_verifier"},
			{"a public client without its verifier", public, public, nil, func(q url.Values) { q.Set("code_verifier", "") }, oidc.InvalidGrant, "code_verifier"},
			{"a legacy client that used PKCE, without its verifier", legacy, legacy, nil, func(q url.Values) { q.Set("code_verifier", "") }, oidc.InvalidGrant, "code_verifier"},
			{"a verifier whose challenge somebody took away", legacy, legacy, []string{"code_challenge", "", "code_challenge_method", ""}, nil, oidc.InvalidGrant, "code_verifier"},
			{"an unknown code", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("code", oidc.NewHandle().Reveal()) }, oidc.InvalidGrant, "code_unknown"},
			{"no code", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("code", "") }, oidc.InvalidGrant, "code_malformed"},
			{"what can't be a code", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("code", strings.Repeat("é", 22)[:43]) }, oidc.InvalidGrant, "code_malformed"},
			{"another resource", w.bureau, w.bureau, nil, func(q url.Values) { q.Set("resource", "https://api.example") }, oidc.InvalidTarget, "resource_unknown"},
			{"a client without logins", w.bureau, machine, nil, nil, oidc.UnauthorizedClient, "grant_unregistered"},
		} {
			c := code(t, b.authorize(t, test.client, test.ask...))
			q := redemption(test.client, c)
			if test.change != nil {
				test.change(q.Form)
			}
			families, before := len(w.memory.families), len(w.events)
			_, err := w.Redeem(t.Context(), test.by, q)
			if got, reason := codeOf(t, err); got != test.code || reason != test.reason && reason != "" {
				t.Errorf("%s: got %v", test.name, err)
			}
			if last := w.last(); len(w.events) != before+1 || last.Action != journal.ActionTokenRefuse || last.Result != test.reason || last.Actor.ID != test.by.ID || last.RequestID != "r2" {
				t.Errorf("%s: event %+v", test.name, last)
			}
			if len(w.memory.families) != families {
				t.Errorf("%s: something was yielded", test.name)
			}
			// Nobody can spend a code for who may redeem it.
			q = redemption(test.client, c)
			if len(test.ask) > 0 {
				q.Form.Set("code_verifier", "")
			}
			if _, err := w.Redeem(t.Context(), test.client, q); err != nil {
				t.Errorf("%s, and then redeemed rightly: %v", test.name, err)
			}
		}
	})
}

func TestCodeExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		c := code(t, b.authorize(t, w.bureau))
		time.Sleep(time.Minute)
		if _, err := w.Redeem(t.Context(), w.bureau, redemption(w.bureau, c)); !isInvalidGrant(err) {
			t.Errorf("got %v", err)
		}
	})
}

func isInvalidGrant(err error) bool {
	e, ok := errors.AsType[*oidc.Error](err)
	return ok && e.Code == oidc.InvalidGrant
}

// Who logged out before the code was redeemed isn't logged in by it.
func TestCodeOfAnEndedSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for _, changes := range [][]string{nil, {"scope", "openid offline_access"}} {
			b := w.browser()
			b.session(t, w.zhang, 1)
			b.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent")
			c := code(t, b.authorize(t, w.bureau, changes...))
			if err := w.LogOut(t.Context(), b.Browser); err != nil {
				t.Fatal(err)
			}
			_, err := w.Redeem(t.Context(), w.bureau, redemption(w.bureau, c))
			if _, reason := codeOf(t, err); reason != "session_ended" {
				t.Errorf("got %v", err)
			}
		}
	})
}

// A code that comes twice ends what the first use yielded: at once, half a minute
// later, and when nothing is kept of it any more; but not for another client.
func TestCodeReuse(t *testing.T) {
	for name, after := range map[string]time.Duration{"at once": 0, "30 seconds later": 30 * time.Second, "two minutes later": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				b := w.browser()
				b.session(t, w.zhang, 2)
				c := code(t, b.agree(t, b.authorize(t, w.bureau, w.push(t, w.bureau, "scope", "openid")...)))
				tokens := w.redeem(t, w.bureau, c)
				time.Sleep(after)
				elsewhere, _ := w.node(t, 2)

				if _, err := elsewhere.Redeem(t.Context(), w.shop, redemption(w.shop, c)); !isInvalidGrant(err) {
					t.Fatalf("another client: %v", err)
				}
				a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
				if err != nil {
					t.Fatalf("another client's try ended the tokens: %v", err)
				}
				_, err = elsewhere.Redeem(t.Context(), w.bureau, redemption(w.bureau, c))
				if _, reason := codeOf(t, err); reason != "code_reuse" {
					t.Fatalf("used again: %v", err)
				}
				time.Sleep(2 * time.Second) // by another process
				if _, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal()); err == nil {
					t.Error("the access token lives")
				}
				if _, err := w.Redeem(t.Context(), w.bureau, refreshing(tokens.Refresh.Reveal())); !isInvalidGrant(err) {
					t.Errorf("the refresh token lives: %v", err)
				}
				if len(w.resolver.revoked) != 1 || w.resolver.revoked[0] != a.Grant+" "+oidc.GrantCodeReuse {
					t.Errorf("revoked %v", w.resolver.revoked)
				}
				if f := w.memory.families[a.Family]; f.Ended.IsZero() || f.EndedBy != session.EndedByCode || len(w.memory.families) != 1 {
					t.Errorf("%d families, the first %+v", len(w.memory.families), f)
				}
				_, err = elsewhere.Redeem(t.Context(), w.bureau, redemption(w.bureau, c))
				if _, reason := codeOf(t, err); reason != "code_reuse" {
					t.Fatalf("used a third time: %v", err)
				}
				if n := strings.Count(strings.Join(w.results(), ","), "code.reuse code_reuse"); n != 1 {
					t.Errorf("%d events of the reuse: %v", n, w.results())
				}
			})
		})
	}
}

// Of 64 redemptions at once on two nodes one yields tokens, which the others end.
func TestParallelRedemption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		elsewhere, _ := w.node(t, 2)
		b := w.browser()
		b.session(t, w.zhang, 1)
		c := code(t, b.authorize(t, w.bureau))
		var mu sync.Mutex
		var good []token.Tokens
		var all sync.WaitGroup
		for i := range 64 {
			p := w.provider
			if i%2 == 0 {
				p = elsewhere
			}
			all.Go(func() {
				tokens, err := p.Redeem(t.Context(), w.bureau, redemption(w.bureau, c))
				if err != nil {
					if _, reason := codeOf(t, err); reason != "code_reuse" {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				defer mu.Unlock()
				good = append(good, tokens)
			})
		}
		all.Wait()
		if len(good) != 1 || len(w.memory.families) != 1 {
			t.Fatalf("%d redemptions succeeded, there are %d families", len(good), len(w.memory.families))
		}
		time.Sleep(2 * time.Second)
		if _, err := w.CheckAccessToken(t.Context(), good[0].Access.Reveal()); err == nil {
			t.Error("the tokens outlived the reuse of their code")
		}
	})
}

// A process that dies between two steps leaves no code to use twice, and no
// tokens without what was agreed to.
func TestRedemptionCutShort(t *testing.T) {
	for _, step := range []string{"code.checked", "code.spent", "code.delivered"} {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				b := w.browser()
				b.session(t, w.zhang, 2)
				c := code(t, b.agree(t, b.authorize(t, w.bureau, w.push(t, w.bureau)...)))
				w.onStep = func(name string) {
					if name == step {
						panic("killed")
					}
				}
				func() {
					defer func() { _ = recover() }()
					_, _ = w.Redeem(t.Context(), w.bureau, redemption(w.bureau, c))
					t.Errorf("the step %s wasn't passed", step)
				}()
				w.onStep = nil
				tokens, err := w.Redeem(t.Context(), w.bureau, redemption(w.bureau, c))
				if step == "code.checked" {
					if err != nil || tokens.Details == nil {
						t.Errorf("before it was spent: %v", err)
					}
					return
				}
				if _, reason := codeOf(t, err); reason != "code_reuse" || len(w.resolver.revoked) != 1 {
					t.Errorf("after it was spent: %v, revoked %v", err, w.resolver.revoked)
				}
				for id, g := range w.resolver.grants {
					if g.state != "ended" {
						t.Errorf("grant %s is %s", id, g.state)
					}
				}
			})
		})
	}
}

// What was agreed to and can't be delivered yields no login either.
func TestUndelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		for _, fault := range []error{&oidc.Error{Code: oidc.InvalidGrant, Description: "a license changed", Reason: "license_changed"}, errors.New("disk full")} {
			c := code(t, b.agree(t, b.authorize(t, w.bureau, w.push(t, w.bureau)...)))
			w.onStep = func(name string) {
				if name == "code.spent" {
					w.resolver.fails = fault
				}
			}
			if tokens, err := w.Redeem(t.Context(), w.bureau, redemption(w.bureau, c)); !errors.Is(err, fault) || tokens.Access != (oidc.Secret{}) {
				t.Errorf("got %v", err)
			}
			w.onStep, w.resolver.fails = nil, nil
			row := w.spent[sha256.Sum256([]byte(c))]
			if f := w.memory.families[row.family]; f.EndedBy != session.EndedByDelivery {
				t.Errorf("the family is %+v", f)
			}
		}
	})
}

// Storage that doesn't answer isn't a refusal, and costs no code.
func TestStorageFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		c := code(t, b.authorize(t, w.bureau))
		w.fails = errors.New("disk full")
		_, err := w.Redeem(t.Context(), w.bureau, redemption(w.bureau, c))
		if got, _ := codeOf(t, err); got != oidc.TemporarilyUnavailable {
			t.Errorf("got %v", err)
		}
		w.fails = nil
		w.redeem(t, w.bureau, c)
		if err := w.kept.Close(); err != nil {
			t.Fatal(err)
		}
		_, err = w.Authorize(t.Context(), params(w.bureau), w.browser().Browser, false)
		if e, ok := errors.AsType[*oidc.Error](err); !ok || e.Code != oidc.TemporarilyUnavailable {
			t.Errorf("without what is kept: %v", err)
		}
		_, err = w.Redeem(t.Context(), w.bureau, redemption(w.bureau, oidc.NewHandle().Reveal()))
		if got, _ := codeOf(t, err); got != oidc.TemporarilyUnavailable {
			t.Errorf("without what is kept: %v", err)
		}
	})
}

// A code ends with the third wrong try by its own client; whoever else has it ends
// nothing, and fills no log: neither with tries nor with what is refused afterwards.
func TestCodeEndsAfterWrongTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		public := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.AuthMethods, s.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, nil })
		b := w.browser()
		b.session(t, w.zhang, 1)
		try := func(by, of oidc.Client, c string, change func(url.Values)) string {
			q := redemption(of, c)
			if change != nil {
				change(q.Form)
			}
			_, err := w.Redeem(t.Context(), by, q)
			if err == nil {
				return ""
			}
			_, reason := codeOf(t, err)
			return reason
		}
		wrongly := func(q url.Values) { q.Set("code_verifier", strings.Repeat("x", 43)) }
		elsewhere := func(q url.Values) { q.Set("redirect_uri", q.Get("redirect_uri")+"x") }
		for _, c := range []oidc.Client{w.bureau, public} {
			// A stranger who read the code tries it through clients that anybody can be.
			got := code(t, b.authorize(t, c))
			before := len(w.events)
			for range 1000 {
				if r := try(w.shop, c, got, wrongly); r != "code_client" {
					t.Fatalf("a stranger: %s", r)
				}
			}
			if n := len(w.events) - before; n > 10 {
				t.Errorf("%d events of a stranger's tries", n)
			}
			for i, want := range []string{"code_verifier", "code_redirect_uri", ""} { // two mistakes are free
				if r := try(c, c, got, []func(url.Values){wrongly, elsewhere, nil}[i]); r != want {
					t.Errorf("try %d: %q, want %q", i+1, r, want)
				}
			}

			got = code(t, b.authorize(t, c))
			families, before := len(w.memory.families), len(w.events)
			for i, want := range []string{"code_verifier", "code_verifier", "code_tries", "code_unknown"} {
				if r := try(c, c, got, []func(url.Values){wrongly, wrongly, elsewhere, nil}[i]); r != want {
					t.Errorf("try %d: %q, want %q", i+1, r, want)
				}
			}
			for range 1000 {
				try(c, c, got, wrongly)
			}
			if len(w.memory.families) != families {
				t.Error("an ended code yielded something")
			}
			if n := len(w.events) - before; n > 3+10 {
				t.Errorf("%d events of 1,004 tries", n)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		w.Run(ctx)
		if e := w.last().Entry(journal.Private{}, !w.last().Fits(journal.Private{})); e.Merged < 900 || e.Action != string(journal.ActionTokenRefuse) || e.Altered || e.RequestID != "" {
			t.Errorf("the last event: %+v", e)
		}
	})
}

// Of many who try wrongly at once, the first two are told what is wrong; the right one
// among them may come too late, and nothing is yielded twice.
func TestCodeWrongTriesRace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		c := code(t, b.authorize(t, w.bureau))
		var told sync.Map
		var by sync.WaitGroup
		for i := range 64 {
			by.Go(func() {
				q := redemption(w.bureau, c)
				q.Form.Set("code_verifier", strings.Repeat("x", 43))
				_, err := w.Redeem(t.Context(), w.bureau, q)
				_, reason := codeOf(t, err)
				told.Store(i, reason)
			})
		}
		by.Wait()
		verifier := 0
		told.Range(func(_, reason any) bool {
			if reason == "code_verifier" {
				verifier++
			}
			return true
		})
		if verifier != 2 {
			t.Errorf("%d of 64 may try again, want %d", verifier, 2)
		}
		if _, err := w.Redeem(t.Context(), w.bureau, redemption(w.bureau, c)); err == nil {
			t.Error("the code lives on")
		}
	})
}

// A client without a secret acts for nobody but people: neither as it is registered, nor
// should its record ever say otherwise.
func TestPublicClientActsForNobody(t *testing.T) {
	w := newWorld(t)
	public := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.AuthMethods, s.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, nil })
	bold := public
	bold.GrantTypes = append(slices.Clone(public.GrantTypes), oidc.GrantClientCredentials)
	before := len(w.events)
	for name, c := range map[string]oidc.Client{"as registered": public, "with the grant": bold} {
		tokens, err := w.Redeem(t.Context(), c, forItself())
		if code, reason := codeOf(t, err); code != oidc.UnauthorizedClient || reason != "grant_unregistered" || tokens.Access != (oidc.Secret{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(w.events) != before {
		t.Errorf("events %+v", w.events[before:])
	}
}

// Anybody could be a client without a secret: of what it is refused only misuse of what
// is genuine leaves an event, or it would fill the disk.
func TestRefusalsOfPublicClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		public := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.AuthMethods, s.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, nil })
		b := w.browser()
		b.session(t, w.zhang, 2)
		genuine := redemption(public, code(t, b.authorize(t, public)))
		genuine.Form.Set("code_verifier", strings.Repeat("x", 43))
		for _, test := range []struct {
			name   string
			q      grant.Request
			leaves int
		}{
			{"a code that nobody made", redemption(public, oidc.NewHandle().Reveal()), 0},
			{"no code at all", redemption(public, "x"), 0},
			{"a genuine code with a wrong verifier", genuine, 1},
		} {
			before := len(w.events)
			if _, err := w.Redeem(t.Context(), public, test.q); err == nil {
				t.Fatalf("%s was redeemed", test.name)
			}
			if n := len(w.events) - before; n != test.leaves {
				t.Errorf("%s leaves %d events, want %d", test.name, n, test.leaves)
			}
		}
	})
}
