package provider

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing"
)

func (w *world) refreshed(t testing.TB, c oidc.Client, token oidc.Secret, scopes ...oidc.Scope) token.Tokens {
	t.Helper()
	tokens, err := w.Redeem(t.Context(), c, refreshing(token.Reveal(), scopes...))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// refusedRefresh returns the reason for which a refresh token is refused, "" if it isn't.
func (w *world) refusedRefresh(t testing.TB, c oidc.Client, token string) string {
	t.Helper()
	_, err := w.Redeem(t.Context(), c, refreshing(token))
	if err == nil {
		return ""
	}
	if !isInvalidGrant(err) {
		t.Fatal(err)
	}
	return string(err.(*oidc.Error).Reason)
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		first := b.tokens(t, w.bureau, "scope", "openid profile phone")
		time.Sleep(20 * time.Minute)
		writes := w.writes
		second := w.refreshed(t, w.bureau, first.Refresh)
		if w.writes != writes+1 {
			t.Errorf("a refresh took %d durable writes", w.writes-writes)
		}
		before, after := part(t, first.ID.Reveal(), 1), part(t, second.ID.Reveal(), 1)
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "acr", "sid"} {
			if before[name] != after[name] {
				t.Errorf("%s was %v and is %v", name, before[name], after[name])
			}
		}
		if len(after["amr"].([]any)) != 3 || after["nonce"] != nil || after["at_hash"] != accessHash(second.Access) || after["iat"] == before["iat"] {
			t.Errorf("ID token %v", after)
		}
		if _, err := w.CheckAccessToken(t.Context(), second.Access.Reveal()); err != nil {
			t.Error(err)
		}
		third := w.refreshed(t, w.bureau, second.Refresh, oidc.ScopeProfile)
		if oidc.JoinScopes(third.Scopes) != "profile" || third.ID != (oidc.Secret{}) {
			t.Errorf("narrowed to %v, ID token: %v", third.Scopes, third.ID != oidc.Secret{})
		}
		if fourth := w.refreshed(t, w.bureau, third.Refresh); oidc.JoinScopes(fourth.Scopes) != "openid profile phone" {
			t.Errorf("what was narrowed once is %v for ever", fourth.Scopes)
		}
	})
}

func TestRefreshRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau)
		good := tokens.Refresh.Reveal()
		parts := strings.Split(good, ".")
		family, number, mac := parts[0], parts[1], parts[2]
		flipped := []byte(mac)
		flipped[0] ^= 1
		queries := w.queries
		for name, token := range map[string]string{
			"nothing":            "",
			"garbage":            "garbage",
			"a number up":        family + ".2." + mac,
			"number 0":           family + ".0." + mac,
			"a negative number":  family + ".-1." + mac,
			"another spelling":   family + ".01." + mac,
			"a huge number":      family + ".99999999999999999999." + mac,
			"another family":     identity.NewID() + "." + number + "." + mac,
			"another signature":  family + "." + number + "." + string(flipped),
			"no signature":       family + "." + number + ".",
			"a fourth part":      good + ".x",
			"a line break":       good[:len(good)-1] + "\n",
			"a path":             "../../" + good,
			"huge":               strings.Repeat("x", 1<<20),
			"an access token":    tokens.Access.Reveal(),
			"of another origin":  family + "." + number + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 32)),
			"with padding bits":  good[:len(good)-1] + nextLetter(good[len(good)-1]),
			"in capital letters": strings.ToUpper(family) + "." + number + "." + mac,
		} {
			if reason := w.refusedRefresh(t, w.bureau, token); reason != "refresh_malformed" {
				t.Errorf("%s: %q", name, reason)
			}
		}
		if w.queries != queries {
			t.Error("what nobody made here is looked up")
		}
		if reason := w.refusedRefresh(t, w.shop, good); reason != "refresh_client" {
			t.Errorf("another client's: %q", reason)
		}
		_, err := w.Redeem(t.Context(), w.bureau, refreshing(good, oidc.ScopeOpenID, oidc.ScopePhone))
		if code, reason := codeOf(t, err); code != oidc.InvalidScope || reason != "scope_not_granted" {
			t.Errorf("more scopes: %v", err)
		}
		q := refreshing(good)
		q.Form.Set("scope", "openid  phone")
		before := len(w.events)
		_, err = w.Redeem(t.Context(), w.bureau, q)
		if _, reason := codeOf(t, err); reason != "scope_malformed" || len(w.events) != before+1 || w.last().Result != reason {
			t.Errorf("malformed scopes: %v, event %+v", err, w.last())
		}
		q = refreshing(good)
		q.Form.Set("resource", "https://api.example")
		_, err = w.Redeem(t.Context(), w.bureau, q)
		if code, _ := codeOf(t, err); code != oidc.InvalidTarget {
			t.Errorf("another resource: %v", err)
		}
		without := w.bureau
		without.GrantTypes = []oidc.GrantType{oidc.GrantCode}
		_, err = w.Redeem(t.Context(), without, refreshing(good))
		if code, _ := codeOf(t, err); code != oidc.UnauthorizedClient {
			t.Errorf("a client without the grant: %v", err)
		}
		w.refreshed(t, w.bureau, tokens.Refresh) // none of that ended it
	})
}

// nextLetter returns a letter of base64url that differs in the lowest bit alone,
// which 43 letters for 32 bytes leave unused.
func nextLetter(c byte) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(letters[strings.IndexByte(letters, c)^1])
}

func TestNoRefreshTokenWithoutTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.add(t, identity.Government, codes[0], func(s *client.Spec) {
			s.GrantTypes, s.Scopes = []oidc.GrantType{oidc.GrantCode}, []oidc.Scope{oidc.ScopeOpenID}
		})
		b := w.browser()
		b.session(t, w.zhang, 1)
		if tokens := b.tokens(t, c); tokens.Refresh != (oidc.Secret{}) {
			t.Error("there is a refresh token")
		}
	})
}

// Within ten seconds the token before the newest gets the very same successor,
// while that is unused; whatever is older ends the family.
func TestRefreshReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		start := func() (first, second token.Tokens) {
			first = b.tokens(t, w.bureau)
			time.Sleep(time.Minute)
			return first, w.refreshed(t, w.bureau, first.Refresh)
		}
		ended := func(what string, newest oidc.Secret, reason string) {
			t.Helper()
			if got := w.refusedRefresh(t, w.bureau, newest.Reveal()); got != "refresh_ended" {
				t.Errorf("%s: the newest token is then %q", what, got)
			}
			found := slices.Collect(maps.Values(w.memory.families))
			if !slices.ContainsFunc(found, func(f token.FamilyRecord) bool { return f.EndedBy == reason }) {
				t.Errorf("%s: no family ended by %s", what, reason)
			}
			clear(w.memory.families)
		}

		first, second := start()
		time.Sleep(10 * time.Second)
		again := w.refreshed(t, w.bureau, first.Refresh)
		if again.Refresh != second.Refresh {
			t.Error("a retry within the grace got another successor")
		}
		time.Sleep(time.Millisecond)
		if reason := w.refusedRefresh(t, w.bureau, first.Refresh.Reveal()); reason != "refresh_reuse" {
			t.Errorf("after the grace: %q", reason)
		}
		if _, err := w.CheckAccessToken(t.Context(), second.Access.Reveal()); err == nil {
			t.Error("after the reuse the access token lives")
		}
		ended("after the grace", second.Refresh, session.EndedByRefresh)

		first, second = start()
		third := w.refreshed(t, w.bureau, second.Refresh)
		if _, err := w.CheckAccessToken(t.Context(), third.Access.Reveal()); err != nil {
			t.Error(err)
		}
		if reason := w.refusedRefresh(t, w.bureau, first.Refresh.Reveal()); reason != "refresh_reuse" {
			t.Errorf("within the grace, with the successor used: %q", reason)
		}
		if _, err := w.CheckAccessToken(t.Context(), third.Access.Reveal()); err == nil {
			t.Error("after the reuse an access token lives that was good a moment ago")
		}
		ended("with the successor used", third.Refresh, session.EndedByRefresh)

		first, second = start()
		if reason := w.refusedRefresh(t, w.shop, first.Refresh.Reveal()); reason != "refresh_client" {
			t.Errorf("within the grace, by another client: %q", reason)
		}
		w.refreshed(t, w.bureau, second.Refresh)
	})
}

// Who replays something stolen and hangs up at once is noticed all the same.
func TestReuseByWhoHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		first := b.tokens(t, w.bureau)
		second := w.refreshed(t, w.bureau, first.Refresh)
		time.Sleep(time.Minute)
		w.Redeem(gone, w.bureau, refreshing(first.Refresh.Reveal()))
		if reason := w.refusedRefresh(t, w.bureau, second.Refresh.Reveal()); reason != "refresh_ended" {
			t.Errorf("a refresh token was replayed, and the newest one is %q", reason)
		}
		spent := code(t, b.authorize(t, w.bureau))
		tokens := w.redeem(t, w.bureau, spent)
		w.Redeem(gone, w.bureau, redemption(w.bureau, spent))
		if reason := w.refusedRefresh(t, w.bureau, tokens.Refresh.Reveal()); reason != "refresh_ended" {
			t.Errorf("a code was replayed, and what it yielded is %q", reason)
		}
		before := len(w.results())
		w.Redeem(gone, w.bureau, forItself())
		if len(w.results()) != before+1 {
			t.Error("a refusal left no event")
		}
	})
}

// Two that refresh at once get one successor: the loser of the race is within
// the grace.
func TestParallelRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		elsewhere, _ := w.node(t, 2)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau)
		var mu sync.Mutex
		got := map[string]bool{}
		var all sync.WaitGroup
		for i := range 16 {
			p := w.provider
			if i%2 == 0 {
				p = elsewhere
			}
			all.Go(func() {
				next, err := p.Redeem(t.Context(), w.bureau, refreshing(tokens.Refresh.Reveal()))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				got[next.Refresh.Reveal()] = true
			})
		}
		all.Wait()
		if len(got) != 1 {
			t.Errorf("%d successors", len(got))
		}
	})
}

// Offline access outlives the session, and needs consent, now or before.
func TestOfflineAccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		b.tokens(t, w.bureau, "scope", "openid offline_access")
		dropped := b.tokens(t, w.bureau, "scope", "openid offline_access") // that there is a family of the session doesn't help
		if oidc.JoinScopes(dropped.Scopes) != "openid" {
			t.Errorf("without consent the scopes are %v", dropped.Scopes)
		}
		offline := b.tokens(t, w.bureau, "scope", "openid offline_access", "prompt", "consent")
		again := b.tokens(t, w.bureau, "scope", "openid offline_access")
		if oidc.JoinScopes(offline.Scopes) != "openid offline_access" || oidc.JoinScopes(again.Scopes) != "openid offline_access" {
			t.Errorf("with consent %v, and later %v", offline.Scopes, again.Scopes)
		}
		sibling := w.add(t, identity.Government, codes[0], func(*client.Spec) {})
		if other := b.tokens(t, sibling, "scope", "openid offline_access"); oidc.JoinScopes(other.Scopes) != "openid" {
			t.Errorf("another client has it too: %v", other.Scopes)
		}
		someone := w.browser()
		someone.session(t, w.li, 1)
		if other := someone.tokens(t, w.bureau, "scope", "openid offline_access"); oidc.JoinScopes(other.Scopes) != "openid" {
			t.Errorf("another person has given it too: %v", other.Scopes)
		}
		if err := w.LogOut(t.Context(), b.Browser); err != nil {
			t.Fatal(err)
		}
		if reason := w.refusedRefresh(t, w.bureau, dropped.Refresh.Reveal()); reason != "refresh_ended" {
			t.Errorf("without offline access, after the logout: %q", reason)
		}
		time.Sleep(89 * 24 * time.Hour)
		offline = w.refreshed(t, w.bureau, offline.Refresh)
		time.Sleep(25 * time.Hour)
		if reason := w.refusedRefresh(t, w.bureau, offline.Refresh.Reveal()); reason != "refresh_expired" {
			t.Errorf("after 90 days: %q", reason)
		}
	})
}

// A grant that the holder withdrew ends refreshing at once.
func TestRefreshWithAWithdrawnGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		tokens := w.redeem(t, w.bureau, code(t, b.agree(t, b.authorize(t, w.bureau, w.push(t, w.bureau)...))))
		tokens = w.refreshed(t, w.bureau, tokens.Refresh)
		a, err := w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
		if err != nil || a.Grant == "" || tokens.Details != nil {
			t.Fatalf("refreshed: %+v, %v, details %s", a, err, tokens.Details)
		}
		w.resolver.grants[a.Grant].state = "ended"
		if reason := w.refusedRefresh(t, w.bureau, tokens.Refresh.Reveal()); reason != "refresh_grant_ended" {
			t.Errorf("refreshing: %q", reason)
		}
		_, err = w.CheckAccessToken(t.Context(), tokens.Access.Reveal())
		if _, reason := codeOf(t, err); reason != "token_grant_ended" {
			t.Errorf("the access token: %v", err)
		}
	})
}

// The reuse of a refresh token revokes the licenses that came with it.
func TestRefreshReuseRevokesTheGrant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		first := w.redeem(t, w.bureau, code(t, b.agree(t, b.authorize(t, w.bureau, w.push(t, w.bureau)...))))
		newest := w.refreshed(t, w.bureau, w.refreshed(t, w.bureau, first.Refresh).Refresh)
		w.onStep = func(name string) {
			if name == "family.ended" {
				panic("killed")
			}
		}
		func() {
			defer func() { _ = recover() }()
			w.refusedRefresh(t, w.bureau, first.Refresh.Reveal())
			t.Error("the family didn't end")
		}()
		w.onStep = nil
		if reason := w.refusedRefresh(t, w.bureau, newest.Refresh.Reveal()); reason != "refresh_ended" || len(w.resolver.revoked) != 1 {
			t.Errorf("killed before the grant ended, and then %q, revoked %v", reason, w.resolver.revoked)
		}
		w.resolver.revoked = nil
		first = w.redeem(t, w.bureau, code(t, b.agree(t, b.authorize(t, w.bureau, w.push(t, w.bureau)...))))
		w.refreshed(t, w.bureau, w.refreshed(t, w.bureau, first.Refresh).Refresh)
		if reason := w.refusedRefresh(t, w.bureau, first.Refresh.Reveal()); reason != "refresh_reuse" {
			t.Fatalf("got %q", reason)
		}
		if len(w.resolver.revoked) != 1 || !strings.HasSuffix(w.resolver.revoked[0], " "+oidc.GrantTokenRevoked) {
			t.Errorf("revoked %v", w.resolver.revoked)
		}
	})
}

// A client that is registered for less gets less from then on.
func TestRefreshAfterTheClientChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 1)
		tokens := b.tokens(t, w.bureau, "scope", "openid profile phone")
		less := w.bureau
		less.Scopes = []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeProfile}
		if next := w.refreshed(t, less, tokens.Refresh); oidc.JoinScopes(next.Scopes) != "openid profile" {
			t.Errorf("scopes %v", next.Scopes)
		}
	})
}

func TestRefreshTokenForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id := identity.NewID()
		for _, n := range []int64{1, 2, 1 << 62} {
			token, err := w.RefreshToken(t.Context(), id, n)
			if err != nil || !strings.HasPrefix(token.Reveal(), id+"."+strconv.FormatInt(n, 10)+".") || len(token.Reveal()) > 100 {
				t.Fatalf("%v, %v", token, err)
			}
			family, number, err := w.ReadToken(t.Context(), token.Reveal())
			if family != id || number != n || err != nil {
				t.Errorf("read %s, %d, %v", family, number, err)
			}
		}
	})
}

// What a family's sealed part said is remembered for the same bytes at the same place, while
// their key is there.
func TestOpenedFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.browser()
		b.session(t, w.zhang, 2)
		tokens := b.tokens(t, w.bureau, "scope", "openid")
		id, _, _ := strings.Cut(tokens.Refresh.Reveal(), ".")
		tokens = w.refreshed(t, w.bureau, tokens.Refresh)
		r, err := w.config.Families.LoadFamily(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = slices.Clone(r.Body)
		if f, err := w.Open(t.Context(), r); err != nil || f.About().Account != w.zhang.ID || &f.Body[0] == &r.Body[0] {
			t.Error("the same bytes are opened again: ", err)
		}
		other := r
		other.Body = slices.Clone(r.Body)
		other.Body[len(other.Body)-1] ^= 1
		if _, err := w.Open(t.Context(), other); !errors.Is(err, signing.ErrSealed) {
			t.Error("other bytes: ", err)
		}
		other = r
		other.ID = "x"
		if _, err := w.Open(t.Context(), other); !errors.Is(err, signing.ErrSealed) {
			t.Error("the same bytes elsewhere: ", err)
		}
		key, err := w.config.Keyrings.Active(t.Context(), signing.PurposeData, "")
		if err != nil {
			t.Fatal(err)
		}
		records := signing.AuthenticRecords(w.memory, w.config.Keyrings.Auth())
		k, err := records.LoadKey(t.Context(), key.ID)
		if err != nil {
			t.Fatal(err)
		}
		k.State, k.Revoked = signing.KeyRevoked, time.Now()
		if err := records.UpdateKeys(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := w.Open(t.Context(), r); !errors.Is(err, signing.ErrNoKey) {
			t.Error("under a purged key: ", err)
		}
		if _, err := w.Redeem(t.Context(), w.bureau, refreshing(tokens.Refresh.Reveal())); !errors.Is(err, signing.ErrNoKey) {
			t.Error("a refresh under a purged key: ", err)
		}
	})
}
