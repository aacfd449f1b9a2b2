package api

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"yizheng.internal/oidc"
	"yizheng.internal/signing"
)

// Paths of the provider's endpoints, below the issuer.
const (
	tokenPath    = "/oauth/token"
	jwksPath     = "/oauth/jwks"
	metadataPath = "/.well-known/oauth-authorization-server" // RFC 8414
)

// oauthConfig says what the provider's endpoints work with.
type oauthConfig struct {
	Provider  *oidc.Provider
	Log       *slog.Logger
	Address   func(*http.Request) netip.Addr // of the client
	RequestID func(context.Context) string
	Refused   func(code string) // counts the refusal of somebody not authenticated
}

// oauth is the provider's endpoints over HTTP. Behind it stands zitadel/oidc's
// op.Server, which routes by grant type and writes the answers; before it our
// own guard, for that library takes more than it should: a GET, secrets in the
// query, repeated parameters, bodies of any size.
type oauth struct {
	c        oauthConfig
	library  http.Handler
	metadata []byte
	failures failureLimiter
}

func newOAuth(c oauthConfig) (*oauth, error) {
	metadata, err := metadataOf(c.Provider.Issuer())
	if err != nil {
		return nil, err
	}
	o := &oauth{c: c, metadata: metadata, failures: newFailureLimiter()}
	// The endpoints not named here are not there: neither at their default
	// paths nor anywhere else. /healthz and /ready, which it always adds, are
	// out of reach because no route of ours leads there.
	endpoints := op.Endpoints{Token: op.NewEndpoint(tokenPath), JwksURI: op.NewEndpoint(jwksPath)}
	// nil is the only way to be rid of a CORS policy that reflects any origin.
	o.library = op.RegisterServer(&authorizationServer{oauth: o}, endpoints, op.WithServerCORSOptions(nil))
	return o, nil
}

// token serves the token endpoint (RFC 6749 section 3.2), all methods.
func (o *oauth) token(w http.ResponseWriter, r *http.Request) {
	// Section 5.1: on every answer that could hold a token or say why not.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	x, err := o.readTokenRequest(w, r)
	if err != nil {
		o.refuse(w, r, err)
		return
	}
	o.library.ServeHTTP(&challenger{w, x}, x.forLibrary(r))
}

// jwks serves the key set. Keys stand in it well before they sign, so it may
// be kept for a while.
func (o *oauth) jwks(w http.ResponseWriter, r *http.Request) {
	r.Body, r.URL.RawQuery = http.NoBody, "" // nothing in them matters, so nothing in them can fail
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(signing.KeySetAge/time.Second)))
	o.library.ServeHTTP(&challenger{w, new(exchange)}, r)
}

// exchange is what is known of a token request under way.
type exchange struct {
	credentials oidc.Credentials
	grant       string
	form        map[string][]string // without credentials
	address     netip.Addr
	retryAfter  time.Duration // to be told to the client; 0: nothing
}

type exchangeKey struct{}

// forLibrary returns the request as the library is to see it: with the
// parameters that passed, in the body alone, and without any secret, so that
// none can get into what it logs.
func (x *exchange) forLibrary(r *http.Request) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	u := *r.URL
	u.Path, u.RawPath, u.RawQuery = tokenPath, "", ""
	r.URL, r.Body = &u, http.NoBody
	r.Header = http.Header{"Content-Type": {formType}}
	r.PostForm = make(map[string][]string, len(x.form)+2)
	maps.Copy(r.PostForm, x.form)
	r.PostForm.Set("grant_type", x.grant)
	r.PostForm.Set("client_id", x.credentials.ID)
	r.Form = r.PostForm
	return r
}

// authorizationServer implements op.Server. What it doesn't implement has no
// route, so the library's answers to that are never seen.
type authorizationServer struct {
	op.UnimplementedServer
	oauth *oauth
}

// VerifyClient implements op.Server: it authenticates the client.
func (s *authorizationServer) VerifyClient(ctx context.Context, _ *op.Request[op.ClientCredentials]) (op.Client, error) {
	x, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, s.oauth.libraryError(ctx, nil, errors.New("token request came past the guard"))
	}
	client, err := s.oauth.c.Provider.Authenticate(ctx, x.credentials)
	if err != nil {
		return nil, s.oauth.libraryError(ctx, x, s.oauth.countFailure(x, err))
	}
	knowClient(ctx, client.ID)
	return libraryClient{client}, nil
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
	wait := o.failures.fail(x.credentials.ID, x.address, time.Now())
	if wait <= 0 {
		return err
	}
	x.retryAfter = wait
	return &refusal{http.StatusTooManyRequests, &oidc.Error{Code: oidc.TemporarilyUnavailable, Description: "too many failed authentications; try again later"}}
}

// ClientCredentialsExchange implements op.Server (RFC 6749 section 4.4).
func (s *authorizationServer) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[zoidc.ClientCredentialsRequest]) (*op.Response, error) {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	client, ok := r.Client.(libraryClient)
	if !ok || x == nil {
		return nil, s.oauth.libraryError(ctx, x, errors.New("token request came past the guard"))
	}
	// Not r.Data: the library's reading of the scope is laxer than the RFC's.
	scopes, err := oidc.ParseScopes(r.PostForm.Get("scope"))
	if err != nil {
		return nil, s.oauth.libraryError(ctx, x, err)
	}
	token, err := s.oauth.c.Provider.ClientCredentials(ctx, client.client, oidc.TokenRequest{
		Scopes: scopes, Resources: r.PostForm["resource"], RequestID: x.credentials.RequestID,
	})
	if err != nil {
		return nil, s.oauth.libraryError(ctx, x, err)
	}
	return op.NewResponse(tokenResponseOf(token)), nil
}

// Keys implements op.Server.
func (s *authorizationServer) Keys(ctx context.Context, _ *op.Request[struct{}]) (*op.Response, error) {
	set, err := s.oauth.c.Provider.KeySet(ctx)
	if err != nil {
		return nil, s.oauth.libraryError(ctx, nil, err)
	}
	return op.NewResponse(set), nil
}

// tokenResponse is a successful answer (RFC 6749 section 5.1).
type tokenResponse struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int64  `json:"expires_in"` // seconds
	Scope       string `json:"scope"`
}

func tokenResponseOf(t oidc.Token) tokenResponse {
	return tokenResponse{t.Access.Reveal(), "Bearer", int64(t.Expires / time.Second), oidc.JoinScopes(t.Scopes)}
}

// libraryClient is a client as the library wants to see it. Only the id and the
// grants are ever asked for here; what the client may do, the provider decides.
type libraryClient struct{ client oidc.Client }

func (c libraryClient) GetID() string { return c.client.ID }

// GrantTypes names all the grants that the guard lets through: whether the
// client has the grant is the provider's to say, which also records it.
func (c libraryClient) GrantTypes() []zoidc.GrantType {
	return []zoidc.GrantType{zoidc.GrantTypeClientCredentials}
}
func (c libraryClient) AuthMethod() zoidc.AuthMethod                             { return zoidc.AuthMethodBasic }
func (c libraryClient) ApplicationType() op.ApplicationType                      { return op.ApplicationTypeWeb }
func (c libraryClient) AccessTokenType() op.AccessTokenType                      { return op.AccessTokenTypeJWT }
func (c libraryClient) RedirectURIs() []string                                   { return nil }
func (c libraryClient) PostLogoutRedirectURIs() []string                         { return nil }
func (c libraryClient) ResponseTypes() []zoidc.ResponseType                      { return nil }
func (c libraryClient) LoginURL(string) string                                   { return "" }
func (c libraryClient) IDTokenLifetime() time.Duration                           { return 0 }
func (c libraryClient) DevMode() bool                                            { return false }
func (c libraryClient) IsScopeAllowed(string) bool                               { return false }
func (c libraryClient) IDTokenUserinfoClaimsAssertion() bool                     { return false }
func (c libraryClient) ClockSkew() time.Duration                                 { return 0 }
func (c libraryClient) RestrictAdditionalIdTokenScopes() func([]string) []string { return noScopes }
func (c libraryClient) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return noScopes
}

func noScopes([]string) []string { return nil }
