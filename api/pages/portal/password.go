package portal

import (
	"errors"
	"net/http"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// passwordPage asks who is logged in for their password and another one.
func (p *Portal) passwordPage(v *pages.Visit, _ oidc.Session) error {
	return p.showPassword(v, http.StatusOK, "")
}

func (p *Portal) showPassword(v *pages.Visit, status int, wrong string) error {
	v.Bind()
	return v.Show(status, web.Password{Form: v.Token(purposePassword), Problem: wrong})
}

// changePassword takes the form of that page. The session goes on under a new
// cookie; the person's others are over.
func (p *Portal) changePassword(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposePassword) {
		return p.showPassword(v, http.StatusForbidden, "stale")
	}
	if p.c.People.WaitAddress(v.Browser.Address, 0, time.Now()) > 0 {
		return p.showPassword(v, http.StatusTooManyRequests, "rate_limited")
	}
	if form.Get("current") == "" || form.Get("password") == "" {
		return p.showPassword(v, http.StatusUnprocessableEntity, "incomplete")
	}
	ctx := v.R.Context()
	account, err := p.c.Factors.ChangePassword(ctx, factor.Attempt{
		Password: form.Get("current"), Device: v.Browser.Device, Address: v.Browser.Address,
		Language: string(v.Lang), RequestID: v.Browser.RequestID,
	}, who.Account, form.Get("password"))
	if e, ok := errors.AsType[*identity.Error](err); ok {
		status, wrong := p.passwordProblem(e)
		return p.showPassword(v, status, wrong)
	} else if err != nil {
		return err
	}
	cookie, err := p.c.Sessions.PasswordChanged(ctx, v.Browser, account, factor.PasswordProof(account, time.Now()))
	if errors.Is(err, oidc.ErrNoSession) { // as by another tab of this browser, just now
		v.DropSession()
		v.Notify("password_set")
		return v.Redirect("/")
	}
	if err != nil {
		return err
	}
	v.KeepSession(cookie)
	v.NoteDevice(account) // what the browser had of it ended with the old password
	v.Notify("password_changed")
	return v.Redirect("/sessions")
}

// passwordProblem returns how a refusal is shown.
func (p *Portal) passwordProblem(e *identity.Error) (status int, key string) {
	status, _ = problem.LoginStatus(e)
	switch {
	case status == http.StatusServiceUnavailable:
		return status, "busy"
	case !p.c.Web.Has("password.problem." + string(e.Reason)):
		return status, "other"
	}
	return status, string(e.Reason)
}
