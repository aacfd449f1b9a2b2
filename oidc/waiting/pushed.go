package waiting

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
	"yizheng.internal/oidc/ephemeral"
	"yizheng.internal/oidc/keeper"
	"yizheng.internal/oidc/request"
)

// uriPrefix is the prefix of the request_uri of a pushed request (RFC 9126 section 2.2).
const uriPrefix = "urn:ietf:params:oauth:request_uri:"

// pushed is a pushed authorization request that waits to be used.
type pushed struct {
	Request request.Request `json:"request"`
}

// Push stores a pushed request of a client (RFC 9126) and returns its request_uri, which can be
// used once within its life.
func (p *Requests) Push(ctx context.Context, r request.Request) (requestURI string, life time.Duration, err error) {
	owner, err := ephemeral.OwnerOf(ctx, p.c.Vault, r.Client)
	if err != nil {
		return "", 0, err
	}
	handle := oidc.NewHandle()
	how := ephemeral.Keeping{Part: ephemeral.PartPushed, Owner: owner, Until: time.Now().Add(pushedLife)}
	if err := p.c.Kept.Keep(ctx, kindPushed, handle.Hash(), pushed{Request: r}, how); err != nil {
		return "", 0, err
	}
	return uriPrefix + handle.Reveal(), pushedLife, nil
}

// PushedHandle returns the handle in a request_uri that [Requests.Push] may have made.
func PushedHandle(requestURI string) (handle oidc.Secret, ok bool) {
	s, ok := strings.CutPrefix(requestURI, uriPrefix)
	return oidc.SecretOf(s), ok
}

// PerBrowser returns the handle for the request that a browser begins with a pushed one.
// For one browser it is always the same; each browser gets another one. For a browser
// without a cookie it is a new handle each time.
func PerBrowser(pushed oidc.Secret, b oidc.Browser) oidc.Secret {
	if !pushed.IsHandle() || !b.ID.IsHandle() {
		return oidc.NewHandle()
	}
	return oidc.SecretOf(oidc.Derive(pushed.Reveal(), "pushed", b.ID.Reveal()))
}

// PushedGone returns the refusal of a request_uri of a client that can't be used any more.
func PushedGone(c *oidc.Client) *oidc.RequestError {
	return request.PageError(c, &oidc.Error{Code: oidc.InvalidRequestURI, Description: "the request_uri is unknown, expired, or was used before; begin again", Reason: oidc.ReasonRequestURIGone})
}

// TakePushed reads the request that a client pushed under a handle into e, a new entry. Reading
// doesn't use it up, because link scanners read it, too: it is used up when a request that began
// with it is answered. It returns an *oidc.RequestError if there is none.
func (p *Requests) TakePushed(ctx context.Context, e *Entry, c *oidc.Client, handle oidc.Secret) error {
	if !handle.IsHandle() {
		return PushedGone(c)
	}
	var q pushed
	_, err := p.c.Kept.Find(ctx, kindPushed, handle.Hash(), &q)
	if errors.Is(err, ephemeral.ErrGone) || err == nil && (q.Request.Client != c.ID || !client.Redirects(*c, q.Request.RedirectURI)) {
		return PushedGone(c)
	}
	if err == nil {
		e.Request, e.Pushed = q.Request, handle.Hash().String()
	}
	return err
}

// usePushed uses up the pushed request that a request began with. If several browsers have
// opened it, one gets an answer, and the others are told that it is gone.
func (p *Requests) usePushed(ctx context.Context, e *Entry, c *oidc.Client) error {
	if e.Pushed == "" {
		return nil
	}
	// A request that began with it began within pushedLife and lives for requestLife at most.
	n, err := p.c.Uses.Count(ctx, keyUsed+e.Pushed, 1, requestLife+pushedLife, time.Now())
	if err != nil {
		return oidc.Unavailable(fmt.Errorf("using a pushed request: %w", err))
	}
	if n > 1 {
		return PushedGone(c)
	}
	if err := p.c.Uses.Delete(ctx, keeper.KeyOf(kindPushed, e.Pushed)); err != nil {
		return oidc.Unavailable(fmt.Errorf("using a pushed request: %w", err))
	}
	return nil
}
