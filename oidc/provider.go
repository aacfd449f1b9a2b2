package oidc

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/sm2"
)

// Config says what a Provider works with.
type Config struct {
	Issuer       string // the OpenID issuer, absolute, without a slash at the end
	Clients      Clients
	Participants identity.Participants
	Events       journal.Appender
	Keyrings     *signing.Keyrings

	// For people's logins; without Sessions there are none.
	Sessions  Sessions
	Families  Families
	Consents  Consents
	Spent     Spent
	Settings  Settings
	Ephemeral identity.Ephemeral
	Identity  *identity.Service
	Vault     *signing.Vault
	Resolver  Resolver // nil: no authorization details are taken
	// Step, if set, is called with the name of each step of a request: failpoints of tests.
	Step func(name string)

	SessionIdle time.Duration // a session unused for so long is over; default 30 minutes
	SessionLife time.Duration // the longest that a session lives, however much it is used; default 12 hours
	OfflineLife time.Duration // the longest that offline access lives; default 90 days

	Verifier *jose.Verifier // default: a new one
	TokenTTL time.Duration  // of access tokens, in whole seconds; default and at most 5 minutes
	Log      *slog.Logger   // default: discards
}

// MaxTokenTTL is the longest that an access token lives.
const MaxTokenTTL = 5 * time.Minute

// Provider is the OpenID provider's rules. Safe for concurrent use.
//
// It keeps clients and participants that it read for at most 2 seconds, so
// that a client or participant disabled by another process is refused, also
// with tokens issued before, 2 seconds later at the latest; by this process at
// once. The same holds for accounts that are disabled, wherever that is done, and
// for sessions and families that end.
type Provider struct {
	c         Config
	standings *freshCache[standing]
	tokens    *boundedCache[tokenHash, claims]
	accounts  *freshCache[accountState]
	sessions  *freshCache[SessionRecord] // without their bodies
	families  *freshCache[*family]
	opened    *boundedCache[string, openedBody]     // by family
	headers   *boundedCache[tokenKind, jose.Header] // prepared
	denied    *freshCache[bool]                     // by the id of an access token, or by minuteOf
	subjects  subjects
	journal   *journal.Recorder
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
	case c.Issuer != u.Scheme+"://"+u.Host: // forms and cookies are held to that origin
		return nil, fmt.Errorf("issuer %q has a path, a query or a fragment", c.Issuer)
	}
	if c.TokenTTL == 0 {
		c.TokenTTL = MaxTokenTTL
	}
	if c.TokenTTL < time.Second || c.TokenTTL > MaxTokenTTL || c.TokenTTL%time.Second != 0 {
		return nil, fmt.Errorf("access tokens live whole seconds, 1 to 300: not %v", c.TokenTTL)
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
	p := &Provider{c: c, journal: NewRecorder(c.Events, c.Log), tokens: newBoundedCache[tokenHash, claims](maxCachedTokens)}
	p.standings = newFreshCache(maxCachedClients, p.readStanding)
	p.accounts = newFreshCache(maxCachedAccounts, p.readAccount)
	p.sessions = newFreshCache(maxCachedAccounts, p.readSessionRecord)
	p.families = newFreshCache(maxCachedFamilies, p.readFamily)
	p.opened = newBoundedCache[string, openedBody](maxOpened)
	p.headers = newBoundedCache[tokenKind, jose.Header](maxHeaders)
	p.denied = newFreshCache(maxCachedTokens, p.readDenied)
	return p, nil
}

// authenticate lets only records through that were written here.
func (c *Config) authenticate() {
	auth := c.Keyrings.Auth()
	c.Clients = AuthenticClients(c.Clients, auth)
	c.Participants = identity.AuthenticParticipants(c.Participants, auth)
	if c.Sessions != nil {
		c.Sessions, c.Families = AuthenticSessions(c.Sessions, auth), AuthenticFamilies(c.Families, c.Spent, auth)
	}
	if c.Spent != nil {
		c.Spent = AuthenticSpent(c.Spent, auth)
	}
	if c.Consents != nil {
		c.Consents = AuthenticConsents(c.Consents, auth)
	}
}

// checkLogins checks what people's logins need, and fills in defaults.
func (c *Config) checkLogins() error {
	if c.Sessions == nil {
		return nil
	}
	if c.Families == nil || c.Consents == nil || c.Spent == nil || c.Settings == nil || c.Ephemeral == nil || c.Identity == nil || c.Vault == nil {
		return errors.New("a provider with Sessions needs Families, Consents, Spent, Settings, Ephemeral, Identity and Vault")
	}
	c.SessionIdle = cmp.Or(c.SessionIdle, 30*time.Minute)
	c.SessionLife = cmp.Or(c.SessionLife, 12*time.Hour)
	c.OfflineLife = cmp.Or(c.OfflineLife, 90*24*time.Hour)
	if c.SessionIdle < time.Minute || c.SessionLife < c.SessionIdle || c.OfflineLife < c.SessionLife {
		return errors.New("sessions are idle for a minute or more, live longer than that, and offline access longer still")
	}
	return nil
}

// step calls Config.Step.
func (p *Provider) step(name string) {
	if p.c.Step != nil {
		p.c.Step(name)
	}
}

// Issuer returns the OpenID issuer, which is also the audience of access
// tokens for the service's own API.
func (p *Provider) Issuer() string { return p.c.Issuer }
