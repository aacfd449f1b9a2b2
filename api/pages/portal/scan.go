package portal

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"yizheng.internal/api/pages"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/scan"
)

const purposeScan = "scan"

// scans is the pages of a phone that has read a computer's code.
type scans struct{ p *Portal }

// mount adds the pages. Whoever isn't logged in logs in first, whatever the code is: so nobody
// learns which codes there are.
func (s scans) mount(handle func(pattern string, h http.Handler)) {
	handle("GET "+pages.ScannedPath, s.p.c.Site.Login(s.done))
	handle("GET "+pages.ScannedPath+"/{code}", s.p.private(needs{}, "", s.page))
	handle("POST "+pages.ScannedPath+"/{code}", s.p.private(needs{}, "", s.decide))
}

// done says what was decided, and what codes are for.
func (s scans) done(v *pages.Visit) error {
	v.Frame.Quiet = true
	return v.Show(http.StatusOK, web.ScanDone{})
}

// page asks who is logged in whether a computer may log in as them.
func (s scans) page(v *pages.Visit, who oidc.Session) error {
	if err := v.TakeTurn(0); err != nil {
		return err
	}
	if from := v.R.Header.Get("Sec-Fetch-Site"); from == "cross-site" || from == "same-site" {
		// Another website led here: it learns nothing of who is logged in, as the computer would by the name.
		v.Frame.Quiet = true
		v.Bind()
		return v.Show(http.StatusOK, web.Scanned{Form: v.Token(purposeScan), Led: true})
	}
	return s.ask(v, who, http.StatusOK, "")
}

// ask asks, once the login here is as the computer's must be.
func (s scans) ask(v *pages.Visit, who oidc.Session, status int, wrong string) error {
	ctx, code := v.R.Context(), codeOf(v)
	q, err := s.p.c.Scans.Look(ctx, v.Browser, who, code)
	if err != nil {
		return s.refused(v, err)
	}
	old := who.Proved.Before(q.Since)
	if strength := q.Needs(who); old || who.Relayed || who.Strength < strength {
		page := flow.Page{Path: pages.LocalPath(v.R.URL.RequestURI()), Strength: strength, Direct: true}
		if old {
			page.Fresh = max(time.Since(q.Since), 1)
		}
		v.Bind()
		step, err := s.p.c.Flow.Visit(ctx, page, v.Browser)
		return v.Onward(step, err)
	}
	if q, err = s.p.c.Scans.Read(ctx, v.Browser, who, code); err != nil {
		return s.refused(v, err)
	}
	v.Frame.Quiet = true
	if q.Confirmed {
		return v.Show(http.StatusOK, web.ScanDone{Confirmed: true})
	}
	v.Bind()
	view := web.Scanned{
		Form: v.Token(purposeScan), Licenses: q.Licenses, User: who.Party.Name, Device: s.p.deviceOf(v, q.UserAgent), Address: q.Address,
		Network: q.Network, Near: q.Near, Digits: q.Digits, Host: strings.TrimPrefix(strings.TrimPrefix(s.p.c.Issuer, "https://"), "http://"), Problem: wrong,
	}
	if q.Client != "" {
		known, err := s.p.c.Clients.Standing(ctx, q.Client)
		if errors.Is(err, oidc.ErrNotFound) {
			err = scan.ErrGone
		}
		if err != nil {
			return s.refused(v, err)
		}
		lang := string(v.Lang)
		view.Asker = &web.Asker{Name: known.Client.Names.In(lang, known.Client.Name), Participant: known.Participant.Names.In(lang, known.Participant.Name)}
	}
	return v.Show(status, view)
}

// decide takes the answer.
func (s scans) decide(v *pages.Visit, who oidc.Session) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	if !v.Checked(form, purposeScan) {
		return s.ask(v, who, http.StatusForbidden, "stale")
	}
	if wait := s.p.c.People.WaitAddress(v.Browser.Address, 0, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "too_many", "", problem.Seconds(wait))
	}
	ctx, code, notice := v.R.Context(), codeOf(v), "scan_refused"
	if form.Get("act") == "look" {
		return s.ask(v, who, http.StatusOK, "")
	}
	if form.Get("act") == "confirm" {
		err, notice = s.p.c.Scans.Confirm(ctx, v.Browser, who, code, form.Get("present") == "yes"), "scan_confirmed"
	} else {
		err = s.p.c.Scans.Refuse(ctx, v.Browser, who, code)
	}
	if errors.Is(err, scan.ErrAbsent) {
		return s.ask(v, who, http.StatusUnprocessableEntity, "present")
	}
	if err != nil {
		return s.refused(v, err)
	}
	v.Notify(notice)
	return v.Redirect(pages.ScannedPath)
}

// refused shows that a code is good for nothing here, or that this person has read too many.
func (s scans) refused(v *pages.Visit, err error) error {
	if errors.Is(err, scan.ErrGone) {
		return problem.Refuse(http.StatusNotFound, "scan_gone", "")
	}
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == identity.ReasonTooManyTries {
		return problem.Later(http.StatusTooManyRequests, "too_many", "", problem.Seconds(e.Retry))
	}
	return err
}

// codeOf returns the code that the address names.
func codeOf(v *pages.Visit) oidc.Secret { return oidc.SecretOf(v.R.PathValue("code")) }
