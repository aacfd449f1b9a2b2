package flow

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/waiting"
)

// Push stores the parameters of an authorization request for the authenticated client
// (RFC 9126) and returns its request_uri, which can be used once within its life. Refusals
// are *Error; a refusal of the parameters is recorded as an event.
func (p *Service) Push(ctx context.Context, c oidc.Client, params oidc.Parameters, requestID string) (requestURI string, life time.Duration, err error) {
	if p.c.Families == nil {
		return "", 0, request.ErrNoLogins()
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
	return p.c.Waiting.Push(ctx, r)
}

// resume goes on with a pushed request that this browser has opened before. It returns
// ErrRequestGone if the browser hasn't.
func (p *Service) resume(ctx context.Context, c oidc.Client, handle oidc.Secret, b oidc.Browser) (oidc.Step, error) {
	a, err := find(ctx, p, handle, b)
	if err != nil {
		return oidc.Step{}, err
	}
	if a.Request.Client != c.ID || a.IsAnswered() {
		return oidc.Step{}, waiting.PushedGone(&c)
	}
	if err := p.stand(ctx, a); err != nil {
		return oidc.Step{}, err
	}
	return p.next(ctx, a)
}
