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
	(*Service).redeemCredentials,
}

// redeemCredentials returns an access token for the client itself. Issuing one writes nothing.
// Refusals are *Error invalid_scope.
func (p *Service) redeemCredentials(ctx context.Context, c oidc.Client, q Request) (token.Tokens, error) {
	scopes, err := ownScopes(c, q.Form.Get("scope"))
	if err != nil {
		return token.Tokens{}, err
	}
	t, err := p.c.Tokens.IssueToClient(ctx, c, scopes)
	return token.Tokens{Token: t}, err
}

// ownScopes reads the scopes that a client asks for to act for itself. If it names none, it gets
// all scopes that it is registered for, except those of people's logins.
func ownScopes(c oidc.Client, param string) ([]oidc.Scope, error) {
	scopes, err := oidc.ParseScopes(param)
	if err != nil {
		return nil, err
	}
	if len(scopes) == 0 {
		return slices.DeleteFunc(slices.Clone(c.Scopes), oidc.Scope.OfPerson), nil
	}
	for _, s := range scopes {
		if !s.Known() {
			return nil, &oidc.Error{Code: oidc.InvalidScope, Description: "no such scope", Reason: "scope_unknown"}
		}
		if s.OfPerson() {
			return nil, &oidc.Error{Code: oidc.InvalidScope, Description: "one of these scopes belongs to the login of a person", Reason: "scope_of_person"}
		}
		if !slices.Contains(c.Scopes, s) {
			return nil, &oidc.Error{Code: oidc.InvalidScope, Description: "the client is not registered for one of these scopes", Reason: "scope_unregistered"}
		}
	}
	return scopes, nil
}
