// Package token makes, checks and ends what clients get from a login: families, access tokens
// (RFC 9068), ID tokens and refresh tokens. It also answers introspection (RFC 7662), revocation
// (RFC 7009) and user info requests, and returns the key set.
package token

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/fresh"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/session"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
)

// Access is what a checked access token entitles its bearer to.
type Access struct {
	Client      string
	Participant identity.Participant
	Scopes      []string

	// For a token about a person; otherwise empty.
	Subject string // the person's subject at the client
	Party   string // the person's id
	Family  string
	Grant   string // license grant; empty: none
}

// Has reports whether the token carries a scope.
func (a Access) Has(s oidc.Scope) bool { return slices.Contains(a.Scopes, string(s)) }

// claims are the claims of an access token (RFC 9068 section 2.2). Times are in seconds
// since 1970.
type claims struct {
	jose.Registered
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
	TokenID  string `json:"jti"`

	// For a token about a person.
	AuthTime int64  `json:"auth_time,omitzero"`
	ACR      string `json:"acr,omitempty"`
	Family   string `json:"family,omitempty"`   // a private claim: the token's family
	Grant    string `json:"grant_id,omitempty"` // a private claim: the license grant
	BehalfClaims

	key string // the kid of the key that signed the token; not a claim
}

// Token is an access token in an answer of the token endpoint.
type Token struct {
	Access  oidc.Secret   // a JWT of RFC 9068, a bearer token
	Expires time.Duration // how long the token lives, in whole seconds
	Scopes  []oidc.Scope  // the scopes that it carries
}

// MaxTTL is the longest life of an access token.
const MaxTTL = 5 * time.Minute

// Config says what a Service works with.
type Config struct {
	Issuer   string
	TTL      time.Duration // life of access tokens, in whole seconds
	Keyrings *signing.Keyrings
	Verifier *jose.Verifier
	Spent    Spent // as AuthenticSpent returns it; nil: clients' own tokens can't be revoked
	Clients  *client.Service
	Journal  *journal.Recorder

	// For people's logins; nil: people can't log in.
	Sessions *session.Service
	Families *Families
	Subjects *Subjects
	Identity *identity.Service
}

// Service makes tokens and checks them. Safe for concurrent use.
type Service struct {
	c        Config
	verified *fresh.Bounded[tokenHash, claims]
	denied   *fresh.Cache[bool] // by an access token's id, or by minuteOf
}

// New returns the service.
func New(c Config) *Service {
	s := &Service{c: c, verified: fresh.NewBounded[tokenHash, claims](maxCachedTokens)}
	s.denied = fresh.NewCache(maxCachedTokens, s.readDenied)
	return s
}

const (
	maxTokenBytes   = 4 << 10 // the longest access token that is read; ours have about 700 bytes
	maxCachedTokens = 16384   // verified tokens, about 1 KiB each
	clockSkew       = 10      // how many seconds the clocks of our nodes may differ
)

// tokenHash is the SHA-256 of a token.
type tokenHash [sha256.Size]byte

// CheckAccessToken verifies an access token that this provider issued: its signature, typ,
// issuer, audience and period; that neither the token nor its key was revoked; and that its
// client and participant are enabled. For a token about a person, the family, the session,
// the account and the license grant must be live, too.
//
// If another process ends, disables or revokes one of these, the token is refused within 2
// seconds; if this process does, at once. After a grant is withdrawn, its tokens are refused
// at once everywhere. A revoked key is refused as soon as the keyrings read it again.
//
// Errors: *Error invalid_token or temporarily_unavailable. With the Reason client_disabled or
// participant_disabled, the token is genuine, and the Access is returned beside the error,
// for the event.
func (p *Service) CheckAccessToken(ctx context.Context, token string) (Access, error) {
	_, access, err := p.checkToken(ctx, token)
	return access, err
}

// checkToken is CheckAccessToken, and also returns the token's claims wherever it returns
// the Access.
func (p *Service) checkToken(ctx context.Context, token string) (claims, Access, error) {
	t, err := p.genuine(ctx, token)
	if err != nil {
		return claims{}, Access{}, err
	}
	if time.Now().Unix() >= t.Expires {
		return claims{}, Access{}, invalidToken("token_expired", "the access token has expired", nil)
	}
	s, err := p.c.Clients.Standing(ctx, t.ClientID)
	if errors.Is(err, oidc.ErrNotFound) {
		return claims{}, Access{}, invalidToken("client_unknown", "the access token is not valid", err)
	}
	if err != nil {
		return claims{}, Access{}, err
	}
	access := Access{Client: t.ClientID, Participant: s.Participant, Scopes: strings.Fields(t.Scope)}
	if reason, description := s.Refusal(); reason != "" {
		return t, access, invalidToken(reason, description, nil)
	}
	if t.Family == "" {
		return t, access, p.checkDenied(ctx, &t)
	}
	f, err := p.checkPerson(ctx, &t)
	if err != nil {
		return claims{}, Access{}, err
	}
	access.Subject, access.Party, access.Family, access.Grant = t.Subject, f.body.About.Party, f.ID, t.Grant
	return t, access, nil
}

// genuine verifies the parts of an access token that can't change, and that its key is
// still valid. It verifies a signature only once, and then caches the claims under the
// token's hash, so that memory holds no tokens.
func (p *Service) genuine(ctx context.Context, token string) (claims, error) {
	hash := tokenHash(sha256.Sum256([]byte(token)))
	t, known := p.verified.Load(hash)
	if !known {
		var err error
		if t, err = p.verifyAccessToken(ctx, token); err != nil {
			return claims{}, err
		}
		p.verified.Store(hash, t)
	}
	if _, err := p.tokenKey(ctx, t.key, t.Issued); err != nil {
		return claims{}, keyError(err)
	}
	return t, nil
}

// checkPerson checks that a token about a person is still valid, and returns its family.
func (p *Service) checkPerson(ctx context.Context, t *claims) (*Family, error) {
	if p.c.Families == nil || !identity.ValidID(t.Family) {
		return nil, invalidToken("token_claims", "the access token is not valid", nil)
	}
	f, err := p.c.Families.recent(ctx, t.Family)
	if errors.Is(err, oidc.ErrNotFound) {
		return nil, invalidToken("family_unknown", "the access token is not valid", nil)
	}
	if err != nil {
		return nil, err
	}
	if f.Client != t.ClientID || f.body.About.Grant != t.Grant {
		return nil, invalidToken("token_claims", "the access token is not valid", nil)
	}
	if err = p.c.Families.check(ctx, f); err == nil {
		err = p.c.Families.checkGrant(ctx, t.Grant)
	}
	if over, ok := errors.AsType[Over](err); ok {
		return nil, invalidToken(oidc.Reason("token_"+over), "what the access token was issued for is over", nil)
	}
	return f, err
}

func invalidToken(reason oidc.Reason, description string, err error) *oidc.Error {
	return &oidc.Error{Code: oidc.InvalidToken, Description: description, Reason: reason, Err: err}
}

// verifyAccessToken checks a token's form, signature, typ and claims, but not whether it
// has expired.
func (p *Service) verifyAccessToken(ctx context.Context, token string) (claims, error) {
	var t claims
	header, err := jose.ParseToken(ctx, token, jose.Expectation{
		Typ: jose.TypAccessToken, Max: maxTokenBytes, Verifier: p.c.Verifier,
		Key: func(h jose.Header, _ []byte) (crypto.PublicKey, error) {
			return p.tokenKey(ctx, h.KeyID, 0)
		},
	}, jose.Rule{Issuer: p.c.Issuer, Audience: p.c.Issuer}, &t)
	if err != nil {
		return claims{}, keyError(err)
	}
	t.key = header.KeyID
	return t, nil
}

// Validate checks the claims except issuer, audience and expiry. It returns a
// *jose.TokenError token_claims or token_period.
func (t *claims) Validate() error {
	switch {
	case t.ClientID == "" || t.Subject == "" || t.TokenID == "":
		return &jose.TokenError{Reason: jose.ReasonClaims}
	case t.Issued > time.Now().Unix()+clockSkew || t.Expires <= t.Issued || t.Expires-t.Issued > int64(MaxTTL/time.Second):
		return &jose.TokenError{Reason: "token_period"}
	}
	return nil
}

// errTokenKey says that a key doesn't verify tokens of this kind.
var errTokenKey = errors.New("the key does not verify tokens of this kind")

// tokenKey returns the key for an access token issued at a time.
func (p *Service) tokenKey(ctx context.Context, kid string, issued int64) (crypto.PublicKey, error) {
	return p.publicKey(ctx, kid, issued, signing.PurposeAccessToken)
}

// publicKey returns the key with a kid, which must have one of the purposes. issued is the
// time at which the token was issued, or 0 if the token isn't read yet. A revoked key is
// refused. A retired key is refused for tokens that were issued later, so that somebody who
// stole it can't use it forever.
func (p *Service) publicKey(ctx context.Context, kid string, issued int64, purposes ...signing.Purpose) (crypto.PublicKey, error) {
	key, err := p.c.Keyrings.ByKID(ctx, kid)
	if err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(purposes, key.Purpose) || key.Owner != "" || key.Public == nil:
		return nil, errTokenKey
	case key.Algorithm != string(key.Purpose.Algorithm()) || key.State == signing.KeyRevoked:
		return nil, errTokenKey
	case key.State == signing.KeyRetired && issued > key.Retired.Unix()+retiredGrace:
		return nil, errTokenKey
	}
	return key.Public, nil
}

// retiredGrace is how long, in seconds, other nodes may go on signing with a key until they
// see that it was retired.
const retiredGrace = 60

// keyError maps an error of verifying a token: to a refusal if the token is bad, or to
// temporarily_unavailable if its key could not be read.
func keyError(err error) error {
	refusal, ok := errors.AsType[*jose.TokenError](err)
	if !ok {
		refusal = &jose.TokenError{Reason: jose.ReasonKey, Err: err}
	}
	if refusal.Reason == jose.ReasonKey && !isNoKey(refusal.Err) {
		return oidc.Unavailable(err)
	}
	description, ok := refusals[refusal.Reason]
	if !ok {
		description = "the access token is not valid"
	}
	return invalidToken(oidc.Reason(refusal.Reason), description, err)
}

// refusals has the descriptions that say more than that an access token isn't valid.
var refusals = map[jose.Reason]string{
	jose.ReasonIssuer:   "the access token is of another issuer",
	jose.ReasonAudience: "the access token is for another resource",
	jose.ReasonExpired:  "the access token has expired",
}

func isNoKey(err error) bool {
	return errors.Is(err, signing.ErrNoKey) || errors.Is(err, errTokenKey)
}
