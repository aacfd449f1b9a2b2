package portal

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/entry"
	"yizheng.internal/oidc/session"
)

// raising is the page on which people raise how well their account is proofed.
type raising struct {
	p    *Portal
	with entry.Raising
}

// mount adds the page.
func (r raising) mount(handle func(pattern string, h http.Handler)) {
	handle("GET "+pages.RaisePath, r.p.private(raises(freshPage), "security", r.page))
	handle("POST "+pages.RaisePath, r.p.private(raises(freshForm), "security", r.take))
}

// raises is what it needs: a login of just now, as strong as the account has one. An account that was registered a moment ago
// has one factor.
func raises(age time.Duration) needs {
	return needs{least: isLoggedIn, strongest: true, age: age, back: securityPath}
}

// page says what is to be done, or where.
func (r raising) page(v *pages.Visit, who oidc.Session) error {
	return r.show(v, who, http.StatusOK, web.Raise{Step: web.RaiseBegin})
}

// show shows a step.
func (r raising) show(v *pages.Visit, who oidc.Session, status int, view web.Raise) error {
	a, err := r.p.c.Identity.Account(v.R.Context(), who.Account)
	if err != nil {
		return err
	}
	switch most := r.with.Most(); {
	case most > 0 && a.Proofing.Level >= most:
		view.Step = web.RaiseHighest
	case most == 0 || a.Phone == "":
		view.Step = web.RaiseCounter
	}
	v.Bind()
	view.Form, view.Level, view.Masked, view.Types = v.Token(purposeRaise), a.Proofing.Level, a.MaskedPhone(), pages.CodeTypes
	view.Back = cmp.Or(pages.Resumed(v), securityPath)
	return v.Show(status, view)
}

// take takes the form of a step.
func (r raising) take(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	at := filled(form)
	if r.with.Most() == 0 || !v.Checked(form, purposeRaise) {
		at.Problem = "stale"
		return r.show(v, who, http.StatusForbidden, at)
	}
	if wait := r.p.c.People.WaitAddress(v.Browser.Address, 0, time.Now()); wait > 0 {
		at.Problem, at.Retry = "rate_limited", problem.Seconds(wait)
		return r.show(v, who, http.StatusTooManyRequests, at)
	}
	ctx, by := v.R.Context(), owner(v, who)
	switch at.Step {
	case web.EntryCode:
		proved, err := r.with.Prove(ctx, by, pages.AttemptOf(v, ""), form.Get("code"))
		if err == nil {
			at = web.Raise{Step: web.EntryPerson, Proved: proved, Type: pages.CodeTypes[0]}
		}
		return r.refused(v, who, at, err)
	case web.EntryPerson:
		_, err := r.with.Raise(ctx, by, pages.AttemptOf(v, ""), at.Proved, entry.Person{Name: at.Name, Code: party.Code{Type: party.CodeType(at.Type), Value: at.Code}})
		if err != nil {
			return r.refused(v, who, at, err)
		}
		session.Changed(r.p.c.Sessions, who.Account)
		v.Notify("level_raised")
		return v.Redirect(cmp.Or(pages.Resumed(v), securityPath))
	}
	sent, err := r.with.Send(ctx, by, pages.AttemptOf(v, ""))
	if err == nil || form.Get("act") == "resend" {
		at.Step, at.Wait = web.EntryCode, problem.Seconds(sent.Again)
	}
	return r.refused(v, who, at, err)
}

// filled returns the step whose form was sent, with what it has. A code is never shown again.
func filled(form url.Values) web.Raise {
	switch form.Get("act") {
	case "prove":
		return web.Raise{Step: web.EntryCode}
	case "raise":
		at := web.Raise{Step: web.EntryPerson, Proved: form.Get("proved"), Name: strings.TrimSpace(form.Get("name")), Code: strings.TrimSpace(form.Get("number")), Type: form.Get("type")}
		if !slices.Contains(pages.CodeTypes, at.Type) {
			at.Type = pages.CodeTypes[0]
		}
		return at
	}
	return web.Raise{Step: web.RaiseBegin}
}

// refused shows a step, and if it is refused, why.
func (r raising) refused(v *pages.Visit, who oidc.Session, at web.Raise, err error) error {
	if err == nil {
		return r.show(v, who, http.StatusOK, at)
	}
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return err
	}
	if e.Reason == authenticator.ReasonSessionOver {
		v.DropSession()
		return v.Redirect(pages.LocalPath(v.R.URL.RequestURI()))
	}
	status, wait := problem.LoginStatus(e)
	at.Problem, at.Retry = string(e.Reason), wait
	switch {
	case e.Reason == identity.ReasonCodeWrong:
		at.Wait = problem.Seconds(e.Retry)
	case e.Reason == entry.ReasonProofingUnavailable:
		status = http.StatusServiceUnavailable
	case e.Reason == identity.ReasonCodeExpired && at.Step == web.EntryPerson: // the whole must begin anew
		at = web.Raise{Step: web.RaiseBegin, Problem: at.Problem}
	case status == http.StatusServiceUnavailable:
		at.Problem, at.Retry = "busy", 0
	case !r.p.c.Web.Has("entry.problem."+at.Problem) && !r.p.c.Web.Has("security.problem."+at.Problem):
		at.Problem, at.Retry = "other", 0
	}
	return r.show(v, who, status, at)
}
