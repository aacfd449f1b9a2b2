package api

import (
	"net/http"
	"net/url"

	"yizheng.internal/api/views"
	"yizheng.internal/oidc"
)

// consentPage asks for consent.
func (s *Server) consentPage(v *visit) error {
	step, err := v.next()
	if err != nil || step.Kind != oidc.StepConsent {
		return v.onward(step, err)
	}
	return v.showConsent(step, http.StatusOK, "", nil)
}

// showConsent shows what is asked for, with what a form has chosen already; nil: nothing yet.
func (v *visit) showConsent(step oidc.Step, status int, wrong string, form url.Values) error {
	v.frame.Quiet = true
	view, err := v.s.views.Consent(v.r.Context(), v.lang, *v.requestAsker(step.Request), step, form)
	if err != nil {
		return err
	}
	view.Form, view.Problem = v.token(purposeConsent), wrong
	return v.show(status, view)
}

// decide takes the form of the consent's page. It doesn't look first what comes
// next: of two clicks the second one must get the same answer as the first.
func (s *Server) decide(v *visit) error {
	form, err := v.formOf(maxAgreed, views.FieldPart, views.FieldChoose)
	if err != nil {
		return err
	}
	found := views.FieldsOf(form, views.FieldFound)
	again := func(status int, wrong string) error {
		step, err := v.nextFor(found)
		if err != nil || step.Kind != oidc.StepConsent {
			return v.onward(step, err)
		}
		return v.showConsent(step, status, wrong, form)
	}
	if !v.checked(form, purposeConsent) {
		return again(http.StatusForbidden, "stale")
	}
	switch form.Get("act") {
	case "cancel":
		return v.cancel()
	case "find":
		found = views.FieldsOf(form, views.FieldFind)
		return again(http.StatusOK, "")
	}
	d, ok := views.DecisionOf(form)
	if !ok {
		return errInput()
	}
	if form.Get("act") == "approve" && views.Undecided(form) {
		return again(http.StatusUnprocessableEntity, "choose")
	}
	step, err := s.c.Provider.Flow.Decide(v.r.Context(), v.request, v.browser, d)
	if err == nil && step.Kind == oidc.StepConsent {
		v.allow(step.Request.RedirectURI)
		return v.showConsent(step, http.StatusConflict, "changed", form)
	}
	return v.onward(step, err)
}
