package flow

import (
	"context"
	"errors"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/behalf"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/waiting"
)

// represents returns the question for whom the person acts.
func (a *asking) represents() behalf.Question {
	q := behalf.QuestionOf(&a.Request, a.login, a.scopes(), a.browser.RequestID)
	q.Anew = !a.IsAnswered() && (a.ActingAnew || a.Request.Wants(request.PromptAccount)) && a.Acted != a.login.ID
	return q
}

// actingStep finds out anew for whom the person acts. StepActing: they must say.
func (p *judge) actingStep(ctx context.Context, a *asking) (oidc.StepKind, error) {
	if a.Request.Portal() { // pages of our own have it in their banner
		return oidc.StepDone, nil
	}
	var err error
	if a.behalf, err = p.c.Behalf.Settle(ctx, a.represents()); err != nil || a.behalf.Settled {
		return oidc.StepDone, err
	}
	return oidc.StepActing, nil
}

// Act says for whom the person acts (StepActing): the key of one of the choices, or session.BySelf.
type Act struct{ For string }

func (w Act) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	l, err := p.c.Behalf.Choose(ctx, a.browser, a.represents(), w.For)
	if errors.Is(err, behalf.ErrNoChoice) {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemActing})
	}
	if errors.Is(err, oidc.ErrNoSession) { // somebody logged out in another tab
		return oidc.Step{}, oidc.ErrRequestGone
	}
	if err != nil {
		return oidc.Step{}, err
	}
	a.login = l
	a.Note(func(k *waiting.Kept) { k.Acted, k.ActingAnew = l.ID, false })
	return p.next(ctx, a)
}

// ActAnew leads from the consent page back to the question for whom the person acts (StepConsent).
type ActAnew struct{}

func (ActAnew) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	a.Note(func(k *waiting.Kept) { k.Acted, k.ActingAnew = "", true })
	return p.next(ctx, a)
}
