// Package grant redeems what clients bring to the token endpoint, one file a grant type:
// authorization codes, refresh tokens, and their own credentials. A further one is a file and a
// line of the table in this file; an endpoint that it needs beside the token endpoint is api/oauth's.
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
	"yizheng.internal/oidc/identity"
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
	Kept      *ephemeral.Keeper
	Ephemeral identity.Ephemeral
	Vault     *vault.Vault
	Licenses  Delivery // nil: there are none
	Journal   *journal.Recorder
	Step      func(name string) // is called at each step of a request: failpoints of tests
}

// Delivery delivers the licenses that were granted with a login. [oidc.Resolver] has it.
type Delivery interface {
	// Deliver activates a grant for the authorization code with that hash, or
	// renews a recurring one that is active, and returns the granted details, a
	// JSON array. The same code again gets the same answer.
	Deliver(ctx context.Context, c oidc.Client, grant string, code [32]byte) (jsontext.Value, error)
}

// grantType is one of the ways to get a token.
type grantType struct {
	oidc.GrantRule
	redeem func(ctx context.Context, p *Service, c oidc.Client, q Request) (token.Tokens, error)
}

// types are all that there are, in the order of the metadata. A further one is a file of its
// own and a line here.
var types = []grantType{
	authorizationCode,
	refreshToken,
	clientCredentials,
}

// Rules returns the rules of all grant types, for people's logins or without them.
func Rules(people bool) (rules []oidc.GrantRule) {
	for _, t := range types {
		if people || !t.People {
			rules = append(rules, t.GrantRule)
		}
	}
	return rules
}

// RuleOf returns the rule of one of them; false if there is no such type.
func RuleOf(g oidc.GrantType, people bool) (oidc.GrantRule, bool) {
	for i := range types {
		if t := &types[i]; t.Type == g {
			return t.GrantRule, people || !t.People
		}
	}
	return oidc.GrantRule{}, false
}

// Types names all grant types, likewise.
func Types(people bool) (names []oidc.GrantType) {
	for _, r := range Rules(people) {
		names = append(names, r.Type)
	}
	return names
}

// Request is what an authenticated client sends to the token endpoint (RFC 6749 section 3.2).
type Request struct {
	Type      oidc.GrantType
	Form      url.Values // all parameters, each once but resource
	RequestID string     // for the event of a refusal
}

// Service redeems what clients bring to the token endpoint: one file a grant type.
// Safe for concurrent use.
type Service struct {
	c Config
}

// New returns the service.
func New(c Config) *Service { return &Service{c} }

// Redeem returns what a client gets for a request of any grant type. Refusals are *oidc.Error
// and leave an event, as those of the type's own method do.
func (p *Service) Redeem(ctx context.Context, c oidc.Client, q Request) (token.Tokens, error) {
	i := slices.IndexFunc(types, func(t grantType) bool { return t.Type == q.Type })
	if i < 0 {
		return token.Tokens{}, &oidc.Error{Code: oidc.UnsupportedGrantType, Description: "there is no such grant type", Reason: "grant_type_unsupported"}
	}
	return types[i].redeem(ctx, p, c, q)
}

// tokenRefused records a refusal of the token endpoint and returns it.
func (p *Service) tokenRefused(ctx context.Context, c oidc.Client, requestID string, err error) error {
	if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code != oidc.TemporarilyUnavailable {
		oidc.RefusedToken(ctx, p.c.Journal, c, requestID, e)
	}
	return err
}

// checkGrantType checks what needs no look at the code or token.
func (p *Service) checkGrantType(c oidc.Client, g oidc.GrantType, resources []string) error {
	switch {
	case p.c.Families == nil || !c.Has(g):
		return &oidc.Error{Code: oidc.UnauthorizedClient, Description: "the client is not registered for this grant type", Reason: "grant_unregistered"}
	case slices.ContainsFunc(resources, func(r string) bool { return r != p.c.Issuer }):
		return &oidc.Error{Code: oidc.InvalidTarget, Description: "no such resource; leave the parameter out for the API of this service", Reason: "resource_unknown"}
	}
	return nil
}
