package api

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
)

const (
	logoutPath = "/logout"
)

// logoutRequest serves the end_session endpoint (OpenID Connect RP-Initiated
// Logout 1.0 section 2), by GET and POST. Nothing ends before the person says so.
// Who wants to log out is asked, however wrong the request is otherwise.
func (s *Server) logoutRequest(v *visit) error {
	params, refused, err := v.logoutParameters()
	if err != nil {
		return err
	}
	v.client = params["client_id"]
	view, err := s.c.Provider.Flow.Logout(v.r.Context(), params, v.browser)
	if err != nil {
		return v.onward(oidc.Step{}, err)
	}
	if refused != nil {
		view.Refused = refused
	}
	// A POST from another site comes without cookies, so that nobody can be seen
	// to be logged in: the page asks all the same.
	if v.r.Method != http.MethodPost {
		if view.Session == nil {
			return v.goodbye(view)
		}
		v.bind() // by POST the browser's id may be there and not be sent: another one would end logins under way
	}
	return v.askLogout(view, params, http.StatusOK)
}

// logoutParameters reads a logout request. Parameters that aren't good count as
// not there; a body that can't be read is an error.
func (v *visit) logoutParameters() (oidc.Parameters, *oidc.RequestError, error) {
	form, err := parseForm(v.r.URL.RawQuery)
	if v.r.Method == http.MethodPost {
		if v.r.URL.RawQuery != "" { // or else a parameter could stand in both
			return nil, nil, errInput()
		}
		if form, err = readPosted(v.w, v.r, maxForm); err != nil {
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

func (v *visit) askLogout(l flow.LogoutView, params oidc.Parameters, status int) error {
	v.speak(l.UILocales)
	view := web.Logout{Form: v.token(purposeLogout), Fields: logoutFields(params), Why: whyOf(l.Refused)}
	view.Action = logoutPath
	if l.Session != nil {
		view.User = party.MaskName(l.Session.Party.Name)
	}
	if l.Client != nil {
		view.Asker = v.clientAsker(*l.Client)
	}
	if l.Response != nil {
		v.allow(l.Response.RedirectURI)
	}
	return v.show(status, view)
}

// logoutPage asks whether to log out, without a client that asks for it.
func (s *Server) logoutPage(v *visit) error {
	view, err := s.c.Provider.Flow.Logout(v.r.Context(), oidc.Parameters{}, v.browser)
	if err != nil {
		return v.onward(oidc.Step{}, err)
	}
	if view.Session == nil {
		return v.goodbye(view)
	}
	v.frame.User, v.frame.Section = view.Session.Party.Name, "logout"
	v.bind()
	return v.askLogout(view, oidc.Parameters{}, http.StatusOK)
}

// logOut takes the form of the logout's page, with the request that led there.
func (s *Server) logOut(v *visit) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	params := keptLogout(form)
	view, err := s.c.Provider.Flow.Logout(v.r.Context(), params, v.browser)
	if err != nil {
		return v.onward(oidc.Step{}, err)
	}
	if !v.checked(form, purposeLogout) {
		if view.Session == nil {
			return v.goodbye(view)
		}
		v.bind()
		return v.askLogout(view, params, http.StatusForbidden)
	}
	if err := s.c.Provider.Sessions.LogOut(v.r.Context(), v.browser); err != nil && !errors.Is(err, oidc.ErrNoSession) {
		return err
	}
	v.dropSession()
	return v.goodbye(view)
}

// goodbye leads to where a logout request wants, or to a page of ours.
func (v *visit) goodbye(l flow.LogoutView) error {
	if l.Response != nil {
		return v.respond(l.Response)
	}
	if v.r.Method == http.MethodPost {
		return v.redirect(logoutPath + "?" + url.Values{"done": {"yes"}}.Encode())
	}
	v.speak(l.UILocales)
	return v.show(http.StatusOK, web.Goodbye{Why: whyOf(l.Refused)})
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
