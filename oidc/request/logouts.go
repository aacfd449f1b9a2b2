package request

import (
	"context"
	"errors"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/session"
)

// LogoutView is what the page shows that asks before logging out.
type LogoutView struct {
	Session   *oidc.Session  // nil: nobody is logged in
	Client    *oidc.Client   // who asks, if known
	Response  *oidc.Response // where the browser goes afterwards; nil: nowhere
	UILocales []string
	// Refused says what is wrong with the request, for developers; nil: nothing is.
	// The person can still log out, but isn't led anywhere afterwards.
	Refused *oidc.RequestError
}

// Logouts takes logout requests. Safe for concurrent use.
type Logouts struct {
	Reader   *Reader
	Sessions *session.Service // nil: nobody can log in
}

// Take takes a logout request (OpenID Connect RP-Initiated Logout 1.0) and
// returns what its page shows. No session ends before the person agrees. With an invalid
// request, the person can still log out: only the way back to the client is refused. The
// error is a *RequestError without a Response if nobody can log in at this installation;
// any other error is a failure that may pass.
func (l *Logouts) Take(ctx context.Context, params oidc.Parameters, b oidc.Browser) (LogoutView, error) {
	if l.Sessions == nil {
		return LogoutView{}, PageError(nil, ErrNoLogins())
	}
	var view LogoutView
	var err error
	view.Client, view.Response, err = l.Reader.Logout(ctx, params)
	e, refused := errors.AsType[*oidc.RequestError](err)
	switch {
	case refused && e.Refusal.Code != oidc.TemporarilyUnavailable:
		view.Refused = e
	case err != nil:
		return LogoutView{}, err
	}
	view.UILocales, _ = Locales(params["ui_locales"])
	login, err := l.Sessions.Find(ctx, b)
	if err != nil || login == nil {
		return view, err
	}
	s, err := l.Sessions.Show(ctx, login)
	if err != nil {
		return LogoutView{}, err
	}
	s.Current = true
	view.Session = &s
	return view, nil
}

// ErrNoLogins refuses what needs somebody who logs in, at an installation where nobody can.
func ErrNoLogins() *oidc.Error {
	return &oidc.Error{Code: oidc.UnauthorizedClient, Description: "nobody can log in at this installation", Reason: "no_logins"}
}
