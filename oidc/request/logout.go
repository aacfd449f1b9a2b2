package request

import (
	"context"
	"errors"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
)

// Logout reads a logout request (OpenID Connect RP-Initiated Logout 1.0). It returns the client
// that asks, or nil if the request names none, and where the browser goes afterwards, or nil if
// nowhere. Refusals are *RequestError. If only the place to go to is refused, it returns the
// client, too.
func (p *Reader) Logout(ctx context.Context, params oidc.Parameters) (*oidc.Client, *oidc.Response, error) {
	c, err := p.logoutClient(ctx, params["client_id"], params["id_token_hint"])
	if err != nil {
		return nil, nil, err
	}
	to, err := logoutResponse(c, params)
	return c, to, err
}

// logoutClient returns the client that asks, found by its id or by an ID token issued to it.
func (p *Reader) logoutClient(ctx context.Context, id, hint string) (*oidc.Client, error) {
	if hint != "" {
		t, err := p.c.Tokens.ReadHint(ctx, hint)
		if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code != oidc.TemporarilyUnavailable {
			return nil, PageError(nil, e)
		}
		if err != nil {
			return nil, err
		}
		if id != "" && id != t.Audience {
			return nil, PageError(nil, &oidc.Error{Code: oidc.InvalidRequest, Description: "id_token_hint is an ID token of another client than client_id", Reason: "hint_audience"})
		}
		id = t.Audience
	}
	if id == "" {
		return nil, nil
	}
	s, err := p.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	return &s.Client, nil
}

// logoutResponse returns where the browser goes after the logout: to one of the
// client's registered URIs, or nowhere.
func logoutResponse(c *oidc.Client, params oidc.Parameters) (*oidc.Response, error) {
	uri, state := params["post_logout_redirect_uri"], params["state"]
	if uri == "" {
		return nil, nil
	}
	switch {
	case c == nil:
		return nil, PageError(nil, &oidc.Error{Code: oidc.InvalidRequest, Description: "post_logout_redirect_uri needs client_id or id_token_hint", Reason: "client_missing"})
	case !client.IsURI(uri):
		return nil, PageError(c, &oidc.Error{Code: oidc.InvalidRequest, Description: "post_logout_redirect_uri is not an absolute URI in ASCII of at most 512 characters", Reason: oidc.ReasonRedirectURIInvalid})
	case !client.MatchesURI(c.LogoutURIs, uri, c.Public()):
		e := PageError(c, &oidc.Error{Code: oidc.InvalidRequest, Description: "post_logout_redirect_uri is not one that is registered", Reason: oidc.ReasonRedirectURIUnregistered})
		e.Received, e.Differs = uri, client.Differs(c.LogoutURIs, uri)
		return nil, e
	case len(state) > MaxState || !IsVisible(state):
		return nil, PageError(c, invalid("state_invalid", "state has at most 2048 bytes of visible ASCII"))
	}
	r := &oidc.Response{RedirectURI: uri, Mode: oidc.ModeQuery}
	if state != "" {
		r.Parameters = []oidc.Parameter{{Name: "state", Value: state}}
		r.RedirectURI = withQuery(uri, r.Parameters...)
	}
	return r, nil
}
