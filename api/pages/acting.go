package pages

import (
	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
)

// showActing asks for whom somebody acts.
func showActing(t steps, v *Visit, step oidc.Step) error {
	view := views.Acting(t.c.Views.Words(v.R.Context(), v.Lang), step)
	view.Asker = requestAsker(v.Lang, step.Request)
	view.Form = v.Token(step.Kind.Purpose())
	var status int
	view.Problem, _, status = problem.OfForm(step.Problem)
	return v.Show(status, view)
}

// act takes the form of that page.
func (t steps) act(v *Visit) error {
	form, err := v.Form()
	if err != nil {
		return err
	}
	var answer flow.Answer = flow.Act{For: form.Get("for")}
	if form.Get("act") == "cancel" {
		answer = flow.Cancel{}
	}
	return t.answer(v, oidc.StepActing, form, answer)
}
