package flow

import (
	"context"
	"errors"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
)

// Passkey is a passkey's signature, in place of login name and password (StepLogin).
type Passkey struct {
	Answer string // the browser's; see [factor.PasskeyAttempt]
}

func (w Passkey) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	account, proof, err := p.c.Factors.CheckPasskey(ctx, factor.PasskeyAttempt{
		Answer: w.Answer, Binding: passkeyBinding(a.Handle, a.browser), Address: a.browser.Address, RequestID: a.browser.RequestID,
	})
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemLogin, Refused: e})
	} else if err != nil {
		return oidc.Step{}, err
	}
	return p.logIn(ctx, a, account, proof, false)
}

// passkeyBinding binds a passkey's challenge to one request at one browser.
func passkeyBinding(handle oidc.Secret, b oidc.Browser) string {
	return b.ID.Reveal() + "." + handle.Reveal()
}

// PasskeyOptions returns the options with which the page of a step asks for a passkey, as JSON.
// Nothing is stored of it. It is empty if the step asks for no passkey.
func PasskeyOptions(ctx context.Context, f Factors, step oidc.Step, b oidc.Browser) (string, error) {
	switch {
	case step.Kind == oidc.StepLogin && step.Handle != (oidc.Secret{}):
		return f.PasskeyOptions(ctx, passkeyBinding(step.Handle, b))
	case step.Kind == oidc.StepSecondFactor && step.Session != nil:
		begun, err := f.Begin(ctx, factor.Passkey, factor.Login{Account: step.Session.Account, Binding: step.Session.ID, RequestID: b.RequestID})
		if _, refused := errors.AsType[*identity.Error](err); refused {
			return "", nil // the page says that there are no passkeys here
		}
		return begun.Options, err
	}
	return "", nil
}
