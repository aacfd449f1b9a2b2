package flow

import (
	"context"
	"errors"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/certificate"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/request"
)

// Alone is what proves a passkey or a certificate, in place of login name and password (StepLogin).
type Alone struct {
	Factor factor.Name
	Answer string // the browser's; see [factor.AloneAttempt]
}

func (w Alone) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if e := a.unsigned(w.Factor, w.Answer); e != nil {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemLogin, Refused: e})
	}
	account, proof, err := p.c.Factors.CheckAlone(ctx, w.Factor, factor.AloneAttempt{
		Answer: w.Answer, Channel: a.browser.Certificate, Binding: aloneBinding(a.Handle, a.browser), Address: a.browser.Address, RequestID: a.browser.RequestID,
	})
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemLogin, Refused: e})
	} else if err != nil {
		return oidc.Step{}, err
	}
	return p.logIn(ctx, a, account, proof, false)
}

// unsigned refuses the connection's certificate alone where a login of just now is asked for: a TLS session that is
// resumed, or kept open, has it without any use of the key.
func (a *asking) unsigned(n factor.Name, answer string) *identity.Error {
	if r := &a.Request; n == factor.Certificate && answer == "" && (r.Direct || r.Wants(request.PromptLogin) || a.maxAge() != nil) {
		return certificate.Refuse(certificate.ReasonUnsigned)
	}
	return nil
}

// aloneBinding binds a challenge to one request at one browser.
func aloneBinding(handle oidc.Secret, b oidc.Browser) string {
	return b.ID.Reveal() + "." + handle.Reveal()
}

// Options returns what a step's page asks for that proves a factor, as of [factor.Begun]; empty: nothing. It stores nothing.
func Options(ctx context.Context, f Factors, n factor.Name, step oidc.Step, b oidc.Browser) (string, error) {
	switch {
	case step.Kind == oidc.StepLogin && step.Handle != (oidc.Secret{}):
		return f.AloneOptions(ctx, n, aloneBinding(step.Handle, b))
	case step.Kind == oidc.StepSecondFactor && step.Session != nil:
		begun, err := f.Begin(ctx, n, factor.Login{Account: step.Session.Account, Binding: step.Session.ID, RequestID: b.RequestID})
		if _, refused := errors.AsType[*identity.Error](err); refused {
			return "", nil // the page says that there is none here
		}
		return begun.Options, err
	}
	return "", nil
}
