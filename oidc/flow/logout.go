package flow

import (
	"context"
	"errors"
	"strings"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/client"
)

// LogoutView is what the page that asks before logging out shows.
type LogoutView struct {
	Session   *oidc.Session  // nil: nobody is logged in
	Client    *oidc.Client   // who asks, if known
	Response  *oidc.Response // where to go afterwards; nil: nowhere
	UILocales []string
	// Refused says what is wrong with the request, for developers; nil: nothing is.
	// The person can log out all the same, and isn't led anywhere afterwards.
	Refused *oidc.RequestError
}

// Logout takes a logout request (OpenID Connect RP-Initiated Logout 1.0) and
// returns what its page shows. Nothing ends before the person says so. A request
// that isn't good is still one to log out: only the way back is refused. Its error
// is a *RequestError without a Response where nobody can log in at all, and else
// what passes.
func (p *Service) Logout(ctx context.Context, params oidc.Parameters, b oidc.Browser) (LogoutView, error) {
	if p.c.Families == nil {
		return LogoutView{}, pageError(nil, errNoLogins())
	}
	var view LogoutView
	err := p.reader.logoutAsker(ctx, &view, params)
	e, refused := errors.AsType[*oidc.RequestError](err)
	switch {
	case refused && e.Refusal.Code != oidc.TemporarilyUnavailable:
		view.Refused = e
	case err != nil:
		return LogoutView{}, err
	}
	if locales := params["ui_locales"]; len(locales) <= maxTextBytes && isVisible(locales) {
		view.UILocales = strings.Fields(locales)
	}
	l, err := p.c.Sessions.Find(ctx, b)
	if err != nil || l == nil {
		return view, err
	}
	s, err := p.c.Sessions.Show(ctx, l)
	if err != nil {
		return LogoutView{}, err
	}
	s.Current = true
	view.Session = &s
	return view, nil
}

// logoutAsker finds out who asks, and where to go afterwards.
func (p *reader) logoutAsker(ctx context.Context, view *LogoutView, params oidc.Parameters) (err error) {
	if view.Client, err = p.logoutClient(ctx, params["client_id"], params["id_token_hint"]); err != nil {
		return err
	}
	view.Response, err = logoutResponse(view.Client, params)
	return err
}

// logoutClient returns the client that asks, by its id or by an ID token of its.
func (p *reader) logoutClient(ctx context.Context, id, hint string) (*oidc.Client, error) {
	if hint != "" {
		t, err := p.c.Tokens.ReadHint(ctx, hint)
		if e, ok := errors.AsType[*oidc.Error](err); ok && e.Code != oidc.TemporarilyUnavailable {
			return nil, pageError(nil, e)
		}
		if err != nil {
			return nil, err
		}
		if id != "" && id != t.Audience {
			return nil, pageError(nil, &oidc.Error{Code: oidc.InvalidRequest, Description: "id_token_hint is an ID token of another client than client_id", Reason: "hint_audience"})
		}
		id = t.Audience
	}
	if id == "" {
		return nil, nil
	}
	s, err := p.askingClient(ctx, id)
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
		return nil, pageError(nil, &oidc.Error{Code: oidc.InvalidRequest, Description: "post_logout_redirect_uri needs client_id or id_token_hint", Reason: "client_missing"})
	case !client.IsURI(uri):
		return nil, pageError(c, &oidc.Error{Code: oidc.InvalidRequest, Description: "post_logout_redirect_uri is not an absolute URI in ASCII of at most 512 characters", Reason: "redirect_uri_invalid"})
	case !client.MatchesURI(c.LogoutURIs, uri, c.Public()):
		e := pageError(c, &oidc.Error{Code: oidc.InvalidRequest, Description: "post_logout_redirect_uri is not one that is registered", Reason: "redirect_uri_unregistered"})
		e.Received, e.Differs = uri, client.Differs(c.LogoutURIs, uri)
		return nil, e
	case len(state) > maxStateBytes || !isVisible(state):
		return nil, pageError(c, invalid("state_invalid", "state has at most 2048 bytes of visible ASCII"))
	}
	r := &oidc.Response{RedirectURI: uri, Mode: oidc.ModeQuery}
	if state != "" {
		r.Parameters = []oidc.Parameter{{Name: "state", Value: state}}
		r.RedirectURI = withQuery(uri, r.Parameters...)
	}
	return r, nil
}
