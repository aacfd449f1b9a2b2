package oauth

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	zoidc "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/grant"
)

// newLibrary returns zitadel/oidc's op.Server over our endpoints, which routes by grant
// type and writes the answers. All that is known of that library stands in this file.
func newLibrary(o *Endpoints) http.Handler {
	// The library serves only the endpoints that are named here. It always adds /healthz and
	// /ready, but no route of ours leads there.
	endpoints := op.Endpoints{
		Token: op.NewEndpoint(TokenPath), Introspection: op.NewEndpoint(IntrospectionPath), Revocation: op.NewEndpoint(RevocationPath),
	}
	// Only nil turns off the library's CORS policy, which reflects any origin.
	return op.RegisterServer(&authorizationServer{oauth: o}, endpoints, op.WithServerCORSOptions(nil), op.WithDecoder(decoder{}))
}

type exchangeKey struct{}

// forLibrary returns the request for the library. It has the parameters that passed, in the
// body alone. It has no secret of the client's, so that the library can log none.
func (x *exchange) forLibrary(r *http.Request) *http.Request {
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
	u := *r.URL
	u.RawPath, u.RawQuery = "", ""
	r.URL, r.Body = &u, http.NoBody
	r.Header = http.Header{"Content-Type": {FormMedia}}
	r.PostForm = make(map[string][]string, len(x.form)+2)
	maps.Copy(r.PostForm, x.form)
	r.PostForm.Set("client_id", x.credentials.ID)
	if u.Path == IntrospectionPath {
		r.PostForm.Set("client_secret", "withheld") // without one it refuses before it asks us
	}
	r.Form = r.PostForm
	return r
}

// authorizationServer implements op.Server. What it doesn't implement has no
// route, so the library's answers to that are never seen.
type authorizationServer struct {
	op.UnimplementedServer
	oauth *Endpoints
}

// errPastGuard says that a request reached the library without passing our guard.
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

// libraryTypes returns the grant types that the library knows: its list of them is closed.
func libraryTypes() []oidc.GrantType {
	return []oidc.GrantType{oidc.GrantClientCredentials, oidc.GrantCode, oidc.GrantRefresh}
}

// byLibrary reports whether the library answers a request. Requests of a grant type that it
// doesn't know are answered without it.
func (o *Endpoints) byLibrary(path string, x *exchange) bool {
	return path != TokenPath || slices.Contains(o.libraryTypes, x.grantType())
}

// redeemed answers a request of the token endpoint. The library reads the form less strictly
// than the RFC says, so the grant reads it again.
func (s *authorizationServer) redeemed(ctx context.Context, c op.Client) (*op.Response, error) {
	return s.exchanged(ctx, c, func(x *exchange, c oidc.Client) (any, error) { return s.oauth.redeem(ctx, x, c) })
}

// ClientCredentialsExchange implements op.Server (RFC 6749 section 4.4).
func (s *authorizationServer) ClientCredentialsExchange(ctx context.Context, r *op.ClientRequest[zoidc.ClientCredentialsRequest]) (*op.Response, error) {
	return s.redeemed(ctx, r.Client)
}

// CodeExchange implements op.Server (RFC 6749 section 4.1.3).
func (s *authorizationServer) CodeExchange(ctx context.Context, r *op.ClientRequest[zoidc.AccessTokenRequest]) (*op.Response, error) {
	return s.redeemed(ctx, r.Client)
}

// RefreshToken implements op.Server (RFC 6749 section 6).
func (s *authorizationServer) RefreshToken(ctx context.Context, r *op.ClientRequest[zoidc.RefreshTokenRequest]) (*op.Response, error) {
	return s.redeemed(ctx, r.Client)
}

// Introspect implements op.Server (RFC 7662). The library authenticates nobody
// here, so this does.
func (s *authorizationServer) Introspect(ctx context.Context, _ *op.Request[op.IntrospectionRequest]) (*op.Response, error) {
	client, err := s.VerifyClient(ctx, nil)
	if err != nil {
		return nil, err
	}
	return s.exchanged(ctx, client, func(x *exchange, c oidc.Client) (any, error) {
		return s.oauth.c.Tokens.Introspect(ctx, c, x.form.Get("token"))
	})
}

// Revocation implements op.Server (RFC 7009). The hint of the token's kind isn't
// needed: we know our tokens apart.
func (s *authorizationServer) Revocation(ctx context.Context, r *op.ClientRequest[zoidc.RevocationRequest]) (*op.Response, error) {
	return s.exchanged(ctx, r.Client, func(x *exchange, c oidc.Client) (any, error) {
		return nil, s.oauth.c.Tokens.RevokeToken(ctx, c, x.form.Get("token"), x.credentials.RequestID)
	})
}

// libraryError returns an error as the library is to write it; the challenger writes
// our own answer in its place. The cause stays here: the library would log it through
// the process's default logger.
func (o *Endpoints) libraryError(ctx context.Context, x *exchange, err error) error {
	a := o.explained(ctx, x, err)
	if x != nil {
		x.refused = &a
	}
	return op.NewStatusError(libraryCode(a.Code).WithDescription("%s", a.Description), a.status)
}

// libraryCode returns the library's error of that code.
func libraryCode(code oidc.Code) *zoidc.Error {
	e := zoidc.ErrServerError()
	set(&e.ErrorType, code)
	return e
}

// set writes a text into a variable of a type that can't be named.
func set[T ~string](to *T, text oidc.Code) { *to = T(text) }

// decoder fills in the parameters whose presence the library's handlers check before they ask
// us. We read the values from the form ourselves. (The library's own decoder uses reflection
// for every field, which is a tenth of a token's cost.)
type decoder struct{}

// Decode implements the library's httphelper.Decoder.
func (decoder) Decode(to any, form map[string][]string) error {
	one := url.Values(form).Get
	switch to := to.(type) {
	case *op.ClientCredentials:
		to.ClientID, to.ClientSecret = one("client_id"), one("client_secret")
	case *zoidc.ClientCredentialsRequest:
	case *zoidc.AccessTokenRequest:
		to.Code, to.RedirectURI = one("code"), one("redirect_uri")
	case *zoidc.RefreshTokenRequest:
		to.RefreshToken = one("refresh_token")
	case *zoidc.IntrospectionRequest:
		to.Token = one("token")
	case *zoidc.RevocationRequest:
		to.Token = one("token")
	default:
		return fmt.Errorf("a %T is not decoded here", to)
	}
	return nil
}

// libraryClient is a client as the library wants to see it. Only the id and the
// grants are ever asked for here; what the client may do, the provider decides.
type libraryClient struct {
	client oidc.Client
	method oidc.AuthMethod
}

func (c libraryClient) GetID() string { return c.client.ID }

// GrantTypes names all the grants that the guard lets through: whether the
// client has the grant is the provider's to say, which also records it.
func (c libraryClient) GrantTypes() []zoidc.GrantType {
	var all []zoidc.GrantType
	for _, g := range grant.Types(true) {
		all = append(all, zoidc.GrantType(g))
	}
	return all
}
func (c libraryClient) AuthMethod() zoidc.AuthMethod                             { return zoidc.AuthMethod(c.method) }
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
