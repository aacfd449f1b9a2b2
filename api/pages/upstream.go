package pages

import (
	"net/http"
	"slices"

	"yizheng.internal/api/posted"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/upstream"
)

// Paths of logins with other providers.
const (
	upstreamPath = "/login/upstream/" // and the provider's id: where it sends people back
	linkPath     = "/login/link"
)

// beginUpstream sends the browser to another provider.
func (t steps) beginUpstream(v *Visit) error {
	if err := v.asked(); err != nil {
		return err
	}
	if err := v.TakeTurn(len(v.R.URL.RawQuery)); err != nil {
		return err
	}
	to, step, err := flow.BeginUpstream(v.R.Context(), t.c.Flow, v.request, v.Browser, v.R.PathValue("provider"), v.chosen)
	if err != nil || to == "" {
		return v.Onward(step, err)
	}
	return v.Redirect(to)
}

// chosen returns the language in which to speak to somebody, for a request with these ui_locales.
func (v *Visit) chosen(locales []string) string {
	v.speak(locales)
	return string(v.Lang)
}

// endUpstream takes a browser that another provider sends back.
func (t steps) endUpstream(v *Visit) error {
	if err := v.TakeTurn(len(v.R.URL.RawQuery)); err != nil {
		return err
	}
	form, err := posted.Parse(v.R.URL.RawQuery)
	if err != nil {
		return err
	}
	if posted.Repeated(form) {
		return ErrInput()
	}
	answer := make(map[string]string, len(form))
	for name, values := range form {
		answer[name] = values[0]
	}
	if v.Browser.ID == (oidc.Secret{}) {
		return problem.Later(http.StatusBadRequest, "cookies", "", 0)
	}
	step, err := flow.ReturnUpstream(v.R.Context(), t.c.Flow, upstream.Return{Provider: v.R.PathValue("provider"), Answer: answer}, v.Browser, v.chosen)
	v.keep(step.Cookies)
	return v.Onward(step, err)
}

// offered returns the other providers with which somebody may log in, for the login's page.
func offered(t steps, v *Visit, step oidc.Step) (all []web.Upstream) {
	if t.c.Upstreams == nil {
		return nil
	}
	for _, p := range t.c.Upstreams.Offered(string(v.Lang), step.Anew) {
		all = append(all, web.Upstream{ID: p.ID, Title: p.Title, To: pageURL(upstreamPath+p.ID+"/begin", step)})
	}
	return all
}

// elsewhere returns what a login with another provider led to; nil: there was none.
func elsewhere(t steps, v *Visit, step oidc.Step) *web.Elsewhere {
	u := step.Upstream
	if u == nil || t.c.Upstreams == nil {
		return nil
	}
	title := t.c.Upstreams.Title(u.Provider, string(v.Lang))
	if title == "" { // it was taken out meanwhile
		return nil
	}
	reason := string(u.Reason)
	if !t.c.Web.Has("login.elsewhere." + reason) {
		reason = "upstream_wrong"
	}
	if u.Reason == upstream.ReasonUnlinked && t.c.Registers {
		reason = "upstream_unlinked_register"
	}
	return &web.Elsewhere{Title: title, Reason: reason, Unlinked: u.Unlinked}
}

// hopeless are the reasons for which no further try links anything.
var hopeless = []identity.Reason{upstream.ReasonOther, upstream.ReasonTaken}

// showLink asks whether to link an account elsewhere with this one.
func (t steps) showLink(v *Visit, step oidc.Step) error {
	_, _, status := problem.OfForm(step.Problem)
	view := web.Link{Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), User: party.MaskName(step.Session.Party.Name)}
	if at := elsewhere(t, v, step); at != nil {
		view.Title = at.Title
		why := step.Upstream.Reason
		switch {
		case why == upstream.ReasonUnlinked: // that is why it is asked
		case t.c.Web.Has("link.problem." + string(why)):
			view.Problem = string(why)
		default:
			view.Problem = string(upstream.ReasonWrong)
		}
		view.Over = slices.Contains(hopeless, why)
	}
	if step.Problem != (oidc.Problem{}) {
		view.Problem = "stale"
	}
	return v.Show(status, view)
}

// link takes the form of that page.
func (t steps) link(v *Visit) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	return t.answer(v, oidc.StepLink, form, flow.Link{Agreed: form.Get("act") == "link", Language: string(v.Lang)})
}
