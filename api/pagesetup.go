package api

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"yizheng.internal/api/web"
	"yizheng.internal/oidc/identity"
)

// setupPage asks for a setup ticket and a new password. The ticket comes in the
// address's fragment, which no server and no log sees, or is typed.
func (s *Server) setupPage(v *visit) error {
	v.bind()
	return v.show(http.StatusOK, web.Setup{Form: v.token(purposeSetup)})
}

// setup takes the form of that page.
func (s *Server) setup(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	again := func(status int, wrong string) error {
		v.bind()
		return v.show(status, web.Setup{Form: v.token(purposeSetup), Ticket: form.Get("ticket"), Problem: wrong})
	}
	if !v.checked(form, purposeSetup) {
		return again(http.StatusForbidden, "stale")
	}
	if s.people.WaitAddress(v.browser.Address, 0, time.Now()) > 0 {
		return again(http.StatusTooManyRequests, "rate_limited")
	}
	if form.Get("password") != form.Get("repeat") {
		return again(http.StatusUnprocessableEntity, "repeat")
	}
	account, err := s.c.Identity.SetPassword(v.r.Context(), strings.TrimSpace(form.Get("ticket")), form.Get("password"), v.browser.RequestID)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		wrong := "other"
		if s.web.Has("setup.problem." + e.Reason) {
			wrong = e.Reason
		}
		return again(http.StatusUnprocessableEntity, wrong)
	} else if err != nil {
		return err
	}
	v.noteDevice(account) // they were given the ticket: however many tries there were, they come in here
	v.notify("password_set")
	return v.redirect("/")
}
