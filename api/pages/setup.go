package pages

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
func (t steps) setupPage(v *Visit) error {
	v.Bind()
	return v.Show(http.StatusOK, web.Setup{Form: v.Token(purposeSetup)})
}

// setup takes the form of that page.
func (t steps) setup(v *Visit) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	again := func(status int, wrong string) error {
		v.Bind()
		return v.Show(status, web.Setup{Form: v.Token(purposeSetup), Ticket: form.Get("ticket"), Problem: wrong})
	}
	if !v.Checked(form, purposeSetup) {
		return again(http.StatusForbidden, "stale")
	}
	if t.c.People.WaitAddress(v.Browser.Address, 0, time.Now()) > 0 {
		return again(http.StatusTooManyRequests, "rate_limited")
	}
	if form.Get("password") != form.Get("repeat") {
		return again(http.StatusUnprocessableEntity, "repeat")
	}
	account, err := t.c.Tickets.SetPassword(v.R.Context(), strings.TrimSpace(form.Get("ticket")), form.Get("password"), string(v.Lang), v.Browser.RequestID)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		wrong := "other"
		if t.c.Web.Has("setup.problem." + string(e.Reason)) {
			wrong = string(e.Reason)
		}
		return again(http.StatusUnprocessableEntity, wrong)
	} else if err != nil {
		return err
	}
	v.NoteDevice(account) // they were given the ticket: however many tries there were, they come in here
	v.Notify("password_set")
	return v.Redirect("/")
}
