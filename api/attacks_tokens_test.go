package api

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"yizheng.internal/api/oauth"
)

func refreshForm(token string, pairs ...string) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

// What one client got is worth nothing in another's hands.
func TestAttackTokenSubstitution(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	k := s.clinic.licensed("scope", "openid offline_access", "prompt", "consent").loggedIn(t, s.browser(t), s.alice)
	other := s.garage.request().loggedIn(t, s.browser(t), s.carol)

	// Introspection says no word of it (RFC 7662 section 4).
	for what, token := range map[string]string{"access token": k.AccessToken, "refresh token": k.RefreshToken, "ID token": k.IDToken} {
		if a := s.garage.send(t, pathIntrospect, url.Values{"token": {token}}); strings.TrimSpace(a.body) != `{"active":false}` {
			t.Errorf("another client introspects the %s: %d %s", what, a.StatusCode, a.body)
		}
	}
	if !s.clinic.active(t, k.AccessToken) || !s.clinic.active(t, k.RefreshToken) {
		t.Error("its own client doesn't see it as active")
	}
	// Another client can't refresh with it, nor revoke it (RFC 7009 section 2.1).
	s.garage.send(t, pathToken, refreshForm(k.RefreshToken)).oauthError(t, http.StatusBadRequest, "invalid_grant")
	for _, token := range []string{k.AccessToken, k.RefreshToken} {
		s.garage.send(t, pathRevoke, url.Values{"token": {token}}).want(t, http.StatusOK, "")
	}
	if !s.clinic.active(t, k.AccessToken) || !s.clinic.active(t, k.RefreshToken) {
		t.Error("another client revoked it")
	}
	// The use code isn't there for another client, and the holder sees that somebody tried.
	s.read(t, other.AccessToken, k.useCode(t)).want(t, http.StatusNotFound, "")
	s.bearer(t, "GET", "/v1/shared/licenses", other.AccessToken, nil).want(t, http.StatusForbidden, "grant_missing")
	s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, "")
}

// A token of one kind is not taken for another (RFC 8725 section 3.11).
func TestAttackTokenConfusion(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	k := s.clinic.licensed("scope", "openid profile offline_access", "prompt", "consent").loggedIn(t, b, s.alice)
	for what, token := range map[string]string{
		"ID token": k.IDToken, "refresh token": k.RefreshToken, "use code": k.useCode(t), "none": unsigned(t, k.AccessToken, `{"alg":"none","typ":"at+jwt"}`),
		"HMAC with the public key": unsigned(t, k.AccessToken, `{"alg":"HS256","typ":"at+jwt"}`) + "AAAA", "another signature": k.AccessToken[:len(k.AccessToken)-4] + "AAAA",
		"a header of the attacker's": unsigned(t, k.AccessToken, `{"alg":"ES256","typ":"at+jwt","jwk":{"kty":"EC"}}`) + "AAAA", "half": k.AccessToken[:len(k.AccessToken)/2], "nothing": "",
	} {
		for _, path := range []string{pathUserInfo, "/v1/shared/licenses"} {
			a := s.bearer(t, "GET", path, token, nil)
			if a.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s as access token at %s: %d %s", what, path, a.StatusCode, a.body)
			}
		}
		if token != "" && token != k.RefreshToken && s.clinic.active(t, token) {
			t.Errorf("%s is active", what)
		}
	}
	for what, token := range map[string]string{"access token": k.AccessToken, "ID token": k.IDToken, "use code": k.useCode(t)} {
		s.clinic.send(t, pathToken, refreshForm(token)).oauthError(t, http.StatusBadRequest, "invalid_grant")
		_ = what
	}
	for what, token := range map[string]string{"access token": k.AccessToken, "refresh token": k.RefreshToken, "use code": k.useCode(t)} {
		p := b.Get(s.url + pathEndSession + "?" + url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {clinicURI + "/bye"}}.Encode())
		if p.To != nil || !p.Has("submit") || !strings.Contains(p.Body, "invalid_request") {
			t.Errorf("%s as a hint: %d to %v", what, p.Status, p.To)
		}
	}
	// In the query, where logs and histories would keep it, it isn't looked for.
	s.call(t, nil, "GET", pathUserInfo+"?access_token="+k.AccessToken, nil).want(t, http.StatusBadRequest, "invalid_request")
}

// unsigned returns a token with another header and an empty signature.
func unsigned(t *testing.T, jwt, header string) string {
	t.Helper()
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT: %q", jwt)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + parts[1] + "."
}

// A refresh token that was used and comes again is a stolen one: unless it is
// a retry within the grace, by its client, while the successor is unused. Then
// the answer is that successor once more; else the family ends (RFC 9700 section 4.14.2).
func TestAttackStolenRefreshToken(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	family := func(t *testing.T) tokensOfTest {
		return s.clinic.request("scope", "openid offline_access", "prompt", "consent").loggedIn(t, b, s.alice)
	}
	refresh := func(t *testing.T, token string) answer {
		t.Helper()
		return s.clinic.send(t, pathToken, refreshForm(token))
	}
	t.Run("retried within the grace", func(t *testing.T) {
		k := family(t)
		first, again := refresh(t, k.RefreshToken).tokens(t), refresh(t, k.RefreshToken).tokens(t)
		if first.RefreshToken == k.RefreshToken || first.RefreshToken != again.RefreshToken {
			t.Error("the retry gets another successor")
		}
		if next := refresh(t, first.RefreshToken).tokens(t); next.RefreshToken == first.RefreshToken {
			t.Error("the token isn't rotated")
		}
	})
	t.Run("within the grace, when the successor was used", func(t *testing.T) {
		k := family(t)
		first := refresh(t, k.RefreshToken).tokens(t)
		next := refresh(t, first.RefreshToken).tokens(t)
		refresh(t, k.RefreshToken).oauthError(t, http.StatusBadRequest, "invalid_grant")
		s.checkGone(t, s.clinic, next)
	})
	t.Run("by another client", func(t *testing.T) {
		k := family(t)
		first := refresh(t, k.RefreshToken).tokens(t)
		s.garage.send(t, pathToken, refreshForm(k.RefreshToken)).oauthError(t, http.StatusBadRequest, "invalid_grant")
		r := s.request(t, "POST", pathToken, refreshForm(k.RefreshToken, "client_id", s.clinic.id).Encode())
		r.Header.Set("Content-Type", oauth.FormMedia)
		s.do(t, r).oauthError(t, http.StatusUnauthorized, "invalid_client")
		refresh(t, first.RefreshToken).tokens(t) // its owner goes on
	})
	t.Run("for more than was granted", func(t *testing.T) {
		k := family(t)
		s.clinic.send(t, pathToken, refreshForm(k.RefreshToken, "scope", "openid offline_access identity")).oauthError(t, http.StatusBadRequest, "invalid_scope")
		s.clinic.send(t, pathToken, refreshForm(k.RefreshToken, "scope", "openid")).tokens(t)
	})
	// The last, for it goes on beside the others.
	t.Run("outside the grace", func(t *testing.T) {
		k := family(t)
		first := refresh(t, k.RefreshToken).tokens(t)
		t.Parallel()
		time.Sleep(11 * time.Second)
		refresh(t, k.RefreshToken).oauthError(t, http.StatusBadRequest, "invalid_grant")
		s.checkGone(t, s.clinic, first)
	})
}

// A thief who was first is found out by the owner's next refresh, and loses all.
func TestAttackRefreshTokenThief(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	k := s.clinic.request("scope", "openid offline_access", "prompt", "consent").loggedIn(t, s.browser(t), s.alice)
	thief := s.clinic.send(t, pathToken, refreshForm(k.RefreshToken)).tokens(t)
	thief = s.clinic.send(t, pathToken, refreshForm(thief.RefreshToken)).tokens(t)
	s.clinic.send(t, pathToken, refreshForm(k.RefreshToken)).oauthError(t, http.StatusBadRequest, "invalid_grant")
	s.checkGone(t, s.clinic, thief)
}

// Logging out ends what lives with the session; what was granted offline goes
// on, and ends when the person withdraws the client's session-less access.
func TestAttackTokensAfterLogout(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	online := s.clinic.request("scope", "openid").loggedIn(t, b, s.alice)
	offline := s.clinic.request("scope", "openid offline_access", "prompt", "consent").loggedIn(t, b, s.alice)
	b.Get(s.url + pathEndSession).Press("submit")
	s.checkGone(t, s.clinic, online)
	if !s.clinic.active(t, offline.AccessToken) {
		t.Error("offline access ended with the session")
	}
	s.clinic.send(t, pathRevoke, url.Values{"token": {offline.RefreshToken}}).want(t, http.StatusOK, "")
	s.checkGone(t, s.clinic, offline)
}

// prompt=none reveals nobody and grants nothing that was not granted before:
// it answers with an error where a person would have to be asked
// (OpenID Connect Core section 3.1.2.6).
func TestAttackSilentConsent(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	silent := func(f *rpFlow, want ...string) {
		t.Helper()
		f.params.Set("prompt", "none")
		q := f.answered(t, b.Get(f.url(t)))
		for _, code := range want {
			if q.Get("error") == code {
				return
			}
		}
		t.Errorf("silently: %v, want %v", q, want)
	}
	silent(s.clinic.request(), "login_required")
	silent(s.clinic.licensed(), "login_required")

	once := s.clinic.licensed()
	once.loggedIn(t, b, s.alice)
	silent(s.clinic.licensed(), "consent_required")
	silent(s.garage.licensed(), "consent_required")

	// A recurring grant is reused for exactly what it covers, by its client alone.
	f := s.clinic.licensed()
	page := f.toConsent(t, b, s.alice)
	form := agreeToAll(page).With("recurring", page.Choices("recurring")[0])
	k := f.redeem(t, f.code(t, form.Send())).tokens(t)
	again := s.clinic.licensed("prompt", "none")
	q := again.answered(t, b.Get(again.url(t)))
	if !q.Has("code") {
		t.Fatalf("the same again: %v", q)
	}
	renewed := again.redeem(t, q.Get("code")).tokens(t)
	if renewed.Details[0].Grant != k.Details[0].Grant {
		t.Error("another grant was made silently")
	}
	s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, "")
	silent(s.garage.licensed(), "consent_required")
	for name, d := range map[string]string{
		"fewer fields":  `[{"type":"license","service_item":"11100000000013338W-SAMPLE-1","case":"2026-000123","licenses":[{"material":"operator-certificate","type_code":"11100000000013338W032","fields":["category"]}]}]`,
		"another login": "",
	} {
		if d == "" {
			continue
		}
		f := s.clinic.licensed("authorization_details", d, "prompt", "none")
		if q := f.answered(t, b.Get(f.url(t))); q.Has("code") {
			if n := f.redeem(t, q.Get("code")).tokens(t); len(n.Details[0].Materials[0].Fields) > 1 {
				t.Errorf("%s: %+v", name, n.Details)
			}
		}
	}
	// Withdrawn, it is over at once, for tokens too.
	b.Get(s.url + "/grants").FormIn("grant-" + k.Details[0].Grant).Send()
	silent(s.clinic.licensed(), "consent_required")
	s.read(t, renewed.AccessToken, renewed.useCode(t)).want(t, http.StatusUnauthorized, "invalid_token")
	s.read(t, s.clientToken(t, s.clinic), renewed.useCode(t)).want(t, http.StatusConflict, "grant_ended")
	if s.clinic.active(t, renewed.AccessToken) {
		t.Error("a token of a withdrawn grant is active")
	}

	// And nobody else's browser.
	other := s.browser(t)
	o := s.clinic.licensed("prompt", "none")
	if q := o.answered(t, other.Get(o.url(t))); q.Get("error") != "login_required" {
		t.Errorf("another browser: %v", q)
	}
	// A session with one factor doesn't do for licenses, whatever was granted before.
	weak := s.browser(t)
	s.clinic.request().loggedIn(t, weak, s.alice)
	o = s.clinic.licensed("prompt", "none")
	if q := o.answered(t, weak.Get(o.url(t))); q.Has("code") {
		t.Errorf("one factor: %v", q)
	}
}
