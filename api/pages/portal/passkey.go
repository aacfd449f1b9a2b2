package portal

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
)

// passkeyPage has the browser make a passkey.
func (s security) passkeyPage(v *pages.Visit, who oidc.Session) error {
	return s.showPasskey(v, who, http.StatusOK, nil, "")
}

// showPasskey shows the page, with a new challenge each time; form is what was sent, or nil.
func (s security) showPasskey(v *pages.Visit, who oidc.Session, status int, form url.Values, wrong string) error {
	setup, err := s.p.c.Authenticators.PreparePasskey(v.R.Context(), owner(v, who))
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return s.refused(v, who, e)
	} else if err != nil {
		return err
	}
	v.Bind()
	return v.Show(status, web.Passkey{Form: v.Token(purposeSecurity), Setup: setup.Token, Options: setup.Options, Name: form.Get("name"), Problem: wrong})
}

// addPasskey takes the form of that page.
func (s security) addPasskey(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeSecurity) {
		return s.showPasskey(v, who, http.StatusForbidden, form, "stale")
	}
	if wait := s.p.c.People.WaitAddress(v.Browser.Address, 0, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "too_many", "", problem.Seconds(wait))
	}
	err = s.p.c.Authenticators.AddPasskey(v.R.Context(), owner(v, who), form.Get("setup"), form.Get("name"), form.Get("passkey"))
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason != authenticator.ReasonSessionOver {
		status, key := s.problem(e)
		return s.showPasskey(v, who, status, form, key)
	} else if err != nil {
		return s.refused(v, who, err)
	}
	v.Notify("authenticator_added")
	return v.Redirect(securityPath)
}
