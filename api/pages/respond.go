package pages

import (
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
)

// TakeTurn counts a request of so many bytes, and refuses it if the address asks too often or
// for too much: anybody may ask, and each request is stored.
func (v *Visit) TakeTurn(size int) error {
	if wait := v.s.c.Askers.WaitAddress(v.Browser.Address, size, time.Now()); wait > 0 {
		return problem.Later(http.StatusTooManyRequests, "too_many", "", problem.Seconds(wait))
	}
	return nil
}

// pageURL returns the address of a step's page. It names the client, so that a page can lead
// back to the client's home when the request is gone. The handle is of no use without the
// browser's cookie.
func pageURL(path string, step oidc.Step) string {
	q := url.Values{"request": {step.Handle.Reveal()}}
	if id := step.Request.Client.ID; id != "" {
		q.Set("client", id)
	}
	return path + "?" + q.Encode()
}

// LoginURL returns the address of the login page to which a page for who can't log in leads back.
func (v *Visit) LoginURL() string {
	if v.request == (oidc.Secret{}) {
		return homePath
	}
	return loginPath + requestQuery(v)
}

// requestQuery names the request that a page belongs to, and its client.
func requestQuery(v *Visit) string {
	q := url.Values{"request": {v.request.Reveal()}}
	if v.client != "" {
		q.Set("client", v.client)
	}
	return "?" + q.Encode()
}

// Resumed returns the address at which the request goes on from which a page of ours was opened, or "" if it was opened
// from none.
func Resumed(v *Visit) string {
	if v.request == (oidc.Secret{}) {
		return ""
	}
	return beginPath + requestQuery(v)
}

// homePath is where somebody logs in for our own pages.
const homePath = "/licenses"

// Onward leads to what comes next, or to where a refusal goes.
func (v *Visit) Onward(step oidc.Step, err error) error {
	if e, ok := errors.AsType[*oidc.RequestError](err); ok && e.Response != nil {
		return v.respond(e.Response)
	}
	if err != nil {
		return err
	}
	switch step.Kind {
	case oidc.StepLogin:
		return v.Redirect(pageURL(loginPath, step))
	case oidc.StepSecondFactor:
		if step.Sent != nil {
			return v.Redirect(sentURL(step, step.Sent.Again))
		}
		return v.Redirect(pageURL(codePath, step))
	case oidc.StepAccount:
		return v.Redirect(pageURL(accountPath, step))
	case oidc.StepLink:
		return v.Redirect(pageURL(linkPath, step))
	case oidc.StepProofing:
		return v.Redirect(pageURL(proofPath, step))
	case oidc.StepActing:
		return v.Redirect(pageURL(actingPath, step))
	case oidc.StepPhoneWaits:
		return v.Redirect(pageURL(waitsPath, step))
	case oidc.StepConsent:
		return v.Redirect(pageURL(consentPath, step))
	}
	if step.Response == nil {
		return errors.New("a request is done and has no response")
	}
	return v.respond(step.Response)
}

// respond takes the browser back with a response of the provider's.
func (v *Visit) respond(r *oidc.Response) error {
	switch {
	case r.Local:
		return v.Redirect(LocalPath(r.RedirectURI))
	case r.Mode == oidc.ModeFormPost:
		return v.postResponse(r)
	case v.R.Method == http.MethodPost:
		// Not by a redirect: a browser holds all redirects that follow a form against
		// the policy of the form's page, also those by which the client leads on to
		// other origins of its own, which nobody has told us. A refresh is no part of that.
		v.Frame.Quiet, v.Frame.Passing = true, true
		v.w.Header().Set("Refresh", "0;url="+r.RedirectURI)
		return v.Show(http.StatusOK, web.Onward{To: template.URL(r.RedirectURI)})
	}
	return v.Redirect(r.RedirectURI)
}

// postResponse answers with a page whose form carries the response (OAuth 2.0
// Form Post Response Mode). It sends itself, and has a button where scripts don't run.
func (v *Visit) postResponse(r *oidc.Response) error {
	view := web.FormPost{Action: r.RedirectURI}
	for _, p := range r.Parameters {
		view.Fields = append(view.Fields, web.Field{Name: p.Name, Value: p.Value})
	}
	v.Frame.Quiet, v.Frame.Passing, v.Frame.Nonce = true, true, nonce()
	// A browser holds also the client's own redirects after the form against this
	// policy, and they may lead to other origins of the client's. The page has no
	// form but this one, whose address was checked.
	v.target = "https: http:"
	if strings.HasPrefix(r.RedirectURI, "https:") {
		v.target = "https:"
	}
	return v.Show(http.StatusOK, view)
}

// requestAsker returns who asks in a request; nil if it is for pages of ours.
func requestAsker(lang web.Language, q oidc.RequestView) *web.Asker {
	if q.Portal {
		return nil
	}
	a := clientAsker(lang, q.Client)
	a.Licenses = q.Licenses
	a.Participant = q.Participant.Names.In(string(lang), q.Participant.Name)
	return a
}

// clientAsker returns who asks when only the client is known.
func clientAsker(lang web.Language, c oidc.Client) *web.Asker {
	return &web.Asker{Name: c.Names.In(string(lang), c.Name), Home: c.HomeURI}
}
