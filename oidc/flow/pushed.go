package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/request"
)

// requestURIPrefix is the prefix of the request_uri of a pushed request (RFC 9126 section 2.2).
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// Push stores the parameters of an authorization request for the authenticated client
// (RFC 9126) and returns its request_uri, which can be used once within its life. Refusals
// are *Error; a refusal of the parameters is recorded as an event.
func (p *Service) Push(ctx context.Context, c oidc.Client, params oidc.Parameters, requestID string) (requestURI string, life time.Duration, err error) {
	if p.c.Families == nil {
		return "", 0, errNoLogins()
	}
	r, err := p.reader.ParsePushed(ctx, c, params)
	if e, ok := errors.AsType[*oidc.Error](err); ok {
		if e.Code != oidc.TemporarilyUnavailable {
			oidc.RefusedToken(ctx, p.c.Journal, c, requestID, e)
		}
		return "", 0, e
	}
	if err != nil {
		return "", 0, err
	}
	handle := oidc.NewHandle()
	owner, err := identity.OwnerOf(ctx, p.c.Vault, c.ID)
	if err != nil {
		return "", 0, err
	}
	how := identity.Keeping{Part: identity.PartPushed, Owner: owner, Until: time.Now().Add(pushedLife)}
	if err := p.c.Kept.Keep(ctx, keptPushed, handle.Hash(), pushed{Request: r}, how); err != nil {
		return "", 0, err
	}
	return requestURIPrefix + handle.Reveal(), pushedLife, nil
}

// perBrowser returns the handle for the request that a browser begins with a request_uri.
// For one browser it is always the same; each browser gets another one. For a browser
// without a cookie it is a new handle each time.
func perBrowser(s oidc.Secret, b oidc.Browser) oidc.Secret {
	if !s.IsHandle() || !b.ID.IsHandle() {
		return oidc.NewHandle()
	}
	return oidc.SecretOf(oidc.Derive(s.Reveal(), "pushed", b.ID.Reveal()))
}

func requestURIGone(c *oidc.Client) *oidc.RequestError {
	return request.PageError(c, &oidc.Error{Code: oidc.InvalidRequestURI, Description: "the request_uri is unknown, expired, or was used before; begin again", Reason: oidc.ReasonRequestURIGone})
}

// loadPushed returns a pushed request for the client that pushed it. Loading doesn't use
// it up, because link scanners load it, too: it is used up when a request that began with
// it is answered.
func (p *shelf) loadPushed(ctx context.Context, c oidc.Client, uri oidc.Secret) (request.Request, error) {
	if !uri.IsHandle() {
		return request.Request{}, requestURIGone(&c)
	}
	var q pushed
	_, err := p.c.Kept.Find(ctx, keptPushed, uri.Hash(), &q)
	if errors.Is(err, identity.ErrGone) || err == nil && (q.Request.Client != c.ID || !client.Redirects(c, q.Request.RedirectURI)) {
		return request.Request{}, requestURIGone(&c)
	}
	return q.Request, err
}

// resume goes on with a pushed request that this browser has opened before. It returns
// ErrRequestGone if the browser hasn't.
func (p *Service) resume(ctx context.Context, c oidc.Client, handle oidc.Secret, b oidc.Browser) (oidc.Step, error) {
	a, err := p.shelf.find(ctx, handle, b)
	if err != nil {
		return oidc.Step{}, err
	}
	if a.Request.Client != c.ID || !a.Answered.IsZero() {
		return oidc.Step{}, requestURIGone(&c)
	}
	if err := p.stand(ctx, a); err != nil {
		return oidc.Step{}, err
	}
	return p.next(ctx, a)
}

// usePushed uses up the pushed request that a request began with. If several browsers have
// opened it, one gets an answer, and the others are told that it is gone.
func (p *shelf) usePushed(ctx context.Context, a *asking) error {
	if a.Pushed == "" {
		return nil
	}
	// A request that began with it began within pushedLife and lives for requestLife at most.
	n, err := p.c.Ephemeral.Count(ctx, keptUsed+a.Pushed, 1, requestLife+pushedLife, time.Now())
	if err != nil {
		return oidc.Unavailable(fmt.Errorf("using a pushed request: %w", err))
	}
	if n > 1 {
		return requestURIGone(&a.Client)
	}
	if err := p.c.Ephemeral.Delete(ctx, ephemeral.KeyOf(keptPushed, a.Pushed)); err != nil {
		return oidc.Unavailable(fmt.Errorf("using a pushed request: %w", err))
	}
	return nil
}
