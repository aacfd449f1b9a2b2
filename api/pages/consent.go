package pages

import (
	"net/url"

	"yizheng.internal/api/join"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
)

// showConsent shows what is asked for, with what a form has chosen already; nil: nothing yet.
func (t steps) showConsent(v *Visit, step oidc.Step, form url.Values) error {
	offer, err := join.OfferOf(step.Consent.Offer)
	if err != nil {
		return err
	}
	view, err := t.c.Views.Consent(v.R.Context(), v.Lang, *requestAsker(v.Lang, step.Request), step, offer, form)
	if err != nil {
		return err
	}
	var status int
	view.Problem, _, status = problem.OfForm(step.Problem)
	view.Form = v.Token(step.Kind.Purpose())
	return v.Show(status, view)
}

// decide takes the form of the consent's page.
func (t steps) decide(v *Visit) error {
	form, err := v.FormOf(maxAgreed, views.FieldPart, views.FieldChoose)
	if err != nil {
		return err
	}
	var answer flow.Answer
	switch form.Get("act") {
	case "cancel":
		answer = flow.Cancel{}
	case "acting":
		answer = flow.ActAnew{}
	case "find":
		answer = flow.Find{For: views.FieldsOf(form, views.FieldFind)}
	default:
		d, ok := views.DecisionOf(form)
		if !ok {
			return ErrInput()
		}
		answer = flow.Decision(d)
	}
	return t.answer(v, oidc.StepConsent, form, answer)
}
