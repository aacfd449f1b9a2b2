package api

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"yizheng.internal/api/oauth"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	grants "yizheng.internal/oidc/grant"
)

// quiet keeps the library's log out of the way, for it goes through the default.
func quiet(t testing.TB) {
	usual := slog.Default()
	t.Cleanup(func() { slog.SetDefault(usual) })
	slog.SetDefault(slog.New(slog.DiscardHandler))
}

// FuzzClientRequest feeds whole requests to the endpoints at which clients
// authenticate. Whatever comes, the answer is one of the protocol's, isn't
// cached, and is a refusal: no input has credentials.
func FuzzClientRequest(f *testing.F) {
	quiet(f)
	s := newService(f, serviceConfig{People: true, Quiet: true, Empty: true})
	h := s.Handler()
	f.Add(0, "POST", "", "application/x-www-form-urlencoded", "Basic YTpi", "grant_type=client_credentials")
	f.Add(0, "POST", "x=1", "application/x-www-form-urlencoded; charset=UTF-8", "", "grant_type=client_credentials&client_id=a&client_secret=b&scope=license:read")
	f.Add(0, "GET", "grant_type=client_credentials", "", "Bearer x", "")
	f.Add(0, "POST", "", "application/x-www-form-urlencoded", "Basic JSV6eg==", "a=%zz&a;b&&=")
	f.Add(0, "POST", "", "application/x-www-form-urlencoded", "", "grant_type=authorization_code&code=x&redirect_uri=x&client_id=aaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Add(1, "POST", "", "application/x-www-form-urlencoded", "Basic YTpi", "token=x&token_type_hint=refresh_token")
	f.Add(2, "POST", "", "application/x-www-form-urlencoded", "Basic YTpi", "token=x&grant_type=x")
	f.Add(3, "POST", "", "application/x-www-form-urlencoded", "Basic YTpi", `response_type=code&authorization_details=[{"type":"license"}]&request_uri=x`)
	f.Fuzz(func(t *testing.T, endpoint int, method, query, media, header, body string) {
		path := clientEndpoints[uint(endpoint)%uint(len(clientEndpoints))]
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(body))
		r.Method, r.URL.RawQuery = method, query
		r.Header["Content-Type"], r.Header["Authorization"] = []string{media}, []string{header}
		if header == "" {
			r.Header.Del("Authorization")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case 400, 401, 405, 413, 415, 429:
		default:
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-store" || !strings.Contains(w.Body.String(), `"error":"`) {
			t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
		}
	})
}

// BenchmarkClientCredentials is the token endpoint without the network: the
// whole way through the server, and, below it, the rules alone. The difference
// is what HTTP, the guard and the library cost.
func BenchmarkClientCredentials(b *testing.B) {
	quiet(b)
	x := newProvider(b)
	x.server.c.Log = slog.New(slog.NewJSONHandler(io.Discard, nil)) // as in production, but to nowhere
	b.Run("handler", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := httptest.NewRequestWithContext(b.Context(), "POST", oauth.TokenPath, strings.NewReader(grant+"&scope=license%3Aread"))
			r.Header.Set("Content-Type", oauth.FormMedia)
			r.SetBasicAuth(x.client.ID, x.secret)
			w := httptest.NewRecorder()
			x.handler.ServeHTTP(w, r)
			if w.Code != 200 {
				b.Fatalf("got %d %s", w.Code, w.Body)
			}
		}
	})
	b.Run("rules", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c, err := x.rules.Clients.Authenticate(b.Context(), client.Credentials{ID: x.client.ID, Method: oidc.AuthBasic, Secret: oidc.SecretOf(x.secret)})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := x.rules.Grants.Redeem(b.Context(), c, grants.Request{Type: oidc.GrantClientCredentials, Form: url.Values{"scope": {"license:read"}}}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
