// Package provider assembles the OpenID provider from its packages and gives each what it uses.
package provider

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/behalf"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/consent"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/grant"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/tries"
	"yizheng.internal/oidc/keeper"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/scan"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/token"
	"yizheng.internal/oidc/waiting"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/signing/vault"
)

// Config says what a Provider works with.
type Config struct {
	Issuer       string // the OpenID issuer, absolute, without a slash at the end
	Clients      client.Store
	Participants identity.Participants
	Events       journal.Appender
	Keyrings     *signing.Keyrings

	// For people's logins. Without Sessions, people can't log in.
	Sessions  session.Store
	Families  token.FamilyStore
	Consents  consent.Store
	Spent     token.Spent
	Settings  token.Settings
	Ephemeral ephemeral.Store
	Identity  *identity.Service
	Factors   flow.Factors           // checks the proofs by which people log in
	Phones    flow.Phones            // logs people in with their phone; nil: nobody
	Raises    factor.Assurance       // the highest level to which people raise their proofing here; 0: they don't
	Upstreams flow.Upstreams         // logs people in with other providers; nil: nobody
	Acting    behalf.Representations // says who may act for whom; nil: nobody acts for others
	Vault     *vault.Vault
	Resolver  oidc.Resolver // nil: authorization details aren't accepted
	Networks  scan.Networks // those that the operator has named
	// Step, if set, is called with the name of each step of a request, for failpoints in tests.
	Step func(name string)

	SessionIdle time.Duration // a session that is unused for so long ends; default 30 minutes
	SessionLife time.Duration // the longest life of a session, even if it is used; default 12 hours
	OfflineLife time.Duration // the longest life of offline access; default 90 days

	Verifier *jose.Verifier // default: a new one
	TokenTTL time.Duration  // life of access tokens, in whole seconds; default and at most 5 minutes
	Log      *slog.Logger   // default: discards
}

// Provider has the OpenID provider's rules. Safe for concurrent use.
//
// It caches clients and participants for at most 2 seconds. If this process disables one,
// it is refused at once; if another process does, it is refused 2 seconds later at the
// latest. That includes tokens issued before. The same holds for sessions and families
// that end. An account that any process disables is refused within 2 seconds.
type Provider struct {
	Journal  *journal.Recorder
	Clients  *client.Service
	Sessions *session.Service
	Families *token.Families
	Subjects *token.Subjects
	Tokens   *token.Service
	Grants   *grant.Service
	Consents *consent.Service
	Behalf   *behalf.Service
	Scans    *scan.Service // nil: nobody can log in
	Flow     *flow.Service
	Logouts  *request.Logouts

	c Config
}

// New checks c and returns a Provider.
func New(c Config) (*Provider, error) {
	if c.Clients == nil || c.Participants == nil || c.Events == nil || c.Keyrings == nil {
		return nil, errors.New("a provider needs Clients, Participants, Events and Keyrings")
	}
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil:
		return nil, fmt.Errorf("issuer: %w", err)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil:
		return nil, fmt.Errorf("issuer %q is not an absolute http or https URL", c.Issuer)
	case c.Issuer != u.Scheme+"://"+u.Host: // forms and cookies belong to that origin
		return nil, fmt.Errorf("issuer %q has a path, a query or a fragment", c.Issuer)
	}
	if c.TokenTTL == 0 {
		c.TokenTTL = token.MaxTTL
	}
	if c.TokenTTL < time.Second || c.TokenTTL > token.MaxTTL || c.TokenTTL%time.Second != 0 {
		return nil, fmt.Errorf("access tokens live for 1 to 300 whole seconds, not %v", c.TokenTTL)
	}
	if err := c.checkLogins(); err != nil {
		return nil, err
	}
	if c.Verifier == nil {
		c.Verifier = jose.NewVerifier(sm2.Config{})
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.authenticate()
	if c.Step == nil {
		c.Step = func(string) {}
	}
	return c.assemble(), nil
}

// assemble makes the services, each with what it uses.
func (c *Config) assemble() *Provider {
	p := &Provider{c: *c}
	p.Journal = oidc.NewRecorder(c.Events, c.Log)
	p.Clients = client.New(client.Config{Clients: c.Clients, Participants: c.Participants, Grants: grant.Rules(true), Journal: p.Journal})
	tokens := token.Config{
		Issuer: c.Issuer, TTL: c.TokenTTL, Keyrings: c.Keyrings, Verifier: c.Verifier, Spent: c.Spent, Clients: p.Clients, Journal: p.Journal,
	}
	p.Sessions = session.New(session.Config{
		Store: c.Sessions, Vault: c.Vault, Identity: c.Identity, Journal: p.Journal, Idle: c.SessionIdle, Life: c.SessionLife, Step: c.Step,
	})
	if c.Sessions != nil {
		p.Families = token.NewFamilies(token.FamilyConfig{
			Store: c.Families, Spent: c.Spent, Vault: c.Vault, Sessions: p.Sessions, Journal: p.Journal, Licenses: c.Resolver, Acting: c.Acting, Step: c.Step,
		})
		p.Sessions.OnEnd(p.Families.EndWith)
		tokens.Sessions, tokens.Families, tokens.Identity = p.Sessions, p.Families, c.Identity
		p.Subjects = token.NewSubjects(c.Vault, c.Settings)
		tokens.Subjects = p.Subjects
	}
	p.Tokens = token.New(tokens)
	kept := keeper.New(c.Ephemeral, c.Vault, c.Log)
	p.Grants = grant.New(grant.Config{
		Issuer: c.Issuer, Clients: p.Clients, Families: p.Families, Tokens: p.Tokens, Kept: kept, Ephemeral: c.Ephemeral, Vault: c.Vault,
		Licenses: c.Resolver, Journal: p.Journal, Step: c.Step,
	})
	var requests *waiting.Requests
	if c.Sessions != nil {
		requests = waiting.New(waiting.Config{Kept: kept, Uses: c.Ephemeral, Vault: c.Vault, Clients: p.Clients})
		p.Consents = consent.New(consent.Config{Store: c.Consents, Vault: c.Vault, Clients: p.Clients, Families: p.Families, Journal: p.Journal})
		p.Scans = scan.New(scan.Config{
			Kept: kept, Counters: tries.New(c.Ephemeral, c.Vault, c.Log), Sessions: p.Sessions, Spent: c.Spent, Vault: c.Vault, Journal: p.Journal,
			Networks: c.Networks,
		})
	}
	p.Behalf = behalf.New(behalf.Config{Acting: c.Acting, Sessions: p.Sessions})
	p.Flow = flow.New(flow.Config{
		Issuer: c.Issuer, OfflineLife: c.OfflineLife, Clients: p.Clients, Sessions: p.Sessions, Families: p.Families, Subjects: p.Subjects,
		Tokens: p.Tokens, Grants: p.Grants, Consents: p.Consents, Behalf: p.Behalf, Waiting: requests,
		Factors: c.Factors, Phones: c.Phones, Scans: p.Scans, Raises: c.Raises, Upstreams: c.Upstreams, Resolver: c.Resolver, Journal: p.Journal, Log: c.Log, Step: c.Step,
	})
	p.Logouts = &request.Logouts{Reader: request.New(request.Config{Issuer: c.Issuer, Clients: p.Clients, Tokens: p.Tokens})}
	if p.Families != nil {
		p.Logouts.Sessions = p.Sessions
	}
	return p
}

// authenticate wraps the stores, so that they return only records that were written here.
func (c *Config) authenticate() {
	auth := c.Keyrings.Auth()
	c.Clients = client.Authentic(c.Clients, auth)
	c.Participants = identity.AuthenticParticipants(c.Participants, auth)
	if c.Sessions != nil {
		c.Sessions, c.Families = session.Authentic(c.Sessions, auth), token.AuthenticFamilies(c.Families, c.Spent, auth)
	}
	if c.Spent != nil {
		c.Spent = token.AuthenticSpent(c.Spent, auth)
	}
	if c.Consents != nil {
		c.Consents = consent.Authentic(c.Consents, auth)
	}
}

// checkLogins checks what people's logins need, and fills in defaults.
func (c *Config) checkLogins() error {
	if c.Sessions == nil {
		return nil
	}
	if c.Families == nil || c.Consents == nil || c.Spent == nil || c.Settings == nil || c.Ephemeral == nil || c.Identity == nil || c.Factors == nil || c.Vault == nil {
		return errors.New("a provider with Sessions needs Families, Consents, Spent, Settings, Ephemeral, Identity, Factors and Vault")
	}
	c.SessionIdle = cmp.Or(c.SessionIdle, 30*time.Minute)
	c.SessionLife = cmp.Or(c.SessionLife, 12*time.Hour)
	c.OfflineLife = cmp.Or(c.OfflineLife, 90*24*time.Hour)
	if c.SessionIdle < time.Minute || c.SessionLife < c.SessionIdle || c.OfflineLife < c.SessionLife {
		return errors.New("SessionIdle is at least a minute, SessionLife at least SessionIdle, and OfflineLife at least SessionLife")
	}
	return nil
}
