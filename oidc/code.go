package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/journal"
)

// granted is what an authorization code yields, as it lies sealed under the
// code's hash. The code itself is random and carries nothing.
type granted struct {
	Client      string    `json:"client"`
	RedirectURI string    `json:"redirect_uri"`
	Challenge   string    `json:"challenge,omitempty"`
	Nonce       string    `json:"nonce,omitempty"`
	Session     string    `json:"session"`
	Offline     bool      `json:"offline,omitempty"`
	Ends        time.Time `json:"ends"` // the latest end of what it yields
	Expires     time.Time `json:"expires"`
	About       about     `json:"about"`
}

const (
	codeLife   = time.Minute
	wrongTries = 3         // with which a code ends
	spentKept  = time.Hour // that a spent code is remembered longer than what it yielded
)

// grantCode answers a request with an authorization code.
func (p *Provider) grantCode(ctx context.Context, a *asking) (Step, error) {
	offline, err := p.offline(ctx, a)
	if err != nil {
		return Step{}, err
	}
	now := time.Now().UTC()
	g := granted{
		Client: a.client.ID, RedirectURI: a.Request.RedirectURI, Challenge: a.Request.Challenge, Nonce: a.Request.Nonce,
		Session: a.login.ID, Offline: offline, Ends: a.login.Expires, Expires: now.Add(codeLife),
		About: about{
			Account: a.login.body.Account, Party: a.login.body.Party, SID: a.login.sid(a.client.ID), AuthTime: a.login.body.AuthTime.Unix(),
			Factors: a.login.body.Factors, Assurance: a.login.assurance(), Scopes: a.scopes(), Grant: a.grant,
		},
	}
	if offline {
		g.Ends = now.Add(p.c.OfflineLife)
	} else {
		g.About.Scopes = slices.DeleteFunc(slices.Clone(g.About.Scopes), func(s Scope) bool { return s == ScopeOffline })
	}
	code := NewHandle()
	owner, err := identity.OwnerOf(ctx, p.c.Vault, a.login.body.Account)
	if err != nil {
		return Step{}, err
	}
	how := identity.Keeping{Part: identity.PartReserved, Owner: owner, Until: g.Expires}
	if err := p.keep(ctx, keptCode, code.handleHash(), g, how); err != nil {
		return Step{}, err
	}
	p.step("code.kept")
	return Step{
		Kind: StepDone, Request: a.Request.view(a.standing),
		Response: p.response(&a.Request.destination, Parameter{"code", code.text}),
	}, nil
}

// CodeRequest redeems an authorization code (RFC 6749 section 4.1.3).
type CodeRequest struct {
	Code         string
	RedirectURI  string
	CodeVerifier string
	Resources    []string
	RequestID    string
}

// Tokens is what the token endpoint answers to a code or a refresh token.
type Tokens struct {
	Token
	ID      Secret         // the ID token; zero: there was no openid
	Refresh Secret         // zero: none
	Details jsontext.Value // authorization_details as granted, with use codes; nil: none
}

func badGrant(reason, description string) *Error {
	return &Error{Code: InvalidGrant, Description: description, Reason: reason}
}

// errCode is the one answer to codes that are unknown, expired, spent, or not
// this client's: which it was stands in the event alone.
func errCode(reason string) *Error {
	e := badGrant(reason, "the authorization code is unknown, expired, used before or not this client's")
	e.Shown = "code_invalid"
	return e
}

// RedeemCode redeems an authorization code for the authenticated client.
// Refusals are *Error, invalid_grant first of all, and leave an event. A code
// that comes again ends what it yielded the first time (RFC 6749 section 4.1.2),
// even if its thief hangs up at once.
func (p *Provider) RedeemCode(ctx context.Context, c Client, q CodeRequest) (Tokens, error) {
	ctx, cancel := toTheEnd(ctx)
	defer cancel()
	t, err := p.redeemCode(ctx, c, q)
	return t, p.tokenRefused(ctx, c, q.RequestID, err)
}

// tokenRefused records a refusal of the token endpoint and returns it.
func (p *Provider) tokenRefused(ctx context.Context, c Client, requestID string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != TemporarilyUnavailable {
		p.refused(ctx, c, requestID, e)
	}
	return err
}

func (p *Provider) redeemCode(ctx context.Context, c Client, q CodeRequest) (Tokens, error) {
	if err := p.checkGrantType(c, GrantCode, q.Resources); err != nil {
		return Tokens{}, err
	}
	code := SecretOf(q.Code)
	if !code.isHandle() {
		return Tokens{}, errCode("code_malformed")
	}
	var g granted
	hash := code.handleHash()
	_, err := p.find(ctx, keptCode, hash, &g)
	if errors.Is(err, identity.ErrGone) {
		return Tokens{}, p.codeGone(ctx, c, hash, q.RequestID, "code_unknown")
	}
	if err != nil {
		return Tokens{}, err
	}
	// What was spent is a reuse, whatever this node's clock says of its payload.
	if g.Client == c.ID && !time.Now().Before(g.Expires) {
		return Tokens{}, p.codeGone(ctx, c, hash, q.RequestID, "code_expired")
	}
	if err := g.check(c, q); err != nil {
		return Tokens{}, p.wrong(ctx, c, &g, hash, err)
	}
	p.step("code.checked")
	f, err := p.spendCode(ctx, c, &g, hash, q.RequestID)
	if err != nil {
		return Tokens{}, err
	}
	p.step("code.spent")
	p.forget(ctx, keptCode, hash)
	t := Tokens{}
	if g.About.Grant != "" {
		if t.Details, err = p.deliver(ctx, c, f, hash, q.RequestID); err != nil {
			return Tokens{}, err
		}
		p.step("code.delivered")
	}
	if err := p.issue(ctx, c, f, f.body.About.Scopes, g.Nonce, &t); err != nil {
		return Tokens{}, err
	}
	return t, nil
}

// checkGrantType checks what needs no look at the code or token.
func (p *Provider) checkGrantType(c Client, g GrantType, resources []string) error {
	switch {
	case p.c.Sessions == nil || !c.Has(g):
		return &Error{Code: UnauthorizedClient, Description: "the client is not registered for this grant type", Reason: "grant_unregistered"}
	case slices.ContainsFunc(resources, func(r string) bool { return r != p.c.Issuer }):
		return &Error{Code: InvalidTarget, Description: "no such resource; leave the parameter out for the API of this service", Reason: "resource_unknown"}
	}
	return nil
}

// check checks who may redeem the code, and with what (RFC 6749 section 4.1.3,
// RFC 7636 section 4.6). A verifier for a code that has no challenge is refused:
// somebody took the challenge out of the request (RFC 9700 section 4.8.2).
func (g *granted) check(c Client, q CodeRequest) error {
	switch {
	case g.Client != c.ID:
		return errCode("code_client")
	case g.RedirectURI != q.RedirectURI:
		return badGrant("code_redirect_uri", "redirect_uri is not the one of the authorization request")
	case g.Challenge == "" && q.CodeVerifier != "":
		return badGrant("code_verifier", "there was no code_challenge in the authorization request")
	case g.Challenge == "" && !c.WithoutPKCE:
		return badGrant("code_verifier", "the client is registered to use PKCE since; begin again")
	case g.Challenge != "" && !verifies(g.Challenge, q.CodeVerifier):
		return badGrant("code_verifier", "code_verifier does not fit the code_challenge of the authorization request")
	}
	return nil
}

// wrong counts what its own client presents wrongly with a code, and ends the code with
// the third: nobody who began the login needs more. What another client presents counts
// for nothing, for whoever only read the code could end the login else.
func (p *Provider) wrong(ctx context.Context, c Client, g *granted, hash handleHash, refusal error) error {
	if g.Client != c.ID {
		return refusal
	}
	n, err := p.c.Ephemeral.Count(ctx, keptWrong+hash.String(), 1, 2*codeLife, time.Now())
	if err != nil {
		return unavailable(fmt.Errorf("counting tries with a code: %w", err))
	}
	if n < wrongTries {
		return refusal
	}
	if err := p.c.Ephemeral.Delete(ctx, keptKey(keptCode, hash)); err != nil {
		return unavailable(fmt.Errorf("ending a code: %w", err))
	}
	return badGrant("code_tries", "the authorization code was presented wrongly too often and has ended; begin again")
}

// verifies reports whether a code verifier fits a challenge (S256).
func verifies(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return sameText(challenge, base64.RawURLEncoding.EncodeToString(sum[:]))
}

// spendCode spends the code and stores the family that it yields, in one
// transaction: whatever happens to what is kept in memory, no code is used twice.
func (p *Provider) spendCode(ctx context.Context, c Client, g *granted, hash handleHash, requestID string) (*family, error) {
	session := g.Session
	if g.Offline {
		session = ""
	}
	// Also for offline access the session must live now: who just logged out isn't
	// to be there any more.
	err := p.checkAbout(ctx, g.Session, &g.About)
	if over, ok := errors.AsType[overError](err); ok {
		return nil, badGrant(string(over), "the login is over; begin again")
	}
	if err != nil {
		return nil, err
	}
	f, err := p.newFamily(ctx, c, session, g.Ends, g.About)
	if err != nil {
		return nil, err
	}
	e, err := p.journal.Event(ctx, Actor{c.ID, requestID}.Did(journal.ActionCodeRedeem, f.ID, journal.ResultOK))
	if err != nil {
		return nil, err
	}
	first, err := p.c.Families.RedeemCode(ctx, hash, g.Ends.Add(spentKept), f.FamilyRecord, e)
	if errors.Is(err, ErrSpent) {
		return nil, p.codeReused(ctx, c, first, requestID)
	}
	if err != nil {
		return nil, unavailable(fmt.Errorf("redeeming a code: %w", err))
	}
	return f, nil
}

// codeGone refuses a code of which nothing is kept any more, or that has expired.
// If it was used before, that is a reuse like any other; else reason says what it is.
func (p *Provider) codeGone(ctx context.Context, c Client, hash handleHash, requestID, reason string) error {
	spent, err := p.c.Spent.IsSpent(ctx, hash)
	if err != nil {
		return unavailable(fmt.Errorf("looking for a code: %w", err))
	}
	if !spent {
		return errCode(reason)
	}
	// Spending it once more tells which family was the first. Should the store have
	// forgotten it just now, one is stored that never lived.
	now := time.Now().UTC()
	f, err := p.newFamily(ctx, c, "", now, about{})
	if err != nil {
		return err
	}
	f.Ended, f.EndedBy = now, EndedByCode
	first, err := p.c.Families.RedeemCode(ctx, hash, now, f.FamilyRecord)
	if errors.Is(err, ErrSpent) {
		return p.codeReused(ctx, c, first, requestID)
	}
	if err != nil {
		return unavailable(fmt.Errorf("looking for a code: %w", err))
	}
	return errCode(reason)
}

// codeReused ends what the first use of a code yielded, if it is the same client
// that comes again, and returns the refusal.
func (p *Provider) codeReused(ctx context.Context, c Client, first, requestID string) error {
	f, err := p.readFamily(ctx, first)
	if errors.Is(err, ErrNotFound) {
		return errCode("code_reuse")
	}
	if err != nil {
		return err
	}
	if f.Client != c.ID {
		return errCode("code_client")
	}
	if err := p.revokeFamily(ctx, c, f, Actor{c.ID, requestID}, journal.ActionCodeReuse, EndedByCode, GrantCodeReuse); err != nil {
		return err
	}
	return errCode("code_reuse")
}

// deliver activates the licenses' grant. What can't be delivered ends the family:
// there must be no login with half of what was agreed to.
func (p *Provider) deliver(ctx context.Context, c Client, f *family, hash handleHash, requestID string) (jsontext.Value, error) {
	if p.c.Resolver == nil {
		return nil, errors.New("redeeming a code: there is no resolver for its grant")
	}
	details, err := p.c.Resolver.Deliver(ctx, c, f.body.About.Grant, hash)
	if err == nil {
		return details, nil
	}
	ctx, cancel := toTheEnd(ctx) // its time may be up
	defer cancel()
	if ending := p.endFamily(ctx, f, Actor{c.ID, requestID}, journal.ActionFamilyEnd, EndedByDelivery); ending != nil {
		return nil, errors.Join(err, ending)
	}
	return nil, err
}
