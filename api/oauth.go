package api

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/problem"
	"yizheng.internal/oidc"
)

// Paths of the provider's endpoints, below the issuer.
const (
	authorizePath     = "/oauth/authorize"
	parPath           = "/oauth/par"
	tokenPath         = "/oauth/token"
	userInfoPath      = "/oauth/userinfo"
	introspectionPath = "/oauth/introspect"
	revocationPath    = "/oauth/revoke"
	endSessionPath    = "/oauth/end_session"
	jwksPath          = "/oauth/jwks"
	metadataPath      = "/.well-known/oauth-authorization-server" // RFC 8414
	discoveryPath     = "/.well-known/openid-configuration"       // OpenID Connect Discovery 1.0
)

// oauthConfig says what the provider's endpoints work with.
type oauthConfig struct {
	Provider  *oidc.Provider
	People    bool // there are logins
	Log       *slog.Logger
	Failing   *problem.Log
	Address   func(*http.Request) netip.Addr // of the client
	RequestID func(context.Context) string
	Refused   func(code string) // counts the refusal of somebody not authenticated
	// Turn counts something of so many bytes that is kept for an address, and returns
	// how long it has to wait for that; PushTurn does so for a client.
	Turn     func(a netip.Addr, size int) time.Duration
	PushTurn func(client string, size int) time.Duration
	Step     func(name string) // failpoints of tests
}

// oauth is the provider's endpoints over HTTP at which clients authenticate.
// Behind it stands zitadel/oidc's op.Server, which routes by grant type and
// writes the answers; before it our own guard, for that library takes more than
// it should: a GET, secrets in the query, repeated parameters, bodies of any size.
type oauth struct {
	c        oauthConfig
	library  http.Handler
	failures limit.Failures
}

func newOAuth(c oauthConfig) *oauth {
	o := &oauth{c: c, failures: limit.NewFailures()}
	// The endpoints not named here are not there: neither at their default
	// paths nor anywhere else. /healthz and /ready, which it always adds, are
	// out of reach because no route of ours leads there.
	endpoints := op.Endpoints{
		Token: op.NewEndpoint(tokenPath), Introspection: op.NewEndpoint(introspectionPath), Revocation: op.NewEndpoint(revocationPath),
	}
	// nil is the only way to be rid of a CORS policy that reflects any origin.
	o.library = op.RegisterServer(&authorizationServer{oauth: o}, endpoints, op.WithServerCORSOptions(nil), op.WithDecoder(decoder{}))
	return o
}

// token serves the token endpoint (RFC 6749 section 3.2), all methods.
func (o *oauth) token(w http.ResponseWriter, r *http.Request) { o.serve(w, r, o.readGrant) }

// introspect serves the introspection endpoint (RFC 7662 section 2), all methods.
func (o *oauth) introspect(w http.ResponseWriter, r *http.Request) {
	o.serve(w, r, func(x *exchange) error {
		x.form.Del("grant_type") // none of this endpoint's, but the library would look at it
		return confidential(x)
	})
}

// revoke serves the revocation endpoint (RFC 7009 section 2), all methods.
func (o *oauth) revoke(w http.ResponseWriter, r *http.Request) {
	o.serve(w, r, func(x *exchange) error {
		x.form.Del("grant_type")
		return nil
	})
}

// serve lets a client's request through to the library, if the guard and the
// endpoint's own check let it pass.
func (o *oauth) serve(w http.ResponseWriter, r *http.Request, check func(*exchange) error) {
	noStore(w)
	x, err := o.readRequest(w, r)
	if err == nil {
		err = check(x)
	}
	if err != nil {
		o.refuse(w, r, x, err)
		return
	}
	o.library.ServeHTTP(&challenger{ResponseWriter: w, x: x}, x.forLibrary(r))
}

// noStore is for every answer that could hold a token or say why not (RFC 6749
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
func (o *oauth) readGrant(x *exchange) error {
	if x.form.Has("authorization_details") { // RFC 9396 section 6 lets a client narrow here: we don't, and say so
		return &oidc.Error{Code: oidc.InvalidAuthorizationDetails, Description: "authorization_details belong into the pushed authorization request alone", Reason: "details_not_pushed"}
	}
	switch oidc.GrantType(x.form.Get("grant_type")) {
	case oidc.GrantClientCredentials:
		return confidential(x)
	case oidc.GrantCode, oidc.GrantRefresh:
		if o.c.People {
			return nil
		}
	case "":
		return invalidRequest("grant_type_missing", "grant_type is missing")
	}
	if !o.c.People {
		return &oidc.Error{Code: oidc.UnsupportedGrantType, Description: "the grant type is client_credentials", Reason: "grant_type_unsupported"}
	}
	return &oidc.Error{Code: oidc.UnsupportedGrantType, Description: "the grant type is authorization_code, refresh_token or client_credentials", Reason: "grant_type_unsupported"}
}

type exchangeKey struct{}

// forLibrary returns the request as the library is to see it: with the
// parameters that passed, in the body alone, and without any secret of the
// client's, so that none can get into what it logs.
func (x *exchange) forLibrary(r *http.Request) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	u := *r.URL
	u.RawPath, u.RawQuery = "", ""
	r.URL, r.Body = &u, http.NoBody
	r.Header = http.Header{"Content-Type": {formType}}
	r.PostForm = make(map[string][]string, len(x.form)+2)
	maps.Copy(r.PostForm, x.form)
	r.PostForm.Set("client_id", x.credentials.ID)
	if u.Path == introspectionPath {
		r.PostForm.Set("client_secret", "withheld") // without one it refuses before it asks us
	}
	r.Form = r.PostForm
	return r
}

// authenticate returns the client whose credentials came with a request.
func (o *oauth) authenticate(ctx context.Context, x *exchange) (oidc.Client, error) {
	client, err := o.c.Provider.Authenticate(ctx, x.credentials)
	if err != nil {
		return oidc.Client{}, o.countFailure(x, err)
	}
	problem.KnowClient(ctx, client.ID)
	return client, nil
}

// countFailure turns a failed authentication into another refusal when the
// same client has failed too often from the same place. A right secret is
// never refused, so that nobody can lock a client out; the work of looking is
// done all the same. Secrets can't be guessed: this tells a client that went
// wrong to slow down.
func (o *oauth) countFailure(x *exchange, err error) error {
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
func (x *exchange) tooMany(wait time.Duration, reason, description string) error {
	x.retryAfter = wait
	return &oauthRefusal{http.StatusTooManyRequests, &oidc.Error{Code: oidc.TemporarilyUnavailable, Description: description, Reason: reason}}
}

// authorizationServer implements op.Server. What it doesn't implement has no
// route, so the library's answers to that are never seen.
type authorizationServer struct {
	op.UnimplementedServer
	oauth *oauth
}

// errPastGuard says that a request reached the library by a way that isn't ours.
var errPastGuard = errors.New("request came past the guard")

// VerifyClient implements op.Server: it authenticates the client.
func (s *authorizationServer) VerifyClient(ctx context.Context, _ *op.Request[op.ClientCredentials]) (op.Client, error) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, s.oauth.libraryError(ctx, nil, errPastGuard)
	}
	client, err := s.oauth.authenticate(ctx, x)
	if err != nil {
		return nil, s.oauth.libraryError(ctx, x, err)
	}
	return libraryClient{client, x.credentials.Method}, nil
}

// exchanged answers a request of a client that VerifyClient has let in.
func (s *authorizationServer) exchanged(ctx context.Context, c op.Client, do func(*exchange, oidc.Client) (any, error)) (*op.Response, error) {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	client, ok := c.(libraryClient)
	if !ok || x == nil {
		return nil, s.oauth.libraryError(ctx, x, errPastGuard)
	}
	answer, err := do(x, client.client)
	if err != nil {
		return nil, s.oauth.libraryError(ctx, x, err)
	}
	s.oauth.c.Step("oauth.answering")
	return op.NewResponse(answer), nil
}

// ClientCredentialsExchange implements op.Server (RFC 6749 section 4.4).
func (s *authorizationServer) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[zoidc.ClientCredentialsRequest]) (*op.Response, error) {
	return s.exchanged(ctx, r.Client, func(x *exchange, c oidc.Client) (any, error) {
		// Not r.Data: the library's reading of the scope is laxer than the RFC's.
		scopes, err := oidc.ParseScopes(x.form.Get("scope"))
		if err != nil {
			return nil, err
		}
		t, err := s.oauth.c.Provider.ClientCredentials(ctx, c, oidc.TokenRequest{
			Scopes: scopes, Resources: x.form["resource"], RequestID: x.credentials.RequestID,
		})
		return tokenResponseOf(oidc.Tokens{Token: t}), err
	})
}

// CodeExchange implements op.Server (RFC 6749 section 4.1.3).
func (s *authorizationServer) CodeExchange(ctx context.Context, r *op.ClientRequest[zoidc.AccessTokenRequest]) (*op.Response, error) {
	return s.exchanged(ctx, r.Client, func(x *exchange, c oidc.Client) (any, error) {
		t, err := s.oauth.c.Provider.RedeemCode(ctx, c, oidc.CodeRequest{
			Code: x.form.Get("code"), RedirectURI: x.form.Get("redirect_uri"), CodeVerifier: x.form.Get("code_verifier"),
			Resources: x.form["resource"], RequestID: x.credentials.RequestID,
		})
		return tokenResponseOf(t), err
	})
}

// RefreshToken implements op.Server (RFC 6749 section 6).
func (s *authorizationServer) RefreshToken(ctx context.Context, r *op.ClientRequest[zoidc.RefreshTokenRequest]) (*op.Response, error) {
	return s.exchanged(ctx, r.Client, func(x *exchange, c oidc.Client) (any, error) {
		scopes, err := oidc.ParseScopes(x.form.Get("scope"))
		if err != nil {
			return nil, err
		}
		t, err := s.oauth.c.Provider.Refresh(ctx, c, oidc.RefreshRequest{
			Token: x.form.Get("refresh_token"), Scopes: scopes, Resources: x.form["resource"], RequestID: x.credentials.RequestID,
		})
		return tokenResponseOf(t), err
	})
}

// Introspect implements op.Server (RFC 7662). The library authenticates nobody
// here, so this does.
func (s *authorizationServer) Introspect(ctx context.Context, _ *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, s.oauth.libraryError(ctx, nil, errPastGuard)
	}
	client, err := s.oauth.authenticate(ctx, x)
	if err != nil {
		return nil, s.oauth.libraryError(ctx, x, err)
	}
	answer, err := s.oauth.c.Provider.Introspect(ctx, client, x.form.Get("token"))
	if err != nil {
		return nil, s.oauth.libraryError(ctx, x, err)
	}
	return op.NewResponse(answer), nil
}

// Revocation implements op.Server (RFC 7009). The hint of the token's kind isn't
// needed: we know our tokens apart.
func (s *authorizationServer) Revocation(ctx context.Context, r *op.ClientRequest[zoidc.RevocationRequest]) (*op.Response, error) {
	return s.exchanged(ctx, r.Client, func(x *exchange, c oidc.Client) (any, error) {
		return nil, s.oauth.c.Provider.RevokeToken(ctx, c, x.form.Get("token"), x.credentials.RequestID)
	})
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

func tokenResponseOf(t oidc.Tokens) tokenResponse {
	return tokenResponse{
		AccessToken: t.Access.Reveal(), TokenType: "Bearer", ExpiresIn: int64(t.Expires / time.Second), Scope: oidc.JoinScopes(t.Scopes),
		IDToken: t.ID.Reveal(), RefreshToken: t.Refresh.Reveal(), Details: t.Details,
	}
}
