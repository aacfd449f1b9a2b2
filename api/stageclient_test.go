package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/api/apitest"
	"yizheng.internal/api/oauth"
)

// Where the endpoints are: a promise to clients.
const (
	pathAuthorize  = "/oauth/authorize"
	pathPAR        = "/oauth/par"
	pathToken      = "/oauth/token"
	pathUserInfo   = "/oauth/userinfo"
	pathIntrospect = "/oauth/introspect"
	pathRevoke     = "/oauth/revoke"
	pathEndSession = "/oauth/end_session"
)

// rpFlow is one authorization request of a relying party, and what came of it.
type rpFlow struct {
	c                      *relyingParty
	state, nonce, verifier string
	params                 url.Values
}

// detailsOf is the authorization details that the clients of the stage ask with.
func detailsOf(item string) string { return "[" + string(detail(item)) + "]" }

// request makes an authorization request with parameters of its own, in pairs;
// an empty one is left out.
func (c *relyingParty) request(pairs ...string) *rpFlow {
	f := &rpFlow{c: c, state: rand.Text(), nonce: rand.Text(), verifier: rand.Text() + rand.Text()}
	sum := sha256.Sum256([]byte(f.verifier))
	f.params = url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirect}, "scope": {"openid profile identity"},
		"state": {f.state}, "nonce": {f.nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		f.params.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			f.params.Del(pairs[i])
		}
	}
	return f
}

// licensed is request for licenses.
func (c *relyingParty) licensed(pairs ...string) *rpFlow {
	return c.request(append([]string{"authorization_details", detailsOf(sampleItem), "acr_values", "urn:yizheng:assurance:2"}, pairs...)...)
}

// url is where the client sends the browser: with all parameters in it, or, for
// licenses, with the request_uri of a pushed request.
func (f *rpFlow) url(t testing.TB) string {
	t.Helper()
	q := f.params
	if q.Has("authorization_details") {
		a := f.push(t).want(t, http.StatusCreated, "")
		q = url.Values{"client_id": {f.c.id}, "request_uri": {a.member("request_uri")}}
	}
	return f.c.s.url + pathAuthorize + "?" + q.Encode()
}

// push pushes the request.
func (f *rpFlow) push(t testing.TB) answer {
	t.Helper()
	return f.c.send(t, pathPAR, f.params)
}

// send sends a form to an endpoint with the client's credentials.
func (c *relyingParty) send(t testing.TB, path string, form url.Values) answer {
	t.Helper()
	return c.sendTo(t, c.s.url, path, form)
}

func (c *relyingParty) sendTo(t testing.TB, node, path string, form url.Values) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, node+path, strings.NewReader(form.Encode()))
	mustOf(t)(err)
	r.Header.Set("Content-Type", oauth.FormMedia)
	r.SetBasicAuth(c.id, c.secret)
	return c.s.do(t, r)
}

// open opens the request in a browser.
func (f *rpFlow) open(t testing.TB, b *apitest.Browser) *apitest.Page {
	t.Helper()
	return b.Get(f.url(t))
}

// answered returns the parameters with which the browser was sent back to the
// client, after it checked that they are its own (RFC 9207, RFC 6749 section 10.12).
func (f *rpFlow) answered(t testing.TB, p *apitest.Page) url.Values {
	t.Helper()
	if p.To == nil {
		t.Fatalf("%s: the browser wasn't sent to the client: %v", p.URL, p)
	}
	back := *p.To
	back.RawQuery = ""
	if back.String() != f.c.redirect {
		t.Fatalf("the browser was sent to %s", p.To)
	}
	q := p.To.Query()
	if q.Get("iss") != f.c.s.url || q.Get("state") != f.params.Get("state") {
		t.Fatalf("the answer is not this request's: %v", q)
	}
	return q
}

// code returns the code with which the browser was sent back.
func (f *rpFlow) code(t testing.TB, p *apitest.Page) string {
	t.Helper()
	q := f.answered(t, p)
	if q.Get("code") == "" {
		t.Fatalf("no code: %v", q)
	}
	return q.Get("code")
}

// redemption is the token request for a code, changed by pairs.
func (f *rpFlow) redemption(code string, pairs ...string) url.Values {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {f.c.redirect}, "code_verifier": {f.verifier}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return form
}

// redeem redeems a code.
func (f *rpFlow) redeem(t testing.TB, code string, pairs ...string) answer {
	t.Helper()
	return f.c.send(t, pathToken, f.redemption(code, pairs...))
}

// useCode returns the first use code that was delivered.
func (k tokensOfTest) useCode(t testing.TB) string {
	t.Helper()
	for _, d := range k.Details {
		for _, m := range d.Materials {
			if m.UseCode != "" {
				return m.UseCode
			}
		}
	}
	t.Fatalf("no use code: %+v", k.Details)
	return ""
}

// agreeToAll fills a consent form in: everything that is offered, sensitive parts too.
func agreeToAll(p *apitest.Page) *apitest.Form {
	f := p.Form("approve")
	for _, name := range p.Names("license-") {
		f.Values.Set(name, p.Choices(name)[0])
	}
	if parts := p.Choices("part"); len(parts) > 0 {
		f.Values["part"] = parts
	}
	return f
}

// toConsent takes a request to its consent page.
func (f *rpFlow) toConsent(t testing.TB, b *apitest.Browser, who apitest.Person) *apitest.Page {
	t.Helper()
	p := f.open(t, b).LogIn(who)
	if !p.Has("approve") {
		t.Fatalf("%s: this is not the consent page: %v", p.URL, p)
	}
	return p
}

// through takes a request through login and consent, and returns its code.
func (f *rpFlow) through(t testing.TB, b *apitest.Browser, who apitest.Person) string {
	t.Helper()
	p := f.open(t, b).LogIn(who)
	if p.Has("approve") {
		p = agreeToAll(p).Send()
	}
	return f.code(t, p)
}

// loggedIn is through, and the tokens for the code.
func (f *rpFlow) loggedIn(t testing.TB, b *apitest.Browser, who apitest.Person) tokensOfTest {
	t.Helper()
	return f.redeem(t, f.through(t, b, who)).tokens(t)
}

// active reports whether the client's introspection says that a token is good.
func (c *relyingParty) active(t testing.TB, token string) bool {
	t.Helper()
	a := c.send(t, pathIntrospect, url.Values{"token": {token}}).want(t, http.StatusOK, "")
	if a.member("active") != "true" && len(strings.TrimSpace(a.body)) > len(`{"active":false}`) {
		t.Errorf("of a token that is not good it says %s", a.body)
	}
	return a.member("active") == "true"
}

// bearer sends a request with an access token.
func (s *stage) bearer(t testing.TB, method, path, token string, body any) answer {
	t.Helper()
	return s.call(t, &clientOfTest{token: token}, method, path, body)
}

// read redeems a use code.
func (s *stage) read(t testing.TB, token, useCode string) answer {
	t.Helper()
	return s.bearer(t, "POST", "/v1/use-codes/redeem", token, object{"use_code": useCode, "request_id": rand.Text(), "nonce": rand.Text()})
}

// oauthError checks an answer of the protocol: status and error, and that nothing of it may be kept.
func (a answer) oauthError(t testing.TB, status int, code string) {
	t.Helper()
	if a.StatusCode != status || a.member("error") != code {
		t.Errorf("%s: got %d %s, want %d %s", a.Request.URL.Path, a.StatusCode, a.body, status, code)
	}
	checkNoStore(t, a)
}
