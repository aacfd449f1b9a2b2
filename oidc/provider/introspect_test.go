package provider

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
)

func TestIntrospect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		machine := w.machine(t)
		public := w.add(t, identity.Government, codes[0], func(s *client.Spec) { s.AuthMethods, s.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, nil })
		b := w.browser()
		b.session(t, w.zhang, 2)
		tokens := w.redeem(t, w.bureau, code(t, b.agree(t, b.authorize(t, w.bureau, w.push(t, w.bureau)...))))
		theirs := b.tokens(t, w.shop)
		own, err := w.Redeem(t.Context(), machine, forItself())
		if err != nil {
			t.Fatal(err)
		}
		ask := func(c oidc.Client, token string) token.Introspection {
			t.Helper()
			i, err := w.Introspect(t.Context(), c, token)
			if err != nil {
				t.Fatal(err)
			}
			return i
		}
		claims := part(t, tokens.Access.Reveal(), 1)
		i := ask(w.bureau, tokens.Access.Reveal())
		if !i.Active || i.Subject != claims["sub"] || i.ClientID != w.bureau.ID || i.Scope != "openid" || i.TokenType != "Bearer" || i.Issuer != issuer || i.Audience != issuer ||
			i.TokenID != claims["jti"] || i.ACR != oidc.ACR(2) || i.Grant == "" || i.Expires-i.Issued != 300 || i.AuthTime == 0 {
			t.Errorf("a person's access token: %+v", i)
		}
		if i := ask(machine, own.Access.Reveal()); !i.Active || i.Subject != machine.ID || i.Scope != "license:read" || i.Grant != "" {
			t.Errorf("a client's access token: %+v", i)
		}
		if i := ask(w.bureau, tokens.Refresh.Reveal()); !i.Active || i.TokenType != "refresh_token" || i.Subject != claims["sub"] || i.Expires == 0 {
			t.Errorf("a refresh token: %+v", i)
		}
		for name, try := range map[string]struct {
			client oidc.Client
			token  string
		}{
			"another client's access token":  {w.bureau, theirs.Access.Reveal()},
			"another client's refresh token": {w.bureau, theirs.Refresh.Reveal()},
			"a machine's":                    {w.bureau, own.Access.Reveal()},
			"an ID token":                    {w.bureau, tokens.ID.Reveal()},
			"garbage":                        {w.bureau, "x"},
			"nothing":                        {w.bureau, ""},
			"a huge one":                     {w.bureau, strings.Repeat("x", 1<<20)},
		} {
			if i := ask(try.client, try.token); i != (token.Introspection{}) {
				t.Errorf("%s: %+v", name, i)
			}
		}
		if b, err := json.Marshal(token.Introspection{}); err != nil || string(b) != `{"active":false}` {
			t.Errorf("inactive is %s, %v", b, err)
		}
		_, err = w.Introspect(t.Context(), public, tokens.Access.Reveal())
		if code, _ := codeOf(t, err); code != oidc.InvalidClient {
			t.Errorf("a public client: %v", err)
		}
		next := w.refreshed(t, w.bureau, tokens.Refresh)
		if ask(w.bureau, tokens.Refresh.Reveal()).Active || !ask(w.bureau, next.Refresh.Reveal()).Active {
			t.Error("a refresh token that was rotated is active, or the newest isn't")
		}
		time.Sleep(5 * time.Minute)
		if ask(w.bureau, tokens.Access.Reveal()).Active || ask(machine, own.Access.Reveal()).Active {
			t.Error("an expired token is active")
		}
		next = w.refreshed(t, w.bureau, next.Refresh)
		w.fails = errors.New("disk")
		time.Sleep(3 * time.Second)
		if _, err := w.Introspect(t.Context(), w.bureau, next.Access.Reveal()); err == nil {
			t.Error("storage that doesn't answer is an answer")
		}
	})
}

// machine registers a client that acts for itself.
func (w *world) machine(t testing.TB) oidc.Client {
	t.Helper()
	return w.add(t, identity.Government, codes[0], func(s *client.Spec) {
		*s = client.Spec{Name: "x", Participant: s.Participant, Scopes: []oidc.Scope{oidc.ScopeLicenseRead}}
	})
}

// good reports whether a node takes an access token.
func good(t testing.TB, p *provider, token oidc.Secret) bool {
	t.Helper()
	_, err := p.CheckAccessToken(t.Context(), token.Reveal())
	if code, reason := codeOf(t, err); err != nil && code != oidc.InvalidToken {
		t.Fatal(code, reason)
	}
	return err == nil
}

func (w *world) revoke(t testing.TB, c oidc.Client, token oidc.Secret) {
	t.Helper()
	if err := w.RevokeToken(t.Context(), c, token.Reveal(), "r5"); err != nil {
		t.Fatal(err)
	}
}

func TestRevokeToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		elsewhere, _ := w.node(t, 2)
		b := w.browser()
		b.session(t, w.zhang, 2)
		licensed := func() token.Tokens {
			return w.redeem(t, w.bureau, code(t, b.agree(t, b.authorize(t, w.bureau, w.push(t, w.bureau)...))))
		}
		for name, which := range map[string]func(token.Tokens) oidc.Secret{
			"the access token":  func(t token.Tokens) oidc.Secret { return t.Access },
			"the refresh token": func(t token.Tokens) oidc.Secret { return t.Refresh },
		} {
			tokens := licensed()
			revoked := len(w.resolver.revoked)
			if !good(t, elsewhere, tokens.Access) {
				t.Fatalf("%s: not good to begin with", name)
			}
			w.revoke(t, w.shop, which(tokens)) // another client's: no error, and nothing happens
			if !good(t, w.provider, tokens.Access) {
				t.Errorf("%s: another client revoked it", name)
			}
			w.revoke(t, w.bureau, which(tokens))
			w.revoke(t, w.bureau, which(tokens))
			if good(t, w.provider, tokens.Access) || w.refusedRefresh(t, w.bureau, tokens.Refresh.Reveal()) != "refresh_ended" {
				t.Errorf("%s: the family lives", name)
			}
			time.Sleep(2 * time.Second)
			if good(t, elsewhere, tokens.Access) {
				t.Errorf("%s: two seconds later it is good elsewhere", name)
			}
			// Each time: a process may have died between the family's end and the grant's.
			if n := len(w.resolver.revoked) - revoked; n != 2 {
				t.Errorf("%s: the grant was revoked %d times for two requests", name, n)
			}
		}

	})
}

// A client's own token is revoked alone.
func TestRevokeOwnToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		machine := w.machine(t)
		elsewhere, _ := w.node(t, 2)
		own, err := w.Redeem(t.Context(), machine, forItself())
		if err != nil {
			t.Fatal(err)
		}
		other, err := w.Redeem(t.Context(), machine, forItself())
		if err != nil {
			t.Fatal(err)
		}
		if !good(t, w.provider, own.Access) || !good(t, elsewhere, own.Access) {
			t.Fatal("not good to begin with")
		}
		w.revoke(t, w.bureau, own.Access)
		if !good(t, w.provider, own.Access) {
			t.Error("another client revoked it")
		}
		w.revoke(t, machine, own.Access)
		w.revoke(t, machine, own.Access)
		time.Sleep(time.Millisecond)
		if good(t, w.provider, own.Access) || !good(t, w.provider, other.Access) {
			t.Error("the wrong token was revoked")
		}
		time.Sleep(2 * time.Second)
		if good(t, elsewhere, own.Access) {
			t.Error("two seconds later it is good elsewhere")
		}
		for _, token := range []string{"", "x", identity.NewID() + ".1." + strings.Repeat("A", 43), strings.Repeat("x", 1<<20)} {
			if err := w.RevokeToken(t.Context(), w.bureau, token, "r5"); err != nil {
				t.Errorf("%.20q: %v", token, err)
			}
		}
	})
}

func TestUserInfo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		for scope, want := range map[string]string{
			"openid":          `{"sub":"SUB"}`,
			"openid profile":  `{"sub":"SUB","name":"张小䶮","updated_at":946684800}`,
			"openid phone":    `{"sub":"SUB","phone_number":"+8613800138000","phone_number_verified":true}`,
			"openid identity": `{"sub":"SUB","user_type":"person","code_type":"111","code":"990101199001010035","assurance":2}`,
		} {
			tokens := b.tokens(t, w.bureau, "scope", scope)
			a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
			if err != nil {
				t.Fatal(err)
			}
			got, err := w.UserInfo(t.Context(), a)
			if want = strings.Replace(want, "SUB", a.Subject, 1); err != nil || string(got) != want {
				t.Errorf("%s: got %s, %v, want %s", scope, got, err, want)
			}
			for claim := range part(t, tokens.ID.Reveal(), 1) {
				if claim == "name" || claim == "phone_number" || claim == "code" {
					t.Errorf("the ID token has %s", claim)
				}
			}
		}
		if _, err := w.people.Change(t.Context(), w.zhang.ID, func(a *identity.Account) error { a.Proofing.Method = identity.MethodImport; return nil }); err != nil {
			t.Fatal(err)
		}
		a, err := w.CheckAccessToken(t.Context(), b.tokens(t, w.bureau, "scope", "openid phone").Access.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.UserInfo(t.Context(), a); err != nil || strings.Contains(string(got), "verified") || !strings.Contains(string(got), "+8613800138000") {
			t.Errorf("of an imported account: %s, %v", got, err)
		}
		own, err := w.Redeem(t.Context(), w.machine(t), forItself())
		if err != nil {
			t.Fatal(err)
		}
		if a, err = w.CheckAccessToken(t.Context(), own.Access.Reveal()); err != nil {
			t.Fatal(err)
		}
		_, err = w.UserInfo(t.Context(), a)
		if code, _ := codeOf(t, err); code != oidc.InvalidToken {
			t.Errorf("a token about nobody: %v", err)
		}
	})
}

// Whoever has a password alone learns neither number nor phone by it, and the scopes say so.
func TestUserInfoOfOneFactor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau, "scope", "openid phone identity")
		a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.UserInfo(t.Context(), a)
		want := `{"sub":"` + a.Subject + `"}`
		if err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	})
}

// An ID token is no access token, and an access token is none of another kind.
func TestTokenKindsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau)
		w.resolver.grants["g"] = &fakeGrant{state: "active"}
		for name, token := range map[string]string{
			"an ID token":                  tokens.ID.Reveal(),
			"a refresh token":              tokens.Refresh.Reveal(),
			"signed by the ID token's key": w.signed(t, signing.PurposeIDToken, jose.TypAccessToken, part(t, tokens.Access.Reveal(), 1)),
			"of another typ":               w.signed(t, signing.PurposeAccessToken, jose.TypIDToken, part(t, tokens.Access.Reveal(), 1)),
			"of an unknown family":         w.signed(t, signing.PurposeAccessToken, jose.TypAccessToken, changed(t, tokens, "family", identity.NewID())),
			"of a family that can't be":    w.signed(t, signing.PurposeAccessToken, jose.TypAccessToken, changed(t, tokens, "family", "x")),
			"of another client's family":   w.signed(t, signing.PurposeAccessToken, jose.TypAccessToken, changed(t, tokens, "client_id", w.shop.ID)),
			"with another grant":           w.signed(t, signing.PurposeAccessToken, jose.TypAccessToken, changed(t, tokens, "grant_id", "g")),
		} {
			_, err := w.CheckAccessToken(t.Context(), token)
			if code, _ := codeOf(t, err); code != oidc.InvalidToken {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := w.CheckAccessToken(t.Context(), w.signed(t, signing.PurposeAccessToken, jose.TypAccessToken, part(t, tokens.Access.Reveal(), 1))); err != nil {
			t.Errorf("made the same way, unchanged: %v", err)
		}
	})
}

func changed(t testing.TB, tokens token.Tokens, name string, value any) map[string]any {
	claims := part(t, tokens.Access.Reveal(), 1)
	claims[name] = value
	return claims
}

// signed signs claims with a key of ours.
func (w *world) signed(t testing.TB, purpose signing.Purpose, typ string, claims map[string]any) string {
	t.Helper()
	for _, name := range []string{"iat", "exp", "auth_time"} {
		claims[name] = int64(claims[name].(float64))
	}
	key, err := w.config.Keyrings.Active(t.Context(), purpose, "")
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.Sign(key.Signer, jose.Header{Typ: typ, KeyID: key.KID(), Algorithm: jose.ES256}, claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Checking a token again costs no reading while what was read is fresh.
func TestTokenChecksAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau)
		own, err := w.Redeem(t.Context(), w.machine(t), forItself())
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		queries := w.queries
		for time.Since(began) < 10*time.Second {
			for _, token := range []oidc.Secret{tokens.Access, own.Access} {
				if _, err := w.CheckAccessToken(t.Context(), token.Reveal()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := w.queries - queries; n > 4*5+5 {
			t.Errorf("2,000 checks in 10 seconds took %d readings", n)
		}
	})
}

// Without what logins need stored nobody logs in, and nothing panics.
func TestProviderWithoutLogins(t *testing.T) {
	f := newFixture(t)
	c, _ := f.client(t, oidc.ScopeLicenseRead)
	c.GrantTypes = append(c.GrantTypes, oidc.GrantCode, oidc.GrantRefresh)
	b := oidc.Browser{ID: oidc.NewBrowserID(), Session: oidc.NewHandle()}
	if _, err := f.Authorize(t.Context(), params(oidc.Client{ID: c.ID, RedirectURIs: []string{"x"}}), b, false); err == nil {
		t.Error("authorize")
	}
	if _, err := f.Visit(t.Context(), flow.Page{Path: "/"}, b); err == nil {
		t.Error("visit")
	}
	if _, _, err := f.Push(t.Context(), c, oidc.Parameters{}, ""); err == nil {
		t.Error("push")
	}
	if _, err := f.Next(t.Context(), oidc.NewHandle(), b); !errors.Is(err, oidc.ErrRequestGone) {
		t.Errorf("next: %v", err)
	}
	if _, err := f.Session(t.Context(), b); !errors.Is(err, oidc.ErrNoSession) {
		t.Errorf("session: %v", err)
	}
	if err := f.LogOut(t.Context(), b); err != nil {
		t.Errorf("log out: %v", err)
	}
	if _, err := f.Logouts.Take(t.Context(), oidc.Parameters{}, b); err == nil {
		t.Error("logout")
	}
	if _, err := f.Redeem(t.Context(), c, grant.Request{Type: oidc.GrantCode, Form: url.Values{"code": {oidc.NewHandle().Reveal()}}}); err == nil {
		t.Error("redeem")
	}
	if _, err := f.Redeem(t.Context(), c, refreshing(identity.NewID()+".1."+oidc.NewHandle().Reveal())); err == nil {
		t.Error("refresh")
	}
	token := f.token(t, c)
	if i, err := f.Introspect(t.Context(), c, token); err != nil || !i.Active {
		t.Errorf("introspect: %+v, %v", i, err)
	}
	if err := f.RevokeToken(t.Context(), c, token, ""); err == nil {
		t.Error("a token was revoked that can't be")
	}
}
