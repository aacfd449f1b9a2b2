package flow

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/oidc/session"
	"yizheng.internal/oidc/waiting"
)

// Password is a login name with a password (StepLogin).
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
		step.Challenge = c.Handle // too many tries: ask for a code before saying whether the password was right
		return step, err
	}
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return p.again(ctx, a, oidc.Problem{Kind: oidc.ProblemLogin, Refused: e})
	} else if err != nil {
		return oidc.Step{}, err
	}
	return p.logIn(ctx, a, account, w.proves(account), false)
}

func (w Password) check(ctx context.Context, p *Service, a *asking) (identity.Account, error) {
	b := a.browser
	return p.c.Factors.CheckPassword(ctx, factor.Attempt{
		Login: w.Login, Password: w.Password, Device: b.Device, Address: b.Address, Binding: b.ID.Reveal(),
		Language: a.sent.Language(a.Request.UILocales), RequestID: b.RequestID,
	})
}

func (Password) proves(account identity.Account) factor.Proof {
	return factor.PasswordProof(account, time.Now())
}

// login is an answer that logs somebody in, and does so again if its form is sent twice.
type login interface {
	Answer
	// check returns the account that the answer logs in to.
	check(ctx context.Context, p *Service, a *asking) (identity.Account, error)
	// proves returns what it proves about that account.
	proves(account identity.Account) factor.Proof
}

// repeat takes a login form whose request was answered just now, most likely by the same
// form: without scripts, nothing stops a second click. It is checked again, unless
// the browser has a session cookie already. If anything is wrong, the answer is the same as
// for every answered request.
func repeat(ctx context.Context, p *Service, a *asking, w login, genuine bool) (oidc.Step, error) {
	if a.browser.Session == (oidc.Secret{}) {
		gone := p.c.Waiting.Gone(ctx, a.Entry)
		if !genuine || a.sent.Wait() > 0 {
			return oidc.Step{}, gone
		}
		account, err := w.check(ctx, p, a)
		if err != nil {
			return oidc.Step{}, gone
		}
		return sameLogin(ctx, p, a, account, w.proves(account))
	}
	return p.answerTwice(ctx, a)
}

// sameLogin answers a request again that was answered by a login with that proof. It
// succeeds if the account is the one that logged in then, and begins no session.
func sameLogin(ctx context.Context, p *Service, a *asking, account identity.Account, proof factor.Proof) (oidc.Step, error) {
	cookie := a.cookieFor(account, proof)
	l, err := p.c.Sessions.Same(ctx, cookie, account)
	if errors.Is(err, session.ErrOvertaken) {
		return oidc.Step{}, oidc.ErrRequestGone
	}
	if err != nil {
		return oidc.Step{}, err
	}
	if l == nil || l.ID != a.Session {
		return oidc.Step{}, p.c.Waiting.Gone(ctx, a.Entry)
	}
	a.enters(l, cookie)
	return p.answerTwice(ctx, a)
}

// Confirmation is the code of a challenge (StepLogin).
type Confirmation struct {
	Challenge string // see [oidc.Step].Challenge
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
	return p.logIn(ctx, a, account, factor.PasswordProof(account, time.Now()), true)
}

// logIn begins a session for somebody who gave a first proof, such as the right password; confirmed
// says that a code was right, too. The browser's earlier session, if any, ends. If that session is the same person's,
// it goes on instead, under the new cookie and with this login's factors alone, so that tokens of
// other clients stay valid. ErrRequestGone if the account's password changed after the check.
func (p *Service) logIn(ctx context.Context, a *asking, account identity.Account, proof factor.Proof, confirmed bool) (oidc.Step, error) {
	// The check took a while. If the request was answered meanwhile, as by "cancel" in another
	// tab, nobody is logged in, and no session ends.
	if err := p.c.Waiting.Reload(ctx, a.Entry); err != nil {
		return oidc.Step{}, err
	}
	if a.IsAnswered() {
		if confirmed || proof.Factor != factor.Password && proof != byPhone {
			return oidc.Step{}, p.c.Waiting.Gone(ctx, a.Entry)
		}
		return sameLogin(ctx, p, a, account, proof)
	}
	l, cookie, err := p.c.Sessions.Start(ctx, a.browser, account, a.cookieFor(account, proof), proof)
	if errors.Is(err, session.ErrOvertaken) { // the password changed after the check
		return oidc.Step{}, oidc.ErrRequestGone
	}
	if err != nil {
		return oidc.Step{}, err
	}
	a.enters(l, cookie)
	a.Note(func(k *waiting.Kept) { k.Login, k.Account = l.ID, account.ID })
	if confirmed {
		if err := p.stepUp(ctx, a, byPhone); err != nil {
			return oidc.Step{}, err
		}
	}
	token := p.c.Factors.DeviceToken
	if proof == byPhone { // a phone alone must not ease guessing the password
		token = p.c.Phones.DeviceToken
	}
	if proof.Factor != factor.Upstream { // nor may another provider
		a.knowDevice(ctx, p, account, token)
	}
	step, err := p.next(ctx, a)
	if _, late := errors.AsType[*oidc.GoneError](err); late { // the same form, sent twice at once, came first
		return p.answerTwice(ctx, a)
	}
	if err == nil && step.Kind == oidc.StepSecondFactor {
		step.Sent, _ = SendCode{}.send(ctx, p, a)
	}
	return step, err
}

// knowDevice makes the browser a known device of an account. If that fails, the login succeeds all the
// same.
func (a *asking) knowDevice(ctx context.Context, p *Service, account identity.Account, token func(context.Context, identity.Account, string) (string, error)) {
	made, err := token(ctx, account, a.browser.Device)
	if err != nil {
		p.c.Log.LogAttrs(ctx, slog.LevelWarn, "a device could not be noted", slog.String("error", err.Error()))
		return
	}
	a.browser.Device, a.cookies.Device = made, made
}

// What a right password proves, and what the right code of a challenge or of a phone proves.
var byPhone = factor.Proof{Factor: factor.PhoneCode}

// cookieFor returns the session cookie for a login. It is derived from the request's seed, so
// that a form that is sent twice gets the same cookie, in whatever order the answers arrive.
func (a *asking) cookieFor(account identity.Account, proof factor.Proof) oidc.Secret {
	return oidc.SecretOf(oidc.Derive(a.Seed, "login", account.ID, a.browser.Session.Reveal(), proof.String()))
}

// answerTwice answers a request again that the login of this browser's session answered less
// than a minute ago: the form was sent twice, and a browser shows the second answer. It gives
// another code for the same login, and nothing else.
func (p *Service) answerTwice(ctx context.Context, a *asking) (oidc.Step, error) {
	if !a.AnsweredByLogin() || a.login == nil || a.login.ID != a.Session || a.login.ID != a.Login {
		return oidc.Step{}, p.c.Waiting.Gone(ctx, a.Entry)
	}
	kind, err := p.judge.demand(ctx, a)
	switch {
	case err != nil:
		return oidc.Step{}, err
	case kind != oidc.StepDone:
		return oidc.Step{}, p.c.Waiting.Gone(ctx, a.Entry)
	case a.Request.Portal():
		return finishPortal(a), nil
	}
	return p.grantCode(ctx, a)
}
