package pages

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/posted"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/request"
)

const logoutPath = "/logout"

// logouts are the pages of logging out.
type logouts struct{ c *Config }

// request serves the end_session endpoint (OpenID Connect RP-Initiated
// Logout 1.0 section 2), by GET and POST. Nothing ends before the person says so.
// Who wants to log out is asked, however wrong the request is otherwise.
func (o logouts) begin(v *Visit) error {
	params, refused, err := o.parameters(v)
	if err != nil {
		return err
	}
	v.client = params["client_id"]
	view, err := o.c.Logouts.Take(v.R.Context(), params, v.Browser)
	if err != nil {
		return v.Onward(oidc.Step{}, err)
	}
	if refused != nil {
		view.Refused = refused
	}
	// A POST from another site comes without cookies, so that nobody can be seen
	// to be logged in: the page asks all the same.
	if v.R.Method != http.MethodPost {
		if view.Session == nil {
			return o.goodbye(v, view)
		}
		v.Bind() // by POST the browser's id may be there and not be sent: another one would end logins under way
	}
	return o.ask(v, view, params, http.StatusOK)
}

// parameters reads a logout request. Parameters that aren't good count as
// not there; a body that can't be read is an error.
func (o logouts) parameters(v *Visit) (oidc.Parameters, *oidc.RequestError, error) {
	form, err := posted.Parse(v.R.URL.RawQuery)
	if v.R.Method == http.MethodPost {
		if v.R.URL.RawQuery != "" { // or else a parameter could stand in both
			return nil, nil, ErrInput()
		}
		if form, err = posted.Read(v.w, v.R, maxForm, false); err != nil {
			return nil, nil, err
		}
	}
	if err != nil {
		return oidc.Parameters{}, &oidc.RequestError{Refusal: &oidc.Error{Code: oidc.InvalidRequest, Description: "the query is not a form in UTF-8"}}, nil
	}
	params, err := oauth.RequestParameters(form)
	if e, ok := errors.AsType[*oidc.RequestError](err); ok {
		return oidc.Parameters{}, e, nil
	}
	return params, nil, err
}

func (o logouts) ask(v *Visit, l request.LogoutView, params oidc.Parameters, status int) error {
	v.speak(l.UILocales)
	view := web.Logout{Form: v.Token(purposeLogout), Fields: logoutFields(params), Why: whyOf(l.Refused)}
	view.Action = logoutPath
	if l.Session != nil {
		view.User = party.MaskName(l.Session.Party.Name)
	}
	if l.Client != nil {
		view.Asker = clientAsker(v.Lang, *l.Client)
	}
	if l.Response != nil {
		v.allow(l.Response.RedirectURI)
	}
	return v.Show(status, view)
}

// page asks whether to log out, without a client that asks for it.
func (o logouts) page(v *Visit) error {
	view, err := o.c.Logouts.Take(v.R.Context(), oidc.Parameters{}, v.Browser)
	if err != nil {
		return v.Onward(oidc.Step{}, err)
	}
	if view.Session == nil {
		return o.goodbye(v, view)
	}
	v.Frame.User, v.Frame.Section = view.Session.Party.Name, "logout"
	v.Bind()
	return o.ask(v, view, oidc.Parameters{}, http.StatusOK)
}

// take takes the form of the logout's page, with the request that led there.
func (o logouts) take(v *Visit) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	params := keptLogout(form)
	view, err := o.c.Logouts.Take(v.R.Context(), params, v.Browser)
	if err != nil {
		return v.Onward(oidc.Step{}, err)
	}
	if !v.Checked(form, purposeLogout) {
		if view.Session == nil {
			return o.goodbye(v, view)
		}
		v.Bind()
		return o.ask(v, view, params, http.StatusForbidden)
	}
	if err := o.c.Sessions.LogOut(v.R.Context(), v.Browser); err != nil {
		return err
	}
	v.DropSession()
	return o.goodbye(v, view)
}

// goodbye leads to where a logout request wants, or to a page of ours.
func (o logouts) goodbye(v *Visit, l request.LogoutView) error {
	if l.Response != nil {
		return v.respond(l.Response)
	}
	if v.R.Method == http.MethodPost {
		return v.Redirect(logoutPath + "?" + url.Values{"done": {"yes"}}.Encode())
	}
	v.speak(l.UILocales)
	return v.Show(http.StatusOK, web.Goodbye{Why: whyOf(l.Refused)})
}

// logoutFields are those of a logout request's parameters that its page sends on.
func logoutFields(params oidc.Parameters) []web.Field {
	var fields []web.Field
	for _, name := range slices.Sorted(maps.Keys(params)) {
		fields = append(fields, web.Field{Name: logoutPrefix + name, Value: params[name]})
	}
	return fields
}

// logoutPrefix keeps the parameters of a logout request apart from the form's own fields.
const logoutPrefix = "request-"

func keptLogout(form url.Values) oidc.Parameters {
	params := oidc.Parameters{}
	for name, value := range views.FieldsOf(form, logoutPrefix) {
		if value != "" {
			params[name] = value
		}
	}
	return params
}
