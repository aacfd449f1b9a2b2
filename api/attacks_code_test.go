package api

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"yizheng.internal/oidc/client"
)

// checkGone checks that nothing of what a code yielded is good any more: neither
// tokens nor the grant.
func (s *stage) checkGone(t *testing.T, c *relyingParty, k tokensOfTest) {
	t.Helper()
	if len(s.nodes) > 1 { // the node that ended it knows at once, the others within 2 seconds
		time.Sleep(2100 * time.Millisecond)
	}
	if c.active(t, k.AccessToken) {
		t.Error("the access token is still active")
	}
	if k.RefreshToken != "" && c.active(t, k.RefreshToken) {
		t.Error("the refresh token is still active")
	}
	s.bearer(t, "GET", pathUserInfo, k.AccessToken, nil).want(t, http.StatusUnauthorized, "")
	if k.RefreshToken != "" {
		c.send(t, pathToken, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {k.RefreshToken}}).oauthError(t, http.StatusBadRequest, "invalid_grant")
	}
	for _, d := range k.Details {
		for _, m := range d.Materials {
			if m.UseCode == "" {
				continue
			}
			if a := s.read(t, s.clientToken(t, c), m.UseCode); a.StatusCode != http.StatusConflict || a.member("reason") != "grant_ended" {
				t.Errorf("the use code still gets %d %s", a.StatusCode, a.body)
			}
		}
	}
}

// clientToken gets the client an access token of its own, for which a twin of
// it is not needed: use codes work with any token of their client.
func (s *stage) clientToken(t *testing.T, c *relyingParty) string {
	t.Helper()
	return c.request("scope", "openid").loggedIn(t, s.browser(t), s.carol).AccessToken
}

// A code that was redeemed works no second time, and ends what the first one
// yielded (RFC 6749 section 4.1.2), at once and half a minute later.
func TestAttackCodeReplay(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	var one sync.Mutex // browser
	for name, wait := range map[string]time.Duration{"at once": 0, "30 seconds later": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // first of all: waiting for a turn may take longer than an access token lives
			one.Lock()
			f := s.clinic.licensed("scope", "openid offline_access", "prompt", "consent")
			code := f.through(t, b, s.alice)
			one.Unlock()
			k := f.redeem(t, code).tokens(t)
			s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, "")
			time.Sleep(wait)
			if !s.clinic.active(t, k.AccessToken) || !s.clinic.active(t, k.RefreshToken) {
				t.Fatal("the tokens aren't active before the replay")
			}
			f.redeem(t, code).oauthError(t, http.StatusBadRequest, "invalid_grant")
			s.checkGone(t, s.clinic, k)
			f.redeem(t, code).oauthError(t, http.StatusBadRequest, "invalid_grant")
		})
	}
}

// Of 64 who redeem a code at once, one at most gets tokens, and what it got is
// over, for one of the others is a thief.
func TestAttackCodeRace(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	s.race(t, s.clinic.licensed())
}

// race redeems a code 64 times at once, at all nodes.
func (s *stage) race(t *testing.T, f *rpFlow) {
	t.Helper()
	code := f.through(t, s.browser(t), s.alice)
	const callers = 64
	answers := make([]answer, callers)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			answers[i] = f.c.sendTo(t, s.nodes[i%len(s.nodes)].url, pathToken, f.redemption(code))
		})
	}
	wg.Wait()
	var won []tokensOfTest
	for _, a := range answers {
		switch {
		case a.StatusCode == http.StatusOK:
			won = append(won, a.tokens(t))
		case a.member("error") != "invalid_grant":
			t.Errorf("a loser got %d %s", a.StatusCode, a.body)
		}
	}
	if len(won) > 1 {
		t.Fatalf("the code was redeemed %d times", len(won))
	}
	for _, k := range won {
		s.checkGone(t, f.c, k)
	}
}

// A code is good for the client that asked, with its verifier and its redirect
// URI. Whoever steals one and brings it into a flow of their own gets nothing,
// and the code is spent (RFC 9700 section 4.5).
func TestAttackCodeInjection(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	type theft struct {
		name string
		try  func(victim *rpFlow, code string) answer
	}
	thief := s.browser(t)
	for _, x := range []theft{
		{"into another flow of the client", func(_ *rpFlow, code string) answer {
			own := s.clinic.request()
			own.open(t, thief)
			return own.redeem(t, code)
		}},
		{"without a verifier", func(v *rpFlow, code string) answer { return v.redeem(t, code, "code_verifier", "") }},
		{"with the challenge for a verifier", func(v *rpFlow, code string) answer {
			return v.redeem(t, code, "code_verifier", v.params.Get("code_challenge"))
		}},
		{"another redirect URI", func(v *rpFlow, code string) answer { return v.redeem(t, code, "redirect_uri", v.c.redirect+"/more") }},
		{"at another client", func(v *rpFlow, code string) answer {
			return s.garage.send(t, pathToken, v.redemption(code, "redirect_uri", garageURI))
		}},
		{"at another client, with the victim's redirect URI", func(v *rpFlow, code string) answer {
			return s.garage.send(t, pathToken, v.redemption(code))
		}},
		{"cut short", func(v *rpFlow, code string) answer { return v.redeem(t, code[:len(code)-1]) }},
		{"as a refresh token", func(v *rpFlow, code string) answer {
			return v.c.send(t, pathToken, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {code}})
		}},
	} {
		v := s.clinic.request()
		code := v.through(t, b, s.alice)
		x.try(v, code).oauthError(t, http.StatusBadRequest, "invalid_grant")
	}
	v := s.clinic.request()
	v.redeem(t, v.through(t, b, s.alice), "redirect_uri", "").oauthError(t, http.StatusBadRequest, "invalid_request")
}

// PKCE can't be taken out of a request on the way (RFC 9700 section 2.1.1): a
// request without a challenge is refused, and so is the method plain.
func TestAttackPKCEDowngrade(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for name, pairs := range map[string][]string{
		"no challenge":    {"code_challenge", "", "code_challenge_method", ""},
		"plain":           {"code_challenge_method", "plain"},
		"no method":       {"code_challenge_method", ""},
		"another method":  {"code_challenge_method", "s256"},
		"short challenge": {"code_challenge", "abc"},
	} {
		f := s.clinic.request(pairs...)
		f.push(t).oauthError(t, http.StatusBadRequest, "invalid_request")
		if q := f.answered(t, s.browser(t).Get(f.url(t))); q.Get("error") != "invalid_request" || q.Has("code") {
			t.Errorf("%s: %v", name, q)
		}
	}
	// And a verifier for a request that had no challenge is refused, where a
	// legacy client may do without.
	legacy := s.relyingParty(t, s.owner(t, departmentUSCC), "http://127.0.0.1:9103/callback", func(c *client.Spec) { c.WithoutPKCE, c.ServiceItems = true, nil })
	f := legacy.request("code_challenge", "", "code_challenge_method", "")
	code := f.through(t, s.browser(t), s.alice)
	f.redeem(t, code).oauthError(t, http.StatusBadRequest, "invalid_grant")
}

// Every answer names the issuer, errors too, so that a client that knows several
// providers can't be made to send our code to another (RFC 9207, RFC 9700
// section 4.4). answered checks it in every test; here are the errors.
func TestAttackMixUp(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for wanted, pairs := range map[string][]string{
		"login_required":            {"prompt", "none"},
		"unsupported_response_type": {"response_type", "token"},
		"request_not_supported":     {"request", "eyJhbGciOiJub25lIn0.e30."},
		"invalid_request":           {"max_age", "soon"},
	} {
		f := s.clinic.request(pairs...)
		if q := f.answered(t, s.browser(t).Get(f.url(t))); q.Get("error") != wanted {
			t.Errorf("%v: %v, want %s", pairs, q, wanted)
		}
	}
	f := s.clinic.request()
	p := f.open(t, s.browser(t)).Press("cancel")
	if q := f.answered(t, p); q.Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", q)
	}
	// With form_post too.
	f = s.clinic.request("response_mode", "form_post", "prompt", "none")
	page := s.browser(t).Get(f.url(t))
	if form := page.Form("submit"); form.Action != clinicURI || form.Values.Get("iss") != s.url || form.Values.Get("error") != "login_required" || form.Values.Get("state") != f.state {
		t.Errorf("form_post: %s %v", form.Action, form.Values)
	}
}

// The ID token of a flow carries the nonce of that flow alone, and its audience
// is the client, so that a token can't be moved between flows or clients.
func TestAttackIDTokenSubstitution(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	mine := s.clinic.request()
	k := mine.loggedIn(t, b, s.alice)
	claims := claimsOf(t, k.IDToken)
	if claims["nonce"] != mine.nonce || claims["aud"] != s.clinic.id || claims["iss"] != s.url {
		t.Errorf("claims %v", claims)
	}
	other := s.garage.request()
	o := claimsOf(t, other.loggedIn(t, b, s.alice).IDToken)
	if o["sub"] == claims["sub"] || o["sid"] == claims["sid"] {
		t.Errorf("two participants can tell that it is one person: %v %v", o, claims)
	}
	// A foreign ID token hints at nobody at our logout or login.
	p := b.Get(s.url + pathEndSession + "?" + url.Values{"id_token_hint": {k.IDToken}, "client_id": {s.garage.id}, "post_logout_redirect_uri": {garageURI + "/bye"}}.Encode())
	if p.To != nil || !p.Has("submit") || !strings.Contains(p.Body, "id_token_hint is an ID token of another client") {
		t.Errorf("a hint of another client: %d to %v", p.Status, p.To)
	}
	f := s.garage.request("prompt", "none", "id_token_hint", k.IDToken)
	if q := f.answered(t, b.Get(f.url(t))); q.Get("error") == "" {
		t.Errorf("a hint of another client logs in: %v", q)
	}
}
