package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/problem"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/token"
)

// anybody is every client, whatever its secret.
type anybody struct{ err error }

func (a anybody) Authenticate(_ context.Context, c client.Credentials) (oidc.Client, error) {
	return oidc.Client{ID: c.ID}, a.err
}

// fixed redeems everything for the same.
type fixed struct {
	tokens token.Tokens
	err    error
	asked  *grant.Request
}

func (f fixed) Redeem(_ context.Context, _ oidc.Client, q grant.Request) (token.Tokens, error) {
	*f.asked = q
	return f.tokens, f.err
}

// TestWithoutLibrary: a grant type that the library doesn't know is answered as those that it
// knows are, to the byte.
func TestWithoutLibrary(t *testing.T) {
	full := token.Tokens{
		Token: token.Token{Access: oidc.SecretOf("access"), Expires: 5 * time.Minute, Scopes: []oidc.Scope{oidc.ScopeOpenID, oidc.ScopeLicenseRead}},
		ID:    oidc.SecretOf("id"), Refresh: oidc.SecretOf("refresh"), Details: jsontext.Value(`[{"type":"license"}]`),
	}
	refused := &oidc.Error{Code: oidc.InvalidGrant, Description: "it is <over>", Reason: "code_invalid"}
	unknown := &oidc.Error{Code: oidc.InvalidClient, Description: "no such client", Reason: "client_unknown"}
	for _, tt := range []struct {
		name   string
		client anybody
		grant  fixed
	}{
		{"an access token", anybody{}, fixed{tokens: token.Tokens{Token: full.Token}}},
		{"all tokens", anybody{}, fixed{tokens: full}},
		{"a refusal", anybody{}, fixed{err: refused}},
		{"a client that isn't known", anybody{unknown}, fixed{}},
		{"a database that is away", anybody{}, fixed{err: errors.New("the database is away")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var first, second grant.Request
			o := &Endpoints{failures: limit.NewFailures(), c: Config{
				Issuer: "https://a.example", Clients: tt.client, People: true, Log: slog.New(slog.DiscardHandler), Failing: problem.NewLog(slog.New(slog.DiscardHandler)),
				Address: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") }, Counted: func(string) {}, Step: func(string) {},
			}}
			library, served := newLibrary(o), 0
			o.library = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served++; library.ServeHTTP(w, r) })
			ask := func(w http.ResponseWriter, asked *grant.Request, byLibrary ...oidc.GrantType) {
				g := tt.grant
				g.asked = asked
				o.c.Grants, o.libraryTypes = g, byLibrary
				r := httptest.NewRequest(http.MethodPost, TokenPath, strings.NewReader("grant_type=client_credentials&scope=openid&resource=a&resource=b"))
				r.Header.Set("Content-Type", FormMedia)
				r.SetBasicAuth("department", "secret")
				o.Token(w, r)
			}
			through, past := httptest.NewRecorder(), httptest.NewRecorder()
			ask(through, &first, oidc.GrantClientCredentials)
			ask(past, &second)
			if served != 1 {
				t.Errorf("the library served %d requests, want the first alone", served)
			}
			if through.Code != past.Code || through.Body.String() != past.Body.String() {
				t.Errorf("%d %q by the library, %d %q without", through.Code, through.Body, past.Code, past.Body)
			}
			for _, name := range []string{"Content-Type", "Cache-Control", "Pragma", "WWW-Authenticate", "Retry-After"} {
				if a, b := through.Header().Get(name), past.Header().Get(name); a != b {
					t.Errorf("%s: %q by the library, %q without", name, a, b)
				}
			}
			if first.Type != second.Type || first.Form.Encode() != second.Form.Encode() || first.RequestID != second.RequestID {
				t.Errorf("asked for %+v by the library, for %+v without", first, second)
			}
		})
	}
}
