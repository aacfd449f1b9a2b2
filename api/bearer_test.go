package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/signing/journal"
)

// typesPath needs a token and no scope; searchPath one with license:read.
const (
	typesPath  = "/v1/license-types"
	issuePath  = "/v1/licenses"
	searchPath = "/v1/licenses/search"
)

func TestBearer(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	token := x.token(t)
	for _, test := range []struct {
		name    string
		headers []string
		status  int
		want    string // in the challenge
	}{
		{"a good token", []string{"Bearer " + token}, 200, ""},
		{"scheme in another case", []string{"bEARER " + token}, 200, ""},
		{"two spaces", []string{"Bearer  " + token}, 200, ""},
		{"no token", nil, 401, `Bearer realm="yizheng"`},
		{"another scheme", []string{"Basic " + token}, 401, `Bearer realm="yizheng"`},
		{"the scheme alone", []string{"Bearer"}, 401, `error="invalid_token"`},
		{"no space", []string{"Bearer" + token}, 401, `Bearer realm="yizheng"`},
		{"something behind it", []string{"Bearer " + token + " x"}, 401, `error="invalid_token"`},
		{"a list", []string{"Bearer " + token + ", Bearer " + token}, 401, `error="invalid_token"`},
		{"two headers", []string{"Bearer " + token, "Bearer " + token}, 400, `error="invalid_request"`},
		{"quotes", []string{`Bearer "x"`}, 401, `error="invalid_token"`},
		{"made up", []string{"Bearer e30.e30.e30"}, 401, `error="invalid_token"`},
		{"the secret", []string{"Bearer " + x.secret}, 401, `error="invalid_token"`},
		{"tampered", []string{"Bearer " + token[:len(token)-4] + "AAAA"}, 401, `error="invalid_token"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := x.request(t, "GET", typesPath, "")
			if test.headers != nil {
				r.Header["Authorization"] = test.headers
			}
			a := x.do(t, r)
			challenge := a.Header.Get("WWW-Authenticate")
			if a.StatusCode != test.status || !strings.Contains(challenge, test.want) || (challenge == "") != (test.status == 200) {
				t.Errorf("got %d, challenge %q, %s", a.StatusCode, challenge, a.body)
			}
			// A caller without a token isn't told of an error (RFC 6750 section 3.1).
			if strings.HasPrefix(test.want, "Bearer") && challenge != test.want {
				t.Errorf("challenge is %q", challenge)
			}
		})
	}
}

// A token in the URL or in the body isn't taken, be it as good as it may.
func TestBearerOnlyInTheHeader(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	token := x.token(t)
	for _, query := range []string{"?access_token=" + token, "?after=x&access%5Ftoken=" + token} {
		r := x.request(t, "GET", typesPath+query, "")
		a := x.do(t, r)
		if a.StatusCode != 400 && a.StatusCode != 401 {
			t.Errorf("%s: got %d", query[:20], a.StatusCode)
		}
		r = x.request(t, "GET", typesPath+query, "")
		r.Header.Set("Authorization", "Bearer "+token)
		if a := x.do(t, r); a.StatusCode != 400 {
			t.Errorf("%s, and in the header: got %d", query[:20], a.StatusCode)
		}
	}
	if a := x.do(t, x.request(t, "POST", searchPath, url.Values{"access_token": {token}}.Encode())); a.StatusCode != 401 {
		t.Errorf("in the body: got %d", a.StatusCode)
	}
}

// A missing scope is 403, names the scope, and is recorded: the caller is known.
func TestInsufficientScope(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	a := x.basic(t, grant+"&scope=license:read")
	r := x.request(t, "POST", issuePath, "{}")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+a.member("access_token"))
	a = x.do(t, r)
	challenge := a.Header.Get("WWW-Authenticate")
	if a.StatusCode != 403 || !strings.Contains(challenge, `error="insufficient_scope"`) || !strings.Contains(challenge, `scope="license:issue"`) {
		t.Errorf("got %d, challenge %q", a.StatusCode, challenge)
	}
}

// A disabled client's token is refused and leaves an event: it is genuine.
func TestDisabledClientsTokenIsRefused(t *testing.T) {
	t.Parallel()
	x := newProvider(t)
	token := x.token(t)
	if _, err := x.rules.Clients.DisableClient(t.Context(), operator, x.client.ID); err != nil {
		t.Fatal(err)
	}
	r := x.request(t, "GET", typesPath, "")
	r.Header.Set("Authorization", "Bearer "+token)
	if a := x.do(t, r); a.StatusCode != 401 || !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("got %d %q", a.StatusCode, a.Header.Get("WWW-Authenticate"))
	}
	es, err := x.db.Journal().ListEvents(t.Context(), journal.Stream{Log: journal.Provider}, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if last := es[len(es)-1]; last.Action != journal.ActionTokenRefuse || last.Result != "client_disabled" || last.Actor.ID != x.client.ID || last.RequestID == "" {
		t.Errorf("event is %+v", last)
	}
}

// FuzzBearer feeds Authorization headers and queries.
func FuzzBearer(f *testing.F) {
	x := newProvider(f)
	f.Add("Bearer e30.e30.e30", "")
	f.Add("bearer  x", "access_token=x")
	f.Add("Basic Og==", "%zz")
	f.Fuzz(func(t *testing.T, header, query string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", typesPath, nil)
		r.URL.RawQuery = query
		r.Header["Authorization"] = []string{header}
		w := httptest.NewRecorder()
		x.handler.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest && w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%q %q: got %d", header, query, w.Code)
		}
	})
}
