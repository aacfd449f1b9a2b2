package flow

import (
	"context"
	"errors"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/authenticator"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/upstream"
	"yizheng.internal/oidc/request"
	"yizheng.internal/oidc/waiting"
)

// Upstreams logs people in with other providers. [upstream.Service] implements it; its methods say what
// they refuse.
type Upstreams interface {
	Offered(language string, fresh bool) []upstream.Offered
	Begin(ctx context.Context, b upstream.Start) (string, error)
	Request(ctx context.Context, r upstream.Return) (string, error)
	Finish(ctx context.Context, r upstream.Return, language string) (upstream.Arrival, error)
	Link(ctx context.Context, o authenticator.Owner, x upstream.Person) error
}

// BeginUpstream begins a login at another provider, for a stored request that needs a login, and returns the
// address to which the browser goes. If that is empty, the step says what comes next: the login's page
// if the provider doesn't answer. Errors: ErrRequestGone, also if there is no such provider; refusals are *RequestError.
func BeginUpstream(ctx context.Context, p *Service, handle oidc.Secret, b oidc.Browser, provider string, language func([]string) string) (string, oidc.Step, error) {
	a, err := atLogin(ctx, p, handle, b)
	if err != nil {
		return "", oidc.Step{}, err
	}
	kind, err := p.judge.demand(ctx, a)
	if err != nil || kind != oidc.StepLogin {
		step, err := onward(ctx, p, a, kind, err)
		return "", step, err
	}
	s := upstream.Start{
		Provider: provider, Browser: b.ID.Reveal(), Request: handle.Reveal(), Anew: a.Request.Wants(request.PromptLogin), MaxAge: a.maxAge(),
		Language: language(a.Request.UILocales), Address: b.Address, RequestID: b.RequestID,
	}
	to, err := p.c.Upstreams.Begin(ctx, s)
	if errors.Is(err, identity.ErrNotFound) {
		return "", oidc.Step{}, oidc.ErrRequestGone
	}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		step, err := notElsewhere(ctx, p, a, waiting.Upstream{Provider: provider, Refused: e.Reason})
		return "", step, err
	} else if err != nil {
		return "", oidc.Step{}, err
	}
	a.Note(func(k *waiting.Kept) { k.Upstream = nil }) // what an earlier one led to
	return to, oidc.Step{}, p.c.Waiting.Save(ctx, a.Entry)
}

// atLogin loads a stored request in which somebody logs in with another provider.
func atLogin(ctx context.Context, p *Service, handle oidc.Secret, b oidc.Browser) (*asking, error) {
	if p.c.Upstreams == nil {
		return nil, oidc.ErrRequestGone
	}
	a, err := find(ctx, p, handle, b)
	if err != nil {
		return nil, err
	}
	if a.IsAnswered() {
		return nil, p.c.Waiting.Gone(ctx, a.Entry)
	}
	return a, p.stand(ctx, a)
}

// onward leads to a step, or settles why there is none.
func onward(ctx context.Context, p *Service, a *asking, kind oidc.StepKind, err error) (oidc.Step, error) {
	if err != nil {
		return oidc.Step{}, p.settle(ctx, a, err)
	}
	return p.lead(ctx, a, kind)
}

// ReturnUpstream takes a browser that comes back from another provider, and says what comes next. What is wrong
// stands on the login's page. Errors: ErrRequestGone; refusals are *RequestError.
func ReturnUpstream(ctx context.Context, p *Service, r upstream.Return, b oidc.Browser, language func([]string) string) (oidc.Step, error) {
	if p.c.Upstreams == nil {
		return oidc.Step{}, oidc.ErrRequestGone
	}
	r.Browser, r.RequestID = b.ID.Reveal(), b.RequestID
	handle, err := p.c.Upstreams.Request(ctx, r)
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == upstream.ReasonStale {
		return oidc.Step{}, oidc.ErrRequestGone
	} else if ok {
		return oidc.Step{}, oidc.Unavailable(err)
	} else if err != nil {
		return oidc.Step{}, err
	}
	a, err := atLogin(ctx, p, oidc.SecretOf(handle), b)
	if err != nil {
		return oidc.Step{}, err
	}
	if kind, err := p.judge.demand(ctx, a); err != nil || kind != oidc.StepLogin { // somebody logged in in another tab
		return onward(ctx, p, a, kind, err)
	}
	a.sent = &Form{Language: language} // a second factor may send a code in it
	arrived, err := p.c.Upstreams.Finish(ctx, r, language(a.Request.UILocales))
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return notElsewhere(ctx, p, a, waiting.Upstream{Provider: r.Provider, Refused: e.Reason})
	} else if err != nil {
		return oidc.Step{}, err
	}
	if arrived.Unlinked != nil {
		return notElsewhere(ctx, p, a, waiting.Upstream{Provider: r.Provider, Refused: upstream.ReasonUnlinked, Person: arrived.Unlinked})
	}
	step, err := p.logIn(ctx, a, arrived.Account, arrived.Proof, false)
	if err == nil && step.Kind == oidc.StepLogin { // see loginStep: the account's own means do
		return notElsewhere(ctx, p, a, waiting.Upstream{Provider: r.Provider, Refused: reasonWeak})
	}
	step.Request, step.Cookies = a.Request.View(a.Standing), a.cookies
	return step, err
}

// reasonWeak: a login with another provider isn't strong enough, and one by the account's own means is.
const reasonWeak identity.Reason = "upstream_weak"

// notElsewhere leads back to the login's page, which says why a login elsewhere led to none here.
func notElsewhere(ctx context.Context, p *Service, a *asking, why waiting.Upstream) (oidc.Step, error) {
	a.Note(func(k *waiting.Kept) { k.Upstream = &why })
	step, err := p.lead(ctx, a, oidc.StepLogin)
	step.Cookies = a.cookies
	return step, err
}

// unlinked returns who came from another provider before somebody logged in for this request by the
// account's own means, and may be linked to the account; nil: nobody.
func unlinked(a *asking) *upstream.Person {
	if a.Upstream == nil || a.login == nil || a.Login != a.login.ID {
		return nil
	}
	if factor.Elsewhere(a.login.About.Factors) || a.login.Relayed() { // at a third provider, or by a phone that may have been deceived
		return nil
	}
	return a.Upstream.Person
}

// linkStep says what a link needs that somebody may make: their yes, and then as strong a login as
// the account can have. StepDone: nothing more.
func linkStep(a *asking) oidc.StepKind {
	switch all := factor.All(); {
	case unlinked(a) == nil:
		return oidc.StepDone
	case a.Upstream.Agreed != a.login.ID:
		return oidc.StepLink
	default:
		reach := all.Strength(a.login.State.Can)
		if a.login.Strength() >= reach {
			return oidc.StepDone
		}
		if a.further = all.Further(a.login.About.Factors, a.login.State.Can, reach); len(a.further) == 0 {
			return oidc.StepLogin // with something stronger
		}
		return oidc.StepSecondFactor
	}
}

// Link is the answer to whether to link an account elsewhere with this one (StepLink).
type Link struct {
	Agreed   bool
	Language string // of what its owner is told
}

func (Link) tries() bool { return false }

func (w Link) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if !w.Agreed {
		a.Note(func(k *waiting.Kept) { k.Upstream = nil })
	} else {
		agreed := a.login.ID
		a.Note(waiting.ChangeUpstream(func(u *waiting.Upstream) { u.Agreed, u.Language = agreed, w.Language }))
	}
	step, err := p.next(ctx, a)
	if err == nil && step.Kind == oidc.StepSecondFactor {
		step.Sent, _ = SendCode{}.send(ctx, p, a)
	}
	return step, err
}

// link links somebody with the account once that was agreed to, and the login is strong enough. What is
// refused is asked again, with why.
func link(ctx context.Context, p *Service, a *asking) error {
	x := unlinked(a)
	if x == nil || linkStep(a) != oidc.StepDone {
		return nil
	}
	err := p.c.Upstreams.Link(ctx, authenticator.Owner{
		Account: a.login.About.Account, Session: a.login.ID, AuthTime: a.login.About.AuthTime, Since: a.login.About.Since, Strength: a.login.Strength(), Relayed: a.login.Relayed(),
		Language: a.Upstream.Language, RequestID: a.browser.RequestID,
	}, *x)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		a.Note(waiting.ChangeUpstream(func(u *waiting.Upstream) { u.Agreed, u.Refused = "", e.Reason }))
		return nil
	}
	if err == nil {
		a.Note(func(k *waiting.Kept) { k.Upstream = nil })
	}
	return err
}
