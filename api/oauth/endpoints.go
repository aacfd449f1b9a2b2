// Package oauth is the OpenID provider over HTTP, apart from the pages on which people log in:
// the endpoints at which clients authenticate (token, pushed requests, introspection,
// revocation), userinfo, the documents that describe the provider, the check of access tokens
// for all APIs of ours, and the reasons for which all of them refuse.
package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/problem"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
)

// clients authenticates clients.
type clients interface {
	Authenticate(ctx context.Context, c client.Credentials) (oidc.Client, error)
}

// grants gives tokens for grants, to a client that has authenticated.
type grants interface {
	Redeem(ctx context.Context, c oidc.Client, q grant.Request) (token.Tokens, error)
}

// requests keeps authorization requests that clients push.
type requests interface {
	Push(ctx context.Context, c oidc.Client, params oidc.Parameters, requestID string) (requestURI string, life time.Duration, err error)
}

// Config says what the endpoints work with. All of it is needed, but StrictTransport.
type Config struct {
	Issuer   string // the public URL
	Clients  clients
	Grants   grants
	Tokens   *token.Service
	Requests requests
	Refusals *journal.Recorder // what was refused to a client that is known
	People   bool              // there are logins
	Log      *slog.Logger
	Failing  *problem.Log
	Address  func(*http.Request) netip.Addr // of the client
	Counted  func(code string)              // counts the refusal of somebody not authenticated
	Askers   *limit.Rate                    // of authorization requests, by address
	Pushers  *limit.Rate                    // of pushed ones, by client
	// Refusal returns nil, or why nothing may be decided here.
	Refusal func() error
	// Served measures a document that was served before anything else looked at its request.
	Served func(path string, status int, took time.Duration)
	// StrictTransport is the header of that name for documents; empty: none.
	StrictTransport string
	Step            func(name string) // failpoints of tests
}

// Endpoints is the provider's endpoints over HTTP that aren't pages. zitadel/oidc's op.Server
// answers at those where clients authenticate. Our own guard looks at each request first,
// because that library takes more than it should: a GET, secrets in the query, repeated
// parameters, bodies of any size. Safe for concurrent use.
type Endpoints struct {
	c       Config
	library http.Handler
	// libraryTypes are the grant types that the library answers: see byLibrary.
	libraryTypes []oidc.GrantType
	failures     limit.Failures
	documents    map[string]*document // by path
}

// New checks c and returns the endpoints.
func New(c Config) (*Endpoints, error) {
	if c.Issuer == "" || c.Clients == nil || c.Grants == nil || c.Tokens == nil || c.Requests == nil || c.Refusals == nil || c.Log == nil || c.Failing == nil ||
		c.Address == nil || c.Counted == nil || c.Askers == nil || c.Pushers == nil || c.Refusal == nil || c.Served == nil || c.Step == nil {
		return nil, errors.New("oauth: something of Config is missing")
	}
	o := &Endpoints{c: c, libraryTypes: libraryTypes(), failures: limit.NewFailures()}
	o.library, o.documents = newLibrary(o), documentsOf(c)
	return o, nil
}

// Token serves the token endpoint (RFC 6749 section 3.2), all methods.
func (o *Endpoints) Token(w http.ResponseWriter, r *http.Request) { o.serve(w, r, o.readGrant) }

// Introspect serves the introspection endpoint (RFC 7662 section 2), all methods.
func (o *Endpoints) Introspect(w http.ResponseWriter, r *http.Request) {
	o.serve(w, r, func(x *exchange) error {
		x.form.Del("grant_type") // this endpoint has no such parameter, but the library would look at it
		return confidential(x)
	})
}

// Revoke serves the revocation endpoint (RFC 7009 section 2), all methods.
func (o *Endpoints) Revoke(w http.ResponseWriter, r *http.Request) {
	o.serve(w, r, func(x *exchange) error {
		x.form.Del("grant_type")
		return nil
	})
}

// serve lets a client's request through to the library, if the guard and the
// endpoint's own check let it pass.
func (o *Endpoints) serve(w http.ResponseWriter, r *http.Request, check func(*exchange) error) {
	noStore(w)
	x, err := o.readRequest(w, r)
	if err == nil {
		err = check(x)
	}
	if err != nil {
		o.refuse(w, r, x, err)
		return
	}
	if !o.byLibrary(r.URL.Path, x) {
		o.redeemHere(w, r, x)
		return
	}
	o.library.ServeHTTP(&challenger{ResponseWriter: w, x: x}, x.forLibrary(r))
}

// noStore forbids caching. It is for every answer that has a token, or refuses one (RFC 6749
// section 5.1).
func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}

// confidential refuses clients that don't authenticate.
func confidential(x *exchange) error {
	if x.credentials.Method == oidc.AuthNone {
		return &oidc.Error{Code: oidc.InvalidClient, Description: "client_id and client_secret are missing", Reason: "credentials_missing"}
	}
	return nil
}

// readGrant checks that the grant is one that is implemented here.
func (o *Endpoints) readGrant(x *exchange) error {
	if x.form.Has("authorization_details") { // RFC 9396 section 6 lets a client narrow here: we don't, and say so
		return &oidc.Error{Code: oidc.InvalidAuthorizationDetails, Description: "authorization_details belong into the pushed authorization request alone", Reason: "details_not_pushed"}
	}
	rule, ok := grant.RuleOf(x.grantType(), o.c.People)
	switch {
	case x.grantType() == "":
		return invalidRequest("grant_type_missing", "grant_type is missing")
	case !ok:
		return &oidc.Error{Code: oidc.UnsupportedGrantType, Description: "the grant type is " + either(grant.Types(o.c.People)), Reason: "grant_type_unsupported"}
	case rule.Secret:
		return confidential(x)
	}
	return nil
}

// grantType returns the grant type that is asked for.
func (x *exchange) grantType() oidc.GrantType { return oidc.GrantType(x.form.Get("grant_type")) }

// redeem returns what an authenticated client gets at the token endpoint.
func (o *Endpoints) redeem(ctx context.Context, x *exchange, c oidc.Client) (tokenResponse, error) {
	t, err := o.c.Grants.Redeem(ctx, c, grant.Request{Type: x.grantType(), Form: x.form, RequestID: x.credentials.RequestID})
	return tokenResponseOf(t), err
}

// redeemHere answers a request of a grant type to which the library has no way.
func (o *Endpoints) redeemHere(w http.ResponseWriter, r *http.Request, x *exchange) {
	client, err := o.authenticate(r.Context(), x)
	var answer tokenResponse
	if err == nil {
		answer, err = o.redeem(r.Context(), x, client)
	}
	if err != nil {
		o.refuse(w, r, x, err)
		return
	}
	o.c.Step("oauth.answering")
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // an error is the connection's
}

// either names grant types, with an "or" before the last one.
func either(types []oidc.GrantType) string {
	var b strings.Builder
	for i, g := range types {
		switch {
		case i > 0 && i == len(types)-1:
			b.WriteString(" or ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(string(g))
	}
	return b.String()
}

// authenticate returns the client whose credentials came with a request.
func (o *Endpoints) authenticate(ctx context.Context, x *exchange) (oidc.Client, error) {
	client, err := o.c.Clients.Authenticate(ctx, x.credentials)
	if err != nil {
		return oidc.Client{}, o.countFailure(x, err)
	}
	problem.KnowClient(ctx, client.ID)
	return client, nil
}

// countFailure turns a failed authentication into a refusal with 429 when the same client
// has failed too often from the same address. A right secret is never refused, so that
// nobody can lock a client out; so the secret is compared in any case. Secrets are too long
// to be guessed: the refusal only tells a client that is misconfigured to slow down.
func (o *Endpoints) countFailure(x *exchange, err error) error {
	e, ok := errors.AsType[*oidc.Error](err)
	if !ok || e.Code != oidc.InvalidClient {
		return err
	}
	wait := o.failures.Fail(x.credentials.ID, x.address, time.Now())
	if wait <= 0 {
		return err
	}
	return x.tooMany(wait, "too_many_failures", "too many failed authentications; try again later")
}

// tooMany refuses a request of which there are too many.
func (x *exchange) tooMany(wait time.Duration, reason oidc.Reason, description string) error {
	x.retryAfter = wait
	return &refusal{http.StatusTooManyRequests, &oidc.Error{Code: oidc.TemporarilyUnavailable, Description: description, Reason: reason}}
}

// tokenResponse is a successful answer (RFC 6749 section 5.1, OpenID Connect
// Core section 3.1.3.3, RFC 9396 section 7).
type tokenResponse struct {
	AccessToken  string         `json:"access_token"`
	TokenType    string         `json:"token_type"`
	ExpiresIn    int64          `json:"expires_in"` // seconds
	Scope        string         `json:"scope,omitempty"`
	IDToken      string         `json:"id_token,omitempty"`
	RefreshToken string         `json:"refresh_token,omitempty"`
	Details      jsontext.Value `json:"authorization_details,omitempty"`
}

func tokenResponseOf(t token.Tokens) tokenResponse {
	return tokenResponse{
		AccessToken: t.Access.Reveal(), TokenType: "Bearer", ExpiresIn: int64(t.Expires / time.Second), Scope: oidc.JoinScopes(t.Scopes),
		IDToken: t.ID.Reveal(), RefreshToken: t.Refresh.Reveal(), Details: t.Details,
	}
}
