package enter

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc/identity"
)

// setupPath is the page of a ticket from the counter; purposeSetup is that of its form's token.
const (
	setupPath    = "/setup"
	purposeSetup = "setup"
)

// setupPage asks for a setup ticket and a new password. The ticket comes in the
// address's fragment, which no server and no log sees, or is typed.
func (p *Pages) setupPage(v *pages.Visit) error {
	v.Bind()
	return v.Show(http.StatusOK, web.Setup{Form: v.Token(purposeSetup)})
}

// setup takes the form of that page.
func (p *Pages) setup(v *pages.Visit) error {
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
	if p.c.People.WaitAddress(v.Browser.Address, 0, time.Now()) > 0 {
		return again(http.StatusTooManyRequests, "rate_limited")
	}
	if form.Get("password") != form.Get("repeat") {
		return again(http.StatusUnprocessableEntity, "repeat")
	}
	account, err := p.c.Tickets.SetPassword(v.R.Context(), strings.TrimSpace(form.Get("ticket")), form.Get("password"), string(v.Lang), v.Browser.RequestID)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		wrong := "other"
		if p.c.Web.Has("setup.problem." + string(e.Reason)) {
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
