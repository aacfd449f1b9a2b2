package pages

import (
	"net/http"
	"net/url"
	"time"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/posted"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity/factor"
)

// Paths of the login's pages.
const (
	beginPath   = "/login/begin" // takes up a request that came without cookies
	loginPath   = "/login"
	codePath    = "/login/code"
	accountPath = "/login/account"
	actingPath  = "/login/acting"
	consentPath = "/consent"
	proofPath   = "/login/proofing"
	waitsPath   = "/login/waits"

	RaisePath    = "/security/identity" // where people raise how well they are proofed
	ForgotPath   = "/forgot"
	RegisterPath = "/register"
)

// steps are the pages of a login. Each shows the step that its request is at, and reads the
// form that answers it.
type steps struct{ c *Config }

// authorization serves the authorization endpoint by GET (RFC 6749 section 3.1).
func (t steps) authorization(v *Visit) error {
	if err := v.TakeTurn(len(v.R.URL.RawQuery)); err != nil {
		return err
	}
	form, err := posted.Parse(v.R.URL.RawQuery)
	if err != nil {
		return err
	}
	params, err := oauth.RequestParameters(form)
	if err != nil {
		return err
	}
	v.client = params["client_id"]
	v.Bind()
	step, err := t.c.Flow.Authorize(v.R.Context(), params, v.Browser, false)
	return v.Onward(step, err)
}

// authorizationPosted serves it by POST. Such a request comes from another site, so it has
// none of our cookies. It is stored, and the browser is sent on by a GET, which has them.
func (t steps) authorizationPosted(v *Visit) error {
	size := int64(maxForm) // of unknown length
	if v.R.ContentLength >= 0 {
		size = min(size, v.R.ContentLength)
	}
	if err := v.TakeTurn(int(size)); err != nil {
		return err
	}
	form, err := posted.Read(v.w, v.R, maxForm, false)
	if err != nil {
		return err
	}
	if v.R.URL.RawQuery != "" { // or else a parameter could stand in both
		return ErrInput()
	}
	params, err := oauth.RequestParameters(form)
	if err != nil {
		return err
	}
	v.client, v.request = params["client_id"], oidc.Secret{}
	step, err := t.c.Flow.Authorize(v.R.Context(), params, v.Browser, true)
	if err == nil && step.Kind != oidc.StepDone {
		return v.Redirect(pageURL(beginPath, step))
	}
	return v.Onward(step, err)
}

// begin goes on with a request that was stored without cookies. A browser that has no id gets
// one here. If it doesn't keep the cookie, the next page says so.
func (t steps) begin(v *Visit) error {
	if v.request == (oidc.Secret{}) {
		return oidc.ErrRequestGone
	}
	v.Bind()
	step, err := t.c.Flow.Next(v.R.Context(), v.request, v.Browser)
	return v.Onward(step, err)
}

// asked refuses an address that names no request, and a browser without a cookie: whatever
// leads to a page with a request has set one.
func (v *Visit) asked() error {
	switch {
	case v.request == (oidc.Secret{}):
		return oidc.ErrRequestGone
	case v.Browser.ID == (oidc.Secret{}):
		return problem.Later(http.StatusBadRequest, "cookies", "", 0)
	}
	return nil
}

// page serves the page of a step, while the request that its address names is at it.
func (t steps) page(at oidc.StepKind) func(v *Visit) error {
	return func(v *Visit) error {
		if err := v.asked(); err != nil {
			return err
		}
		step, err := t.c.Flow.Next(v.R.Context(), v.request, v.Browser)
		step.Again = err == nil && step.Kind == at
		return t.lead(v, step, err, nil)
	}
}

// answer takes what a form of a step's page says, and leads on.
func (t steps) answer(v *Visit, at oidc.StepKind, form url.Values, answer flow.Answer) error {
	if err := v.asked(); err != nil {
		return err
	}
	step, err := t.c.Flow.Answer(v.R.Context(), v.request, v.Browser, flow.Form{
		At: at, Token: form.Get("token"), Answer: answer, Found: views.FieldsOf(form, views.FieldFound),
		Wait:     func() time.Duration { return t.c.People.WaitAddress(v.Browser.Address, 0, time.Now()) },
		Language: func(locales []string) string { v.speak(locales); return string(v.Lang) },
	})
	return t.lead(v, step, err, form)
}

// lead shows the step's page, if the step belongs on this one, or leads to what comes next.
// The page shows what a form has filled in; nil: none was sent.
func (t steps) lead(v *Visit, step oidc.Step, err error, form url.Values) error {
	v.keep(step.Cookies)
	v.speak(step.Request.UILocales)
	v.allow(step.Request.RedirectURI)
	if err != nil || !step.Again {
		return v.Onward(step, err)
	}
	v.Frame.Quiet = !step.Request.Portal
	switch {
	case step.Scan != (oidc.Secret{}):
		return v.Redirect(scanURL(scanPath, step, step.Scan))
	case step.Alone == factor.Certificate:
		return showCertificate(t, v, step, form)
	case step.Phone != nil:
		return t.showPhone(v, step, form)
	case step.Challenge != "":
		return t.showConfirm(v, step)
	case step.Kind == oidc.StepSecondFactor:
		return t.showCode(v, step, form)
	case step.Kind == oidc.StepAccount:
		return t.showAccount(v, step)
	case step.Kind == oidc.StepLink:
		return t.showLink(v, step)
	case step.Kind == oidc.StepProofing:
		return showProofing(v, step)
	case step.Kind == oidc.StepActing:
		return showActing(t, v, step)
	case step.Kind == oidc.StepPhoneWaits:
		return showWaits(t, v, step)
	case step.Kind == oidc.StepConsent:
		return t.showConsent(v, step, form)
	}
	return t.showLogin(v, step, form)
}
