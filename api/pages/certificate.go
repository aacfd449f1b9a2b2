package pages

import (
	"net/url"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/views"
	"yizheng.internal/api/web"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/flow"
	"yizheng.internal/oidc/identity/factor"
)

// certificatePath is where somebody logs in with a certificate.
const certificatePath = "/login/certificate"

// certificatePage shows what a certificate's key signs, while the request that its address names is at the login.
func certificatePage(t steps, v *Visit) error {
	if t.c.Certificates == nil {
		return problem.Nowhere()
	}
	if err := v.asked(); err != nil {
		return err
	}
	step, err := t.c.Flow.Next(v.R.Context(), v.request, v.Browser)
	if err == nil && step.Kind == oidc.StepLogin {
		step.Again, step.Alone = true, factor.Certificate
	}
	return t.lead(v, step, err, nil)
}

// certificateSent takes the form of that page.
func certificateSent(t steps, v *Visit) error {
	form, err := FormWithFiles(v)
	if err == nil && t.c.Certificates == nil {
		err = problem.Nowhere()
	}
	if err != nil {
		return err
	}
	return t.answer(v, oidc.StepLogin, form, flow.Alone{Factor: factor.Certificate, Answer: views.CertificateAnswer(form)})
}

// showCertificate shows the page, with a new text to sign each time.
func showCertificate(t steps, v *Visit, step oidc.Step, form url.Values) error {
	view := web.CertificateLogin{Form: v.Token(step.Kind.Purpose()), Asker: requestAsker(v.Lang, step.Request), Back: pageURL(loginPath, step)}
	var status int
	view.Problem, view.Wait, status = problem.OfForm(step.Problem)
	shown, err := signing(t, v, step, form)
	if view.Signing = shown; err != nil {
		return err
	}
	return v.Show(status, view)
}

// signing returns what a step's page shows of a certificate, with a new text to sign each time.
func signing(t steps, v *Visit, step oidc.Step, form url.Values) (web.Signing, error) {
	text, err := flow.Options(v.R.Context(), t.c.Factors, factor.Certificate, step, v.Browser)
	return views.Signing(t.c.Certificates, v.Lang, v.Browser, text, form), err
}
