package api

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/identity"
)

// clientEndpoints are those at which clients authenticate.
var clientEndpoints = []string{oauth.TokenPath, oauth.IntrospectionPath, oauth.RevocationPath, oauth.PARPath}

// A confidential client's PKCE can't be taken away by leaving parameters out.
func TestTrapPKCEDowngrade(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	b := s.browser(t)
	for name, q := range map[string]url.Values{
		"no challenge":      s.app.request("code_challenge", "", "code_challenge_method", ""),
		"method alone":      s.app.request("code_challenge", ""),
		"no method":         s.app.request("code_challenge_method", ""),
		"plain":             s.app.request("code_challenge_method", "plain", "code_challenge", codeVerifier),
		"short challenge":   s.app.request("code_challenge", "abc"),
		"S256, and a pad":   s.app.request("code_challenge", challenge(codeVerifier)+"="),
		"method in capital": s.app.request("code_challenge_method", "s256"),
	} {
		if a := s.app.answerOf(t, s.app.open(b, q)); a.Get("error") != "invalid_request" || a.Get("code") != "" {
			t.Errorf("%s: %v", name, a)
		}
	}
	for name, pairs := range map[string][]string{
		"no verifier": {"code_verifier", ""}, "another verifier": {"code_verifier", strings.Repeat("a", 43)},
		"the challenge itself": {"code_verifier", challenge(codeVerifier)}, "short verifier": {"code_verifier", "a"},
		"another redirect URI": {"redirect_uri", "https://app.example/other"}, "no redirect URI": {"redirect_uri", ""},
	} {
		code := s.app.code(b, who, s.app.request())
		a := s.app.redeem(t, code, pairs...)
		if a.StatusCode != 400 || a.member("error") != "invalid_grant" && name != "no redirect URI" {
			t.Errorf("%s: %d %s", name, a.StatusCode, a.body)
		}
		s.app.redeem(t, code).tokens(t) // a refused try spends nothing: who has the code alone can't spoil it
	}
	// A client that is registered without PKCE: a verifier where no challenge was
	// means that somebody took it out (RFC 9700 section 4.8.2).
	legacy := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) { c.WithoutPKCE, c.ServiceItems = true, nil })
	code := legacy.code(b, who, legacy.request("code_challenge", "", "code_challenge_method", ""))
	legacy.redeem(t, code).wantOAuth(t, 400, "invalid_grant")
	code = legacy.code(b, who, legacy.request())
	legacy.redeem(t, code, "code_verifier", "").wantOAuth(t, 400, "invalid_grant")
}

// A code works once, however many redeem it at the same time; and if one comes
// twice, what it yielded is over.
func TestTrapParallelRedemption(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	code := s.app.code(s.browser(t), who, s.app.request())
	var mu sync.Mutex
	var good []tokensOfTest
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			a := s.app.redeem(t, code)
			mu.Lock()
			defer mu.Unlock()
			if a.StatusCode == 200 {
				good = append(good, a.tokens(t))
			} else if a.StatusCode != 400 || a.member("error") != "invalid_grant" {
				t.Errorf("got %d %s", a.StatusCode, a.body)
			}
		})
	}
	wg.Wait()
	if len(good) != 1 {
		t.Fatalf("%d of 64 got tokens", len(good))
	}
	s.call(t, &clientOfTest{token: good[0].AccessToken}, "GET", oauth.UserInfoPath, nil).want(t, 401, "invalid_token")
	s.app.refresh(t, good[0].RefreshToken).wantOAuth(t, 400, "invalid_grant")
}

func TestTrapCodeReuse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	other := s.newApp(t, s.participantOf(t, s.stranger), nil)
	code := s.app.code(s.browser(t), who, s.app.request())
	other.redeem(t, code).wantOAuth(t, 400, "invalid_grant") // another client's, with the right verifier
	tokens := s.app.redeem(t, code).tokens(t)
	other.redeem(t, code).wantOAuth(t, 400, "invalid_grant")
	s.call(t, &clientOfTest{token: tokens.AccessToken}, "GET", oauth.UserInfoPath, nil).want(t, 200, "") // which ends nothing
	s.app.redeem(t, code).wantOAuth(t, 400, "invalid_grant")
	s.call(t, &clientOfTest{token: tokens.AccessToken}, "GET", oauth.UserInfoPath, nil).want(t, 401, "invalid_token")
	s.app.refresh(t, tokens.RefreshToken).wantOAuth(t, 400, "invalid_grant")
	for _, code := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 4000), code + "x"} {
		if a := s.app.redeem(t, code); a.StatusCode != 400 || code != "" && a.member("error") != "invalid_grant" {
			t.Errorf("code %.50q: %d %s", code, a.StatusCode, a.body)
		}
	}
}

func TestTrapRefreshReuse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	b := s.browser(t)
	other := s.newApp(t, s.participantOf(t, s.stranger), nil)
	first := s.app.redeem(t, s.app.code(b, who, s.app.request("scope", "openid profile"))).tokens(t)
	other.refresh(t, first.RefreshToken).wantOAuth(t, 400, "invalid_grant") // stolen, by another client
	s.app.refresh(t, first.RefreshToken, "scope", "openid phone").wantOAuth(t, 400, "invalid_scope")
	less := s.app.refresh(t, first.RefreshToken, "scope", "profile").tokens(t)
	if less.Scope != "profile" || less.IDToken != "" {
		t.Errorf("narrowed: %+v", less)
	}
	// The answer was lost: a retry at once gets the same successor.
	again := s.app.refresh(t, first.RefreshToken).tokens(t)
	if again.RefreshToken != less.RefreshToken || again.Scope != "openid profile" {
		t.Errorf("retried: %+v", again)
	}
	third := s.app.refresh(t, again.RefreshToken).tokens(t)
	// Now that is used, the one before it is a theft; and all of the family ends.
	s.app.refresh(t, first.RefreshToken).wantOAuth(t, 400, "invalid_grant")
	s.app.refresh(t, third.RefreshToken).wantOAuth(t, 400, "invalid_grant")
	s.call(t, &clientOfTest{token: third.AccessToken}, "GET", oauth.UserInfoPath, nil).want(t, 401, "invalid_token")
}

func TestTrapGetOnEveryEndpoint(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range clientEndpoints {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"} {
			r := s.request(t, method, path+"?token=x", "")
			r.SetBasicAuth(s.app.id, s.app.secret)
			if a := s.do(t, r); a.StatusCode != 405 || a.Header.Get("Allow") != "POST" || a.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: %d, %v", method, path, a.StatusCode, a.Header)
			}
		}
		r := s.request(t, "POST", path+"?token=x", "token=x")
		r.Header.Set("Content-Type", oauth.FormMedia)
		r.SetBasicAuth(s.app.id, s.app.secret)
		s.do(t, r).wantOAuth(t, 400, "invalid_request")
	}
}

func TestTrapNoStoreAnywhere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range clientEndpoints { // post checks the header of each answer
		s.app.post(t, path, url.Values{})
		s.app.post(t, path, form("token", "x", "grant_type", "refresh_token"))
		wrong := *s.app
		wrong.secret = "yzs_wrong"
		s.app.post(t, path, form("scope", "%%%"))
		wrong.post(t, path, form("token", "x", "grant_type", "refresh_token")).wantOAuth(t, 401, "invalid_client")
	}
	for _, token := range []string{"", "x"} {
		a := s.call(t, &clientOfTest{token: token}, "GET", oauth.UserInfoPath, nil)
		if a.StatusCode != 401 || a.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
			t.Errorf("userinfo with %q: %d %v", token, a.StatusCode, a.Header)
		}
	}
}

// No page of another origin reads anything but what is for everybody anyway:
// browser-based clients keep their tokens in a backend.
func TestTrapNoCORS(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	public := []string{oauth.JWKSPath, oauth.MetadataPath, oauth.DiscoveryPath}
	for _, path := range slices.Concat(clientEndpoints, public, []string{oauth.UserInfoPath, oauth.AuthorizePath, oauth.EndSessionPath}) {
		for _, method := range []string{"OPTIONS", "POST", "GET"} {
			r := s.request(t, method, path, "")
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Access-Control-Request-Method", "POST")
			a := s.do(t, r)
			want := ""
			if method == "GET" && slices.Contains(public, path) {
				want = "*"
			}
			if a.Header.Get("Access-Control-Allow-Origin") != want || a.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s %s: %v", method, path, a.Header)
			}
		}
	}
}

func TestTrapNoChallenge(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range clientEndpoints {
		for name, header := range map[string]string{
			"wrong secret": basicOf(s.app.id, "yzs_wrong"), "unknown client": basicOf(identity.NewID(), s.app.secret), "no Basic": "Bearer x",
		} {
			r := s.request(t, "POST", path, "grant_type=authorization_code&token=x&code=x&redirect_uri=x")
			r.Header.Set("Content-Type", oauth.FormMedia)
			r.Header.Set("Authorization", header)
			a := s.do(t, r).wantOAuth(t, 401, "invalid_client")
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Errorf("%s, %s: %v", path, name, a.Header)
			}
		}
		// A confidential client can't pass for a public one by keeping silent.
		r := s.request(t, "POST", path, "grant_type=authorization_code&token=x&code=x&redirect_uri=x&client_id="+s.app.id)
		r.Header.Set("Content-Type", oauth.FormMedia)
		s.do(t, r).wantOAuth(t, 401, "invalid_client")
	}
}

func basicOf(id, secret string) string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(id, secret)
	return r.Header.Get("Authorization")
}

func TestTrapIDTokenWithoutOpenID(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	tokens := s.app.redeem(t, s.app.code(s.browser(t), who, s.app.request("scope", "profile"))).tokens(t)
	if tokens.IDToken != "" || tokens.Scope != "profile" {
		t.Errorf("tokens: %+v", tokens)
	}
	if next := s.app.refresh(t, tokens.RefreshToken).tokens(t); next.IDToken != "" {
		t.Errorf("refreshed: %+v", next)
	}
	a := s.call(t, &clientOfTest{token: tokens.AccessToken}, "GET", oauth.UserInfoPath, nil).want(t, 403, "insufficient_scope")
	if !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
		t.Errorf("challenge: %v", a.Header)
	}
}

// What goes wrong inside is told to the log and not to the client.
func TestTrapInnerErrors(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	b := s.browser(t)
	code := s.app.code(b, who, s.app.request())
	tokens := s.app.redeem(t, s.app.code(b, who, s.app.request())).tokens(t)
	mustOf(t)(s.db.Close())
	for path, form := range map[string]url.Values{
		oauth.TokenPath:         form("grant_type", "authorization_code", "code", code, "redirect_uri", s.app.redirect, "code_verifier", codeVerifier),
		oauth.RevocationPath:    form("token", tokens.RefreshToken),
		oauth.IntrospectionPath: form("token", tokens.RefreshToken),
	} {
		a := s.app.post(t, path, form).wantOAuth(t, 503, "temporarily_unavailable")
		if strings.Contains(a.body, "sql") || strings.Contains(a.body, "closed") || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s %v", path, a.body, a.Header)
		}
	}
	a := s.app.refresh(t, tokens.RefreshToken).wantOAuth(t, 503, "temporarily_unavailable")
	if strings.Contains(a.body, "closed") {
		t.Errorf("refresh: %s", a.body)
	}
	if !strings.Contains(s.log.String(), "closed") {
		t.Error("the log doesn't say what was wrong")
	}
}

// The library logs through the process's default logger.
func TestTrapDefaultLoggerOfFlows(t *testing.T) {
	s := newSite(t)
	usual := slog.Default()
	t.Cleanup(func() { slog.SetDefault(usual) })
	slog.SetDefault(slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	b := s.browser(t)
	code := s.app.code(b, who, s.app.request("scope", "openid profile phone identity"))
	tokens := s.app.redeem(t, code).tokens(t)
	s.app.redeem(t, code).wantOAuth(t, 400, "invalid_grant")
	spent := s.app.code(b, who, s.app.request())
	s.app.redeem(t, spent, "code_verifier", strings.Repeat("x", 43)).wantOAuth(t, 400, "invalid_grant")
	s.app.refresh(t, tokens.RefreshToken).wantOAuth(t, 400, "invalid_grant")
	s.app.post(t, oauth.IntrospectionPath, form("token", tokens.AccessToken))
	s.app.post(t, oauth.RevocationPath, form("token", tokens.RefreshToken))
	log := s.log.String()
	if !strings.Contains(log, "oidc_error") {
		t.Fatal("the library logged nothing")
	}
	secrets := []string{
		code, spent, codeVerifier, tokens.AccessToken, tokens.RefreshToken, tokens.IDToken, s.app.secret, samplePassword, s.phone.last(),
		sampleName, sampleCitizen, "state-of-the-app", loginNonce,
	}
	for _, c := range b.Cookies(s.url) {
		secrets = append(secrets, c.Value)
	}
	for _, secret := range secrets {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
