package grant

import (
	"context"
	"slices"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/token"
)

// clientCredentials is a client acting for its participant, without a person (RFC 6749 section 4.4).
var clientCredentials = grantType{
	oidc.GrantRule{Type: oidc.GrantClientCredentials, Secret: true},
	func(ctx context.Context, p *Service, c oidc.Client, q Request) (token.Tokens, error) {
		scopes, err := oidc.ParseScopes(q.Form.Get("scope"))
		if err != nil {
			return token.Tokens{}, err
		}
		t, err := p.ClientCredentials(ctx, c, TokenRequest{Scopes: scopes, Resources: q.Form["resource"], RequestID: q.RequestID})
		return token.Tokens{Token: t}, err
	},
}

// TokenRequest is what an authenticated client asks the token endpoint for.
type TokenRequest struct {
	Scopes    []oidc.Scope // none: all that the client is registered for, but those of people's logins
	Resources []string     // RFC 8707; none: the service's own API, the only one so far
	RequestID string       // for the event of a refusal
}

// ClientCredentials returns an access token for a client that [client.Service.Authenticate]
// returned (RFC 6749 section 4.4). Issuing one writes nothing. A refusal is
// *Error (unauthorized_client, invalid_scope, invalid_target) and leaves an
// event.
func (p *Service) ClientCredentials(ctx context.Context, c oidc.Client, q TokenRequest) (token.Token, error) {
	if err := p.checkRequest(c, &q); err != nil {
		oidc.RefusedToken(ctx, p.c.Journal, c, q.RequestID, err)
		return token.Token{}, err
	}
	return p.c.Tokens.IssueToClient(ctx, c, q.Scopes)
}

// checkRequest checks a request and fills in its scopes.
func (p *Service) checkRequest(c oidc.Client, q *TokenRequest) *oidc.Error {
	if !c.Has(oidc.GrantClientCredentials) {
		return &oidc.Error{Code: oidc.UnauthorizedClient, Description: "the client is not registered for this grant type", Reason: "grant_unregistered"}
	}
	if slices.ContainsFunc(q.Resources, func(r string) bool { return r != p.c.Issuer }) {
		return &oidc.Error{Code: oidc.InvalidTarget, Description: "no such resource; leave the parameter out for the API of this service", Reason: "resource_unknown"}
	}
	if len(q.Scopes) == 0 {
		q.Scopes = slices.DeleteFunc(slices.Clone(c.Scopes), oidc.Scope.OfPerson)
		return nil
	}
	for _, s := range q.Scopes {
		if !s.Known() {
			return &oidc.Error{Code: oidc.InvalidScope, Description: "no such scope", Reason: "scope_unknown"}
		}
		if s.OfPerson() {
			return &oidc.Error{Code: oidc.InvalidScope, Description: "one of these scopes belongs to the login of a person", Reason: "scope_of_person"}
		}
		if !slices.Contains(c.Scopes, s) {
			return &oidc.Error{Code: oidc.InvalidScope, Description: "the client is not registered for one of these scopes", Reason: "scope_unregistered"}
		}
	}
	return nil
}
