package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"yizheng.internal/oidc/identity"
)

// requestURIPrefix begins the request_uri of a pushed request (RFC 9126 section 2.2).
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// Push keeps the parameters of an authorization request for the authenticated
// client (RFC 9126) and returns the request_uri, good for one use within its
// life. Refusals are *Error and leave an event.
func (p *Provider) Push(ctx context.Context, c Client, params Parameters, requestID string) (requestURI string, life time.Duration, err error) {
	if p.c.Sessions == nil {
		return "", 0, errNoLogins()
	}
	r, err := p.checkPushed(ctx, c, params)
	if e, ok := errors.AsType[*Error](err); ok {
		if e.Code != TemporarilyUnavailable {
			p.refused(ctx, c, requestID, e)
		}
		return "", 0, e
	}
	if err != nil {
		return "", 0, err
	}
	handle := NewHandle()
	owner, err := identity.OwnerOf(ctx, p.c.Vault, c.ID)
	if err != nil {
		return "", 0, err
	}
	how := identity.Keeping{Part: identity.PartPushed, Owner: owner, Until: time.Now().Add(pushedLife)}
	if err := p.keep(ctx, keptPushed, handle.handleHash(), pushed{Request: r}, how); err != nil {
		return "", 0, err
	}
	return requestURIPrefix + handle.text, pushedLife, nil
}

func (p *Provider) checkPushed(ctx context.Context, c Client, params Parameters) (request, error) {
	if id := params["client_id"]; id != "" && id != c.ID {
		return request{}, invalid("client_id_differs", "client_id is not the authenticated client")
	}
	s, err := p.askingClient(ctx, c.ID)
	if err != nil {
		return request{}, err
	}
	r, err := p.parse(ctx, s, params, true)
	if e, ok := errors.AsType[*RequestError](err); ok && e.Differs != "" {
		return request{}, &Error{Code: e.Refusal.Code, Description: e.Refusal.Description + ": " + e.Differs, Reason: e.Refusal.Reason}
	}
	return r, err
}

// perBrowser returns the handle under which a browser's request is kept that it
// began with this request_uri: the same one however often it comes, and another
// one for each browser. A browser without a cookie has no such handle.
func (s Secret) perBrowser(b Browser) Secret {
	if !s.isHandle() || !b.ID.isHandle() {
		return NewHandle()
	}
	return Secret{derive(s.text, "pushed", b.ID.text)}
}

func requestURIGone(c *Client) *RequestError {
	return pageError(c, &Error{Code: InvalidRequestURI, Description: "the request_uri is unknown, expired, or was used before; begin again", Reason: "request_uri_gone"})
}

// loadPushed returns a pushed request for the client that pushed it. Looking at it
// doesn't use it up, for whoever scans links looks, too: it is used when somebody's
// request is answered that began with it.
func (p *Provider) loadPushed(ctx context.Context, c Client, uri Secret) (request, error) {
	if !uri.isHandle() {
		return request{}, requestURIGone(&c)
	}
	var q pushed
	_, err := p.find(ctx, keptPushed, uri.handleHash(), &q)
	if errors.Is(err, identity.ErrGone) || err == nil && (q.Request.Client != c.ID || !c.redirects(q.Request.RedirectURI)) {
		return request{}, requestURIGone(&c)
	}
	return q.Request, err
}

// resume goes on with a pushed request that this browser has opened before.
// ErrRequestGone if it hasn't.
func (p *Provider) resume(ctx context.Context, c Client, handle Secret, b Browser) (Step, error) {
	k, err := p.changeRequest(ctx, handle, b, nil)
	if err != nil {
		return Step{}, err
	}
	if k.Request.Client != c.ID || !k.Answered.IsZero() {
		return Step{}, requestURIGone(&c)
	}
	a, err := p.askKept(ctx, k, handle, b)
	if err != nil {
		return Step{}, err
	}
	return p.next(ctx, a)
}

// usePushed uses up the pushed request that a request began with. Of several
// browsers that have it open one is answered; the others are told that it is gone.
func (p *Provider) usePushed(ctx context.Context, a *asking) error {
	if a.Pushed == "" {
		return nil
	}
	// Whatever began with it lives for requestLife at most, and began before.
	n, err := p.c.Ephemeral.Count(ctx, keptUsed+a.Pushed, 1, requestLife+pushedLife, time.Now())
	if err != nil {
		return unavailable(fmt.Errorf("using a pushed request: %w", err))
	}
	if n > 1 {
		return requestURIGone(&a.client)
	}
	if err := p.c.Ephemeral.Delete(ctx, "oidc."+keptPushed+"."+a.Pushed); err != nil {
		return unavailable(fmt.Errorf("using a pushed request: %w", err))
	}
	return nil
}
