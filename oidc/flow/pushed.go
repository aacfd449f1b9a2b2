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

// requestURIPrefix begins the request_uri of a pushed request (RFC 9126 section 2.2).
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// Push keeps the parameters of an authorization request for the authenticated
// client (RFC 9126) and returns the request_uri, good for one use within its
// life. Refusals are *Error and leave an event.
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

// perBrowser returns the handle under which a browser's request is kept that it
// began with this request_uri: the same one however often it comes, and another
// one for each browser. A browser without a cookie has no such handle.
func perBrowser(s oidc.Secret, b oidc.Browser) oidc.Secret {
	if !s.IsHandle() || !b.ID.IsHandle() {
		return oidc.NewHandle()
	}
	return oidc.SecretOf(oidc.Derive(s.Reveal(), "pushed", b.ID.Reveal()))
}

func requestURIGone(c *oidc.Client) *oidc.RequestError {
	return request.PageError(c, &oidc.Error{Code: oidc.InvalidRequestURI, Description: "the request_uri is unknown, expired, or was used before; begin again", Reason: oidc.ReasonRequestURIGone})
}

// loadPushed returns a pushed request for the client that pushed it. Looking at it
// doesn't use it up, for whoever scans links looks, too: it is used when somebody's
// request is answered that began with it.
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

// resume goes on with a pushed request that this browser has opened before.
// ErrRequestGone if it hasn't.
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

// usePushed uses up the pushed request that a request began with. Of several
// browsers that have it open one is answered; the others are told that it is gone.
func (p *shelf) usePushed(ctx context.Context, a *asking) error {
	if a.Pushed == "" {
		return nil
	}
	// Whatever began with it lives for requestLife at most, and began before.
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
