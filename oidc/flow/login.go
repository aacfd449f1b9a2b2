package flow

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/session"
)

// LogIn makes a session of somebody whose first factor was checked, and returns
// its cookie; the browser's earlier session, if any, ends. If that was the same
// person's, it goes on instead, under the new cookie and with this factor alone,
// so that what other clients have of it lives on. The request goes on with Next. A
// form that was sent twice within a minute, as by a double click, leads to one
// session with one cookie, also if the first one was answered: then the request
// goes on with Again. ErrRequestGone, also if the account got another password
// since its own was checked.
func (p *Service) LogIn(ctx context.Context, handle oidc.Secret, b oidc.Browser, account identity.Account, f factor.Proof) (cookie oidc.Secret, s oidc.Session, err error) {
	k, gone := p.shelf.loadRequest(ctx, handle, b)
	if _, answered := errors.AsType[*oidc.GoneError](gone); gone != nil && !answered {
		return oidc.Secret{}, oidc.Session{}, gone
	}
	// The cookie follows from the request's secret, so that a form sent twice gets
	// one cookie, in whatever order the answers arrive.
	cookie = oidc.SecretOf(oidc.Derive(k.Seed, "login", account.ID, b.Session.Reveal(), f.String()))
	var l *session.Login
	if gone != nil {
		l, err = p.c.Sessions.Same(ctx, cookie, account)
		if err == nil && (l == nil || l.ID != k.Session || time.Since(k.Answered) > session.FormAgain) {
			return oidc.Secret{}, oidc.Session{}, gone
		}
	} else {
		l, cookie, err = p.c.Sessions.Start(ctx, b, account, cookie, f)
	}
	if errors.Is(err, session.ErrOvertaken) { // the password that was checked is no more
		return oidc.Secret{}, oidc.Session{}, oidc.ErrRequestGone
	}
	if err != nil {
		return oidc.Secret{}, oidc.Session{}, err
	}
	if gone == nil {
		if _, err = p.shelf.changeRequest(ctx, handle, b, func(k *kept) { k.Login, k.Account = l.ID, account.ID }); err != nil {
			return oidc.Secret{}, oidc.Session{}, err
		}
	}
	s, err = p.c.Sessions.Show(ctx, l)
	return cookie, s, err
}

// Reauthenticated takes note that the person went on knowingly as who is logged
// in (StepAccount). ErrRequestGone, ErrNoSession.
func (p *Service) Reauthenticated(ctx context.Context, handle oidc.Secret, b oidc.Browser) error {
	l, err := p.c.Sessions.Find(ctx, b)
	if err != nil {
		return err
	}
	if l == nil {
		return oidc.ErrNoSession
	}
	_, err = p.shelf.changeRequest(ctx, handle, b, func(k *kept) { k.Confirmed = l.ID })
	return err
}
