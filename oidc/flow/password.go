package flow

import (
	"context"
	"errors"
	"log/slog"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/session"
)

// Password is what somebody logs in with (StepLogin).
type Password struct {
	Login    string // login name, phone or code number, as typed
	Password string
}

func (w Password) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	if w.Login == "" || w.Password == "" {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemIncomplete})
	}
	account, err := w.check(ctx, p, a)
	if c, ok := errors.AsType[*factor.Challenge](err); ok {
		step, err := p.again(ctx, a, oidc.Problem{})
		step.Challenge = c.Handle // there were too many tries: a code, before it is said whether the password was right
		return step, err
	}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemLogin, Refused: e})
	} else if err != nil {
		return oidc.Step{}, err
	}
	return p.logIn(ctx, a, account, false)
}

func (w Password) check(ctx context.Context, p *Service, a *asking) (identity.Account, error) {
	b := a.browser
	return p.c.Factors.CheckPassword(ctx, factor.Attempt{
		Login: w.Login, Password: w.Password, Device: b.Device, Address: b.Address, Binding: b.ID.Reveal(),
		Language: a.sent.Language(a.Request.UILocales), RequestID: b.RequestID,
	})
}

// repeat takes a login's form whose request was answered just now, most likely by the same
// form: without scripts, nothing stops a second click. The password counts once more, unless
// the first answer's cookie has arrived. Whatever is not right gets what every answered request
// gets.
func (w Password) repeat(ctx context.Context, p *Service, a *asking, genuine bool) (oidc.Step, error) {
	if a.browser.Session == (oidc.Secret{}) {
		gone := p.shelf.gone(ctx, &a.kept)
		if !genuine || a.sent.Wait() > 0 {
			return oidc.Step{}, gone
		}
		account, err := w.check(ctx, p, a)
		if err != nil {
			return oidc.Step{}, gone
		}
		return sameLogin(ctx, p, a, account)
	}
	return p.answerTwice(ctx, a)
}

// sameLogin answers a request once more whose answer the password of an account logged in, if
// this is its password again. It begins no session.
func sameLogin(ctx context.Context, p *Service, a *asking, account identity.Account) (oidc.Step, error) {
	cookie := a.cookieFor(account)
	l, err := p.c.Sessions.Same(ctx, cookie, account)
	if errors.Is(err, session.ErrOvertaken) {
		return oidc.Step{}, oidc.ErrRequestGone
	}
	if err != nil {
		return oidc.Step{}, err
	}
	if l == nil || l.ID != a.Session {
		return oidc.Step{}, p.shelf.gone(ctx, &a.kept)
	}
	a.enters(l, cookie)
	return p.answerTwice(ctx, a)
}

// Confirmation is the code of a challenge (StepLogin).
type Confirmation struct {
	Challenge string // as [oidc.Step].Challenge said
	Code      string
}

func (c Confirmation) take(ctx context.Context, p *Service, a *asking) (oidc.Step, error) {
	account, err := p.c.Factors.ConfirmLogin(ctx, c.Challenge, a.browser.ID.Reveal(), c.Code, a.browser.RequestID)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		if e.Reason == identity.ReasonCodeWrong {
			step, err := p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemCode, Refused: e})
			step.Challenge = c.Challenge
			return step, err
		}
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemConfirm, Refused: e})
	} else if err != nil {
		return oidc.Step{}, err
	}
	return p.logIn(ctx, a, account, true)
}

// logIn makes a session of somebody whose password was right, and perhaps a code, too; the
// browser's earlier session, if any, ends. If that was the same person's, it goes on instead,
// under the new cookie and with this login's factors alone, so that what other clients have of
// it lives on. ErrRequestGone if the account got another password since its own was checked.
func (p *Service) logIn(ctx context.Context, a *asking, account identity.Account, confirmed bool) (oidc.Step, error) {
	// Checking took its time. What was answered meanwhile, as by "cancel" in another tab, logs
	// nobody in, and ends no session.
	if err := p.shelf.load(ctx, a); err != nil {
		return oidc.Step{}, err
	}
	if !a.Answered.IsZero() {
		if confirmed {
			return oidc.Step{}, p.shelf.gone(ctx, &a.kept)
		}
		return sameLogin(ctx, p, a, account)
	}
	l, cookie, err := p.c.Sessions.Start(ctx, a.browser, account, a.cookieFor(account), byPassword)
	if errors.Is(err, session.ErrOvertaken) { // the password that was checked is no more
		return oidc.Step{}, oidc.ErrRequestGone
	}
	if err != nil {
		return oidc.Step{}, err
	}
	a.enters(l, cookie)
	a.note(func(k *kept) { k.Login, k.Account = l.ID, account.ID })
	if confirmed {
		if err := p.stepUp(ctx, a, byPhone); err != nil {
			return oidc.Step{}, err
		}
	}
	if a.cookies.Device, err = p.c.Factors.DeviceToken(ctx, account, a.browser.Device); err != nil {
		p.c.Log.LogAttrs(ctx, slog.LevelWarn, "a device could not be noted", slog.String("error", err.Error()))
	}
	step, err := p.next(ctx, a)
	if _, late := errors.AsType[*oidc.GoneError](err); late { // by the same form, sent twice at once
		return p.answerTwice(ctx, a)
	}
	if err == nil && step.Kind == oidc.StepSecondFactor {
		step.Sent, _ = SendCode{}.send(ctx, p, a)
	}
	return step, err
}

// What a right password proves, and the code of a challenge.
var byPassword, byPhone = factor.Proof{Factor: factor.Password}, factor.Proof{Factor: factor.PhoneCode}

// cookieFor returns the cookie of a login's session. It follows from the request's secret, so
// that a form sent twice gets one cookie, in whatever order the answers arrive.
func (a *asking) cookieFor(account identity.Account) oidc.Secret {
	return oidc.SecretOf(oidc.Derive(a.Seed, "login", account.ID, a.browser.Session.Reveal(), byPassword.String()))
}

// answerTwice answers a request once more that was answered less than a minute ago by the
// login of this browser's session: its form was sent twice, and a browser shows the answer to
// the second one. It gives another code for the same login, and nothing else.
func (p *Service) answerTwice(ctx context.Context, a *asking) (oidc.Step, error) {
	if !a.answeredByLogin() || a.login == nil || a.login.ID != a.Session || a.login.ID != a.Login {
		return oidc.Step{}, p.shelf.gone(ctx, &a.kept)
	}
	kind, err := p.judge.demand(ctx, a)
	switch {
	case err != nil:
		return oidc.Step{}, err
	case kind != oidc.StepDone:
		return oidc.Step{}, p.shelf.gone(ctx, &a.kept)
	case a.Request.Portal():
		return finishPortal(a), nil
	}
	return p.grantCode(ctx, a)
}
