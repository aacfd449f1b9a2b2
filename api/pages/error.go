package pages

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/web"
	"yizheng.internal/license/refusal"
	"yizheng.internal/oidc"
)

// wantsPage reports whether an error is to be shown as a page: on pages, and to
// browsers that look for one where none is.
func wantsPage(r *http.Request) bool {
	if problem.FactsOf(r.Context()).Page {
		return true
	}
	// Without a pattern it didn't get as far as the routes.
	if r.Pattern != "/" && r.Pattern != "" || !strings.Contains(r.Header.Get("Accept"), "text/html") || strings.HasPrefix(r.URL.Path, "/v1/") {
		return false
	}
	return !strings.HasPrefix(r.URL.Path, "/oauth/") || r.URL.Path == oauth.AuthorizePath || r.URL.Path == oauth.EndSessionPath
}

// ShowError shows an error as a page where one is waited for, and reports whether it did.
// p is what a client of the API would see.
func (s *Site) ShowError(w http.ResponseWriter, r *http.Request, p problem.Problem, err error) bool {
	if !wantsPage(r) {
		return false
	}
	v := s.visit(w, r)
	view := web.Error{Status: p.Status, Key: v.s.keyOf(p), Wait: p.RetryAfter, Retry: p.Again}
	if !problem.Passes(err) { // or else the store that doesn't answer would be asked again
		view.Asker = v.asker(r.Context())
	}
	if e, ok := errors.AsType[*oidc.RequestError](err); ok {
		view.Why = whyOf(e)
		if e.Client != nil {
			view.Asker = clientAsker(v.Lang, *e.Client)
		}
	}
	if e, ok := errors.AsType[*oidc.GoneError](err); ok && e.Client.ID != "" {
		view.Asker = clientAsker(v.Lang, e.Client)
	}
	if view.Key == "too_many" && view.Wait == 0 {
		view.Wait = 60
	}
	if view.Wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(view.Wait))
	}
	view.Retry = view.Retry || r.Method == http.MethodGet && p.Status >= 500
	if err := v.Show(p.Status, view); err != nil {
		w.WriteHeader(http.StatusInternalServerError) // only if a text is missing
	}
	return true
}

// whyOf says to developers what is wrong with a request; nil: nothing is.
func whyOf(e *oidc.RequestError) web.Why {
	if e == nil {
		return web.Why{}
	}
	return web.Why{Code: string(e.Refusal.Code), Description: e.Refusal.Description, Received: e.Received, Differs: e.Differs}
}

// keyOf returns the key of the texts for what a client of the API would see: a reason that
// has texts of its own is its key.
func (s *Site) keyOf(p problem.Problem) string {
	switch {
	case p.Reason == string(refusal.ReasonAssuranceTooLow), p.Reason == string(oidc.UnmetAuthenticationRequirements):
		return "assurance"
	case s.c.Web.Has("error." + p.Reason + ".title"):
		return p.Reason
	}
	switch p.Status {
	case http.StatusNotFound:
		return "not_found"
	case http.StatusMethodNotAllowed:
		return "method"
	case http.StatusRequestURITooLong:
		return "url_too_long"
	case http.StatusTooManyRequests:
		return "too_many"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusInternalServerError:
		return "internal"
	}
	return "input"
}

// asker returns whose client the page's address names, so that a person finds
// back to where they began; nil if it names none.
func (v *Visit) asker(ctx context.Context) *web.Asker {
	if v.client == "" {
		return nil
	}
	c, err := v.s.c.Clients.Client(ctx, v.client)
	if err != nil || c.Disabled {
		return nil
	}
	return clientAsker(v.Lang, c)
}
