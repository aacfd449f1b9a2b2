package api

import (
	"errors"
	"net/http"
	"time"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// passwordPage asks who is logged in for their password and another one.
func (s *Server) passwordPage(v *visit, _ oidc.Session) error {
	return v.showPassword(http.StatusOK, "")
}

func (v *visit) showPassword(status int, wrong string) error {
	v.bind()
	return v.show(status, web.Password{Form: v.token(purposePassword), Problem: wrong})
}

// changePassword takes the form of that page. The session goes on under a new
// cookie; the person's others are over.
func (s *Server) changePassword(v *visit, who oidc.Session) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if !v.checked(form, purposePassword) {
		return v.showPassword(http.StatusForbidden, "stale")
	}
	if s.people.WaitAddress(v.browser.Address, 0, time.Now()) > 0 {
		return v.showPassword(http.StatusTooManyRequests, "rate_limited")
	}
	if form.Get("current") == "" || form.Get("password") == "" {
		return v.showPassword(http.StatusUnprocessableEntity, "incomplete")
	}
	ctx := v.r.Context()
	account, err := s.c.Identity.ChangePassword(ctx, identity.Attempt{
		Password: form.Get("current"), Device: v.cookie(deviceCookie), Address: v.browser.Address, RequestID: v.browser.RequestID,
	}, who.Account, form.Get("password"))
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return v.showPassword(s.passwordProblem(e))
	} else if err != nil {
		return err
	}
	cookie, err := s.c.Provider.Sessions.PasswordChanged(ctx, v.browser, account, factor.Proof{Factor: factor.Password})
	if errors.Is(err, oidc.ErrNoSession) { // as by another tab of this browser, just now
		v.dropSession()
		v.notify("password_set")
		return v.redirect("/")
	}
	if err != nil {
		return err
	}
	v.keepSession(cookie)
	v.noteDevice(account) // what the browser had of it ended with the old password
	v.notify("password_changed")
	return v.redirect("/sessions")
}

// passwordProblem returns how a refusal is shown.
func (s *Server) passwordProblem(e *identity.Error) (status int, key string) {
	status, _ = problem.LoginStatus(e)
	switch {
	case status == http.StatusServiceUnavailable:
		return status, "busy"
	case !s.web.Has("password.problem." + e.Reason):
		return status, "other"
	}
	return status, e.Reason
}
