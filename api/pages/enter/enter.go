// Package enter is the pages for who can't log in: they register, forgot their password, or set one with a ticket from the
// counter.
package enter

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/identity/password"
)

// Config says what the pages work with. All of it is required but Entry.
type Config struct {
	Site    *pages.Site
	Entry   *entry.Service // nil: nobody is let in online, and the pages say what to do
	Tickets *password.Tickets
	Web     *web.Pages
	People  *limit.Rate // of tries to log in
}

// Pages serves the pages. Safe for concurrent use.
type Pages struct{ c Config }

// New returns the pages.
func New(c Config) *Pages { return &Pages{c} }

// Mount adds the pages.
func (p *Pages) Mount(handle func(pattern string, h http.Handler)) {
	for _, of := range []way{{p, pages.ForgotPath, false}, {p, pages.RegisterPath, true}} {
		handle("GET "+of.path, p.c.Site.Login(of.page))
		handle("POST "+of.path, p.c.Site.Login(of.take))
	}
	handle("GET "+setupPath, p.c.Site.Login(p.setupPage))
	handle("POST "+setupPath, p.c.Site.Login(p.setup))
}

// way is one of the two ways in.
type way struct {
	*Pages
	path      string
	registers bool
}

// page asks for the phone.
func (w way) page(v *pages.Visit) error {
	v.Bind()
	return w.show(v, http.StatusOK, web.Entry{Step: web.EntryPhone})
}

// show shows a step.
func (w way) show(v *pages.Visit, status int, view web.Entry) error {
	v.Bind()
	view.Form, view.Registers, view.Login = v.Token(w.path), w.registers, v.LoginURL()
	view.Online = w.c.Entry != nil && (w.registers && w.c.Entry.Registers() || w.c.Entry.Proofs())
	if view.Step == web.EntryPerson && w.c.Entry.Proofs() {
		view.Types = pages.CodeTypes
	}
	if view.Number != "" {
		view.Masked = identity.MaskTyped(view.Number)
	}
	return v.Show(status, view)
}

// take takes the form of a step.
func (w way) take(v *pages.Visit) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	at := w.filled(form)
	if w.c.Entry == nil || w.registers && !w.c.Entry.Registers() || !v.Checked(form, w.path) {
		at.Problem = "stale"
		return w.show(v, http.StatusForbidden, at)
	}
	if wait := w.c.People.WaitAddress(v.Browser.Address, 0, time.Now()); wait > 0 {
		at.Problem, at.Retry = "rate_limited", problem.Seconds(wait)
		return w.show(v, http.StatusTooManyRequests, at)
	}
	switch at.Step {
	case web.EntryCode:
		return w.prove(v, at, form.Get("code"))
	case web.EntryPerson:
		return w.enter(v, at)
	case web.EntryPassword:
		return w.setPassword(v, at, form)
	}
	return w.send(v, at, form.Get("act") == "resend")
}

// filled returns the step whose form was sent, with what it has. A code is never shown again.
func (w way) filled(form url.Values) web.Entry {
	at := web.Entry{Step: web.EntryPhone, Number: strings.TrimSpace(form.Get("phone"))}
	switch form.Get("act") {
	case "prove":
		at.Step = web.EntryCode
	case "enter":
		at.Step, at.Proved = web.EntryPerson, form.Get("proved")
		at.Name, at.Code = strings.TrimSpace(form.Get("name")), strings.TrimSpace(form.Get("number"))
		if at.Type = form.Get("type"); !slices.Contains(pages.CodeTypes, at.Type) {
			at.Type = pages.CodeTypes[0]
		}
	case "set":
		at.Step, at.Ticket, at.Made = web.EntryPassword, form.Get("ticket"), form.Get("made") != ""
	}
	return at
}

// send sends a code, and asks for it.
func (w way) send(v *pages.Visit, at web.Entry, again bool) error {
	sent, err := w.c.Entry.Send(v.R.Context(), pages.AttemptOf(v, at.Number))
	if err == nil || again {
		at.Step, at.Wait = web.EntryCode, problem.Seconds(sent.Again)
	}
	return w.refused(v, at, err)
}

// prove checks the code, and asks who has the phone.
func (w way) prove(v *pages.Visit, at web.Entry, code string) error {
	proved, err := w.c.Entry.Prove(v.R.Context(), pages.AttemptOf(v, at.Number), code)
	if err == nil {
		at = web.Entry{Step: web.EntryPerson, Proved: proved, Type: pages.CodeTypes[0]}
	}
	return w.refused(v, at, err)
}

// enter lets somebody in, and asks for a password.
func (w way) enter(v *pages.Visit, at web.Entry) error {
	who := entry.Person{Name: at.Name}
	if w.c.Entry.Proofs() {
		who.Code = party.Code{Type: party.CodeType(at.Type), Value: at.Code}
	}
	do := w.c.Entry.Recover
	if w.registers {
		do = w.c.Entry.Register
	}
	in, err := do(v.R.Context(), pages.AttemptOf(v, ""), at.Proved, who)
	if err == nil {
		at = web.Entry{Step: web.EntryPassword, Ticket: in.Ticket, Made: in.New}
	}
	return w.refused(v, at, err)
}

// setPassword sets the password, and leads to the login.
func (w way) setPassword(v *pages.Visit, at web.Entry, form url.Values) error {
	if form.Get("password") != form.Get("repeat") {
		at.Problem = "repeat"
		return w.show(v, http.StatusUnprocessableEntity, at)
	}
	account, err := w.c.Tickets.SetPassword(v.R.Context(), at.Ticket, form.Get("password"), string(v.Lang), v.Browser.RequestID)
	if err != nil {
		return w.refused(v, at, err)
	}
	v.NoteDevice(account)
	v.Notify("password_set")
	return v.Redirect(v.LoginURL())
}

// refused shows a step, and if it is refused, why.
func (w way) refused(v *pages.Visit, at web.Entry, err error) error {
	if err == nil {
		return w.show(v, http.StatusOK, at)
	}
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return err
	}
	status, wait := problem.LoginStatus(e)
	at.Problem, at.Retry = string(e.Reason), wait
	switch {
	case e.Reason == identity.ReasonCodeWrong:
		at.Wait = problem.Seconds(e.Retry)
	case e.Reason == entry.ReasonProofingUnavailable:
		status = http.StatusServiceUnavailable
	case e.Reason == identity.ReasonCodeExpired && at.Step == web.EntryPerson: // the whole must begin anew
		at = web.Entry{Step: web.EntryPhone, Problem: "code_expired"}
	case status == http.StatusServiceUnavailable:
		at.Problem, at.Retry = "busy", 0
	case !w.c.Web.Has("entry.problem."+at.Problem) && !w.c.Web.Has("setup.problem."+at.Problem):
		at.Problem, at.Retry = "other", 0
	}
	return w.show(v, status, at)
}
