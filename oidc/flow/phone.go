package flow

import (
	"context"
	"errors"
	"strings"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/identity/phonecode"
)

// Phones logs people in with their phone. [phonecode.Service] implements it; its methods say what
// they refuse.
type Phones interface {
	Send(ctx context.Context, a phonecode.Attempt) (phonecode.Sent, error)
	Check(ctx context.Context, a phonecode.Attempt, code string) (identity.Account, error)
	Identify(ctx context.Context, a phonecode.Attempt, token, name, ending string) (identity.Account, error)
	DeviceToken(ctx context.Context, account identity.Account, had string) (string, error)
}

// PhoneNumber has a code sent to a phone, to log in with it (StepLogin).
type PhoneNumber struct {
	Phone string
	Again bool // a code was sent before: the page that asks for it stays
}

// PhoneCode is the code that was sent (StepLogin).
type PhoneCode struct{ Phone, Code string }

// PhonePerson says whose the phone is (StepLogin).
type PhonePerson struct {
	Phone    string
	Question string // see [oidc.PhoneLogin]
	Name     string
	Ending   string // the last four characters of a number of theirs
}

func (w PhoneNumber) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if p.c.Phones == nil {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemStale})
	}
	if w.Phone == "" {
		return a.againPhone(ctx, p, nil, oidc.Problem{Kind: oidc.ProblemIncomplete})
	}
	sent, err := p.c.Phones.Send(ctx, a.phone(w.Phone))
	if err != nil {
		if w.Again {
			return a.stayPhone(ctx, p, &oidc.PhoneLogin{Number: w.Phone}, err)
		}
		return a.refusePhone(ctx, p, nil, err)
	}
	return a.againPhone(ctx, p, &oidc.PhoneLogin{Number: w.Phone, Again: sent.Again}, oidc.Problem{})
}

func (w PhoneCode) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if p.c.Phones == nil {
		return a.againPhone(ctx, p, nil, oidc.Problem{Kind: oidc.ProblemStale})
	}
	account, err := w.check(ctx, p, a)
	if q, ok := errors.AsType[*phonecode.Question](err); ok {
		return a.againPhone(ctx, p, &oidc.PhoneLogin{Number: w.Phone, Question: q.Token}, oidc.Problem{})
	}
	if err != nil {
		return a.refusePhone(ctx, p, &oidc.PhoneLogin{Number: w.Phone}, err)
	}
	return p.logIn(ctx, a, account, byPhone, false)
}

func (w PhonePerson) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if p.c.Phones == nil {
		return a.againPhone(ctx, p, nil, oidc.Problem{Kind: oidc.ProblemStale})
	}
	at := &oidc.PhoneLogin{Number: w.Phone, Question: w.Question}
	if w.Name == "" || len([]rune(strings.TrimSpace(w.Ending))) != phonecode.EndingLength {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemIncomplete})
	}
	account, err := w.check(ctx, p, a)
	if err != nil {
		return a.refusePhone(ctx, p, at, err)
	}
	return p.logIn(ctx, a, account, byPhone, false)
}

func (w PhoneCode) check(ctx context.Context, p *Service, a *asking) (identity.Account, error) {
	if p.c.Phones == nil {
		return identity.Account{}, errNoPhones
	}
	return p.c.Phones.Check(ctx, a.phone(w.Phone), w.Code)
}

func (w PhonePerson) check(ctx context.Context, p *Service, a *asking) (identity.Account, error) {
	if p.c.Phones == nil {
		return identity.Account{}, errNoPhones
	}
	return p.c.Phones.Identify(ctx, a.phone(w.Phone), w.Question, w.Name, w.Ending)
}

func (PhoneCode) proves(identity.Account) factor.Proof   { return byPhone }
func (PhonePerson) proves(identity.Account) factor.Proof { return byPhone }

// errNoPhones refuses forms that no page of ours has.
var errNoPhones = &identity.Error{Reason: identity.ReasonCodeExpired, Detail: "Nobody logs in with a phone here."}

// phone returns the attempt of this browser for this request.
func (a *asking) phone(number string) phonecode.Attempt {
	return phonecode.Attempt{
		Phone: number, Device: a.browser.Device, Address: a.browser.Address, Binding: aloneBinding(a.Handle, a.browser),
		Language: a.sent.Language(a.Request.UILocales), RequestID: a.browser.RequestID,
	}
}

// againPhone shows the login's page once more, at where the login with a phone is.
func (a *asking) againPhone(ctx context.Context, p *Service, at *oidc.PhoneLogin, wrong oidc.Problem) (oidc.Step, error) {
	step, err := p.again(ctx, a, wrong)
	step.Phone = at
	return step, err
}

// refusePhone shows why a login with a phone was refused. Where only another code helps, it leads back
// to the number.
func (a *asking) refusePhone(ctx context.Context, p *Service, at *oidc.PhoneLogin, err error) (oidc.Step, error) {
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return oidc.Step{}, err
	}
	if e.Reason != identity.ReasonCodeWrong && e.Reason != identity.ReasonPersonRefused && e.Reason != identity.ReasonUnavailable {
		at = nil
	}
	return a.stayPhone(ctx, p, at, err)
}

// stayPhone shows the page at which the login with a phone is, with why something was refused.
func (a *asking) stayPhone(ctx context.Context, p *Service, at *oidc.PhoneLogin, err error) (oidc.Step, error) {
	e, ok := errors.AsType[*identity.Error](err)
	if !ok {
		return oidc.Step{}, err
	}
	if at != nil && e.Reason == identity.ReasonCodeWrong {
		at.Again = e.Retry
	}
	return a.againPhone(ctx, p, at, oidc.Problem{Kind: oidc.ProblemPhone, Refused: e})
}
