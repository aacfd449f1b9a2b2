package api

import (
	"net/url"

	"yizheng.internal/api/join"
	"yizheng.internal/api/views"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
)

// showConsent shows what is asked for, with what a form has chosen already; nil: nothing yet.
func (v *visit) showConsent(step oidc.Step, form url.Values) error {
	offer, err := join.OfferOf(step.Consent.Offer)
	if err != nil {
		return err
	}
	view, err := v.s.views.Consent(v.r.Context(), v.lang, *v.requestAsker(step.Request), step, offer, form)
	if err != nil {
		return err
	}
	var status int
	view.Problem, _, status = problemOf(step.Problem)
	view.Form = v.token(step.Kind.Purpose())
	return v.show(status, view)
}

// decide takes the form of the consent's page.
func (s *Server) decide(v *visit) error {
	form, err := v.formOf(maxAgreed, views.FieldPart, views.FieldChoose)
	if err != nil {
		return err
	}
	var answer flow.Answer
	switch form.Get("act") {
	case "cancel":
		answer = flow.Cancel{}
	case "find":
		answer = flow.Find{For: views.FieldsOf(form, views.FieldFind)}
	default:
		d, ok := views.DecisionOf(form)
		if !ok {
			return errInput()
		}
		answer = flow.Decision(d)
	}
	return v.answer(oidc.StepConsent, form, answer)
}
