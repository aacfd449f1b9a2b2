// Package grant redeems what clients present at the token endpoint: authorization codes,
// refresh tokens, and their own credentials. Each grant type has a file of its own and a line in
// the table in this file. If a grant type needs a further endpoint, that belongs in api/oauth.
package grant

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/keeper"
	"yizheng.internal/oidc/token"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/vault"
)

// Config says what a Service works with.
type Config struct {
	Issuer    string
	Clients   *client.Service
	Families  *token.Families // nil: people can't log in
	Tokens    *token.Service
	Kept      *keeper.Keeper
	Ephemeral ephemeral.Store
	Vault     *vault.Vault
	Licenses  Delivery // nil: there are none
	Journal   *journal.Recorder
	Step      func(name string) // called at each step of a request, for failpoints in tests
}

// Delivery delivers the licenses that were granted with a login. An [oidc.Resolver] has its method.
type Delivery interface {
	// Deliver activates a grant for the authorization code with that hash, or
	// renews a recurring one that is active, and returns the granted details, a
	// JSON array. The same code again gets the same answer.
	Deliver(ctx context.Context, c oidc.Client, grant string, code [32]byte) (jsontext.Value, error)
}

// grantType is one of the ways to get a token. The caller of redeem has checked the request
// with checkGrantType, and records refusals.
type grantType struct {
	oidc.GrantRule
	redeem func(p *Service, ctx context.Context, c oidc.Client, q Request) (token.Tokens, error)
}

// types are all grant types, in the order of the metadata. A new grant type needs a file of
// its own and a line here.
var types = []grantType{
	authorizationCode,
	refreshToken,
	clientCredentials,
}

// find returns a grant type by its name; false if there is no such type.
func find(g oidc.GrantType) (grantType, bool) {
	i := slices.IndexFunc(types, func(t grantType) bool { return t.Type == g })
	if i < 0 {
		return grantType{}, false
	}
	return types[i], true
}

// Rules returns the rules of all grant types; people says whether to include those that need
// people's logins.
func Rules(people bool) (rules []oidc.GrantRule) {
	for _, t := range types {
		if people || !t.People {
			rules = append(rules, t.GrantRule)
		}
	}
	return rules
}

// RuleOf returns the rule of a grant type, or false if Rules doesn't include it.
func RuleOf(g oidc.GrantType, people bool) (oidc.GrantRule, bool) {
	t, ok := find(g)
	return t.GrantRule, ok && (people || !t.People)
}

// Types returns the names of the grant types whose rules Rules returns.
func Types(people bool) (names []oidc.GrantType) {
	for _, r := range Rules(people) {
		names = append(names, r.Type)
	}
	return names
}

// Request is what an authenticated client sends to the token endpoint (RFC 6749 section 3.2).
type Request struct {
	Type      oidc.GrantType
	Form      url.Values // all parameters; only resource may be repeated
	RequestID string     // for the event of a refusal
}

// Service redeems what clients present at the token endpoint. Safe for concurrent use.
type Service struct {
	c Config
}

// New returns the service.
func New(c Config) *Service { return &Service{c} }

// Redeem returns what an authenticated client gets for a request of any grant type. Refusals
// are *oidc.Error. They are recorded as [oidc.RefusedToken] says, except temporarily_unavailable.
func (p *Service) Redeem(ctx context.Context, c oidc.Client, q Request) (token.Tokens, error) {
	t, err := p.redeem(ctx, c, q)
	if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code != oidc.TemporarilyUnavailable {
		oidc.RefusedToken(ctx, p.c.Journal, c, q.RequestID, e)
	}
	return t, err
}

// redeem is Redeem without the event of a refusal.
func (p *Service) redeem(ctx context.Context, c oidc.Client, q Request) (token.Tokens, error) {
	g, ok := find(q.Type)
	if !ok {
		return token.Tokens{}, &oidc.Error{Code: oidc.UnsupportedGrantType, Description: "there is no such grant type", Reason: "grant_type_unsupported"}
	}
	if err := p.checkGrantType(c, g.GrantRule, q.Form["resource"]); err != nil {
		return token.Tokens{}, err
	}
	return g.redeem(p, ctx, c, q)
}

// checkGrantType checks what doesn't depend on what the client presents. It checks the rule of
// the grant type again, whatever the client is registered for.
func (p *Service) checkGrantType(c oidc.Client, g oidc.GrantRule, resources []string) error {
	switch {
	case g.People && p.c.Families == nil, g.Secret && c.Public(), !c.Has(g.Type):
		return &oidc.Error{Code: oidc.UnauthorizedClient, Description: "the client is not registered for this grant type", Reason: "grant_unregistered"}
	case slices.ContainsFunc(resources, func(r string) bool { return r != p.c.Issuer }):
		return &oidc.Error{Code: oidc.InvalidTarget, Description: "no such resource; leave the parameter out for the API of this service", Reason: "resource_unknown"}
	}
	return nil
}
