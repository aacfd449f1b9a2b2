package api

import (
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/signing/journal"
)

// push pushes a request and returns what the browser is to carry.
func (a *app) push(t testing.TB, q url.Values) url.Values {
	t.Helper()
	out := a.post(t, oauth.PARPath, q)
	if out.StatusCode != 201 {
		t.Fatalf("pushing: %d %s", out.StatusCode, out.body)
	}
	var p struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}
	out.decode(t, &p)
	if !strings.HasPrefix(p.RequestURI, "urn:ietf:params:oauth:request_uri:") || p.ExpiresIn < 30 || p.ExpiresIn > 600 {
		t.Errorf("pushed: %s", out.body)
	}
	return url.Values{"client_id": {a.id}, "request_uri": {p.RequestURI}}
}

func TestPushedRequest(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	other := s.newApp(t, s.participantOf(t, s.stranger), nil)
	strict := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) { c.RequirePAR = true })
	b := s.browser(t)
	q := s.app.push(t, s.app.request("scope", "openid profile"))
	// What stands beside it in the link counts for nothing.
	link := url.Values{"client_id": q["client_id"], "request_uri": q["request_uri"], "scope": {"openid phone"}, "redirect_uri": {"https://evil.example/"}, "state": {"evil"}}
	p := s.app.open(b, link).LogIn(who)
	answer := s.app.answerOf(t, p)
	if answer.Get("state") != "state-of-the-app" || !strings.HasPrefix(p.To.String(), s.app.redirect) {
		t.Errorf("answered: %s", p.To)
	}
	if tokens := s.app.redeem(t, answer.Get("code")).tokens(t); tokens.Scope != "openid profile" {
		t.Errorf("scope is %s", tokens.Scope)
	}
	for name, v := range map[string]url.Values{
		"a second time": q, "by another client": {"client_id": {other.id}, "request_uri": s.app.push(t, s.app.request())["request_uri"]},
		"made up":      {"client_id": {s.app.id}, "request_uri": {"urn:ietf:params:oauth:request_uri:" + strings.Repeat("A", 43)}},
		"of elsewhere": {"client_id": {s.app.id}, "request_uri": {"https://app.example/request.jwt"}},
	} {
		if p := s.app.open(b, v); p.To != nil || p.Status < 400 || p.Status > 410 {
			t.Errorf("%s: %d %v", name, p.Status, p.To)
		}
	}
	if a := strict.answerOf(t, strict.open(b, strict.request())); a.Get("error") != "invalid_request" || a.Get("code") != "" {
		t.Errorf("not pushed: %v", a)
	}
	if a := strict.answerOf(t, strict.open(b, strict.push(t, strict.request()))); a.Get("code") == "" {
		t.Errorf("pushed: %v", a)
	}
}

func TestPushRefuses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, test := range map[string]struct {
		q    url.Values
		code string
	}{
		"nothing":               {url.Values{}, "invalid_request"},
		"another redirect URI":  {s.app.request("redirect_uri", "https://app.example/callback/x"), "invalid_request"},
		"no PKCE":               {s.app.request("code_challenge", ""), "invalid_request"},
		"a request_uri":         {s.app.request("request_uri", "urn:ietf:params:oauth:request_uri:x"), "invalid_request"},
		"a request object":      {s.app.request("request", "e30.e30."), "request_not_supported"},
		"another response type": {s.app.request("response_type", "token"), "unsupported_response_type"},
		"a scope of clients":    {s.app.request("scope", "openid license:read"), "invalid_scope"},
		"another resource":      {s.app.request("resource", "https://elsewhere.example/"), "invalid_target"},
		"details that are none": {s.app.request("authorization_details", "x"), "invalid_authorization_details"},
	} {
		a := s.app.post(t, oauth.PARPath, test.q).wantOAuth(t, 400, test.code)
		if strings.Contains(a.body, "callback/x") || strings.Contains(a.body, "https://app.example") {
			t.Errorf("%s: it echoes what came, or lists what is registered: %s", name, a.body)
		}
	}
	two := s.app.request()
	two["resource"] = []string{s.url, s.url}
	s.app.post(t, oauth.PARPath, two).wantOAuth(t, 400, "invalid_target")
	twice := s.app.request()
	twice["scope"] = []string{"openid", "openid profile"}
	s.app.post(t, oauth.PARPath, twice).wantOAuth(t, 400, "invalid_request")
	large := s.app.request("state", strings.Repeat("a", 64<<10))
	s.app.post(t, oauth.PARPath, large).wantOAuth(t, 413, "invalid_request")
	// Whose request it is the credentials say: a client_id beside them may only repeat it.
	other := s.newApp(t, s.participantOf(t, s.stranger), nil)
	r := s.request(t, "POST", oauth.PARPath, other.request().Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	r.SetBasicAuth(s.app.id, s.app.secret)
	s.do(t, r).wantOAuth(t, 400, "invalid_request")
}

// Anybody can push as a client without a secret: so many an address may keep, and
// of what is refused there is a number and no event.
func TestPushByAnybody(t *testing.T) {
	t.Parallel()
	s := newService(t, serviceConfig{People: true, Limits: Limits{AuthorizePerMinute: 1, AuthorizeBurst: 2}})
	public := s.newApp(t, s.participantOf(t, s.stranger), func(c *client.Spec) {
		c.AuthMethods, c.ServiceItems = []oidc.AuthMethod{oidc.AuthNone}, nil
	})
	public.secret = ""
	events := func() int {
		es, err := s.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, 1000)
		mustOf(t)(err)
		return len(es)
	}
	before := events()
	public.push(t, public.request())
	public.post(t, oauth.PARPath, public.request("scope", "openid license:read")).wantOAuth(t, 400, "invalid_scope")
	a := public.post(t, oauth.PARPath, public.request())
	a.wantOAuth(t, 429, "temporarily_unavailable")
	if wait, err := strconv.Atoi(a.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 60 {
		t.Errorf("%v", a.Header)
	}
	public.post(t, oauth.TokenPath, form("grant_type", "authorization_code", "code", strings.Repeat("A", 43), "redirect_uri", "x")).wantOAuth(t, 400, "invalid_grant")
	public.post(t, oauth.TokenPath, form("grant_type", "refresh_token", "refresh_token", "x")).wantOAuth(t, 400, "invalid_grant")
	if n := events(); n != before {
		t.Errorf("%d events", n-before)
	}
	metrics := httptest.NewRecorder()
	s.Ops().ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	if text := metrics.Body.String(); !strings.Contains(text, `anonymous_refusals_total{reason="invalid_grant"} 2`) {
		t.Errorf("refusals aren't counted:\n%s", text)
	}
}

// Parameters of the login are enforced, not only read.
func TestTrapParametersUnenforced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	zhang := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	li := s.citizen(t, "lisi", "样例另一人", otherCitizen, 2)
	b, another := s.browser(t), s.browser(t)
	idOf := func(b *apitest.Browser, who apitest.Person) string {
		return s.app.redeem(t, s.app.code(b, who, s.app.request())).tokens(t).IDToken
	}
	mine, theirs := idOf(b, zhang), idOf(another, li)
	code := func(pairs ...string) string {
		return s.app.answerOf(t, s.app.open(b, s.app.request(pairs...))).Get("code")
	}
	failure := func(pairs ...string) string {
		return s.app.answerOf(t, s.app.open(b, s.app.request(pairs...))).Get("error")
	}
	if code("prompt", "none", "id_token_hint", mine) == "" || code("prompt", "none", "max_age", "3600") == "" {
		t.Error("who is meant and logged in gets no code")
	}
	for name, pairs := range map[string][]string{
		"another's hint": {"prompt", "none", "id_token_hint", theirs}, "too old": {"prompt", "none", "max_age", "0"},
	} {
		if got := failure(pairs...); got != "login_required" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := failure("prompt", "none", "acr_values", "urn:yizheng:assurance:2"); got != "interaction_required" {
		t.Errorf("assurance: %s", got)
	}
	for name, pairs := range map[string][]string{
		"max_age 0": {"max_age", "0"}, "prompt login": {"prompt", "login"}, "another's hint": {"id_token_hint", theirs},
	} {
		if p := s.app.open(b, s.app.request(pairs...)); p.To != nil || !p.Has("username") {
			t.Errorf("%s: %v %d", name, p.To, p.Status)
		}
	}
	// Who then logs in must be who is named.
	p := s.app.open(b, s.app.request("id_token_hint", theirs)).LogIn(zhang)
	if a := s.app.answerOf(t, p); a.Get("error") != "login_required" || a.Get("code") != "" {
		t.Errorf("somebody else than the hint names: %v", a)
	}
	for name, pairs := range map[string][]string{
		"a hint that is none": {"id_token_hint", "x"}, "an access token as a hint": {"id_token_hint", s.department.token},
		"a forged hint": {"id_token_hint", mine[:len(mine)-4] + "AAAA"}, "max_age that is none": {"max_age", "soon"}, "negative max_age": {"max_age", "-1"},
	} {
		if got := failure(pairs...); got != "invalid_request" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// A token of one kind, or one client's, is none of another.
func TestTrapTokenConfusion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	other := s.newApp(t, s.participantOf(t, s.stranger), nil)
	code := s.app.code(s.browser(t), who, s.app.request())
	tokens := s.app.redeem(t, code).tokens(t)
	for name, token := range map[string]string{
		"an ID token": tokens.IDToken, "a refresh token": tokens.RefreshToken, "a code": code, "a client's own": s.department.token,
		"without a signature": tokens.AccessToken[:strings.LastIndex(tokens.AccessToken, ".")+1],
	} {
		s.call(t, &clientOfTest{token: token}, "GET", oauth.UserInfoPath, nil).want(t, 401, "invalid_token")
		if name != "a client's own" {
			s.call(t, &clientOfTest{token: token}, "GET", "/v1/license-types", nil).want(t, 401, "invalid_token")
		}
	}
	// A person's login gives a client no right of its own.
	s.call(t, &clientOfTest{token: tokens.AccessToken}, "POST", "/v1/licenses/search", object{}).want(t, 403, "insufficient_scope")
	s.app.refresh(t, tokens.AccessToken).wantOAuth(t, 400, "invalid_grant")
	s.app.refresh(t, tokens.IDToken).wantOAuth(t, 400, "invalid_grant")
	for name, token := range map[string]string{
		"access": tokens.AccessToken, "refresh": tokens.RefreshToken, "ID": tokens.IDToken, "no": "x", "another department's": s.department.token,
	} {
		if a := other.post(t, oauth.IntrospectionPath, form("token", token, "token_type_hint", "access_token")); a.StatusCode != 200 || a.body != "{\"active\":false}\n" {
			t.Errorf("%s token at another's introspection: %d %s", name, a.StatusCode, a.body)
		}
		if a := other.post(t, oauth.RevocationPath, form("token", token)); a.StatusCode != 200 {
			t.Errorf("%s token at another's revocation: %d %s", name, a.StatusCode, a.body)
		}
	}
	s.app.refresh(t, tokens.RefreshToken).tokens(t) // nobody else has ended it
	s.app.post(t, oauth.TokenPath, form("grant_type", "refresh_token", "refresh_token", tokens.RefreshToken, "authorization_details", "[]")).wantOAuth(t, 400, "invalid_authorization_details")
	for _, path := range []string{oauth.IntrospectionPath, oauth.RevocationPath} {
		if a := s.app.post(t, path, form("token", "x", "grant_type", "zzsecretzz")); a.StatusCode != 200 || strings.Contains(a.body, "zz") {
			t.Errorf("%s with a grant type: %d %s", path, a.StatusCode, a.body)
		}
		s.app.post(t, path, url.Values{}).wantOAuth(t, 400, "invalid_request")
		two := url.Values{"token": {tokens.AccessToken, tokens.RefreshToken}}
		s.app.post(t, path, two).wantOAuth(t, 400, "invalid_request")
	}
}

func TestUserInfoTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	who := s.citizen(t, "zhang", sampleName, sampleCitizen, 2)
	token := s.app.redeem(t, s.app.code(s.browser(t), who, s.app.request())).tokens(t).AccessToken
	send := func(method, path, body string, header ...string) answer {
		t.Helper()
		r := s.request(t, method, path, body)
		r.Header.Set("Content-Type", oauth.FormMedia)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return s.do(t, r)
	}
	bearer := "Bearer " + token
	send("POST", oauth.UserInfoPath, "access_token="+url.QueryEscape(token)).want(t, 200, "") // RFC 6750 section 2.2
	send("POST", oauth.UserInfoPath, "", "Authorization", bearer).want(t, 200, "")
	send("GET", oauth.UserInfoPath+"?access_token="+token, "").want(t, 400, "invalid_request")
	send("POST", oauth.UserInfoPath, "access_token="+token, "Authorization", bearer).want(t, 400, "invalid_request")
	send("POST", oauth.UserInfoPath, "access_token="+token+"&access_token="+token).want(t, 400, "invalid_request")
	send("POST", oauth.UserInfoPath, "access_token=a%20b").want(t, 401, "invalid_token")
	send("POST", oauth.UserInfoPath, "access_token=a%0d%0ab").want(t, 400, "invalid_request")
	send("POST", oauth.UserInfoPath, "x="+strings.Repeat("x", 64<<10)).want(t, 400, "invalid_request")
	send("GET", oauth.UserInfoPath, "access_token="+token).want(t, 401, "invalid_token") // no body of a GET is read
	send("PUT", oauth.UserInfoPath, "", "Authorization", bearer).want(t, 405, "method_not_allowed")
}
