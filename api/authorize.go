package api

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
)

// Paths of the login's pages.
const (
	beginPath    = "/login/begin" // takes up a request that came without cookies
	loginPath    = "/login"
	codePath     = "/login/code"
	accountPath  = "/login/account"
	consentPath  = "/consent"
	setupPath    = "/setup"
	passwordPath = "/password"
)

// authorization serves the authorization endpoint by GET (RFC 6749 section 3.1).
func (s *Server) authorization(v *visit) error {
	if err := v.takeTurn(len(v.r.URL.RawQuery)); err != nil {
		return err
	}
	form, err := parseForm(v.r.URL.RawQuery)
	if err != nil {
		return err
	}
	params, err := oauth.RequestParameters(form)
	if err != nil {
		return err
	}
	v.client = params["client_id"]
	v.bind()
	step, err := s.c.Provider.Flow.Authorize(v.r.Context(), params, v.browser, false)
	return v.onward(step, err)
}

// authorizationPosted serves it by POST. That comes from another site, so without our
// cookies: the request is kept, and taken up by a GET of our own, which has them.
func (s *Server) authorizationPosted(v *visit) error {
	size := int64(maxForm) // of unknown length
	if v.r.ContentLength >= 0 {
		size = min(size, v.r.ContentLength)
	}
	if err := v.takeTurn(int(size)); err != nil {
		return err
	}
	form, err := readPosted(v.w, v.r, maxForm)
	if err != nil {
		return err
	}
	if v.r.URL.RawQuery != "" { // or else a parameter could stand in both
		return errInput()
	}
	params, err := oauth.RequestParameters(form)
	if err != nil {
		return err
	}
	v.client, v.request = params["client_id"], oidc.Secret{}
	step, err := s.c.Provider.Flow.Authorize(v.r.Context(), params, v.browser, true)
	if err == nil && step.Kind != oidc.StepDone {
		return v.redirect(pageURL(beginPath, step))
	}
	return v.onward(step, err)
}

// takeTurn refuses an address that asks too often, or too much: so many bytes. It may
// be anybody who asks, and what they ask is kept.
func (v *visit) takeTurn(size int) error {
	if wait := v.s.askers.WaitAddress(v.browser.Address, size, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "too_many", "", int(wait/time.Second)+1)
	}
	return nil
}

// begin takes up a request that was kept without cookies. A browser without any
// gets its own here; if it doesn't keep that, the next page will say so.
func (s *Server) begin(v *visit) error {
	if v.request == (oidc.Secret{}) {
		return oidc.ErrRequestGone
	}
	v.bind()
	step, err := s.c.Provider.Flow.Next(v.r.Context(), v.request, v.browser)
	return v.onward(step, err)
}

// asked refuses a page's address that names no request, or comes without a cookie: every way
// to a page with a request sets this before.
func (v *visit) asked() error {
	switch {
	case v.request == (oidc.Secret{}):
		return oidc.ErrRequestGone
	case v.browser.ID == (oidc.Secret{}):
		return problem.Later(http.StatusBadRequest, "cookies", "", 0)
	}
	return nil
}

// stepPage serves the page of a step, while the request that its address names is at it.
func (s *Server) stepPage(at oidc.StepKind) func(v *visit) error {
	return func(v *visit) error {
		if err := v.asked(); err != nil {
			return err
		}
		step, err := s.c.Provider.Flow.Next(v.r.Context(), v.request, v.browser)
		step.Again = err == nil && step.Kind == at
		return v.lead(step, err, nil)
	}
}

// answer takes what a form of a step's page says, and leads on.
func (v *visit) answer(at oidc.StepKind, form url.Values, answer flow.Answer) error {
	if err := v.asked(); err != nil {
		return err
	}
	step, err := v.s.c.Provider.Flow.Answer(v.r.Context(), v.request, v.browser, flow.Form{
		At: at, Token: form.Get("token"), Answer: answer, Found: views.FieldsOf(form, views.FieldFound),
		Wait:     func() time.Duration { return v.s.people.WaitAddress(v.browser.Address, 0, time.Now()) },
		Language: func(locales []string) string { v.speak(locales); return string(v.lang) },
	})
	return v.lead(step, err, form)
}

// lead shows the step's page, if the step belongs on this one, or leads to what comes next.
// The page shows what a form has filled in; nil: none was sent.
func (v *visit) lead(step oidc.Step, err error, form url.Values) error {
	v.keep(step.Cookies)
	v.speak(step.Request.UILocales)
	v.allow(step.Request.RedirectURI)
	if err != nil || !step.Again {
		return v.onward(step, err)
	}
	v.frame.Quiet = !step.Request.Portal
	switch {
	case step.Challenge != "":
		return v.showConfirm(step)
	case step.Kind == oidc.StepSecondFactor:
		return v.showCode(step)
	case step.Kind == oidc.StepAccount:
		return v.showAccount(step)
	case step.Kind == oidc.StepConsent:
		return v.showConsent(step, form)
	}
	return v.showLogin(step, form)
}

// pageURL returns the address of a step's page. The client in it only serves to
// lead back to its home when the request is gone; the handle is good for nothing
// without the browser's cookie.
func pageURL(path string, step oidc.Step) string {
	q := url.Values{"request": {step.Handle.Reveal()}}
	if id := step.Request.Client.ID; id != "" {
		q.Set("client", id)
	}
	return path + "?" + q.Encode()
}

// onward leads to what comes next, or to where a refusal goes.
func (v *visit) onward(step oidc.Step, err error) error {
	if e, ok := errors.AsType[*oidc.RequestError](err); ok && e.Response != nil {
		return v.respond(e.Response)
	}
	if err != nil {
		return err
	}
	switch step.Kind {
	case oidc.StepLogin:
		return v.redirect(pageURL(loginPath, step))
	case oidc.StepSecondFactor:
		if step.Sent != nil {
			return v.redirect(sentURL(step, step.Sent.Again))
		}
		return v.redirect(pageURL(codePath, step))
	case oidc.StepAccount:
		return v.redirect(pageURL(accountPath, step))
	case oidc.StepConsent:
		return v.redirect(pageURL(consentPath, step))
	}
	if step.Response == nil {
		return errors.New("a request is done and has no response")
	}
	return v.respond(step.Response)
}

// respond takes the browser back with a response of the provider's.
func (v *visit) respond(r *oidc.Response) error {
	switch {
	case r.Local:
		return v.redirect(localPath(r.RedirectURI))
	case r.Mode == oidc.ModeFormPost:
		return v.postResponse(r)
	case v.r.Method == http.MethodPost:
		// Not by a redirect: a browser holds all redirects that follow a form against
		// the policy of the form's page, also those by which the client leads on to
		// other origins of its own, which nobody has told us. A refresh is no part of that.
		v.frame.Quiet, v.frame.Passing = true, true
		v.w.Header().Set("Refresh", "0;url="+r.RedirectURI)
		return v.show(http.StatusOK, web.Onward{To: template.URL(r.RedirectURI)})
	}
	return v.redirect(r.RedirectURI)
}

// postResponse answers with a page whose form carries the response (OAuth 2.0
// Form Post Response Mode). It sends itself, and has a button where scripts don't run.
func (v *visit) postResponse(r *oidc.Response) error {
	view := web.FormPost{Action: r.RedirectURI}
	for _, p := range r.Parameters {
		view.Fields = append(view.Fields, web.Field{Name: p.Name, Value: p.Value})
	}
	v.frame.Quiet, v.frame.Passing, v.frame.Nonce = true, true, nonce()
	// A browser holds also the client's own redirects after the form against this
	// policy, and they may lead to other origins of the client's. The page has no
	// form but this one, whose address was checked.
	v.target = "https: http:"
	if strings.HasPrefix(r.RedirectURI, "https:") {
		v.target = "https:"
	}
	return v.show(http.StatusOK, view)
}

// requestAsker returns who asks in a request; nil if it is for pages of ours.
func (v *visit) requestAsker(q oidc.RequestView) *web.Asker {
	if q.Portal {
		return nil
	}
	a := v.clientAsker(q.Client)
	a.Participant = q.Participant.Names.In(string(v.lang), q.Participant.Name)
	return a
}

// clientAsker returns who asks when only the client is known.
func (v *visit) clientAsker(c oidc.Client) *web.Asker {
	return &web.Asker{Name: c.Names.In(string(v.lang), c.Name), Home: c.HomeURI}
}
